//! Statements that change tables while a task starts, each held at the moment where it matters, and what a killed process has left.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::river::{DATABASE, PATIENCE, PROGRAM};
use anyhow::{Result, ensure};
use slackwater_testkit::{
    PostgresServer, PostgresVersion, Task,
    compare::{Side, expect_same_tables},
    postgres::Client,
    query_postgres, run_postgres,
};
use tempfile::TempDir;

const TAILING: &str = "the destination has all that the source had here";
/// The names that a task called `test` gives to its slot and its publication.
const NAME: &str = "slackwater_test";

/// Two servers, and a task between them that does not run yet.
struct Pair {
    source: PostgresServer,
    destination: PostgresServer,
    task: Task,
    _directory: TempDir,
}

impl Pair {
    /// `sql` is run at the source first.
    fn new(version: PostgresVersion, sql: &str) -> Result<Self> {
        let source = PostgresServer::builder(version).start()?;
        source.exec(&format!("CREATE SCHEMA app; {sql}"))?;
        let destination = PostgresServer::builder(PostgresVersion::V18).start()?;
        let directory = tempfile::tempdir()?;
        let toml = format!(
            "start = \"snapshot\"\n{}{}[objects]\ninclude = [\"app.*\"]\n",
            source.source_section(DATABASE, ""),
            destination.destination_section(DATABASE, "")
        );
        let task = Task::new(PROGRAM, directory.path(), &toml)?;
        Ok(Pair { source, destination, task, _directory: directory })
    }

    fn run_until_tailing(&mut self) -> Result<()> {
        self.task.start()?;
        self.task.wait_for_words(TAILING, 1, PATIENCE)
    }

    /// Waits for the end of the source's log, and compares tables.
    fn expect_equal(&mut self, tables: &[&str]) -> Result<()> {
        self.task.wait_for_wal(self.source.end_of_log()?, PATIENCE)?;
        let (here, there) =
            (Side::Postgres(&self.source, DATABASE), Side::Postgres(&self.destination, DATABASE));
        expect_same_tables(here, there, tables.iter().map(|table| (*table, *table))).map(drop)
    }
}

