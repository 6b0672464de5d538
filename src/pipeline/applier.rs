//! The destination's side of a task: where it continues, applying groups, storing progress.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use slackwater_decoders::{event::SchemaChange, position::Position, schema::TableName};
use tokio::{sync::watch, task::spawn_blocking};
use tracing::{debug, info};

use super::status::{Phase, StatusBoard};
use crate::{
    changes::{Group, Job},
    config::Start,
    destinations::{Destination, Unfinished},
    error::{Error, Result},
    positions::{Checkpoint, Completeness, Origin, Resume, Store, Stored, reconcile},
    sources::Source,
};

/// What is due when a destination that was copied to has become one state of the source.
#[async_trait]
pub trait AtComplete: Send {
    /// Called when everything up to the end of the convergence ([`Completeness::Converging`]) is applied, and before it is
    /// stored that the destination is complete: after a crash in between it is called again. Nothing is applied before it
    /// returns.
    ///
    /// # Errors
    /// Transient ones are tried again with the next connection; definite ones stop the task.
    async fn at_complete(&mut self, destination: &mut dyn Destination, position: &Position) -> Result<()>;
}

/// Applies groups to a destination and keeps account of what it holds.
pub(super) struct Applier {
    source: Arc<dyn Source>,
    destination: Box<dyn Destination>,
    store: Store,
    status: StatusBoard,
    /// What is known of the copies: at first the local store's, later what the destination confirmed.
    known: Option<Stored>,
    progress: Option<Progress>,
    applied: watch::Sender<Option<Position>>,
    /// Changes of rows and definitions that were applied.
    changes: Arc<AtomicU64>,
    at_complete: Option<Box<dyn AtComplete>>,
}

/// Where an open destination stands.
struct Progress {
    /// The last checkpoint that the destination holds.
    stored: Checkpoint,
    /// Everything before it is applied; ahead of `stored` when the log moved without changes for us.
    applied: Position,
    /// Sequence of the last checkpoint in the local store.
    local: Option<u64>,
    /// A source transaction goes on in the next group.
    open: bool,
    /// The group behind `stored` of which the destination holds a part.
    unfinished: Option<Unfinished>,
}

impl Applier {
    pub(super) fn new(
        source: Arc<dyn Source>,
        destination: Box<dyn Destination>,
        store: Store,
        status: StatusBoard,
        applied: watch::Sender<Option<Position>>,
        changes: Arc<AtomicU64>,
    ) -> Self {
        let known = store.found();
        status.update(|status| {
            status.destination = destination.describe();
            status.position = known.as_ref().map(|stored| stored.checkpoint.position.clone());
        });
        Applier {
            source,
            destination,
            store,
            status,
            known,
            progress: None,
            applied,
            changes,
            at_complete: None,
        }
    }

    /// Sets what is due when the destination is complete.
    pub(super) fn on_complete(&mut self, due: Box<dyn AtComplete>) {
        self.at_complete = Some(due);
    }

