//! `slackwater check`.

use std::process::ExitCode;

use serde::Serialize;

use super::{
    TaskFile, connect,
    exit::{self, Failure},
};
use crate::{
    config::Task,
    mapping::Selection,
    positions::Sidecar,
    sources::{Finding, Level, Plan},
};

/// Check everything that a task needs, on both sides, and change nothing
///
/// All items are checked, even when one fails. Each has a code, what was found, and the statement or step that repairs
/// it. Ends with 3 when there are errors.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP)]
pub(super) struct Arguments {
    #[command(flatten)]
    file: TaskFile,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// Check the task file alone, without connecting
    #[arg(long)]
    file_only: bool,
}

/// What is printed with `--json`.
#[derive(Serialize)]
struct Report<'a> {
    task: &'a str,
    source: Vec<Finding>,
    destination: Vec<Finding>,
}

pub(super) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let task = Task::load(&arguments.file.task)?;
    let mut report = Report { task: &task.name, source: Vec::new(), destination: Vec::new() };
    if !arguments.file_only {
        let mut ends = connect::ends(&task)?;
        let stored = Sidecar::new(&task.state_dir).read().ok().flatten();
        let selection = Selection::new(&task.objects);
        let plan = Plan {
            start: &task.start,
            stored: stored.as_ref().map(|stored| &stored.checkpoint.position),
            selection: &selection,
        };
        (report.source, report.destination) =
            tokio::join!(ends.source.check(&plan), ends.destination.check(&selection));
    }
    let findings = || report.source.iter().chain(&report.destination);
    let worst = findings().map(|finding| finding.level).max();
    if arguments.json {
        let text = serde_json::to_string_pretty(&report).map_err(Failure::definite)?;
        say!("{text}");
    } else {
        say!("{}: the task file is well-formed", report.task);
        print_side("source", &report.source);
        print_side("destination", &report.destination);
    }
    Ok(if worst == Some(Level::Error) { ExitCode::from(exit::FINDINGS) } else { ExitCode::SUCCESS })
}

fn print_side(side: &str, findings: &[Finding]) {
    for finding in findings {
        let mark = match finding.level {
            Level::Ok => "ok     ",
            Level::Warning => "warning",
            Level::Error => "ERROR  ",
        };
        say!("{mark} {side} {}: {}", finding.code, finding.found);
        if let Some(repair) = &finding.repair {
            say!("        repair: {}", repair.replace('\n', "\n                "));
        }
    }
}
