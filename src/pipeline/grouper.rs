//! Folds batches into groups while the destination is busy.
//!
//! A group is handed over as soon as the destination has nothing to do and the group ends at a commit. So a task that keeps up
//! applies each batch by itself, and one that is behind applies large groups: what waits anyway is folded together. A
//! group that has reached its size waits, and the reader with it. A statement that changes definitions is a group of its own.
//!
//! A transaction of several batches is one group with others while it fits. Once it does not, what is before it goes
//! first, and then its parts follow as groups that end inside of it: when the source has to start the transaction anew, all
//! that the destination has to take back is parts of this transaction.

use std::{mem, sync::Arc, time::Duration};

use slackwater_decoders::{batch::Batch, position::Position};
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinHandle,
    time::sleep,
};

use super::queue::{MemoryPermit, MemoryQuota, Message};
use crate::{
    changes::{Group, GroupBuilder, Limits, Routes, has_ddl},
    error::{Error, Result},
    sources::Source,
};

/// Memory that was given back may be taken within this time.
const SETTLING: Duration = Duration::from_millis(5);

/// What the destination is to do next.
pub(super) enum Work {
    /// Apply a group.
    Apply(Sealed),
    /// Drop the open transaction, which comes again.
    Rewind,
}

/// A complete group, and the memory that it takes.
pub(super) struct Sealed {
    pub(super) group: Arc<Group>,
    /// The destination's tables may be defined otherwise behind it. Nothing is folded until it is applied.
    pub(super) changes_definitions: bool,
    _memory: Vec<MemoryPermit>,
}

/// What groups are built by.
pub(super) struct Rules {
    pub(super) source: Arc<dyn Source>,
    pub(super) routes: Arc<Routes>,
    pub(super) limits: Limits,
    pub(super) quota: MemoryQuota,
    /// The position up to which the destination [converges](Group::is_converging), while it does.
    pub(super) converging: Option<Position>,
}

impl Rules {
    /// An empty group.
    pub(super) fn builder(&self) -> GroupBuilder {
        GroupBuilder::with_routes(Arc::clone(&self.routes), self.limits, self.converging.is_some())
    }
}

/// The groups of one run of the source. Dropping it ends the folding.
pub(super) struct Groups {
    work: mpsc::UnboundedReceiver<Work>,
    idle: Arc<Semaphore>,
    folding: JoinHandle<Result<()>>,
}

impl Groups {
    /// Starts to fold.
    pub(super) fn start(rules: Rules, messages: mpsc::Receiver<Message>) -> Self {
        let (sender, work) = mpsc::unbounded_channel();
        let idle = Arc::new(Semaphore::new(1));
        let builder = rules.builder();
        let grouper = Grouper {
            rules,
            messages,
            work: sender,
            idle: Arc::clone(&idle),
            builder,
            memory: Vec::new(),
            next: None,
            is_sealed: false,
            awaits_definitions: false,
        };
        Groups { work, idle, folding: tokio::spawn(grouper.run()) }
    }

    /// What to do next; `None`: the source ended. Nothing is lost when the future is dropped.
    pub(super) async fn next(&mut self) -> Option<Work> {
        self.work.recv().await
    }

    /// The group is applied: another one is welcome.
    pub(super) fn applied(&self) {
        self.idle.add_permits(1);
    }

    /// How the folding ended, when there is no more work.
    pub(super) async fn end(mut self) -> Result<()> {
        (&mut self.folding)
            .await
            .map_err(|error| Error::definite("folding changes was broken off").caused_by(error))?
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        self.folding.abort();
    }
}

struct Grouper {
    rules: Rules,
    messages: mpsc::Receiver<Message>,
    work: mpsc::UnboundedSender<Work>,
    /// Has a permit while the destination has nothing to do.
    idle: Arc<Semaphore>,
    builder: GroupBuilder,
    /// Of each batch in the builder.
    memory: Vec<MemoryPermit>,
    /// A batch that belongs to the next group.
    next: Option<(Batch, MemoryPermit)>,
    /// Nothing may be added to the group once it ends at a commit.
    is_sealed: bool,
    /// The group that was handed over changes definitions, and what follows is folded by what becomes of them.
    awaits_definitions: bool,
}

