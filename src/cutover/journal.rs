//! The record of an attempt: stored before each step, told to the operator, timed.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::task::spawn_blocking;
use tracing::info;

use crate::{
    error::{Error, Result},
    pipeline::status::{CutoverStatus, StatusBoard},
    positions::{CutoverRecord, CutoverStep, StepTime, Store},
};

/// The record of the cutover. Cloning it gives another handle.
#[derive(Clone)]
pub(super) struct Journal(Arc<Inner>);

struct Inner {
    store: Store,
    status: StatusBoard,
    now: Mutex<Now>,
}

struct Now {
    record: CutoverRecord,
    /// When the step began in this process.
    since: Instant,
}

impl Journal {
    /// Goes on with what the store has.
    pub(super) fn open(store: Store, status: StatusBoard) -> Result<Self> {
        let found = store.cutover()?;
        if let Some(record) = &found {
            status.update(|status| status.cutover = Some(CutoverStatus::from(record)));
        }
        let now = Mutex::new(Now { record: found.unwrap_or_default(), since: Instant::now() });
        Ok(Journal(Arc::new(Inner { store, status, now })))
    }

    /// What is recorded.
    pub(super) fn record(&self) -> CutoverRecord {
        self.0.now.lock().unwrap_or_else(PoisonError::into_inner).record.clone()
    }

    pub(super) fn step(&self) -> CutoverStep {
        self.0.now.lock().unwrap_or_else(PoisonError::into_inner).record.step
    }

    /// Begins an attempt: what the last one has left is forgotten.
    pub(super) fn begin(&self, dry_run: bool) {
        let mut now = self.0.now.lock().unwrap_or_else(PoisonError::into_inner);
        let (attempt, failures) = (now.record.attempt + 1, now.record.failures);
        now.record = CutoverRecord { attempt, dry_run, failures, ..CutoverRecord::default() };
        now.since = Instant::now();
    }

    /// Stores that a step is taken, with what has changed for it, before it is.
    pub(super) async fn enter(
        &self,
        step: CutoverStep,
        note: impl Into<String>,
        change: impl FnOnce(&mut CutoverRecord),
    ) -> Result<()> {
        let record = {
            let mut now = self.0.now.lock().unwrap_or_else(PoisonError::into_inner);
            let former = StepTime { step: now.record.step, millis: millis(now.since.elapsed()) };
            let mut record = now.record.clone();
            if former.step != CutoverStep::Waiting && former.step != step {
                record.durations.push(former);
            }
            record.step = step;
            record.note = note.into();
            record.time = CutoverRecord::now();
            change(&mut record);
            now.record = record.clone();
            now.since = Instant::now();
            record
        };
        info!(step = step.name(), attempt = record.attempt, note = record.note, "cutover");
        self.store(record).await
    }

    /// Stores what has changed within a step, before it is acted on.
    pub(super) async fn amend(&self, change: impl FnOnce(&mut CutoverRecord)) -> Result<()> {
        let record = {
            let mut now = self.0.now.lock().unwrap_or_else(PoisonError::into_inner);
            change(&mut now.record);
            now.record.clone()
        };
        self.store(record).await
    }

    async fn store(&self, record: CutoverRecord) -> Result<()> {
        self.0.status.update(|status| status.cutover = Some(CutoverStatus::from(&record)));
        let store = self.0.store.clone();
        spawn_blocking(move || store.record_cutover(&record))
            .await
            .map_err(|error| Error::definite("recording the cutover was broken off").caused_by(error))?
    }
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The time of each step in a sentence (`fencing 12 ms, draining 340 ms`).
pub(super) fn told(durations: &[StepTime]) -> String {
    let told: Vec<_> =
        durations.iter().map(|time| format!("{} {} ms", time.step.name(), time.millis)).collect();
    told.join(", ")
}
