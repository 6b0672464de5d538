//! Large schemas and large rows: many tables, many columns, many rows resumed after `kill -9`, and one row of 64 MiB.
//!
//! `SLACKWATER_SCALE=full` runs the sizes that are promised: 10,000 tables and 20 million rows. Otherwise it is a tenth or less.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{
    env,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::river::{Destination, PROGRAM, source_section};
use anyhow::{Context, Result, anyhow, ensure};
use slackwater_testkit::{
    Flavor, Server, Task,
    mysql::{Conn, prelude::Queryable as _},
    run_statements,
};

const PATIENCE: Duration = Duration::from_secs(1_800);
/// The most that the daemon's process may have in memory, however many rows there are to copy.
const LIMIT: u64 = 256 << 20;
/// What a table may take in addition: its definition at both ends is in memory while its keys are planned.
const LIMIT_OF_TABLE: u64 = 8 << 10;

/// `full` where everything is asked for, else `part` of it.
fn size(full: u32, part: u32) -> u32 {
    if env::var("SLACKWATER_SCALE").is_ok_and(|scale| scale == "full") { full } else { part }
}

/// A server with memory for the data, which writes its log without waiting for the disk.
fn server(flavor: Flavor, id: u32, options: &[&str]) -> Result<Server> {
    Server::builder(flavor)
        .server_id(id)
        .arg("--innodb-buffer-pool-size=512M")
        .args(options.iter().copied())
        .start()
}

fn task(source: &Server, destination: &Destination, directory: &tempfile::TempDir) -> Result<Task> {
    let toml = source_section(&[source], "snapshot") + &destination.section();
    Task::new(PROGRAM, directory.path(), &toml)
}

/// What the task does, by its status: a copy's tables are created before the first is copied, and get their keys when all are.
fn stage(task: &Task) -> Option<&'static str> {
    let status = task.status()?;
    let count = |name: &str| status.get("copy")?.get(name)?.as_u64();
    Some(match status.get("phase")?.as_str()? {
        "snapshot" if count("copied") == Some(0) => "creating tables",
        "snapshot" if count("copied") < count("tables") => "copying rows",
        "snapshot" => "creating keys",
        "converging" => "converging",
        "tailing" => "tailing",
        _ => "starting",
    })
}

