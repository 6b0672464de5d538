//! Building groups from batches.
//!
//! What a batch has is copied as it is folded, as far as it still matters, and the batch is dropped: a group of many changes takes
//! a fraction of the memory that the log takes, decoded. Batches of a transaction whose end is not there are kept as they are
//! until it is: the source may take the transaction back.

use std::{mem, sync::Arc};

use slackwater_decoders::{
    arena::ArenaPool,
    batch::{Batch, BatchSummary},
    event::{Begin, Event},
    position::Position,
};

use super::{
    contents::Contents,
    group::{Folded, Group, GroupSummary, Memory},
    intake::{Intake, Reading, is_behind},
    routes::Routes,
    starts::TableStarts,
};
use crate::{error::Result, mapping::Mapping};

/// How large groups become, and for how many workers.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Number of shares, from 1.
    pub workers: usize,
    /// Bytes of memory at which a group is complete.
    pub bytes: usize,
}

/// A group that is being built.
pub struct GroupBuilder {
    routes: Arc<Routes>,
    limits: Limits,
    contents: Folded,
    summary: GroupSummary,
    /// Whether a batch was folded.
    has_folded: bool,
    /// The transaction that is open behind what was folded.
    transaction: Option<Begin>,
    /// Batches of the transaction that is open behind that.
    open: Vec<Batch>,
    /// Bytes of these.
    open_bytes: usize,
    /// The group before ended inside a transaction.
    continues: bool,
}

impl GroupBuilder {
    /// An empty group. `converging`: see [`Group::is_converging`].
    #[must_use]
    pub fn new(mapping: Arc<Mapping>, limits: Limits, converging: bool) -> Self {
        Self::with_routes(Arc::new(Routes::new(mapping, TableStarts::default())), limits, converging)
    }

    /// An empty group by rules that other groups are built by as well.
    #[must_use]
    pub fn with_routes(routes: Arc<Routes>, limits: Limits, converging: bool) -> Self {
        GroupBuilder {
            routes,
            limits,
            contents: Folded::new(Memory::default(), |_| Contents::default()),
            summary: GroupSummary { converging, ..GroupSummary::default() },
            has_folded: false,
            transaction: None,
            open: Vec::new(),
            open_bytes: 0,
            continues: false,
        }
    }

    /// An empty group behind this one, by the same rules.
    #[must_use]
    pub fn behind(&self) -> Self {
        let mut next = Self::with_routes(Arc::clone(&self.routes), self.limits, self.summary.converging);
        next.transaction = self.open_transaction();
        next.continues = self.is_open();
        next
    }

    /// Nothing that follows is [converging](Group::is_converging). For an empty group.
    pub fn converged(&mut self) {
        self.summary.converging = false;
    }

    /// Takes the changes of a batch in.
    ///
    /// # Errors
    /// Definite when a row image does not fit its table or the rules. Transactions of the batches before this one are still of
    /// use: see [`split`](Self::split).
    pub fn push(&mut self, batch: Batch) -> Result<()> {
        self.push_up_to(batch, None).map(drop)
    }

