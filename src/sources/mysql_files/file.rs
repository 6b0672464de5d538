//! One binlog file, plain or compressed, as a stream of raw events.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    path::Path,
};

use flate2::read::MultiGzDecoder;
use slackwater_decoders::{
    mysql::framing::{ENCRYPTED_MAGIC, EventHeader, HEADER_LENGTH, MAGIC},
    position::LogPosition,
};

use super::directory::LogFile;
use crate::error::{Error, Result};

/// Where the first event stands: behind the magic number.
pub(super) const FIRST_EVENT: u64 = MAGIC.len() as u64;
const READ_BUFFER: usize = 256 * 1024;
/// The longest event that a server writes: its largest max_allowed_packet, and room for what is around the content.
const LONGEST_EVENT: u64 = (1 << 30) + (1 << 20);

/// How an archiver compressed a file. Plain comes first where there are both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    /// Splits a file's name from the suffix that tells.
    pub(super) fn of(name: &str) -> (&str, Compression) {
        if let Some(name) = name.strip_suffix(".gz") {
            (name, Compression::Gzip)
        } else if let Some(name) = name.strip_suffix(".zst") {
            (name, Compression::Zstd)
        } else {
            (name, Compression::None)
        }
    }
}

enum Content {
    Plain(BufReader<File>),
    Gzip(Box<MultiGzDecoder<BufReader<File>>>),
    Zstd(Box<zstd::stream::read::Decoder<'static, BufReader<File>>>),
}

impl Content {
    fn open(path: &Path, compression: Compression) -> io::Result<Self> {
        let file = BufReader::with_capacity(READ_BUFFER, File::open(path)?);
        Ok(match compression {
            Compression::None => Content::Plain(file),
            Compression::Gzip => Content::Gzip(Box::new(MultiGzDecoder::new(file))),
            Compression::Zstd => Content::Zstd(Box::new(zstd::stream::read::Decoder::with_buffer(file)?)),
        })
    }
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Content::Plain(content) => content.read(buffer),
            Content::Gzip(content) => content.read(buffer),
            Content::Zstd(content) => content.read(buffer),
        }
    }
}

/// What comes next in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A whole event; it stands behind the end of the buffer.
    Event,
    /// The file ends between two events.
    End,
    /// The file ends inside an event.
    Partial,
}

/// An open binlog file.
pub(super) struct BinlogFile {
    content: Content,
    name: String,
    compression: Compression,
    /// Behind the last whole event.
    offset: u64,
    /// What was read of the event that starts there.
    partial: Vec<u8>,
}

impl BinlogFile {
    /// Opens a file at its first event. `None`: its first bytes are not written yet.
    ///
    /// # Errors
    /// Definite when it is encrypted, or no binlog; transient when it cannot be read.
    pub(super) fn open(file: &LogFile) -> Result<Option<Self>> {
        let unreadable = |error: io::Error| {
            Error::transient("cannot read the binlog file").on(file.path.display()).caused_by(error)
        };
        let mut content = Content::open(&file.path, file.compression).map_err(unreadable)?;
        let mut magic = Vec::new();
        content.by_ref().take(FIRST_EVENT).read_to_end(&mut magic).map_err(unreadable)?;
        if magic == ENCRYPTED_MAGIC {
            return Err(Error::definite(
                "the binlog file is encrypted (binlog_encryption): its key is with the server",
            )
            .on(file.path.display())
            .remedy("read it from the server (type = \"mysql\"), which decrypts it"));
        }
        if !MAGIC.starts_with(&magic) {
            return Err(Error::definite("not a binlog file")
                .on(file.path.display())
                .remedy("take it out of the directory, or correct source.base"));
        }
        Ok((magic.len() == MAGIC.len()).then(|| BinlogFile {
            content,
            name: file.name.clone(),
            compression: file.compression,
            offset: FIRST_EVENT,
            partial: Vec::new(),
        }))
    }

    /// The place behind the last whole event.
    pub(super) fn position(&self) -> LogPosition {
        self.place(self.offset)
    }

    fn place(&self, offset: u64) -> LogPosition {
        LogPosition::Binlog { file: self.name.as_str().into(), offset }
    }

    /// Offset of the place behind the last whole event.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Goes on to the event at `offset`. What lies before the place reached is not gone back to.
    ///
    /// # Errors
    /// Definite when the file ends before; transient when it cannot be read.
    pub(super) fn skip_to(&mut self, offset: u64) -> Result<()> {
        let distance = offset.saturating_sub(self.offset);
        let skipped = match &mut self.content {
            Content::Plain(content) => skip_plain(content, self.offset, offset),
            compressed => io::copy(&mut compressed.take(distance), &mut io::sink()),
        };
        let skipped = skipped.map_err(|error| self.failed(error))?;
        if skipped < distance {
            let end = self.offset + skipped;
            return Err(Error::definite(format!("the file ends at {end}, before the position"))
                .at(&self.place(offset))
                .remedy("it is not the file that the position came from, or it was cut: bring the whole file back"));
        }
        self.offset += skipped;
        Ok(())
    }

    /// Puts the next event behind the end of `events`. At the end of a plain file that is still being written a later call
    /// finds more.
    ///
    /// # Errors
    /// Definite when what comes is no event, or a compressed file is damaged; transient when it cannot be read.
    pub(super) fn next(&mut self, events: &mut Vec<u8>) -> Result<Found> {
        if !self.fill(HEADER_LENGTH as u64)? {
            return Ok(if self.partial.is_empty() { Found::End } else { Found::Partial });
        }
        let length = match EventHeader::parse(&self.partial) {
            Ok(header) if u64::from(header.length) <= LONGEST_EVENT => u64::from(header.length),
            Ok(header) => return Err(self.no_event(format!("it says a length of {} bytes", header.length))),
            Err(error) => return Err(self.no_event(error)),
        };
        if !self.fill(length)? {
            return Ok(Found::Partial);
        }
        events.append(&mut self.partial);
        self.offset += length;
        Ok(Found::Event)
    }

    /// Reads until the current event has `length` bytes. `false`: the file ends before.
    fn fill(&mut self, length: u64) -> Result<bool> {
        let missing = length.saturating_sub(self.partial.len() as u64);
        match self.content.by_ref().take(missing).read_to_end(&mut self.partial) {
            Ok(_) => Ok(self.partial.len() as u64 >= length),
            // A compressed file that ends too early is cut off like a plain one.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(self.failed(error)),
        }
    }

    fn no_event(&self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        Error::definite("what stands in the binlog file is no event").at(&self.position()).caused_by(cause).remedy(
            "a task that starts here: take an offset that mysqlbinlog shows; else the file is damaged, bring it back from \
             the server",
        )
    }

    fn failed(&self, error: io::Error) -> Error {
        let ours = if self.compression == Compression::None {
            Error::transient("cannot read the binlog file")
        } else {
            Error::definite("the compressed binlog file cannot be read")
                .remedy("bring the file back from the archive")
        };
        ours.at(&self.position()).caused_by(error)
    }
}

/// Returns how many bytes there were to pass over.
fn skip_plain(content: &mut BufReader<File>, from: u64, to: u64) -> io::Result<u64> {
    let end = to.min(content.get_ref().metadata()?.len()).max(from);
    content.seek(SeekFrom::Start(end))?;
    Ok(end - from)
}
