//! The processes of one server: the postmaster, and a backend for each connection and each duty.

use std::fs;
use std::path::Path;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};

/// How long the kernel may take to end killed processes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Kills all processes of a server at once, as a crash of the machine would, and waits until they are gone: a postmaster does not
/// start while a backend of its predecessor lives.
pub(super) fn kill_all(postmaster: &mut Child) -> anyhow::Result<()> {
    // Stopped, it neither starts backends nor sees them end, and its children stay its children.
    let parent = Pid::from_child(postmaster);
    if matches!(postmaster.try_wait(), Ok(None)) {
        kill_process(parent, Signal::STOP).context("cannot stop the postmaster")?;
    }
    let backends = children(parent);
    for backend in &backends {
        // It may have ended by itself.
        let _ = kill_process(*backend, Signal::KILL);
    }
    postmaster.kill().context("cannot kill the postmaster")?;
    postmaster.wait().context("cannot wait for the postmaster")?;
    let deadline = Instant::now() + PATIENCE;
    while backends.iter().any(|backend| lives(*backend)) {
        if Instant::now() > deadline {
            bail!("backends outlive the postmaster");
        }
        thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// Sends a signal to all processes of a server, the postmaster first.
pub(super) fn signal_all(postmaster: &Child, signal: Signal) -> anyhow::Result<()> {
    let parent = Pid::from_child(postmaster);
    kill_process(parent, signal).context("cannot signal the postmaster")?;
    for backend in children(parent) {
        let _ = kill_process(backend, signal);
    }
    Ok(())
}

/// The state letter and the parent of a process, by `/proc/PID/stat` (proc(5)); `None` when it is gone.
fn state(process: &Path) -> Option<(char, i32)> {
    let stat = fs::read_to_string(process.join("stat")).ok()?;
    // The name in parentheses may itself have spaces and parentheses.
    let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

fn children(parent: Pid) -> Vec<Pid> {
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let parent = parent.as_raw_nonzero().get();
    let child = |entry: fs::DirEntry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        (state(&entry.path())?.1 == parent).then(|| Pid::from_raw(pid)).flatten()
    };
    processes.flatten().filter_map(child).collect()
}

/// A process that has ended and that nobody has asked for does not count.
fn lives(pid: Pid) -> bool {
    let process = Path::new("/proc").join(pid.as_raw_nonzero().to_string());
    state(&process).is_some_and(|(state, _)| !matches!(state, 'Z' | 'X'))
}