/// Waits until the query has a row.
fn wait_for(client: &mut Client, query: &str) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while query_postgres(client, query)?.is_empty() {
        ensure!(Instant::now() < deadline, "no row of {query}");
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// A lock on `relation` that somebody waits for.
fn waiting_for(relation: &str) -> String {
    format!("SELECT FROM pg_locks WHERE NOT granted AND relation = '{relation}'::regclass")
}

#[test]
fn tables_that_come_and_go_between_two_questions_stay_published() -> Result<()> {
    let mut pair = Pair::new(
        PostgresVersion::V17,
        "CREATE TABLE app.kept (id int PRIMARY KEY); CREATE TABLE app.dropped (id int PRIMARY KEY); \
         CREATE TABLE app.renamed (id int PRIMARY KEY); INSERT INTO app.renamed VALUES (1)",
    )?;
    pair.run_until_tailing()?;
    ensure!(pair.task.stop()?.success(), "{}", pair.task.log());
    // The task has asked for the tables when it asks for the publication.
    let mut other = pair.source.client_of(DATABASE)?;
    run_postgres(&mut other, "BEGIN")?;
    run_postgres(&mut other, "LOCK TABLE pg_publication IN ACCESS EXCLUSIVE MODE")?;
    pair.task.start()?;
    wait_for(&mut other, &waiting_for("pg_publication"))?;
    for statement in [
        "DROP TABLE app.dropped",
        "ALTER TABLE app.renamed RENAME TO moved",
        "CREATE TABLE app.late (id int PRIMARY KEY)",
        "INSERT INTO app.late VALUES (1)",
        "COMMIT",
    ] {
        run_postgres(&mut other, statement)?;
    }
    pair.task.wait_for_words("following the log", 2, PATIENCE)?;
    let rows = ["kept", "moved", "late"].map(|table| format!("INSERT INTO app.{table} VALUES (2);"));
    pair.source.exec(&rows.concat())?;
    pair.expect_equal(&["app.kept", "app.moved", "app.late"])
}

#[test]
fn a_table_that_is_dropped_while_it_is_published_is_no_obstacle() -> Result<()> {
    let tables = "CREATE TABLE app.kept (id int PRIMARY KEY); CREATE TABLE app.dropped (id int PRIMARY KEY)";
    let mut pair = Pair::new(PostgresVersion::V14, tables)?;
    let mut other = pair.source.client_of(DATABASE)?;
    run_postgres(&mut other, "BEGIN")?;
    // The session itself does not find its name any more.
    let dropped = query_postgres(&mut other, "SELECT 'app.dropped'::regclass::oid")?;
    let dropped = dropped[0][0].clone().expect("it is there");
    run_postgres(&mut other, "DROP TABLE app.dropped")?;
    pair.task.start()?;
    wait_for(&mut other, &waiting_for(&dropped))?;
    run_postgres(&mut other, "COMMIT")?;
    pair.task.wait_for_words(TAILING, 1, PATIENCE)?;
    pair.source.exec("INSERT INTO app.kept VALUES (1)")?;
    pair.expect_equal(&["app.kept"])
}

/// A process that was killed right behind creating the slot leaves one whose log has definitions that nobody can tell any more.
#[test]
fn a_copy_with_a_slot_of_before_begins_at_the_definitions_of_now() -> Result<()> {
    let mut pair = Pair::new(
        PostgresVersion::V18,
        &format!(
            "CREATE TABLE app.t (id int PRIMARY KEY, first int); CREATE PUBLICATION {NAME} FOR TABLE app.t"
        ),
    )?;
    let slot = format!("SELECT pg_create_logical_replication_slot('{NAME}', 'pgoutput')");
    for statement in [
        &slot,
        "INSERT INTO app.t VALUES (1, 1)",
        "ALTER TABLE app.t RENAME first TO second",
        "INSERT INTO app.t VALUES (2, 2)",
        "ALTER TABLE app.t DROP second",
        "ALTER TABLE app.t ADD third text",
    ] {
        pair.source.exec(statement)?;
    }
    pair.run_until_tailing()?;
    pair.source.exec("INSERT INTO app.t VALUES (3, 'three')")?;
    pair.expect_equal(&["app.t"])
}

/// The session of a killed process goes on creating the slot, and removes it when it finds that nobody is there.
#[test]
fn a_slot_that_is_being_created_is_waited_for() -> Result<()> {
    let mut pair = Pair::new(PostgresVersion::V16, "CREATE TABLE app.t (id int PRIMARY KEY)")?;
    let mut writer = pair.source.client_of(DATABASE)?;
    run_postgres(&mut writer, "BEGIN")?;
    run_postgres(&mut writer, "INSERT INTO app.t VALUES (1)")?;
    let mut creator = pair.source.client_of(DATABASE)?;
    let created = thread::spawn(move || {
        let slot = format!("SELECT pg_create_logical_replication_slot('{NAME}', 'pgoutput')");
        run_postgres(&mut creator, &slot)
    });
    let half =
        format!("FROM pg_replication_slots WHERE slot_name = '{NAME}' AND confirmed_flush_lsn IS NULL");
    wait_for(&mut writer, &format!("SELECT {half}"))?;
    pair.task.start()?;
    pair.task.wait_for_words("still being created", 1, PATIENCE)?;
    run_postgres(&mut writer, &format!("SELECT pg_terminate_backend(active_pid) {half}"))?;
    ensure!(created.join().expect("no panic").is_err(), "it was created all the same");
    run_postgres(&mut writer, "COMMIT")?;
    pair.task.wait_for_words(TAILING, 1, PATIENCE)?;
    pair.source.exec("INSERT INTO app.t VALUES (2)")?;
    pair.expect_equal(&["app.t"])
}

/// A table that was renamed during the copy keeps the names of its index and its sequence, which the destination has under the table's former name.
#[test]
fn a_renamed_table_is_copied_beside_the_one_of_its_former_name() -> Result<()> {
    let table = |name: &str| {
        format!("CREATE TABLE app.{name} (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v int)")
    };
    let mut pair = Pair::new(PostgresVersion::V18, &table("former"))?;
    pair.source.exec("INSERT INTO app.former (v) VALUES (1); ALTER TABLE app.former RENAME TO latter")?;
    pair.destination.exec(&format!("CREATE SCHEMA app; {}", table("former")))?;
    pair.run_until_tailing()?;
    pair.source.exec("INSERT INTO app.latter (v) VALUES (2)")?;
    pair.expect_equal(&["app.latter"])
}
