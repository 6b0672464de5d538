//! Where the decoder puts what it decodes, for the time of one call.

use crate::{
    arena::Arena,
    event::{Event, RowChange},
};

/// Events, and the memory behind them.
pub(super) struct Output<'a, 'o> {
    pub(super) arena: &'o Arena<'a>,
    pub(super) events: &'o mut Vec<Event<'a>>,
    /// The changes of the current rows event, until their number is known.
    pub(super) changes: Vec<RowChange<'a>>,
    /// What the arena may have allocated.
    limit: usize,
}

impl<'a, 'o> Output<'a, 'o> {
    /// Output that is full after about `bytes` more bytes of the arena.
    pub(super) fn new(arena: &'o Arena<'a>, events: &'o mut Vec<Event<'a>>, bytes: usize) -> Self {
        let limit = arena.allocated_bytes().saturating_add(bytes);
        Output { arena, events, changes: Vec::new(), limit }
    }

    /// Whether it is time to hand over what is there. A small log can say much: a row image without columns takes a bit,
    /// decoded as many cells as the table has columns.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.arena.allocated_bytes() > self.limit
    }
}
