//! What a task tells about itself while it runs.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};
use slackwater_decoders::position::Position;

use super::snapshot::progress::{CopyBoard, CopyStatus};
use crate::{
    positions::{CutoverRecord, CutoverStep, StepTime},
    sources::Belonging,
};

/// What the task does at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Connects and decides where to continue.
    #[default]
    Starting,
    /// Copies the rows that are there.
    Snapshot,
    /// Follows the log from where the copy began to where it ended: until then the copied rows are of different times.
    Converging,
    /// Follows the log.
    Tailing,
    /// Waits for a side that cannot be reached, or after an error that may pass.
    Retrying,
    /// The source is closed to writers, or about to be, for the cutover.
    CuttingOver,
    /// Stores its position and leaves.
    Stopping,
    /// Ended as it should.
    Ended,
    /// Ended with an error.
    Failed,
}

/// The progress of a task at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The task's name.
    pub task: String,
    /// Process id of the daemon.
    pub pid: u32,
    /// When this was written, in milliseconds since 1970-01-01 UTC.
    pub time_ms: u64,
    /// What the task does.
    pub phase: Phase,
    /// The source, for people.
    pub source: String,
    /// The destination, for people.
    pub destination: String,
    /// Everything before it is applied.
    pub position: Option<Position>,
    /// The end of the source's log as last read from it.
    pub end_of_log: Option<Position>,
    /// Row changes applied since the start of the process.
    pub rows: u64,
    /// Transactions of the source applied since the start of the process.
    pub commits: u64,
    /// Bytes of decoded batches applied, with the memory they were folded in.
    pub bytes: u64,
    /// Row changes a second, smoothed over about ten seconds.
    pub rows_per_second: f64,
    /// Decoded bytes a second, smoothed over about ten seconds.
    pub bytes_per_second: f64,
    /// Age of the last applied change in seconds; 0 in sync, `None` when not known.
    pub lag_seconds: Option<f64>,
    /// Bytes of log between position and end of log, where the source can tell.
    pub lag_bytes: Option<u64>,
    /// Whether the applied position has reached the end of the log as read after the question was asked.
    pub in_sync: bool,
    /// The last error.
    pub last_error: Option<String>,
    /// Attempts after errors since the start of the process.
    pub retries: u64,
    /// The last statement that changed the schema.
    pub last_ddl: Option<String>,
    /// Row changes that the destination refused and keeps in its table of dead letters: the task goes on without them.
    #[serde(default)]
    pub dead_letters: u64,
    /// What the task has created at its source, as it was a few seconds ago ([`Source::belongings`](crate::sources::Source::belongings)).
    #[serde(default)]
    pub belongings: Vec<Belonging>,
    /// What the last comparison of both ends in the background found (`verify.every`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification: Option<VerificationStatus>,
    /// How the cutover stands, where there was an attempt.
    #[serde(default)]
    pub cutover: Option<CutoverStatus>,
    /// How the copy of the tables stands, in a process that copies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy: Option<CopyStatus>,
}

/// What a comparison of both ends found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct VerificationStatus {
    /// When it ended, in milliseconds since 1970-01-01 UTC.
    pub time_ms: u64,
    /// The outcome in one line.
    pub summary: String,
    /// Rows that differ.
    pub differing: u64,
    /// Rows and tables without a verdict.
    pub undecided: u64,
}

/// How the cutover of a task stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CutoverStatus {
    /// The step.
    pub step: CutoverStep,
    /// Since when, RFC 3339 in UTC.
    pub since: String,
    /// What happened, for people.
    pub note: String,
    /// The number of the attempt, from 1.
    pub attempt: u64,
    /// Whether the attempt stops in front of the switch.
    pub dry_run: bool,
    /// The steps of the attempt that ended, with the time they took.
    pub durations: Vec<StepTime>,
}

impl From<&CutoverRecord> for CutoverStatus {
    fn from(record: &CutoverRecord) -> Self {
        CutoverStatus {
            step: record.step,
            since: record.time.clone(),
            note: record.note.clone(),
            attempt: record.attempt,
            dry_run: record.dry_run,
            durations: record.durations.clone(),
        }
    }
}

impl fmt::Display for CutoverStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} since {}: {}", self.step.name(), self.since, self.note)
    }
}