    /// Where to read on; connects, unless connected.
    pub(super) async fn connect(&mut self, start: &Start) -> Result<Position> {
        if let Some(progress) = &self.progress {
            return Ok(progress.applied.clone());
        }
        let (at_destination, unfinished) = match self.destination.open().await? {
            Some(standing) => (Some(standing.checkpoint), standing.unfinished),
            None => (None, None),
        };
        let dead_letters = self.destination.dead_letters();
        self.status.update(|status| status.dead_letters = dead_letters);
        let (checkpoint, reason) = match reconcile(self.known.as_ref(), at_destination.as_ref())? {
            Resume::At { checkpoint, reason } => {
                let known = self.known.as_ref().map_or(Origin::Applied, |known| known.origin);
                let origin = if at_destination.is_some() { Origin::Applied } else { known };
                let store = self.store.clone();
                let raised = blocking(move || store.raise_once(checkpoint, origin)).await?;
                // Known from here on, also when the destination is lost before it hears of it.
                self.known = Some(Stored { checkpoint: raised.clone(), origin, history: 0 });
                (raised, reason)
            }
            Resume::Fresh => {
                let position = self.source.start_position(start).await?;
                let checkpoint = Checkpoint::first(position, Completeness::Complete);
                // Here first: an end right behind it finds the same start again.
                self.save(checkpoint.clone(), Origin::Start).await?;
                self.store.begun();
                (checkpoint, "a new task".to_owned())
            }
        };
        info!(position = %checkpoint.position, reason, "continuing");
        // A part of the unfinished group is ahead of this checkpoint.
        if at_destination.as_ref() != Some(&checkpoint) && unfinished.is_none() {
            self.destination.store_checkpoint(&checkpoint).await?;
        }
        let position = checkpoint.position.clone();
        self.known = Some(Stored { checkpoint: checkpoint.clone(), origin: Origin::Applied, history: 0 });
        self.progress = Some(Progress {
            stored: checkpoint,
            applied: position.clone(),
            local: None,
            open: false,
            unfinished,
        });
        self.source.stored(&position);
        self.publish(&position);
        Ok(position)
    }

    /// How many shares a group is to have.
    pub(super) fn workers(&self) -> usize {
        self.destination.workers()
    }

    /// [`Destination::cascading_tables`].
    pub(super) async fn cascading_tables(&mut self) -> Result<HashSet<TableName>> {
        self.destination.cascading_tables().await.map_err(|error| self.lost(error))
    }

    /// The group that the destination holds a part of. It has to be [finished](Self::apply_unfinished) before anything else.
    pub(super) fn unfinished(&self) -> Option<&Unfinished> {
        self.progress.as_ref()?.unfinished.as_ref()
    }

    /// How complete the destination is.
    pub(super) fn completeness(&self) -> Completeness {
        self.progress.as_ref().map(|progress| progress.stored.completeness.clone()).unwrap_or_default()
    }

    /// Applies a group, or only moves the position when nothing in it matters to the destination.
    pub(super) async fn apply(&mut self, group: &Arc<Group>) -> Result<()> {
        let progress = self.progress.as_mut().ok_or_else(not_connected)?;
        let resume = group.resume();
        if let Some(position) = resume.filter(|_| !progress.open && group.is_empty()) {
            if progress.applied != *position {
                progress.applied = position.clone();
                self.publish(position);
            }
        } else {
            let checkpoint = resume.map(|position| progress.stored.next(position.clone()));
            self.apply_with(group, checkpoint).await?;
        }
        self.complete_if_due().await
    }

    /// Applies the [unfinished](Self::unfinished) group, built again.
    pub(super) async fn apply_unfinished(&mut self, group: &Arc<Group>) -> Result<()> {
        let progress = self.progress.as_mut().ok_or_else(not_connected)?;
        let Some(unfinished) = progress.unfinished.take() else { return Ok(()) };
        let end = Checkpoint { generation: progress.stored.generation, ..unfinished.end };
        self.apply_with(group, Some(end)).await
    }

    async fn apply_with(&mut self, group: &Arc<Group>, checkpoint: Option<Checkpoint>) -> Result<()> {
        if let Err(error) = self.destination.apply(group, checkpoint.as_ref()).await {
            return Err(self.lost(error));
        }
        let dead_letters = self.destination.dead_letters();
        let concerning = group.row_changes() + u64::from(last_ddl(group).is_some());
        self.changes.fetch_add(concerning, Ordering::Release);
        self.status.applied(group.row_changes(), group.bytes(), group.commits(), group.time_micros());
        self.status.update(|status| {
            status.dead_letters = dead_letters;
            status.last_ddl = last_ddl(group).or(status.last_ddl.take());
        });
        let progress = self.progress.as_mut().ok_or_else(not_connected)?;
        progress.open = checkpoint.is_none();
        if let Some(checkpoint) = checkpoint {
            let position = checkpoint.position.clone();
            progress.applied = position.clone();
            progress.stored = checkpoint;
            self.source.stored(&position);
            self.publish(&position);
        }
        Ok(())
    }

