//! Servers that go away under load: what the task notices, when, and that source and destination are equal afterwards.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use crate::river::{Destination, PATIENCE, PROGRAM, load::Load, source_section};
use anyhow::{Context, Result, ensure};
use slackwater_testkit::{Flavor, Server, Task, workload::Workload};
use tempfile::TempDir;

/// A task that loses a side says so within this time.
const SECONDS: Duration = Duration::from_secs(10);

/// A task in the middle of its work: the load goes on.
struct Running {
    source: Arc<Server>,
    destination: Destination,
    task: Task,
    load: Load,
    _directory: TempDir,
}

impl Running {
    fn start(source: Server, destination: Destination, seed: u64) -> Result<Self> {
        let source = Arc::new(source);
        let directory = tempfile::tempdir()?;
        let toml = source_section(&[&source], "earliest") + &destination.section();
        let mut task = Task::new(PROGRAM, directory.path(), &toml)?;
        let mut workload = Workload::new(seed).in_database("shop");
        workload.setup(&mut source.conn()?)?;
        task.start()?;
        task.wait_for(&source.end_of_log()?, PATIENCE)?;
        let load = Load::start(&source, workload);
        thread::sleep(Duration::from_secs(1));
        Ok(Running { source, destination, task, load, _directory: directory })
    }

    /// Lets the load run a little longer, ends it, and compares what the task made of it.
    fn end_equal(mut self) -> Result<()> {
        thread::sleep(Duration::from_secs(1));
        let tables = self.load.stop().tables(&mut self.source.conn()?)?;
        self.task.wait_for(&self.source.end_of_log()?, PATIENCE)?;
        self.destination.expect_tables(&self.source, &tables)?;
        ensure!(self.task.stop()?.success(), "{}", self.task.log());
        Ok(())
    }
}

fn source_killed(source: Flavor, destination: Destination) -> Result<()> {
    let running = Running::start(Server::builder(source).start()?, destination, 1)?;
    for kill in 1..=2 {
        running.source.kill_hard()?;
        running.task.wait_for_words("trying again", kill, SECONDS)?;
        running.source.restart()?;
        thread::sleep(Duration::from_secs(1));
    }
    running.end_equal()
}

#[test]
fn a_killed_mysql_source_is_followed_again() -> Result<()> {
    source_killed(Flavor::Mysql97, Destination::sqlite()?)
}

#[test]
fn a_killed_mariadb_source_is_followed_again() -> Result<()> {
    source_killed(Flavor::Mariadb1011, Destination::server(Flavor::Mysql97)?)
}

#[test]
fn a_destination_that_is_down_for_15_seconds_is_written_on() -> Result<()> {
    let source = Server::builder(Flavor::Mariadb1011).start()?;
    let running = Running::start(source, Destination::server(Flavor::Mysql97)?, 2)?;
    let Destination::Server(server) = &running.destination else { panic!("it is a server") };
    server.kill_hard()?;
    running.task.wait_for_words("trying again", 1, SECONDS)?;
    thread::sleep(Duration::from_secs(15));
    server.restart()?;
    running.end_equal()
}

#[test]
fn a_source_that_falls_silent_is_noticed_and_followed_again() -> Result<()> {
    let source = Server::builder(Flavor::Mysql57).start()?;
    let running = Running::start(source, Destination::sqlite()?, 3)?;
    running.source.freeze()?;
    running.task.wait_for_words("has been silent", 1, SECONDS)?;
    // The status is written once a second.
    let deadline = Instant::now() + SECONDS;
    while running.task.status().context("no status")?.get("in_sync").and_then(|value| value.as_bool())
        != Some(false)
    {
        assert!(
            Instant::now() < deadline,
            "in sync with a source that does not answer: {:?}",
            running.task.status()
        );
        thread::sleep(Duration::from_millis(50));
    }
    running.source.thaw()?;
    running.end_equal()
}

#[test]
fn a_stop_in_the_middle_of_a_large_transaction_leaves_nothing_of_it() -> Result<()> {
    let source = Server::builder(Flavor::Mysql97).start()?;
    source.exec(
        "CREATE DATABASE shop; CREATE TABLE shop.t (id INT AUTO_INCREMENT PRIMARY KEY, v VARCHAR(200))",
    )?;
    let doubled = "INSERT INTO shop.t (v) SELECT v FROM shop.t;".repeat(18);
    source.exec(&format!("BEGIN; INSERT INTO shop.t (v) VALUES (REPEAT('x', 200)); {doubled} COMMIT"))?;
    let destination = Destination::server(Flavor::Mysql97)?;
    let Destination::Server(server) = &destination else { panic!("it is a server") };
    let directory = tempfile::tempdir()?;
    let toml =
        source_section(&[&source], "earliest") + &destination.section() + "[apply]\nstop_timeout = \"10s\"\n";
    let mut task = Task::new(PROGRAM, directory.path(), &toml)?;
    task.start()?;
    let applied = |task: &Task| task.status()?.get("rows")?.as_u64();
    let deadline = Instant::now() + PATIENCE;
    while applied(&task).is_none_or(|rows| rows < 10_000) {
        ensure!(Instant::now() < deadline && task.is_running(), "{}", task.log());
        thread::sleep(Duration::from_millis(5));
    }
    let asked = Instant::now();
    ensure!(task.stop()?.success(), "{}", task.log());
    ensure!(asked.elapsed() < Duration::from_secs(10), "took {:?}", asked.elapsed());
    assert_eq!(server.query_string("SELECT COUNT(*) FROM shop.t")?.as_deref(), Some("0"));
    task.start()?;
    task.wait_for(&source.end_of_log()?, PATIENCE)?;
    destination.expect_tables(&source, &["shop.t".to_owned()])
}
