//! The network between a task and its servers: frozen, so that nobody is told, and cut. The task goes on afterwards, and both sides
//! are equal.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use slackwater_testkit::{
    PostgresServer, PostgresVersion, Task,
    compare::{Side as Rows, expect_same_tables},
    workload::{PostgresWorkload, RunningWorkload},
};

use crate::river::{
    DATABASE, PATIENCE,
    network::{Network, Side},
};

/// How long a disturbance lasts: longer than the task waits for a confirmation of what it sends to the source.
const DISTURBANCE: Duration = Duration::from_secs(8);
/// Steps of the load that are carried after it.
const STEPS: u64 = 40;

/// A disturbance, and its end.
type Disturbance = (fn(&Network, Side) -> Result<()>, fn(&Network, Side) -> Result<()>);

fn disturbed(side: Side) -> Result<()> {
    let (network, source, destination) = Network::with_servers(PostgresVersion::V17, PostgresVersion::V18)?;
    let source = Arc::new(source);
    let mut workload = PostgresWorkload::new(11).in_schema("shop").ddl_per_thousand(0);
    workload.setup(&mut source.client_of(DATABASE)?)?;
    let directory = tempfile::tempdir()?;
    let login = format!("database = \"{DATABASE}\"\nuser = \"postgres\"\n");
    let toml = format!(
        "start = \"snapshot\"\n[source]\ntype = \"postgresql\"\nhosts = [\"{}\"]\n{login}\
         [destination]\ntype = \"postgresql\"\nhost = \"{}\"\n{login}[objects]\ninclude = [\"shop.*\"]\n",
        network.address(Side::Source, &source),
        network.address(Side::Destination, &destination)
    );
    let mut task = network.task(directory.path(), &toml)?;
    task.start()?;
    task.wait_for_words("the destination has all that the source had here", 1, PATIENCE)?;
    let load = workload.spawn(&source, DATABASE);
    load.wait_for_steps(STEPS, PATIENCE)?;
    let disturbances: [Disturbance; 2] = [(Network::freeze, Network::thaw), (Network::cut, Network::mend)];
    for (begin, end) in disturbances {
        begin(&network, side)?;
        let since = Instant::now();
        wait_until_behind(&task)?;
        thread::sleep(DISTURBANCE.saturating_sub(since.elapsed()));
        end(&network, side)?;
        let since = Instant::now();
        load.wait_for_steps(STEPS, PATIENCE)?;
        // What is written now comes, and not only what was on its way.
        task.wait_for_wal(source.end_of_log()?, PATIENCE)?;
        println!("{side:?}: the task has all {:.1?} after the disturbance", since.elapsed());
    }
    end_equal(task, load, &source, &destination)
}

/// It is not told that everything is carried when that is not known.
fn wait_until_behind(task: &Task) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let status = task.status();
        let in_sync = status.as_ref().and_then(|status| status.get("in_sync")?.as_bool());
        if in_sync == Some(false) {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "in sync with a server that cannot be reached: {status:?}");
        thread::sleep(Duration::from_millis(50));
    }
}

fn end_equal(
    mut task: Task,
    load: RunningWorkload,
    source: &PostgresServer,
    destination: &PostgresServer,
) -> Result<()> {
    let workload = load.stop()?;
    task.wait_for_wal(source.end_of_log()?, PATIENCE)?;
    let tables = workload.tables(&mut source.client_of(DATABASE)?)?;
    let pairs = tables.iter().map(|table| (table.as_str(), table.as_str()));
    expect_same_tables(Rows::Postgres(source, DATABASE), Rows::Postgres(destination, DATABASE), pairs)?;
    ensure!(task.stop()?.success(), "{}", task.log());
    Ok(())
}

#[test]
fn a_source_behind_a_frozen_and_a_cut_network_is_followed_again() -> Result<()> {
    disturbed(Side::Source)
}

#[test]
fn a_destination_behind_a_frozen_and_a_cut_network_is_written_on() -> Result<()> {
    disturbed(Side::Destination)
}
