//! Workers that apply the shares of a group side by side, and the rule by which their rows of a checkpoint tell one.
//!
//! The workers of a group commit one after the other, so that a crash may leave some of them behind. Each of them stores
//! which workers the group has, and the checkpoint before it: when not all of them have come to the group's sequence, the
//! task stands at the checkpoint before, with an unfinished group behind it. A group that one worker applies alone is
//! one row. The worker 0 has the row that is there from the start.

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tracing::warn;

use super::{Checkpoint, Standing, Unfinished};
use crate::{
    changes::{Group, Job, Share},
    error::{Error, Result},
};

/// How a group is parted among several workers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Parts {
    /// Number of shares.
    pub(super) workers: usize,
    /// The workers whose shares are not empty.
    pub(super) taking_part: Vec<usize>,
    /// The checkpoint before the group.
    pub(super) previous: Checkpoint,
}

/// What a worker has stored.
pub(super) struct WorkerRow {
    pub(super) worker: usize,
    pub(super) checkpoint: Checkpoint,
    pub(super) parts: Option<Parts>,
}

/// Where a task with these rows stands, and which workers have committed their shares of the group behind that.
pub(super) fn standing(rows: &[WorkerRow]) -> (Option<Standing>, Vec<usize>) {
    let Some(last) = rows.iter().map(|row| row.checkpoint.sequence).max() else { return (None, Vec::new()) };
    let generation = rows.iter().map(|row| row.checkpoint.generation).max().unwrap_or_default();
    let of_generation = |checkpoint: &Checkpoint| Checkpoint { generation, ..checkpoint.clone() };
    let newest: Vec<_> = rows.iter().filter(|row| row.checkpoint.sequence == last).collect();
    let committed: Vec<_> = newest.iter().map(|row| row.worker).collect();
    let Some(end) = newest.first().map(|row| of_generation(&row.checkpoint)) else {
        return (None, Vec::new());
    };
    let cut_off = newest
        .iter()
        .filter_map(|row| row.parts.as_ref())
        .find(|parts| parts.taking_part.iter().any(|worker| !committed.contains(worker)));
    match cut_off {
        None => (Some(end.into()), Vec::new()),
        Some(parts) => {
            let unfinished = Some(Unfinished { end, workers: parts.workers });
            (Some(Standing { checkpoint: of_generation(&parts.previous), unfinished }), committed)
        }
    }
}

/// What a worker has to do.
pub(super) struct Work {
    pub(super) group: Arc<Group>,
    /// Which of the group's shares, in this order.
    pub(super) shares: Vec<usize>,
    /// What it commits with them; `None`: the transaction goes on.
    pub(super) commit: Option<Commit>,
}

impl Work {
    pub(super) fn shares(&self) -> impl Iterator<Item = &Share<'_>> {
        self.shares.iter().filter_map(|number| self.group.shares().get(*number))
    }

    pub(super) fn jobs(&self) -> impl Iterator<Item = &Job<'_>> {
        self.shares().flat_map(|share| &share.jobs)
    }

    /// Whether nothing but rows changes.
    pub(super) fn is_of_rows(&self) -> bool {
        self.jobs().all(|job| matches!(job, Job::Net(_) | Job::InOrder(_)))
    }
}

/// The checkpoint that commits with a share.
pub(super) struct Commit {
    pub(super) checkpoint: Checkpoint,
    /// For a group of several workers.
    pub(super) parts: Option<Parts>,
}

/// A connection that applies shares, with its transaction.
#[async_trait]
pub(super) trait Worker: Send + Sized + 'static {
    /// What the workers of a destination share.
    type Shared: Send + Sync + 'static;

    /// Connects a worker other than 0, and makes its row of the checkpoint.
    async fn connect(number: usize, shared: Arc<Self::Shared>) -> Result<Self>;

    /// Whether a transaction is open.
    fn in_transaction(&self) -> bool;

    /// Does the work.
    async fn run(&mut self, work: &Work) -> Result<()>;

    /// Commits what is open with a checkpoint that no other worker has a part of.
    async fn store_checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<()>;

    /// Drops the open transaction.
    async fn rollback(&mut self) -> Result<()>;
}

/// The workers of an open destination.
pub(super) struct Workers<W: Worker> {
    pub(super) shared: Arc<W::Shared>,
    /// Those that are connected, each at the place of its number. Worker 0 is.
    workers: Vec<Option<W>>,
    /// What all workers have reached.
    reached: Option<Checkpoint>,
    /// The group behind that, and the workers that have committed their shares of it.
    unfinished: Option<(Unfinished, Vec<usize>)>,
}

impl<W: Worker> Workers<W> {
    /// The worker 0, of a task that stands there; `committed`: see [`standing`].
    pub(super) fn new(
        shared: Arc<W::Shared>,
        first: W,
        standing: Option<&Standing>,
        committed: Vec<usize>,
    ) -> Self {
        let unfinished = standing.and_then(|standing| standing.unfinished.clone());
        Workers {
            shared,
            workers: vec![Some(first)],
            reached: standing.map(|standing| standing.checkpoint.clone()),
            unfinished: unfinished.map(|unfinished| (unfinished, committed)),
        }
    }

    pub(super) fn first(&mut self) -> Result<&mut W> {
        self.workers.first_mut().and_then(Option::as_mut).ok_or_else(not_connected)
    }

