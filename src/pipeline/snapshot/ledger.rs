//! The account of one table's copy: what was read, what the destination holds, what is recorded.
//!
//! Several loaders work on one table at once, so that its blocks finish out of order. Recorded is the end of the last block that
//! the destination holds with everything before it. Behind it, at most the blocks on their way are loaded again after a kill.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use slackwater_decoders::{
    position::Position,
    schema::{Table, TableName},
};
use tokio::sync::Notify;

use super::progress::{Step, TableState, TableStatus};
use crate::{
    error::Error,
    positions::{CopyState, TableCopy},
    sources::snapshot::{Bound, CopyPoint, TableReader},
};

/// The account of one table's copy.
pub(crate) struct Ledger {
    table: TableName,
    target: TableName,
    account: Mutex<Account>,
    settled: Notify,
}

struct Account {
    copy: TableCopy,
    /// Whether the destination's table is known to be as this process made it, without rows of an earlier attempt.
    clean: bool,
    /// Whether rows may be there already that come again.
    again: bool,
    /// The end of the last block that was read.
    read: Option<Bound>,
    /// Blocks handed to the loaders since the copy began (again).
    issued: u64,
    /// Of these, the ones that are loaded or given up.
    settled: u64,
    /// Of these, the ones that are loaded without a gap before them.
    contiguous: u64,
    /// Loaded blocks behind a gap.
    beyond: BTreeMap<u64, Loaded>,
    /// Whether a block may be there twice or not at all, and nothing tells: the copy has to begin again.
    torn: bool,
    torn_by: Option<Error>,
    error: Option<Error>,
    /// When this process began to read, and the rows that were there then.
    since: Option<(Instant, u64)>,
    /// What the reader is at, and since when.
    step: Option<(Step, Instant)>,
}

/// A block that the destination holds.
pub(super) struct Loaded {
    pub(super) end: Option<Bound>,
    pub(super) rows: u64,
    pub(super) bytes: u64,
}

impl Ledger {
    /// The account of a table as it is recorded. `clean`: nothing of it was ever loaded.
    pub(super) fn new(copy: TableCopy, target: TableName, clean: bool) -> Self {
        let account = Account {
            clean,
            again: false,
            read: None,
            issued: 0,
            settled: 0,
            contiguous: 0,
            beyond: BTreeMap::new(),
            torn: false,
            torn_by: None,
            error: None,
            since: None,
            step: None,
            copy,
        };
        Ledger {
            table: account.copy.table.clone(),
            target,
            account: Mutex::new(account),
            settled: Notify::new(),
        }
    }

    /// The table's name at the source.
    pub(super) fn table(&self) -> &TableName {
        &self.table
    }

    /// Its name at the destination.
    pub(super) fn target(&self) -> &TableName {
        &self.target
    }

    /// What is to be recorded now.
    pub(super) fn copy(&self) -> TableCopy {
        self.account().copy.clone()
    }

    /// Whether there is something to do.
    pub(super) fn is_pending(&self) -> bool {
        let account = self.account();
        account.error.is_none() && account.copy.start().is_none()
    }

    pub(super) fn is_gone(&self) -> bool {
        matches!(self.account().copy.state, CopyState::Gone { .. })
    }

    pub(super) fn is_clean(&self) -> bool {
        self.account().clean
    }

    /// Whether rows may be at the destination already that come again.
    pub(super) fn comes_again(&self) -> bool {
        let account = self.account();
        account.again || account.copy.mixed
    }

    /// Where the copy of an earlier process goes on; `None`: it begins.
    pub(super) fn resume_point(&self) -> Option<CopyPoint> {
        let mut account = self.account();
        let CopyState::Begun { start, after, resumable: true } = &account.copy.state else { return None };
        let (start, after) = (start.clone(), after.clone().map(Bound));
        let table = account.copy.definition.clone()?;
        account.again = true;
        account.read.clone_from(&after);
        Some(CopyPoint { table, start, after })
    }

    /// Where a new reader goes on in place of one that was lost; `None`: the copy begins again. A row that was changed meanwhile may
    /// come once more.
    pub(super) fn reading_point(&self) -> Option<CopyPoint> {
        let mut account = self.account();
        let CopyState::Begun { start, resumable: true, .. } = &account.copy.state else { return None };
        let (start, table) = (start.clone(), account.copy.definition.clone()?);
        account.again = true;
        Some(CopyPoint { table, start, after: account.read.clone() })
    }

