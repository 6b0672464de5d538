//! A source and a destination in memory, with faults on demand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use slackwater_decoders::{
    batch::{Batch, Decoded},
    event::{Begin, Commit, Event, RowChange, Rows},
    position::Position,
    schema::{Column, ColumnType, Table, TableName},
    value::{Cell, Value},
};

use crate::{
    changes::{Group, Job},
    config::Start,
    destinations::{Checkpoint, Destination, Standing, Unfinished, load::Loader, schema::Stage},
    error::{Error, Result},
    mapping::Selection,
    pipeline::{
        queue::BatchSender,
        snapshot::schemas::{Created, TableSchemas},
    },
    positions::SchemaHistory,
    sources::{Finding, Plan, Source},
};

/// The place behind transaction `number`; 0 is the start of the log.
pub(crate) fn at(number: u64) -> Position {
    Position::binlog("binlog.000001", 4 + number * 100, None)
}

fn number_of(position: &Position) -> u64 {
    let (_, offset) = position.log.binlog().unwrap();
    (offset - 4) / 100
}

/// What goes wrong in one run of the source, after so many batches.
#[derive(Clone, Copy)]
pub(crate) enum Fault {
    /// The connection is lost.
    Lost { after: usize },
    /// The source itself reconnects and says so.
    Rewind { after: usize },
    /// The log cannot be read on.
    Definite { after: usize },
}

/// A log of transactions, each of two rows that are sent as two batches.
pub(crate) struct FakeSource {
    pub(crate) log: Mutex<Vec<[u64; 2]>>,
    pub(crate) grown: tokio::sync::Notify,
    pub(crate) faults: Mutex<VecDeque<Fault>>,
    /// Whether to wait for more at the end of the log.
    pub(crate) follow: bool,
    /// Transactions whose rows the task does not carry: from this number on.
    pub(crate) filtered_from: u64,
    /// How often the end of log was asked for; the log grows by one transaction at each of these questions.
    pub(crate) grows_at_questions: Mutex<VecDeque<bool>>,
}

impl FakeSource {
    /// A log of that many transactions, which is followed.
    pub(crate) fn new(transactions: u64) -> Self {
        FakeSource {
            log: Mutex::new((0..transactions).map(|n| [n * 2, n * 2 + 1]).collect()),
            grown: tokio::sync::Notify::new(),
            faults: Mutex::default(),
            follow: true,
            filtered_from: u64::MAX,
            grows_at_questions: Mutex::default(),
        }
    }

    pub(crate) fn with_faults(self, faults: impl IntoIterator<Item = Fault>) -> Self {
        FakeSource { faults: Mutex::new(faults.into_iter().collect()), ..self }
    }

    pub(crate) fn grow(&self) {
        let mut log = self.log.lock().unwrap();
        let next = log.len() as u64 * 2;
        log.push([next, next + 1]);
        self.grown.notify_one();
    }
}

#[async_trait]
impl Source for FakeSource {
    fn describe(&self) -> String {
        "fake source".into()
    }

    async fn check(&self, _: &Plan<'_>) -> Vec<Finding> {
        Vec::new()
    }

    async fn start_position(&self, start: &Start) -> Result<Position> {
        Ok(at(if *start == Start::Earliest { 0 } else { self.log.lock().unwrap().len() as u64 }))
    }

    async fn end_of_log(&self) -> Result<Position> {
        if self.grows_at_questions.lock().unwrap().pop_front() == Some(true) {
            self.grow();
        }
        Ok(at(self.log.lock().unwrap().len() as u64))
    }

    fn reached(&self, applied: &Position, fence: &Position) -> bool {
        number_of(applied) >= number_of(fence)
    }

    async fn bytes_behind(&self, applied: &Position, end: &Position) -> Option<u64> {
        Some((number_of(end) - number_of(applied)) * 100)
    }

    async fn tail(&self, from: Position, _history: &SchemaHistory, out: &BatchSender) -> Result<()> {
        let fault = self.faults.lock().unwrap().pop_front();
        let (mut next, mut sent) = (number_of(&from), 0);
        loop {
            let transaction = self.log.lock().unwrap().get(next as usize).copied();
            let Some(rows) = transaction else {
                if !self.follow {
                    return Ok(());
                }
                tokio::select! {
                    () = self.grown.notified() => continue,
                    () = out.closed() => return Ok(()),
                }
            };
            let mut half = 0;
            while half < 2 {
                match fault {
                    Some(Fault::Lost { after }) if after == sent => return Err(Error::disconnected("lost")),
                    Some(Fault::Definite { after }) if after == sent => {
                        return Err(Error::definite("purged"));
                    }
                    Some(Fault::Rewind { after }) if after == sent => {
                        sent += 1;
                        half = 0;
                        if !out.rewind().await {
                            return Ok(());
                        }
                        continue;
                    }
                    _ => {}
                }
                let value = (next < self.filtered_from).then_some(rows[half]);
                let resume = (half == 1 || value.is_none()).then(|| at(next + u64::from(half == 1)));
                if !out.send(batch(next, value, half, resume)).await {
                    return Ok(());
                }
                (sent, half) = (sent + 1, half + 1);
            }
            next += 1;
        }
    }
}

/// Bytes of a batch, and a little more in the arena.
pub(crate) const BATCH_BYTES: usize = 100_000;