/// Waits until the task is at a stage, and says how long each one took and how much memory the task had then.
fn wait_for_stage(task: &mut Task, wanted: &str) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let (mut last, mut since) = ("starting", Instant::now());
    while last != wanted && last != "tailing" {
        if let Some(stage) = stage(task).filter(|stage| *stage != last) {
            println!("{last}: {:.1?}, peak memory {} MiB", since.elapsed(), task.peak_memory()? >> 20);
            (last, since) = (stage, Instant::now());
        }
        ensure!(task.is_running(), "the task ended by itself:\n{}", task.log());
        ensure!(Instant::now() < deadline, "the copy is not done after {PATIENCE:?}:\n{}", task.log());
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Waits until everything is copied, and then for the end of the log: while tables are copied, the position is that of the start.
fn wait_for(task: &mut Task, source: &Server) -> Result<()> {
    wait_for_stage(task, "tailing")?;
    task.wait_for(&source.end_of_log()?, PATIENCE)
}

fn expect_bounded(task: &Task, limit: u64) -> Result<()> {
    let peak = task.peak_memory()?;
    println!("peak memory {} MiB", peak >> 20);
    ensure!(peak < limit, "the task had {} MiB in memory", peak >> 20);
    Ok(())
}

/// Each table has a few rows, and gets changes all the time while the tables are copied.
#[test]
fn ten_thousand_tables() -> Result<()> {
    let tables = size(10_000, 1_000);
    let shared = ["--innodb-file-per-table=OFF", "--table-open-cache=1000"];
    let source = server(Flavor::Mysql97, 1, &shared)?;
    let destination = Destination::Server(Box::new(server(Flavor::Mariadb1011, 2, &shared)?));
    let names: Vec<String> = (1..=tables).map(|number| format!("shop.t_{number:05}")).collect();
    let mut connection = source.conn()?;
    run_statements(&mut connection, "CREATE DATABASE shop")?;
    for_each(&mut connection, &names, |name| {
        format!(
            "CREATE TABLE {name} (id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(40), KEY (v)); \
             INSERT INTO {name} (v) VALUES ('a'), ('b'), ('c');"
        )
    })?;
    let directory = tempfile::tempdir()?;
    let mut task = task(&source, &destination, &directory)?;
    let start = Instant::now();
    task.start()?;
    let is_copied = AtomicBool::new(false);
    thread::scope(|scope| -> Result<()> {
        let changing = scope.spawn(|| -> Result<usize> {
            let mut changed = 0;
            for part in names.chunks(100).cycle() {
                if is_copied.load(Ordering::Relaxed) {
                    break;
                }
                changed += part.len();
                for_each(&mut connection, part, |name| {
                    format!(
                        "INSERT INTO {name} (v) VALUES ('d'); UPDATE {name} SET v = 'e' WHERE id = 1; \
                         DELETE FROM {name} WHERE id = 2;"
                    )
                })?;
                thread::sleep(Duration::from_millis(100));
            }
            Ok(changed)
        });
        let copied = wait_for_stage(&mut task, "converging");
        is_copied.store(true, Ordering::Relaxed);
        let changed = changing.join().map_err(|_| anyhow!("the changes broke off"))??;
        println!("{changed} times a table was changed meanwhile");
        copied
    })?;
    wait_for(&mut task, &source)?;
    println!("{tables} tables in {:?}", start.elapsed());
    destination.expect_tables(&source, &names)?;
    expect_bounded(&task, LIMIT + u64::from(tables) * LIMIT_OF_TABLE)?;
    ensure!(task.stop()?.success(), "{}", task.log());
    Ok(())
}

/// Runs statements for each table, those of some tables together.
fn for_each(connection: &mut Conn, tables: &[String], sql: impl Fn(&String) -> String) -> Result<()> {
    for part in tables.chunks(100) {
        run_statements(connection, &part.iter().map(&sql).collect::<String>())?;
    }
    Ok(())
}

#[test]
fn three_hundred_columns() -> Result<()> {
    const KINDS: [&str; 6] = [
        "INT",
        "BIGINT UNSIGNED",
        "DECIMAL(12,2)",
        "DATETIME(6)",
        "VARCHAR(20) CHARACTER SET utf8mb4",
        "DOUBLE",
    ];
    let columns: Vec<String> =
        KINDS.iter().cycle().take(299).enumerate().map(|(place, kind)| format!("c{place} {kind}")).collect();
    let values: Vec<String> = (0..299)
        .map(|place| match place % 6 {
            _ if place % 13 == 0 => "NULL".to_owned(),
            0 => format!("i - {place}"),
            1 => format!("18446744073709551615 - i - {place}"),
            2 => format!("i * {place} / 100"),
            3 => format!("TIMESTAMPADD(MICROSECOND, i * {place}, '2026-01-01')"),
            4 => format!("CONCAT('é', i, '-{place}')"),
            _ => format!("i / ({place} + 3e0)"),
        })
        .collect();
    for destination in [Destination::server(Flavor::Mariadb1011)?, Destination::sqlite()?] {
        let source = server(Flavor::Mysql97, 1, &[])?;
        source.exec(&format!(
            "CREATE DATABASE shop; CREATE TABLE shop.wide (id INT PRIMARY KEY, {}); \
             SET SESSION cte_max_recursion_depth = 10000; \
             INSERT INTO shop.wide WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) \
             SELECT i, {} FROM n",
            columns.join(", "),
            values.join(", ")
        ))?;
        let directory = tempfile::tempdir()?;
        let mut task = task(&source, &destination, &directory)?;
        task.start()?;
        source.exec(
            "UPDATE shop.wide SET c298 = 1, c4 = 'ü' WHERE id % 100 = 0; DELETE FROM shop.wide WHERE id % 77 = 0; \
             UPDATE shop.wide SET id = id + 10000 WHERE id < 50",
        )?;
        wait_for(&mut task, &source)?;
        destination.expect_tables(&source, &["shop.wide".to_owned()])?;
        expect_bounded(&task, LIMIT)?;
    }
    Ok(())
}

/// What a server has written into its tables, in rows: those of transactions that were rolled back, too.
fn rows_written(server: &Server) -> Result<u64> {
    let rows = server
        .query("SHOW GLOBAL STATUS WHERE Variable_name IN ('Innodb_rows_inserted', 'Innodb_rows_updated')")?;
    rows.into_iter()
        .map(|row| {
            let value = row.into_iter().nth(1).flatten().context("no value")?;
            Ok(String::from_utf8(value)?.parse::<u64>()?)
        })
        .sum()
}

/// The destination itself counts what was written to it: the rows of the table, and of each kill no more than the block that
/// each loader had in its hands.
#[test]
fn narrow_rows_resumed_after_kills() -> Result<()> {
    const KILLS: u64 = 3;
    let rows = u64::from(size(20_000_000, 2_000_000));
    let source = server(Flavor::Mysql97, 1, &["--innodb-redo-log-capacity=1G"])?;
    let mut connection = source.conn()?;
    run_statements(
        &mut connection,
        "CREATE DATABASE shop; CREATE TABLE shop.narrow (id INT PRIMARY KEY, v INT NOT NULL); \
         SET SESSION cte_max_recursion_depth = 1000000, sql_log_bin = 0",
    )?;
    const STEP: u64 = 500_000;
    for start in (0..rows).step_by(usize::try_from(STEP)?) {
        connection.query_drop(format!(
            "INSERT INTO shop.narrow WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) \
             SELECT {start} + i, i % 1000 FROM n",
            STEP.min(rows - start)
        ))?;
    }
    let destination = server(Flavor::Mysql97, 2, &["--innodb-redo-log-capacity=1G"])?;
    let before = rows_written(&destination)?;
    let destination = Destination::Server(Box::new(destination));
    let Destination::Server(server) = &destination else { unreachable!() };
    let directory = tempfile::tempdir()?;
    let mut task = task(&source, &destination, &directory)?;
    let toml = source_section(&[&source], "snapshot") + &destination.section();
    task.rewrite(&format!("{toml}[snapshot]\nloaders = {LOADERS}\n"))?;
    for number in 1..=KILLS {
        task.start()?;
        let part = rows * number / (KILLS + 1);
        wait_for_rows(server, &mut task, part)?;
        task.kill()?;
    }
    task.start()?;
    wait_for(&mut task, &source)?;
    let written = rows_written(server)? - before;
    let again = written.saturating_sub(rows);
    println!("{rows} rows, {written} written, {again} again after {KILLS} kills");
    let of_a_block = BLOCK_BYTES.div_ceil(ROW_BYTES);
    ensure!(again <= KILLS * LOADERS * of_a_block, "{again} rows were written again after {KILLS} kills");
    let sums = "SELECT CONCAT(COUNT(*), ' ', SUM(id), ' ', SUM(id * CAST(v AS UNSIGNED) % 1000003)) FROM shop.narrow";
    assert_eq!(source.query_string(sums)?, server.query_string(sums)?);
    expect_bounded(&task, LIMIT)
}

/// The largest block of a copy, and how many are loaded at once.
const BLOCK_BYTES: u64 = 2 << 20;
const LOADERS: u64 = 2;
/// What the server sends of a row: its header, the bits of NULL, and two integers of four bytes (MySQL documentation, "Binary
/// Protocol Resultset Row"). A block ends with the row that fills it.
const ROW_BYTES: u64 = 1 + 1 + 4 + 4;

fn wait_for_rows(server: &Server, task: &mut Task, rows: u64) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let highest = server.query_string("SELECT COALESCE(MAX(id), 0) FROM shop.narrow").ok().flatten();
        if highest.and_then(|text| text.parse().ok()).unwrap_or(0_u64) >= rows {
            return Ok(());
        }
        ensure!(task.is_running(), "the task ended by itself:\n{}", task.log());
        ensure!(Instant::now() < deadline, "{rows} rows are not there after {PATIENCE:?}:\n{}", task.log());
        thread::sleep(Duration::from_millis(20));
    }
}

