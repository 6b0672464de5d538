//! Sysbench's table, its rows, and a log of changes to it. The same in every run.

use std::fmt::Write as _;

use anyhow::{Context, Result, ensure};
use rand::{RngExt as _, SeedableRng as _, rngs::ChaCha8Rng};
use slackwater_testkit::{Server, mysql::prelude::Queryable as _, run_statements};

/// The table of sysbench's OLTP load.
pub(crate) const TABLE: &str = "sbtest.sbtest1";
const CREATE: &str = "CREATE DATABASE sbtest; \
    CREATE TABLE sbtest.sbtest1 (id INT NOT NULL AUTO_INCREMENT, k INT NOT NULL DEFAULT 0, \
    c CHAR(120) NOT NULL DEFAULT '', pad CHAR(60) NOT NULL DEFAULT '', PRIMARY KEY (id), KEY k_1 (k)) ENGINE=InnoDB";

/// Statements that are sent at once.
const STATEMENTS: usize = 200;

/// Makes the table and fills it.
pub(crate) fn rows(server: &Server, count: u64) -> Result<()> {
    let mut conn = server.conn()?;
    run_statements(&mut conn, CREATE)?;
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut written = 0;
    while written < count {
        let batch = (count - written).min(2_000);
        let rows: Vec<String> = (0..batch).map(|_| format!("({})", values(&mut random))).collect();
        conn.query_drop(format!("INSERT INTO {TABLE} (k, c, pad) VALUES {}", rows.join(",")))?;
        written += batch;
    }
    Ok(())
}

/// Makes the table and writes `changes` to it: a half inserts, a quarter updates and a quarter deletes of random rows,
/// mixed, in transactions of `size` statements.
pub(crate) fn log(server: &Server, changes: u64, size: usize) -> Result<()> {
    let mut conn = server.conn()?;
    run_statements(&mut conn, CREATE)?;
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let (mut live, mut next, mut done) = (Vec::new(), 0_u32, 0);
    while done < changes {
        let mut sql = String::new();
        for number in 0..STATEMENTS {
            if size > 1 && number % size == 0 {
                sql += "BEGIN;";
            }
            let kind = random.random_range(0..4);
            if live.is_empty() || kind < 2 {
                next += 1;
                write!(sql, "INSERT INTO {TABLE} VALUES ({next},{});", values(&mut random))?;
                live.push(next);
            } else {
                let place = random.random_range(0..live.len());
                if kind == 2 {
                    let id = live.get(place).context("a live row")?;
                    let (k, c) = (random.random_range(0..500_000), groups(&mut random, 10));
                    write!(sql, "UPDATE {TABLE} SET k={k},c='{c}' WHERE id={id};")?;
                } else {
                    write!(sql, "DELETE FROM {TABLE} WHERE id={};", live.swap_remove(place))?;
                }
            }
            if size > 1 && (number + 1) % size == 0 {
                sql += "COMMIT;";
            }
        }
        run_statements(&mut conn, &sql)?;
        done += STATEMENTS as u64;
    }
    Ok(())
}

/// The columns of a row behind its id.
fn values(random: &mut ChaCha8Rng) -> String {
    format!("{},'{}','{}'", random.random_range(0..500_000), groups(random, 10), groups(random, 5))
}

/// Sysbench's texts: groups of eleven digits with dashes between.
fn groups(random: &mut ChaCha8Rng, count: usize) -> String {
    let groups: Vec<String> =
        (0..count).map(|_| format!("{:011}", random.random_range(0..100_000_000_000_u64))).collect();
    groups.join("-")
}

/// Requires that both servers, of one kind, have the same rows in the table.
pub(crate) fn expect_same(source: &Server, destination: &Server) -> Result<()> {
    let checksum = |server: &Server| -> Result<_> {
        let rows = server.query(&format!("CHECKSUM TABLE {TABLE}"))?;
        rows.into_iter().next().and_then(|row| row.into_iter().nth(1)).flatten().context("no checksum")
    };
    let (here, there) = (checksum(source)?, checksum(destination)?);
    ensure!(here == there, "the rows at the destination are not the source's");
    Ok(())
}
