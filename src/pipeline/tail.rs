//! The tail: follows the source's log and applies it, until it is told to stop.
//!
//! Why nothing is lost or applied twice: a session starts from the position that the destination committed with its
//! data; groups end at commits, or leave the destination's transaction open; whatever breaks a session rolls an open
//! transaction back, and the next session starts from the destination's position again. A group that several workers commit may
//! be cut off between their commits: the same group is built again and finished before anything else.

use std::{
    collections::HashSet,
    sync::{Arc, atomic::AtomicU64},
    time::{Duration, Instant},
};

use slackwater_decoders::position::Position;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{sleep, sleep_until},
};
use tracing::{info, warn};

use super::{
    applier::Applier,
    grouper::{Groups, Rules, Work},
    handle::{Next, Request, Rest, TailHandle},
    queue::{MemoryQuota, Message, queue},
    repair::rebuild,
    retry::Retries,
    standstill::{EndOfLog, Standstill},
    status::{Phase, StatusBoard},
};
pub use super::{applier::AtComplete, retry::RetryLimits};
use crate::{
    changes::{Group, Job, Limits, Routes, TableStarts},
    config::Start,
    destinations::Destination,
    error::{Error, Result},
    mapping::Mapping,
    positions::{Completeness, SchemaHistory, Store},
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
    /// Bytes of decoded batches after which a group is complete; at most a half of `memory` counts, as one group is applied while
    /// the next one is folded.
    pub group_size: u64,
    /// What the copies of the tables show already.
    pub starts: TableStarts,
    /// How often progress without changes is stored.
    pub checkpoint_interval: Duration,
    /// How long errors that may pass may last.
    pub retry: RetryLimits,
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
    routes: Arc<Routes>,
    history: SchemaHistory,
    settings: TailSettings,
    quota: MemoryQuota,
    status: StatusBoard,
    stop: watch::Receiver<bool>,
    found: watch::Receiver<Standstill>,
    questions: AbortOnDrop<()>,
    handle: TailHandle,
    requests: mpsc::Receiver<Request>,
    awaited: watch::Receiver<bool>,
}

/// How the log was followed until now.
enum Followed {
    /// The task ends.
    Ended(End),
    /// The source has sent everything and ended.
    SourceEnded,
    /// After a rest: the log is read on from where it is applied, as definitions may have changed.
    Rested,
}

/// A task that ends with the handle on it.
struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// One run of the source.
struct Reader(AbortOnDrop<Result<()>>);

impl Reader {
    /// Ends it: not two readers at once, and nobody left who could write to the schema history.
    async fn end(&mut self) {
        self.0.0.abort();
        let _ = (&mut self.0.0).await;
    }

    /// How it ended by itself.
    async fn outcome(&mut self) -> Result<()> {
        (&mut self.0.0)
            .await
            .map_err(|error| Error::definite("reading the source was broken off").caused_by(error))?
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
        let changes = Arc::new(AtomicU64::new(0));
        let (awaited_sender, awaited) = watch::channel(false);
        let (requests_sender, requests) = mpsc::channel(1);
        let handle = TailHandle {
            applied: applied_receiver.clone(),
            found: found.clone(),
            changes: Arc::clone(&changes),
            awaited: Arc::new(awaited_sender),
            requests: requests_sender,
        };
        let end_of_log = EndOfLog {
            source: Arc::clone(&source),
            applied: applied_receiver,
            poll_interval,
            status: status.clone(),
            found: found_sender,
        };
        let questions = AbortOnDrop(tokio::spawn(end_of_log.watch()));
        let applier = Applier::new(Arc::clone(&source), destination, store, status.clone(), applied, changes);
        let routes = Arc::new(Routes::new(Arc::clone(&settings.mapping), settings.starts.clone()));
        let quota = MemoryQuota::new(settings.memory);
        Tail {
            source,
            applier,
            routes,
            history,
            settings,
            quota,
            status,
            stop,
            found,
            questions,
            handle,
            requests,
            awaited,
        }
    }

    /// The handle for those who watch this tail and bring it to rest.
    #[must_use]
    pub fn handle(&self) -> TailHandle {
        self.handle.clone()
    }

