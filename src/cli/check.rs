//! `slackwater check`.

use std::{process::ExitCode, sync::Arc};

use serde::Serialize;
use slackwater_decoders::schema::{
    Table, TableName,
    definition::{ObjectKind, StoredObject},
};

use super::{
    TaskFile, connect,
    exit::{self, Failure},
};
use crate::{
    config::{Start, Task},
    error::Result,
    mapping::{Mapping, Names, Preview, Selection},
    positions::Sidecar,
    sources::{Finding, Level, Plan, Source},
};

/// The finding about what row images have.
const ROW_IMAGE: &str = "mysql.binlog_row_image";

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
    /// About the rules of `[[mapping]]` for the tables that are at the source now.
    mapping: Vec<Finding>,
    /// What each of them becomes.
    objects: Vec<Preview>,
}

pub(super) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let task = Task::load(&arguments.file.task)?;
    let mut report = Report {
        task: &task.name,
        source: Vec::new(),
        destination: Vec::new(),
        mapping: Vec::new(),
        objects: Vec::new(),
    };
    let rules = connect::mapping(&task)?;
    if !arguments.file_only {
        let mut ends = connect::ends(&task)?;
        let stored = Sidecar::new(&task.state_dir).read().ok().flatten();
        let selection = Selection::new(&task.objects);
        let tables = ends.source.definitions().await;
        let filtered = rules.filtered(tables.as_deref().unwrap_or_default());
        let plan = Plan {
            start: &task.start,
            stored: stored.as_ref().map(|stored| &stored.checkpoint.position),
            selection: &selection,
            filtered: &filtered,
        };
        let there = rules.at_destination(tables.as_deref().unwrap_or_default());
        (report.source, report.destination) =
            tokio::join!(ends.source.check(&plan), ends.destination.check(&there));
        if task.start == Start::Snapshot {
            let objects = objects(ends.source.as_ref(), &rules).await;
            report.destination.extend(ends.destination.check_objects(&objects).await);
        }
        let images =
            report.source.iter().find(|finding| finding.code == ROW_IMAGE && finding.level != Level::Ok);
        let partial =
            images.and_then(|finding| finding.repair.clone().map(|repair| (finding.found.clone(), repair)));
        (report.objects, report.mapping) = preview(&rules, tables, Names::from(&task.destination));
        if let Some((found, repair)) = partial.filter(|_| rules.has_filters()) {
            let found = format!("{found}: a filter cannot judge rows whose image lacks its columns");
            report.mapping.push(Finding::error("mapping.row_image", found, repair));
        }
    }
    let findings = || report.source.iter().chain(&report.destination).chain(&report.mapping);
    let worst = findings().map(|finding| finding.level).max();
    if arguments.json {
        let text = serde_json::to_string_pretty(&report).map_err(Failure::definite)?;
        say!("{text}");
    } else {
        say!("{}: the task file is well-formed", report.task);
        print_side("source", &report.source);
        print_side("destination", &report.destination);
        print_side("mapping", &report.mapping);
        print_objects(&report.objects);
    }
    Ok(if worst == Some(Level::Error) { ExitCode::from(exit::FINDINGS) } else { ExitCode::SUCCESS })
}

/// What the rules make of the tables that are at the source now. A source that cannot be asked has said so already.
fn preview(rules: &Mapping, tables: Result<Vec<Arc<Table>>>, names: Names) -> (Vec<Preview>, Vec<Finding>) {
    match tables {
        Ok(tables) => rules.preview(&tables, names),
        Err(error) if error.is_transient() => (Vec::new(), Vec::new()),
        Err(error) => (Vec::new(), vec![Finding::unanswered("mapping.objects", &error)]),
    }
}

/// What belongs to the tables that a new task copies, by its names at the destination. What cannot be read the source's items tell.
async fn objects(source: &dyn Source, rules: &Mapping) -> Vec<(ObjectKind, TableName)> {
    let Ok(Some(schema)) = source.schema(None).await else { return Vec::new() };
    let target = |object: StoredObject| match &object.table {
        Some(table) => (object.kind, TableName::new(rules.target_name(table).database, object.name.table)),
        None => (object.kind, rules.target_name(&object.name)),
    };
    schema.objects.into_iter().map(target).collect()
}

fn print_objects(objects: &[Preview]) {
    for object in objects {
        let destination = object.destination.as_deref().unwrap_or("?");
        say!("table   {} -> {destination}", object.source);
        for change in &object.changes {
            say!("        {change}");
        }
    }
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
