//! A task whose tables are idle lets the server forget its log, however much other databases write.
//!
//! `SLACKWATER_SCALE=full` watches for 10 minutes instead of 25 seconds, and leaves the server to its own checkpoints.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{
    env, fmt, thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use slackwater_testkit::{PostgresServer, PostgresVersion, Task, WalPosition};

const PROGRAM: &str = env!("CARGO_BIN_EXE_slackwater");
/// How old the confirmed place may get, by the settings that a task has unless told otherwise: the time between two checkpoints at the
/// destination, and two reports.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(10);
/// How old the oldest log that is kept may get where the server notes its running transactions often, as at each checkpoint.
const KEPT_WITHIN: Duration = Duration::from_secs(15);
/// The same where it notes them by itself, every 15 seconds (`LOG_SNAPSHOT_INTERVAL_MS`, `src/backend/postmaster/bgwriter.c`): a slot's
/// place moves to the note before the one that was confirmed.
const KEPT_WITHIN_BY_ITSELF: Duration = Duration::from_secs(50);
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn the_log_of_a_busy_neighbour_is_not_kept() -> Result<()> {
    let full = env::var("SLACKWATER_SCALE").is_ok_and(|scale| scale == "full");
    let (time, kept_within) = if full {
        (Duration::from_secs(600), KEPT_WITHIN_BY_ITSELF)
    } else {
        (Duration::from_secs(25), KEPT_WITHIN)
    };
    let source = PostgresServer::builder(PostgresVersion::V18).start()?;
    let destination = PostgresServer::builder(PostgresVersion::V18).start()?;
    for server in [&source, &destination] {
        server.exec("CREATE SCHEMA shop; CREATE TABLE shop.quiet (id int PRIMARY KEY)")?;
    }
    source.exec("CREATE DATABASE neighbour")?;
    source.exec_in("neighbour", "CREATE TABLE busy (filler text)")?;
    let directory = tempfile::tempdir()?;
    let toml = format!(
        "start = \"now\"\n{}{}[objects]\ninclude = [\"shop.*\"]\n",
        source.source_section("postgres", "slot = \"quiet\""),
        destination.destination_section("postgres", "")
    );
    let mut task = Task::new(PROGRAM, directory.path(), &toml)?;
    task.start()?;
    task.wait_for_wal(source.end_of_log()?, PATIENCE)?;

    let (begin, first) = (Instant::now(), source.end_of_log()?);
    let mut neighbour = source.client_of("neighbour")?;
    let mut ages = Ages { ends: vec![(begin, first)], ..Ages::default() };
    while begin.elapsed() < time {
        neighbour.batch_execute(
            "TRUNCATE busy; INSERT INTO busy SELECT repeat(md5(n::text), 60) FROM generate_series(1, 4000) n",
        )?;
        thread::sleep(Duration::from_millis(500));
        if !full {
            source.exec("CHECKPOINT")?;
        }
        ages.look(&source)?;
    }
    let written = source.end_of_log()?.0 - first.0;
    println!("{} MiB written in {time:?}; {ages}", written >> 20);
    assert!(written > 3 << 26, "only {written} bytes were written");
    assert!(ages.confirmed < CONFIRMED_WITHIN && ages.kept < kept_within, "{ages}");
    // A row of the task's own still comes.
    source.exec("INSERT INTO shop.quiet VALUES (1)")?;
    task.wait_for_wal(source.end_of_log()?, PATIENCE)?;
    assert_eq!(destination.query_string("SELECT id FROM shop.quiet")?.as_deref(), Some("1"));
    task.stop()?;
    Ok(())
}

/// The most that the slot has fallen behind.
#[derive(Default)]
struct Ages {
    /// Where the log ended, and when.
    ends: Vec<(Instant, WalPosition)>,
    /// Since when log was written that is not confirmed.
    confirmed: Duration,
    /// Since when log was written that is kept.
    kept: Duration,
    /// Bytes that are kept.
    retained: u64,
}

impl Ages {
    fn look(&mut self, source: &PostgresServer) -> Result<()> {
        let retained = source.retained("quiet")?;
        let confirmed = source.confirmed("quiet")?.context("no slot")?;
        let end = source.end_of_log()?;
        let now = Instant::now();
        self.ends.push((now, end));
        let age = |from: WalPosition| {
            let behind = self.ends.iter().find(|(_, end)| *end > from);
            behind.map_or(Duration::ZERO, |(then, _)| now - *then)
        };
        let kept = age(WalPosition(end.0 - retained));
        (self.confirmed, self.kept) = (self.confirmed.max(age(confirmed)), self.kept.max(kept));
        self.retained = self.retained.max(retained);
        Ok(())
    }
}

impl fmt::Display for Ages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ages { confirmed, kept, retained, .. } = self;
        write!(f, "confirmed after {confirmed:.1?}, kept for {kept:.1?}, at most {} MiB", retained >> 20)
    }
}
