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
    pipeline::status::{Phase, Status, StatusBoard},
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

fn line(status: &Status) -> String {
    let doing = match status.phase {
        Phase::Starting => "connecting",
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
