//! The copy of the position beside the store: a small JSON file that is replaced as a whole.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::Stored;

const FILE: &str = "position.json";

/// The position file of a task. It can be read while the task runs.
#[derive(Clone, Debug)]
pub struct Sidecar {
    directory: PathBuf,
}

/// What the file holds: the record, and a checksum over the record's compact JSON.
#[derive(Serialize, Deserialize)]
struct Content {
    format: u8,
    stored: Stored,
    crc32: u32,
}

impl Sidecar {
    /// The position file in that directory.
    #[must_use]
    pub fn new(directory: &Path) -> Self {
        Sidecar { directory: directory.to_owned() }
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.directory.join(FILE)
    }

    /// Reads the file; `None` when there is none.
    ///
    /// # Errors
    /// When it cannot be read or is damaged.
    pub fn read(&self) -> io::Result<Option<Stored>> {
        let text = match fs::read(self.path()) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let damaged = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
        let content: Content =
            serde_json::from_slice(&text).map_err(|error| damaged(&format!("is damaged: {error}")))?;
        if content.format != super::record::VERSION {
            return Err(damaged("has a format version that this program does not know"));
        }
        if content.crc32 != checksum(&content.stored)? {
            return Err(damaged("does not match its checksum"));
        }
        Ok(Some(content.stored))
    }

    /// Replaces the file durably: written beside it, fsynced, renamed, the directory fsynced.
    pub(super) fn write(&self, stored: &Stored) -> io::Result<()> {
        let content =
            Content { format: super::record::VERSION, crc32: checksum(stored)?, stored: stored.clone() };
        let mut text = serde_json::to_vec_pretty(&content)?;
        text.push(b'\n');
        replace_file(&self.path(), &text)
    }
}

/// Replaces a file as a whole and durably.
pub(super) fn replace_file(path: &Path, content: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = File::create(&beside)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    match path.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

fn checksum(stored: &Stored) -> io::Result<u32> {
    Ok(crc32fast::hash(&serde_json::to_vec(stored)?))
}
