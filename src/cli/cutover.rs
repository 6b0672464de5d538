//! `slackwater cutover`.

use std::process::ExitCode;

use super::{
    TaskFile,
    exit::{self, Failure},
};
use crate::{
    config::Task,
    cutover::{self, Verdict, step_name},
    positions::Store,
};

/// Show how the cutover of a stopped task stands, or decide about one whose end is not known
///
/// The cutover command runs once. When the daemon ended while it ran, or it failed, only a person can tell whether it took
/// effect. The task has to be stopped; the step of a running one is part of `status`.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP)]
pub(super) struct Arguments {
    #[command(flatten)]
    file: TaskFile,
    /// It took effect: the task counts as cut over
    #[arg(long, conflicts_with = "rearm")]
    accept: bool,
    /// It did not: the command runs again at the next zero
    #[arg(long)]
    rearm: bool,
}

pub(super) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let task = Task::load(&arguments.file.task)?;
    let store = Store::open(&task.state_dir)?;
    let verdict = match (arguments.accept, arguments.rearm) {
        (true, _) => Some(Verdict::Accept),
        (_, true) => Some(Verdict::Rearm),
        _ => None,
    };
    let record = match verdict {
        Some(verdict) => Some(cutover::decide(store, verdict).await?),
        None => store.cutover()?,
    };
    match record {
        None => say!("{}: no cutover yet", task.name),
        Some(record) => {
            say!("{}: {} since {}: {}", task.name, step_name(record.step), record.time, record.note);
            if let Some(position) = record.position {
                say!("  position  {position}");
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
