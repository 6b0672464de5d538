//! What the operator and systemd are told while a task runs: the status file each second, `STATUS=`, the watchdog.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use sd_notify::NotifyState;
use serde::Serialize;
use tokio::{sync::oneshot, task::JoinHandle, time::interval};
use tracing::{debug, warn};

use crate::{
    config::ByteSize,
    pipeline::{
        snapshot::progress::TableStatus,
        status::{Phase, Status, StatusBoard},
    },
};

const EVERY: Duration = Duration::from_secs(1);
/// How often the state of each table of a copy is written: there may be tens of thousands.
const TABLES_EVERY: Duration = Duration::from_secs(10);

/// Where a task with that state directory writes its status.
#[must_use]
pub fn status_path(state_dir: &Path) -> PathBuf {
    state_dir.join("status.json")
}

/// Where a task with that state directory writes how the copy of each table stands, every ten seconds.
#[must_use]
pub fn tables_path(state_dir: &Path) -> PathBuf {
    state_dir.join("tables.json")
}

/// Reads how the copy of each table stands; empty when none was made.
///
/// # Errors
/// When the file cannot be read, or is none of tables.
pub fn read_tables(state_dir: &Path) -> io::Result<Vec<TableStatus>> {
    match fs::read(tables_path(state_dir)) {
        Ok(text) => Ok(serde_json::from_slice(&text)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Reads the status file of a task; `None` when it never ran.
///
/// # Errors
/// When the file cannot be read or is no status.
pub fn read_status(state_dir: &Path) -> io::Result<Option<Status>> {
    match fs::read(status_path(state_dir)) {
        Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Takes what was removed at the source out of the status file, so that nobody looks for it.
///
/// # Errors
/// When the file cannot be read or written.
pub fn forget_belongings(state_dir: &Path) -> io::Result<()> {
    match read_status(state_dir)? {
        Some(status) => write(&status_path(state_dir), &Status { belongings: Vec::new(), ..status }),
        None => Ok(()),
    }
}

/// Says when the last process of the task left no word about its end: nobody else would say it.
pub(super) fn note_sudden_end(state_dir: &Path) {
    if let Ok(Some(Status { pid, phase, .. })) = read_status(state_dir)
        && !matches!(phase, Phase::Ended | Phase::Failed)
    {
        warn!(
            pid,
            ?phase,
            "the last process of this task was cut off: by SIGKILL (the kernel's log tells if memory was short) or with the machine"
        );
    }
}

/// The running reports.
pub(super) struct Reporter {
    end: oneshot::Sender<()>,
    reports: JoinHandle<()>,
}

/// Starts to report until [`Reporter::finish`].
pub(super) fn start(board: StatusBoard, state_dir: &Path) -> Reporter {
    let (end, ended) = oneshot::channel();
    let reports = report(board, state_dir.to_owned(), ended);
    Reporter { end, reports: tokio::spawn(reports) }
}

impl Reporter {
    /// Reports once more and ends.
    pub(super) async fn finish(self) {
        let _ = self.end.send(());
        let _ = self.reports.await;
    }
}

async fn report(board: StatusBoard, state_dir: PathBuf, mut ended: oneshot::Receiver<()>) {
    let path = status_path(&state_dir);
    let mut tables = Tables { path: tables_path(&state_dir), written: None };
    let watchdog = sd_notify::watchdog_enabled();
    let mut ticks = interval(watchdog.map_or(EVERY, |limit| (limit / 3).min(EVERY)));
    let mut ready = false;
    loop {
        let last = tokio::select! {
            _ = &mut ended => true,
            _ = ticks.tick() => false,
        };
        let status = board.snapshot();
        tables.report(&board, &status, last);
        if let Err(error) = write(&path, &status) {
            // The task itself is well; a full disk shows in the store as well.
            debug!(%error, "the status file could not be written");
        }
        // A side that cannot be reached yet is a state of a running service, not a failed start.
        if !ready && !matches!(status.phase, Phase::Starting | Phase::Failed) {
            notify_ready();
            ready = true;
        }
        if watchdog.is_some() {
            tell(&[NotifyState::Watchdog]);
        }
        if matches!(status.phase, Phase::Stopping) {
            tell(&[NotifyState::Stopping]);
        }
        tell(&[NotifyState::Status(&line(&status))]);
        if last {
            return;
        }
    }
}

/// The file with the tables of a copy.
struct Tables {
    path: PathBuf,
    /// When it was written, and the totals then.
    written: Option<(Instant, (u64, u64, u64))>,
}

impl Tables {
    /// Writes it when something changed, and it was not just written.
    fn report(&mut self, board: &StatusBoard, status: &Status, last: bool) {
        let Some(copy) = &status.copy else { return };
        let totals = (copy.rows, copy.copied, copy.failed);
        let is_due = self.written.is_none_or(|(at, before)| {
            let waited = last || status.phase != Phase::Snapshot || at.elapsed() >= TABLES_EVERY;
            before != totals && waited
        });
        if !is_due {
            return;
        }
        self.written = Some((Instant::now(), totals));
        let details = board.snapshot_in_full().copy.map(|copy| copy.details);
        if let Err(error) = write(&self.path, &details.unwrap_or_default()) {
            debug!(%error, "the file of the copied tables could not be written");
        }
    }
}

/// The status in one line.
fn line(status: &Status) -> String {
    if let Some(copy) = status.copy.as_ref().filter(|_| status.phase == Phase::Snapshot) {
        return format!(
            "copying, {:.1} % done: {} of {} tables, {} rows, {:.0} rows/s",
            copy.done * 100.0,
            copy.copied,
            copy.tables,
            copy.rows,
            copy.rows_per_second
        );
    }
    let lag = match (status.in_sync, status.lag_seconds) {
        (true, _) => "in sync".to_owned(),
        (false, Some(seconds)) => format!("{seconds:.1} s behind"),
        (false, None) => "lag not known".to_owned(),
    };
    let bytes = status.lag_bytes.filter(|bytes| *bytes > 0).map(|bytes| format!(" ({})", ByteSize(bytes)));
    let position =
        status.position.as_ref().map(|position| format!(", at {}", position.log)).unwrap_or_default();
    let warnings = match status.belongings.iter().filter(|belonging| belonging.warning.is_some()).count() {
        0 => "",
        _ => "; a warning: see slackwater status",
    };
    format!(
        "{lag}{}{position}, {} rows, {:.0} rows/s{warnings}",
        bytes.unwrap_or_default(),
        status.rows,
        status.rows_per_second
    )
}

/// Replaces the file as a whole. Not fsynced: after a power failure nobody needs it.
fn write(path: &Path, content: &impl Serialize) -> io::Result<()> {
    let beside = path.with_extension("new");
    fs::write(&beside, serde_json::to_vec_pretty(content)?)?;
    fs::rename(&beside, path)
}

pub(super) fn notify_ready() {
    tell(&[NotifyState::Ready]);
}

/// Since systemd 253 a reload notification needs the time with it.
pub(super) fn notify_reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        debug!(%error, "systemd could not be told");
    }
}
