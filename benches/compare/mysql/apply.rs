//! A prepared log of a million changes: ours, and a native replica of MariaDB with four parallel threads in optimistic mode.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use slackwater_testkit::{Flavor, Server, Task};

use super::{data, durability::Durability, ours};
use crate::{
    measure::{self, Race, Round, Usage, Way},
    settings,
};

const FLAVOR: Flavor = Flavor::Mariadb1011;
const PATIENCE: Duration = Duration::from_secs(3600);

/// Measures every size of transactions with every durability.
pub(crate) fn compare() -> Result<()> {
    let changes = settings::number("SLACKWATER_BENCH_CHANGES", 1_000_000)?;
    for size in settings::sizes()? {
        let source = Durability::source(FLAVOR)?;
        println!("writing {changes} changes in transactions of {size}");
        data::log(&source, changes, size)?;
        for durability in Durability::all()? {
            of_one_log(&source, durability, changes, size)?;
        }
    }
    Ok(())
}

fn of_one_log(source: &Server, durability: Durability, changes: u64, size: usize) -> Result<()> {
    let ways: [(&str, Way<Server>); 3] = [
        ("slackwater", slackwater),
        ("replica, log fetched before", replica_with_relay_log),
        ("replica, fetching included", replica),
    ];
    Race {
        title: format!("apply, transactions of {size}; {durability}"),
        rows: changes,
        source,
        fresh: &|| durability.server(FLAVOR, 2),
        expect_same: data::expect_same,
    }
    .run(&ways)
}

/// From the start of the process to its end, which follows when the end of the log is applied.
fn slackwater(source: &Server, destination: &Server) -> Result<Round> {
    let directory = tempfile::tempdir()?;
    let toml = ours::task(source, destination, "earliest") + settings::UNTIL_ZERO;
    let task = Task::new(settings::program(), directory.path(), &toml)?;
    measure::round(source, destination, || measure::run(task.command(&["run"])))
}

/// From START SLAVE until everything is applied.
fn replica(source: &Server, destination: &Server) -> Result<Round> {
    prepare(source, destination)?;
    measure::round(source, destination, || {
        destination.exec("START SLAVE")?;
        destination.wait_for_replication(source, PATIENCE)?;
        Ok(Usage::default())
    })
}

/// The relay log is there; from the start of the SQL threads until everything is applied.
fn replica_with_relay_log(source: &Server, destination: &Server) -> Result<Round> {
    prepare(source, destination)?;
    destination.exec("START SLAVE IO_THREAD")?;
    wait_for_relay_log(source, destination)?;
    measure::round(source, destination, || {
        destination.exec("START SLAVE SQL_THREAD")?;
        destination.wait_for_replication(source, PATIENCE)?;
        Ok(Usage::default())
    })
}

/// Makes the destination a replica that stands at the beginning of the log.
pub(crate) fn prepare(source: &Server, destination: &Server) -> Result<()> {
    destination.exec(&format!(
        "SET GLOBAL slave_parallel_threads = 4; SET GLOBAL slave_parallel_mode = 'optimistic'; \
         CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {}, MASTER_USER = 'root', MASTER_USE_GTID = slave_pos",
        source.port()
    ))
}

fn wait_for_relay_log(source: &Server, destination: &Server) -> Result<()> {
    use slackwater_testkit::mysql::{Row, prelude::Queryable as _};

    let end = source.end_of_log()?;
    let mut conn = destination.conn()?;
    for _ in 0..PATIENCE.as_secs() * 20 {
        let status: Row = conn.query_first("SHOW SLAVE STATUS")?.context("no replica")?;
        let file: Option<String> = status.get("Master_Log_File");
        let offset: Option<u64> = status.get("Read_Master_Log_Pos");
        if file.as_deref() == Some(end.file.as_str()) && offset.is_some_and(|offset| offset >= end.offset) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    bail!("{destination} has not fetched the log after {PATIENCE:?}")
}
