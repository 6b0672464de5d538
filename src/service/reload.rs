//! What a running task takes over from its changed file: log level, poll interval, cutover, limits of the copy.

use std::{path::PathBuf, time::Duration};

use tokio::sync::watch;

use super::logging::LogLevel;
use crate::{
    config::{ConfigError, Cutover, Snapshot, Task},
    sources::throttle::{Limits, Throttle},
};

/// The settings that can change while a task runs.
pub(super) struct Reload {
    file: PathBuf,
    task: Task,
    level: LogLevel,
    poll_interval: watch::Sender<Duration>,
    cutover: watch::Sender<Cutover>,
    throttle: Throttle,
}

impl Reload {
    /// Also returns where the changes arrive.
    pub(super) fn new(
        file: &std::path::Path,
        task: &Task,
        level: LogLevel,
        throttle: Throttle,
    ) -> (Self, watch::Receiver<Duration>, watch::Receiver<Cutover>) {
        let (poll_interval, poll_receiver) = watch::channel(task.cutover.poll_interval);
        let (cutover, cutover_receiver) = watch::channel(task.cutover.clone());
        let reload =
            Reload { file: file.to_owned(), task: task.clone(), level, poll_interval, cutover, throttle };
        (reload, poll_receiver, cutover_receiver)
    }

    /// Reads the file again. The sections with changes that need a restart.
    pub(super) fn reload(&mut self) -> Result<Vec<&'static str>, ConfigError> {
        let new = Task::load(&self.file)?;
        let needs_restart = self.task.needs_restart_for(&new);
        self.level.set(&new.log.level);
        self.poll_interval.send_if_modified(|interval| {
            std::mem::replace(interval, new.cutover.poll_interval) != new.cutover.poll_interval
        });
        self.throttle.set(limits(&new.snapshot));
        self.cutover.send_replace(new.cutover);
        Ok(needs_restart)
    }
}

/// The limits that the source's tables are read within.
pub(crate) fn limits(snapshot: &Snapshot) -> Limits {
    Limits {
        queries_per_second: snapshot.queries_per_second.map_or(0, u64::from),
        rows_per_second: snapshot.rows_per_second.unwrap_or(0),
        bytes_per_second: snapshot.bytes_per_second.map_or(0, |size| size.0),
    }
}
