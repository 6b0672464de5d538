//! Frames collected into a piece, and where it is cut.

use std::mem;

use crate::sources::stages::{SMALLEST, TARGET};

/// Frames collected so far.
pub(super) struct Collected {
    log: Vec<u8>,
    /// Length up to the last place outside of a transaction.
    outside: usize,
    /// Whether the transaction that is open, or was last, changes definitions.
    has_statement: bool,
    /// Size of the piece before: a guess at what this one will need.
    former: usize,
    /// A piece of whole transactions is cut at this size…
    target: usize,
    /// …and one of a single transaction at this.
    largest: usize,
}

impl Collected {
    /// Nothing yet. A batch has at most `batch_bytes`, or one frame.
    pub(super) fn new(batch_bytes: usize) -> Self {
        Collected {
            log: Vec::new(),
            outside: 0,
            has_statement: false,
            former: 0,
            target: TARGET.min(batch_bytes),
            largest: batch_bytes,
        }
    }

    /// Adds a frame.
    pub(super) fn push(&mut self, frame: &[u8]) {
        self.log.extend_from_slice(frame);
    }

    /// What was added last ends a transaction, or stands outside of one.
    pub(super) fn is_outside(&mut self) {
        self.outside = self.log.len();
    }

    /// What comes next changes definitions.
    pub(super) fn statement(&mut self) {
        self.has_statement = true;
    }

    /// Bytes of whole transactions.
    pub(super) fn outside(&self) -> usize {
        self.outside
    }

    /// All bytes.
    pub(super) fn len(&self) -> usize {
        self.log.len()
    }

    /// Where to cut now whatever comes next; `None`: collect more.
    #[inline]
    pub(super) fn due(&self) -> Option<usize> {
        if self.outside > 0 && (self.outside >= self.target || self.has_statement) {
            Some(self.outside)
        } else if self.log.len() >= self.largest {
            Some(if self.outside > 0 { self.outside } else { self.log.len() })
        } else {
            None
        }
    }

    /// Takes the first `length` bytes; the rest stays.
    pub(super) fn cut(&mut self, length: usize) -> Vec<u8> {
        let rest = self.log.get(length..).unwrap_or_default();
        let mut next = Vec::with_capacity(self.former.clamp(SMALLEST, TARGET + TARGET / 8).max(rest.len()));
        next.extend_from_slice(rest);
        self.former = length;
        if length >= self.outside && self.outside > 0 {
            self.has_statement = false;
        }
        self.outside = self.outside.saturating_sub(length);
        let mut piece = mem::replace(&mut self.log, next);
        piece.truncate(length);
        piece
    }
}
