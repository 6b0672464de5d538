//! Tables in memory, at either end of a comparison.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::{
    cmp::Ordering,
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use async_trait::async_trait;
use slackwater_decoders::{
    arena::Arena,
    batch::{Batch, Decoded},
    event::{Event, RowChange, Rows},
    position::Position,
    schema::{Column, ColumnType, Table, TableName},
    value::{Cell, Value},
};

use super::key::Owned;
use crate::{
    error::Result,
    sources::rows::{Part, RowReader, RowScan},
};

pub(super) type FakeRow = Vec<Option<Owned>>;

/// A database of tables whose rows are in blocks of three.
#[derive(Default)]
pub(super) struct FakeDatabase {
    pub(super) tables: Mutex<Vec<(Arc<Table>, Vec<FakeRow>)>>,
    /// Rows that were read.
    pub(super) read: AtomicU64,
}

/// A column `name`, not NULL.
pub(super) fn column(name: &str, column_type: ColumnType) -> Column {
    Column { nullable: false, ..Column::new(name, column_type) }
}

pub(super) fn table(name: (&str, &str), columns: Vec<Column>, key: &[u16]) -> Table {
    Table {
        name: TableName::new(name.0, name.1),
        columns,
        primary_key: key.to_vec(),
        unique_keys: Vec::new(),
        indexes: Vec::new(),
        collation: None,
        named: true,
        number: None,
    }
}

impl FakeDatabase {
    pub(super) fn with(tables: Vec<(Table, Vec<FakeRow>)>) -> Arc<Self> {
        let tables = tables.into_iter().map(|(table, rows)| (Arc::new(table), rows)).collect();
        Arc::new(FakeDatabase { tables: Mutex::new(tables), read: AtomicU64::new(0) })
    }

    fn rows_of(&self, table: &TableName) -> Vec<FakeRow> {
        let tables = self.tables.lock().unwrap();
        tables.iter().find(|(own, _)| own.name == *table).unwrap().1.clone()
    }

    /// Changes the rows of its first table.
    pub(super) fn change(&self, change: impl FnOnce(&mut Vec<FakeRow>)) {
        change(&mut self.tables.lock().unwrap()[0].1);
    }
}

fn order(one: &Value<'_>, other: &Value<'_>) -> Ordering {
    match (Owned::of(*one).unwrap(), Owned::of(*other).unwrap()) {
        (Owned::Text(one), Owned::Text(other)) => one.cmp(&other),
        (one, other) => one.integer().unwrap().cmp(&other.integer().unwrap()),
    }
}

fn key<'r>(table: &Table, row: &'r FakeRow) -> Vec<Value<'r>> {
    table.key().unwrap().iter().map(|place| row[usize::from(*place)].as_ref().unwrap().value()).collect()
}

fn order_keys(one: &[Value<'_>], other: &[Value<'_>]) -> Ordering {
    let orders = one.iter().zip(other).map(|(one, other)| order(one, other));
    orders.fold(Ordering::Equal, Ordering::then)
}

fn batch(table: &Arc<Table>, rows: &[FakeRow]) -> Batch {
    let decoded = Batch::decode(Vec::new(), |_, arena, events| {
        let changes: Vec<RowChange<'_>> =
            rows.iter().map(|row| RowChange::Insert { after: image(row, arena) }).collect();
        events.push(Event::Rows(Rows {
            table: Arc::clone(table),
            position: Position::binlog("binlog.000001", 4, None).log,
            time_micros: 0,
            sequence: 0,
            unlogged_cascades: false,
            changes: arena.slice(&changes),
        }));
        Ok::<_, Infallible>(Decoded::default())
    });
    decoded.unwrap_or_else(|never| match never {})
}

fn image<'a>(row: &FakeRow, arena: &Arena<'a>) -> &'a [Cell<'a>] {
    let value = |value: &Option<Owned>| match value {
        None => Value::Null,
        Some(Owned::Text(text)) => Value::Text(arena.text(text)),
        Some(Owned::Int(number)) => Value::Int(*number),
        Some(Owned::Double(number)) => Value::Double(*number),
        other => panic!("not in these tests: {other:?}"),
    };
    let cells: Vec<Cell<'a>> = row.iter().map(|own| Cell::Value(value(own))).collect();
    arena.slice(&cells)
}

struct FakeScan {
    table: Arc<Table>,
    rows: Vec<FakeRow>,
}

#[async_trait]
impl RowScan for FakeScan {
    async fn next(&mut self) -> Result<Option<Batch>> {
        if self.rows.is_empty() {
            return Ok(None);
        }
        let rest = self.rows.split_off(self.rows.len().min(3));
        let rows = std::mem::replace(&mut self.rows, rest);
        Ok(Some(batch(&self.table, &rows)))
    }
}

#[async_trait]
impl RowReader for FakeDatabase {
    fn describe(&self) -> String {
        "a database in memory".to_owned()
    }

    async fn tables(&self, names: &[TableName]) -> Result<Vec<Arc<Table>>> {
        let tables = self.tables.lock().unwrap();
        Ok(tables
            .iter()
            .map(|(table, _)| Arc::clone(table))
            .filter(|table| names.contains(&table.name))
            .collect())
    }

    async fn count(&self, table: &TableName) -> Result<u64> {
        Ok(self.rows_of(table).len() as u64)
    }

    async fn scan(&self, table: &Arc<Table>, part: &Part<'_>) -> Result<Box<dyn RowScan>> {
        let mut rows = self.rows_of(&table.name);
        if let Part::Range { after, to } = part {
            rows.sort_by(|one, other| order_keys(&key(table, one), &key(table, other)));
            rows.retain(|row| {
                after.is_none_or(|after| order_keys(&key(table, row), after) == Ordering::Greater)
                    && to.is_none_or(|to| order_keys(&key(table, row), to) != Ordering::Greater)
            });
        }
        self.read.fetch_add(rows.len().min(3) as u64, Relaxed);
        Ok(Box::new(FakeScan { table: Arc::clone(table), rows }))
    }

    async fn rows(&self, table: &Arc<Table>, keys: &[Vec<Value<'_>>]) -> Result<Batch> {
        let mut rows = self.rows_of(&table.name);
        rows.retain(|row| keys.iter().any(|wanted| order_keys(&key(table, row), wanted) == Ordering::Equal));
        Ok(batch(table, &rows))
    }
}