    /// Takes the transactions of a batch in that lie before `end`, which is the end of a transaction. `true`: the batch has
    /// others, so that the group is complete.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn push_until(&mut self, batch: Batch, end: &Position) -> Result<bool> {
        self.push_up_to(batch, Some(end))
    }

    fn push_up_to(&mut self, batch: Batch, end: Option<&Position>) -> Result<bool> {
        let BatchSummary { resume, bytes, .. } = batch.summary();
        if resume.is_none() {
            let transaction = self.open_transaction();
            let starts_behind =
                |end| batch.events().iter().any(|event| is_behind(event, transaction.as_ref(), end));
            if end.is_some_and(starts_behind) {
                return Ok(true);
            }
            self.open_bytes += bytes;
            self.open.push(batch);
            return Ok(false);
        }
        let mut batches = mem::take(&mut self.open);
        self.open_bytes = 0;
        batches.push(batch);
        self.fold(batches, end)
    }

    /// Folds all of these batches, or, if that fails, none.
    fn fold(&mut self, batches: Vec<Batch>, end: Option<&Position>) -> Result<bool> {
        let Some(last) = batches.last().map(Batch::summary) else { return Ok(false) };
        let arenas = ArenaPool::new();
        let mut transaction = self.transaction.clone();
        let mut intakes = Vec::with_capacity(batches.len());
        for batch in &batches {
            let mut reading = Reading {
                routes: &self.routes,
                converging: self.summary.converging,
                transaction: &mut transaction,
                behind: batch.summary().resume.as_ref(),
                arena: arenas.arena(),
            };
            intakes.push(reading.read(batch.events(), end)?);
        }
        let has_more = intakes.last().is_some_and(|intake| intake.has_more);
        self.transaction = transaction;
        self.take(&intakes);
        self.has_folded = true;
        self.summary.resume = if has_more { end.cloned() } else { last.resume.clone() };
        for BatchSummary { time_micros, bytes, .. } in batches.iter().map(Batch::summary) {
            self.summary.time_micros = self.summary.time_micros.max(*time_micros);
            self.summary.bytes += bytes;
        }
        Ok(has_more)
    }

    fn take(&mut self, intakes: &[Intake<'_>]) {
        let GroupBuilder { contents, summary, .. } = self;
        contents.with_dependent_mut(|memory, contents| {
            for intake in intakes {
                let arena = memory.arena();
                summary.row_changes += intake.row_changes;
                summary.commits += intake.commits;
                contents.take(&intake.pieces, summary.converging, &arena);
            }
        });
    }

    /// Whether no batch was taken in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.has_folded && self.open.is_empty()
    }

    /// Whether the log continues inside a transaction behind what was taken in.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.open.is_empty() || self.continues && !self.has_folded
    }

    /// Whether there is anything in front of the open transaction.
    #[must_use]
    pub fn has_whole(&self) -> bool {
        self.has_folded
    }

    /// Whether the group is as large as it may become.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.folded_bytes() + self.open_bytes >= self.limits.bytes
    }

    /// Whether the group before ended inside a transaction.
    #[must_use]
    pub fn continues(&self) -> bool {
        self.continues
    }

    /// Bytes of memory that hold what is [whole](Self::has_whole).
    #[must_use]
    pub fn folded_bytes(&self) -> usize {
        self.contents.borrow_owner().bytes() + self.contents.borrow_dependent().bytes()
    }

    /// The transaction that is open behind all that was taken in.
    fn open_transaction(&self) -> Option<Begin> {
        let events = self.open.iter().rev().flat_map(|batch| batch.events().iter().rev());
        let mut ends = events.filter_map(|event| match event {
            Event::Begin(begin) => Some(Some(begin.clone())),
            Event::Commit(_) => Some(None),
            _ => None,
        });
        ends.next().unwrap_or_else(|| self.transaction.clone())
    }

    /// Parts the group into what is [whole](Self::has_whole) and the batches of the open transaction.
    #[must_use]
    pub fn split(mut self) -> (GroupBuilder, Vec<Batch>) {
        self.open_bytes = 0;
        let open = mem::take(&mut self.open);
        (self, open)
    }

    /// Parts what was taken in among the workers.
    ///
    /// # Errors
    /// As [`push`](Self::push), of the batches of an open transaction.
    pub fn build(mut self) -> Result<Group> {
        // One by one, so that each is dropped before the next one is copied: a part of a transaction that is larger than memory.
        for batch in mem::take(&mut self.open) {
            self.fold(vec![batch], None)?;
        }
        let alone = self.continues || self.summary.resume.is_none();
        let workers = self.limits.workers.max(1);
        self.contents.with_dependent_mut(|memory, contents| contents.part(workers, alone, &memory.arena()));
        Ok(Group::new(self.contents, self.summary))
    }
}

/// Whether a batch has a statement that changes definitions: nothing else is applied together with it.
pub(crate) fn has_ddl(batch: &Batch) -> bool {
    batch.events().iter().any(|event| matches!(event, Event::Ddl(_)))
}

#[cfg(test)]
#[path = "builder_tests.rs"]
mod tests;