    /// Ends the convergence when everything up to its end is applied.
    pub(super) async fn complete_if_due(&mut self) -> Result<()> {
        let Some(progress) = self.progress.as_mut().filter(|progress| !progress.open) else { return Ok(()) };
        let Completeness::Converging(until) = &progress.stored.completeness else { return Ok(()) };
        if progress.unfinished.is_some() || !self.source.reached(&progress.applied, until) {
            return Ok(());
        }
        if let Some(due) = &mut self.at_complete {
            due.at_complete(&mut *self.destination, &progress.applied).await?;
        }
        let next = progress.stored.next(progress.applied.clone());
        let checkpoint = Checkpoint { completeness: Completeness::Complete, ..next };
        if let Err(error) = self.destination.store_checkpoint(&checkpoint).await {
            return Err(self.lost(error));
        }
        info!(position = %checkpoint.position, "the destination has all that the source had here");
        progress.stored = checkpoint;
        self.status.update(|status| status.phase = Phase::Tailing);
        let store = self.store.clone();
        spawn_blocking(move || store.forget_copies())
            .await
            .map_err(|error| Error::definite("forgetting the copies was broken off").caused_by(error))?
    }

    /// Drops an incomplete source transaction, if there is one.
    pub(super) async fn rollback(&mut self) -> Result<()> {
        let Some(progress) = self.progress.as_mut().filter(|progress| progress.open) else { return Ok(()) };
        progress.open = false;
        debug!(position = %progress.applied, "dropping an incomplete transaction; it comes again");
        self.destination.rollback().await.map_err(|error| self.lost(error))
    }

    /// Whether a source transaction is open, so that there is no position to speak of.
    pub(super) fn is_open(&self) -> bool {
        self.progress.as_ref().is_some_and(|progress| progress.open)
    }

    /// Everything before it is applied.
    pub(super) fn position(&self) -> Option<&Position> {
        self.progress.as_ref().map(|progress| &progress.applied)
    }

    /// Whether there is progress that [`persist`](Self::persist) would store.
    pub(super) fn has_unsaved_progress(&self) -> bool {
        self.progress.as_ref().is_some_and(|progress| {
            !progress.open
                && (progress.applied != progress.stored.position
                    || progress.local != Some(progress.stored.sequence))
        })
    }

    /// Stores progress at the destination and then here, as far as it is not stored yet.
    pub(super) async fn persist(&mut self) -> Result<()> {
        let Some(progress) = self.progress.as_mut().filter(|progress| !progress.open) else { return Ok(()) };
        if progress.applied != progress.stored.position {
            let checkpoint = progress.stored.next(progress.applied.clone());
            if let Err(error) = self.destination.store_checkpoint(&checkpoint).await {
                return Err(self.lost(error));
            }
            self.source.stored(&checkpoint.position);
            progress.stored = checkpoint;
        }
        let checkpoint = progress.stored.clone();
        if progress.local != Some(checkpoint.sequence) {
            self.save(checkpoint, Origin::Applied).await?;
        }
        Ok(())
    }

    /// The destination, whose connection is the caller's until the next call.
    pub(super) fn destination(&mut self) -> &mut dyn Destination {
        &mut *self.destination
    }

    /// The generation that the task writes with.
    pub(super) fn generation(&self) -> u64 {
        self.progress.as_ref().map_or(0, |progress| progress.stored.generation)
    }

