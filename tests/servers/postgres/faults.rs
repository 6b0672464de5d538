//! PostgreSQL servers, slots and publications that go away under a load: the task goes on and both sides are equal, or it stops and
//! says what is missing, where, and what to do. It never makes anew what it has lost.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{
    fs,
    path::Path,
    process::Command,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use crate::river::{DATABASE, PATIENCE, PROGRAM, proxy::Proxy};
use anyhow::{Context, Result, ensure};
use slackwater_testkit::{
    PostgresServer, PostgresVersion, Task,
    compare::{Side, expect_same_tables},
    workload::{PostgresWorkload, RunningWorkload},
};
use tempfile::TempDir;

/// A task that loses a side says so within this time.
const SECONDS: Duration = Duration::from_secs(15);
/// The task's replication slot and publication.
const SLOT: &str = "river";
const PUBLICATION: &str = "river_tables";
/// Steps of the load that a disturbance is followed by.
const STEPS: u64 = 60;

/// A task that follows a source by a proxy, and the load there.
struct Running {
    source: Arc<PostgresServer>,
    destination: PostgresServer,
    proxy: Proxy,
    task: Task,
    load: Option<RunningWorkload>,
    directory: TempDir,
}

impl Running {
    fn start(source: PostgresServer, destination: PostgresVersion, seed: u64) -> Result<Self> {
        Self::with(source, destination, seed, "")
    }

    /// `more`: further lines of the source's section.
    fn with(source: PostgresServer, destination: PostgresVersion, seed: u64, more: &str) -> Result<Self> {
        let source = Arc::new(source);
        let destination = PostgresServer::builder(destination).start()?;
        let proxy = Proxy::to(source.port())?;
        let mut workload = PostgresWorkload::new(seed).in_schema("shop").ddl_per_thousand(0);
        let mut client = source.client_of(DATABASE)?;
        workload.setup(&mut client)?;
        for _ in 0..STEPS {
            workload.step(&mut client)?;
        }
        let directory = tempfile::tempdir()?;
        let ports = [proxy.port()];
        let toml = toml(&ports, &destination, more);
        let mut task = Task::new(PROGRAM, directory.path(), &toml)?;
        task.start()?;
        task.wait_for_words("the destination has all that the source had here", 1, PATIENCE)?;
        let load = Some(workload.spawn(&source, DATABASE));
        let running = Running { source, destination, proxy, task, load, directory };
        running.let_it_run()?;
        Ok(running)
    }

    fn let_it_run(&self) -> Result<()> {
        self.load.as_ref().context("no load")?.wait_for_steps(STEPS, PATIENCE)
    }

    fn end_load(&mut self) -> Result<PostgresWorkload> {
        self.load.take().context("no load")?.stop()
    }

    /// Lets the load run a little longer, ends it, and compares what the task made of it.
    fn end_equal(mut self) -> Result<()> {
        self.let_it_run()?;
        let workload = self.end_load()?;
        let source = Arc::clone(&self.source);
        self.task.wait_for_wal(source.end_of_log()?, PATIENCE)?;
        self.expect_equal(&source, &workload)?;
        ensure!(self.task.stop()?.success(), "{}", self.task.log());
        Ok(())
    }

    fn expect_equal(&self, source: &PostgresServer, workload: &PostgresWorkload) -> Result<()> {
        let tables = workload.tables(&mut source.client_of(DATABASE)?)?;
        let pairs = tables.iter().map(|table| (table.as_str(), table.as_str()));
        let there = Side::Postgres(&self.destination, DATABASE);
        expect_same_tables(Side::Postgres(source, DATABASE), there, pairs).map(drop)
    }

    /// The task ends by itself, and says all of `words`; it does so again when it is started again.
    fn expect_stop(&mut self, words: &[&str]) -> Result<()> {
        for attempt in 1..=2 {
            if attempt == 2 {
                self.task.start()?;
            }
            let before = if attempt == 1 { 0 } else { self.task.log().len() };
            let status = self.task.wait(PATIENCE)?;
            let log = self.task.log();
            ensure!(status.code() == Some(1), "{status}:\n{log}");
            let said = if attempt == 1 { log.as_str() } else { log.get(before..).unwrap_or_default() };
            let last = said.rfind("slackwater: ").unwrap_or_default();
            let said = said.get(last..).unwrap_or_default();
            for words in words.iter().chain(&["what to do"]) {
                ensure!(said.contains(words), "attempt {attempt}: {words:?} is not said:\n{log}");
            }
        }
        Ok(())
    }

