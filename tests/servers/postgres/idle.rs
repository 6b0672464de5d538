//! A task whose tables are idle lets the server forget its log, however much other databases write.
//!
//! `SLACKWATER_SCALE=full` watches for 10 minutes instead of 20 seconds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{
    env, thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use slackwater_testkit::{PostgresServer, PostgresVersion, Task};

const PROGRAM: &str = env!("CARGO_BIN_EXE_slackwater");
/// Bytes of log that may be kept at any time, about 10 seconds' worth: what is written between two checkpoints at the destination, two
/// reports, and two notes that the server makes of its running transactions (at its checkpoints, too).
const LIMIT: u64 = 64 << 20;
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn the_log_of_a_busy_neighbour_is_not_kept() -> Result<()> {
    let full = env::var("SLACKWATER_SCALE").is_ok_and(|scale| scale == "full");
    let time = Duration::from_secs(if full { 600 } else { 20 });
    let source = PostgresServer::builder(PostgresVersion::V18).start()?;
    let destination = PostgresServer::builder(PostgresVersion::V18).start()?;
    for server in [&source, &destination] {
        server.exec("CREATE SCHEMA shop; CREATE TABLE shop.quiet (id int PRIMARY KEY)")?;
    }
    source.exec("CREATE DATABASE neighbour")?;
    source.exec_in("neighbour", "CREATE TABLE busy (filler text)")?;
    let directory = tempfile::tempdir()?;
    let toml = format!(
        "start = \"now\"\n{}{}[objects]\ninclude = [\"shop.*\"]\n[apply]\ncheckpoint_interval = \"1s\"\n",
        source.source_section("postgres", "slot = \"quiet\""),
        destination.destination_section("postgres", "")
    );
    let mut task = Task::new(PROGRAM, directory.path(), &toml)?;
    task.start()?;
    task.wait_for_wal(source.end_of_log()?, PATIENCE)?;

    let (begin, first) = (Instant::now(), source.end_of_log()?);
    let mut neighbour = source.client_of("neighbour")?;
    let mut most = 0;
    while begin.elapsed() < time {
        neighbour.batch_execute(
            "TRUNCATE busy; INSERT INTO busy SELECT repeat(md5(n::text), 60) FROM generate_series(1, 2000) n",
        )?;
        thread::sleep(Duration::from_millis(500));
        source.exec("CHECKPOINT")?;
        most = most.max(source.retained("quiet")?);
    }
    let written = source.end_of_log()?.0 - first.0;
    println!("{} MiB written in {time:?}, at most {} MiB kept", written >> 20, most >> 20);
    assert!(written > LIMIT + LIMIT / 2, "only {written} bytes were written");
    assert!(most < LIMIT, "{most} bytes of log were kept");
    // A row of the task's own still comes.
    source.exec("INSERT INTO shop.quiet VALUES (1)")?;
    task.wait_for_wal(source.end_of_log()?, PATIENCE)?;
    assert_eq!(destination.query_string("SELECT id FROM shop.quiet")?.as_deref(), Some("1"));
    task.stop()?;
    Ok(())
}
