//! A task as a daemon: signals, reload, what systemd and the operator are told, and an end within the time allowed.

mod belongings;
pub mod control;
pub mod logging;
mod reload;
mod report;

use std::{path::Path, sync::Arc, time::Duration};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
    time::sleep,
};
use tracing::{error, info, warn};

pub(crate) use self::reload::limits;
pub use self::report::{forget_belongings, read_status, read_tables, status_path, tables_path};
use self::{logging::LogLevel, reload::Reload};
use crate::{
    changes::TableStarts,
    config::{Start, Task, Then},
    cutover::{Cutover, CutoverEnds, Entry, orders, parts::Parts},
    destinations::Destination,
    error::{Error, Result},
    mapping::Mapping,
    pipeline::{
        snapshot::{
            CopyEnd, Snapshot, SnapshotSettings,
            schemas::{SharedSchemas, TableSchemas},
        },
        status::{Phase, StatusBoard},
        tail::{End, RetryLimits, Tail, TailSettings},
    },
    positions::Store,
    sources::{Source, throttle::Throttle},
    verify::{background, task::TaskVerification},
};

/// The two ends of a task.
pub struct Ends {
    /// What is followed.
    pub source: Arc<dyn Source>,
    /// What is written to.
    pub destination: Box<dyn Destination>,
    /// What becomes of the source's tables on the way.
    pub mapping: Arc<Mapping>,
    /// Who creates tables at the destination for a copy.
    pub schemas: Box<dyn TableSchemas>,
    /// The limits that the source's tables are read within.
    pub throttle: Throttle,
    /// What the cutover asks of others.
    pub parts: Parts,
    /// Compares both ends in the background (`verify.every`); `None` where an end has no rows that can be read.
    pub verification: Option<Arc<TaskVerification>>,
}

/// How a run ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The tail ended.
    Tail(End),
    /// The tables are copied, and the task was to do no more (`snapshot.then = "stop"`).
    Copied,
    /// The task was cut over by an earlier run.
    AlreadyCutOver,
}

/// Runs a task until it ends: by a signal, by its cutover, or at the end of a log that is not followed. `file` is read
/// again on SIGHUP; progress goes to `status`, to the status file and to systemd.
///
/// # Errors
/// What stops the task; also a stop that took longer than `apply.stop_timeout`.
pub async fn run(file: &Path, task: Task, ends: Ends, level: LogLevel, status: StatusBoard) -> Result<Ended> {
    let signals = Signals::listen()?;
    let store = Store::open(&task.state_dir)?;
    report::note_sudden_end(&task.state_dir);
    let reporter = report::start(status.clone(), &task.state_dir);
    let ended = follow(file, task, ends, level, store, status.clone(), signals).await;
    status.update(|status| {
        status.phase = if ended.is_ok() { Phase::Ended } else { Phase::Failed };
        if let Err(error) = &ended {
            status.last_error = Some(error.to_string());
        }
    });
    reporter.finish().await;
    ended
}

async fn follow(
    file: &Path,
    task: Task,
    ends: Ends,
    level: LogLevel,
    store: Store,
    status: StatusBoard,
    signals: Signals,
) -> Result<Ended> {
    store.require_rules(&task.rules)?;
    let (stop_sender, stop) = watch::channel(false);
    let (reload, poll_interval, cutover_settings) = Reload::new(file, &task, level, ends.throttle.clone());
    let schemas = SharedSchemas::new(ends.schemas);
    let cutover_ends = CutoverEnds {
        task: task.name.clone(),
        source: Arc::clone(&ends.source),
        destination: ends.destination.describe(),
        schemas: schemas.clone(),
        parts: ends.parts.clone(),
        retry: retry_limits(&task),
    };
    let (give, taken) = orders();
    let cutover =
        Cutover::new(cutover_ends, store.clone(), status.clone(), cutover_settings, taken, stop.clone())?;
    if cutover.entry()? == Entry::Done {
        info!("the cutover was done by an earlier run");
        return Ok(Ended::AlreadyCutOver);
    }
    let _control = control::listen(&task.state_dir, status.clone(), give)?;
    let stop_timeout = task.apply.stop_timeout;
    let comparing = compare(ends.verification.clone(), task.verify.every, status.clone(), stop.clone());
    let ends = Ends { schemas: Box::new(schemas), ..ends };
    tokio::select! {
        ended = copy_and_tail(task, ends, store, status, poll_interval, stop.clone(), cutover) => ended,
        error = overdue(stop, stop_timeout) => Err(error),
        never = comparing => match never {},
        never = signals.act(stop_sender, reload) => match never {},
    }
}

