//! The copy of what is there when a task begins.
//!
//! # Why the copy and the log become one state
//!
//! The log's position P0 is stored, here and at the destination, before the first row is read. Each table has a start P of
//! its own, behind P0, which is read right before its rows are; its rows show every change up to P, and perhaps later ones.
//! When all rows are there, the end of the log E is read. The tail begins at P0, leaves out what lies at or before a table's P,
//! and applies the rest: what the copy saw early is written again with the same result, and at E everything is as it was at
//! the source at E. Until then the destination is *converging*: rows are of different times, and unique values may be twice.
//!
//! # Why a kill at any moment is harmless
//!
//! The destination's checkpoint says whether it is copying, converging or complete; the local records say how far each table is. They are
//! there before the destination first says *copying*, so that an incomplete copy without records is a loss, which is said. A
//! table's record says of it less than is true, never more: a block is recorded when the destination has committed it. Rows that
//! may be there although no record says so are replaced, or the table is emptied first.
//!
//! # Tables that change
//!
//! A table whose definition changes during its copy begins again, with a later P. One that is gone has a P, too: the log
//! up to there speaks of a table that nobody needs. A table that was not there at first came by a CREATE, which the log
//! holds together with all its rows, or by a RENAME, whose rows are in no log behind P0: so all of them are copied, after the others.

mod ledger;
mod loading;
mod plan;
pub mod progress;
mod reading;
mod recorder;
pub mod schemas;
mod target;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use slackwater_decoders::position::Position;
use tokio::{
    sync::{Mutex, mpsc, watch},
    task::{JoinError, JoinSet},
    time::sleep,
};
use tracing::{info, warn};

use self::{
    ledger::Ledger,
    loading::load_blocks,
    plan::records_lost,
    progress::CopyBoard,
    reading::{Schedule, copy_tables, snapshot_of},
    recorder::Recorder,
    schemas::TableSchemas,
    target::Target,
};
use super::{
    queue::MemoryQuota,
    retry::{Retries, RetryLimits},
    status::{Phase, StatusBoard},
    tail::AtComplete,
};
use crate::{
    changes::TableStarts,
    config::{Existing, Start},
    destinations::{Destination, schema::Stage},
    error::{Error, Result},
    mapping::Mapping,
    positions::{Checkpoint, Completeness, Origin, Resume, Store, reconcile},
    sources::Source,
};

/// How often a start is tried anew at once when definitions were changed meanwhile.
const STARTS: usize = 5;
/// Blocks that wait for a loader at most; their bytes are bounded by the quota.
const WAITING_BLOCKS: usize = 256;

/// What a copy needs to know beside its two ends.
#[derive(Clone, Debug)]
pub struct SnapshotSettings {
    /// What becomes of the source's tables on the way.
    pub mapping: Arc<Mapping>,
    /// Where a new task starts.
    pub start: Start,
    /// Bytes that rows may hold in memory.
    pub memory: u64,
    /// How long errors that may pass may last.
    pub retry: RetryLimits,
    /// Tables that are read at once, from 1.
    pub readers: usize,
    /// Loaders at once, from 1; as many as the destination says unless set.
    pub loaders: Option<usize>,
    /// What happens to rows that are at the destination before.
    pub existing: Existing,
}

/// How the copy ended well.
pub enum CopyEnd {
    /// There is nothing (more) to copy: the log can be followed.
    Copied(CopiedEnds),
    /// It was told to stop.
    Stopped,
}

/// What the copy gives back.
pub struct CopiedEnds {
    /// The destination.
    pub destination: Box<dyn Destination>,
    /// What is left to do when the log has made the copy one state.
    pub completion: Box<dyn AtComplete>,
    /// What the copies of the tables show already, while the destination converges.
    pub starts: TableStarts,
}

/// Creates what could not be created while the copied rows were of different times.
struct Completion {
    source: Arc<dyn Source>,
    schemas: Box<dyn TableSchemas>,
}

#[async_trait]
impl AtComplete for Completion {
    async fn at_complete(&mut self, destination: &mut dyn Destination, _: &Position) -> Result<()> {
        self.schemas.complete(&*self.source, destination, Stage::AtConsistency).await
    }
}