/// Copied, and then changed: the log has it as well.
#[test]
fn a_row_of_64_mib() -> Result<()> {
    const OPTIONS: [&str; 2] = ["--max-allowed-packet=512M", "--innodb-redo-log-capacity=1G"];
    let source = server(Flavor::Mysql97, 1, &OPTIONS)?;
    source.exec(
        "CREATE DATABASE shop; CREATE TABLE shop.large (id INT PRIMARY KEY, note VARCHAR(20), body LONGBLOB); \
         INSERT INTO shop.large VALUES (1, 'small', 'x'), (3, 'small', 'z'); \
         INSERT INTO shop.large SELECT 2, 'large', REPEAT(UNHEX(SHA2('seed', 512)), 1048576)",
    )?;
    for destination in
        [Destination::Server(Box::new(server(Flavor::Mysql97, 2, &OPTIONS)?)), Destination::sqlite()?]
    {
        source.exec("UPDATE shop.large SET note = 'copied' WHERE id = 2")?;
        let directory = tempfile::tempdir()?;
        let mut task = task(&source, &destination, &directory)?;
        task.start()?;
        wait_for(&mut task, &source)?;
        destination.expect_tables(&source, &["shop.large".to_owned()])?;
        source.exec("UPDATE shop.large SET note = 'changed', body = CONCAT(body, 'y') WHERE id = 2")?;
        wait_for(&mut task, &source)?;
        destination.expect_tables(&source, &["shop.large".to_owned()])?;
        println!("peak memory {} MiB", task.peak_memory()? >> 20);
    }
    Ok(())
}
