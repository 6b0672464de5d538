//! The store on disk.

use std::{
    fs::{self, File},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sled::transaction::{ConflictableTransactionError, TransactionError};
use tracing::warn;

use super::{
    Checkpoint, CutoverRecord, Origin, SchemaHistory, Sidecar, Stored,
    history::Entry,
    record::{self, Damage},
};
use crate::error::{Error, Result};

const DIRECTORY: &str = "store";
const POSITIONS: [&[u8]; 2] = [b"position/0", b"position/1"];
const FORMAT: &[u8] = b"format";
const HISTORY: &[u8] = b"history";
const ENTRY: &[u8] = b"history/";

/// sled takes a gigabyte unless told otherwise; a task's records are a few kilobytes.
const CACHE_BYTES: u64 = 8 << 20;

const REMEDY_DAMAGED: &str = "move the state directory away, then `slackwater positions import` from an export or \
                              with --from-destination";

/// The store of one task. Cloning it gives another handle. One process at a time can hold it.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    directory: PathBuf,
    disk: Disk,
    sidecar: Sidecar,
    history: SchemaHistory,
    found: Mutex<Option<Stored>>,
    writes: AtomicU64,
    /// Whether this process has raised the generation of the task.
    raised: AtomicBool,
}

#[derive(Clone)]
pub(super) struct Disk {
    pub(super) db: sled::Db,
    pub(super) path: PathBuf,
}

/// The part of the disk that the schema history writes to.
#[derive(Clone)]
pub(super) struct HistoryDisk(Disk);

#[derive(Serialize, Deserialize)]
struct HistoryHead {
    next: u64,
    count: usize,
}

impl Store {
    /// Opens the store below a state directory, creating both when neither it nor another copy of the position exists.
    ///
    /// # Errors
    /// Definite: another process holds it; it is empty beside a position file; all copies of the position or a part of
    /// the schema history are damaged.
    pub fn open(directory: &Path) -> Result<Self> {
        Store::open_as(directory, false)
    }

    /// Opens the store to be filled by an import: what it holds, and whether it is damaged, does not matter.
    pub(super) fn open_for_import(directory: &Path) -> Result<Self> {
        Store::open_as(directory, true)
    }

    fn open_as(directory: &Path, import: bool) -> Result<Self> {
        let path = directory.join(DIRECTORY);
        fs::create_dir_all(&path).map_err(|error| {
            Error::definite("cannot create the state directory")
                .on(directory.display())
                .caused_by(error)
                .remedy("set `state_dir` in the task file to a directory that this user may write to")
        })?;
        let disk = Disk { db: open_sled(&path, directory)?, path };
        let sidecar = Sidecar::new(directory);
        let empty = disk.db.is_empty();
        if empty && !import {
            if sidecar.path().exists() {
                return Err(Error::definite(
                    "the store is empty, but there is a position file beside it: the store was lost",
                )
                .on(sidecar.path().display())
                .remedy(
                    "`slackwater positions import TASK.toml --from-destination` (or from an export); only to begin \
                     the task again from its configured start, remove the position file",
                ));
            }
            disk.put(FORMAT, 0, &record::VERSION)?;
        }
        let (found, history) = if import {
            disk.put(FORMAT, 0, &record::VERSION)?;
            (None, disk.history_for_import()?)
        } else {
            let history = disk.read_history(directory)?;
            (disk.find_position(&sidecar, &history, directory)?, history)
        };
        Ok(Store(Arc::new(Inner {
            directory: directory.to_owned(),
            disk,
            sidecar,
            history,
            found: Mutex::new(found),
            writes: AtomicU64::new(0),
            raised: AtomicBool::new(false),
        })))
    }

    /// The position that was stored last, by this process or, when it was opened, by an earlier one.
    #[must_use]
    pub fn found(&self) -> Option<Stored> {
        self.0.found.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The history of table definitions.
    #[must_use]
    pub fn history(&self) -> &SchemaHistory {
        &self.0.history
    }

    /// The state directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.0.directory
    }

    /// How often a position was written since the store was opened.
    #[must_use]
    pub fn position_writes(&self) -> u64 {
        self.0.writes.load(Ordering::Relaxed)
    }

