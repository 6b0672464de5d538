//! Building groups from batches.

use std::{mem, sync::Arc};

use elsa::sync::FrozenVec;
use slackwater_decoders::{
    arena::ArenaPool,
    batch::{Batch, BatchSummary},
    event::{Begin, Event},
    position::Position,
};

use super::{
    contents::{Contents, Intake},
    group::{Buffers, Folded, Group, GroupSummary},
    routes::Routes,
    starts::TableStarts,
};
use crate::{error::Result, mapping::Mapping};

/// How large groups become, and for how many workers.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Number of shares, from 1.
    pub workers: usize,
    /// Bytes of batches after which a group is complete.
    pub bytes: usize,
}

/// A group that is being built.
pub struct GroupBuilder {
    routes: Arc<Routes>,
    limits: Limits,
    contents: Folded,
    summary: GroupSummary,
    /// The transaction that the group before left open.
    continued: Option<Begin>,
    /// The transaction that is open behind the last batch.
    transaction: Option<Begin>,
    /// Number of batches up to the last one that ended outside of a transaction.
    whole: usize,
    /// Number of batches.
    batches: usize,
    /// The last batch that was taken in ends inside a transaction, or the group before did.
    is_open: bool,
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
        let buffers = Buffers { batches: FrozenVec::new(), arena: ArenaPool::new() };
        GroupBuilder {
            routes,
            limits,
            contents: Folded::new(buffers, |_| Contents::default()),
            summary: GroupSummary { converging, ..GroupSummary::default() },
            continued: None,
            transaction: None,
            whole: 0,
            batches: 0,
            is_open: false,
            continues: false,
        }
    }

    /// An empty group behind this one, by the same rules.
    #[must_use]
    pub fn behind(&self) -> Self {
        let mut next = Self::with_routes(Arc::clone(&self.routes), self.limits, self.summary.converging);
        next.continued.clone_from(&self.transaction);
        next.transaction.clone_from(&self.transaction);
        next.is_open = self.is_open;
        next.continues = self.is_open;
        next
    }

    /// Nothing that follows is [converging](Group::is_converging). For an empty group.
    pub fn converged(&mut self) {
        self.summary.converging = false;
    }

    /// Takes the changes of a batch in.
    ///
    /// # Errors
    /// Definite when a row image does not fit its table or the rules. The batches before this one are still of use: see
    /// [`split`](Self::split).
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
        let BatchSummary { resume, time_micros, bytes, .. } = batch.summary().clone();
        self.batches += 1;
        self.is_open = resume.is_none();
        let all = self.take(batch, end)?;
        if !self.is_open {
            self.whole = self.batches;
        }
        self.summary.time_micros = self.summary.time_micros.max(time_micros);
        self.summary.bytes += bytes;
        self.summary.resume = if all { resume } else { end.cloned() };
        Ok(!all)
    }

    fn take(&mut self, batch: Batch, end: Option<&Position>) -> Result<bool> {
        let GroupBuilder { routes, contents, summary, transaction, .. } = self;
        contents.with_dependent_mut(|buffers, contents| {
            let batch = buffers.batches.push_get(Box::new(batch));
            let mut intake = Intake {
                routes,
                converging: summary.converging,
                transaction,
                behind: batch.summary().resume.as_ref(),
                summary,
                arena: buffers.arena.arena(),
            };
            contents.take(batch.events(), end, &mut intake)
        })
    }

    /// Whether no batch was taken in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.batches == 0
    }

    /// Whether the log continues inside a transaction behind what was taken in.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// Whether the group is as large as it may become.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.bytes() >= self.limits.bytes
    }

    /// Where the log continues behind the last batch; `None`: inside a transaction.
    #[must_use]
    pub fn resume(&self) -> Option<&Position> {
        self.summary.resume.as_ref()
    }

    /// Whether the group before ended inside a transaction.
    #[must_use]
    pub fn continues(&self) -> bool {
        self.continues
    }

    /// Number of batches, from the first one, that end outside of a transaction, or have a later one that does.
    #[must_use]
    pub fn whole_batches(&self) -> usize {
        self.whole
    }

    /// Bytes of memory.
    fn bytes(&self) -> usize {
        self.summary.bytes + self.contents.borrow_dependent().bytes()
    }

    /// Parts the group into one of the [whole batches](Self::whole_batches) and one of the others, which are those of an
    /// open transaction, or begin with the one that [`push`](Self::push) refused.
    ///
    /// # Errors
    /// None for batches that `push` has taken in.
    pub fn split(self) -> Result<(GroupBuilder, Vec<Batch>)> {
        let mut whole = Self::with_routes(self.routes, self.limits, self.summary.converging);
        (whole.continues, whole.is_open) = (self.continues, self.continues);
        whole.continued.clone_from(&self.continued);
        whole.transaction = self.continued;
        let mut batches: Vec<Batch> =
            self.contents.into_owner().batches.into_vec().into_iter().map(|batch| *batch).collect();
        let rest = batches.split_off(self.whole.min(batches.len()));
        for batch in batches {
            whole.push(batch)?;
        }
        Ok((whole, rest))
    }

    /// Parts what was taken in among the workers.
    #[must_use]
    pub fn build(mut self) -> Group {
        let bytes = self.bytes();
        let alone = self.continues || self.summary.resume.is_none();
        let workers = self.limits.workers.max(1);
        self.contents.with_dependent_mut(|buffers, contents| {
            contents.part(workers, alone, &buffers.arena.arena());
        });
        Group::new(self.contents, GroupSummary { bytes, ..mem::take(&mut self.summary) })
    }
}

/// Whether a batch has a statement that changes definitions: nothing else is applied together with it.
pub(crate) fn has_ddl(batch: &Batch) -> bool {
    batch.events().iter().any(|event| matches!(event, Event::Ddl(_)))
}

#[cfg(test)]
#[path = "builder_tests.rs"]
mod tests;
