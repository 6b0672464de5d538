//! Positions that are lost, disagree, or lead to what is not there any more: the task never guesses.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use crate::river::{Destination, PATIENCE, PROGRAM, source_section};
use anyhow::{Context, Result, ensure};
use slackwater_testkit::{Flavor, Server, Task, workload::Workload};
use tempfile::TempDir;

/// A source with some load, a destination that has it, and the task between them, stopped.
struct Stopped {
    source: Server,
    destination: Destination,
    workload: Workload,
    task: Task,
    directory: TempDir,
}

impl Stopped {
    fn new(source: Server, destination: Destination) -> Result<Self> {
        Stopped::after(Workload::new(5).in_database("shop"), source, destination)
    }

    fn after(mut workload: Workload, source: Server, destination: Destination) -> Result<Self> {
        workload.setup(&mut source.conn()?)?;
        let directory = tempfile::tempdir()?;
        let toml = source_section(&[&source], "earliest") + &destination.section();
        let task = Task::new(PROGRAM, directory.path(), &toml)?;
        let mut stopped = Stopped { source, destination, workload, task, directory };
        stopped.load()?;
        stopped.follow_to_the_end()?;
        Ok(stopped)
    }

    fn load(&mut self) -> Result<()> {
        let mut connection = self.source.conn()?;
        (0..100).try_for_each(|_| self.workload.step(&mut connection).map(drop))
    }

    /// Starts the task, lets it get to the end of the log, and stops it.
    fn follow_to_the_end(&mut self) -> Result<()> {
        self.task.start()?;
        self.task.wait_for(&self.source.end_of_log()?, PATIENCE)?;
        ensure!(self.task.stop()?.success(), "{}", self.task.log());
        Ok(())
    }

    /// More load, which the task must apply once and nothing twice, keyless tables included.
    fn goes_on_equal(&mut self) -> Result<()> {
        self.load()?;
        self.follow_to_the_end()?;
        let tables = self.workload.tables(&mut self.source.conn()?)?;
        self.destination.expect_tables(&self.source, &tables)
    }

    /// Starts the task, which has to end by itself with an error that trying again does not repair; its last words.
    fn refusal(&mut self) -> Result<String> {
        let before = self.task.log().len();
        self.task.start()?;
        let status = self.task.wait(PATIENCE)?;
        let words = self.task.log().split_off(before);
        ensure!(status.code() == Some(1), "ended with {status}:\n{words}");
        Ok(words)
    }
}

#[track_caller]
fn says(words: &str, all: &[&str]) {
    for part in all {
        assert!(words.contains(part), "no {part:?} in:\n{words}");
    }
}

/// Purges everything up to a new file, with changes that the task has not seen.
fn purge(stopped: &mut Stopped) -> Result<String> {
    stopped.load()?;
    stopped.source.flush_logs()?;
    stopped.source.flush_logs()?;
    let left = stopped.source.end_of_log()?.file;
    let deadline = Instant::now() + PATIENCE;
    // MariaDB keeps a file, with a warning, until the engine has written everything of it.
    while stopped.source.binlog_files()?.len() > 1 {
        ensure!(Instant::now() < deadline, "nothing is purged");
        stopped.source.exec(&format!("PURGE BINARY LOGS TO '{left}'"))?;
        thread::sleep(Duration::from_millis(50));
    }
    Ok(left)
}

#[test]
fn purged_transactions_are_named() -> Result<()> {
    let mut stopped = Stopped::new(Server::builder(Flavor::Mysql97).start()?, Destination::sqlite()?)?;
    let seen = stopped.source.gtid_position()?;
    let left = purge(&mut stopped)?;
    let missing = stopped
        .source
        .query_string(&format!("SELECT GTID_SUBTRACT(@@GLOBAL.gtid_purged, '{seen}')"))?
        .context("no set")?;
    says(
        &stopped.refusal()?,
        &["has purged the transactions", &missing, &left, "what to do", "start it anew"],
    );

    let mut stopped = Stopped::new(Server::builder(Flavor::Mariadb1011).start()?, Destination::sqlite()?)?;
    let seen = stopped.source.gtid_position()?;
    let left = purge(&mut stopped)?;
    let last = stopped.source.gtid_position()?;
    let range = format!("behind {seen} up to {last}");
    says(&stopped.refusal()?, &["has purged the transactions", &range, &left, "what to do", "start it anew"]);
    Ok(())
}

#[test]
fn a_purged_file_is_named() -> Result<()> {
    let without_gtids = ["--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"];
    let source = Server::builder(Flavor::Mysql57).args(without_gtids).start()?;
    let mut stopped = Stopped::new(source, Destination::sqlite()?)?;
    let position = stopped.task.position().context("no position")?;
    let left = purge(&mut stopped)?;
    let place = format!("{}:{}", position.file, position.offset);
    says(
        &stopped.refusal()?,
        &["does not have the file", &place, &format!("it has {left}"), "what to do", "start it anew"],
    );
    Ok(())
}

#[test]
fn a_lost_state_directory_is_no_new_task() -> Result<()> {
    for destination in [Destination::sqlite()?, Destination::server(Flavor::Mysql97)?] {
        let source = Server::builder(Flavor::Mariadb1011).arg("--binlog-row-metadata=NO_LOG").start()?;
        let mut stopped = Stopped::new(source, destination)?;
        fs::remove_dir_all(stopped.task.state_directory())?;
        let words = stopped.refusal()?;
        says(&words, &["the destination holds a checkpoint", "positions import", "--from-destination"]);
        // The second try is no other than the first.
        says(&stopped.refusal()?, &["the destination holds a checkpoint"]);
        let import = stopped.task.command(&["positions", "import", "--from-destination"]).output()?;
        ensure!(import.status.success(), "{}", String::from_utf8_lossy(&import.stderr));
        // Definitions are read from the server again, which has those of this position until one is changed.
        stopped.task.start()?;
        stopped.source.exec("CREATE TABLE shop.marker (id INT PRIMARY KEY)")?;
        stopped.task.wait_for(&stopped.source.end_of_log()?, PATIENCE)?;
        ensure!(stopped.task.stop()?.success(), "{}", stopped.task.log());
        stopped.goes_on_equal()?;
    }
    Ok(())
}

