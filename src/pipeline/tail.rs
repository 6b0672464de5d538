//! The tail: follows the source's log and applies it, until it is told to stop.
//!
//! Why nothing is lost or applied twice: a session starts from the position that the destination committed with its
//! data; batches end at commits, or leave the destination's transaction open; whatever breaks a session rolls an open
//! transaction back, and the next session starts from the destination's position again.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use slackwater_decoders::position::Position;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{sleep, sleep_until},
};
use tracing::{info, warn};

pub use super::retry::RetryLimits;
use super::{
    applier::Applier,
    fence::{Fence, Standstill},
    queue::{BatchSender, MemoryQuota, Message, queue},
    retry::Retries,
    status::{Phase, StatusBoard},
};
use crate::{
    config::Start,
    destinations::Destination,
    error::{Error, Result},
    mapping::Mapping,
    positions::{SchemaHistory, Store},
    sources::Source,
};

/// A source that was well for so long starts a new series of errors.
const WELL_AFTER: Duration = Duration::from_secs(60);

/// Questions for the end of the log after which a log that ended, but is not at its end, is read on.
const QUESTIONS_AT_THE_END: u64 = 3;

/// What a tail needs to know beside its two ends.
#[derive(Clone, Debug)]
pub struct TailSettings {
    /// What becomes of the source's tables on the way.
    pub mapping: Arc<Mapping>,
    /// Where a new task starts.
    pub start: Start,
    /// Bytes that decoded batches may hold in memory.
    pub memory: u64,
    /// How often progress without changes is stored.
    pub checkpoint_interval: Duration,
    /// How long errors that may pass may last.
    pub retry: RetryLimits,
}

/// Both sides stood still at this moment.
#[derive(Clone, Debug)]
pub struct Zero {
    /// Everything before it is applied and stored; it was the end of the source's log twice in a row.
    pub position: Position,
    /// Row changes applied since the start of the process.
    pub rows: u64,
}

/// What happens when source and destination stand still relative to each other.
#[async_trait]
pub trait AtZero: Send {
    /// Whether reaching zero has a consequence now.
    fn is_wanted(&self) -> bool;

    /// Called at zero. Nothing is applied before it returns.
    ///
    /// # Errors
    /// Stops the task.
    async fn at_zero(&mut self, zero: &Zero) -> Result<Next>;
}

/// What follows a zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The log is followed on.
    Continue,
    /// The task ends.
    Stop,
}

/// How a tail ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It was told to stop.
    Stopped,
    /// The source does not follow its log and was read to the end.
    LogEnded,
    /// The cutover ended the task.
    CutOver,
}

/// A source and a destination that follows it.
pub struct Tail {
    source: Arc<dyn Source>,
    applier: Applier,
    history: SchemaHistory,
    settings: TailSettings,
    quota: MemoryQuota,
    status: StatusBoard,
    stop: watch::Receiver<bool>,
    found: watch::Receiver<Standstill>,
    fence: AbortOnDrop<()>,
}