/// The copy of a task's tables.
pub struct Snapshot {
    source: Arc<dyn Source>,
    target: Arc<Mutex<Target>>,
    store: Store,
    settings: SnapshotSettings,
    status: StatusBoard,
    stop: watch::Receiver<bool>,
    board: CopyBoard,
}

/// What readers and loaders share.
struct Shared {
    source: Arc<dyn Source>,
    target: Arc<Mutex<Target>>,
    /// Where the log is read from when all tables are copied.
    from: Position,
    mapping: Arc<Mapping>,
    quota: MemoryQuota,
    retry: RetryLimits,
    recorder: Recorder,
    status: StatusBoard,
    stop: watch::Receiver<bool>,
}

/// How a part of the copy ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Done,
    Stopped,
}

impl Snapshot {
    /// Puts a copy together. Nothing is connected yet.
    #[must_use]
    pub fn new(
        source: Arc<dyn Source>,
        destination: Box<dyn Destination>,
        schemas: Box<dyn TableSchemas>,
        store: Store,
        settings: SnapshotSettings,
        status: StatusBoard,
        stop: watch::Receiver<bool>,
    ) -> Self {
        status.update(|status| {
            status.source = source.describe();
            status.destination = destination.describe();
        });
        let target = Arc::new(Mutex::new(Target::new(destination, schemas)));
        Snapshot { source, target, store, settings, status, stop, board: CopyBoard::new() }
    }

    /// Copies what is to be copied: all tables of a new task that starts with a copy, what is left of an interrupted copy, and
    /// nothing for any other task. Errors that may pass are tried again within the limits.
    ///
    /// # Errors
    /// What cannot pass, or lasted too long; tables that could not be copied, when all others are.
    pub async fn run(mut self) -> Result<CopyEnd> {
        let mut retries = Retries::new(self.settings.retry);
        let mut rows = 0;
        loop {
            let mut stop = self.stop.clone();
            let attempt = self.attempt().await;
            let error = match attempt {
                Ok(Ended::Stopped) => return Ok(CopyEnd::Stopped),
                Ok(Ended::Done) => break,
                Err(error) => error,
            };
            let now = self.board.status(false).rows;
            if std::mem::replace(&mut rows, now) != now {
                retries.progress();
            }
            let (pause, error) = retries.after(error)?;
            warn!(%error, ?pause, "trying again");
            note_retry(&self.status, &error);
            tokio::select! {
                () = stopped(&mut stop) => return Ok(CopyEnd::Stopped),
                () = sleep(pause) => {}
            }
        }
        let target = Arc::into_inner(self.target)
            .ok_or_else(|| Error::definite("a reader or loader of the copy outlived it"))?
            .into_inner();
        let Target { destination, schemas, .. } = target;
        let completion = Box::new(Completion { source: self.source, schemas });
        let mut starts = TableStarts::default();
        for copy in self.store.copies()?.unwrap_or_default() {
            if let Some(start) = copy.start() {
                starts.insert(copy.table.clone(), start.clone());
            }
        }
        Ok(CopyEnd::Copied(CopiedEnds { destination, completion, starts }))
    }

    async fn attempt(&mut self) -> Result<Ended> {
        if !self.is_wanted() {
            return Ok(Ended::Done);
        }
        let mut stop = self.stop.clone();
        let checkpoint = tokio::select! {
            () = stopped(&mut stop) => return Ok(Ended::Stopped),
            checkpoint = self.standing() => checkpoint?,
        };
        let Some(checkpoint) = checkpoint else { return Ok(Ended::Done) };
        self.status.update(|status| {
            status.phase = Phase::Snapshot;
            status.position = Some(checkpoint.position.clone());
        });
        self.status.watch_copy(self.board.clone());
        let mut ledgers = self.recorded()?;
        loop {
            if self.prepare(&mut ledgers).await? == Ended::Stopped {
                return Ok(Ended::Stopped);
            }
            self.board.watch(&ledgers);
            if ledgers.iter().all(|ledger| !ledger.is_pending()) {
                break;
            }
            if self.copy(&ledgers, &checkpoint.position).await? == Ended::Stopped {
                return Ok(Ended::Stopped);
            }
            failures(&ledgers)?;
        }
        failures(&ledgers)?;
        snapshot_of(&*self.source)?.all_read();
        self.converge(&checkpoint).await?;
        Ok(Ended::Done)
    }

