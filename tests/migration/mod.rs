//! A migration that is killed again and again while others write to its source.

mod bulk;
mod keys;
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
/// Kills right after the start, while positions are stored and tables made.
const EARLY: usize = 3;
/// Kills in each phase, as far as it lasts, and how long the task then lives in it at most, in
/// milliseconds: the last time, and proportionally shorter before.
const LATER: [(Phase, u64, u64); 3] =
    [(Phase::Snapshot, 3, 600), (Phase::Converging, 3, 400), (Phase::Tailing, 2, 1_200)];

/// How far a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Nothing is stored yet.
    Starting,
    /// Tables are copied.
    Snapshot,
    /// The log makes what was copied one state.
    Converging,
    /// The log is followed.
    Tailing,
}

/// What the task says when it enters a phase.
const SAID: [(&str, Phase); 4] = [
    ("a new task, which begins with a copy", Phase::Snapshot),
    ("going on with the copy", Phase::Snapshot),
    ("all tables are copied", Phase::Converging),
    ("the destination has all that the source had here", Phase::Tailing),
];

/// A task with its source, its load and what has happened to it.
pub(crate) struct Migration<'a> {
    source: &'a Server,
    load: Workload,
    bulk: Bulk,
    random: ChaCha8Rng,
    pub(crate) task: Task,
    /// How often it was killed in which phase.
    pub(crate) kills: BTreeMap<Phase, usize>,
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
        wait_for(&mut self.task, Phase::Tailing)?;
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

/// Starts the task and lets it get to some phase and live there for a random while, again and again.
fn kill(task: &mut Task, random: &mut ChaCha8Rng, kills: &mut BTreeMap<Phase, usize>) -> Result<()> {
    for _ in 0..EARLY {
        live(task, Phase::Starting, random.random_range(10..250), kills)?;
    }
    for (phase, times, longest) in LATER {
        for number in 1..=times {
            if phase_of(task) > phase {
                break;
            }
            live(task, phase, random.random_range(0..longest * number / times), kills)?;
        }
    }
    Ok(())
}

/// One life of the task, which ends `millis` milliseconds after it was seen in `phase` (or behind it).
fn live(task: &mut Task, phase: Phase, millis: u64, kills: &mut BTreeMap<Phase, usize>) -> Result<()> {
    task.start()?;
    wait_for(task, phase)?;
    thread::sleep(Duration::from_millis(millis));
    // No panic: the loads would go on and never be joined.
    ensure!(task.is_running(), "the task ended by itself:\n{}", task.log());
    *kills.entry(phase_of(task)).or_default() += 1;
    task.kill()
}

/// The phase that the task entered last. A kill may have come between what it stored and what it said: the status tells then.
fn phase_of(task: &Task) -> Phase {
    let status = task.status().unwrap_or_default();
    if status.get("phase").and_then(|phase| phase.as_str()) == Some("tailing") {
        return Phase::Tailing;
    }
    let log = task.log();
    let last = SAID.iter().filter_map(|&(words, phase)| Some((log.rfind(words)?, phase))).max();
    last.map_or(Phase::Starting, |(_, phase)| phase)
}

/// Whether everything is copied, and the log is followed.
pub(crate) fn is_done(task: &Task) -> bool {
    phase_of(task) == Phase::Tailing
}

fn wait_for(task: &mut Task, phase: Phase) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while phase_of(task) < phase {
        ensure!(task.is_running(), "the task ended by itself:\n{}", task.log());
        if Instant::now() > deadline {
            let now = phase_of(task);
            bail!("the task is not {phase:?} after {PATIENCE:?} but {now:?}:\n{}", task.log());
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}