/// A task that ends with the handle on it.
struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Tail {
    /// Puts a tail together; it also starts to ask the source for its end of log every `poll_interval`.
    #[must_use]
    pub fn new(
        source: Arc<dyn Source>,
        destination: Box<dyn Destination>,
        store: Store,
        settings: TailSettings,
        status: StatusBoard,
        poll_interval: watch::Receiver<Duration>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        status.update(|status| status.source = source.describe());
        let history = store.history().clone();
        let (applied, applied_receiver) = watch::channel(None);
        let (found_sender, found) = watch::channel(Standstill::default());
        let fence = Fence {
            source: Arc::clone(&source),
            applied: applied_receiver,
            poll_interval,
            status: status.clone(),
            found: found_sender,
        };
        let fence = AbortOnDrop(tokio::spawn(fence.watch()));
        let applier =
            Applier::new(destination, store, status.clone(), applied, Arc::clone(&settings.mapping));
        let quota = MemoryQuota::new(settings.memory);
        Tail { source, applier, history, settings, quota, status, stop, found, fence }
    }

    /// Follows the log until it is told to stop, the log ends, or the cutover ends the task. Errors that may pass are
    /// tried again within the limits.
    ///
    /// # Errors
    /// What cannot pass, or lasted too long. The position is the last stored one.
    pub async fn run(mut self, at_zero: &mut dyn AtZero) -> Result<End> {
        let mut retries = Retries::new(self.settings.retry);
        let mut failed_at = None;
        loop {
            let started = Instant::now();
            let error = match self.session(at_zero).await {
                Ok(Some(end)) => return self.leave(end).await,
                Ok(None) => continue,
                Err(error) => error,
            };
            let of_source = self.applier.position().is_some();
            if self.position() != failed_at || (of_source && started.elapsed() >= WELL_AFTER) {
                retries.progress();
                failed_at = self.position();
            }
            let (pause, error) = retries.after(error)?;
            warn!(%error, ?pause, "trying again");
            self.status.update(|status| {
                status.phase = Phase::Retrying;
                status.retries += 1;
                status.last_error = Some(error.to_string());
                status.in_sync = false;
            });
            tokio::select! {
                () = stopped(&mut self.stop) => return self.leave(End::Stopped).await,
                () = sleep(pause) => {}
            }
        }
    }

    /// One run of the source. `None`: it ended, but its log has grown meanwhile.
    async fn session(&mut self, at_zero: &mut dyn AtZero) -> Result<Option<End>> {
        let from = tokio::select! {
            () = stopped(&mut self.stop) => return Ok(Some(End::Stopped)),
            from = self.applier.connect(&self.source, &self.settings.start) => from?,
        };
        self.history.rewind_to(&from)?;
        self.status.update(|status| status.phase = Phase::Tailing);
        let (sender, mut messages) = queue(self.quota.clone());
        let mut reader = self.read(from, sender);
        let applied = self.apply_messages(&mut messages, at_zero).await;
        drop(messages);
        if !matches!(applied, Ok(None)) {
            // Not two readers at once, and nobody left who could write to the schema history.
            reader.0.abort();
            let _ = (&mut reader.0).await;
            return applied;
        }
        let outcome = (&mut reader.0).await;
        self.applier.rollback().await?;
        outcome.map_err(|error| Error::definite("reading the source was broken off").caused_by(error))??;
        self.at_end_of_log(at_zero).await
    }

    fn read(&self, from: Position, sender: BatchSender) -> AbortOnDrop<Result<()>> {
        let (source, history) = (Arc::clone(&self.source), self.history.clone());
        AbortOnDrop(tokio::spawn(async move { source.tail(from, &history, &sender).await }))
    }

    /// Applies what the source sends, as soon as it is there. `None`: the source ended.
    async fn apply_messages(
        &mut self,
        messages: &mut mpsc::Receiver<Message>,
        at_zero: &mut dyn AtZero,
    ) -> Result<Option<End>> {
        let mut persist_at = tokio::time::Instant::now() + self.settings.checkpoint_interval;
        loop {
            let watch_zero = at_zero.is_wanted() && !self.applier.is_open();
            tokio::select! {
                biased;
                () = stopped(&mut self.stop) => return Ok(Some(End::Stopped)),
                _ = self.found.changed(), if watch_zero => {
                    if let Some(end) = self.consider_zero(at_zero).await? {
                        return Ok(Some(end));
                    }
                }
                () = sleep_until(persist_at), if self.applier.has_unsaved_progress() => {
                    self.applier.persist().await?;
                    persist_at = tokio::time::Instant::now() + self.settings.checkpoint_interval;
                }
                message = messages.recv() => match message {
                    Some(Message::Batch(batch, _permit)) => self.applier.apply(batch).await?,
                    Some(Message::Rewind) => self.applier.rollback().await?,
                    None => return Ok(None),
                },
            }
        }
    }

    /// A log that is not followed was read to its end: done, or zero if that has a consequence.
    async fn at_end_of_log(&mut self, at_zero: &mut dyn AtZero) -> Result<Option<End>> {
        self.applier.persist().await?;
        if !at_zero.is_wanted() {
            return Ok(Some(End::LogEnded));
        }
        let first = self.found.borrow_and_update().question;
        loop {
            tokio::select! {
                () = stopped(&mut self.stop) => return Ok(Some(End::Stopped)),
                changed = self.found.changed() => if changed.is_err() { return Ok(Some(End::LogEnded)) },
            }
            if let Some(end) = self.consider_zero(at_zero).await? {
                return Ok(Some(end));
            }
            if !at_zero.is_wanted() {
                return Ok(Some(End::LogEnded));
            }
            if self.found.borrow().question > first + QUESTIONS_AT_THE_END {
                return Ok(None);
            }
        }
    }

    /// Acts on the last answer of the fence, if it was a zero.
    async fn consider_zero(&mut self, at_zero: &mut dyn AtZero) -> Result<Option<End>> {
        let Some(zero) = self.found.borrow_and_update().zero.clone() else { return Ok(None) };
        let reached = |applied: &Position| self.source.reached(applied, &zero);
        let Some(position) = self.applier.position().filter(|applied| reached(applied)).cloned() else {
            return Ok(None);
        };
        self.applier.persist().await?;
        info!(%position, "source and destination stand still");
        self.status.update(|status| status.phase = Phase::CuttingOver);
        let rows = self.status.snapshot().rows;
        let next = at_zero.at_zero(&Zero { position, rows }).await?;
        self.status.update(|status| status.phase = Phase::Tailing);
        Ok((next == Next::Stop).then_some(End::CutOver))
    }

    /// Rolls back what is incomplete, stores the position and ends.
    async fn leave(mut self, end: End) -> Result<End> {
        self.status.update(|status| status.phase = Phase::Stopping);
        self.fence.0.abort();
        let stored = match self.applier.rollback().await {
            Ok(()) => self.applier.persist().await,
            Err(error) => Err(error),
        };
        match stored {
            // The position of the last data is at the destination already; only progress without data comes again.
            Err(error) if error.is_transient() => warn!(%error, "the last progress could not be stored"),
            stored => stored?,
        }
        self.status.update(|status| status.phase = Phase::Ended);
        Ok(end)
    }

    fn position(&self) -> Option<Position> {
        self.status.snapshot().position
    }
}

/// Waits until a stop is asked for.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        // Whoever could ask is gone: nobody will.
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
#[path = "tail_tests.rs"]
mod tests;
