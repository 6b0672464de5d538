//! Files for transactions that came before their end: what was sent of each, until it commits or is rolled back.
//!
//! A file has the frames of one transaction as they came. A subtransaction that is rolled back is cut off: while it runs, the
//! transaction changes rows nowhere but in it and its own subtransactions, so that from its first frame on everything is theirs.
//! (Announcements of relations go with it. The server makes them again, since they may have been of its definitions.)
//!
//! The files are worth nothing to another run: after a restart the server sends again what was not confirmed.

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use slackwater_decoders::postgres::copy;

use crate::error::{Error, Result};

/// Bytes that wait in memory for being written, of all transactions together: they come by turns, never mixed.
const BUFFER: usize = 1 << 20;
/// A frame whose message is Stream Stop.
const STREAM_STOP: [u8; 26] = {
    let mut frame = [0; 26];
    frame[0] = b'w';
    frame[25] = b'E';
    frame
};

/// The transactions whose end is not known yet.
pub(super) struct Spill {
    directory: PathBuf,
    /// By the id of the top-level transaction.
    transactions: HashMap<u32, Spilled>,
    /// Bytes of the transaction that is received now.
    buffer: Vec<u8>,
}

/// What is known of a transaction beside its file.
#[derive(Default)]
struct Spilled {
    /// Bytes in the file.
    written: u64,
    /// Where the frames of each subtransaction begin, in this order.
    starts: Vec<(u32, u64)>,
}

impl Spill {
    /// Begins with an empty directory.
    ///
    /// # Errors
    /// Definite when the directory cannot be made.
    pub(super) fn new(directory: PathBuf) -> Result<Self> {
        remove(&directory)?;
        fs::create_dir_all(&directory).map_err(|error| failed(&directory, error))?;
        Ok(Spill { directory, transactions: HashMap::new(), buffer: Vec::new() })
    }

    /// Adds a frame of the transaction `xid`, which belongs to its subtransaction `sub`. Frames of one transaction follow each other until
    /// [`flush`](Self::flush).
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn push(&mut self, xid: u32, sub: Option<u32>, frame: &[u8]) -> Result<()> {
        let at = {
            let transaction = self.transactions.entry(xid).or_default();
            transaction.written + self.buffer.len() as u64
        };
        if let Some(sub) = sub.filter(|sub| *sub != xid)
            && let Some(transaction) = self.transactions.get_mut(&xid)
            && transaction.starts.last().is_none_or(|(last, _)| *last != sub)
        {
            transaction.starts.push((sub, at));
        }
        self.buffer.extend_from_slice(frame);
        if self.buffer.len() >= BUFFER { self.flush(xid) } else { Ok(()) }
    }

    /// Writes what waits in memory, all of it of the transaction `xid`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn flush(&mut self, xid: u32) -> Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let path = self.path(xid);
        let write = || OpenOptions::new().create(true).append(true).open(&path)?.write_all(&self.buffer);
        write().map_err(|error| failed(&path, error))?;
        if let Some(transaction) = self.transactions.get_mut(&xid) {
            transaction.written += self.buffer.len() as u64;
        }
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER);
        Ok(())
    }

    /// Cuts off what is of a subtransaction that was rolled back, or forgets the transaction where it is that itself.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn abort(&mut self, xid: u32, sub: u32) -> Result<()> {
        if sub == xid {
            return self.forget(xid);
        }
        let path = self.path(xid);
        let Some(transaction) = self.transactions.get_mut(&xid) else { return Ok(()) };
        // Not one of its frames has come where it is not there.
        let Some(place) = transaction.starts.iter().position(|(own, _)| *own == sub) else { return Ok(()) };
        let Some(&(_, start)) = transaction.starts.get(place) else { return Ok(()) };
        transaction.starts.truncate(place);
        let mut stop = Vec::new();
        copy::append(&STREAM_STOP, &mut stop).map_err(|_| Error::definite("a message is too long"))?;
        let cut = || {
            let mut file = OpenOptions::new().append(true).open(&path)?;
            file.set_len(start)?;
            // What was begun before is ended: a segment of the stream.
            file.write_all(&stop)
        };
        cut().map_err(|error| failed(&path, error))?;
        transaction.written = start + stop.len() as u64;
        Ok(())
    }

    /// Forgets a transaction.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub(super) fn forget(&mut self, xid: u32) -> Result<()> {
        let path = self.path(xid);
        if self.transactions.remove(&xid).is_none_or(|transaction| transaction.written == 0) {
            return Ok(());
        }
        fs::remove_file(&path).map_err(|error| failed(&path, error))
    }

    /// Takes what came of a transaction, to be read from its beginning. `None`: nothing did.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn take(&mut self, xid: u32) -> Result<Option<Replay>> {
        let path = self.path(xid);
        if self.transactions.remove(&xid).is_none_or(|transaction| transaction.written == 0) {
            return Ok(None);
        }
        let file = File::open(&path).map_err(|error| failed(&path, error))?;
        // Open files outlive their names.
        fs::remove_file(&path).map_err(|error| failed(&path, error))?;
        Ok(Some(Replay { file, path, buffer: Vec::new(), at: 0 }))
    }

    fn path(&self, xid: u32) -> PathBuf {
        self.directory.join(format!("{xid}.pgoutput"))
    }
}

