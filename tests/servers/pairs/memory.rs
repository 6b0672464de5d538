//! Memory stays bounded whatever the size of a transaction or of a backlog.
//!
//! `SLACKWATER_BACKLOG_GB` sets the size of the backlog (2 unless set).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{env, fs, os::unix::fs::MetadataExt as _, path::Path, time::Duration};

use crate::river::{Destination, PROGRAM, source_section};
use anyhow::{Context, Result};
use rusqlite::Connection;
use slackwater_testkit::{BinlogPosition, Flavor, Server, Task};

/// The most that the daemon's process may ever have had in memory.
const LIMIT: u64 = 200 << 20;
const PATIENCE: Duration = Duration::from_secs(900);

fn expect_bounded(task: &Task) -> Result<()> {
    let peak = task.peak_memory()?;
    println!("peak memory {} MiB", peak >> 20);
    assert!(peak < LIMIT, "the task had {} MiB in memory", peak >> 20);
    Ok(())
}

/// 1 GiB of rows in one transaction: 256 rows of 4 MiB would be few large events, so these are many of 2 KiB.
#[test]
fn a_transaction_of_one_gigabyte() -> Result<()> {
    let source = Server::builder(Flavor::Mysql97).arg("--innodb-redo-log-capacity=2G").start()?;
    source.exec(
        "CREATE DATABASE shop; CREATE TABLE shop.big (id INT PRIMARY KEY AUTO_INCREMENT, filler VARBINARY(2048));\
         CREATE TABLE shop.digits (n INT PRIMARY KEY); INSERT INTO shop.digits VALUES (0),(1),(2),(3),(4),(5),(6),(7);\
         SET SESSION cte_max_recursion_depth = 1000000;\
         INSERT INTO shop.big (filler) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 65536) \
         SELECT REPEAT(SHA2(i, 512), 16) FROM n",
    )?;
    // The transaction doubles what is there until eight times as much has been written: 8 x 64Ki rows of 2 KiB.
    let start = source.end_of_log()?;
    source.exec("INSERT INTO shop.big (filler) SELECT filler FROM shop.big, shop.digits")?;
    let end = source.end_of_log()?;
    let size = transaction_bytes(&source, &start, &end)?;
    assert!(size > 1 << 30, "the transaction has only {size} bytes");

    let destination = Destination::sqlite()?;
    let directory = tempfile::tempdir()?;
    let mut task = Task::new(
        PROGRAM,
        directory.path(),
        &(source_section(&[&source], "earliest") + &destination.section()),
    )?;
    task.start()?;
    task.wait_for(&end, PATIENCE)?;
    expect_bounded(&task)?;
    task.stop()?;
    let copy = Connection::open(destination.file().context("a file")?)?;
    let rows: i64 = copy.query_row("SELECT count(*) FROM big", [], |row| row.get(0))?;
    assert_eq!(rows, 9 * 65_536);
    Ok(())
}

fn transaction_bytes(source: &Server, start: &BinlogPosition, end: &BinlogPosition) -> Result<u64> {
    if start.file == end.file {
        return Ok(end.offset - start.offset);
    }
    // A large transaction may get a file of its own.
    let files = source.binlog_files()?;
    files.iter().map(|file| Ok(fs::metadata(file)?.len())).sum()
}

/// Gigabytes of log in many transactions, waiting before the task starts: one captured file over and over. Its rows are
/// written by key, so that what is there in the end is what one file says.
#[test]
fn a_backlog_of_gigabytes() -> Result<()> {
    let source = Server::builder(Flavor::Mysql97).arg("--binlog-row-metadata=FULL").start()?;
    source.exec(
        "CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY AUTO_INCREMENT, filler VARCHAR(8000)) CHARSET latin1;\
         INSERT INTO shop.t (filler) VALUES (REPEAT('a', 4000)), (REPEAT('b', 4000)), (REPEAT('c', 4000)), (REPEAT('d', 4000));\
         INSERT INTO shop.t (filler) SELECT filler FROM shop.t; INSERT INTO shop.t (filler) SELECT filler FROM shop.t",
    )?;
    source.flush_logs()?;
    let file = source.binlog_files()?.pop().context("a binlog file")?;
    let mut connection = source.conn()?;
    while fs::metadata(&file)?.len() < 128 << 20 {
        slackwater_testkit::run_statements(
            &mut connection,
            "UPDATE shop.t SET filler = REVERSE(filler), id = id + 16 ORDER BY id DESC",
        )?;
        slackwater_testkit::run_statements(
            &mut connection,
            "UPDATE shop.t SET filler = CONCAT(filler, 'x'), id = id - 16 ORDER BY id",
        )?;
    }
    source.kill_hard()?;

    let archive = tempfile::tempdir()?;
    let size = archive_of_copies(&file, archive.path())?;
    let destination = Destination::sqlite()?;
    let directory = tempfile::tempdir()?;
    let toml = format!(
        "start = \"earliest\"\n[source]\ntype = \"mysql-files\"\ndirectory = {:?}\nfollow = true\n[objects]\ninclude = [\"shop.*\"]\n",
        archive.path()
    );
    let mut task = Task::new(PROGRAM, directory.path(), &(toml + &destination.section()))?;
    task.start()?;
    let last = fs::read_dir(archive.path())?.count();
    let end = BinlogPosition { file: format!("log.{last:06}"), offset: fs::metadata(&file)?.len() };
    task.wait_for(&end, PATIENCE)?;
    println!("{} MiB of log", size >> 20);
    expect_bounded(&task)?;
    task.stop()?;
    let copy = Connection::open(destination.file().context("a file")?)?;
    let rows: i64 = copy.query_row("SELECT count(*) FROM t", [], |row| row.get(0))?;
    assert_eq!(rows, 16);
    Ok(())
}

/// Fills a directory with hard links to one file; returns the bytes of all.
fn archive_of_copies(file: &Path, archive: &Path) -> Result<u64> {
    let gigabytes: u64 = env::var("SLACKWATER_BACKLOG_GB").map_or(Ok(2), |text| text.parse())?;
    let first = archive.join("log.000001");
    fs::copy(file, &first)?;
    let copies = (gigabytes << 30).div_ceil(fs::metadata(&first)?.size());
    for number in 2..=copies {
        fs::hard_link(&first, archive.join(format!("log.{number:06}")))?;
    }
    Ok(copies * fs::metadata(&first)?.size())
}
