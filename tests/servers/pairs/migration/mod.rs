//! A migration that is killed again and again while others write to its source.

mod bulk;
mod keys;
pub(crate) mod schema;

use anyhow::Result;
use bulk::Bulk;
use slackwater_testkit::{Server, Task, workload::Workload};
use tempfile::TempDir;

use crate::{
    lives::{Kills, Phase, Step, kill_under_load, wait_for},
    river::{Destination, PATIENCE, PROGRAM, activity, source_section},
};

/// Transactions and statements before the task first starts.
const BACKLOG: usize = 150;

/// A task with its source, its load and what has happened to it.
pub(crate) struct Migration<'a> {
    source: &'a Server,
    seed: u64,
    load: Workload,
    bulk: Bulk,
    pub(crate) task: Task,
    /// How often it was killed in which phase.
    pub(crate) kills: Kills,
    directory: TempDir,
}

impl<'a> Migration<'a> {
    /// Fills the source.
    pub(crate) fn new(source: &'a Server, destination: &Destination, seed: u64) -> Result<Self> {
        let mut load = Workload::new(seed).in_database("shop");
        let mut connection = source.conn()?;
        load.setup(&mut connection)?;
        for _ in 0..BACKLOG {
            load.step(&mut connection)?;
        }
        let bulk = Bulk::setup(&mut connection, seed)?;
        let directory = tempfile::tempdir()?;
        let toml = source_section(&[source], "snapshot") + &destination.section();
        let task = Task::new(PROGRAM, directory.path(), &toml)?;
        Ok(Migration { source, seed, load, bulk, task, kills: Kills::new(), directory })
    }

    /// Runs and kills the task while the loads go on; then lets it come to the end. Returns the source's tables.
    pub(crate) fn run(&mut self) -> Result<Vec<String>> {
        let Migration { source, seed, load, bulk, task, .. } = self;
        let (mut one, mut other) = (source.conn()?, source.conn()?);
        let loads: Vec<Step<'_>> =
            vec![Box::new(move || load.step(&mut one).map(drop)), Box::new(move || bulk.step(&mut other))];
        self.kills = kill_under_load(task, *seed, loads)?;
        self.task.start()?;
        self.task.wait_for(&self.source.end_of_log()?, PATIENCE)?;
        wait_for(&mut self.task, Phase::Tailing)?;
        self.load.tables(&mut self.source.conn()?)
    }

    /// What explains a failure: what both servers are at while the task still runs, and the task's directory, which is kept.
    pub(crate) fn evidence(&mut self, destination: &Destination) -> String {
        self.directory.disable_cleanup(true);
        let (directory, source) = (self.directory.path().display(), activity::of_mysql(self.source));
        format!("kept: {directory}\n{source}{}", destination.activity())
    }
}
