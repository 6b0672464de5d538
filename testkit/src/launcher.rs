//! Starting a server so that it cannot outlive this process.
//!
//! `setpriv --pdeathsig` asks the kernel to kill the server when its parent dies. The parent, to the
//! kernel, is the *thread* that forked, and a test's thread ends before a server that tests share. So
//! one thread forks all servers, and lives as long as the process.

use std::fs;
use std::io;
use std::os::unix::fs::chown;
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

/// The account that runs what refuses root: nobody.
const NOBODY: u32 = 65534;

/// The same for a program that refuses root: as nobody then. One capability lets it into an installation below root's home,
/// and access(2) heeds that capability. The same in `install-servers`.
pub(crate) fn bound_to_us_without_root(program: &Path) -> Command {
    if !rustix::process::geteuid().is_root() {
        return bound_to_us(program);
    }
    let mut command = Command::new("setpriv");
    command.arg(format!("--reuid={NOBODY}")).arg(format!("--regid={NOBODY}")).arg("--clear-groups");
    command.args([
        "--inh-caps=+dac_override",
        "--ambient-caps=+dac_override",
        "--securebits=+no_setuid_fixup",
    ]);
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// Makes the account of [`bound_to_us_without_root`] the owner of a file, or of a directory with everything below it.
///
/// # Errors
///
/// When the owner cannot be changed.
pub(crate) fn give_to_server(path: &Path) -> anyhow::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    chown(path, Some(NOBODY), Some(NOBODY))
        .with_context(|| format!("cannot change the owner of {}", path.display()))?;
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            give_to_server(&entry?.path())?;
        }
    }
    Ok(())
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