    /// See [`Destination::apply`](super::Destination::apply). After an error there is nothing left of use here: what the workers
    /// have reached is told by their rows.
    pub(super) async fn apply(&mut self, group: &Arc<Group>, checkpoint: Option<&Checkpoint>) -> Result<()> {
        let taking_part: Vec<usize> = group
            .shares()
            .iter()
            .enumerate()
            .filter(|(_, share)| !share.jobs.is_empty())
            .map(|(number, _)| number)
            .collect();
        let committed = self.committed_of(group, checkpoint)?;
        let Some(checkpoint) = checkpoint else {
            let work = Work { group: Arc::clone(group), shares: taking_part, commit: None };
            return self.first()?.run(&work).await;
        };
        match self.reached.clone().filter(|_| self.can_be_parted(group) && !taking_part.is_empty()) {
            Some(previous) => {
                let parts = Parts { workers: group.shares().len(), taking_part, previous };
                self.apply_parted(group, checkpoint, parts, &committed).await?;
            }
            None => {
                let commit = Some(Commit { checkpoint: checkpoint.clone(), parts: None });
                let work = Work { group: Arc::clone(group), shares: taking_part, commit };
                self.first()?.run(&work).await?;
            }
        }
        self.reached = Some(checkpoint.clone());
        self.unfinished = None;
        Ok(())
    }

    /// See [`Destination::store_checkpoint`](super::Destination::store_checkpoint).
    pub(super) async fn store_checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        if self.unfinished.is_some() {
            if self.reached.as_ref() == Some(checkpoint) {
                return Ok(());
            }
            warn!(position = %checkpoint.position, "a group whose parts were committed in part is given up for another position");
        }
        self.first()?.store_checkpoint(checkpoint).await?;
        self.reached = Some(checkpoint.clone());
        self.unfinished = None;
        Ok(())
    }

    /// The workers that have committed their shares of the group already.
    fn committed_of(&self, group: &Group, checkpoint: Option<&Checkpoint>) -> Result<Vec<usize>> {
        // Whoever finishes it writes with a newer generation than the process that was cut off.
        let is_end = |end: &Checkpoint| {
            checkpoint.is_some_and(|checkpoint| {
                let generation = checkpoint.generation.max(end.generation);
                *checkpoint == Checkpoint { generation, ..end.clone() }
            })
        };
        match &self.unfinished {
            None => Ok(Vec::new()),
            Some((unfinished, committed))
                if is_end(&unfinished.end) && group.shares().len() == unfinished.workers =>
            {
                Ok(committed.clone())
            }
            Some((unfinished, _)) => Err(Error::definite(
                "another group came than the one that was cut off while its parts were committed",
            )
            .at(&unfinished.end.position.log)),
        }
    }

    /// Whether the shares may commit one by one: what changes definitions, and what goes on with an open transaction, is one
    /// worker's.
    fn can_be_parted(&self, group: &Group) -> bool {
        let of_rows = |job: &Job<'_>| matches!(job, Job::Net(_) | Job::InOrder(_));
        let in_transaction = self.workers.iter().flatten().any(Worker::in_transaction);
        !in_transaction && group.shares().iter().flat_map(|share| &share.jobs).all(of_rows)
    }

    /// Applies each share by the worker of its number, all at once.
    async fn apply_parted(
        &mut self,
        group: &Arc<Group>,
        checkpoint: &Checkpoint,
        parts: Parts,
        committed: &[usize],
    ) -> Result<()> {
        let several = (parts.taking_part.len() > 1).then_some(&parts);
        let mut shares: Vec<_> = parts
            .taking_part
            .iter()
            .filter(|number| !committed.contains(number))
            .map(|&number| {
                if self.workers.len() <= number {
                    self.workers.resize_with(number + 1, || None);
                }
                let worker = self.workers.get_mut(number).and_then(Option::take);
                let commit = Some(Commit { checkpoint: checkpoint.clone(), parts: several.cloned() });
                let work = Work { group: Arc::clone(group), shares: vec![number], commit };
                apply_share(worker, number, Arc::clone(&self.shared), work)
            })
            .collect();
        // One of them here: small groups have no other one, and the way to another task takes time.
        let own = shares.pop();
        let mut running = JoinSet::new();
        for share in shares {
            running.spawn(share);
        }
        let mut failure = None;
        if let Some(own) = own {
            self.share_applied(own.await, &mut failure);
        }
        // All come to their end, so that none is cut off in a commit that another worker's error has nothing to do with.
        while let Some(done) = running.join_next().await {
            let broken = |error| Error::definite("applying a share was broken off").caused_by(error);
            self.share_applied(done.map_err(broken).flatten(), &mut failure);
        }
        failure.map_or(Ok(()), Err)
    }

    /// Takes a worker back, or keeps the first error.
    fn share_applied(&mut self, done: Result<(usize, W)>, failure: &mut Option<Error>) {
        match done {
            Ok((number, worker)) => {
                if let Some(place) = self.workers.get_mut(number) {
                    *place = Some(worker);
                }
            }
            Err(error) => {
                failure.get_or_insert(error);
            }
        }
    }
}

/// Does the work of a share, by a new worker unless there is one.
async fn apply_share<W: Worker>(
    worker: Option<W>,
    number: usize,
    shared: Arc<W::Shared>,
    work: Work,
) -> Result<(usize, W)> {
    let mut worker = match worker {
        Some(worker) => worker,
        None => W::connect(number, shared).await?,
    };
    worker.run(&work).await.map(|()| (number, worker))
}

pub(super) fn not_connected() -> Error {
    Error::disconnected("the destination is not connected")
}
