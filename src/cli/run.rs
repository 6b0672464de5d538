//! `slackwater run`.

use std::{
    io::{self, IsTerminal},
    process::ExitCode,
};

use tracing::info;

use super::{
    TaskFile, connect,
    exit::{Failure, tell},
    progress::Progress,
};
use crate::{
    config::{LogFormat, Task},
    pipeline::{
        status::{Status, StatusBoard},
        tail::End,
    },
    service::{self, Ended, logging},
};

/// Copy what is there, then follow the source's log into the destination
///
/// A new task starts where `start` in its file says. With `start = "snapshot"` it creates the tables, copies their rows, gives
/// them their other keys, applies the log from where the copy began until source and copy are the same (converging), and
/// goes on with the log (tailing); with any other start it is there at once. A task that ran before continues: the copy behind
/// the last blocks, the log behind the last transaction that its destination holds.
///
/// SIGTERM and SIGINT finish the current batch, store the position and end with 0. SIGHUP reads the task file again and takes
/// over [cutover], log.level, and queries_per_second, rows_per_second and bytes_per_second of [snapshot]; what else was changed is
/// named in the log and needs a restart. On a terminal a line of progress is shown.
#[derive(Debug, clap::Args)]
#[command(after_help = super::exit::HELP)]
pub(super) struct Arguments {
    #[command(flatten)]
    file: TaskFile,
    /// No line of progress, also on a terminal
    #[arg(long)]
    quiet: bool,
}

pub(super) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let file = arguments.file.task;
    let task = Task::load(&file)?;
    let board = StatusBoard::new(&task.name);
    let terminal = io::stderr().is_terminal() && task.log.format == LogFormat::Human && !arguments.quiet;
    let progress = Progress::start(&board, terminal);
    let level = logging::start(&task.log, progress.writer());
    info!(task = task.name, state_dir = %task.state_dir.display(), "starting");
    let ends = connect::ends(&task)?;
    let ended = service::run(&file, task, ends, level, board.clone()).await;
    progress.finish();
    let status = board.snapshot();
    match ended? {
        Ended::AlreadyCutOver => tell(format_args!("{}: was cut over already, nothing to do", status.task)),
        Ended::Copied => tell(format_args!("{}", copied(&status))),
        Ended::Tail(end) => tell(format_args!("{}", summary(&status, end))),
    }
    Ok(ExitCode::SUCCESS)
}

/// The last words of a task that was to copy and no more.
fn copied(status: &Status) -> String {
    let copied = status.copy.as_ref().map_or_else(
        || "by an earlier run".to_owned(),
        |copy| format!("{} tables, {} rows", copy.copied, copy.rows),
    );
    format!(
        "{}: copied ({copied})\n  to follow the log from where the copy began, set `snapshot.then = \"tail\"` and run it again",
        status.task
    )
}

/// The last words of a task that ended well.
fn summary(status: &Status, end: End) -> String {
    let why = match end {
        End::Stopped => "stopped",
        End::LogEnded => "reached the end of the log",
        End::CutOver => "cut over",
    };
    let position = status.position.as_ref().map_or_else(|| "no position yet".to_owned(), ToString::to_string);
    let mut lines = vec![
        format!("{}: {why}", status.task),
        format!("  applied   {} row changes in {} commits", status.rows, status.commits),
        format!("  position  {position}"),
    ];
    if let Some(cutover) = &status.cutover {
        lines.push(format!("  cutover   {cutover}"));
    }
    if status.retries > 0 {
        lines.push(format!("  retries   {}", status.retries));
    }
    lines.join("\n")
}