    /// Stores a checkpoint durably, in the store and beside it. Blocks for some milliseconds.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn save(&self, checkpoint: &Checkpoint, origin: Origin) -> Result<()> {
        let stored = Stored { checkpoint: checkpoint.clone(), origin, history: self.0.history.next() };
        let slot = if checkpoint.sequence.is_multiple_of(2) { POSITIONS[0] } else { POSITIONS[1] };
        self.0.disk.put(slot, checkpoint.sequence, &stored)?;
        self.0.sidecar.write(&stored).map_err(|error| {
            Error::definite("cannot write the position file")
                .on(self.0.sidecar.path().display())
                .caused_by(error)
        })?;
        *self.0.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(stored);
        self.0.writes.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Gives a checkpoint the generation that this process writes with: one above the stored one, which is stored here first. A process raises
    /// it once, when it has found that the destination holds none of a newer one. Blocks for some milliseconds.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn raise_once(&self, checkpoint: Checkpoint, origin: Origin) -> Result<Checkpoint> {
        if self.0.raised.load(Ordering::Relaxed) {
            return Ok(checkpoint);
        }
        self.raise(checkpoint, origin)
    }

    /// The same at any time: what was started with the former generation is refused from when the destination holds the new one.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn raise(&self, checkpoint: Checkpoint, origin: Origin) -> Result<Checkpoint> {
        let raised = Checkpoint { generation: checkpoint.generation + 1, ..checkpoint };
        self.save(&raised, origin)?;
        self.begun();
        Ok(raised)
    }

    /// The task is new, and this process writes with its first generation.
    pub fn begun(&self) {
        self.0.raised.store(true, Ordering::Relaxed);
    }

    pub(super) fn disk(&self) -> &Disk {
        &self.0.disk
    }

    /// Replaces everything by what was exported or chosen.
    pub(super) fn replace(
        &self,
        stored: &Stored,
        entries: Vec<Entry>,
        cutover: Option<&CutoverRecord>,
    ) -> Result<()> {
        self.0.history.import(entries)?;
        for slot in POSITIONS {
            self.0.disk.db.remove(slot).map_err(|error| write_failed(&self.0.disk.path, error))?;
        }
        match cutover {
            Some(cutover) => self.record_cutover(cutover)?,
            None => self.forget_cutover()?,
        }
        self.forget_copies()?;
        self.forget_rules()?;
        self.save(&stored.checkpoint, stored.origin)
    }
}

fn open_sled(path: &Path, directory: &Path) -> Result<sled::Db> {
    let config = sled::Config::new().path(path).cache_capacity(CACHE_BYTES).flush_every_ms(None);
    remove_unfinished(path).map_err(|error| {
        Error::definite("cannot look through the store").on(path.display()).caused_by(error)
    })?;
    // sled panics on some kinds of damage.
    let opened = catch_unwind(AssertUnwindSafe(|| config.open()));
    match opened {
        Ok(Ok(db)) => Ok(db),
        Ok(Err(sled::Error::Io(error)))
            if error.kind() == io::ErrorKind::WouldBlock
                || error.to_string().contains("could not acquire lock") =>
        {
            Err(Error::definite("another process runs this task")
                .on(directory.display())
                .remedy("look at `slackwater status`; two tasks need two names and two state directories"))
        }
        Ok(Err(error)) => Err(Error::definite("the store is damaged or cannot be opened")
            .on(directory.display())
            .caused_by(error)
            .remedy(REMEDY_DAMAGED)),
        Err(_) => Err(Error::definite("the store is damaged beyond opening")
            .on(directory.display())
            .remedy(REMEDY_DAMAGED)),
    }
}

/// Removes what a process has left that was killed while it wrote a summary of the log (`snap.….generating`): sled 0.34.7
/// takes it for a finished one and refuses to open, although the log has everything. A process that runs keeps its own.
///
/// Of a process that was killed while it made the store there may be a part of the settings (`conf`), which sled takes for damaged ones.
/// It writes them before it creates the log: without one they are of no store.
fn remove_unfinished(path: &Path) -> io::Result<()> {
    let log = match File::open(path.join("db")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return match fs::remove_file(path.join("conf")) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
        }
        log => log?,
    };
    // Held by sled for as long as the store is open; given back with the file.
    if log.try_lock().is_err() {
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| name.starts_with("snap.") && name.ends_with(".generating")) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

impl Disk {
    pub(super) fn get<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<(u64, T)>, Damage> {
        match self.db.get(key) {
            Ok(None) => Ok(None),
            Ok(Some(bytes)) => record::decode(&bytes).map(Some),
            Err(_) => Err(Damage::Shape),
        }
    }

    pub(super) fn put<T: Serialize>(&self, key: &[u8], sequence: u64, value: &T) -> Result<()> {
        let bytes = record::encode(sequence, value).map_err(|error| write_failed(&self.path, error))?;
        self.db
            .transaction(|db| -> Result<(), ConflictableTransactionError<()>> {
                db.insert(key, bytes.as_slice())?;
                Ok(())
            })
            .map_err(|error: TransactionError<()>| match error {
                TransactionError::Storage(error) => write_failed(&self.path, error),
                TransactionError::Abort(()) => write_failed(&self.path, "transaction aborted"),
            })?;
        self.sync()
    }

    pub(super) fn remove(&self, key: &[u8]) -> Result<()> {
        self.db.remove(key).map_err(|error| write_failed(&self.path, error))?;
        self.sync()
    }

    /// Brings what was written to the disk itself: sled's flush hands it to the operating system only.
    pub(super) fn sync(&self) -> Result<()> {
        self.db.flush().map_err(|error| write_failed(&self.path, error))?;
        let files = || -> io::Result<()> {
            File::open(self.path.join("db"))?.sync_all()?;
            match fs::read_dir(self.path.join("blobs")) {
                Ok(blobs) => blobs.into_iter().try_for_each(|blob| sync_if_there(&blob?.path())),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                Err(error) => Err(error),
            }
        };
        files().map_err(|error| write_failed(&self.path, error))
    }

