//! `slackwater repair`.

use std::process::ExitCode;

use super::{
    TaskFile, connect,
    exit::{self, Failure},
    verify,
};
use crate::{
    config::{Depth, Pattern, Task},
    positions::Store,
    verify::{repair::Repair, task::TaskVerification},
};

/// Make rows of the destination equal that differ from the source
///
/// The task must not run. All rows are compared; those that differ are read from the source and written, and rows that only the
/// destination has are removed. The next `run` brings them to one state with the others, as it does behind a copy; until then some may be newer
/// than the rest. Tables without a key are left as they are. Ends with 6 when something was left.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP)]
pub(super) struct Arguments {
    #[command(flatten)]
    file: TaskFile,
    /// Only the source's tables that this pattern matches (`database.table`); may be given several times
    #[arg(long = "table", value_name = "PATTERN", value_parser = verify::pattern)]
    tables: Vec<Pattern>,
    /// Only say what differs
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let task = Task::load(&arguments.file.task)?;
    // A running task holds its store.
    let store = Store::open(&task.state_dir)?;
    let (_, verification) = connect::verification(&task)?;
    let verification = verification.with_tables(arguments.tables).with_all_listed();
    let repair = match arguments.dry_run {
        true => None,
        false => Some(Repair::open(&verification, connect::destination(&task)?, store).await?),
    };
    let report = verify::compare(&verification, Depth::Rows, TaskVerification::at_rest(), false).await?;
    say!("{}: {}", task.name, report.summary());
    for table in report.tables.iter().filter(|table| table.error.is_some()) {
        say!("  {}  left as it is: {}", table.table, table.error.as_deref().unwrap_or_default());
    }
    let Some(repair) = repair else {
        return Ok(ExitCode::from(if report.is_equal() { 0 } else { exit::DIFFERENT }));
    };
    let repaired = repair.run(&report).await?;
    for (table, reason) in &repaired.left {
        say!("  {table}  left as it is: {reason}");
    }
    say!("  wrote {} rows, removed {}", repaired.written, repaired.removed);
    if repaired.written + repaired.removed > 0 {
        say!("  now run the task: it brings them to one state with the others");
    }
    let is_whole = repaired.left.is_empty() && report.undecided() == 0;
    Ok(ExitCode::from(if is_whole { 0 } else { exit::DIFFERENT }))
}