#[test]
fn the_destinations_checkpoint_decides() -> Result<()> {
    // A state directory of yesterday does not know what became of definitions since.
    let load = Workload::new(5).in_database("shop").ddl_per_thousand(0);
    let source = Server::builder(Flavor::Mysql57).start()?;
    let mut stopped = Stopped::after(load, source, Destination::sqlite()?)?;
    let backup = tempfile::tempdir()?;
    let (state, file) = (stopped.task.state_directory(), stopped.destination.file().context("no file")?);
    let (old_state, old_file) = (backup.path().join("state"), backup.path().join("copy.db"));
    copy_directory(&state, &old_state)?;
    fs::copy(&file, &old_file)?;

    stopped.goes_on_equal()?;
    fs::remove_dir_all(&state)?;
    copy_directory(&old_state, &state)?;
    // Each start raises the generation, so that the destination knows a newer run than the copy does; trying again is no way around it.
    for _ in 0..2 {
        says(&stopped.refusal()?, &["of generation", "an older copy", "--from-destination"]);
    }
    let import = stopped.task.command(&["positions", "import", "--from-destination"]).output()?;
    ensure!(import.status.success(), "{}", String::from_utf8_lossy(&import.stderr));
    stopped.goes_on_equal()?;

    fs::copy(&old_file, &file)?;
    stopped.goes_on_equal()?;
    says(&stopped.task.log(), &["the destination was set back"]);
    Ok(())
}

fn copy_directory(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_directory(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

#[test]
fn a_newer_generation_ends_the_older_one() -> Result<()> {
    let destination = Destination::server(Flavor::Mysql97)?;
    let mut stopped = Stopped::new(Server::builder(Flavor::Mariadb1011).start()?, destination)?;
    stopped.task.start()?;
    stopped.task.wait_for_words("continuing", 2, PATIENCE)?;
    let Destination::Server(server) = &stopped.destination else { panic!("it is a server") };
    server.exec("UPDATE slackwater.slackwater_checkpoint SET generation = generation + 1")?;
    stopped.load()?;
    assert_eq!(stopped.task.wait(PATIENCE)?.code(), Some(1));
    says(&stopped.task.log(), &["the task is superseded"]);
    says(&stopped.refusal()?, &["another task took over", "do not start this task again"]);

    // Another process under the same name, with a state directory of its own.
    let other = tempfile::tempdir()?;
    let toml = source_section(&[&stopped.source], "earliest") + &stopped.destination.section();
    let mut twin = Task::new(PROGRAM, other.path(), &toml)?;
    twin.start()?;
    assert_eq!(twin.wait(PATIENCE)?.code(), Some(1));
    says(&twin.log(), &["the destination holds a checkpoint", "another task has the same name"]);
    drop(stopped.directory);
    Ok(())
}

/// Rows from before and after a column was dropped, in a log without names of columns, read when the server knows only
/// today's definition.
fn dropped_column(flavor: Flavor) -> Result<()> {
    let option = if flavor.is_mariadb() { "--binlog-row-metadata=NO_LOG" } else { "--sync-binlog=0" };
    let source = Server::builder(flavor).arg(option).start()?;
    source.exec("CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY, a INT, b INT, c INT)")?;
    let between = source.end_of_log()?;
    source.exec(
        "INSERT INTO shop.t VALUES (1, 10, 11, 12); ALTER TABLE shop.t DROP COLUMN a, ADD COLUMN d INT;
         INSERT INTO shop.t VALUES (2, 21, 22, 23)",
    )?;
    // The CREATE is in what is read: exact.
    let destination = Destination::sqlite()?;
    let directory = tempfile::tempdir()?;
    let whole = source_section(&[&source], "earliest") + &destination.section();
    let mut task = Task::new(PROGRAM, directory.path(), &whole)?;
    task.start()?;
    task.wait_for(&source.end_of_log()?, PATIENCE)?;
    destination.expect_tables(&source, &["shop.t".to_owned()])?;
    task.stop()?;

    // It is not, and the same number of columns says nothing: a stop, before any value is written.
    let destination = Destination::sqlite()?;
    let directory = tempfile::tempdir()?;
    let start = format!("start.binlog = {{ file = \"{}\", offset = {} }}", between.file, between.offset);
    let toml = source_section(&[&source], "earliest").replace("start = \"earliest\"", &start);
    let mut task = Task::new(PROGRAM, directory.path(), &(toml + &destination.section()))?;
    task.start()?;
    assert_eq!(task.wait(PATIENCE)?.code(), Some(1), "{}", task.log());
    says(&task.log(), &["shop.t", "what to do"]);
    let tables: u32 = rusqlite::Connection::open(destination.file().context("no file")?)?.query_row(
        "SELECT COUNT(*) FROM sqlite_schema WHERE name = 't'",
        [],
        |row| row.get(0),
    )?;
    assert_eq!(tables, 0);
    Ok(())
}

#[test]
fn a_dropped_column_moves_no_value_of_mariadb() -> Result<()> {
    dropped_column(Flavor::Mariadb1011)
}

#[test]
fn a_dropped_column_moves_no_value_of_mysql_57() -> Result<()> {
    dropped_column(Flavor::Mysql57)
}
