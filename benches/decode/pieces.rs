//! A log file read in pieces of whole events, as the daemon reads it.

use std::{fs::File, io::Read, path::Path};

use anyhow::Context;
use slackwater_decoders::mysql::framing::{EventHeader, HEADER_LENGTH, MAGIC};

/// The daemon's size of a piece.
const PIECE: usize = 256 * 1024;

/// A log file being read.
pub(crate) struct Pieces {
    file: File,
    /// The start of an event whose end is not read yet.
    tail: Vec<u8>,
}

impl Pieces {
    /// Opens a log at its first event.
    pub(crate) fn open(log: &Path) -> anyhow::Result<Self> {
        let mut file = File::open(log)?;
        let mut magic = [0; MAGIC.len()];
        file.read_exact(&mut magic)?;
        anyhow::ensure!(magic == MAGIC, "no binlog");
        Ok(Pieces { file, tail: Vec::new() })
    }

    /// Replaces what is in `piece` by the next whole events. `false`: the log has ended.
    pub(crate) fn next(&mut self, piece: &mut Vec<u8>) -> anyhow::Result<bool> {
        piece.clear();
        piece.append(&mut self.tail);
        let mut target = PIECE;
        loop {
            let wanted = target.saturating_sub(piece.len()) as u64;
            let read = (&self.file).take(wanted).read_to_end(piece)?;
            let whole = whole_events(piece)?;
            if whole > 0 || read == 0 {
                self.tail = piece.split_off(whole);
                anyhow::ensure!(read > 0 || self.tail.is_empty(), "the log ends inside of an event");
                return Ok(whole > 0);
            }
            target *= 2;
        }
    }
}

/// Bytes of the events that are complete.
fn whole_events(piece: &[u8]) -> anyhow::Result<usize> {
    let mut end = 0;
    while let Some(header) = piece.get(end..end + HEADER_LENGTH) {
        let length = EventHeader::parse(header).context("no event")?.length as usize;
        if end + length > piece.len() {
            break;
        }
        end += length;
    }
    Ok(end)
}
