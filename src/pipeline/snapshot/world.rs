//! A source and a destination in memory for copies: the source changes while it is copied, and the process is killed
//! at any step.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use slackwater_decoders::{
    batch::{Batch, Decoded},
    event::{Event, RowChange, Rows},
    position::Position,
    schema::{Column, ColumnType, Table, TableName},
    value::{Cell, Value},
};

use super::schemas::{Created, TableSchemas};
use crate::{
    changes::Group,
    config::Start,
    destinations::{Checkpoint, Destination, Standing, load::Loader, schema::Stage},
    error::{Error, Result},
    mapping::Selection,
    pipeline::queue::BatchSender,
    positions::SchemaHistory,
    sources::{
        Finding, Plan, Source,
        snapshot::{Block, Bound, CopyPoint, Read, SnapshotSource, TableEstimate, TableReader},
    },
};

/// Rows of a block.
const BLOCK: usize = 3;

/// A table on either side: rows by key, each with how often it is there (tables without a key have equal rows).
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Content {
    pub(super) columns: usize,
    pub(super) keyless: bool,
    /// Another table under the same name has another number.
    pub(super) number: u64,
    pub(super) rows: BTreeMap<u64, (u64, u32)>,
}

/// What the log says.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Put(String, u64, u64),
    Delete(String, u64),
    AddColumn(String),
    DropColumn(String),
    Create(String, bool),
    Rename(String, String),
    Drop(String),
}

#[derive(Default)]
pub(super) struct State {
    pub(super) source: BTreeMap<String, Content>,
    pub(super) log: Vec<Change>,
    numbers: u64,
    pub(super) held: BTreeMap<String, Content>,
    pub(super) checkpoint: Option<Checkpoint>,
    pub(super) trace: Vec<String>,
    /// What happens before the step of that name is taken, once each.
    pub(super) script: VecDeque<(&'static str, Action)>,
    /// The steps left before the process is killed.
    pub(super) kill_in: Option<usize>,
    pub(super) steps: usize,
    /// A load of rows that were there already, and were not said to come again.
    pub(super) doubles: Vec<String>,
}

#[derive(Clone, Debug)]
pub(super) enum Action {
    Change(Change),
    Fail(&'static str, bool),
}

/// Both sides. Cloning gives another handle.
#[derive(Clone, Default)]
pub(super) struct World(pub(super) Arc<Mutex<State>>);

impl World {
    /// A step that a process takes: it may be its last, and it may fail.
    async fn step(&self, name: String) -> Result<()> {
        let outcome = {
            let mut state = self.0.lock().unwrap();
            if state.kill_in == Some(0) {
                None
            } else {
                state.kill_in = state.kill_in.map(|left| left - 1);
                state.steps += 1;
                let mut outcome = Ok(());
                while let Some((at, action)) = state.script.front().cloned() {
                    if at != name {
                        break;
                    }
                    state.script.pop_front();
                    match action {
                        Action::Change(change) => state.change(change),
                        Action::Fail(why, true) => outcome = Err(Error::transient(why)),
                        Action::Fail(why, false) => outcome = Err(Error::definite(why)),
                    }
                }
                state.trace.push(name);
                Some(outcome)
            }
        };
        match outcome {
            Some(outcome) => outcome,
            // Killed: nothing happens any more.
            None => std::future::pending().await,
        }
    }

    pub(super) fn is_killed(&self) -> bool {
        self.0.lock().unwrap().kill_in == Some(0)
    }
}

impl State {
    pub(super) fn change(&mut self, change: Change) {
        let (log, numbers) = (&mut self.log, &mut self.numbers);
        if apply(&mut self.source, &change, numbers) {
            log.push(change);
        }
    }

    /// What the tail does from the start of the task on, with the tables' starts.
    pub(super) fn replay(&mut self, from: usize, starts: &BTreeMap<String, usize>) {
        let mut numbers = 1_000_000;
        for (index, change) in self.log.clone().into_iter().enumerate().skip(from) {
            let covered = |table: &str| starts.get(table).is_some_and(|start| index < *start);
            let change = match &change {
                Change::Rename(from, to) => match (covered(from), covered(to)) {
                    (false, false) => change,
                    (false, true) => Change::Drop(from.clone()),
                    _ => continue,
                },
                Change::Put(table, ..)
                | Change::Delete(table, _)
                | Change::AddColumn(table)
                | Change::DropColumn(table)
                | Change::Create(table, _)
                | Change::Drop(table)
                    if covered(table) =>
                {
                    continue;
                }
                _ => change,
            };
            apply(&mut self.held, &change, &mut numbers);
        }
    }

