//! Sysbench's table on a server.

use anyhow::{Context, Result, ensure};
use slackwater_testkit::{Server, run_statements};

use crate::data::{self, TABLE};

const CREATE: &str = "CREATE DATABASE sbtest; \
    CREATE TABLE sbtest.sbtest1 (id INT NOT NULL AUTO_INCREMENT, k INT NOT NULL DEFAULT 0, \
    c CHAR(120) NOT NULL DEFAULT '', pad CHAR(60) NOT NULL DEFAULT '', PRIMARY KEY (id), KEY k_1 (k)) ENGINE=InnoDB";

/// Makes the table and fills it.
pub(crate) fn rows(server: &Server, count: u64) -> Result<()> {
    let mut conn = server.conn()?;
    run_statements(&mut conn, CREATE)?;
    data::rows(count, |sql| run_statements(&mut conn, sql))
}

/// Makes the table and writes `changes` to it in transactions of `size`.
pub(crate) fn log(server: &Server, changes: u64, size: usize) -> Result<()> {
    let mut conn = server.conn()?;
    run_statements(&mut conn, CREATE)?;
    data::log(changes, size, |sql| run_statements(&mut conn, sql))
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
