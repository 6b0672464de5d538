//! Where the decoder puts what it decodes, for the time of one call.

use std::sync::Arc;

use crate::{
    arena::Arena,
    event::{Event, RowChange, Rows},
    position::LogPosition,
    schema::Table,
};

/// What rows of one event have in common.
pub(super) struct Run {
    pub(super) table: Arc<Table>,
    pub(super) position: LogPosition,
    pub(super) time_micros: i64,
    /// Row changes of the transaction before these ones.
    pub(super) sequence: u64,
}

/// Events, and the memory behind them.
pub(super) struct Output<'a, 'o> {
    pub(super) arena: &'o Arena<'a>,
    events: &'o mut Vec<Event<'a>>,
    /// Rows of one table, until another event comes.
    changes: Vec<RowChange<'a>>,
    run: Option<Run>,
    pub(super) row_changes: u64,
    /// What the arena may have allocated.
    limit: usize,
}

impl<'a, 'o> Output<'a, 'o> {
    /// Output that is full after about `bytes` more bytes of the arena.
    pub(super) fn new(arena: &'o Arena<'a>, events: &'o mut Vec<Event<'a>>, bytes: usize) -> Self {
        let limit = arena.allocated_bytes().saturating_add(bytes);
        Output { arena, events, changes: Vec::new(), run: None, row_changes: 0, limit }
    }

    #[inline]
    pub(super) fn is_full(&self) -> bool {
        let of_changes = self.changes.len() * size_of::<RowChange<'_>>();
        self.arena.allocated_bytes().saturating_add(of_changes) > self.limit
    }

    /// Adds a row change to those of the same table before it.
    #[inline]
    pub(super) fn row(&mut self, table: &Arc<Table>, change: RowChange<'a>, run: impl FnOnce() -> Run) {
        if !self.run.as_ref().is_some_and(|run| Arc::ptr_eq(&run.table, table)) {
            self.flush();
            self.run = Some(run());
        }
        self.changes.push(change);
        self.row_changes += 1;
    }

    /// Adds an event behind the rows so far.
    pub(super) fn event(&mut self, event: Event<'a>) {
        self.flush();
        self.events.push(event);
    }

    /// Ends the rows event that is open.
    pub(super) fn flush(&mut self) {
        let Some(Run { table, position, time_micros, sequence }) = self.run.take() else { return };
        self.events.push(Event::Rows(Rows {
            table,
            position,
            time_micros,
            sequence,
            unlogged_cascades: false,
            changes: self.arena.slice(&self.changes),
        }));
        self.changes.clear();
    }
}
