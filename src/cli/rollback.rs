//! `slackwater rollback`.

use std::process::ExitCode;

use super::{
    TaskFile, cutover,
    exit::{self, Failure},
};
use crate::{config::Task, error::Error, service::control::Client};

/// Turn the traffic of a task that was cut over back to its source: the cutover of the task that its `cutover.reverse` names
///
/// Whatever was written at the destination since the switch is carried to the source, which stays closed until then. The same steps
/// are taken as there: the destination is closed to writers, what is left is applied, both ends are compared, the hooks of the other
/// file turn the traffic back, and the source is opened. Behind it the first task follows again, and can be cut over again.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP)]
pub(super) struct Arguments {
    #[command(flatten)]
    file: TaskFile,
    /// Everything but the switch: the destination is closed, everything applied and compared, and the destination opened again
    #[arg(long, conflicts_with = "cancel")]
    dry_run: bool,
    /// Take back what is under way
    #[arg(long)]
    cancel: bool,
}

pub(super) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let task = Task::load(&arguments.file.task)?;
    let Some(reverse) = &task.cutover.reverse else {
        return Err(Error::definite("the task has no way back: its file names none in `cutover.reverse`")
            .on(&task.name)
            .remedy("`slackwater reverse` writes one before a cutover; behind one without it, only a copy brings the changes back")
            .into());
    };
    let reverse = Task::load(reverse)?;
    if !reverse.state_dir.exists() {
        return Err(not_cut_over(&task));
    }
    if arguments.cancel {
        return cutover::cancel(&reverse).await;
    }
    if Client::new(&reverse.state_dir)?.status().await.is_err()
        && Client::new(&task.state_dir)?.status().await.is_ok()
    {
        return Err(not_cut_over(&task));
    }
    cutover::begin(&reverse, arguments.dry_run).await
}

fn not_cut_over(task: &Task) -> Failure {
    Error::definite("the task is not cut over: there is nothing to turn back").on(&task.name).into()
}