    /// Whether the destination has to be asked if there is something to copy. A task that never copied has no need to connect here.
    fn is_wanted(&self) -> bool {
        let incomplete = |checkpoint: &Checkpoint| checkpoint.completeness != Completeness::Complete;
        self.settings.start == Start::Snapshot
            || self.store.found().is_some_and(|stored| incomplete(&stored.checkpoint))
    }

    /// The checkpoint of a copy that is to be made or finished; `None`: there is none.
    async fn standing(&self) -> Result<Option<Checkpoint>> {
        let held = self.target.lock().await.open().await?;
        let checkpoint = match reconcile(self.store.found().as_ref(), held.as_ref())? {
            Resume::Fresh if self.settings.start == Start::Snapshot => {
                snapshot_of(&*self.source)?;
                let checkpoint = Checkpoint::first(self.begin().await?, Completeness::Copying);
                info!(position = %checkpoint.position, "a new task, which begins with a copy");
                // Here first, and the records before the destination: what it says of a copy is always known here as well.
                self.save(&checkpoint, Origin::Start).await?;
                self.store.begun();
                self.store.save_copies(0, &[])?;
                checkpoint
            }
            Resume::Fresh => return Ok(None),
            Resume::At { checkpoint, reason } => match checkpoint.completeness {
                Completeness::Copying => {
                    info!(position = %checkpoint.position, reason, "going on with the copy");
                    let stored = self.store.found().map_or(Origin::Start, |stored| stored.origin);
                    self.store.raise_once(checkpoint, stored)?
                }
                Completeness::Converging(_) if self.store.copies()?.is_none() => return Err(records_lost()),
                Completeness::Converging(_) => return Ok(None),
                Completeness::Complete => {
                    // Cut off before it was forgotten.
                    self.store.forget_copies()?;
                    return Ok(None);
                }
            },
        };
        // Cut off before the destination heard of the task.
        if held.is_none() && self.store.copies()?.is_none() {
            self.store.save_copies(0, &[])?;
        }
        if held.as_ref() != Some(&checkpoint) {
            self.target.lock().await.store_checkpoint(&checkpoint).await?;
        }
        // From here on a destination that knows nothing of the task is another one.
        self.save(&checkpoint, Origin::Applied).await?;
        Ok(Some(checkpoint))
    }

    /// The position of a new task, with the definitions in effect there. Nobody could tell them later: so the position is only
    /// kept when no definition was changed while they were read.
    async fn begin(&self) -> Result<Position> {
        for _ in 0..STARTS {
            let position = self.source.start_position(&self.settings.start).await?;
            if self.source.remember_definitions(&position, self.store.history()).await? {
                return Ok(position);
            }
        }
        Err(Error::transient(
            "definitions are changed all the time at the source, so that no position has known ones",
        ))
    }

    async fn save(&self, checkpoint: &Checkpoint, origin: Origin) -> Result<()> {
        let (store, checkpoint) = (self.store.clone(), checkpoint.clone());
        tokio::task::spawn_blocking(move || store.save(&checkpoint, origin))
            .await
            .map_err(|error| Error::definite("storing the position was broken off").caused_by(error))?
    }

