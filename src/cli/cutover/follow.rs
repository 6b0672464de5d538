//! Showing the steps of a cutover until its end.

use std::{process::ExitCode, time::Duration};

use tokio::time::sleep;

use crate::{
    cli::exit::{DEFINITE, Failure, ROLLED_BACK, tell},
    config::Task,
    error::Error,
    pipeline::status::{CutoverStatus, Phase, Status},
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
            Err(Unanswered::NotRunning | Unanswered::Failed(_)) => (last_status(task).await?, false),
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

/// The last word of a task that ended, or is about to. One that was killed leaves none.
async fn last_status(task: &Task) -> Result<Status, Failure> {
    const PATIENCE: u32 = 50;
    for _ in 0..PATIENCE {
        let found = read_status(&task.state_dir);
        if let Ok(Some(status)) = found
            && matches!(status.phase, Phase::Ended | Phase::Failed)
        {
            return Ok(status);
        }
        sleep(EVERY).await;
    }
    Err(Failure::definite(format!(
        "{}: the task ended without a word; its next start takes the cutover back, or brings it to its end",
        task.name
    )))
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