    /// The newest valid record among both slots and the file beside the store.
    fn find_position(
        &self,
        sidecar: &Sidecar,
        history: &SchemaHistory,
        directory: &Path,
    ) -> Result<Option<Stored>> {
        let mut damaged = Vec::new();
        let mut valid = Vec::new();
        for slot in POSITIONS {
            match self.get::<Stored>(slot) {
                Ok(None) => {}
                Ok(Some((_, stored))) => valid.push(stored),
                Err(damage) => damaged.push(format!("{}: {damage}", String::from_utf8_lossy(slot))),
            }
        }
        match sidecar.read() {
            Ok(None) => {}
            Ok(Some(stored)) => valid.push(stored),
            Err(error) => damaged.push(format!("{}: {error}", sidecar.path().display())),
        }
        for copy in &damaged {
            warn!(copy, "a copy of the position is damaged");
        }
        // A destination that was set back to an older checkpoint lowers the sequence, and each start raises the generation.
        let newest =
            valid.into_iter().max_by_key(|stored| (stored.checkpoint.generation, stored.checkpoint.sequence));
        match newest {
            Some(stored) if stored.history > history.next() => Err(Error::definite(
                "the store is older than the position beside it: definitions of tables were lost with it",
            )
            .on(directory.display())
            .remedy(REMEDY_DAMAGED)),
            None if !damaged.is_empty() => Err(Error::definite("all copies of the position are damaged")
                .on(directory.display())
                .caused_by(damaged.join("; "))
                .remedy(REMEDY_DAMAGED)),
            newest => Ok(newest),
        }
    }

    fn read_history(&self, directory: &Path) -> Result<SchemaHistory> {
        let damaged = |cause: String| {
            Error::definite("the stored history of table definitions is damaged")
                .on(directory.display())
                .caused_by(cause)
                .remedy(REMEDY_DAMAGED)
        };
        let head: Option<(u64, HistoryHead)> =
            self.get(HISTORY).map_err(|damage| damaged(damage.to_string()))?;
        let mut entries = Vec::new();
        for item in self.db.scan_prefix(ENTRY) {
            let (_, bytes) = item.map_err(|error| damaged(error.to_string()))?;
            entries.push(record::decode::<Entry>(&bytes).map_err(|damage| damaged(damage.to_string()))?);
        }
        let (next, count) = head.map_or((0, 0), |(_, head)| (head.next, head.count));
        if entries.len() != count {
            return Err(damaged(format!("{} of {count} entries found", entries.len())));
        }
        Ok(SchemaHistory::new(entries, next, Some(HistoryDisk(self.clone()))))
    }

    /// An empty history in place of whatever is stored; its numbers go on behind those of the stored entries.
    fn history_for_import(&self) -> Result<SchemaHistory> {
        let head: Option<(u64, HistoryHead)> = self.get(HISTORY).unwrap_or_default();
        for key in self.db.scan_prefix(ENTRY).keys() {
            let key = key.map_err(|error| write_failed(&self.path, error))?;
            self.db.remove(key).map_err(|error| write_failed(&self.path, error))?;
        }
        let next = head.map_or(0, |(_, head)| head.next);
        self.put(HISTORY, next, &HistoryHead { next, count: 0 })?;
        Ok(SchemaHistory::new(Vec::new(), next, Some(HistoryDisk(self.clone()))))
    }
}

impl HistoryDisk {
    /// Adds and removes entries and sets the head in one atomic batch. Durable when it returns.
    pub(super) fn write(
        &self,
        added: &[(u64, Entry)],
        removed: &[u64],
        next: u64,
        count: usize,
    ) -> Result<()> {
        let Disk { db, path } = &self.0;
        let mut batch = sled::Batch::default();
        for number in removed {
            batch.remove(entry_key(*number));
        }
        for (number, entry) in added {
            batch.insert(
                entry_key(*number),
                record::encode(*number, entry).map_err(|error| write_failed(path, error))?,
            );
        }
        let head =
            record::encode(next, &HistoryHead { next, count }).map_err(|error| write_failed(path, error))?;
        batch.insert(HISTORY, head);
        db.apply_batch(batch).map_err(|error| write_failed(path, error))?;
        self.0.sync()
    }
}

/// sled removes a file of its own when a newer one has taken its place.
fn sync_if_there(file: &Path) -> io::Result<()> {
    match File::open(file) {
        Ok(file) => file.sync_all(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn entry_key(number: u64) -> Vec<u8> {
    [ENTRY, &number.to_be_bytes()].concat()
}

pub(super) fn write_failed(path: &Path, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::definite("cannot write to the store")
        .on(path.display())
        .caused_by(cause)
        .remedy("look at the free space and the rights of the state directory; the task resumes where it was")
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