impl Drop for Spill {
    fn drop(&mut self) {
        // What stays behind is removed at the next start.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// The frames of a transaction, one after the other.
pub(super) struct Replay {
    file: File,
    path: PathBuf,
    buffer: Vec<u8>,
    at: usize,
}

impl Replay {
    /// The next frame, with its header; `None` at the end.
    ///
    /// # Errors
    /// When the file cannot be read, or does not hold what was written.
    pub(super) fn next(&mut self) -> Result<Option<&[u8]>> {
        loop {
            let rest = self.buffer.get(self.at..).unwrap_or_default();
            let length = match copy::split(rest) {
                Ok(Some((content, _))) => content.len() + super::HEADER,
                Ok(None) => 0,
                Err(_) => return Err(self.damaged()),
            };
            if length > 0 {
                let start = self.at;
                self.at += length;
                return Ok(self.buffer.get(start..self.at));
            }
            self.buffer.drain(..self.at);
            self.at = 0;
            let mut more = Read::by_ref(&mut self.file).take(BUFFER as u64);
            match more.read_to_end(&mut self.buffer).map_err(|error| failed(&self.path, error))? {
                0 if self.buffer.is_empty() => return Ok(None),
                0 => return Err(self.damaged()),
                _ => {}
            }
        }
    }

    fn damaged(&self) -> Error {
        Error::transient("a file of a transaction in progress is not what was written")
            .on(self.path.display())
    }
}

fn remove(directory: &Path) -> Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(directory, error)),
        _ => Ok(()),
    }
}

fn failed(path: &Path, error: io::Error) -> Error {
    let full = error.kind() == io::ErrorKind::StorageFull;
    let remedy = "make room in the state directory and let the task read it and write to it";
    let what = "cannot keep a transaction that is not committed yet";
    let failure = if full { Error::transient(what) } else { Error::definite(what) };
    failure.on(path.display()).caused_by(error).remedy(remedy)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn frame(text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        copy::append(text.as_bytes(), &mut out).unwrap();
        out
    }

    fn contents(spill: &mut Spill, xid: u32) -> Vec<String> {
        let mut replay = spill.take(xid).unwrap().unwrap();
        let mut frames = Vec::new();
        while let Some(frame) = replay.next().unwrap() {
            let text = String::from_utf8_lossy(&frame[5..]).into_owned();
            frames.push(if frame[5..] == STREAM_STOP { "stop".into() } else { text });
        }
        frames
    }

    #[test]
    fn a_subtransaction_that_is_rolled_back_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let mut spill = Spill::new(directory.path().join("spill")).unwrap();
        for (sub, text) in [(7, "a"), (8, "b"), (9, "c"), (8, "d")] {
            spill.push(7, Some(sub), &frame(text)).unwrap();
        }
        spill.flush(7).unwrap();
        spill.push(20, None, &frame("other")).unwrap();
        spill.flush(20).unwrap();
        spill.abort(7, 30).unwrap();
        spill.abort(7, 9).unwrap();
        spill.push(7, Some(7), &frame("e")).unwrap();
        spill.flush(7).unwrap();
        assert_eq!(contents(&mut spill, 7), ["a", "b", "stop", "e"]);
        assert!(spill.take(7).unwrap().is_none());
        spill.abort(20, 20).unwrap();
        assert_eq!(fs::read_dir(directory.path().join("spill")).unwrap().count(), 0);
    }

    #[test]
    fn long_frames_come_back_whole() {
        let directory = tempfile::tempdir().unwrap();
        let mut spill = Spill::new(directory.path().join("spill")).unwrap();
        let long = "x".repeat(3 * BUFFER);
        for text in ["a", &long, "b"] {
            spill.push(1, None, &frame(text)).unwrap();
        }
        spill.flush(1).unwrap();
        assert!(contents(&mut spill, 1).iter().map(String::len).eq([1, 3 * BUFFER, 1]));
        drop(spill);
        assert!(!directory.path().join("spill").exists());
    }
}
