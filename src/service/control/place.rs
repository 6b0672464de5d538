//! Where the socket is.

use std::{
    fs::File,
    io,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
};

const NAME: &str = "control.sock";

/// Bytes of a path that the kernel takes for a socket, the one at its end left out (unix(7), `sun_path`).
const LONGEST: usize = 107;

/// The path of a task's socket. It is valid as long as this lives, in this process alone: a path that is too long for a socket goes by
/// way of its open directory.
pub(super) struct Place {
    path: PathBuf,
    _directory: Option<File>,
}

impl Place {
    pub(super) fn of(state_dir: &Path) -> io::Result<Self> {
        let path = state_dir.join(NAME);
        if path.as_os_str().len() <= LONGEST {
            return Ok(Place { path, _directory: None });
        }
        let directory = File::open(state_dir)?;
        let path = Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string()).join(NAME);
        Ok(Place { path, _directory: Some(directory) })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}
