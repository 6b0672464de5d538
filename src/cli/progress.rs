//! The line of progress of `run` on a terminal. Where there is none, log lines say how far the task is.

use std::{
    io::{self, Write},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::{
    task::JoinHandle,
    time::{MissedTickBehavior, interval},
};
use tracing::info;

use crate::{
    config::ByteSize,
    pipeline::{
        snapshot::progress::{CopyStatus, TableState},
        status::{Phase, Status, StatusBoard},
    },
};

const REDRAW: Duration = Duration::from_millis(200);
const LOG_EVERY: Duration = Duration::from_secs(30);

/// The running display.
pub(super) struct Progress {
    bar: ProgressBar,
    display: JoinHandle<()>,
}

impl Progress {
    /// Starts to show what the board says, on a terminal as a line that redraws itself.
    pub(super) fn start(board: &StatusBoard, terminal: bool) -> Self {
        let target = if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{spinner:.cyan} {wide_msg}") {
            bar.set_style(style);
        }
        let display = tokio::spawn(show(board.clone(), bar.clone(), terminal));
        Progress { bar, display }
    }

    /// A writer for log lines that does not disturb the line of progress.
    pub(super) fn writer(&self) -> impl Fn() -> Lines + Send + Sync + 'static {
        let bar = self.bar.clone();
        move || Lines(bar.clone())
    }

    /// Removes the line.
    pub(super) fn finish(self) {
        self.display.abort();
        self.bar.finish_and_clear();
    }
}

/// Writes to standard error while the line of progress is away.
pub(super) struct Lines(ProgressBar);

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().write(line))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

async fn show(board: StatusBoard, bar: ProgressBar, terminal: bool) {
    let mut ticks = interval(if terminal { REDRAW } else { LOG_EVERY });
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let status = board.snapshot();
        if terminal {
            bar.set_message(line(&status));
            bar.tick();
        } else {
            log(&status);
        }
    }
}

fn log(status: &Status) {
    if let Some(copy) = copying(status) {
        info!(
            tables = copy.tables,
            copied = copy.copied,
            failed = copy.failed,
            rows = copy.rows,
            estimated_rows = copy.estimated_rows,
            rows_per_second = copy.rows_per_second.round(),
            seconds_left = copy.seconds_left.map(f64::round),
            steps = copy.steps(),
            "copying"
        );
        return;
    }
    info!(
        rows = status.rows,
        rows_per_second = status.rows_per_second.round(),
        lag_seconds = status.lag_seconds,
        lag_bytes = status.lag_bytes,
        in_sync = status.in_sync,
        position = status.position.as_ref().map(|position| position.log.to_string()),
        "progress"
    );
}

/// The copy, while it runs.
fn copying(status: &Status) -> Option<&CopyStatus> {
    status.copy.as_ref().filter(|_| status.phase == Phase::Snapshot)
}

fn line(status: &Status) -> String {
    if let Some(copy) = copying(status) {
        return copy_line(copy);
    }
    let doing = match status.phase {
        Phase::Starting => "connecting",
        Phase::Snapshot => "copying",
        Phase::Converging => "catching up with the copy",
        Phase::Tailing => "following",
        Phase::Retrying => "trying again",
        Phase::CuttingOver => "cutting over",
        Phase::Stopping | Phase::Ended | Phase::Failed => "stopping",
    };
    let position = status.position.as_ref().map(|position| position.log.to_string()).unwrap_or_default();
    format!(
        "{doing}  {} rows  {:.0} rows/s  {}/s  {}  {position}",
        status.rows,
        status.rows_per_second,
        ByteSize(status.bytes_per_second as u64),
        lag(status)
    )
}

/// How far behind, in words.
pub(super) fn lag(status: &Status) -> String {
    if status.in_sync {
        return "in sync".to_owned();
    }
    match (status.lag_bytes, status.lag_seconds) {
        (Some(bytes), Some(seconds)) => format!("{} and {seconds:.0} s behind", ByteSize(bytes)),
        (Some(bytes), None) => format!("{} behind", ByteSize(bytes)),
        (None, Some(seconds)) => format!("{seconds:.0} s behind"),
        (None, None) => "lag not known yet".to_owned(),
    }
}

/// The copy in one line: how much is done, how long it takes, what is being copied.
pub(super) fn copy_line(copy: &CopyStatus) -> String {
    let tables: Vec<&str> = copy
        .details
        .iter()
        .filter(|table| table.state == TableState::Copying)
        .map(|table| table.table.as_str())
        .collect();
    let failed = if copy.failed > 0 { format!(", {} failed", copy.failed) } else { String::new() };
    format!(
        "copying  {:.1} %  {} of {} tables{failed}  {} of about {} rows  {:.0} rows/s  {}/s  {}  {}",
        copy.done * 100.0,
        copy.copied,
        copy.tables,
        copy.rows,
        copy.estimated_rows.max(copy.rows),
        copy.rows_per_second,
        ByteSize(copy.bytes_per_second as u64),
        time_left(copy.seconds_left),
        tables.join(", ")
    )
}

/// The rest of the time, in words.
pub(super) fn time_left(seconds: Option<f64>) -> String {
    let Some(seconds) = seconds else { return "time left not known".to_owned() };
    let seconds = seconds.round() as u64;
    match seconds {
        0..120 => format!("{seconds} s left"),
        120..7_200 => format!("{} min left", seconds / 60),
        _ => format!("{} h {} min left", seconds / 3_600, seconds % 3_600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_copy_says_how_much_and_how_long() {
        let copy = CopyStatus {
            tables: 4,
            copied: 3,
            rows: 500,
            estimated_rows: 1000,
            rows_per_second: 50.0,
            bytes_per_second: 2048.0,
            done: 0.5,
            seconds_left: Some(7_260.0),
            ..CopyStatus::default()
        };
        assert_eq!(
            copy_line(&copy).trim_end(),
            "copying  50.0 %  3 of 4 tables  500 of about 1000 rows  50 rows/s  2.0 KiB/s  2 h 1 min left"
        );
    }
}
