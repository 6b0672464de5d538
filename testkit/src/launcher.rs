//! Starting a server so that it cannot outlive this process.
//!
//! `setpriv --pdeathsig` asks the kernel to kill the server when its parent dies. The parent, to the
//! kernel, is the *thread* that forked, and a test's thread ends before a server that tests share. So
//! one thread forks all servers, and lives as long as the process.

use std::io;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use anyhow::Context;

type Request = (Command, Sender<io::Result<Child>>);

/// A command for `program` that is killed (SIGKILL) when the thread that spawns it ends.
pub(crate) fn bound_to_us(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// Spawns on the launcher thread.
///
/// # Errors
///
/// When `setpriv` cannot be started.
pub(crate) fn spawn(command: Command) -> anyhow::Result<Child> {
    static LAUNCHER: OnceLock<Sender<Request>> = OnceLock::new();
    let launcher = LAUNCHER.get_or_init(|| {
        let (sender, requests) = channel::<Request>();
        thread::spawn(move || {
            for (mut command, answer) in requests {
                // Nobody waits for the answer any more only when the asking thread has panicked.
                let _ = answer.send(command.spawn());
            }
        });
        sender
    });
    let (answer, child) = channel();
    launcher.send((command, answer)).ok().context("the launcher thread is gone")?;
    child.recv().context("the launcher thread is gone")?.context("cannot start setpriv (package util-linux)")
}
