//! Making rows equal that a comparison found to differ.
//!
//! The rows are read from the source now, behind the position up to which the destination has everything; they are written together
//! with a checkpoint of the same position that says that the destination *converges* up to the end of the log as it is after the reading. The
//! next run applies the log from the position to there, as it does behind a copy, and what the repair has written too early or too late
//! is then as it was at the source there.

use std::{collections::HashSet, convert::Infallible, sync::Arc};

use slackwater_decoders::{
    arena::Arena,
    batch::{Batch, Decoded},
    event::{Event, RowChange, Rows},
    schema::Table,
    value::{Bits, Cell, Enum, Value},
};

use super::{
    digest::{Digester, From, Hasher, id_of},
    key::{Key, Owned, values},
    pair::{Pair, SourceTable, routes},
    report::{Report, TableReport},
    task::TaskVerification,
};
use crate::{
    changes::{Group, GroupBuilder, Limits},
    config::Objects,
    destinations::Destination,
    error::{Error, Result},
    mapping::{Mapping, Selection},
    positions::{Checkpoint, Completeness, Origin, Resume, Store, reconcile},
};

/// Keys that are read and written together.
const KEYS: usize = 500;

/// What a repair did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repaired {
    /// Rows of the source that were written over what was there, or was not.
    pub written: u64,
    /// Rows that were removed.
    pub removed: u64,
    /// Tables that were left as they are, with the reason.
    pub left: Vec<(String, String)>,
}

/// Repairs what a report of all rows lists. The task must not run; `store` is its store.
pub struct Repair<'t> {
    task: &'t TaskVerification,
    destination: Box<dyn Destination>,
    store: Store,
    checkpoint: Checkpoint,
    repaired: Repaired,
}

impl<'t> Repair<'t> {
    /// Opens the destination, and makes sure that the task stands at a position that a repair can go on from.
    ///
    /// # Errors
    /// Definite when the task has not begun, or its copy is not complete, or it was cut off between two commits of one group.
    pub async fn open(
        task: &'t TaskVerification,
        mut destination: Box<dyn Destination>,
        store: Store,
    ) -> Result<Self> {
        let held = destination.open().await?;
        let run_first = |what: &str| {
            Error::definite(format!("{what}, so that nothing can be repaired"))
                .remedy("run it first, and compare again")
        };
        if held.as_ref().is_some_and(|held| held.unfinished.is_some()) {
            return Err(run_first("the task was cut off in the middle of a group of changes"));
        }
        let checkpoint = match reconcile(store.found().as_ref(), held.as_ref().map(|held| &held.checkpoint))?
        {
            Resume::Fresh => return Err(run_first("the task has never run")),
            Resume::At { checkpoint, .. } => checkpoint,
        };
        if checkpoint.completeness == Completeness::Copying {
            return Err(run_first("the task's copy is not complete"));
        }
        Ok(Repair { task, destination, store, checkpoint, repaired: Repaired::default() })
    }

    /// Repairs the tables of a report that was made with all differing rows listed.
    ///
    /// # Errors
    /// When an end cannot be reached or refuses a row; what was repaired before stays so.
    pub async fn run(mut self, report: &Report) -> Result<Repaired> {
        let task = self.task;
        let names = task.tables().await?;
        let sources = task.readers.0.tables(&names).await?;
        for (name, sources) in routes(&task.mapping, &sources)? {
            let Some(found) = report.tables.iter().find(|table| table.table == name.to_string()) else {
                continue;
            };
            if found.differing() == 0 {
                continue;
            }
            let there = task.readers.1.tables(std::slice::from_ref(&name)).await?;
            match Pair::new(name, sources, there.first(), task.settings.rules) {
                Ok(pair) => self.table(&pair, found).await?,
                Err(unpaired) => self.repaired.left.push((found.table.clone(), unpaired.reason)),
            }
        }
        Ok(self.repaired)
    }

    async fn table(&mut self, pair: &Pair, found: &TableReport) -> Result<()> {
        if pair.key_columns == 0 {
            self.repaired.left.push((
                found.table.clone(),
                "its rows have no key to be told apart by: copy it anew (exclude it, run the task, drop it at the destination, include it again \
                 with a new task)"
                    .to_owned(),
            ));
            return Ok(());
        }
        let keys: Vec<Key> =
            found.differences.iter().filter_map(|difference| difference.keys.source.clone()).collect();
        if (keys.len() as u64) < found.differing() {
            self.repaired.left.push((
                found.table.clone(),
                format!(
                    "{} rows whose keys are not known: compare again",
                    found.differing() - keys.len() as u64
                ),
            ));
        }
        for keys in keys.chunks(KEYS) {
            self.keys(pair, keys).await?;
        }
        Ok(())
    }

