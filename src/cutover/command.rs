//! Running the operator's command.

use std::{process::Stdio, time::Duration};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{process::Command, time::timeout};

/// How a command ended.
pub(super) enum Outcome {
    /// By itself, with that exit code.
    Exited(i32),
    /// It did not start, was killed, or took too long: why.
    Broken(String),
}

/// Runs a command without a shell, with `environment` added to ours. What it prints goes where our own output goes. It
/// is killed with all that it started when it takes longer than `limit`; when the caller is dropped, it alone.
pub(super) async fn run(
    argv: &[String],
    environment: Vec<(&'static str, String)>,
    limit: Duration,
) -> Outcome {
    let Some((program, arguments)) = argv.split_first() else {
        return Outcome::Broken("no command is configured".to_owned());
    };
    let child = Command::new(program)
        .args(arguments)
        .envs(environment)
        .stdin(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => return Outcome::Broken(format!("the command {program} could not be started: {error}")),
    };
    match timeout(limit, child.wait()).await {
        Ok(Ok(status)) => match status.code() {
            Some(code) => Outcome::Exited(code),
            None => Outcome::Broken(format!("the command was ended by a signal ({status})")),
        },
        Ok(Err(error)) => Outcome::Broken(format!("the command could not be waited for: {error}")),
        Err(_) => {
            let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
            // What cannot be killed has ended. The exit is awaited so that no process is left that is nobody's.
            let _ = group.map(|group| kill_process_group(group, Signal::KILL));
            let _ = child.kill().await;
            Outcome::Broken(format!("the command did not end within {limit:?} and was killed"))
        }
    }
}
