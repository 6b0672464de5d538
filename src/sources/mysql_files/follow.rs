//! Reading the files of a directory one after the other, and waiting for more.
//!
//! A thread of its own reads, decompresses and finds the events; what it sends is whole events. At the start of each file it
//! puts what a server puts there when it sends its log: a ROTATE that names the file, and for a start further behind the
//! file's format description.

use std::{mem, sync::Arc, thread, time::Duration};

use slackwater_decoders::position::{LogPosition, Position};
use tokio::sync::mpsc;

use super::{
    directory::{Directory, LogFile},
    file::{BinlogFile, FIRST_EVENT, Found},
    server_events::{ServerVersion, format_without_place, is_format_description, rotate_to},
};
use crate::{
    error::{Error, Result},
    sources::binlog::{self, EventReader, Next},
};

/// Events are sent in chunks of about this size; smaller ones when no more are there.
const CHUNK: usize = 256 * 1024;
/// Chunks that may wait.
const CHUNKS: usize = 4;

/// Whole events, and the length of each.
#[derive(Default)]
struct Chunk {
    events: Vec<u8>,
    lengths: Vec<usize>,
}

/// The events of the directory's files from a position on.
pub(super) struct FileEvents {
    chunks: mpsc::Receiver<Result<Chunk>>,
    current: Chunk,
    /// Bytes and events taken from the current chunk.
    taken: (usize, usize),
    ended: bool,
}

impl FileEvents {
    /// Starts to read. With `poll` it looks for more in that interval, else it ends with the newest file.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(super) fn start(directory: Directory, from: &Position, poll: Option<Duration>) -> Result<Self> {
        let (sender, chunks) = mpsc::channel(CHUNKS);
        let (file, offset) = binlog::place(&from.log)?;
        let (file, offset) = (Arc::clone(file), offset);
        thread::Builder::new()
            .name("binlog-files".to_owned())
            .spawn(move || {
                let mut reading =
                    Reading { directory, poll, out: &sender, chunk: Chunk::default(), has_checksums: false };
                if let Err(Stop::Failed(error)) = reading.run(&file, offset) {
                    // What was read before the failure comes first. When the receiver is gone nobody asks for either.
                    let _ = reading.send();
                    let _ = sender.blocking_send(Err(error));
                }
            })
            .map_err(|error| Error::transient("cannot start the thread that reads files").caused_by(error))?;
        Ok(FileEvents { chunks, current: Chunk::default(), taken: (0, 0), ended: false })
    }
}

impl EventReader for FileEvents {
    fn next(&mut self, piece: &mut Vec<u8>) -> Result<Next> {
        let (bytes, events) = self.taken;
        if let Some(length) = self.current.lengths.get(events) {
            piece.extend_from_slice(self.current.events.get(bytes..bytes + length).unwrap_or_default());
            self.taken = (bytes + length, events + 1);
            return Ok(Next::Event);
        }
        Ok(if self.ended { Next::End } else { Next::Wait })
    }

    async fn wait(&mut self) -> Result<()> {
        match self.chunks.recv().await {
            Some(chunk) => {
                self.current = chunk?;
                self.taken = (0, 0);
            }
            None => self.ended = true,
        }
        Ok(())
    }
}

/// Why reading stops before the log's end.
enum Stop {
    /// Nobody takes events any more.
    Gone,
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Failed(error)
    }
}

struct Reading<'a> {
    directory: Directory,
    poll: Option<Duration>,
    out: &'a mpsc::Sender<Result<Chunk>>,
    chunk: Chunk,
    /// Whether the events of the current file end with a checksum.
    has_checksums: bool,
}

impl Reading<'_> {
    fn run(&mut self, name: &str, offset: u64) -> Result<(), Stop> {
        let mut current = self.directory.find(name)?;
        let mut offset = offset.max(FIRST_EVENT);
        while let Some(next) = self.read_file(&current, offset)? {
            (current, offset) = (next, FIRST_EVENT);
        }
        self.send()
    }

    /// Reads a file to its end. Returns the one after it; `None` when there is none and no more is waited for.
    fn read_file(&mut self, current: &LogFile, offset: u64) -> Result<Option<LogFile>, Stop> {
        let mut file = self.open(current)?;
        self.push(&rotate_to(&current.name, offset, self.has_checksums));
        if offset > FIRST_EVENT {
            self.push_format(&mut file)?;
            file.skip_to(offset)?;
        }
        loop {
            // Looked up before the file's end is read: a successor that came later may have come after more was written here.
            let successor = self.directory.successor(current)?;
            let found = self.read_events(&mut file)?;
            match (successor, self.poll) {
                (None, Some(interval)) => self.pause(interval)?,
                (_, _) if found == Found::Partial => return Err(truncated(&file.position()).into()),
                (successor, _) => return Ok(successor),
            }
        }
    }

    /// Waits until a file that was just made has its first bytes.
    fn open(&mut self, current: &LogFile) -> Result<BinlogFile, Stop> {
        loop {
            if let Some(file) = BinlogFile::open(current)? {
                return Ok(file);
            }
            match self.poll {
                Some(interval) if self.directory.successor(current)?.is_none() => self.pause(interval)?,
                _ => {
                    let start = LogPosition::Binlog { file: current.name.as_str().into(), offset: 0 };
                    return Err(truncated(&start).into());
                }
            }
        }
    }

    /// Reads and sends events as long as there are whole ones; returns how they end.
    fn read_events(&mut self, file: &mut BinlogFile) -> Result<Found, Stop> {
        loop {
            let start = self.chunk.events.len();
            let found = file.next(&mut self.chunk.events)?;
            if found != Found::Event {
                return Ok(found);
            }
            let event = self.chunk.events.get(start..).unwrap_or_default();
            self.chunk.lengths.push(event.len());
            if is_format_description(event) {
                self.has_checksums = ServerVersion::of(event).has_checksums;
            }
            if self.chunk.events.len() >= CHUNK {
                self.send()?;
            }
        }
    }

    /// The format description of a file that is read from further behind.
    fn push_format(&mut self, file: &mut BinlogFile) -> Result<(), Stop> {
        let mut event = Vec::new();
        if file.next(&mut event)? != Found::Event {
            return Err(truncated(&file.position()).into());
        }
        self.has_checksums = ServerVersion::of(&event).has_checksums;
        self.push(&format_without_place(event));
        Ok(())
    }

    fn push(&mut self, event: &[u8]) {
        self.chunk.events.extend_from_slice(event);
        self.chunk.lengths.push(event.len());
    }

    fn send(&mut self) -> Result<(), Stop> {
        if self.chunk.lengths.is_empty() {
            return Ok(());
        }
        self.out.blocking_send(Ok(mem::take(&mut self.chunk))).map_err(|_| Stop::Gone)
    }

    fn pause(&mut self, interval: Duration) -> Result<(), Stop> {
        self.send()?;
        thread::sleep(interval);
        if self.out.is_closed() { Err(Stop::Gone) } else { Ok(()) }
    }
}

fn truncated(position: &LogPosition) -> Error {
    Error::definite("the binlog file is truncated: it ends inside an event")
        .at(position)
        .remedy("copy the whole file again; for a file that is still being written set source.follow = true")
}
