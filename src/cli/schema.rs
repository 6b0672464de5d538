//! `slackwater schema`.

use std::process::ExitCode;

use clap::ValueEnum;
use serde::Serialize;

use super::{
    TaskFile, connect,
    exit::{self, Failure},
};
use crate::{
    config::{DestinationConfig, Task},
    destinations::schema::{PlannedStatement, SchemaPlan, Stage},
    pipeline::schema::{Report, SchemaPhase},
};

/// Print what the destination is to create for the source's objects, and change nothing
///
/// Printed are the statements that are missing at the destination, stage by stage, what columns lose, what else is not as at
/// the source, and what the override file (`overrides` in [schema]) replaces. With --apply the statements are run now.
/// Ends with 3 when objects are in the way, or statements were refused.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP)]
pub(super) struct Arguments {
    #[command(flatten)]
    file: TaskFile,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// Run the statements, also those that were refused before. Without --stage all but those of the cutover
    #[arg(long)]
    apply: bool,
    /// The stage to run up to
    #[arg(long, value_enum, requires = "apply")]
    stage: Option<Until>,
}

/// A stage on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Until {
    /// Databases, and tables with the key that identifies a row
    Tables,
    /// And all other keys, foreign keys and views
    AfterLoad,
    /// And triggers, routines and events
    AtCutover,
}

/// What is printed with `--json`.
#[derive(Serialize)]
struct Output<'a> {
    task: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    applied: Option<Report>,
    /// What is missing; with `--apply`, still.
    plan: SchemaPlan,
}

pub(super) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let task = Task::load(&arguments.file.task)?;
    let mut ends = connect::ends(&task)?;
    let mut phase = connect::schema_phase(&task, ends.mapping)?;
    let (source, destination) = (&*ends.source, &mut *ends.destination);
    let mut applied = None;
    if arguments.apply {
        destination.open().await?;
        let until = match arguments.stage {
            Some(Until::Tables) => Stage::Tables,
            Some(Until::AfterLoad) | None => Stage::AtConsistency,
            Some(Until::AtCutover) => Stage::AtCutover,
        };
        let report = phase.apply(source, destination, until).await?;
        applied = Some(report);
    }
    let plan = phase.plan(source, destination).await?;
    let failed =
        !plan.conflicts.is_empty() || applied.as_ref().is_some_and(|report| !report.failures.is_empty());
    let output = Output { task: &task.name, applied, plan };
    if arguments.json {
        let text = serde_json::to_string_pretty(&output).map_err(Failure::definite)?;
        say!("{text}");
    } else {
        print(&output, &phase, &task.destination);
    }
    Ok(if failed { ExitCode::from(exit::FINDINGS) } else { ExitCode::SUCCESS })
}

fn print(output: &Output<'_>, phase: &SchemaPhase, destination: &DestinationConfig) {
    let plan = &output.plan;
    if let Some(report) = &output.applied {
        say!("{}: {} statements run, {} refused", output.task, report.executed, report.failures.len());
    }
    say!(
        "{}: {} statements to run, {} objects there already, {} in the way",
        output.task,
        plan.statements.len(),
        plan.kept.len(),
        plan.conflicts.len()
    );
    for stage in [Stage::Tables, Stage::AfterLoad, Stage::AtConsistency, Stage::AtCutover] {
        let statements = plan.combined(stage);
        if !statements.is_empty() {
            say!("\n-- {stage}");
        }
        for (statement, members) in &statements {
            print_statement(statement, members, phase, destination);
        }
    }
    print_list(
        "in the way",
        plan.conflicts.iter().map(|conflict| format!("{}: {}", conflict.object, conflict.what)),
    );
    print_list(
        "what columns lose",
        plan.losses.iter().map(|loss| {
            format!("{}.{}: {} becomes {}: {}", loss.table, loss.column, loss.from, loss.to, loss.what)
        }),
    );
    print_list(
        "not as at the source",
        plan.notes.iter().map(|note| format!("{}: {}", note.object, note.text)),
    );
}

fn print_statement(
    statement: &PlannedStatement,
    members: &[&PlannedStatement],
    phase: &SchemaPhase,
    destination: &DestinationConfig,
) {
    for member in members {
        let renamed = if member.object.source == member.object.target {
            String::new()
        } else {
            format!(" as {}", member.object.target)
        };
        let overridden = if member.overridden { ", by the override file" } else { "" };
        say!("\n-- {}{renamed}{overridden}", member.object);
        let record = phase.ledger().records().get(&member.object.to_string());
        if let Some(error) = record.and_then(|record| record.error.as_ref()) {
            say!("-- refused before: {}", error.replace('\n', "\n-- "));
        }
    }
    if let Some(scope) = connect::scope(destination, statement) {
        say!("{scope};");
    }
    let end = if statement.sql.trim_end().ends_with(';') { "" } else { ";" };
    say!("{}{end}", statement.sql.trim_end());
}

fn print_list(title: &str, lines: impl Iterator<Item = String>) {
    let mut lines = lines.peekable();
    if lines.peek().is_some() {
        say!("\n-- {title}");
    }
    for line in lines {
        say!("--   {}", line.replace('\n', "\n--   "));
    }
}
