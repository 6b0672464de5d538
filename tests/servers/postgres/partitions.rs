//! Partitioned tables of servers whose log has the rows under the names of the partitions (PostgreSQL 10 to 12): one table at the
//! destination, whatever the partitions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use crate::river::{DATABASE, PATIENCE, PROGRAM};
use anyhow::{Context, Result, ensure};
use slackwater_testkit::{
    PostgresServer, PostgresVersion, Task,
    compare::{Side, expect_same_tables},
};

/// `key`: of the partitioned table, from 11 on; before, partitions alone have keys, and the whole row names a row.
fn partitioned(version: PostgresVersion, key: &str, of_partition: &str) -> Result<()> {
    let source = PostgresServer::builder(version).start()?;
    let destination = PostgresServer::builder(PostgresVersion::V15).start()?;
    source.exec(&format!(
        "CREATE SCHEMA shop; \
         CREATE TABLE shop.orders (day int NOT NULL, id int NOT NULL, note text{key}) PARTITION BY RANGE (day); \
         CREATE TABLE shop.orders_first PARTITION OF shop.orders FOR VALUES FROM (0) TO (10); \
         CREATE TABLE shop.orders_second PARTITION OF shop.orders FOR VALUES FROM (10) TO (30) PARTITION BY RANGE (day); \
         CREATE TABLE shop.orders_third (note text, id int NOT NULL, day int NOT NULL); \
         ALTER TABLE shop.orders_second ATTACH PARTITION shop.orders_third FOR VALUES FROM (10) TO (20); \
         CREATE TABLE shop.other (id int PRIMARY KEY); \
         INSERT INTO shop.orders SELECT i % 20, i, 'n' || i FROM generate_series(1, 500) i"
    ))?;
    let identity = |part: &str| source.exec(&of_partition.replace("{part}", part));
    ["shop.orders_first", "shop.orders_third"].into_iter().try_for_each(identity)?;
    let directory = tempfile::tempdir()?;
    let toml = format!(
        "start = \"snapshot\"\n{}{}[objects]\ninclude = [\"shop.orders\"]\n",
        source.source_section(DATABASE, ""),
        destination.destination_section(DATABASE, "")
    );
    let mut task = Task::new(PROGRAM, directory.path(), &toml)?;
    task.start()?;
    task.wait_for_words("the destination has all that the source had here", 1, PATIENCE)?;
    source.exec(
        "INSERT INTO shop.orders SELECT i % 20, i, 'm' || i FROM generate_series(501, 600) i; \
         UPDATE shop.orders SET note = 'changed' WHERE id % 7 = 0; DELETE FROM shop.orders WHERE id % 11 = 0; \
         INSERT INTO shop.other VALUES (1)",
    )?;
    let expect_equal = |task: &mut Task| -> Result<()> {
        task.wait_for_wal(source.end_of_log()?, PATIENCE)?;
        let (from, to) = (Side::Postgres(&source, DATABASE), Side::Postgres(&destination, DATABASE));
        expect_same_tables(from, to, [("shop.orders", "shop.orders")]).map(drop)
    };
    expect_equal(&mut task)?;
    // A new partition is published when the task starts again.
    ensure!(task.stop()?.success(), "{}", task.log());
    // Statements are not in the log of these versions.
    for server in [&source, &destination] {
        server.exec(
            "CREATE TABLE shop.orders_fourth PARTITION OF shop.orders_second FOR VALUES FROM (20) TO (30)",
        )?;
    }
    identity("shop.orders_fourth")?;
    task.start()?;
    task.wait_for_words("following the log", 2, PATIENCE)?;
    source
        .exec("INSERT INTO shop.orders SELECT 20 + i % 10, 1000 + i, 'new' FROM generate_series(1, 50) i")?;
    source.exec(
        "UPDATE shop.orders SET note = 'again' WHERE id > 1020; DELETE FROM shop.orders WHERE id = 1010",
    )?;
    expect_equal(&mut task)?;
    // One that has rows already stops it.
    ensure!(task.stop()?.success(), "{}", task.log());
    source.exec(
        "CREATE TABLE shop.orders_fifth PARTITION OF shop.orders FOR VALUES FROM (30) TO (40); \
         INSERT INTO shop.orders VALUES (30, 2000, 'lost')",
    )?;
    task.start()?;
    let status = task.wait(PATIENCE)?;
    let log = task.log();
    let said = log.get(log.rfind("were taken out").context("not refused")?..).unwrap_or_default();
    ensure!(status.code() == Some(1) && said.contains("fifth") && said.contains("what to do"), "{log}");
    Ok(())
}

#[test]
fn postgresql_12() -> Result<()> {
    partitioned(PostgresVersion::V12, ", PRIMARY KEY (id, day)", "SELECT 1 -- {part}")
}

#[test]
fn postgresql_10() -> Result<()> {
    partitioned(PostgresVersion::V10, "", "ALTER TABLE {part} REPLICA IDENTITY FULL")
}
