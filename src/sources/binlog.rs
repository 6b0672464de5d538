//! From raw binlog events to batches: what reading from a server and reading files have in common.
//!
//! Three stages run at the same time. The reader collects events into pieces and cuts them where a batch may end. The decoder
//! decodes each piece: a large one on a thread for long work, a small one on the spot, since the way to another thread and
//! back takes longer. The sender records schema changes and hands the batches on. The first queue is bounded in bytes, the
//! second in number, and the last one is the pipeline's: a slow destination slows the reader.
//!
//! **Where a piece is cut.** Behind a transaction, as soon as it has [`TARGET`] bytes; or earlier, when no more of the log is
//! there and the decoder has nothing to do: an idle task shows a change at once, a busy one works with large pieces. Inside
//! a transaction only when it has as many bytes as a batch may have, so that no transaction has to fit into memory. And around a statement
//! with its transaction, which mostly is a change of definitions: a destination that cannot take it back has nothing else to
//! keep account of then.

use std::{future::Future, mem, sync::Arc};

use slackwater_decoders::{
    batch::Batch,
    event::{Event, SchemaChange},
    mysql::{
        Decoder, DecoderOptions,
        catalog::Catalog,
        error::DecodeError,
        framing::{EventHeader, TransactionTracker},
    },
    position::{LogPosition, Position},
    schema::TableName,
};
use tokio::{sync::mpsc, task::spawn_blocking};

use crate::{
    error::{Error, Result},
    pipeline::queue::{BatchSender, MemoryPermit, MemoryQuota},
    positions::SchemaHistory,
};

/// Bytes of log that a batch has at most, unless set.
pub(crate) const BATCH_BYTES: usize = 1024 * 1024;
/// A piece of whole transactions is cut at this size, if the task's batches may be larger.
const TARGET: usize = 256 * 1024;
/// Bytes that may wait for the decoder. One larger event passes alone.
const READ_AHEAD: u64 = 8 * 1024 * 1024;
/// Pieces up to this size, in bytes, are decoded on the spot, which takes some 20 microseconds.
const ON_THE_SPOT: usize = 16 * 1024;
/// The smallest piece of memory to start a piece of log with.
const SMALLEST: usize = 4 * 1024;