    /// Reads and loads all tables that are not copied yet, several at once.
    async fn copy(&mut self, ledgers: &[Arc<Ledger>], from: &Position) -> Result<Ended> {
        let loaders = {
            let target = self.target.lock().await;
            self.settings.loaders.unwrap_or_else(|| target.destination.loaders()).max(1)
        };
        let (recorder, mut recording) = Recorder::start(self.store.clone(), ledgers.len());
        let shared = Arc::new(Shared {
            source: Arc::clone(&self.source),
            target: Arc::clone(&self.target),
            from: from.clone(),
            mapping: Arc::clone(&self.settings.mapping),
            quota: MemoryQuota::new(self.settings.memory),
            retry: self.settings.retry,
            recorder,
            status: self.status.clone(),
            stop: self.stop.clone(),
        });
        let (blocks, queue) = mpsc::channel(WAITING_BLOCKS);
        let queue = Arc::new(Mutex::new(queue));
        let schedule = Arc::new(Schedule::new(ledgers));
        let mut workers = JoinSet::new();
        for number in 1..=self.settings.readers {
            let smallest = number > 1 && number == self.settings.readers;
            workers.spawn(copy_tables(Arc::clone(&shared), Arc::clone(&schedule), blocks.clone(), smallest));
        }
        drop(blocks);
        for _ in 0..loaders {
            workers.spawn(load_blocks(Arc::clone(&shared), Arc::clone(&queue)));
        }
        drop(shared);
        // The recorder ends when readers and loaders have; before them only with an error, which ends them here.
        let recorded = tokio::select! {
            recorded = &mut recording => Some(recorded),
            joined = all(&mut workers) => {
                joined?;
                None
            }
        };
        let recorded = match recorded {
            Some(recorded) => recorded,
            None => recording.await,
        };
        workers.shutdown().await;
        recorded.map_err(broken_off)??;
        Ok(if *self.stop.borrow() { Ended::Stopped } else { Ended::Done })
    }

    /// All rows are there: creates what they need, and says where the log makes them one state.
    async fn converge(&self, checkpoint: &Checkpoint) -> Result<()> {
        let mut target = self.target.lock().await;
        target.complete(&*self.source, Stage::AfterLoad).await?;
        let end = self.source.end_of_log().await?;
        info!(%end, "all tables are copied; the log makes them one state");
        let checkpoint = Checkpoint {
            sequence: checkpoint.sequence + 1,
            completeness: Completeness::Converging(end),
            ..checkpoint.clone()
        };
        target.store_checkpoint(&checkpoint).await?;
        self.save(&checkpoint, Origin::Applied).await
    }
}

impl Shared {
    fn is_halted(&self) -> bool {
        *self.stop.borrow()
    }

    async fn halted(&self) {
        stopped(&mut self.stop.clone()).await;
    }

    /// Waits; `true`: the task is to stop.
    async fn pause(&self, pause: Duration) -> bool {
        tokio::select! {
            () = self.halted() => true,
            () = sleep(pause) => false,
        }
    }

    /// Makes sure that a table's start is not before the place from which the log is read: after a failover the server may be
    /// one that lags behind.
    fn covers(&self, start: &Position) -> Result<()> {
        if self.source.reached(start, &self.from) {
            return Ok(());
        }
        Err(Error::transient("the server lags behind the position from which the task reads the log")
            .at(&start.log)
            .remedy(format!("wait until it has the position {}", self.from)))
    }

    fn note_retry(&self, error: &Error) {
        note_retry(&self.status, error);
    }
}

fn note_retry(status: &StatusBoard, error: &Error) {
    status.update(|status| {
        status.retries += 1;
        status.last_error = Some(error.to_string());
    });
}

async fn all(workers: &mut JoinSet<()>) -> Result<()> {
    while let Some(joined) = workers.join_next().await {
        joined.map_err(broken_off)?;
    }
    Ok(())
}

fn broken_off(error: JoinError) -> Error {
    Error::definite("the copy was broken off").caused_by(error)
}

/// The tables that could not be copied, as one error.
fn failures(ledgers: &[Arc<Ledger>]) -> Result<()> {
    /// Tables that are named in the error; the log and the status have all.
    const NAMED: usize = 20;
    let failed: Vec<String> = ledgers.iter().filter_map(|ledger| ledger.error()).collect();
    if failed.is_empty() {
        return Ok(());
    }
    let mut list: String =
        failed.iter().take(NAMED).map(|error| format!("\n  {}", error.replace('\n', "\n  "))).collect();
    if failed.len() > NAMED {
        list.push_str(&format!("\n  and {} more", failed.len() - NAMED));
    }
    Err(Error::definite(format!("{} of {} tables could not be copied:{list}", failed.len(), ledgers.len()))
        .remedy("repair the causes, or exclude the tables in [objects]; start the task again, which copies what is left"))
}

/// Waits until a stop is asked for.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        // Whoever could ask is gone: nobody will.
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
#[path = "snapshot_tests.rs"]
mod tests;
#[cfg(test)]
mod world;