    /// The tables with their rows, without what is not visible.
    pub(super) fn visible(tables: &BTreeMap<String, Content>) -> BTreeMap<String, Content> {
        tables
            .iter()
            .map(|(name, content)| (name.clone(), Content { number: 0, ..content.clone() }))
            .collect()
    }
}

/// Whether it was possible.
fn apply(tables: &mut BTreeMap<String, Content>, change: &Change, numbers: &mut u64) -> bool {
    match change {
        Change::Put(table, key, value) => {
            let Some(content) = tables.get_mut(table) else { return false };
            let row = content.rows.entry(*key).or_insert((*value, 0));
            row.0 = *value;
            row.1 = if content.keyless { row.1 + 1 } else { 1 };
            true
        }
        Change::Delete(table, key) => {
            let Some(content) = tables.get_mut(table) else { return false };
            let Some(row) = content.rows.get_mut(key) else { return false };
            row.1 -= 1;
            if row.1 == 0 {
                content.rows.remove(key);
            }
            true
        }
        Change::AddColumn(table) => tables.get_mut(table).map(|content| content.columns += 1).is_some(),
        Change::DropColumn(table) => {
            let content = tables.get_mut(table).filter(|content| content.columns > 2);
            content.map(|content| content.columns -= 1).is_some()
        }
        Change::Create(table, keyless) => {
            if tables.contains_key(table) {
                return false;
            }
            *numbers += 1;
            let content = Content { columns: 2, keyless: *keyless, number: *numbers, rows: BTreeMap::new() };
            tables.insert(table.clone(), content);
            true
        }
        Change::Rename(from, to) => {
            if tables.contains_key(to) {
                return false;
            }
            let Some(content) = tables.remove(from) else { return false };
            tables.insert(to.clone(), content);
            true
        }
        Change::Drop(table) => tables.remove(table).is_some(),
    }
}

pub(super) fn at(number: usize) -> Position {
    Position::binlog("binlog.000001", 4 + number as u64 * 100, None)
}

pub(super) fn number_of(position: &Position) -> usize {
    let (_, offset) = position.log.binlog().unwrap();
    usize::try_from((offset - 4) / 100).unwrap()
}

pub(super) fn name(table: &str) -> TableName {
    TableName::new("shop", table)
}

fn definition(table: &str, content: &Content) -> Arc<Table> {
    let column =
        |number: usize| Column::new(format!("c{number}"), ColumnType::Integer { bytes: 8, unsigned: true });
    Arc::new(Table {
        name: name(table),
        columns: (0..content.columns).map(column).collect(),
        primary_key: if content.keyless { Vec::new() } else { vec![0] },
        unique_keys: Vec::new(),
        indexes: Vec::new(),
        collation: None,
        named: true,
        number: None,
    })
}

/// The source's side.
pub(super) struct WorldSource(pub(super) World);

#[async_trait]
impl Source for WorldSource {
    fn describe(&self) -> String {
        "a world".into()
    }

    async fn check(&self, _: &Plan<'_>) -> Vec<Finding> {
        Vec::new()
    }

    async fn start_position(&self, _: &Start) -> Result<Position> {
        self.0.step("start position".into()).await?;
        Ok(at(self.0.0.lock().unwrap().log.len()))
    }

    async fn end_of_log(&self) -> Result<Position> {
        self.0.step("end of log".into()).await?;
        Ok(at(self.0.0.lock().unwrap().log.len()))
    }

    fn reached(&self, applied: &Position, fence: &Position) -> bool {
        number_of(applied) >= number_of(fence)
    }

    async fn bytes_behind(&self, _: &Position, _: &Position) -> Option<u64> {
        None
    }

    async fn tail(&self, _: Position, _: &SchemaHistory, _: &BatchSender) -> Result<()> {
        Err(Error::definite("only copied here"))
    }