/// A half of transaction `number` with one inserted row, or with nothing for the destination.
pub(crate) fn batch(number: u64, value: Option<u64>, half: usize, resume: Option<Position>) -> Batch {
    Batch::decode(vec![0; BATCH_BYTES], |_, arena, events| {
        let place = at(number).log;
        if half == 0 {
            events.push(Event::Begin(Begin { transaction: None, position: place.clone() }));
        }
        if let Some(value) = value {
            let after = arena.slice(&[Cell::Value(Value::UInt(value))]);
            let changes = arena.slice(&[RowChange::Insert { after }]);
            let (table, position) = (table(), place.clone());
            events.push(Event::Rows(Rows {
                table,
                position,
                time_micros: 1,
                sequence: half as u64,
                unlogged_cascades: false,
                changes,
            }));
        }
        if half == 1 {
            events.push(Event::Commit(Commit { position: at(number + 1).log, time_micros: 1 }));
        }
        Ok::<_, Error>(Decoded { resume, row_changes: u64::from(value.is_some()), time_micros: 1 })
    })
    .unwrap()
}

fn table() -> Arc<Table> {
    Arc::new(Table {
        name: TableName::new("shop", "numbers"),
        columns: vec![Column::new("n", ColumnType::Integer { bytes: 8, unsigned: true })],
        primary_key: Vec::new(),
        unique_keys: Vec::new(),
        indexes: Vec::new(),
        collation: None,
        named: true,
        number: None,
    })
}

/// What a fake destination holds: its rows are keyless, so that anything applied twice shows.
#[derive(Default)]
pub(crate) struct Held {
    pub(crate) rows: Vec<u64>,
    pub(crate) checkpoint: Option<Checkpoint>,
    /// Errors of the next calls of `apply`: the error, and whether the work is committed nevertheless.
    pub(crate) apply_errors: VecDeque<Option<(Error, bool)>>,
    /// Errors of the next calls of `open`.
    pub(crate) open_errors: VecDeque<Error>,
    pub(crate) position_writes: u64,
    pub(crate) opened: u64,
    /// What `open` says, once, beside the checkpoint.
    pub(crate) unfinished: Option<Unfinished>,
    /// Of each applied group: number of shares, whether it is converging, and the position of its checkpoint.
    pub(crate) groups: Vec<(usize, bool, Option<Position>)>,
}

/// A destination with transactions.
#[derive(Default)]
pub(crate) struct FakeDestination {
    pub(crate) held: Arc<Mutex<Held>>,
    pending: Vec<u64>,
}

impl FakeDestination {
    pub(crate) fn of(held: &Arc<Mutex<Held>>) -> Self {
        FakeDestination { held: Arc::clone(held), pending: Vec::new() }
    }
}

#[async_trait]
impl Destination for FakeDestination {
    fn describe(&self) -> String {
        "fake destination".into()
    }

    async fn check(&mut self, _: &Selection) -> Vec<Finding> {
        Vec::new()
    }

    async fn open(&mut self) -> Result<Option<Standing>> {
        let mut held = self.held.lock().unwrap();
        self.pending.clear();
        held.opened += 1;
        held.open_errors.pop_front().map_or(Ok(()), Err)?;
        let unfinished = held.unfinished.take();
        Ok(held.checkpoint.clone().map(|checkpoint| Standing { checkpoint, unfinished }))
    }

    async fn apply(&mut self, group: &Arc<Group>, checkpoint: Option<&Checkpoint>) -> Result<()> {
        let mut held = self.held.lock().unwrap();
        let error = held.apply_errors.pop_front().flatten();
        if let Some((error, false)) = error {
            return Err(error);
        }
        let position = checkpoint.map(|checkpoint| checkpoint.position.clone());
        held.groups.push((group.shares().len(), group.is_converging(), position));
        for job in group.shares().iter().flat_map(|share| &share.jobs) {
            let Job::InOrder(rows) = job else { continue };
            let values = rows.changes.iter().filter_map(|change| match change.after()?[0] {
                Cell::Value(Value::UInt(value)) => Some(value),
                _ => None,
            });
            self.pending.extend(values);
        }
        if let Some(checkpoint) = checkpoint {
            let last = held.checkpoint.as_ref().map(|checkpoint| checkpoint.sequence);
            assert!(last < Some(checkpoint.sequence), "the sequence counts up");
            held.rows.append(&mut self.pending);
            held.checkpoint = Some(checkpoint.clone());
        }
        error.map_or(Ok(()), |(error, _)| Err(error))
    }

    async fn rollback(&mut self) -> Result<()> {
        self.pending.clear();
        Ok(())
    }

    async fn store_checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        assert!(self.pending.is_empty(), "no checkpoint inside a transaction");
        let mut held = self.held.lock().unwrap();
        if held.checkpoint.as_ref().is_some_and(|held| held.generation > checkpoint.generation) {
            return Err(Error::definite("the task is superseded"));
        }
        held.checkpoint = Some(checkpoint.clone());
        held.position_writes += 1;
        Ok(())
    }

    async fn loader(&mut self) -> Result<Box<dyn Loader>> {
        Err(Error::definite("nothing is loaded here"))
    }

    async fn empty_table(&mut self, _: &TableName) -> Result<()> {
        Err(Error::definite("nothing is loaded here"))
    }

    async fn occupied(&mut self, _: &[TableName]) -> Result<Vec<TableName>> {
        Ok(Vec::new())
    }

    async fn drop_table(&mut self, _: &TableName) -> Result<()> {
        Err(Error::definite("nothing is loaded here"))
    }
}

/// For a destination that has all its tables.
pub(crate) struct FakeSchemas;

#[async_trait]
impl TableSchemas for FakeSchemas {
    async fn create(
        &mut self,
        _: &dyn Source,
        _: &mut dyn Destination,
        _: &[TableName],
    ) -> Result<Vec<Created>> {
        Err(Error::definite("nothing is created here"))
    }

    async fn complete(&mut self, _: &dyn Source, _: &mut dyn Destination, _: Stage) -> Result<()> {
        Ok(())
    }
}