    /// Raises the generation, here first: an end in between leaves the destination behind, which the next start finds in order.
    pub(super) async fn raise_generation(&mut self) -> Result<u64> {
        let progress = self.progress.as_ref().ok_or_else(not_connected)?;
        let (store, next) = (self.store.clone(), progress.stored.next(progress.applied.clone()));
        let raised = blocking(move || store.raise(next, Origin::Applied)).await?;
        let generation = raised.generation;
        if let Some(progress) = &mut self.progress {
            progress.stored.generation = generation;
        }
        if let Err(error) = self.destination.store_checkpoint(&raised).await {
            return Err(self.lost(error));
        }
        if let Some(progress) = &mut self.progress {
            progress.local = Some(raised.sequence);
            progress.stored = raised;
        }
        Ok(generation)
    }

    /// Connects anew. The destination must hold what it is known to hold.
    pub(super) async fn reconnect(&mut self) -> Result<()> {
        let known = match &self.progress {
            Some(progress) => Some(progress.stored.position.clone()),
            None => self.known.as_ref().map(|stored| stored.checkpoint.position.clone()),
        };
        let held = self.destination.open().await?;
        if held.map(|standing| standing.checkpoint.position) != known {
            return Err(Error::definite(
                "the destination holds another checkpoint than before the connection was lost",
            ));
        }
        Ok(())
    }

    async fn save(&mut self, checkpoint: Checkpoint, origin: Origin) -> Result<()> {
        let sequence = checkpoint.sequence;
        let store = self.store.clone();
        let stored = Stored { checkpoint: checkpoint.clone(), origin, history: 0 };
        blocking(move || store.save(&checkpoint, origin)).await?;
        self.known = Some(stored);
        if let Some(progress) = &mut self.progress {
            progress.local = Some(sequence);
        }
        Ok(())
    }

    /// After an error of the destination only its own checkpoint tells what it holds.
    fn lost(&mut self, error: Error) -> Error {
        if let Some(progress) = self.progress.take() {
            self.known = Some(Stored { checkpoint: progress.stored, origin: Origin::Applied, history: 0 });
            return error.at(&progress.applied.log);
        }
        error
    }

    fn publish(&self, position: &Position) {
        self.status.update(|status| status.position = Some(position.clone()));
        self.applied.send_replace(Some(position.clone()));
    }
}

impl Checkpoint {
    /// The checkpoint after this one.
    fn next(&self, position: Position) -> Self {
        Checkpoint { sequence: self.sequence + 1, position, ..self.clone() }
    }
}

/// Runs what waits for the disk.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    spawn_blocking(work)
        .await
        .map_err(|error| Error::definite("storing the position was broken off").caused_by(error))?
}

fn not_connected() -> Error {
    Error::disconnected("the destination is not connected")
}

/// What the last schema statement of a group did, by names alone: statements can hold values.
fn last_ddl(group: &Group) -> Option<String> {
    let ddl = group.shares().first()?.jobs.iter().rev().find_map(|job| match job {
        Job::Ddl(ddl) => Some(ddl),
        _ => None,
    })?;
    let parts: Vec<String> = ddl.changes.iter().map(describe).collect();
    Some(format!("{} at {}", parts.join(", "), ddl.position))
}

fn describe(change: &SchemaChange) -> String {
    match change {
        SchemaChange::CreateTable { table, .. } => format!("create table {}", table.name),
        SchemaChange::AlterTable { after, .. } => format!("alter table {}", after.name),
        SchemaChange::RenameTable { from, to } => format!("rename table {from} to {to}"),
        SchemaChange::RenamedIn { from, to, .. } => {
            format!("rename table {from}, which is not carried, to {to}")
        }
        SchemaChange::DropTable { table } => format!("drop table {table}"),
        SchemaChange::CreateDatabase { database } => format!("create database {database}"),
        SchemaChange::DropDatabase { database } => format!("drop database {database}"),
        SchemaChange::RowsUnlogged { table, .. } => format!("rows of {table} without a log"),
        SchemaChange::Unknown { table, .. } => format!("unknown change of {table}"),
        SchemaChange::Other { description, .. } => description.clone(),
    }
}
