//! Events together with the buffers they borrow from.
//!
//! A source cuts its log into pieces that hold whole transactions, or a part of one large transaction, and decodes each
//! piece at once: a batch owns the piece of the log and one arena, and its events borrow from both. It can be
//! sent between threads and shared by them.

use self_cell::self_cell;

use crate::{
    arena::{Arena, ArenaPool},
    event::Event,
    position::Position,
};

type Events<'a> = Vec<Event<'a>>;

struct Buffers {
    log: Vec<u8>,
    arena: ArenaPool,
}

self_cell!(
    struct Owned {
        owner: Buffers,
        #[covariant]
        dependent: Events,
    }
);

/// What is known of a batch as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchSummary {
    /// Where the log continues after the batch, when the batch ends outside of a transaction. `None`: the
    /// transaction goes on in the next batch.
    pub resume: Option<Position>,
    /// Number of row changes.
    pub row_changes: u64,
    /// Time of the last event, in microseconds since 1970-01-01 UTC; 0 when no event had one.
    pub time_micros: i64,
    /// Bytes in memory, of the log's piece and of the arena.
    pub bytes: usize,
}

/// Decoded events that own what they borrow.
pub struct Batch {
    owned: Owned,
    summary: BatchSummary,
}

/// What a decoding function reports beside the events it pushed.
#[derive(Clone, Debug, Default)]
pub struct Decoded {
    /// See [`BatchSummary::resume`].
    pub resume: Option<Position>,
    /// See [`BatchSummary::row_changes`].
    pub row_changes: u64,
    /// See [`BatchSummary::time_micros`].
    pub time_micros: i64,
}

impl Batch {
    /// Decodes a piece of a log. `decode` gets the piece, the arena and the vector to push events to.
    ///
    /// # Errors
    /// Whatever `decode` returns.
    pub fn decode<E>(
        log: Vec<u8>,
        decode: impl for<'a> FnOnce(&'a [u8], &Arena<'a>, &mut Vec<Event<'a>>) -> Result<Decoded, E>,
    ) -> Result<Self, E> {
        let mut decoded = Decoded::default();
        let mut arena_bytes = 0;
        let owned = Owned::try_new(Buffers { log, arena: ArenaPool::new() }, |buffers| {
            let arena = buffers.arena.arena();
            let mut events = Vec::new();
            decoded = decode(&buffers.log, &arena, &mut events)?;
            arena_bytes = arena.allocated_bytes();
            Ok(events)
        })?;
        let bytes = owned.borrow_owner().log.capacity() + arena_bytes;
        let Decoded { resume, row_changes, time_micros } = decoded;
        Ok(Batch { owned, summary: BatchSummary { resume, row_changes, time_micros, bytes } })
    }

    /// The events, in the order of the log.
    #[must_use]
    pub fn events(&self) -> &[Event<'_>] {
        self.owned.borrow_dependent()
    }

    /// What is known of the batch as a whole.
    #[must_use]
    pub fn summary(&self) -> &BatchSummary {
        &self.summary
    }
}
