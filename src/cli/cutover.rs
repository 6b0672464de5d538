//! `slackwater cutover`.

mod follow;

use std::process::ExitCode;

use super::{
    TaskFile, connect,
    exit::{self, FINDINGS, Failure, NOT_RUNNING, tell},
};
use crate::{
    config::Task,
    cutover,
    error::Error,
    pipeline::status::CutoverStatus,
    positions::Store,
    service::control::{Client, Unanswered},
    sources::Level,
};

/// Turn the traffic over: ask the running task to cut over, and show its steps until the end
///
/// The task waits until it is in sync, closes the source to writers, applies what is left, compares both ends as `cutover.verify`
/// says, makes the destination ready, runs the hooks, and starts the reverse task. Whatever fails before the hooks is taken back. Ending
/// this command does not end the cutover; --cancel does, up to the hooks.
#[derive(Debug, clap::Args)]
#[command(after_help = exit::HELP)]
pub(super) struct Arguments {
    #[command(flatten)]
    file: TaskFile,
    #[command(flatten)]
    what: What,
}

#[derive(Debug, clap::Args)]
#[group(multiple = false)]
struct What {
    /// Everything but the switch: the source is closed, everything applied and compared, and the source opened again
    #[arg(long)]
    dry_run: bool,
    /// What would be done, and who could still write; touches nothing, and needs no running task
    #[arg(long)]
    plan: bool,
    /// Take back what is under way
    #[arg(long)]
    cancel: bool,
    /// Of a stopped task whose hooks were interrupted: the traffic goes to the destination, the task counts as cut over
    #[arg(long)]
    accept: bool,
    /// Of a stopped task whose hooks were interrupted: the traffic goes to the source; the next start takes everything back
    #[arg(long)]
    undo: bool,
    /// How the last attempt of a stopped or running task stands
    #[arg(long)]
    show: bool,
}

pub(super) async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let Arguments { file, what } = arguments;
    let task = Task::load(&file.task)?;
    if what.show {
        return show(&task).await;
    }
    if what.plan {
        return plan(&task).await;
    }
    if what.accept || what.undo {
        let store = Store::open(&task.state_dir)?;
        let record = if what.accept { cutover::accept(&store)? } else { cutover::undo(&store)? };
        say!("{}: {}", task.name, record.note);
        say!(
            "  `slackwater run` {}",
            if what.accept { "brings the cutover to its end" } else { "takes it back, and goes on" }
        );
        return Ok(ExitCode::SUCCESS);
    }
    if what.cancel {
        return cancel(&task).await;
    }
    begin(&task, what.dry_run).await
}

/// Asks the running task to cut over, and shows its steps until the end.
pub(super) async fn begin(task: &Task, dry_run: bool) -> Result<ExitCode, Failure> {
    let client = Client::new(&task.state_dir)?;
    match client.begin(dry_run).await {
        Ok(attempt) => follow::follow(&client, task, attempt).await,
        Err(Unanswered::NotRunning) => {
            tell(format_args!("{}: the task does not run; `slackwater run` starts it", task.name));
            Ok(ExitCode::from(NOT_RUNNING))
        }
        Err(error) => Err(unanswered(task, error)),
    }
}

async fn plan(task: &Task) -> Result<ExitCode, Failure> {
    let mut ends = connect::ends(task)?;
    let plan =
        cutover::plan(&task.cutover, &*ends.source, &mut *ends.destination, &mut *ends.schemas, &ends.parts)
            .await?;
    say!("{plan}");
    let errors = plan.reverse.iter().flatten().any(|finding| finding.level == Level::Error);
    Ok(if errors { ExitCode::from(FINDINGS) } else { ExitCode::SUCCESS })
}

/// Asks the running task to take back what is under way.
pub(super) async fn cancel(task: &Task) -> Result<ExitCode, Failure> {
    let client = Client::new(&task.state_dir)?;
    let attempt = client.cancel().await.map_err(|error| unanswered(task, error))?;
    say!("{}: attempt {attempt} is taken back", task.name);
    follow::follow(&client, task, attempt).await
}

/// A task that does not run is asked for its record.
async fn show(task: &Task) -> Result<ExitCode, Failure> {
    let status = match Client::new(&task.state_dir)?.status().await {
        Ok(status) => status.cutover,
        Err(Unanswered::NotRunning) => {
            Store::open(&task.state_dir)?.cutover()?.as_ref().map(CutoverStatus::from)
        }
        Err(error) => return Err(unanswered(task, error)),
    };
    match status {
        None => say!("{}: no cutover yet", task.name),
        Some(cutover) => {
            say!("{}: attempt {}: {cutover}", task.name, cutover.attempt);
            follow::durations(&cutover);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn unanswered(task: &Task, error: Unanswered) -> Failure {
    match error {
        Unanswered::NotRunning => Error::definite("the task does not run")
            .on(&task.name)
            .remedy("`slackwater run` starts it")
            .into(),
        Unanswered::Refused(why) => Error::definite(why).on(&task.name).into(),
        Unanswered::Failed(error) => error.into(),
    }
}
