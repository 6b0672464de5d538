//! Building groups from batches.

use std::sync::Arc;

use elsa::sync::FrozenVec;
use slackwater_decoders::{arena::ArenaPool, batch::Batch, event::Event};

use super::group::{Buffers, Folded, Group, GroupSummary, Job, Share};
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
    mapping: Arc<Mapping>,
    limits: Limits,
    contents: Folded,
    summary: GroupSummary,
}

/// What a group holds while it is built, and the shares once it is.
pub(super) struct Contents<'a> {
    shares: Vec<Share<'a>>,
}

impl<'a> Contents<'a> {
    pub(super) fn shares(&self) -> &[Share<'a>] {
        &self.shares
    }
}

impl GroupBuilder {
    /// An empty group. `converging`: see [`Group::is_converging`].
    #[must_use]
    pub fn new(mapping: Arc<Mapping>, limits: Limits, converging: bool) -> Self {
        let buffers = Buffers { batches: FrozenVec::new(), arena: ArenaPool::new() };
        let contents = Folded::new(buffers, |_| Contents { shares: Vec::new() });
        GroupBuilder {
            mapping,
            limits,
            contents,
            summary: GroupSummary { converging, ..GroupSummary::default() },
        }
    }

    /// Takes the changes of a batch in.
    ///
    /// # Errors
    /// Definite when a row image does not fit its table or the rules.
    pub fn push(&mut self, batch: Batch) -> Result<()> {
        let summary = batch.summary();
        self.summary.resume.clone_from(&summary.resume);
        self.summary.row_changes += summary.row_changes;
        self.summary.time_micros = self.summary.time_micros.max(summary.time_micros);
        self.summary.bytes += summary.bytes;
        let (mapping, workers) = (&self.mapping, self.limits.workers.max(1));
        self.contents.with_dependent_mut(|buffers, contents| {
            contents.shares.resize_with(workers, Share::default);
            let batch = buffers.batches.push_get(Box::new(batch));
            for event in batch.events() {
                let job = match event {
                    Event::Rows(rows) if mapping.route(&rows.table)?.is_some() => Job::InOrder(rows.clone()),
                    Event::Truncate(truncate) => Job::Truncate(truncate.clone()),
                    Event::Ddl(ddl) => Job::Ddl(ddl.clone()),
                    _ => continue,
                };
                contents.shares.first_mut().into_iter().for_each(|share| share.jobs.push(job.clone()));
            }
            Ok(())
        })
    }

    /// Whether the group is as large as it may become.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.summary.bytes >= self.limits.bytes
    }

    /// Parts what was taken in among the workers.
    #[must_use]
    pub fn build(self) -> Group {
        Group::new(self.contents, self.summary)
    }
}
