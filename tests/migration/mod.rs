//! A migration that is killed again and again while others write to its source.

mod bulk;
pub(crate) mod schema;

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail, ensure};
use bulk::Bulk;
use rand::{RngExt as _, SeedableRng as _, rngs::ChaCha8Rng};
use slackwater_testkit::{Server, Task, workload::Workload};
use tempfile::TempDir;

use crate::river::{Destination, PATIENCE, PROGRAM, source_section};

/// Transactions and statements before the task first starts.
const BACKLOG: usize = 150;
/// Kills until the copy is done, at most, and behind it.
const KILLS: usize = 14;
const KILLS_OF_TAIL: usize = 4;
/// While definitions are made, and the copy begins, lives are short.
const SHORT_LIVES: usize = 4;

/// A task with its source, its load and what has happened to it.
pub(crate) struct Migration<'a> {
    source: &'a Server,
    load: Workload,
    bulk: Bulk,
    random: ChaCha8Rng,
    pub(crate) task: Task,
    /// How often it was killed in which phase, as its last status called it.
    pub(crate) kills: BTreeMap<String, usize>,
    _directory: TempDir,
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
        let random = ChaCha8Rng::seed_from_u64(seed);
        Ok(Migration { source, load, bulk, random, task, kills: BTreeMap::new(), _directory: directory })
    }

    /// Runs and kills the task while the loads go on; then lets it come to the end. Returns the source's tables.
    pub(crate) fn run(&mut self) -> Result<Vec<String>> {
        let done = AtomicBool::new(false);
        let Migration { source, load, bulk, random, task, kills, .. } = self;
        thread::scope(|scope| -> Result<()> {
            let mixed = scope.spawn(|| until(&done, source, |connection| load.step(connection).map(drop)));
            let other = scope.spawn(|| until(&done, source, |connection| bulk.step(connection)));
            let killing = kill(task, random, kills);
            done.store(true, Ordering::Relaxed);
            mixed.join().expect("the load does not panic")?;
            other.join().expect("the load does not panic")?;
            killing
        })?;
        self.task.start()?;
        self.task.wait_for(&self.source.end_of_log()?, PATIENCE)?;
        wait_until_done(&mut self.task)?;
        self.load.tables(&mut self.source.conn()?)
    }
}

/// One change after the other, until `done`.
fn until(
    done: &AtomicBool,
    source: &Server,
    mut step: impl FnMut(&mut slackwater_testkit::mysql::Conn) -> Result<()>,
) -> Result<()> {
    let mut connection = source.conn()?;
    while !done.load(Ordering::Relaxed) {
        step(&mut connection)?;
        thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// Lets the task live for a random while, again and again.
fn kill(task: &mut Task, random: &mut ChaCha8Rng, kills: &mut BTreeMap<String, usize>) -> Result<()> {
    let mut of_tail = 0;
    for number in 0..KILLS {
        let longest = match number {
            0..SHORT_LIVES => 250,
            _ if number % 2 == 0 => 1_500,
            _ => 4_000,
        };
        let life = Duration::from_millis(random.random_range(10..longest));
        task.start()?;
        thread::sleep(life);
        // No panic: the loads would go on and never be joined.
        ensure!(task.is_running(), "the task ended by itself:\n{}", task.log());
        *kills.entry(phase(task)).or_default() += 1;
        of_tail += usize::from(is_done(task));
        task.kill()?;
        if of_tail >= KILLS_OF_TAIL {
            break;
        }
    }
    Ok(())
}

fn phase(task: &Task) -> String {
    let status = task.status().unwrap_or_default();
    status.get("phase").and_then(|phase| phase.as_str()).unwrap_or("before the first status").to_owned()
}

/// Whether everything is copied, and the log is followed.
pub(crate) fn is_done(task: &Task) -> bool {
    phase(task) == "tailing"
}

fn wait_until_done(task: &mut Task) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !is_done(task) {
        ensure!(task.is_running(), "the task ended by itself:\n{}", task.log());
        if Instant::now() > deadline {
            bail!("the task is not done after {PATIENCE:?} but {}:\n{}", phase(task), task.log());
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
