//! A migration from PostgreSQL that is killed again and again while others write to its source.

mod bulk;

use anyhow::Result;
use bulk::Bulk;
use slackwater_testkit::{
    PostgresServer, PostgresVersion, Task,
    compare::{Side, expect_same_tables},
    workload::PostgresWorkload,
};
use tempfile::TempDir;

use crate::{
    lives::{Kills, Phase, Step, kill_under_load, wait_for},
    river::{DATABASE, Destination, PATIENCE, PROGRAM, activity},
};

/// Transactions and statements before the task first starts.
const BACKLOG: usize = 150;
/// The schema that is carried.
pub(crate) const SCHEMA: &str = "app";

/// A task with its source, its load and what has happened to it.
pub(crate) struct Migration<'a> {
    source: &'a PostgresServer,
    seed: u64,
    load: PostgresWorkload,
    bulk: Bulk,
    pub(crate) task: Task,
    /// How often it was killed in which phase.
    pub(crate) kills: Kills,
    directory: TempDir,
}

impl<'a> Migration<'a> {
    /// Fills the source.
    pub(crate) fn new(source: &'a PostgresServer, destination: &Destination, seed: u64) -> Result<Self> {
        let mut load = PostgresWorkload::new(seed).in_schema(SCHEMA);
        if !matches!(destination, Destination::Postgres(..)) {
            load = load.portable();
        }
        // Its log does not say what is truncated.
        if source.version() == PostgresVersion::V10 {
            load = load.without_truncate();
        }
        // No event trigger can announce DDL there: it has to be told from the rows behind it, which may be read after the next DDL.
        if source.version() < PostgresVersion::V14 {
            load = load.additive_ddl();
        }
        let mut client = source.client_of(DATABASE)?;
        load.setup(&mut client)?;
        for _ in 0..BACKLOG {
            load.step(&mut client)?;
        }
        let bulk = Bulk::setup(&mut client, seed)?;
        let directory = tempfile::tempdir()?;
        let toml = format!(
            "start = \"snapshot\"\n{}{}[objects]\ninclude = [\"{SCHEMA}.*\"]\n",
            source.source_section(DATABASE, ""),
            destination.section()
        );
        let task = Task::new(PROGRAM, directory.path(), &toml)?;
        Ok(Migration { source, seed, load, bulk, task, kills: Kills::new(), directory })
    }

    /// Runs and kills the task while the loads go on; then lets it come to the end. Returns the source's tables.
    pub(crate) fn run(&mut self) -> Result<Vec<String>> {
        let Migration { source, seed, load, bulk, task, .. } = self;
        let (mut one, mut other) = (source.client_of(DATABASE)?, source.client_of(DATABASE)?);
        let loads: Vec<Step<'_>> =
            vec![Box::new(move || load.step(&mut one).map(drop)), Box::new(move || bulk.step(&mut other))];
        self.kills = kill_under_load(task, *seed, loads)?;
        if self.source.version() < PostgresVersion::V14 {
            // What no event trigger announces shows with the next row.
            self.load.row_into_each(&mut self.source.client_of(DATABASE)?)?;
        }
        self.task.start()?;
        self.task.wait_for_wal(self.source.end_of_log()?, PATIENCE)?;
        wait_for(&mut self.task, Phase::Tailing)?;
        self.load.tables(&mut self.source.client_of(DATABASE)?)
    }

    /// What explains a failure: what both servers are at while the task still runs, and the task's directory, which is kept.
    pub(crate) fn evidence(&mut self, destination: &Destination) -> String {
        self.directory.disable_cleanup(true);
        let (directory, source) = (self.directory.path().display(), activity::of_postgres(self.source));
        format!("kept: {directory}\n{source}{}", destination.activity())
    }
}

/// Compares tables (`schema.table`) with the source's, value by value.
pub(crate) fn expect_tables(
    source: &PostgresServer,
    destination: &Destination,
    tables: &[String],
) -> Result<()> {
    let file = destination.file();
    let there = match (destination, &file) {
        (Destination::Server(server), _) => Side::Mysql(server),
        (Destination::Postgres(server, _), _) => Side::Postgres(server, DATABASE),
        (Destination::Sqlite(_), file) => Side::Sqlite(file.as_deref().expect("it is a file")),
    };
    let pairs = tables.iter().map(|table| match there {
        Side::Sqlite(_) => (table.as_str(), table.rsplit('.').next().unwrap_or_default()),
        _ => (table.as_str(), table.as_str()),
    });
    expect_same_tables(Side::Postgres(source, DATABASE), there, pairs).map(drop)
}
