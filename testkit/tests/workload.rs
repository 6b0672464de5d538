//! The load is the same for the same seed, covers what it says, and never fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeMap;
use std::time::Instant;

use slackwater_testkit::workload::{Step, Workload};
use slackwater_testkit::{Flavor, Server, TextRow};

/// Every table with its rows after so many steps.
fn outcome(server: &Server, seed: u64, steps: usize) -> anyhow::Result<BTreeMap<String, Vec<TextRow>>> {
    let mut conn = server.conn()?;
    let mut workload = Workload::new(seed);
    workload.setup(&mut conn)?;
    for step in 0..steps {
        workload.step(&mut conn).map_err(|error| error.context(format!("step {step}")))?;
    }
    let tables = workload.tables(&mut conn)?;
    tables.into_iter().map(|table| Ok((table.clone(), server.sorted_rows(&table)?))).collect()
}

#[test]
fn the_same_seed_gives_the_same_rows_on_every_server() -> anyhow::Result<()> {
    let mut first = None;
    for flavor in Flavor::ALL {
        let server = Server::builder(flavor).start()?;
        let mut one = outcome(&server, 11, 400).map_err(|error| error.context(flavor.name()))?;
        assert!(one == outcome(&server, 11, 400)?, "{flavor}: two runs differ");
        assert!(one != outcome(&server, 12, 400)?, "{flavor}: another seed must differ");
        // The servers do not agree on the text of a DOUBLE.
        one.remove("workload.holdings");
        one.remove("workload.measures");
        let expected = first.get_or_insert_with(|| one.clone());
        for (table, rows) in &one {
            assert!(expected.get(table) == Some(rows), "{flavor}: {table} differs from {}", Flavor::Mysql97);
        }
    }
    Ok(())
}

#[test]
fn every_kind_of_statement_comes_up() -> anyhow::Result<()> {
    for flavor in Flavor::ALL {
        let server = Server::builder(flavor).start()?;
        let mut conn = server.conn()?;
        let mut workload = Workload::new(3).ddl_per_thousand(100);
        workload.setup(&mut conn)?;
        let (mut committed, mut rolled_back, mut ddl) = (0, 0, Vec::new());
        let started = Instant::now();
        for step in 0..800 {
            match workload.step(&mut conn).map_err(|error| error.context(format!("{flavor}, step {step}")))? {
                Step::Committed { .. } => committed += 1,
                Step::RolledBack => rolled_back += 1,
                Step::Ddl { statement } => ddl.push(statement),
            }
        }
        println!(
            "{flavor}: {committed} committed, {rolled_back} rolled back, {} DDL in {:?}",
            ddl.len(),
            started.elapsed()
        );
        assert!(committed > 500 && rolled_back > 5);
        let words = [
            "TRUNCATE TABLE",
            "CREATE TABLE",
            "DROP TABLE",
            "RENAME TABLE",
            " RENAME TO ",
            "DROP COLUMN",
            "CHANGE COLUMN",
            "MODIFY COLUMN",
            "ADD COLUMN",
            " FIRST",
            " AFTER ",
        ];
        for word in words {
            assert!(ddl.iter().any(|statement| statement.contains(word)), "{flavor}: no {word}");
        }
        // Equal rows in the table without a key.
        let (all, distinct) = (
            "SELECT COUNT(*) FROM workload.readings",
            "SELECT COUNT(*) FROM (SELECT DISTINCT * FROM workload.readings) d",
        );
        assert_ne!(server.query_string(all)?, server.query_string(distinct)?, "{flavor}");
    }
    Ok(())
}

#[test]
fn it_goes_on_after_the_server_was_killed() -> anyhow::Result<()> {
    let server = Server::builder(Flavor::Mysql57).start()?;
    let mut workload = Workload::new(5);
    let mut conn = server.conn()?;
    workload.setup(&mut conn)?;
    for _ in 0..3 {
        for _ in 0..40 {
            workload.step(&mut conn)?;
        }
        server.kill_hard()?;
        assert!(workload.step(&mut conn).is_err());
        server.restart()?;
        conn = server.conn()?;
    }
    Ok(())
}