    /// Brings the rows of some keys to what the source has now. Those that it has not go first: a unique value may move from one to another.
    async fn keys(&mut self, pair: &Pair, keys: &[Key]) -> Result<()> {
        let Some(first) = pair.sources.first() else { return Ok(()) };
        let table = first.route.target();
        let hasher = Hasher(0);
        let mut there = HashSet::new();
        let mut builder = self.builder(Mapping::clone(&self.task.mapping));
        for source in &pair.sources {
            let batch = Self::rows(self.task, source, keys).await?;
            Digester::new(pair, From::Source(source), hasher).read(&batch, |row| {
                there.insert(row.id);
            })?;
            builder.push(batch)?;
        }
        let written = builder.build();
        let gone: Vec<&Key> = keys
            .iter()
            .filter(|key| id_of(pair, key, hasher).is_none_or(|id| !there.contains(&id)))
            .collect();
        if !gone.is_empty() {
            let mut builder = self.builder(Mapping::identity(Selection::new(&Objects::default())));
            builder.push(deletes(table, &self.checkpoint, &gone, pair))?;
            self.apply(builder.build()).await?;
        }
        if !there.is_empty() {
            self.apply(written).await?;
        }
        self.repaired.written += there.len() as u64;
        self.repaired.removed += gone.len() as u64;
        Ok(())
    }

    fn builder(&self, mapping: Mapping) -> GroupBuilder {
        let limits = Limits { workers: self.destination.workers(), bytes: usize::MAX };
        GroupBuilder::new(Arc::new(mapping), limits, true)
    }

    async fn rows(task: &TaskVerification, source: &SourceTable, keys: &[Key]) -> Result<Batch> {
        let order = source.key_order.as_deref().unwrap_or_default();
        let own: Vec<Key> = keys
            .iter()
            .map(|key| order.iter().filter_map(|place| key.get(*place).cloned()).collect())
            .collect();
        let own: Vec<Vec<Value<'_>>> = own.iter().map(|key| values(key)).collect();
        task.readers.0.rows(&source.table, &own).await.map_err(|error| error.on(&source.table.name))
    }

    /// Applies a group whose rows were read before now.
    async fn apply(&mut self, group: Group) -> Result<()> {
        let end = self.task.source.end_of_log().await?;
        if self.store.copies()?.is_none() {
            // What converges has records of a copy, of no table here.
            self.store.save_copies(0, &[])?;
        }
        let checkpoint = Checkpoint {
            sequence: self.checkpoint.sequence + 1,
            completeness: Completeness::Converging(end),
            ..self.checkpoint.clone()
        };
        self.destination.apply(&Arc::new(group), Some(&checkpoint)).await?;
        self.checkpoint = checkpoint;
        self.store.save(&self.checkpoint, Origin::Applied)
    }
}

/// The removal of rows with these keys, which are in the order of the pair's key.
fn deletes(table: &Arc<Table>, checkpoint: &Checkpoint, keys: &[&Key], pair: &Pair) -> Batch {
    let places: Vec<usize> = pair
        .sources
        .first()
        .map(|source| source.places.iter().take(pair.key_columns).copied().collect())
        .unwrap_or_default();
    let decoded = Batch::decode(Vec::new(), |_, arena, events| {
        let changes: Vec<RowChange<'_>> = keys
            .iter()
            .map(|key| {
                let before = arena.filled(table.columns.len(), Cell::Absent);
                for (place, value) in places.iter().zip(key.iter()) {
                    if let Some(cell) = before.get_mut(*place) {
                        *cell = Cell::Value(kept(value, arena));
                    }
                }
                RowChange::Delete { before }
            })
            .collect();
        events.push(Event::Rows(Rows {
            table: Arc::clone(table),
            position: checkpoint.position.log.clone(),
            time_micros: 0,
            sequence: 0,
            unlogged_cascades: false,
            changes: arena.slice(&changes),
        }));
        Ok::<_, Infallible>(Decoded { row_changes: keys.len() as u64, ..Decoded::default() })
    });
    decoded.unwrap_or_else(|never| match never {})
}

/// The value, in the arena's memory.
fn kept<'a>(value: &Owned, arena: &Arena<'a>) -> Value<'a> {
    match value {
        Owned::Bool(truth) => Value::Bool(*truth),
        Owned::Int(number) => Value::Int(*number),
        Owned::UInt(number) => Value::UInt(*number),
        Owned::Float(number) => Value::Float(*number),
        Owned::Double(number) => Value::Double(*number),
        Owned::Decimal(digits) => Value::Decimal(arena.text(digits)),
        Owned::Text(text) => Value::Text(arena.text(text)),
        Owned::Binary(bytes) => Value::Binary(arena.slice(bytes)),
        Owned::Date(date) => Value::Date(*date),
        Owned::Time(time) => Value::Time(*time),
        Owned::DateTime(time) => Value::DateTime(*time),
        Owned::Timestamp(time) => Value::Timestamp(*time),
        Owned::Year(year) => Value::Year(*year),
        Owned::Bits { length, bytes } => Value::Bits(Bits { length: *length, bytes: arena.slice(bytes) }),
        Owned::Enum { index, label } => {
            Value::Enum(Enum { index: *index, label: label.as_deref().map(|label| arena.text(label)) })
        }
        Owned::Uuid(bytes) => Value::Uuid(*bytes),
    }
}
