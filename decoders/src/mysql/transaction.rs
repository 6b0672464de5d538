//! Where the decoder stands in the log and in the current transaction.

use std::sync::Arc;

use crate::mysql::framing::EventHeader;
use crate::{
    mysql::event_type as types,
    position::{Executed, LogPosition, Position, TransactionId},
};

/// The place in the log, counted in 64 bits although event headers have 32.
#[derive(Clone, Debug)]
pub(super) struct Place {
    file: Arc<str>,
    /// Where the current event starts.
    start: u64,
    /// Where the next event starts.
    next: u64,
}

impl Place {
    pub(super) fn new(file: Arc<str>, offset: u64) -> Self {
        Place { file, start: offset, next: offset }
    }

    /// Moves behind an event. Events that the server makes for the reader are not in the file and move nothing.
    pub(super) fn advance(&mut self, header: &EventHeader) {
        self.start = self.next;
        if header.log_pos == 0 || header.flags & types::FLAG_ARTIFICIAL != 0 {
            return;
        }
        // The header's low 32 bits wrap in files of 4 GiB and more; the log only moves forward.
        const WRAP: u64 = 1 << 32;
        let mut end = self.next & !(WRAP - 1) | u64::from(header.log_pos);
        if end < self.next {
            // A damaged ROTATE may have put the place at the end of all numbers.
            end = end.saturating_add(WRAP);
        }
        self.start = end.saturating_sub(u64::from(header.length));
        self.next = end;
    }

    /// Moves to another file, or to a place that a heartbeat tells.
    pub(super) fn jump(&mut self, file: &str, offset: u64) {
        if *self.file != *file {
            self.file = file.into();
        }
        (self.start, self.next) = (offset, offset);
    }

    /// Where the current event starts.
    pub(super) fn start(&self) -> LogPosition {
        LogPosition::Binlog { file: Arc::clone(&self.file), offset: self.start }
    }

    /// Where the log continues behind the current event.
    pub(super) fn next(&self) -> LogPosition {
        LogPosition::Binlog { file: Arc::clone(&self.file), offset: self.next }
    }
}

/// What has been read of the current transaction.
#[derive(Clone, Debug, Default)]
pub(super) struct Transaction {
    pub(super) state: State,
    /// What the GTID event before it says.
    pub(super) id: Option<TransactionId>,
    /// When it was committed, where the log says it, in microseconds since 1970-01-01 UTC.
    pub(super) commit_micros: Option<i64>,
    /// Number of row changes so far, those of tables that are not selected included.
    pub(super) sequence: u64,
    /// It is the first part of an ALTER in two, or the end of one that failed: its statement does not count.
    pub(super) skips_statement: bool,
}

/// Where in a transaction the log stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    #[default]
    Outside,
    /// Between a GTID and what it announces.
    Announced,
    /// Behind BEGIN.
    Open,
    /// In rows that no BEGIN preceded: their statement is the transaction.
    Bare,
    /// Behind XA START.
    Distributed,
}

/// The transactions before the current place.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    executed: Option<Executed>,
    /// What the file's first events say of the files before it. A server that gives its transactions no GTIDs writes them as
    /// well, so that they count from the first transaction that has one.
    before_file: Option<Executed>,
}

impl History {
    pub(super) fn new(executed: Option<Executed>) -> Self {
        History { executed, before_file: None }
    }

    /// What a file's first events say of the files before it; does not replace what is known already.
    pub(super) fn learn(&mut self, executed: Executed) {
        if self.executed.is_none() {
            self.before_file = Some(executed);
        }
    }

    /// A transaction without a GTID: a set would not tell that it was passed.
    pub(super) fn add_anonymous(&mut self) {
        *self = History::default();
    }

    /// Adds a transaction. When it is not known which ones came before, one alone would say something wrong.
    pub(super) fn add(&mut self, transaction: &TransactionId) {
        if self.executed.is_none() {
            self.executed = self.before_file.take();
        }
        if let Some(executed) = &mut self.executed {
            executed.add(transaction);
        }
    }

    pub(super) fn position(&self, log: LogPosition) -> Position {
        Position { log, executed: self.executed.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_at_the_end_of_all_numbers_does_not_overflow() {
        let mut place = Place::new("binlog.000001".into(), 4);
        place.jump("binlog.000002", u64::MAX - 1);
        let header =
            EventHeader { timestamp: 0, event_type: 2, server_id: 1, length: 100, log_pos: 200, flags: 0 };
        place.advance(&header);
        assert_eq!(place.next(), LogPosition::Binlog { file: "binlog.000002".into(), offset: u64::MAX });
    }

    #[test]
    fn offsets_go_on_past_4_gib() {
        let mut place = Place::new("binlog.000001".into(), u64::from(u32::MAX) - 50);
        let header =
            EventHeader { timestamp: 0, event_type: 2, server_id: 1, length: 100, log_pos: 49, flags: 0 };
        place.advance(&header);
        assert_eq!(
            place.next(),
            LogPosition::Binlog { file: "binlog.000001".into(), offset: (1 << 32) + 49 }
        );
    }
}