    fn snapshot(&self) -> Option<&dyn SnapshotSource> {
        Some(self)
    }
}

#[async_trait]
impl SnapshotSource for WorldSource {
    async fn tables(&self) -> Result<Vec<TableEstimate>> {
        self.0.step("tables".into()).await?;
        let state = self.0.0.lock().unwrap();
        let estimate = |(table, content): (&String, &Content)| TableEstimate {
            table: name(table),
            rows: content.rows.len() as u64,
            bytes: content.rows.len() as u64 * 10,
        };
        Ok(state.source.iter().map(estimate).collect())
    }

    async fn read_table(
        &self,
        table: &TableName,
        resume: Option<&CopyPoint>,
    ) -> Result<Option<Box<dyn TableReader>>> {
        self.0.step(format!("begin {}", table.table)).await?;
        let state = self.0.0.lock().unwrap();
        let Some(content) = state.source.get(&*table.table) else { return Ok(None) };
        let now = definition(&table.table, content);
        let resume = resume.filter(|point| point.table == now);
        let reader = WorldReader {
            world: self.0.clone(),
            name: table.table.to_string(),
            number: content.number,
            table: now,
            start: resume.map_or_else(|| at(state.log.len()), |point| point.start.clone()),
            keyless: content.keyless.then(|| content.rows.clone()),
            after: resume.and_then(|point| Some(point.after.as_ref()?.0.parse().unwrap())),
        };
        Ok(Some(Box::new(reader)))
    }
}

struct WorldReader {
    world: World,
    name: String,
    number: u64,
    table: Arc<Table>,
    start: Position,
    /// What a table without a key held at the start.
    keyless: Option<BTreeMap<u64, (u64, u32)>>,
    after: Option<u64>,
}

#[async_trait]
impl TableReader for WorldReader {
    fn table(&self) -> &Arc<Table> {
        &self.table
    }

    fn start(&self) -> &Position {
        &self.start
    }

    fn is_resumable(&self) -> bool {
        self.keyless.is_none()
    }

    async fn next(&mut self) -> Result<Read> {
        self.world.step(format!("read {}", self.name)).await?;
        let state = self.world.0.lock().unwrap();
        let rows = match (&self.keyless, state.source.get(&self.name)) {
            (Some(rows), _) => rows,
            (None, Some(now)) if now.number == self.number && now.columns == self.table.columns.len() => {
                &now.rows
            }
            _ => return Ok(Read::Changed),
        };
        let block: Vec<(u64, u64)> = rows
            .iter()
            .filter(|(key, _)| self.after.is_none_or(|after| **key > after))
            .take(BLOCK)
            .flat_map(|(key, (value, times))| (0..*times).map(|_| (*key, *value)))
            .collect();
        let Some((last, _)) = block.last().copied() else { return Ok(Read::Finished) };
        self.after = Some(last);
        let end = self.keyless.is_none().then(|| Bound(last.to_string()));
        Ok(Read::Block(Block { batch: batch(&self.table, &block), end }))
    }
}

fn batch(table: &Arc<Table>, rows: &[(u64, u64)]) -> Batch {
    Batch::decode(Vec::new(), |_, arena, events| {
        let mut changes = Vec::new();
        for (key, value) in rows {
            let after = arena.filled(table.columns.len(), Cell::Value(Value::Null));
            after[0] = Cell::Value(Value::UInt(*key));
            after[1] = Cell::Value(Value::UInt(*value));
            changes.push(RowChange::Insert { after });
        }
        events.push(Event::Rows(Rows {
            table: Arc::clone(table),
            position: at(0).log,
            time_micros: 0,
            sequence: 0,
            unlogged_cascades: false,
            changes: arena.slice(&changes),
        }));
        Ok::<_, Error>(Decoded { resume: None, row_changes: rows.len() as u64, time_micros: 0 })
    })
    .unwrap()
}

/// The destination's side.
pub(super) struct WorldDestination(pub(super) World);

#[async_trait]
impl Destination for WorldDestination {
    fn describe(&self) -> String {
        "a world".into()
    }

    async fn check(&mut self, _: &Selection) -> Vec<Finding> {
        Vec::new()
    }