/// A decoder for the log from a position on. `batch_bytes` of a compressed transaction, once decompressed, become one batch.
pub(crate) fn decoder(
    from: &Position,
    catalog: Catalog,
    positional_names: bool,
    batch_bytes: usize,
    selected: impl Fn(&TableName) -> bool + Send + 'static,
) -> Decoder {
    let LogPosition::Binlog { file, offset } = &from.log;
    Decoder::new(DecoderOptions {
        file: Arc::clone(file),
        offset: *offset,
        executed: from.executed.clone(),
        catalog,
        selected: Box::new(selected),
        positional_names,
        payload_bytes: batch_bytes,
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
    let (pieces, to_decode) = mpsc::channel(2);
    let (decoded, batches) = mpsc::channel(1);
    let mut sender = Sender { history, out, schema_changes: Vec::new(), inside_transaction: false };
    let (read, sent) = {
        let reading = read(reader, batch_bytes, pieces);
        let mut producing =
            std::pin::pin!(async { tokio::join!(reading, decode(decoder, to_decode, decoded)) });
        let mut sending = std::pin::pin!(sender.send_all(batches));
        let mut finished = None;
        let sent = loop {
            tokio::select! {
                // In the order in which an event passes, which it does at once then.
                biased;
                (read, decoded) = &mut producing, if finished.is_none() => finished = Some(decoded.and(read)),
                // Nobody wants more: reading, which may wait for an idle log, is dropped.
                sent = &mut sending => break sent,
            }
        };
        (finished.unwrap_or(Ok(())), sent)
    };
    if sender.inside_transaction && !out.rewind().await {
        return Ok(());
    }
    // What the decoder says comes from earlier in the log than what the reader met meanwhile.
    sent.and(read)
}

/// A piece of the log on its way to the decoder, with its share of the read-ahead.
struct Piece {
    log: Vec<u8>,
    memory: MemoryPermit,
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

async fn read(mut reader: impl EventReader, batch_bytes: usize, pieces: mpsc::Sender<Piece>) -> Result<()> {
    let quota = MemoryQuota::new(READ_AHEAD);
    let mut collected = Collected::new(batch_bytes);
    let end = collect(&mut reader, &mut collected, &pieces, &quota).await;
    // What is whole is worth having, however the reading ended.
    if collected.outside > 0 {
        send_piece(collected.cut(collected.outside), &pieces, &quota).await;
    }
    end
}

async fn collect(
    reader: &mut impl EventReader,
    collected: &mut Collected,
    pieces: &mpsc::Sender<Piece>,
    quota: &MemoryQuota,
) -> Result<()> {
    loop {
        match reader.next(&mut collected.log)? {
            Next::Event => {
                collected.event_complete()?;
                while let Some(length) = collected.due() {
                    if !send_piece(collected.cut(length), pieces, quota).await {
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
                idle = pieces.reserve_many(pieces.max_capacity()) => {
                    let Ok(mut places) = idle else { return Ok(()) };
                    let log = collected.cut(collected.outside);
                    let memory = quota.take(log.len()).await;
                    if let Some(place) = places.next() {
                        place.send(Piece { log, memory });
                    }
                }
            },
            Next::End => return Ok(()),
        }
    }
}

/// `false`: nobody takes pieces any more.
async fn send_piece(log: Vec<u8>, pieces: &mpsc::Sender<Piece>, quota: &MemoryQuota) -> bool {
    let memory = quota.take(log.len()).await;
    pieces.send(Piece { log, memory }).await.is_ok()
}

type DecodedPiece = Result<(Batch, Option<MemoryPermit>), DecodeError>;

/// Decodes until there are no more pieces, nobody takes the batches, or a piece cannot be decoded.
async fn decode(
    decoder: Decoder,
    mut pieces: mpsc::Receiver<Piece>,
    batches: mpsc::Sender<DecodedPiece>,
) -> Result<()> {
    let mut decoder = Box::new(decoder);
    while let Some(Piece { log, memory }) = pieces.recv().await {
        let mut on_the_spot = log.len() <= ON_THE_SPOT;
        let mut rest = Some(log);
        // The share of the read-ahead goes with the last batch of the piece.
        let mut memory = Some(memory);
        while let Some(log) = rest.take() {
            let batch;
            (decoder, batch) = if on_the_spot {
                decode_piece(decoder, log)
            } else {
                spawn_blocking(move || decode_piece(decoder, log))
                    .await
                    .map_err(|error| Error::definite("decoding was broken off").caused_by(error))?
            };
            let failed = batch.is_err();
            // A large compressed transaction comes in several batches, and may be small before it is decompressed.
            rest = if failed { None } else { decoder.take_rest() };
            on_the_spot = false;
            let memory = if rest.is_none() { memory.take() } else { None };
            if batches.send(batch.map(|batch| (batch, memory))).await.is_err() || failed {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The decoder goes from thread to thread with its work.
fn decode_piece(mut decoder: Box<Decoder>, log: Vec<u8>) -> (Box<Decoder>, Result<Batch, DecodeError>) {
    let batch = Batch::decode(log, |log, arena, events| decoder.decode(log, arena, events));
    (decoder, batch)
}

struct Sender<'a> {
    history: &'a SchemaHistory,
    out: &'a BatchSender,
    /// What was not recorded yet because no position behind it was known.
    schema_changes: Vec<SchemaChange>,
    /// Whether the last batch that was sent ends inside a transaction.
    inside_transaction: bool,
}

impl Sender<'_> {
    async fn send_all(&mut self, mut batches: mpsc::Receiver<DecodedPiece>) -> Result<()> {
        loop {
            let decoded = tokio::select! {
                decoded = batches.recv() => decoded,
                // An idle log brings nothing whose sending would fail.
                () = self.out.closed() => {
                    self.inside_transaction = false;
                    return Ok(());
                }
            };
            let Some(decoded) = decoded else { return Ok(()) };
            let (batch, memory) = decoded.map_err(decode_error)?;
            self.record_schema_changes(&batch)?;
            let inside = batch.summary().resume.is_none();
            if !self.out.send(batch).await {
                self.inside_transaction = false;
                return Ok(());
            }
            self.inside_transaction = inside;
            drop(memory);
        }
    }

    /// Tasks resume at the ends of batches alone: that is where the changes of a batch come into effect.
    fn record_schema_changes(&mut self, batch: &Batch) -> Result<()> {
        for event in batch.events() {
            if let Event::Ddl(ddl) = event {
                self.schema_changes.extend(ddl.changes.iter().cloned());
            }
        }
        match &batch.summary().resume {
            Some(behind) if !self.schema_changes.is_empty() => {
                self.history.record(behind, &self.schema_changes)?;
                self.schema_changes.clear();
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// A decoder's error, which names object and position by itself.
pub(crate) fn decode_error(error: DecodeError) -> Error {
    let remedy = error.reason.remedy();
    Error::definite("the log cannot be decoded").caused_by(error).remedy(remedy)
}
