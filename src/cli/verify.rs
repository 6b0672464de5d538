//! `slackwater verify`.

use std::{
    io::{self, IsTerminal},
    path::Path,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::{signal::ctrl_c, sync::watch, time::interval};

use super::{
    TaskFile, connect,
    exit::{self, Failure},
    status::is_running,
};
use crate::{
    config::{Depth, Pattern, Task},
    error::Error,
    service,
    sources::Source,
    verify::{
        Progress,
        follow::{Applied, Follow},
        report::Report,
        task::TaskVerification,
    },
};

/// Compare what the destination holds with what the source has
///
/// Reads both ends without locks, beside a running task, a stopped one, or behind the fence of a cutover. While the task runs, rows that
/// are still on their way are told from those that differ. Values are shown as hashes unless --show-values is given. Ends with 6 when
/// something differs, with 7 when something could not be compared to its end.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP)]
pub(super) struct Arguments {
    #[command(flatten)]
    file: TaskFile,
    /// How deep: the numbers of rows, a part of the rows (`verify.sample`), or all of them
    #[arg(long, value_enum, default_value = "rows")]
    depth: Depth,
    /// Only the source's tables that this pattern matches (`database.table`); may be given several times
    #[arg(long = "table", value_name = "PATTERN", value_parser = pattern)]
    tables: Vec<Pattern>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// Show the values that differ
    #[arg(long)]
    show_values: bool,
    /// No line of progress, also on a terminal
    #[arg(long)]
    quiet: bool,
}

pub(super) fn pattern(text: &str) -> Result<Pattern, String> {
    Pattern::compile(text).map_err(|error| error.to_string())
}

pub(super) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let task = Task::load(&arguments.file.task)?;
    let (source, verification) = connect::verification(&task)?;
    let verification = verification.with_tables(arguments.tables).with_values(arguments.show_values);
    let (follow, note) = follow(&task, &source, &verification).await?;
    let quiet = arguments.quiet || arguments.json;
    let mut report = compare(&verification, arguments.depth, follow, quiet).await?;
    report.notes.extend(note);
    if arguments.json {
        say!("{}", serde_json::to_string_pretty(&report).map_err(Failure::definite)?);
    } else {
        say!("{}", report.to_string().trim_end());
    }
    Ok(ExitCode::from(match () {
        () if report.differing() > 0 => exit::DIFFERENT,
        () if report.is_equal() => 0,
        () => exit::UNDECIDED,
    }))
}

/// Compares, with a line of progress, until it is done or a signal ends it.
pub(super) async fn compare(
    verification: &TaskVerification,
    depth: Depth,
    follow: Arc<dyn Follow>,
    quiet: bool,
) -> Result<Report, Failure> {
    let progress = Progress::default();
    let (stop_sender, stop) = watch::channel(false);
    let bar =
        if quiet || !io::stderr().is_terminal() { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
    if let Ok(style) = ProgressStyle::with_template("{spinner:.cyan} {wide_msg}") {
        bar.set_style(style);
    }
    let running = verification.run(depth, follow, progress.clone(), stop);
    tokio::pin!(running);
    let mut ticks = interval(Duration::from_millis(200));
    let report = loop {
        tokio::select! {
            report = &mut running => break report,
            _ = ctrl_c() => drop(stop_sender.send_replace(true)),
            _ = ticks.tick() => {
                let (tables, done, rows) = progress.now();
                bar.set_message(format!("comparing: {done} of {tables} tables, {rows} rows"));
                bar.tick();
            }
        }
    };
    bar.finish_and_clear();
    Ok(report?)
}

/// How it is told what is on its way, and what is to be known of a task that does not run.
async fn follow(
    task: &Task,
    source: &Arc<dyn Source>,
    verification: &TaskVerification,
) -> Result<(Arc<dyn Follow>, Option<String>), Failure> {
    let status = read_status(&task.state_dir)?;
    if let Some(status) = status.as_ref().filter(|status| is_running(status)) {
        let name = status.task.clone();
        return Ok((
            verification.follow(applied(&task.state_dir)),
            Some(format!("{name} runs: what differs was looked at again")),
        ));
    }
    let end = source.end_of_log().await?;
    let position = status.and_then(|status| status.position);
    let note = match position {
        Some(position) if source.reached(&position, &end) => None,
        Some(position) => Some(format!(
            "the task does not run, and what its source has behind {} is not applied yet: such rows differ",
            position.log
        )),
        None => Some("the task has never run".to_owned()),
    };
    Ok((TaskVerification::at_rest(), note))
}

/// The position that a task in another process says it has applied.
fn applied(state_dir: &Path) -> Applied {
    let state_dir = state_dir.to_owned();
    Box::new(move || {
        let status = service::read_status(&state_dir).map_err(|error| {
            Error::definite("the status of the task cannot be read").on(state_dir.display()).caused_by(error)
        })?;
        let status = status
            .filter(is_running)
            .ok_or_else(|| Error::definite("the task ended while it was compared").remedy("compare again"))?;
        Ok(status.position)
    })
}

fn read_status(state_dir: &Path) -> Result<Option<crate::pipeline::status::Status>, Failure> {
    service::read_status(state_dir).map_err(|error| {
        Failure::definite(format!("cannot read {}: {error}", service::status_path(state_dir).display()))
    })
}