    /// The destination's table is about to be emptied or made anew: from here on nothing is known of its rows, and where it is made
    /// anew (`definition` is `None`), nothing of its columns.
    pub(super) fn unsettled(&self, definition: Option<Arc<Table>>) {
        let mut account = self.account();
        account.clean = false;
        account.copy.state = CopyState::Waiting;
        (account.copy.rows, account.copy.bytes) = (0, 0);
        account.copy.making = definition.is_none();
        account.copy.definition = definition;
    }

    /// The destination's table was emptied or made anew.
    pub(super) fn cleaned(&self, definition: Option<Arc<Table>>) {
        let mut account = self.account();
        account.clean = true;
        account.again = false;
        account.copy.making = false;
        account.copy.definition = definition;
    }

    /// What was copied so far is void.
    pub(super) fn restarted(&self) {
        let mut account = self.account();
        account.clean = false;
        account.copy.state = CopyState::Waiting;
        (account.copy.rows, account.copy.bytes) = (0, 0);
        account.copy.restarts += 1;
        account.since = Some((Instant::now(), 0));
    }

    /// The first row is about to be read.
    pub(super) fn begun(&self, reader: &dyn TableReader) {
        let mut account = self.account();
        account.clean = false;
        account.copy.definition = Some(Arc::clone(reader.table()));
        account.copy.state =
            CopyState::Begun { start: reader.start().clone(), after: None, resumable: reader.is_resumable() };
        account.read = None;
        (account.issued, account.settled, account.contiguous) = (0, 0, 0);
        account.beyond.clear();
        account.torn = false;
    }

    pub(super) fn reading(&self) {
        let mut account = self.account();
        let rows = account.copy.rows;
        account.since.get_or_insert((Instant::now(), rows));
    }

    /// The reader begins with a step.
    pub(super) fn enter(&self, step: Step) {
        self.account().step = Some((step, Instant::now()));
    }

    /// Takes a block that was read in; its number.
    pub(super) fn issue(&self, end: Option<&Bound>) -> u64 {
        let mut account = self.account();
        if let Some(end) = end {
            account.read = Some(end.clone());
        }
        account.issued += 1;
        account.issued - 1
    }

    /// Number of blocks read; grows with progress.
    pub(super) fn issued(&self) -> u64 {
        self.account().issued
    }

    /// The destination holds a block.
    pub(super) fn loaded(&self, number: u64, block: Loaded) {
        let mut account = self.account();
        account.beyond.insert(number, block);
        let mut next = account.contiguous;
        while let Some(block) = account.beyond.remove(&next) {
            next += 1;
            account.copy.rows += block.rows;
            account.copy.bytes += block.bytes;
            if let (CopyState::Begun { after, .. }, Some(Bound(end))) = (&mut account.copy.state, block.end) {
                *after = Some(end);
            }
        }
        account.contiguous = next;
        account.settled += 1;
        self.settled.notify_waiters();
    }

    /// Nobody knows if a block is there, and its rows cannot be told from others.
    pub(super) fn tear(&self, error: Error) {
        let mut account = self.account();
        account.torn = true;
        account.torn_by = Some(error);
    }

    /// Whether loading on is of use.
    pub(super) fn is_void(&self) -> bool {
        let account = self.account();
        account.torn || account.error.is_some()
    }

    /// Why the copy has to begin again, once.
    pub(super) fn torn_by(&self) -> Option<Error> {
        self.account().torn_by.take()
    }

    /// A block will not be loaded.
    pub(super) fn given_up(&self) {
        self.account().settled += 1;
        self.settled.notify_waiters();
    }

    /// Waits until no block is on its way. Whether the destination holds all that were read.
    pub(super) async fn drained(&self) -> bool {
        loop {
            let settled = self.settled.notified();
            {
                let account = self.account();
                if account.settled == account.issued {
                    return account.contiguous == account.issued;
                }
            }
            settled.await;
        }
    }

    /// The destination holds all rows.
    pub(super) fn copied(&self) {
        let mut account = self.account();
        if let CopyState::Begun { start, .. } = &account.copy.state {
            account.copy.state = CopyState::Copied { start: start.clone() };
            // Of use to go on with a copy alone; of ten thousand tables it would be kept in memory to the end of the task.
            account.copy.definition = None;
        }
    }

