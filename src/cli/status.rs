//! `slackwater status`.

use std::{
    collections::HashMap,
    path::Path,
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use serde::Serialize;

use super::{
    TaskFile,
    exit::{self, Failure},
    progress::{lag, time_left},
};
use crate::{
    config::{ByteSize, Task},
    pipeline::{
        snapshot::progress::{CopyStatus, TableState, TableStatus},
        status::{Phase, Status},
    },
    service,
};

/// A status older than this is of a process that hangs or is gone.
const FRESH_MILLIS: u64 = 10_000;

/// Tables of a copy that are shown one by one; `--json` has all.
const SHOWN_TABLES: usize = 20;

/// Say how far a task is
///
/// Reads what the running task wrote within the last second; it does not disturb it and needs no connection. Ends with 4
/// when the task does not run.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP)]
pub(super) struct Arguments {
    #[command(flatten)]
    file: TaskFile,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// What is printed with `--json`.
#[derive(Serialize)]
struct Document<'a> {
    running: bool,
    #[serde(flatten)]
    status: &'a Status,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let task = Task::load(&arguments.file.task)?;
    let path = service::status_path(&task.state_dir);
    let status = service::read_status(&task.state_dir)
        .map_err(|error| Failure::definite(format!("cannot read {}: {error}", path.display())))?;
    let Some(mut status) = status else {
        if arguments.json {
            say!("null");
        } else {
            say!("{}: never ran (nothing in {})", task.name, task.state_dir.display());
        }
        return Ok(ExitCode::from(exit::NOT_RUNNING));
    };
    let runs = is_running(&status);
    if arguments.json {
        if let Some(copy) = &mut status.copy {
            let tables = service::read_tables(&task.state_dir).map_err(|error| {
                let path = service::tables_path(&task.state_dir);
                Failure::definite(format!("cannot read {}: {error}", path.display()))
            })?;
            copy.details = in_full(tables, std::mem::take(&mut copy.details));
        }
        let document = Document { running: runs, status: &status };
        say!("{}", serde_json::to_string_pretty(&document).map_err(Failure::definite)?);
    } else {
        say!("{}", text(&status, runs));
    }
    Ok(if runs { ExitCode::SUCCESS } else { ExitCode::from(exit::NOT_RUNNING) })
}

/// All tables, with what is newer of some.
fn in_full(mut tables: Vec<TableStatus>, newer: Vec<TableStatus>) -> Vec<TableStatus> {
    let mut newer: HashMap<String, TableStatus> =
        newer.into_iter().map(|table| (table.table.clone(), table)).collect();
    for table in &mut tables {
        if let Some(newer) = newer.remove(&table.table) {
            *table = newer;
        }
    }
    tables.extend(newer.into_values());
    tables
}

pub(super) fn is_running(status: &Status) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
    let ended = matches!(status.phase, Phase::Ended | Phase::Failed);
    !ended
        && now.saturating_sub(status.time_ms) < FRESH_MILLIS
        && Path::new(&format!("/proc/{}", status.pid)).exists()
}

fn text(status: &Status, runs: bool) -> String {
    let state = match (runs, status.phase) {
        (true, Phase::Snapshot) => format!("running, copies what is there (pid {})", status.pid),
        (true, Phase::Converging) => format!("running, catches up with the copy (pid {})", status.pid),
        (true, Phase::Retrying) => format!("running, trying again (pid {})", status.pid),
        (true, _) => format!("running (pid {})", status.pid),
        (false, Phase::Ended) => "ended".to_owned(),
        (false, Phase::Failed) => "failed".to_owned(),
        (false, _) => "not running; it ended without a word (killed?)".to_owned(),
    };
    let position = |position: &Option<_>| {
        position.as_ref().map_or_else(
            || "not known".to_owned(),
            |p: &slackwater_decoders::position::Position| p.to_string(),
        )
    };
    let mut lines = vec![
        format!("{}: {state}", status.task),
        format!("  source       {}", status.source),
        format!("  destination  {}", status.destination),
        format!("  position     {}", position(&status.position)),
        format!("  end of log   {}", position(&status.end_of_log)),
        format!("  lag          {}", lag(status)),
        format!("  applied      {} row changes, {:.0} rows/s", status.rows, status.rows_per_second),
    ];
    let compared = status.verification.as_ref().map(|outcome| outcome.summary.clone());
    let cutover = status.cutover.as_ref().map(ToString::to_string);
    let optional = [
        ("last ddl", &status.last_ddl),
        ("cutover", &cutover),
        ("compared", &compared),
        ("last error", &status.last_error),
    ];
    lines.extend(status.copy.iter().flat_map(copy_lines));
    lines.extend(optional.into_iter().filter_map(|(name, value)| {
        value.as_ref().map(|value| format!("  {name:<11}  {}", value.replace('\n', "\n               ")))
    }));
    lines.extend(belongings(status, runs));
    if status.dead_letters > 0 {
        lines.push(format!("  refused      {} row changes, in slackwater_dead_letter", status.dead_letters));
    }
    lines.join("\n")
}

/// What the task has created at its source, and what of it needs somebody.
fn belongings(status: &Status, runs: bool) -> Vec<String> {
    let heading = if runs { "at source" } else { "left there" };
    let mut lines = Vec::new();
    for (place, belonging) in status.belongings.iter().enumerate() {
        let heading = if place == 0 { heading } else { "" };
        lines.push(format!("  {heading:<11}  {belonging}"));
        lines.extend(belonging.warning.iter().map(|warning| format!("  {:<11}  warning: {warning}", "")));
    }
    lines
}

/// The copy: its totals, then the tables that are being copied or failed.
fn copy_lines(copy: &CopyStatus) -> Vec<String> {
    let mut lines = vec![
        format!(
            "  copy         {:.1} %: {} of {} tables ({} being copied, {} waiting, {} failed), {}",
            copy.done * 100.0,
            copy.copied,
            copy.tables,
            copy.copying,
            copy.waiting,
            copy.failed,
            time_left(copy.seconds_left)
        ),
        format!(
            "               {} of about {} rows, {:.0} rows/s, {}/s",
            copy.rows,
            copy.estimated_rows.max(copy.rows),
            copy.rows_per_second,
            ByteSize(copy.bytes_per_second as u64)
        ),
    ];
    let shown = |table: &&TableStatus| matches!(table.state, TableState::Copying | TableState::Failed);
    let mut tables: Vec<&TableStatus> = copy.details.iter().filter(shown).collect();
    tables.sort_by_key(|table| (table.state == TableState::Failed, std::cmp::Reverse(table.estimated_rows)));
    lines.extend(tables.iter().take(SHOWN_TABLES).map(|table| table_line(table)));
    let others = (copy.copying + copy.failed).saturating_sub(SHOWN_TABLES as u64);
    if others > 0 {
        lines.push(format!("    and {others} more; --json has all"));
    }
    lines
}

fn table_line(table: &TableStatus) -> String {
    let restarts = match table.restarts {
        0 => String::new(),
        times => format!(", begun again {times} times"),
    };
    match &table.error {
        Some(error) => format!("    {:<30}  failed: {}", table.table, error.replace('\n', "\n      ")),
        None => format!(
            "    {:<30}  {} of about {} rows, {:.0} rows/s, {}{restarts}",
            table.table,
            table.rows,
            table.estimated_rows.max(table.rows),
            table.rows_per_second,
            time_left(table.seconds_left)
        ),
    }
}
