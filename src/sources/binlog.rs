//! From raw binlog events to batches: what reading from a server and reading files have in common.
//!
//! `stages` has the queues and the threads; here is where a binlog is cut.

use std::{future::Future, mem, sync::Arc};

use slackwater_decoders::{
    batch::Batch,
    mysql::{
        Decoder, DecoderOptions,
        catalog::Catalog,
        error::DecodeError,
        framing::{EventHeader, TransactionTracker},
    },
    position::{LogPosition, Position},
    schema::TableName,
};

pub(crate) use super::stages::BATCH_BYTES;
use super::stages::{self, PieceDecoder, SMALLEST, TARGET};
use crate::{
    error::{Error, Result},
    pipeline::queue::BatchSender,
    positions::SchemaHistory,
};

/// Where the pieces of a binlog go: nothing is said of them.
type Pieces = stages::Pieces<()>;

/// A decoder for the log from a position on. `batch_bytes` of a compressed transaction, once decompressed, become one batch.
///
/// # Errors
/// As [`place`].
pub(crate) fn decoder(
    from: &Position,
    catalog: Catalog,
    positional_names: bool,
    batch_bytes: usize,
    selected: impl Fn(&TableName) -> bool + Send + 'static,
) -> Result<Decoder> {
    let (file, offset) = place(&from.log)?;
    Ok(Decoder::new(DecoderOptions {
        file: Arc::clone(file),
        offset,
        executed: from.executed.clone(),
        catalog,
        selected: Box::new(selected),
        positional_names,
        payload_bytes: batch_bytes,
    }))
}

/// File and offset of a position.
///
/// # Errors
/// Definite when it is a place in another kind of log.
pub(crate) fn place(position: &LogPosition) -> Result<(&Arc<str>, u64)> {
    position.binlog().ok_or_else(|| {
        Error::definite("the stored position is no place in a binlog").at(position).remedy(
            "the task has followed another kind of source: give this one a name and a state_dir of its own",
        )
    })
}

/// What [`EventReader::next`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// The event is complete; the next call starts another one.
    Event,
    /// The bytes at hand are used up, perhaps in the middle of an event: wait, and call again with the same piece.
    Wait,
    /// The log ends, and the reader does not follow.
    End,
}

/// Raw events one after the other.
pub(crate) trait EventReader: Send {
    /// Moves bytes of the current event behind the end of `piece`. Does not wait.
    ///
    /// # Errors
    /// When the log cannot be read on.
    fn next(&mut self, piece: &mut Vec<u8>) -> Result<Next>;

    /// Waits for more bytes. Nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// When the log cannot be read on.
    fn wait(&mut self) -> impl Future<Output = Result<()>> + Send;
}

/// Reads, decodes and sends until the log ends, the receiver is gone, or something fails. A batch has at most `batch_bytes`
/// bytes of log, or one event.
///
/// # Errors
/// The reader's, the decoder's (definite) or the schema history's. When a part of a transaction had been sent, the receiver
/// has been told to forget it.
pub(crate) async fn follow(
    reader: impl EventReader,
    decoder: Decoder,
    batch_bytes: usize,
    history: &SchemaHistory,
    out: &BatchSender,
) -> Result<()> {
    stages::run(|pieces| read(reader, batch_bytes, pieces), decoder, history, out).await
}

impl PieceDecoder for Decoder {
    type Note = ();

    fn decode(&mut self, log: Vec<u8>, (): ()) -> Result<Batch> {
        Batch::decode(log, |log, arena, events| Decoder::decode(self, log, arena, events))
            .map_err(decode_error)
    }

    fn take_rest(&mut self) -> Option<Vec<u8>> {
        Decoder::take_rest(self)
    }
}

/// Events collected so far.
struct Collected {
    log: Vec<u8>,
    /// Length of the whole events.
    complete: usize,
    /// Length up to the last place outside of a transaction.
    outside: usize,
    /// Length of the transactions before a statement that is to stand alone; 0 for none.
    before_statement: usize,
    /// Whether the last transaction, which may still be open, has such a statement.
    has_statement: bool,
    tracker: TransactionTracker,
    /// Size of the piece before: a guess at what this one will need.
    former: usize,
    /// A piece of whole transactions is cut at this size…
    target: usize,
    /// …and one of a single transaction at this.
    largest: usize,
}

