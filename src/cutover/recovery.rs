//! What a start makes of a cutover that it finds, and what an operator makes of it.

use tokio::time::sleep;
use tracing::{info, warn};

use super::{hooks::Verdict as HookVerdict, switch::undecided, waiting::Cutover};
use crate::{
    config::{After, Interrupted},
    destinations::Destination,
    error::{Error, Result},
    pipeline::{handle::Next, retry::Retries},
    positions::{CutoverRecord, CutoverStep, Resume, Store, Undo, reconcile},
};

/// What a start finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// The log is followed.
    Follow,
    /// The task was cut over and ends with it: there is nothing to do.
    Done,
}

/// What an operator says about a cutover whose end is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The traffic goes to the destination.
    Accept,
    /// It goes to the source.
    Undo,
}

const INTERRUPTED: &str = "the daemon ended while the hooks ran";

impl Cutover {
    /// Whether the task may start at all, before anything is connected.
    ///
    /// # Errors
    /// Definite when an operator has to say how a cutover ended.
    pub fn entry(&self) -> Result<Entry> {
        let record = self.machine.journal.record();
        let settings = &self.machine.settings;
        match record.step {
            CutoverStep::Done if settings.after == After::Stop => Ok(Entry::Done),
            CutoverStep::Undecided => Err(undecided(&self.machine.task, &record.note)),
            CutoverStep::Hooks if settings.interrupted == Interrupted::Ask => {
                let ran = &record.switched_by;
                let ran = if ran.is_empty() { String::new() } else { format!(", after {}", ran.join(", ")) };
                let why = format!("{INTERRUPTED}{ran}");
                let stuck = CutoverRecord { step: CutoverStep::Undecided, note: why.clone(), ..record };
                self.store.record_cutover(&stuck)?;
                Err(undecided(&self.machine.task, &why))
            }
            _ => Ok(Entry::Follow),
        }
    }

    /// Takes back what an attempt that was cut off has done, or brings it to its end. Called before anything is applied, with a
    /// destination that nobody else uses.
    ///
    /// # Errors
    /// When one of the ends cannot be reached for longer than errors may last; definite when the task was superseded.
    pub async fn recover(&self, destination: &mut dyn Destination) -> Result<Entry> {
        let record = self.machine.journal.record();
        if matches!(record.step, CutoverStep::Waiting | CutoverStep::Done | CutoverStep::Undecided) {
            return Ok(Entry::Follow);
        }
        self.is_rightful(destination).await?;
        let next = match record.step {
            CutoverStep::Reversing => self.machine.conclude().await?,
            CutoverStep::Hooks => self.repeat(record, destination).await?,
            _ => {
                let (why, _) = self.machine.cut_off().unwrap_or_default();
                warn!(step = record.step.name(), "an attempt to cut over was cut off: it is taken back");
                self.machine.roll_back(&why, true, Some(destination)).await?;
                Next::Continue
            }
        };
        Ok(if next == Next::Stop { Entry::Done } else { Entry::Follow })
    }

    /// Runs the hooks again, which may be repeated.
    async fn repeat(&self, record: CutoverRecord, destination: &mut dyn Destination) -> Result<Next> {
        info!("{INTERRUPTED}: they run again");
        match self.machine.turn_over(&record.description.unwrap_or_default()).await? {
            HookVerdict::Switched => self.machine.conclude().await,
            HookVerdict::NotSwitched(why) => {
                self.machine.roll_back(&why, true, Some(destination)).await?;
                Ok(Next::Continue)
            }
            HookVerdict::Unknown(why) => Err(self.machine.undecided(&why).await?),
        }
    }

    /// A superseded task, or a restored copy of its state, must neither open the source nor run anything.
    async fn is_rightful(&self, destination: &mut dyn Destination) -> Result<()> {
        let mut retries = Retries::new(self.machine.retry);
        loop {
            let error = match destination.open().await {
                Ok(held) => {
                    let held = held.map(|standing| standing.checkpoint);
                    return match reconcile(self.store.found().as_ref(), held.as_ref())? {
                        Resume::At { .. } | Resume::Fresh => Ok(()),
                    };
                }
                Err(error) => error,
            };
            let (pause, error) = retries.after(error)?;
            warn!(%error, ?pause, "an attempt to cut over was cut off, and the destination is needed to take it back");
            sleep(pause).await;
        }
    }
}

/// Records that the traffic goes to the destination: the next start brings the cutover to its end.
///
/// # Errors
/// Definite when no cutover waits for this word; when the store cannot be written.
pub fn accept(store: &Store) -> Result<CutoverRecord> {
    decide(store, "accepted by the operator", |record| match record.step {
        CutoverStep::Undecided | CutoverStep::Hooks => Some(CutoverStep::Reversing),
        _ => None,
    })
}

/// Records that the traffic goes to the source: the next start takes everything back.
///
/// # Errors
/// Definite when there is nothing to take back; when the store cannot be written.
pub fn undo(store: &Store) -> Result<CutoverRecord> {
    decide(store, "taken back by the operator", |record| {
        let is_under_way = record.step != CutoverStep::Waiting || record.undo != Undo::default();
        is_under_way.then_some(CutoverStep::RollingBack)
    })
}

fn decide(
    store: &Store,
    note: &str,
    next: impl Fn(&CutoverRecord) -> Option<CutoverStep>,
) -> Result<CutoverRecord> {
    let record = store.cutover()?.unwrap_or_default();
    let step = next(&record).ok_or_else(|| {
        Error::definite(format!("no cutover waits for this: {} since {}", record.step.name(), record.time))
            .on(store.directory().display())
    })?;
    let decided = CutoverRecord { step, time: CutoverRecord::now(), note: note.to_owned(), ..record };
    store.record_cutover(&decided)?;
    Ok(decided)
}
