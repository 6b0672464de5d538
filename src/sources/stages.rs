//! From a log's bytes to batches: what all logs have in common.
//!
//! Three stages run at the same time, in one task ([`Together`]). The reader collects the log into pieces and cuts them where a batch may end. The decoder
//! decodes each piece: a large one on a thread for long work, a small one on the spot, since the way to another thread and
//! back takes longer. The sender records schema changes and hands the batches on. The first queue is bounded in bytes, the
//! second in number, and the last one is the pipeline's: a slow destination slows the reader.
//!
//! **Where a piece is to be cut.** Behind a transaction, as soon as it has [`TARGET`] bytes; or earlier, when no more of the log is
//! there and the decoder has nothing to do ([`Pieces::idle`]): an idle task shows a change at once, a busy one works with large
//! pieces. Inside a transaction only when it has as many bytes as a batch may have, so that no transaction has to fit into memory.
//! And around a statement with its transaction, which mostly is a change of definitions: a destination that cannot take it back
//! has nothing else to keep account of then.

use std::future::{Future, ready};

use slackwater_decoders::{
    batch::Batch,
    event::{Event, SchemaChange},
};
use tokio::{sync::mpsc, task::spawn_blocking};

use super::together::Together;
use crate::{
    error::{Error, Result},
    pipeline::queue::{BatchSender, MemoryPermit, MemoryQuota},
    positions::SchemaHistory,
};

/// Bytes of log that a batch has at most, unless set.
pub(crate) const BATCH_BYTES: usize = 1024 * 1024;
/// A piece of whole transactions is cut at this size, if the task's batches may be larger.
pub(crate) const TARGET: usize = 256 * 1024;
/// The smallest piece of memory to start a piece of log with.
pub(crate) const SMALLEST: usize = 4 * 1024;
/// Bytes that may wait for the decoder. One larger event passes alone.
const READ_AHEAD: u64 = 8 * 1024 * 1024;
/// Pieces up to this size, in bytes, are decoded on the spot, which takes some 20 microseconds.
const ON_THE_SPOT: usize = 16 * 1024;

/// Decodes pieces, one after the other. It goes from thread to thread with its work.
pub(crate) trait PieceDecoder: Send + 'static {
    /// What the reader says of a piece beside its bytes.
    type Note: Send + Default;

    /// Decodes a piece, or its beginning.
    ///
    /// # Errors
    /// When it cannot be decoded. Nothing is decoded afterwards.
    fn decode(&mut self, log: Vec<u8>, note: Self::Note) -> Result<Batch>;

    /// What of the last piece is still to be decoded.
    fn take_rest(&mut self) -> Option<Vec<u8>>;

    /// Gets what the rest cannot be decoded without, which takes asking somebody.
    ///
    /// # Errors
    /// When it cannot be got.
    fn supply(&mut self) -> impl Future<Output = Result<()>> + Send {
        ready(Ok(()))
    }
}

/// A piece of the log on its way to the decoder, with its share of the read-ahead.
struct Piece<N> {
    log: Vec<u8>,
    note: N,
    memory: MemoryPermit,
}

/// Where the reader puts pieces.
pub(crate) struct Pieces<N> {
    sender: mpsc::Sender<Piece<N>>,
    quota: MemoryQuota,
}

impl<N: Default> Pieces<N> {
    /// Hands a piece on, once there is room. `false`: nobody takes pieces any more.
    pub(crate) async fn send(&self, log: Vec<u8>) -> bool {
        self.send_with(log, N::default()).await
    }

    /// [`send`](Self::send), with something to say of the piece.
    pub(crate) async fn send_with(&self, log: Vec<u8>, note: N) -> bool {
        let memory = self.quota.take(log.len()).await;
        self.sender.send(Piece { log, note, memory }).await.is_ok()
    }

    /// Waits until the decoder has nothing to do. `false`: nobody takes pieces any more.
    pub(crate) async fn idle(&self) -> bool {
        self.sender.reserve_many(self.sender.max_capacity()).await.is_ok()
    }

