//! A task as a daemon: signals, reload, what systemd and the operator are told, and an end within the time allowed.

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

pub use self::report::{read_status, status_path};
use self::{logging::LogLevel, reload::Reload};
use crate::{
    changes::TableStarts,
    config::Task,
    cutover::{Cutover, Entry},
    destinations::Destination,
    error::{Error, Result},
    mapping::Mapping,
    pipeline::{
        status::{Phase, StatusBoard},
        tail::{End, RetryLimits, Tail, TailSettings},
    },
    positions::Store,
    sources::Source,
};

/// The two ends of a task.
pub struct Ends {
    /// What is followed.
    pub source: Arc<dyn Source>,
    /// What is written to.
    pub destination: Box<dyn Destination>,
    /// What becomes of the source's tables on the way.
    pub mapping: Arc<Mapping>,
}

/// How a run ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The tail ended.
    Tail(End),
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
    let (stop_sender, stop) = watch::channel(false);
    let (reload, poll_interval, cutover_settings) = Reload::new(file, &task, level);
    let (mut cutover, entry) = Cutover::resume(&task.name, store.clone(), cutover_settings, status.clone())?;
    if entry == Entry::AlreadyDone {
        info!(
            "the cutover was done by an earlier run; `slackwater cutover --rearm` would follow the log again"
        );
        return Ok(Ended::AlreadyCutOver);
    }
    let settings = tail_settings(&task, ends.mapping);
    let tail = Tail::new(ends.source, ends.destination, store, settings, status, poll_interval, stop.clone());
    tokio::select! {
        ended = tail.run(&mut cutover) => ended.map(Ended::Tail),
        error = overdue(stop, task.apply.stop_timeout) => Err(error),
        never = signals.act(stop_sender, reload) => match never {},
    }
}

fn tail_settings(task: &Task, mapping: Arc<Mapping>) -> TailSettings {
    TailSettings {
        mapping,
        start: task.start.clone(),
        memory: task.apply.memory.0,
        group_size: task.apply.group_size.0,
        starts: TableStarts::default(),
        checkpoint_interval: task.apply.checkpoint_interval,
        retry: RetryLimits {
            connection_lost: task.apply.connection_lost_limit,
            other: task.apply.error_limit,
        },
    }
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
