//! A server's temporary directory, and what a killed test has left of earlier ones.

use std::env;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Once;
use std::time::Duration;

use anyhow::Context;
use tempfile::TempDir;

const PREFIX: &str = "slackwater-server-";
const LOCK: &str = "lock";

/// Between making a directory and locking it another process must not take it for an abandoned one.
const ABANDONED_AFTER: Duration = Duration::from_secs(60);

/// A directory that is removed on drop, or, if the process is killed, by the next one that starts a server.
#[derive(Debug)]
pub(crate) struct Scratch {
    directory: TempDir,
    _lock: File,
}

impl Scratch {
    pub(crate) fn new() -> anyhow::Result<Self> {
        static SWEPT: Once = Once::new();
        SWEPT.call_once(remove_abandoned);
        let directory =
            tempfile::Builder::new().prefix(PREFIX).tempdir().context("cannot make a directory")?;
        let lock = File::create(directory.path().join(LOCK)).context("cannot make the lock file")?;
        lock.lock().context("cannot lock the directory")?;
        Ok(Self { directory, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }
}

/// Removes the directories whose lock nobody holds. Best effort: another process may be doing the same.
fn remove_abandoned() {
    let Ok(entries) = fs::read_dir(env::temp_dir()) else {
        return;
    };
    for entry in entries.flatten() {
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        let lock = entry.path().join(LOCK);
        let old = fs::metadata(&lock)
            .and_then(|metadata| metadata.modified())
            .is_ok_and(|time| time.elapsed().is_ok_and(|age| age > ABANDONED_AFTER));
        if old && File::open(&lock).is_ok_and(|file| file.try_lock().is_ok()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Copies a directory with everything below it.
pub(crate) fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    copy_tree_except(from, to, &[])
}

/// The same without some entries of the directory itself, from under a server that may remove files meanwhile.
pub(crate) fn copy_tree_except(from: &Path, to: &Path, except: &[&str]) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if except.iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        let target = to.join(entry.file_name());
        let copied = if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)
        } else {
            fs::copy(entry.path(), target).map(|_| ())
        };
        match copied {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => result?,
        }
    }
    Ok(())
}