impl Grouper {
    async fn run(mut self) -> Result<()> {
        loop {
            let is_due = self.is_due();
            // An open transaction that takes all memory would wait for itself.
            let may_starve = !is_due && !self.builder.is_empty();
            let has_room = self.has_room();
            tokio::select! {
                biased;
                idle = Arc::clone(&self.idle).acquire_owned(), if is_due => {
                    idle.map_err(gone)?.forget();
                    self.hand_over()?;
                    if let Some((batch, memory)) = self.next.take_if(|_| self.builder.is_empty()) {
                        self.batch(batch, memory).await?;
                    }
                }
                idle = Arc::clone(&self.idle).acquire_owned(), if self.awaits_definitions => {
                    // Given back: nothing is handed over here.
                    drop(idle.map_err(gone)?);
                    self.awaits_definitions = false;
                }
                message = self.messages.recv(), if has_room => match message {
                    Some(Message::Batch(batch, memory)) => self.batch(batch, memory).await?,
                    Some(Message::Rewind) => self.rewind()?,
                    None => return self.finish().await,
                },
                () = self.rules.quota.exhausted(), if may_starve => self.relieve().await?,
                () = self.work.closed() => return Ok(()),
            }
        }
    }

    /// Whether the group can go when the destination is free.
    fn is_due(&self) -> bool {
        !self.builder.is_empty() && (!self.builder.is_open() || !self.has_room())
    }

    fn has_room(&self) -> bool {
        let is_complete = self.is_sealed && !self.builder.is_open();
        self.next.is_none() && !is_complete && !self.awaits_definitions && !self.builder.is_full()
    }

    async fn batch(&mut self, batch: Batch, memory: MemoryPermit) -> Result<()> {
        let has_ddl = has_ddl(&batch);
        if has_ddl && !self.builder.is_empty() {
            self.next = Some((batch, memory));
            return Ok(());
        }
        if let Some(behind) = &batch.summary().resume
            && self.rules.converging.as_ref().is_some_and(|until| self.rules.source.reached(behind, until))
        {
            self.rules.converging = None;
            self.is_sealed = true;
        }
        self.is_sealed |= has_ddl;
        self.memory.push(memory);
        match self.builder.push(batch) {
            Ok(()) => Ok(()),
            Err(error) => {
                // What came before the batch is as good as ever.
                self.finish().await?;
                Err(error)
            }
        }
    }

    /// The source begins the open transaction anew.
    fn rewind(&mut self) -> Result<()> {
        if !self.builder.is_open() {
            return Ok(());
        }
        let is_handed_over = self.builder.continues() && self.builder.whole_batches() == 0;
        self.keep_whole()?;
        if is_handed_over {
            self.builder = self.rules.builder();
            self.work.send(Work::Rewind).map_err(gone)?;
        }
        Ok(())
    }

    /// Drops the batches behind the last whole transaction.
    fn keep_whole(&mut self) -> Result<()> {
        self.memory.truncate(self.builder.whole_batches());
        self.builder = self.take_builder().split()?.0;
        Ok(())
    }

    /// The source ended: hands over what is whole.
    async fn finish(&mut self) -> Result<()> {
        self.keep_whole()?;
        if !self.builder.is_empty() {
            self.idle.acquire().await.map_err(gone)?.forget();
            self.hand_over()?;
        }
        Ok(())
    }

    /// Hands an open transaction over when nothing else would give memory back.
    async fn relieve(&mut self) -> Result<()> {
        let idle = Arc::clone(&self.idle).acquire_owned().await.map_err(gone)?;
        sleep(SETTLING).await;
        if self.messages.is_empty() && self.rules.quota.is_exhausted() {
            idle.forget();
            self.hand_over()?;
        }
        Ok(())
    }

    /// Hands the group over, for which the destination is ready.
    fn hand_over(&mut self) -> Result<()> {
        let is_mixed = self.builder.is_open() && self.builder.whole_batches() > 0;
        let mut memory = mem::take(&mut self.memory);
        let mut builder = self.take_builder();
        if is_mixed {
            self.memory = memory.split_off(builder.whole_batches());
            let (whole, rest) = builder.split()?;
            self.builder = whole.behind();
            for batch in rest {
                self.builder.push(batch)?;
            }
            builder = whole;
        }
        if self.rules.converging.is_none() && self.builder.is_empty() {
            self.builder.converged();
        }
        // A statement that changes definitions, or the end of the convergence, at which more are made.
        let changes_definitions = mem::take(&mut self.is_sealed);
        self.awaits_definitions = changes_definitions;
        let group = Arc::new(builder.build());
        self.work.send(Work::Apply(Sealed { group, changes_definitions, _memory: memory })).map_err(gone)
    }

    /// Leaves an empty group behind the one it returns.
    fn take_builder(&mut self) -> GroupBuilder {
        let behind = self.builder.behind();
        mem::replace(&mut self.builder, behind)
    }
}

/// The applier wants no more groups, and does not look at this error either.
fn gone<T>(_: T) -> Error {
    Error::transient("nobody applies the groups any more")
}

#[cfg(test)]
#[path = "grouper_tests.rs"]
mod tests;
