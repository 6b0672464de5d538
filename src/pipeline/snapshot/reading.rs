//! Readers: each copies one table after the other.
//!
//! A table is begun with a reader whose rows show all changes up to its start; then the destination's table is brought to the
//! reader's definition, empty; then rows are read and handed to the loaders. Whatever disturbs this leads back to its
//! beginning, or to the last row that was read where the reader can go on there.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use slackwater_decoders::{
    position::Position,
    schema::{Column, Table},
};
use tokio::sync::mpsc;
use tracing::{info, warn};

use super::{Shared, ledger::Ledger, loading::Load, progress::Step};
use crate::{
    error::{Error, Result},
    pipeline::retry::Retries,
    positions::TableCopy,
    sources::snapshot::{CopyPoint, Read, SnapshotSource, TableReader},
};

/// The pause before a table that keeps changing is begun again.
const CHANGE_PAUSE: Duration = Duration::from_millis(100);
/// How often a table may be found changed in a row before anything of it was read.
const CHANGES: u32 = 100;

/// The tables that wait for a reader, the largest first.
pub(super) struct Schedule(Mutex<VecDeque<Arc<Ledger>>>);

impl Schedule {
    pub(super) fn new(ledgers: &[Arc<Ledger>]) -> Self {
        let mut waiting: Vec<_> = ledgers.iter().filter(|ledger| ledger.is_pending()).cloned().collect();
        waiting.sort_by_key(|ledger| std::cmp::Reverse(ledger.copy().estimated_bytes));
        Schedule(Mutex::new(waiting.into()))
    }

    /// The next table for a reader. All readers but the last one take the largest that is left, so that the copy does not end
    /// with one reader and a large table; the last one takes the smallest, so that small tables do not wait for large ones.
    fn next(&self, smallest: bool) -> Option<Arc<Ledger>> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if smallest { waiting.pop_back() } else { waiting.pop_front() }
    }
}

/// Copies tables until none is left or the task is to stop.
pub(super) async fn copy_tables(
    shared: Arc<Shared>,
    schedule: Arc<Schedule>,
    blocks: mpsc::Sender<Load>,
    smallest: bool,
) {
    while !shared.is_halted() {
        let Some(ledger) = schedule.next(smallest) else { return };
        let copy = TableCopying { shared: &shared, ledger: &ledger, blocks: &blocks };
        if let Err(error) = copy.run().await {
            ledger.fail(error.on(ledger.table()));
        }
        // What is on its way is still taken account of by the loaders.
        if let Some(error) = ledger.error() {
            warn!(table = %ledger.table(), error, "the table cannot be copied; the others go on");
        }
    }
}

/// The copy of one table.
struct TableCopying<'a> {
    shared: &'a Shared,
    ledger: &'a Arc<Ledger>,
    blocks: &'a mpsc::Sender<Load>,
}

/// How one attempt ended without an error.
enum Attempt {
    /// The copy is complete, or it failed for a reason that is in the account, or the task is to stop.
    Over,
    /// The table is another one now: it begins again.
    Again,
}

