//! A prepared log of a million changes in a slot: ours, and a native subscription.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use slackwater_testkit::{PostgresServer, Task};

use super::{
    data,
    servers::{self, Durability},
    subscription::{self, PUBLICATION, SUBSCRIPTION},
};
use crate::{
    measure::{self, Race, Round, Usage, Way},
    settings,
};

/// The slot that stays where the log begins. Each contender reads a copy of it.
const BEGIN: &str = "begin";
const PATIENCE: Duration = Duration::from_secs(3600);
const POLL: Duration = Duration::from_millis(20);

/// Measures every size of transactions with every durability.
pub(crate) fn compare() -> Result<()> {
    let changes = settings::number("SLACKWATER_BENCH_CHANGES", 1_000_000)?;
    for size in settings::sizes()? {
        let source = prepared(changes, size)?;
        for durability in Durability::all() {
            let ways: [(&str, Way<PostgresServer>); 2] =
                [("subscription", native), ("slackwater", slackwater)];
            Race {
                title: format!("apply, transactions of {size}; {durability}"),
                rows: changes,
                source: &source,
                fresh: &|| durability.server(),
                expect_same: data::expect_same,
            }
            .run(&ways)?;
        }
    }
    Ok(())
}

/// A source with the log in a slot.
pub(super) fn prepared(changes: u64, size: usize) -> Result<PostgresServer> {
    let source = Durability::source()?;
    data::create(&source)?;
    subscription::publish(&source)?;
    source.exec(&format!("SELECT pg_create_logical_replication_slot('{BEGIN}', 'pgoutput')"))?;
    println!("writing {changes} changes in transactions of {size}");
    data::log(&source, changes, size)?;
    Ok(source)
}

/// From the start of the process to its end, which follows when the end of the log is applied.
fn slackwater(source: &PostgresServer, destination: &PostgresServer) -> Result<Round> {
    by_task(source, destination, "")
}

/// The same, with further lines about the objects that are carried.
pub(super) fn by_task(
    source: &PostgresServer,
    destination: &PostgresServer,
    of_objects: &str,
) -> Result<Round> {
    data::create(destination)?;
    let directory = tempfile::tempdir()?;
    let of_source = format!("slot = \"ours\"\npublication = \"{PUBLICATION}\"\ncreate = false");
    let toml = servers::task(source, destination, "earliest", &of_source) + of_objects + settings::UNTIL_ZERO;
    let task = Task::new(settings::program(), directory.path(), &toml)?;
    on_copy_of_slot(source, "ours", || {
        measure::round(source, destination, || measure::run(task.command(&["run"])))
    })
}

/// From the moment at which the subscription is enabled until the last row is there.
fn native(source: &PostgresServer, destination: &PostgresServer) -> Result<Round> {
    data::create(destination)?;
    on_copy_of_slot(source, SUBSCRIPTION, || {
        subscription::prepare(source, destination)?;
        let round = measure::round(source, destination, || {
            subscription::enable(destination)?;
            wait_for_last_row(destination)?;
            Ok(Usage::default())
        });
        destination.exec(&format!(
            "ALTER SUBSCRIPTION {SUBSCRIPTION} DISABLE; \
             ALTER SUBSCRIPTION {SUBSCRIPTION} SET (slot_name = NONE)"
        ))?;
        round
    })
}

/// Does `work` with a slot that stands at the beginning of the log.
pub(super) fn on_copy_of_slot(
    source: &PostgresServer,
    slot: &str,
    work: impl FnOnce() -> Result<Round>,
) -> Result<Round> {
    source.exec(&format!("SELECT pg_copy_logical_replication_slot('{BEGIN}', '{slot}')"))?;
    let round = work()?;
    servers::drop_slot(source, slot)?;
    Ok(round)
}

fn wait_for_last_row(destination: &PostgresServer) -> Result<()> {
    let mut client = destination.client()?;
    let question = client.prepare(&data::has_last_row())?;
    let deadline = Instant::now() + PATIENCE;
    while client.query(&question, &[])?.is_empty() {
        if Instant::now() > deadline {
            bail!("the last row has not come after {PATIENCE:?}");
        }
        thread::sleep(POLL);
    }
    Ok(())
}
