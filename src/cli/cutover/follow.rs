//! Showing the steps of a cutover until its end.

use std::{process::ExitCode, time::Duration};

use tokio::time::sleep;

use crate::{
    cli::exit::{DEFINITE, Failure, ROLLED_BACK, tell},
    config::Task,
    error::Error,
    pipeline::status::{CutoverStatus, Status},
    positions::CutoverStep,
    service::{
        control::{Client, Unanswered},
        read_status,
    },
};

const EVERY: Duration = Duration::from_millis(100);

/// Follows an attempt to its end. A task that ends with its cutover leaves its last status.
pub(super) async fn follow(client: &Client, task: &Task, attempt: u64) -> Result<ExitCode, Failure> {
    let mut shown = None;
    loop {
        let (status, runs) = match client.status().await {
            Ok(status) => (status, true),
            Err(Unanswered::NotRunning | Unanswered::Failed(_)) => (last_status(task)?, false),
            Err(Unanswered::Refused(why)) => return Err(Error::definite(why).on(&task.name).into()),
        };
        let cutover = status.cutover.filter(|cutover| cutover.attempt >= attempt);
        if let Some(cutover) = &cutover
            && shown.as_ref() != Some(&(cutover.step, cutover.since.clone()))
        {
            say!("{}", format!("{}: {cutover}", task.name));
            shown = Some((cutover.step, cutover.since.clone()));
        }
        match cutover {
            Some(cutover) => {
                if let Some(code) = ended(&cutover) {
                    durations(&cutover);
                    return Ok(code);
                }
            }
            None if shown.is_none() => {
                say!("{}: waiting until source and destination are in sync", task.name);
                shown = Some((CutoverStep::Waiting, String::new()));
            }
            None => {}
        }
        if !runs {
            tell(format_args!("{}: the task ended: {}", task.name, status.last_error.unwrap_or_default()));
            return Ok(ExitCode::from(DEFINITE));
        }
        sleep(EVERY).await;
    }
}

fn last_status(task: &Task) -> Result<Status, Failure> {
    let found = read_status(&task.state_dir)
        .map_err(|error| Failure::definite(format!("cannot read the last status of the task: {error}")))?;
    found.ok_or_else(|| Failure::definite("the task left no status"))
}

/// The exit code of an attempt that is over.
fn ended(cutover: &CutoverStatus) -> Option<ExitCode> {
    match cutover.step {
        CutoverStep::Done => Some(ExitCode::SUCCESS),
        CutoverStep::Undecided => Some(ExitCode::from(DEFINITE)),
        CutoverStep::Waiting if cutover.dry_run && cutover.note.starts_with("dry run:") => {
            Some(ExitCode::SUCCESS)
        }
        CutoverStep::Waiting => Some(ExitCode::from(ROLLED_BACK)),
        _ => None,
    }
}

/// How long each step took.
pub(super) fn durations(cutover: &CutoverStatus) {
    for time in &cutover.durations {
        say!("  {:<13}  {:>8} ms", time.step.name(), time.millis);
    }
}