    /// There is no such table, and was none at `start`.
    pub(super) fn gone(&self, start: Position) {
        let mut account = self.account();
        account.copy.state = CopyState::Gone { start };
        account.copy.definition = None;
        (account.copy.rows, account.copy.bytes) = (0, 0);
    }

    /// The table cannot be copied in this run. The first reason stays.
    pub(super) fn fail(&self, error: Error) {
        self.account().error.get_or_insert(error);
    }

    pub(super) fn has_failed(&self) -> bool {
        self.account().error.is_some()
    }

    /// Why it failed, in one line.
    pub(super) fn error(&self) -> Option<String> {
        self.account().error.as_ref().map(ToString::to_string)
    }

    pub(super) fn status(&self) -> TableStatus {
        let account = self.account();
        let copy = &account.copy;
        let state = match (&account.error, &copy.state) {
            (Some(_), _) => TableState::Failed,
            (None, CopyState::Copied { .. }) => TableState::Copied,
            (None, CopyState::Gone { .. }) => TableState::Gone,
            (None, _) if account.since.is_some() => TableState::Copying,
            (None, _) => TableState::Waiting,
        };
        let rows_per_second = match account.since {
            Some((since, before)) if state == TableState::Copying => {
                copy.rows.saturating_sub(before) as f64 / since.elapsed().as_secs_f64().max(0.001)
            }
            _ => 0.0,
        };
        let left = copy.estimated_rows.saturating_sub(copy.rows);
        TableStatus {
            table: copy.table.to_string(),
            state,
            restarts: copy.restarts,
            rows: copy.rows,
            estimated_rows: copy.estimated_rows,
            bytes: copy.bytes,
            rows_per_second,
            seconds_left: (rows_per_second > 0.0 && left > 0).then(|| left as f64 / rows_per_second),
            step: account
                .step
                .filter(|_| state == TableState::Copying)
                .map(|(step, since)| (step, since.elapsed().as_secs_f64())),
            blocks_on_their_way: account.issued.saturating_sub(account.settled),
            error: account.error.as_ref().map(ToString::to_string),
            weight: copy.estimated_bytes.max(1),
        }
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::pipeline::snapshot::progress::CopyStatus;

    fn block(end: &str) -> Loaded {
        Loaded { end: Some(Bound(end.to_owned())), rows: 10, bytes: 100 }
    }

    #[tokio::test]
    async fn what_is_recorded_has_no_gap_before_it() {
        let begun = CopyState::Begun {
            start: Position::binlog("binlog.000001", 4, None),
            after: None,
            resumable: true,
        };
        let name = TableName::new("shop", "orders");
        let copy = TableCopy { state: begun, ..TableCopy::planned(name.clone(), 30, 300) };
        let ledger = Ledger::new(copy, name, false);
        let after = || match ledger.copy().state {
            CopyState::Begun { after, .. } => after,
            _ => None,
        };
        let numbers = ["10", "20", "30"].map(|end| ledger.issue(Some(&Bound(end.to_owned()))));
        ledger.loaded(numbers[1], block("20"));
        assert_eq!((after(), ledger.copy().rows), (None, 0));
        ledger.loaded(numbers[0], block("10"));
        assert_eq!((after().as_deref(), ledger.copy().rows), (Some("20"), 20));
        ledger.given_up();
        assert!(!ledger.drained().await, "a block that was given up is not there");
        assert_eq!(after().as_deref(), Some("20"));
    }

    #[test]
    fn a_copy_that_does_not_go_on_says_whom_it_waits_for() {
        let name = TableName::new("shop", "orders");
        let ledger = Ledger::new(TableCopy::planned(name.clone(), 30, 300), name, true);
        ledger.enter(Step::Opening);
        assert_eq!(ledger.status().step, None, "it is not being copied");
        ledger.reading();
        ledger.enter(Step::Queueing);
        ledger.issue(Some(&Bound("10".to_owned())));
        let copy = CopyStatus { details: vec![ledger.status()], ..CopyStatus::default() };
        let steps = copy.steps().unwrap();
        assert!(steps.starts_with("shop.orders: waiting for memory or a loader for 0."), "{steps}");
        assert!(steps.ends_with(" s, 1 block on its way"), "{steps}");
    }
}
