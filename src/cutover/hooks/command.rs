//! Running the operator's command.

use std::{process::Stdio, time::Duration};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::AsyncWriteExt,
    process::{Child, ChildStdin, Command},
    time::timeout,
};
use tracing::debug;

/// How a command ended.
pub(in crate::cutover) enum Outcome {
    /// By itself, with that exit code.
    Exited(i32),
    /// It did not start: why.
    NotStarted(String),
    /// It was killed, or took too long: why.
    Broken(String),
}

/// Runs a command without a shell, with `environment` added to ours and `input` on its standard input. What it prints goes
/// where our own output goes. It is killed with all that it started when it takes longer than `limit`, or when the caller is dropped.
pub(in crate::cutover) async fn run(
    argv: &[String],
    environment: Vec<(&'static str, String)>,
    input: &[u8],
    limit: Duration,
) -> Outcome {
    let Some((program, arguments)) = argv.split_first() else {
        return Outcome::NotStarted("no command is configured".to_owned());
    };
    let child = Command::new(program)
        .args(arguments)
        .envs(environment)
        .stdin(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn();
    let mut group = match child {
        Ok(child) => Group(child),
        Err(error) => {
            return Outcome::NotStarted(format!("the command {program} could not be started: {error}"));
        }
    };
    let stdin = group.0.stdin.take();
    let (ended, ()) = match timeout(limit, async { tokio::join!(group.0.wait(), write(stdin, input)) }).await
    {
        Ok(ended) => ended,
        Err(_) => {
            group.kill();
            // The exit is awaited so that no process is left that is nobody's.
            let _ = group.0.kill().await;
            return Outcome::Broken(format!("the command did not end within {limit:?} and was killed"));
        }
    };
    match ended.map(|status| (status.code(), status)) {
        Ok((Some(code), _)) => Outcome::Exited(code),
        Ok((None, status)) => Outcome::Broken(format!("the command was ended by a signal ({status})")),
        Err(error) => Outcome::Broken(format!("the command could not be waited for: {error}")),
    }
}

/// A command that does not read its input is as good as one that does.
async fn write(stdin: Option<ChildStdin>, input: &[u8]) {
    let Some(mut stdin) = stdin else { return };
    if let Err(error) = stdin.write_all(input).await {
        debug!(%error, "the command did not read all of its input");
    }
}

/// A command and everything that it starts.
struct Group(Child);

impl Group {
    fn kill(&self) {
        let group = self.0.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        // What cannot be killed has ended.
        let _ = group.map(|group| kill_process_group(group, Signal::KILL));
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Without an id it has been waited for.
        self.kill();
    }
}