    /// What the server says of the slot: one value of one row, if there is one.
    fn slot(&self, column: &str) -> Result<Option<String>> {
        let question = format!("SELECT {column}::text FROM pg_replication_slots WHERE slot_name = '{SLOT}'");
        self.source.query_string(&question)
    }

    /// Waits until nobody reads the slot.
    fn wait_until_free(&self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while self.slot("active")?.as_deref() == Some("true") {
            ensure!(Instant::now() < deadline, "the slot is not released");
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

fn toml(ports: &[u16], destination: &PostgresServer, more: &str) -> String {
    let hosts: Vec<String> = ports.iter().map(|port| format!("\"127.0.0.1:{port}\"")).collect();
    format!(
        "start = \"snapshot\"\n[source]\ntype = \"postgresql\"\nhosts = [{}]\ndatabase = \"{DATABASE}\"\nuser = \"postgres\"\n\
         slot = \"{SLOT}\"\npublication = \"{PUBLICATION}\"\n{more}\n{}[objects]\ninclude = [\"shop.*\"]\n",
        hosts.join(", "),
        destination.destination_section(DATABASE, "")
    )
}

fn server(version: PostgresVersion) -> Result<PostgresServer> {
    PostgresServer::builder(version).start()
}

#[test]
fn a_source_that_is_restarted_killed_or_cut_off_is_followed_again() -> Result<()> {
    let running =
        Running::with(server(PostgresVersion::V17)?, PostgresVersion::V15, 1, "heartbeat = \"1s\"")?;
    running.source.restart()?;
    running.let_it_run()?;
    running.source.kill_hard()?;
    running.task.wait_for_words("trying again", 2, SECONDS)?;
    running.source.restart()?;
    running.let_it_run()?;
    // There may be no connection at a moment.
    let dropped = (0..8).any(|_| {
        running.proxy.drop_connections();
        running.task.wait_for_words("trying again", 3, Duration::from_secs(2)).is_ok()
    });
    ensure!(dropped, "{}", running.task.log());
    running.let_it_run()?;
    // Nothing passes any more, and nobody is told.
    running.source.freeze()?;
    running.proxy.stall(true);
    let deadline = Instant::now() + SECONDS;
    let in_sync = |status: serde_json::Value| status.get("in_sync").and_then(serde_json::Value::as_bool);
    while running.task.status().and_then(in_sync) != Some(false) {
        let status = running.task.status();
        ensure!(Instant::now() < deadline, "in sync with a source that does not answer: {status:?}");
        thread::sleep(Duration::from_millis(50));
    }
    running.proxy.stall(false);
    running.source.thaw()?;
    running.end_equal()
}

#[test]
fn a_destination_that_is_restarted_or_killed_is_written_on() -> Result<()> {
    let running = Running::start(server(PostgresVersion::V18)?, PostgresVersion::V18, 2)?;
    running.destination.restart()?;
    running.let_it_run()?;
    running.destination.kill_hard()?;
    running.task.wait_for_words("trying again", 1, SECONDS)?;
    thread::sleep(Duration::from_secs(2));
    running.destination.restart()?;
    running.let_it_run()?;
    running.destination.freeze()?;
    thread::sleep(Duration::from_secs(2));
    running.destination.thaw()?;
    running.end_equal()
}

#[test]
fn a_dropped_slot_is_not_made_again() -> Result<()> {
    let mut running = Running::start(server(PostgresVersion::V17)?, PostgresVersion::V15, 3)?;
    // Under the task: whoever is faster.
    running.source.exec(&format!(
        "DO $$ BEGIN LOOP \
           PERFORM pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '{SLOT}' AND active; \
           BEGIN PERFORM pg_drop_replication_slot('{SLOT}'); EXIT; \
           EXCEPTION WHEN object_in_use THEN PERFORM pg_sleep(0.01); END; \
         END LOOP; END $$"
    ))?;
    running.expect_stop(&[&format!("slot {SLOT}"), "the replication slot is not there", "(timeline 1)"])?;
    assert_eq!(running.slot("slot_name")?, None);
    running.end_load()?;
    Ok(())
}

#[test]
fn an_invalidated_slot_is_not_made_again() -> Result<()> {
    let source = PostgresServer::builder(PostgresVersion::V18).set("max_slot_wal_keep_size", "16MB");
    let mut running = Running::start(source.start()?, PostgresVersion::V18, 4)?;
    ensure!(running.task.stop()?.success(), "{}", running.task.log());
    running.end_load()?;
    running.wait_until_free()?;
    for _ in 0..8 {
        running.source.exec("SELECT pg_logical_emit_message(true, 'test', 'x')")?;
        running.source.exec("SELECT pg_switch_wal()")?;
    }
    running.source.exec("CHECKPOINT")?;
    assert_eq!(running.slot("wal_status")?.as_deref(), Some("lost"));
    running.task.start()?;
    running.expect_stop(&[&format!("slot {SLOT}"), "max_slot_wal_keep_size", "(timeline 1)"])?;
    assert_eq!(running.slot("wal_status")?.as_deref(), Some("lost"));
    Ok(())
}

/// Whether the task runs or not: what was written in between cannot be had any more.
fn a_dropped_publication(version: PostgresVersion, is_connected: bool) -> Result<()> {
    let mut running = Running::start(server(version)?, PostgresVersion::V15, 5)?;
    if !is_connected {
        ensure!(running.task.stop()?.success(), "{}", running.task.log());
    }
    running.source.exec(&format!("DROP PUBLICATION {PUBLICATION}"))?;
    running.let_it_run()?;
    running.end_load()?;
    if !is_connected {
        running.task.start()?;
    }
    running.expect_stop(&[&format!("publication {PUBLICATION}"), "(timeline 1)"])?;
    let found = running.source.query_string("SELECT count(*) FROM pg_publication")?;
    assert_eq!(found.as_deref(), Some("0"), "it was made again");
    // Made again by somebody else, it still was not there when rows were written.
    running.source.exec(&format!("CREATE PUBLICATION {PUBLICATION} FOR ALL TABLES"))?;
    running.task.start()?;
    running.expect_stop(&[&format!("publication {PUBLICATION}"), "(timeline 1)"])
}

#[test]
fn a_publication_dropped_under_the_task_17() -> Result<()> {
    a_dropped_publication(PostgresVersion::V17, true)
}

// 18 and later do not refuse to decode without the publication: they leave out the rows.
#[test]
fn a_publication_dropped_under_the_task_18() -> Result<()> {
    a_dropped_publication(PostgresVersion::V18, true)
}

#[test]
fn a_publication_dropped_while_the_task_is_stopped_18() -> Result<()> {
    a_dropped_publication(PostgresVersion::V18, false)
}

#[test]
fn a_table_taken_out_of_the_publication_is_not_put_back_in_silence() -> Result<()> {
    let mut running = Running::start(server(PostgresVersion::V17)?, PostgresVersion::V15, 6)?;
    ensure!(running.task.stop()?.success(), "{}", running.task.log());
    let workload = running.end_load()?;
    let tables = workload.tables(&mut running.source.client_of(DATABASE)?)?;
    let table = tables.first().context("no table")?;
    running.source.exec(&format!("ALTER PUBLICATION {PUBLICATION} DROP TABLE {table}"))?;
    running.task.start()?;
    let name = table.rsplit('.').next().unwrap_or_default();
    running.expect_stop(&[name, &format!("publication {PUBLICATION}"), "(timeline 1)"])
}

/// The source's standby is promoted and the task is told both servers.
fn failover(is_failover_slot: bool) -> Result<()> {
    let more = format!("failover = {is_failover_slot}");
    let source = server(PostgresVersion::V17)?;
    let mut running = Running::with(source, PostgresVersion::V15, 7, &more)?;
    let mut standby = PostgresServer::builder(PostgresVersion::V17);
    if is_failover_slot {
        standby = standby.set("sync_replication_slots", "on");
    }
    let standby = Arc::new(standby.start_standby_of(&running.source)?);
    if is_failover_slot {
        // Logical replication is not to be ahead of the standby (documentation, "Logical Replication Failover").
        let slot = format!("standby_{}", standby.port());
        running.source.exec(&format!("ALTER SYSTEM SET synchronized_standby_slots = '{slot}'"))?;
        running.source.exec("SELECT pg_reload_conf()")?;
        let synced = format!(
            "SELECT (synced AND NOT temporary)::text FROM pg_replication_slots WHERE slot_name = '{SLOT}'"
        );
        let deadline = Instant::now() + PATIENCE;
        while standby.query_string(&synced)?.as_deref() != Some("true") {
            ensure!(Instant::now() < deadline, "the slot is not synchronized");
            thread::sleep(Duration::from_millis(50));
        }
    }
    let ports = [running.source.port(), standby.port()];
    ensure!(running.task.stop()?.success(), "{}", running.task.log());
    running.task.rewrite(&toml(&ports, &running.destination, &more))?;
    running.task.start()?;
    running.let_it_run()?;
    let workload = running.end_load()?;
    standby.wait_for_replication(&running.source, PATIENCE)?;
    running.source.kill_hard()?;
    standby.promote()?;
    if !is_failover_slot {
        running.source = Arc::clone(&standby);
        running.expect_stop(&[
            &format!("slot {SLOT}"),
            "the replication slot is not there",
            "(timeline 1)",
        ])?;
        assert_eq!(running.slot("slot_name")?, None);
        return Ok(());
    }
    running.load = Some(workload.spawn(&standby, DATABASE));
    running.source = standby;
    running.end_equal()
}

#[test]
fn a_promoted_standby_with_the_failover_slot_is_followed() -> Result<()> {
    failover(true)
}

#[test]
fn a_promoted_standby_without_the_slot_is_refused() -> Result<()> {
    failover(false)
}

#[test]
fn another_cluster_at_the_same_address_is_refused() -> Result<()> {
    let mut running = Running::start(server(PostgresVersion::V17)?, PostgresVersion::V15, 8)?;
    // Servers of one version are made from one template here, and have its identifier.
    let other = server(PostgresVersion::V16)?;
    PostgresWorkload::new(8).in_schema("shop").setup(&mut other.client_of(DATABASE)?)?;
    other.exec(&format!("SELECT pg_create_logical_replication_slot('{SLOT}', 'pgoutput')"))?;
    running.end_load()?;
    running.proxy.lead_to(other.port());
    running.expect_stop(&["another cluster", "system identifier", "(timeline 1)"])?;
    // Nothing was made there.
    assert_eq!(other.query_string("SELECT count(*) FROM pg_publication")?.as_deref(), Some("0"));
    Ok(())
}

/// Copies the data directory of a server that is stopped for it.
fn back_up(server: &PostgresServer, backup: &Path) -> Result<()> {
    server.stop()?;
    ensure!(Command::new("cp").arg("-a").arg(server.data_dir()).arg(backup).status()?.success());
    server.restart()
}

fn restore(server: &PostgresServer, backup: &Path) -> Result<()> {
    server.stop()?;
    fs::remove_dir_all(server.data_dir())?;
    ensure!(Command::new("cp").arg("-a").arg(backup).arg(server.data_dir()).status()?.success());
    server.restart()
}

/// One of the two servers is set back to what it was before the task's last rows.
fn restored(side: fn(&Running) -> &PostgresServer, words: &[&str]) -> Result<()> {
    let mut running = Running::start(server(PostgresVersion::V17)?, PostgresVersion::V15, 9)?;
    ensure!(running.task.stop()?.success(), "{}", running.task.log());
    running.wait_until_free()?;
    let backup = running.directory.path().join("backup");
    back_up(side(&running), &backup)?;
    running.task.start()?;
    running.let_it_run()?;
    running.end_load()?;
    let end = running.source.end_of_log()?;
    running.task.wait_for_wal(end, PATIENCE)?;
    // Only then the slot has let go of what a destination that was set back would need.
    running.source.wait_for_confirmation(SLOT, end, PATIENCE)?;
    ensure!(running.task.stop()?.success(), "{}", running.task.log());
    running.wait_until_free()?;
    restore(side(&running), &backup)?;
    running.task.start()?;
    running.expect_stop(words)
}

#[test]
fn a_destination_restored_from_a_backup_is_refused() -> Result<()> {
    restored(|running| &running.destination, &["slot river", "what lies between is lost", "(timeline 1)"])
}

#[test]
fn a_source_restored_from_a_backup_is_refused() -> Result<()> {
    restored(|running| &running.source, &["127.0.0.1:", "before the task's position", "(timeline 1)"])
}
