//! Random changes of random JSON documents, logged as changes alone (PARTIAL_JSON): what arrives equals the source's SELECT.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::fmt::Write as _;

use crate::river::{Destination, PATIENCE, PROGRAM, source_section};
use anyhow::Result;
use rand::{RngExt as _, SeedableRng as _, rngs::ChaCha8Rng};
use slackwater_testkit::{Flavor, Server, Task, run_statements};

const DOCUMENTS: usize = 300;
const UPDATES: usize = 1_500;
/// Names of members, some of which a path has to quote.
const NAMES: &[&str] = &["a", "b", "with space", "ä€", "quo\\\"te", "long name of a member", "$", "0"];

/// A value as an SQL expression: a scalar of any kind, or a document of that depth.
fn value(random: &mut ChaCha8Rng, depth: usize) -> String {
    match random.random_range(0..if depth == 0 { 11 } else { 15 }) {
        0 => "CAST('null' AS JSON)".into(),
        1 => "CAST('true' AS JSON)".into(),
        2 => random.random_range(-70_000_i64..70_000).to_string(),
        3 => random.random::<u64>().to_string(),
        4 => format!("{}e0", random.random_range(-1.0e6..1.0e6_f64)),
        5 => format!(
            "CAST({}.{:03} AS DECIMAL(20,3))",
            random.random_range(-9_000..9_000),
            random.random_range(0..1_000)
        ),
        6 => format!(
            "CAST('20{:02}-02-{:02}' AS DATE)",
            random.random_range(0..99),
            random.random_range(1..28)
        ),
        7 => format!("CAST('-{}:00:00.5' AS TIME(6))", random.random_range(1..800)),
        8 => "CAST('2024-01-02 03:04:05.678901' AS DATETIME(6))".into(),
        9 => format!("x'{:08X}'", random.random::<u32>()),
        10 | 11 => format!("'{}'", "tä€😀 \\\\\" ".repeat(random.random_range(0..20))),
        12 => format!("REPEAT('z', {})", random.random_range(1..400)),
        13 => {
            let cells: Vec<_> = (0..random.random_range(0..5)).map(|_| value(random, depth - 1)).collect();
            format!("JSON_ARRAY({})", cells.join(", "))
        }
        _ => object(random, depth - 1),
    }
}

fn object(random: &mut ChaCha8Rng, depth: usize) -> String {
    let mut members = Vec::new();
    for name in NAMES {
        if random.random_bool(0.5) {
            members.push(format!("'{}', {}", name.replace('\\', ""), value(random, depth)));
        }
    }
    format!("JSON_OBJECT({})", members.join(", "))
}

/// A path of one to three legs. It may lead nowhere.
fn path(random: &mut ChaCha8Rng) -> String {
    let mut path = "$".to_owned();
    for _ in 0..random.random_range(1..4) {
        if random.random_bool(0.3) {
            let _ = write!(path, "[{}]", random.random_range(0..4));
        } else {
            let name = NAMES.get(random.random_range(0..NAMES.len())).copied().unwrap_or("a");
            let _ = write!(path, ".\"{name}\"");
        }
    }
    path.replace('\\', "\\\\")
}

/// The functions whose changes are logged as such, nested at times.
fn change(random: &mut ChaCha8Rng) -> String {
    let mut expression = "document".to_owned();
    for _ in 0..random.random_range(1..4) {
        let path = path(random);
        expression = match random.random_range(0..4) {
            0 | 1 => format!("JSON_SET({expression}, '{path}', {})", value(random, 2)),
            2 => format!("JSON_REPLACE({expression}, '{path}', {})", value(random, 1)),
            _ => format!("JSON_REMOVE({expression}, '{path}')"),
        };
    }
    expression
}

fn load(source: &Server) -> Result<()> {
    let mut random = ChaCha8Rng::seed_from_u64(97);
    let mut connection = source.conn()?;
    run_statements(&mut connection, "SET SESSION binlog_row_value_options = PARTIAL_JSON")?;
    for table in ["full", "minimal"] {
        run_statements(
            &mut connection,
            &format!(
                "SET SESSION binlog_row_image = {table};
                 CREATE TABLE shop.{table} (id INT PRIMARY KEY, n INT, document JSON, other JSON)"
            ),
        )?;
        for id in 0..DOCUMENTS {
            let (document, other) = (object(&mut random, 3), object(&mut random, 1));
            run_statements(
                &mut connection,
                &format!("INSERT INTO shop.{table} VALUES ({id}, 0, {document}, {other})"),
            )?;
        }
        for _ in 0..UPDATES {
            let id = random.random_range(0..DOCUMENTS);
            let change = change(&mut random);
            run_statements(
                &mut connection,
                &format!("UPDATE shop.{table} SET n = n + 1, document = {change} WHERE id = {id}"),
            )?;
        }
    }
    Ok(())
}

#[test]
fn changed_documents_equal_the_source() -> Result<()> {
    let source = Server::builder(Flavor::Mysql97).start()?;
    source.exec("CREATE DATABASE shop")?;
    load(&source)?;
    let tables = ["shop.full".to_owned(), "shop.minimal".to_owned()];
    for destination in [Destination::sqlite()?, Destination::server(Flavor::Mysql97)?] {
        let directory = tempfile::tempdir()?;
        let mut task = Task::new(
            PROGRAM,
            directory.path(),
            &(source_section(&[&source], "earliest") + &destination.section()),
        )?;
        task.start()?;
        task.wait_for(&source.end_of_log()?, PATIENCE)?;
        destination.expect_tables(&source, &tables)?;
        assert!(task.stop()?.success(), "{}", task.log());
    }
    Ok(())
}
