//! `slackwater run`.

use std::{
    io::{self, IsTerminal},
    path::PathBuf,
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
    cutover::reverse::{InCharge, in_charge},
    error::Error,
    pipeline::{
        status::{Status, StatusBoard},
        tail::End,
    },
    service::{
        self, Ended,
        logging::{self, LogLevel},
    },
};

/// Copy what is there, then follow the source's log into the destination
///
/// A new task starts where `start` in its file says. With `start = "snapshot"` it creates the tables, copies their rows, gives
/// them their other keys, applies the log from where the copy began until source and copy are the same (converging), and
/// goes on with the log (tailing); with any other start it is there at once. A task that ran before continues: the copy behind
/// the last blocks, the log behind the last transaction that its destination holds.
///
/// A task that was cut over goes on as the one that `cutover.reverse` names, if it names one, also when it is started again.
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
    let ended = there_and_back(file, task, level, &board).await;
    progress.finish();
    let status = board.snapshot();
    match ended? {
        Ended::AlreadyCutOver => tell(format_args!("{}: was cut over already, nothing to do", status.task)),
        Ended::Copied => tell(format_args!("{}", copied(&status))),
        Ended::Tail(end) => tell(format_args!("{}", summary(&status, end))),
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs a task, and when it is cut over the one that its `cutover.reverse` names, which may be turned over again.
async fn there_and_back(
    mut file: PathBuf,
    mut task: Task,
    level: LogLevel,
    board: &StatusBoard,
) -> Result<Ended, Failure> {
    let mut referred = false;
    loop {
        match (in_charge(&task)?, task.cutover.reverse.clone()) {
            (InCharge::Reverse, Some(_)) if referred => {
                return Err(Error::definite(
                    "this task and the one that its cutover.reverse names each leave the work to the other",
                )
                .on(&task.name)
                .remedy("were both state directories restored from backups of different times?")
                .into());
            }
            (InCharge::Reverse, Some(reverse)) => {
                info!(task = task.name, file = %reverse.display(), "the task that cutover.reverse names is the one that runs now");
                task = Task::load(&reverse)?;
                file = reverse;
                referred = true;
            }
            (InCharge::Reverse, None) => return Ok(Ended::AlreadyCutOver),
            (InCharge::Own(fence), reverse) => {
                referred = false;
                board.restart(&task.name);
                info!(task = task.name, state_dir = %task.state_dir.display(), "starting");
                let ends = connect::running_ends(&task, fence)?;
                let ended = service::run(&file, task.clone(), ends, level.clone(), board.clone()).await?;
                let is_over = matches!(ended, Ended::Tail(End::CutOver) | Ended::AlreadyCutOver);
                if !is_over || reverse.is_none() {
                    return Ok(ended);
                }
            }
        }
    }
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
