//! The lives of a task: started and killed again and again in each of its phases, while others write to its source.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail, ensure};
use rand::{RngExt as _, SeedableRng as _, rngs::ChaCha8Rng};
use slackwater_testkit::Task;

use crate::river::PATIENCE;

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

/// Between two changes of a load.
const PAUSE: Duration = Duration::from_millis(2);

/// One change of a load.
pub(crate) type Step<'a> = Box<dyn FnMut() -> Result<()> + Send + 'a>;

/// How often a task was killed in which phase.
pub(crate) type Kills = BTreeMap<Phase, usize>;

/// Runs and kills the task while the loads go on, each on a thread of its own.
///
/// # Errors
/// When a load fails, or the task ends by itself.
pub(crate) fn kill_under_load(task: &mut Task, seed: u64, loads: Vec<Step<'_>>) -> Result<Kills> {
    let done = AtomicBool::new(false);
    let mut kills = Kills::new();
    thread::scope(|scope| -> Result<()> {
        let done = &done;
        let writers: Vec<_> = loads.into_iter().map(|load| scope.spawn(move || until(done, load))).collect();
        let killing = kill(task, &mut ChaCha8Rng::seed_from_u64(seed), &mut kills);
        done.store(true, Ordering::Relaxed);
        // What the task says of its end may be due to a load's.
        let written: Result<()> =
            writers.into_iter().try_for_each(|writer| writer.join().expect("the load does not panic"));
        written.and(killing)
    })?;
    Ok(kills)
}

/// One change after the other, until `done`.
fn until(done: &AtomicBool, mut step: Step<'_>) -> Result<()> {
    while !done.load(Ordering::Relaxed) {
        step()?;
        thread::sleep(PAUSE);
    }
    Ok(())
}

/// Starts the task and lets it get to some phase and live there for a random while, again and again.
fn kill(task: &mut Task, random: &mut ChaCha8Rng, kills: &mut Kills) -> Result<()> {
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
fn live(task: &mut Task, phase: Phase, millis: u64, kills: &mut Kills) -> Result<()> {
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

/// Waits until the task is that far.
///
/// # Errors
/// When it ends before, or does not get there in time.
pub(crate) fn wait_for(task: &mut Task, phase: Phase) -> Result<()> {
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