impl Collected {
    fn new(batch_bytes: usize) -> Self {
        Collected {
            target: TARGET.min(batch_bytes),
            largest: batch_bytes,
            log: Vec::new(),
            complete: 0,
            outside: 0,
            before_statement: 0,
            has_statement: false,
            tracker: TransactionTracker::default(),
            former: 0,
        }
    }

    /// Takes note of the event at the end.
    ///
    /// # Errors
    /// When it is none: its length does not agree with the one it says, or it has no header.
    fn event_complete(&mut self) -> Result<()> {
        let event = self.log.get(self.complete..).unwrap_or_default();
        let header = EventHeader::parse(event)
            .ok()
            .filter(|header| header.length as usize == event.len())
            .ok_or_else(|| Error::definite("what came as an event is none: its length is wrong"))?;
        if self.tracker.observe(&header, event) && !self.has_statement {
            self.before_statement = self.outside;
            self.has_statement = true;
        }
        self.complete = self.log.len();
        if self.tracker.is_outside() {
            self.outside = self.complete;
        }
        Ok(())
    }

    /// Where to cut now whatever happens next; `None`: collect more.
    fn due(&self) -> Option<usize> {
        if self.before_statement > 0 {
            Some(self.before_statement)
        } else if self.outside > 0 && (self.has_statement || self.outside >= self.target) {
            Some(self.outside)
        } else if self.complete >= self.largest {
            Some(if self.outside > 0 { self.outside } else { self.complete })
        } else {
            None
        }
    }

    /// Takes the first `length` bytes; the rest stays.
    fn cut(&mut self, length: usize) -> Vec<u8> {
        let rest = self.log.get(length..).unwrap_or_default();
        let mut next = Vec::with_capacity(self.former.clamp(SMALLEST, TARGET + TARGET / 8).max(rest.len()));
        next.extend_from_slice(rest);
        self.former = length;
        if self.before_statement > 0 {
            self.before_statement = self.before_statement.saturating_sub(length);
        } else if length >= self.outside && self.outside > 0 {
            self.has_statement = false;
        }
        self.complete -= length;
        self.outside = self.outside.saturating_sub(length);
        let mut piece = mem::replace(&mut self.log, next);
        piece.truncate(length);
        piece
    }
}

async fn read(mut reader: impl EventReader, batch_bytes: usize, pieces: Pieces) -> Result<()> {
    let mut collected = Collected::new(batch_bytes);
    let end = collect(&mut reader, &mut collected, &pieces).await;
    // What is whole is worth having, however the reading ended.
    if collected.outside > 0 {
        pieces.send(collected.cut(collected.outside)).await;
    }
    end
}

async fn collect(reader: &mut impl EventReader, collected: &mut Collected, pieces: &Pieces) -> Result<()> {
    loop {
        match reader.next(&mut collected.log)? {
            Next::Event => {
                collected.event_complete()?;
                while let Some(length) = collected.due() {
                    if !pieces.send(collected.cut(length)).await {
                        return Ok(());
                    }
                }
            }
            Next::Wait if collected.outside == 0 => tokio::select! {
                more = reader.wait() => more?,
                () = pieces.closed() => return Ok(()),
            },
            Next::Wait => tokio::select! {
                biased;
                more = reader.wait() => more?,
                is_taken = pieces.idle() => {
                    if !is_taken || !pieces.send(collected.cut(collected.outside)).await {
                        return Ok(());
                    }
                }
            },
            Next::End => return Ok(()),
        }
    }
}

/// A decoder's error, which names object and position by itself.
pub(crate) fn decode_error(error: DecodeError) -> Error {
    let remedy = error.reason.remedy();
    Error::definite("the log cannot be decoded").caused_by(error).remedy(remedy)
}
