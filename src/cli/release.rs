//! `slackwater release`.

use std::process::ExitCode;

use super::{
    TaskFile, connect,
    exit::{self, Failure},
};
use crate::{config::Task, positions::Store, service, sources::throttle::Throttle};

/// Remove what a stopped task has created at its source
///
/// The replication slot, the publication and the event triggers of a PostgreSQL source: the slot keeps log for the task, without
/// end when nobody reads it. The task cannot go on afterwards; destination and local store stay as they are.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP)]
pub(super) struct Arguments {
    #[command(flatten)]
    file: TaskFile,
    /// Only list it
    #[arg(long)]
    list: bool,
}

pub(super) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let task = Task::load(&arguments.file.task)?;
    // A running task holds its store.
    let store = if arguments.list { None } else { Some(Store::open(&task.state_dir)?) };
    let source = connect::source(&task, &Throttle::default())?;
    let found = if arguments.list { source.belongings().await? } else { source.release().await? };
    if store.is_some() {
        service::forget_belongings(&task.state_dir).map_err(|error| {
            Failure::definite(format!("removed, but the status cannot be written: {error}"))
        })?;
    }
    drop(store);
    if found.is_empty() {
        say!("{}: nothing of the task is at the source", task.name);
    }
    for belonging in found {
        let verb = if arguments.list { "there is" } else { "removed" };
        say!("{}: {verb} {belonging}", task.name);
    }
    Ok(ExitCode::SUCCESS)
}