    /// Sets what is due when the destination, which was copied to, has become one state of the source.
    #[must_use]
    pub fn with_completion(mut self, due: Box<dyn AtComplete>) -> Self {
        self.applier.on_complete(due);
        self
    }

    /// Follows the log until it is told to stop, the log ends, or the cutover ends the task. Errors that may pass are
    /// tried again within the limits.
    ///
    /// # Errors
    /// What cannot pass, or lasted too long. The position is the last stored one.
    pub async fn run(mut self) -> Result<End> {
        let mut retries = Retries::new(self.settings.retry);
        let mut failed_at = None;
        loop {
            let started = Instant::now();
            let error = match self.session().await {
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

    /// One run of the source. `None`: it ended, but its log may have grown meanwhile, or is to be read anew.
    async fn session(&mut self) -> Result<Option<End>> {
        tokio::select! {
            () = stopped(&mut self.stop) => return Ok(Some(End::Stopped)),
            connected = self.applier.connect(&self.settings.start) => connected?,
        };
        if self.applier.completeness() == Completeness::Copying {
            return Err(Error::definite(
                "the tables are not copied to the end, so that the log cannot be applied yet",
            ));
        }
        let converging = matches!(self.applier.completeness(), Completeness::Converging(_));
        let phase = if converging { Phase::Converging } else { Phase::Tailing };
        self.status.update(|status| status.phase = phase);
        if let Some(end) = self.finish_group().await? {
            return Ok(Some(end));
        }
        self.applier.complete_if_due().await?;
        self.routes.set_cascading(self.applier.cascading_tables().await?);
        let (mut reader, messages) = self.read()?;
        let mut groups = Groups::start(self.rules(self.applier.workers()), messages);
        let followed = self.apply_groups(&mut groups).await;
        if !matches!(followed, Ok(Followed::SourceEnded)) {
            drop(groups);
            reader.end().await;
            return followed.map(|followed| match followed {
                Followed::Ended(end) => Some(end),
                Followed::SourceEnded | Followed::Rested => None,
            });
        }
        let folded = groups.end().await;
        if folded.is_err() {
            reader.end().await;
        }
        self.applier.rollback().await?;
        folded?;
        reader.outcome().await?;
        self.at_end_of_log().await
    }

    /// Finishes the group that the destination holds a part of, if there is one.
    async fn finish_group(&mut self) -> Result<Option<End>> {
        let Some(unfinished) = self.applier.unfinished().cloned() else { return Ok(None) };
        let end = &unfinished.end.position;
        info!(%end, workers = unfinished.workers, "a group was cut off while it was committed: finishing it");
        let rules = self.rules(unfinished.workers);
        // It was parted, so that none of its changes was of a table that cascades, whatever the destination says by now.
        self.routes.set_cascading(HashSet::new());
        let (mut reader, mut messages) = self.read()?;
        let rebuilt = tokio::select! {
            () = stopped(&mut self.stop) => {
                reader.end().await;
                return Ok(Some(End::Stopped));
            }
            rebuilt = rebuild(&rules, &mut messages, end) => rebuilt,
        };
        drop(messages);
        let Some(group) = rebuilt.transpose() else {
            reader.outcome().await?;
            return Err(Error::definite(
                "the log ends inside the group that the destination holds a part of",
            )
            .at(&end.log)
            .remedy("bring the missing part of the log back"));
        };
        reader.end().await;
        self.applier.apply_unfinished(&Arc::new(group?)).await?;
        Ok(None)
    }

    fn rules(&self, workers: usize) -> Rules {
        let bytes = self.settings.group_size.min(self.settings.memory / 2);
        let converging = match self.applier.completeness() {
            Completeness::Converging(until) => Some(until),
            Completeness::Complete | Completeness::Copying => None,
        };
        Rules {
            source: Arc::clone(&self.source),
            routes: Arc::clone(&self.routes),
            limits: Limits { workers, bytes: usize::try_from(bytes).unwrap_or(usize::MAX) },
            quota: self.quota.clone(),
            converging,
        }
    }

    /// Reads the source from where everything is applied.
    fn read(&self) -> Result<(Reader, mpsc::Receiver<Message>)> {
        let from =
            self.applier.position().cloned().ok_or_else(|| Error::transient("nothing is connected"))?;
        self.history.rewind_to(&from)?;
        let (sender, messages) = queue(self.quota.clone());
        let (source, history) = (Arc::clone(&self.source), self.history.clone());
        let task = tokio::spawn(async move { source.tail(from, &history, &sender).await });
        Ok((Reader(AbortOnDrop(task)), messages))
    }

    /// Applies what the source sends, as soon as it is there.
    async fn apply_groups(&mut self, groups: &mut Groups) -> Result<Followed> {
        let mut persist_at = tokio::time::Instant::now() + self.settings.checkpoint_interval;
        loop {
            let may_rest = self.may_rest();
            tokio::select! {
                biased;
                () = stopped(&mut self.stop) => return Ok(Followed::Ended(End::Stopped)),
                Some(request) = self.requests.recv(), if may_rest => {
                    return self.rest(request).await.map(|end| end.map_or(Followed::Rested, Followed::Ended));
                }
                () = sleep_until(persist_at), if self.applier.has_unsaved_progress() => {
                    self.applier.persist().await?;
                    persist_at = tokio::time::Instant::now() + self.settings.checkpoint_interval;
                }
                work = groups.next() => match work {
                    Some(Work::Apply(sealed)) => {
                        self.applier.apply(&sealed.group).await?;
                        if sealed.changes_definitions && may_cascade_otherwise(&sealed.group) {
                            self.routes.set_cascading(self.applier.cascading_tables().await?);
                        }
                        drop(sealed);
                        groups.applied();
                    }
                    Some(Work::Rewind) => self.applier.rollback().await?,
                    None => return Ok(Followed::SourceEnded),
                },
            }
        }
    }

    /// A log that is not followed was read to its end: done, unless a cutover is to come.
    async fn at_end_of_log(&mut self) -> Result<Option<End>> {
        self.applier.persist().await?;
        let first = self.found.borrow_and_update().question;
        while *self.awaited.borrow_and_update() {
            let may_rest = self.may_rest();
            tokio::select! {
                biased;
                () = stopped(&mut self.stop) => return Ok(Some(End::Stopped)),
                Some(request) = self.requests.recv(), if may_rest => return self.rest(request).await,
                // The handle, which sends, is a part of this tail.
                _ = self.awaited.changed() => {}
                changed = self.found.changed() => if changed.is_err() { break },
            }
            if self.found.borrow().question > first + QUESTIONS_AT_THE_END {
                return Ok(None);
            }
        }
        Ok(Some(End::LogEnded))
    }

    /// Whether the destination is one state of the source, at a commit.
    fn may_rest(&self) -> bool {
        !self.applier.is_open()
            && self.applier.unfinished().is_none()
            && self.applier.completeness() == Completeness::Complete
    }

    /// Does what was asked for while nothing is applied.
    async fn rest(&mut self, request: Request) -> Result<Option<End>> {
        if request.is_withdrawn() {
            return Ok(None);
        }
        self.applier.persist().await?;
        let next = request.visit(&mut Rest(&mut self.applier)).await?;
        Ok((next == Next::Stop).then_some(End::CutOver))
    }

    /// Rolls back what is incomplete, stores the position and ends.
    async fn leave(mut self, end: End) -> Result<End> {
        self.status.update(|status| status.phase = Phase::Stopping);
        self.questions.0.abort();
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

/// Whether other tables may cascade behind this group, which changes definitions, than before. Asking a server with many tables takes long.
fn may_cascade_otherwise(group: &Group) -> bool {
    let mut statements = group.shares().iter().flat_map(|share| &share.jobs).filter_map(|job| match job {
        Job::Ddl(ddl) => Some(ddl.statement.to_ascii_lowercase()),
        _ => None,
    });
    // Without one, it is the end of the convergence that changes definitions.
    statements.next().is_none_or(|first| {
        std::iter::once(first)
            .chain(statements)
            .any(|statement| ["references", "rename"].iter().any(|word| statement.contains(word)))
    })
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
