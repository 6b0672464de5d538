//! Sysbench's table on a server.

use anyhow::{Result, ensure};
use slackwater_testkit::{PostgresServer, run_postgres};

use crate::data::{self, TABLE};

/// The table without its second index.
pub(crate) const CREATE_TABLE: &str = "CREATE SCHEMA sbtest; \
    CREATE TABLE sbtest.sbtest1 (id SERIAL PRIMARY KEY, k INTEGER NOT NULL DEFAULT 0, \
    c CHAR(120) NOT NULL DEFAULT '', pad CHAR(60) NOT NULL DEFAULT '')";
/// The second index.
pub(crate) const CREATE_INDEX: &str = "CREATE INDEX k_1 ON sbtest.sbtest1 (k)";

/// The row that the last transaction of a log adds, so that its arrival can be seen.
const LAST_ID: i32 = -1;

/// Makes the table.
pub(crate) fn create(server: &PostgresServer) -> Result<()> {
    server.exec(CREATE_TABLE)?;
    server.exec(CREATE_INDEX)
}

/// Makes the table and fills it.
pub(crate) fn rows(server: &PostgresServer, count: u64) -> Result<()> {
    create(server)?;
    let mut client = server.client()?;
    data::rows(count, |sql| run_postgres(&mut client, sql))?;
    // What autovacuum would do at some time.
    server.client()?.batch_execute("VACUUM (ANALYZE, FREEZE) sbtest.sbtest1")?;
    Ok(())
}

/// Writes `changes` to the table in transactions of `size`, and a last row.
pub(crate) fn log(server: &PostgresServer, changes: u64, size: usize) -> Result<()> {
    let mut client = server.client()?;
    run_postgres(&mut client, "SET synchronous_commit = off")?;
    data::log(changes, size, |sql| run_postgres(&mut client, sql))?;
    server.exec(&format!("INSERT INTO {TABLE} (id) VALUES ({LAST_ID})"))
}

/// The question whether the last row is there.
pub(crate) fn has_last_row() -> String {
    format!("SELECT 1 FROM {TABLE} WHERE id = {LAST_ID}")
}

/// Requires that both servers have the same rows in the table.
pub(crate) fn expect_same(source: &PostgresServer, destination: &PostgresServer) -> Result<()> {
    let sql = format!("SELECT count(*), sum(hashtextextended(t::text, 0)) FROM {TABLE} t");
    let (here, there) = (source.query(&sql)?, destination.query(&sql)?);
    ensure!(here == there, "the rows at the destination are not the source's: {there:?} and {here:?}");
    Ok(())
}
