//! The prepared log of a million changes: ours, and Debezium's engine, which merely reads it.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use slackwater_testkit::{PostgresServer, installed};

use super::{apply, data, servers::Durability, subscription::PUBLICATION};
use crate::{
    measure::{self, Race, Round, Way},
    settings,
};

/// What the engine is used by.
const READER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/compare/postgres/Reader.java");

/// Measures every size of transactions, at a destination that does not wait for its disk.
pub(crate) fn compare() -> Result<()> {
    let changes = settings::number("SLACKWATER_BENCH_CHANGES", 1_000_000)?;
    for size in settings::sizes()? {
        let source = apply::prepared(changes, size)?;
        let ways: [(&str, Way<PostgresServer>); 3] = [
            ("debezium, reading only", debezium),
            ("slackwater, reading only", reading),
            ("slackwater, applying", slackwater),
        ];
        let durability = Durability::off();
        Race {
            title: format!("reading, transactions of {size}; {durability}"),
            rows: changes,
            source: &source,
            fresh: &|| durability.server(),
            // Each has looked at what came of it: one way ends without a row.
            expect_same: |_, _| Ok(()),
        }
        .run(&ways)?;
    }
    Ok(())
}

/// The whole log is read and decoded, and no row of it is carried.
fn reading(source: &PostgresServer, destination: &PostgresServer) -> Result<Round> {
    apply::by_task(source, destination, "operations = [\"truncate\"]\n")
}

fn slackwater(source: &PostgresServer, destination: &PostgresServer) -> Result<Round> {
    let round = apply::by_task(source, destination, "")?;
    data::expect_same(source, destination)?;
    Ok(round)
}

/// From the start of the process until its consumer has had the last row.
fn debezium(source: &PostgresServer, destination: &PostgresServer) -> Result<Round> {
    let installation = installed("debezium")?;
    let directory = tempfile::tempdir()?;
    let jars = installation.join("jars/*");
    let compiled = Command::new(installation.join("bin/javac"))
        .arg("-cp")
        .arg(&jars)
        .arg("-d")
        .args([directory.path(), Path::new(READER)])
        .status()
        .context("cannot run javac")?;
    ensure!(compiled.success(), "javac failed: {compiled}");
    // Errors alone: it warns of each measurement of its own that it drops.
    let logging = directory.path().join("log4j2.properties");
    std::fs::write(
        &logging,
        "rootLogger.level = error\nrootLogger.appenderRef.stdout.ref = out\n\
        appender.console.type = Console\nappender.console.name = out\n\
        appender.console.layout.type = PatternLayout\n",
    )?;
    apply::on_copy_of_slot(source, "debezium", || {
        let mut path = jars.clone().into_os_string();
        path.push(":");
        path.push(directory.path());
        let counts = directory.path().join("counts");
        let mut command = Command::new(installation.join("bin/java"));
        command.arg(format!("-Dlog4j2.configurationFile={}", logging.display()));
        command
            .arg("-cp")
            .arg(path)
            .args(["Reader", &source.port().to_string(), "debezium", PUBLICATION])
            .arg(&counts);
        let round = measure::round(source, destination, || measure::run(command))?;
        said(&counts)?;
        Ok(round)
    })
}

/// Prints what the consumer has counted: without the start of the Java machine and of the engine.
fn said(counts: &PathBuf) -> Result<()> {
    let text = std::fs::read_to_string(counts)?;
    let (events, seconds) = text.trim().split_once(' ').context("no counts")?;
    let (events, seconds): (u64, f64) = (events.parse()?, seconds.parse()?);
    let changes = settings::number("SLACKWATER_BENCH_CHANGES", 1_000_000)?;
    // The last row is one more.
    ensure!(events == changes + 1, "debezium has read {events} events");
    println!(
        "    {events} events, the first to the last in {seconds:.2} s: {:.0} events/s",
        events as f64 / seconds
    );
    Ok(())
}