    /// Waits until nobody takes pieces any more.
    pub(crate) async fn closed(&self) {
        self.sender.closed().await;
    }
}

/// Reads, decodes and sends until the log ends, the receiver is gone, or something fails.
///
/// # Errors
/// The reader's, the decoder's or the schema history's. When a part of a transaction had been sent, the receiver
/// has been told to forget it.
pub(crate) async fn run<D: PieceDecoder, R: Future<Output = Result<()>>>(
    read: impl FnOnce(Pieces<D::Note>) -> R,
    decoder: D,
    history: &SchemaHistory,
    out: &BatchSender,
) -> Result<()> {
    Together::new(run_stages(read, decoder, history, out)).await
}

async fn run_stages<D: PieceDecoder, R: Future<Output = Result<()>>>(
    read: impl FnOnce(Pieces<D::Note>) -> R,
    decoder: D,
    history: &SchemaHistory,
    out: &BatchSender,
) -> Result<()> {
    let (pieces, to_decode) = mpsc::channel(2);
    let (decoded, batches) = mpsc::channel(1);
    let mut sender = Sender { history, out, schema_changes: Vec::new(), inside_transaction: false };
    let (read, sent) = {
        let reading = read(Pieces { sender: pieces, quota: MemoryQuota::new(READ_AHEAD) });
        let mut producing =
            std::pin::pin!(async { tokio::join!(reading, decode(decoder, to_decode, decoded)) });
        let mut sending = std::pin::pin!(sender.send_all(batches));
        let mut finished = None;
        let sent = loop {
            tokio::select! {
                // In the order in which an event passes, which it does at once then.
                biased;
                (read, ()) = &mut producing, if finished.is_none() => finished = Some(read),
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

type DecodedPiece = Result<(Batch, Option<MemoryPermit>)>;

/// Decodes until there are no more pieces, nobody takes the batches, or something fails. What fails is told behind the batches before it:
/// without a word, their end would be that of the log.
async fn decode<D: PieceDecoder>(
    decoder: D,
    pieces: mpsc::Receiver<Piece<D::Note>>,
    batches: mpsc::Sender<DecodedPiece>,
) {
    if let Err(error) = decode_all(decoder, pieces, &batches).await {
        // Nobody listens when the task ends.
        let _ = batches.send(Err(error)).await;
    }
}

async fn decode_all<D: PieceDecoder>(
    decoder: D,
    mut pieces: mpsc::Receiver<Piece<D::Note>>,
    batches: &mpsc::Sender<DecodedPiece>,
) -> Result<()> {
    let mut decoder = Box::new(decoder);
    while let Some(Piece { log, note, memory }) = pieces.recv().await {
        let mut on_the_spot = log.len() <= ON_THE_SPOT;
        let mut rest = Some((log, note));
        // The share of the read-ahead goes with the last batch of the piece.
        let mut memory = Some(memory);
        while let Some((log, note)) = rest.take() {
            let batch;
            (decoder, batch) = if on_the_spot {
                decode_piece(decoder, log, note)
            } else {
                spawn_blocking(move || decode_piece(decoder, log, note))
                    .await
                    .map_err(|error| Error::definite("decoding was broken off").caused_by(error))?
            };
            let failed = batch.is_err();
            // What a piece becomes in memory may be much more than it is in the log.
            rest = if failed { None } else { decoder.take_rest().map(|log| (log, D::Note::default())) };
            on_the_spot = false;
            let memory = if rest.is_none() { memory.take() } else { None };
            if batches.send(batch.map(|batch| (batch, memory))).await.is_err() || failed {
                return Ok(());
            }
            decoder.supply().await?;
        }
    }
    Ok(())
}

fn decode_piece<D: PieceDecoder>(
    mut decoder: Box<D>,
    log: Vec<u8>,
    note: D::Note,
) -> (Box<D>, Result<Batch>) {
    let batch = decoder.decode(log, note);
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
            let (batch, memory) = decoded?;
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