/// Copies what is to be copied, then follows the log.
async fn copy_and_tail(
    task: Task,
    ends: Ends,
    store: Store,
    status: StatusBoard,
    poll_interval: watch::Receiver<Duration>,
    stop: watch::Receiver<bool>,
    cutover: Cutover,
) -> Result<Ended> {
    let Ends { source, destination, mapping, schemas, throttle: _, parts: _, verification: _ } = ends;
    let _watch = belongings::watch(Arc::clone(&source), status.clone());
    let copy = Snapshot::new(
        Arc::clone(&source),
        destination,
        schemas,
        store.clone(),
        snapshot_settings(&task, Arc::clone(&mapping)),
        status.clone(),
        stop.clone(),
    );
    let copied = match copy.run().await? {
        CopyEnd::Stopped => return Ok(Ended::Tail(End::Stopped)),
        CopyEnd::Copied(_) if task.snapshot.then == Then::Stop && task.start == Start::Snapshot => {
            return Ok(Ended::Copied);
        }
        CopyEnd::Copied(copied) => copied,
    };
    let mut destination = copied.destination;
    if cutover.recover(&mut *destination).await? == Entry::Done {
        return Ok(Ended::Tail(End::CutOver));
    }
    let settings = TailSettings { starts: copied.starts, ..tail_settings(&task, mapping) };
    let tail = Tail::new(source, destination, store, settings, status, poll_interval, stop)
        .with_completion(copied.completion);
    let handle = tail.handle();
    // Before the tail can come to the end of a log that does not grow.
    handle.await_at_end(cutover.is_armed());
    let settled = cutover.settled();
    let mut cutting_over = std::pin::pin!(cutover.run(handle));
    let ended = tokio::select! {
        biased;
        ended = tail.run() => ended,
        failed = &mut cutting_over => match failed? {},
    };
    // An attempt that the end of the tail has met takes itself back: nobody is kept from writing for longer.
    tokio::select! {
        biased;
        () = settled => ended.map(Ended::Tail),
        failed = &mut cutting_over => match failed? {},
    }
}

fn snapshot_settings(task: &Task, mapping: Arc<Mapping>) -> SnapshotSettings {
    SnapshotSettings {
        mapping,
        start: task.start.clone(),
        memory: task.apply.memory.0,
        retry: retry_limits(task),
        readers: task.snapshot.readers as usize,
        loaders: task.snapshot.loaders.map(|loaders| loaders as usize),
        existing: task.snapshot.existing,
    }
}

fn retry_limits(task: &Task) -> RetryLimits {
    RetryLimits { connection_lost: task.apply.connection_lost_limit, other: task.apply.error_limit }
}

fn tail_settings(task: &Task, mapping: Arc<Mapping>) -> TailSettings {
    TailSettings {
        mapping,
        start: task.start.clone(),
        memory: task.apply.memory.0,
        group_size: task.apply.group_size.0,
        starts: TableStarts::default(),
        checkpoint_interval: task.apply.checkpoint_interval,
        retry: retry_limits(task),
    }
}

/// Compares both ends in the background, where the task asks for it.
async fn compare(
    verification: Option<Arc<TaskVerification>>,
    every: Option<Duration>,
    status: StatusBoard,
    stop: watch::Receiver<bool>,
) -> Never {
    match (verification, every) {
        (Some(verification), Some(every)) => {
            background::compare_forever(verification, every, status, stop).await
        }
        (None, Some(_)) => {
            warn!("verify.every: an end has no rows that can be read, so that nothing is compared")
        }
        (_, None) => {}
    }
    std::future::pending().await
}

/// Returns when a stop was asked for and took longer than it may.
async fn overdue(mut stop: watch::Receiver<bool>, limit: Duration) -> Error {
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
    sleep(limit).await;
    Error::definite(format!("the task did not stop within {limit:?} and was broken off"))
        .remedy("nothing is lost: the destination's checkpoint is older than what is in flight; see apply.stop_timeout")
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

/// The type without values: a loop that does not end.
enum Never {}

impl Signals {
    fn listen() -> Result<Self> {
        let listen = |kind| {
            signal(kind).map_err(|error| Error::definite("cannot listen for signals").caused_by(error))
        };
        Ok(Signals {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    /// SIGTERM and SIGINT stop, SIGHUP reads the task file again.
    async fn act(mut self, stop: watch::Sender<bool>, mut reload: Reload) -> Never {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => stop_now(&stop, "SIGTERM"),
                _ = self.interrupt.recv() => stop_now(&stop, "SIGINT"),
                _ = self.hangup.recv() => {
                    report::notify_reloading();
                    match reload.reload() {
                        Ok(needs_restart) if needs_restart.is_empty() => info!("the task file was read again"),
                        Ok(needs_restart) => {
                            warn!(needs_restart = needs_restart.join(", "), "read again; these need a restart");
                        }
                        Err(error) => error!(%error, "the task file has a mistake; the former settings stay"),
                    }
                    report::notify_ready();
                }
            }
        }
    }
}

fn stop_now(stop: &watch::Sender<bool>, signal: &str) {
    info!(signal, "finishing the current batch, storing the position");
    stop.send_replace(true);
}

#[cfg(test)]
#[path = "service_tests.rs"]
mod tests;