impl TableCopying<'_> {
    async fn run(&self) -> Result<()> {
        let mut retries = Retries::new(self.shared.retry);
        let (mut issued, mut changes) = (0, 0);
        let mut point = self.ledger.resume_point();
        self.ledger.reading();
        loop {
            let attempt = self.attempt(point.as_ref()).await;
            if self.shared.is_halted() {
                return Ok(());
            }
            let pause = match attempt {
                Ok(Attempt::Over) => return Ok(()),
                Ok(Attempt::Again) => {
                    point = None;
                    changes = if self.ledger.issued() == issued { changes + 1 } else { 0 };
                    issued = self.ledger.issued();
                    if changes > CHANGES {
                        return Err(Error::definite(
                            "the table is changed again and again before it can be copied",
                        )
                        .remedy("start the task again when its definition is at rest"));
                    }
                    CHANGE_PAUSE
                }
                Err(error) => {
                    if std::mem::replace(&mut issued, self.ledger.issued()) != issued {
                        retries.progress();
                    }
                    let (pause, error) = retries.after(error)?;
                    warn!(%error, ?pause, table = %self.ledger.table(), "reading on");
                    self.shared.note_retry(&error);
                    point = self.ledger.reading_point();
                    pause
                }
            };
            self.ledger.enter(Step::Pausing);
            if self.shared.pause(pause).await {
                return Ok(());
            }
        }
    }

    async fn attempt(&self, point: Option<&CopyPoint>) -> Result<Attempt> {
        let source = snapshot_of(&*self.shared.source)?;
        self.ledger.enter(Step::Opening);
        let Some(mut reader) = source.read_table(self.ledger.table(), point).await? else {
            return self.vanished(source).await;
        };
        let goes_on =
            point.is_some_and(|point| reader.table() == &point.table && reader.start() == &point.start);
        if !goes_on && !self.begin(&mut *reader, point.is_some()).await? {
            return Ok(Attempt::Again);
        }
        let Some(route) = self.shared.mapping.route(reader.table())? else {
            return Err(Error::definite("the table is read but no rule carries it"));
        };
        loop {
            self.ledger.enter(Step::Reading);
            let read = tokio::select! {
                () = self.shared.halted() => return Ok(Attempt::Over),
                read = reader.next() => read?,
            };
            if self.ledger.has_failed() {
                return Ok(Attempt::Over);
            }
            if let Some(error) = self.ledger.torn_by() {
                return Err(error);
            }
            match read {
                Read::Block(block) => {
                    self.ledger.enter(Step::Queueing);
                    let number = self.ledger.issue(block.end.as_ref());
                    let load = Load {
                        ledger: Arc::clone(self.ledger),
                        route: Arc::clone(&route),
                        number,
                        again: self.ledger.comes_again(),
                        _permit: self.shared.quota.take(block.batch.summary().bytes).await,
                        block,
                    };
                    if self.blocks.send(load).await.is_err() {
                        self.ledger.given_up();
                        return Ok(Attempt::Over);
                    }
                }
                Read::Finished => {
                    reader.close();
                    return self.finish().await.map(|()| Attempt::Over);
                }
                Read::Changed => {
                    reader.close();
                    info!(table = %self.ledger.table(), "the table was changed while it was copied: it begins again");
                    self.drained().await;
                    self.ledger.restarted();
                    return Ok(Attempt::Again);
                }
            }
        }
    }

    /// Brings the destination's table to the reader's definition, without rows, and takes the start down. `false`: the table was
    /// changed meanwhile, and the destination's was made for what it is now.
    async fn begin(&self, reader: &mut dyn TableReader, goes_back: bool) -> Result<bool> {
        self.shared.covers(reader.start())?;
        let ledger = self.ledger;
        self.drained().await;
        if goes_back {
            ledger.restarted();
        }
        ledger.enter(Step::Preparing);
        let copy = ledger.copy();
        // A definition that is not known is taken to fit, until a change was seen.
        let fits = match &copy.definition {
            Some(known) => same_shape(known, reader.table()),
            None => copy.restarts == 0 && !copy.making,
        };
        if !fits {
            self.refuse_if_mixed(&copy)?;
            // Recorded first. A process that finds the former definition, to which the source may have come back, would take the
            // new table for one of that definition, and one that finds former rows would go on behind them.
            ledger.unsettled(None);
            self.shared.recorder.store(ledger).await?;
            let mut target = self.shared.target.lock().await;
            let made = target.make_anew(&*self.shared.source, ledger.table(), ledger.target()).await?;
            let is_other = made.as_ref().is_some_and(|made| !same_shape(made, reader.table()));
            ledger.cleaned(made);
            if is_other {
                return Ok(false);
            }
        } else if !ledger.is_clean() {
            self.refuse_if_mixed(&copy)?;
            ledger.unsettled(copy.definition.clone());
            self.shared.recorder.store(ledger).await?;
            self.shared.target.lock().await.empty(ledger.target()).await?;
            ledger.cleaned(copy.definition.clone());
        }
        self.shared.target.lock().await.schemas.copying(reader.table()).await?;
        ledger.begun(reader);
        if copy.mixed {
            // A copy that cannot be emptied has to be known before its first row is there.
            self.shared.recorder.store(ledger).await?;
        } else {
            self.shared.recorder.mark(ledger).await;
        }
        Ok(true)
    }

    /// Rows of this copy cannot be told from others in the same table.
    fn refuse_if_mixed(&self, copy: &TableCopy) -> Result<()> {
        if copy.mixed { Err(mixed_with_others(self.ledger)) } else { Ok(()) }
    }

    /// See [`Ledger::drained`].
    async fn drained(&self) -> bool {
        self.ledger.enter(Step::Loading);
        self.ledger.drained().await
    }

    async fn finish(&self) -> Result<()> {
        let complete = self.drained().await;
        if let Some(error) = self.ledger.torn_by() {
            return Err(error);
        }
        if complete && !self.ledger.has_failed() {
            self.ledger.copied();
            self.shared.recorder.mark(self.ledger).await;
        }
        Ok(())
    }

    /// The source has no such table: neither has the destination then, and what the log says of it before is of no interest.
    async fn vanished(&self, source: &dyn SnapshotSource) -> Result<Attempt> {
        let Some(start) = self.absent_since(source).await? else { return Ok(Attempt::Again) };
        info!(table = %self.ledger.table(), "the table is gone from the source");
        self.drained().await;
        self.ledger.enter(Step::Preparing);
        let shared_by_others = self.ledger.copy().mixed;
        if !shared_by_others {
            self.shared.target.lock().await.drop_table(self.ledger.target()).await?;
        }
        self.ledger.gone(start);
        self.shared.recorder.store(self.ledger).await?;
        Ok(Attempt::Over)
    }

    /// A place in the log at which there was no such table: the table is missing before and after the place is read. (One
    /// that came and went in between is nobody's.)
    async fn absent_since(&self, source: &dyn SnapshotSource) -> Result<Option<Position>> {
        let end = self.shared.source.end_of_log().await?;
        self.shared.covers(&end)?;
        let reader = source.read_table(self.ledger.table(), None).await?;
        Ok(reader.is_none().then_some(end))
    }
}

pub(super) fn snapshot_of(source: &dyn crate::sources::Source) -> Result<&dyn SnapshotSource> {
    source.snapshot().ok_or_else(|| {
        Error::definite("the source has a log but no tables that could be copied")
            .on(source.describe())
            .remedy("start at a place in the log: `start = \"now\"`, `\"earliest\"`, …")
    })
}

/// Whether rows of one definition can be written to a table of the other. (Where two readings of a definition came from does not
/// matter, nor do keys that are created later.)
fn same_shape(one: &Table, other: &Table) -> bool {
    let same = |(a, b): (&Column, &Column)| {
        a.name == b.name
            && a.column_type == b.column_type
            && a.nullable == b.nullable
            && a.generated.is_some() == b.generated.is_some()
    };
    one.columns.len() == other.columns.len()
        && one.primary_key == other.primary_key
        && one.columns.iter().zip(&other.columns).all(same)
}

fn mixed_with_others(ledger: &Ledger) -> Error {
    Error::definite("the copy of the table has to begin again, but the destination's table holds other rows as well")
        .on(ledger.target())
        .remedy(
            "to copy everything again: remove the task's row from the destination's table slackwater_checkpoint, move the \
             state directory away, and start the task with `snapshot.existing = \"replace\"` or \"truncate\"",
        )
}