/// The one place that the parts of a task write their progress to. Cloning it gives another handle.
#[derive(Clone, Debug, Default)]
pub struct StatusBoard(Arc<Mutex<Board>>);

#[derive(Debug, Default)]
struct Board {
    status: Status,
    /// When the last applied change was committed at the source, in microseconds since 1970-01-01 UTC.
    last_commit_micros: i64,
    rate_base: Option<(u64, u64, u64)>,
    copy: Option<CopyBoard>,
}

/// Time in which a rate forgets all but a third of its past.
const SMOOTHING_SECONDS: f64 = 10.0;

impl StatusBoard {
    /// The board of a task of that name.
    #[must_use]
    pub fn new(task: &str) -> Self {
        let status = Status { task: task.to_owned(), pid: std::process::id(), ..Status::default() };
        StatusBoard(Arc::new(Mutex::new(Board { status, ..Board::default() })))
    }

    /// The process goes on as another task: what was told before is over.
    pub fn restart(&self, task: &str) {
        let status = Status { task: task.to_owned(), pid: std::process::id(), ..Status::default() };
        *self.board() = Board { status, ..Board::default() };
    }

    /// Changes what is told.
    pub fn update(&self, change: impl FnOnce(&mut Status)) {
        change(&mut self.board().status);
    }

    /// Counts an applied group.
    pub(super) fn applied(&self, rows: u64, bytes: usize, commits: u64, time_micros: i64) {
        let mut board = self.board();
        board.status.rows += rows;
        board.status.bytes += bytes as u64;
        board.status.commits += commits;
        if time_micros > 0 {
            board.last_commit_micros = time_micros;
        }
        board.status.in_sync = false;
    }

    /// From now on the copy of tables is told about.
    pub(super) fn watch_copy(&self, copy: CopyBoard) {
        self.board().copy = Some(copy);
    }

    /// The progress now.
    #[must_use]
    pub fn snapshot(&self) -> Status {
        self.status(false)
    }

    /// The progress now, of each table that is copied as well.
    #[must_use]
    pub fn snapshot_in_full(&self) -> Status {
        self.status(true)
    }

    fn status(&self, all_tables: bool) -> Status {
        let mut board = self.board();
        let now = millis_now();
        board.measure_rates(now);
        let mut status = board.status.clone();
        status.copy = board.copy.as_ref().map(|copy| copy.status(all_tables));
        status.time_ms = now;
        status.lag_seconds = match (status.in_sync, board.last_commit_micros) {
            (true, _) => Some(0.0),
            (false, 0) => None,
            (false, micros) => Some(((now as f64) / 1e3 - (micros as f64) / 1e6).max(0.0)),
        };
        status
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Board {
    fn measure_rates(&mut self, now: u64) {
        let status = &mut self.status;
        let Some((then, rows, bytes)) = self.rate_base else {
            self.rate_base = Some((now, status.rows, status.bytes));
            return;
        };
        let seconds = now.saturating_sub(then) as f64 / 1e3;
        if seconds < 0.2 {
            return;
        }
        let weight = 1.0 - (-seconds / SMOOTHING_SECONDS).exp();
        let smooth = |rate: &mut f64, now: u64, then: u64| {
            let current = now.saturating_sub(then) as f64 / seconds;
            // The first measurement stands for itself.
            *rate = if *rate == 0.0 { current } else { *rate + weight * (current - *rate) };
        };
        smooth(&mut status.rows_per_second, status.rows, rows);
        smooth(&mut status.bytes_per_second, status.bytes, bytes);
        self.rate_base = Some((now, status.rows, status.bytes));
    }
}

/// Milliseconds since 1970-01-01 UTC.
pub(crate) fn millis_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_behind_are_the_age_of_the_last_change_and_zero_in_sync() {
        let board = StatusBoard::new("orders");
        assert_eq!(board.snapshot().lag_seconds, None);
        board.applied(3, 100, 1, (millis_now() as i64 - 5_000) * 1_000);
        let lag = board.snapshot().lag_seconds.unwrap_or_default();
        assert!((5.0..6.0).contains(&lag), "{lag}");
        board.update(|status| status.in_sync = true);
        assert_eq!(board.snapshot().lag_seconds, Some(0.0));
    }
}
