//! Memory stays bounded whatever the size of a transaction of PostgreSQL, which is received while it runs.
//!
//! `SLACKWATER_SCALE=full` runs the size that is promised: 2 GiB.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{
    env, fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use slackwater_testkit::{PostgresServer, PostgresVersion, Task};

const PROGRAM: &str = env!("CARGO_BIN_EXE_slackwater");
/// The most that the daemon's process may ever have had in memory.
const LIMIT: u64 = 200 << 20;
const PATIENCE: Duration = Duration::from_secs(1_800);

/// Rows of a subtransaction, and bytes of text in each: 1 MiB together.
const ROWS: u64 = 512;
const ROW_BYTES: u64 = 2_048;

#[test]
fn a_transaction_is_received_while_it_runs_and_takes_little_memory() -> Result<()> {
    for protocol in [2, 4] {
        large_transaction(protocol)?;
    }
    Ok(())
}

// The server keeps it until it ends.
#[test]
fn a_transaction_that_is_received_at_its_end_takes_little_memory() -> Result<()> {
    large_transaction(1)
}

fn large_transaction(protocol: u8) -> Result<()> {
    let full = env::var("SLACKWATER_SCALE").is_ok_and(|scale| scale == "full");
    let (mebibytes, work_memory) = if full { (2_048, "64MB") } else { (64, "64kB") };
    let server = |name, value| PostgresServer::builder(PostgresVersion::V18).set(name, value).start();
    let source = server("logical_decoding_work_mem", work_memory)?;
    let destination = server("max_wal_size", "1GB")?;
    for server in [&source, &destination] {
        // Texts stay in the row as they are, so that they have their size in the log.
        server.exec(
            "CREATE SCHEMA shop; CREATE TABLE shop.big (id bigint PRIMARY KEY, filler text NOT NULL); \
             ALTER TABLE shop.big ALTER filler SET STORAGE PLAIN",
        )?;
    }
    let directory = tempfile::tempdir()?;
    let toml = format!(
        "start = \"now\"\n{}{}[objects]\ninclude = [\"shop.*\"]\n",
        source.source_section("postgres", &format!("slot = \"big\"\nprotocol = {protocol}")),
        destination.destination_section("postgres", "")
    );
    let mut task = Task::new(PROGRAM, directory.path(), &toml)?;
    task.start()?;
    task.wait_for_wal(source.end_of_log()?, PATIENCE)?;

    let (before, begin) = (source.end_of_log()?, Instant::now());
    let mut client = source.client()?;
    client.batch_execute("BEGIN")?;
    client.batch_execute(&subtransactions(mebibytes))?;
    let mut spilled = 0;
    if protocol > 1 {
        // The rows themselves, without those of the last subtransactions, which the server still has in memory.
        let kept = mebibytes / 3 * 2 * ROWS * ROW_BYTES;
        spilled = wait_for_spill(&mut task, kept / 10 * 8)?;
    }
    let written = begin.elapsed();
    client.batch_execute("COMMIT")?;
    let end = source.end_of_log()?;
    assert!(end.0 - before.0 > mebibytes << 20, "the transaction has only {} bytes", end.0 - before.0);
    task.wait_for_wal(end, PATIENCE)?;

    let peak = task.peak_memory()?;
    println!(
        "{mebibytes} MiB in a transaction, protocol {protocol}: peak memory {} MiB; {} MiB received in {written:.1?} before the commit, \
         all applied after {:.1?}",
        peak >> 20,
        spilled >> 20,
        begin.elapsed()
    );
    assert!(peak < LIMIT, "the task had {} MiB in memory", peak >> 20);
    assert_eq!(size(&directory.path().join("state/spill"))?, 0, "what was spilled is still there");
    task.stop()?;
    let rows = "SELECT count(*), min(id), max(id), sum(hashtextextended(b::text, 0)) FROM shop.big b";
    assert_eq!(destination.query(rows)?, source.query(rows)?);
    Ok(())
}

/// Writes so many subtransactions of 1 MiB. Every third is rolled back, and with it, every other time, one that it has inside.
fn subtransactions(mebibytes: u64) -> String {
    format!(
        "DO $$ BEGIN
           FOR block IN 1..{mebibytes} LOOP
             BEGIN
               INSERT INTO shop.big SELECT block * 1000 + n, repeat(md5((block * 1000 + n)::text), {ROW_BYTES} / 32)
               FROM generate_series(1, {ROWS} / 2) n;
               BEGIN
                 INSERT INTO shop.big SELECT block * 1000 + n, repeat(md5((block * 1000 + n)::text), {ROW_BYTES} / 32)
                 FROM generate_series({ROWS} / 2 + 1, {ROWS}) n;
                 IF block % 6 = 0 THEN RAISE EXCEPTION 'taken back'; END IF;
               EXCEPTION WHEN raise_exception THEN NULL;
               END;
               IF block % 3 = 0 THEN RAISE EXCEPTION 'taken back'; END IF;
             EXCEPTION WHEN raise_exception THEN NULL;
             END;
           END LOOP;
         END $$"
    )
}

/// Waits until the task has that much of a transaction which has not ended. How much it has.
fn wait_for_spill(task: &mut Task, bytes: u64) -> Result<u64> {
    let spill = task.state_directory().join("spill");
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = size(&spill)?;
        if found >= bytes {
            return Ok(found);
        }
        ensure!(task.is_running() && Instant::now() < deadline, "{found} bytes of {bytes}:\n{}", task.log());
        thread::sleep(Duration::from_millis(50));
    }
}

/// Bytes in the files of a directory.
fn size(directory: &Path) -> Result<u64> {
    fs::read_dir(directory)?.map(|file| Ok(file?.metadata()?.len())).sum()
}