    async fn open(&mut self) -> Result<Option<Standing>> {
        self.0.step("open".into()).await?;
        Ok(self.0.0.lock().unwrap().checkpoint.clone().map(Standing::from))
    }

    async fn apply(&mut self, _: &Arc<Group>, _: Option<&Checkpoint>) -> Result<()> {
        Err(Error::definite("only copied here"))
    }

    async fn rollback(&mut self) -> Result<()> {
        Ok(())
    }

    async fn store_checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        self.0.step("checkpoint".into()).await?;
        self.0.0.lock().unwrap().checkpoint = Some(checkpoint.clone());
        self.0.step("checkpoint stored".into()).await
    }

    fn loaders(&self) -> usize {
        2
    }

    async fn loader(&mut self) -> Result<Box<dyn Loader>> {
        self.0.step("loader".into()).await?;
        Ok(Box::new(WorldLoader(self.0.clone())))
    }

    async fn empty_table(&mut self, table: &TableName) -> Result<()> {
        self.0.step(format!("empty {}", table.table)).await?;
        if let Some(content) = self.0.0.lock().unwrap().held.get_mut(&*table.table) {
            content.rows.clear();
        }
        self.0.step(format!("emptied {}", table.table)).await
    }

    async fn occupied(&mut self, tables: &[TableName]) -> Result<Vec<TableName>> {
        self.0.step("occupied".into()).await?;
        let state = self.0.0.lock().unwrap();
        let occupied =
            |table: &&TableName| state.held.get(&*table.table).is_some_and(|held| !held.rows.is_empty());
        Ok(tables.iter().filter(occupied).cloned().collect())
    }

    async fn drop_table(&mut self, table: &TableName) -> Result<()> {
        self.0.step(format!("drop {}", table.table)).await?;
        self.0.0.lock().unwrap().held.remove(&*table.table);
        self.0.step(format!("dropped {}", table.table)).await
    }
}

struct WorldLoader(World);

#[async_trait]
impl Loader for WorldLoader {
    async fn load(&mut self, rows: &Rows<'_>, again: bool) -> Result<()> {
        let table = rows.table.name.table.to_string();
        self.0.step(format!("load {table}")).await?;
        {
            let mut state = self.0.0.lock().unwrap();
            let State { held, doubles, .. } = &mut *state;
            let content = held.get_mut(&table).ok_or_else(|| Error::definite("no such table"))?;
            if content.columns != rows.table.columns.len() {
                return Err(Error::definite("unknown column"));
            }
            for change in rows.changes {
                let after = change.after().unwrap();
                let (Cell::Value(Value::UInt(key)), Cell::Value(Value::UInt(value))) = (after[0], after[1])
                else {
                    panic!("not a row of this world")
                };
                let row = content.rows.entry(key).or_insert((value, 0));
                row.0 = value;
                if (row.1 > 0 && !content.keyless && !again) || (content.keyless && again) {
                    doubles.push(format!("{table} {key}"));
                }
                row.1 = if content.keyless { row.1 + 1 } else { 1 };
            }
        }
        self.0.step(format!("loaded {table}")).await
    }
}

/// Creates tables as the source's are.
pub(super) struct WorldSchemas(pub(super) World);

#[async_trait]
impl TableSchemas for WorldSchemas {
    async fn create(
        &mut self,
        _: &dyn Source,
        _: &mut dyn Destination,
        tables: &[TableName],
    ) -> Result<Vec<Created>> {
        let mut all = Vec::new();
        for table in tables {
            let short = table.table.to_string();
            let error = self.0.step(format!("create {short}")).await.err();
            if error.as_ref().is_some_and(Error::is_transient) {
                return Err(error.unwrap());
            }
            let mut state = self.0.0.lock().unwrap();
            let Some(content) = state.source.get(&short).cloned() else { continue };
            let made_for = definition(&short, &content);
            if error.is_none() {
                state.held.entry(short).or_insert(Content { rows: BTreeMap::new(), ..content });
            }
            all.push(Created { table: table.clone(), error, definition: Some(made_for) });
        }
        Ok(all)
    }

    async fn complete(&mut self, _: &dyn Source, _: &mut dyn Destination, stage: Stage) -> Result<()> {
        self.0.step(format!("{stage:?}")).await
    }
}
