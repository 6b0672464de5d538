//! Batches made by hand, for tests of destinations.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::sync::Arc;

use slackwater::{
    changes::{Group, GroupBuilder, Limits},
    config::Objects,
    destinations::{Checkpoint, Completeness},
    error::Error,
    mapping::{Mapping, Selection},
};
use slackwater_decoders::{
    batch::{Batch, Decoded},
    event::{Ddl, Event, RowChange, Rows, SchemaChange},
    position::{LogPosition, Position},
    schema::{Column, ColumnType, Table, TableName, UniqueKey},
    value::{Cell, Value},
};

pub(crate) type Row = Vec<Option<Value<'static>>>;

pub(crate) enum Change {
    Insert(Row),
    Update(Row, Row),
    Delete(Row),
}

pub(crate) const INT: ColumnType = ColumnType::Integer { bytes: 4, unsigned: false };

pub(crate) fn table(name: &str, columns: Vec<Column>, primary_key: &[u16], unique: &[u16]) -> Arc<Table> {
    let key =
        |ordinal: &u16| UniqueKey { name: format!("u{ordinal}"), columns: vec![*ordinal], partial: false };
    let columns: Vec<_> = columns
        .into_iter()
        .enumerate()
        .map(|(ordinal, column)| Column {
            nullable: column.nullable && !primary_key.contains(&(ordinal as u16)),
            ..column
        })
        .collect();
    Arc::new(Table {
        name: TableName::new("shop", name),
        columns,
        primary_key: primary_key.to_vec(),
        unique_keys: unique.iter().map(key).collect(),
        indexes: Vec::new(),
        collation: None,
        named: true,
        number: None,
    })
}

pub(crate) fn text_column(name: &str, length: u32, collation: &str) -> Column {
    Column { collation: Some(collation.into()), ..Column::new(name, ColumnType::VarChar(length)) }
}

pub(crate) fn int(value: i64) -> Option<Value<'static>> {
    Some(Value::Int(value))
}

pub(crate) fn text(value: &'static str) -> Option<Value<'static>> {
    Some(Value::Text(value))
}

pub(crate) fn at(offset: u64) -> LogPosition {
    LogPosition::Binlog { file: "binlog.000001".into(), offset }
}

pub(crate) fn changes(table: &Arc<Table>, changes: &[Change]) -> Arc<Group> {
    changes_at(table, 120, changes)
}

pub(crate) fn changes_at(table: &Arc<Table>, offset: u64, changes: &[Change]) -> Arc<Group> {
    group(batch_of(table, offset, changes))
}

/// The changes for that many workers.
pub(crate) fn parted(table: &Arc<Table>, offset: u64, changes: &[Change], workers: usize) -> Arc<Group> {
    grouped(batch_of(table, offset, changes), workers, false)
}

/// The changes for rows that may be newer.
pub(crate) fn converging(table: &Arc<Table>, offset: u64, changes: &[Change]) -> Arc<Group> {
    grouped(batch_of(table, offset, changes), 1, true)
}

pub(crate) fn batch_of(table: &Arc<Table>, offset: u64, changes: &[Change]) -> Batch {
    Batch::decode(Vec::new(), |_, arena, events| {
        let image = |row: &Row| {
            arena.slice(&row.iter().map(|value| value.map_or(Cell::Absent, Cell::Value)).collect::<Vec<_>>())
        };
        let changes: Vec<_> = changes
            .iter()
            .map(|change| match change {
                Change::Insert(after) => RowChange::Insert { after: image(after) },
                Change::Update(before, after) => {
                    RowChange::Update { before: image(before), after: image(after) }
                }
                Change::Delete(before) => RowChange::Delete { before: image(before) },
            })
            .collect();
        let changes = arena.slice(&changes);
        events.push(Event::Rows(Rows {
            table: Arc::clone(table),
            position: at(offset),
            time_micros: 0,
            sequence: 0,
            unlogged_cascades: false,
            changes,
        }));
        Ok::<_, Error>(Decoded {
            resume: Some(Position::binlog("binlog.000001", offset + 10, None)),
            ..Decoded::default()
        })
    })
    .unwrap()
}

/// The rows of a block of a copy, for a loader.
pub(crate) fn block(table: &Arc<Table>, rows: &[Row]) -> Batch {
    let inserts: Vec<_> = rows.iter().cloned().map(Change::Insert).collect();
    batch_of(table, 120, &inserts)
}

pub(crate) fn statement(statement: &str, offset: u64, changes: Vec<SchemaChange>) -> Arc<Group> {
    let batch = Batch::decode(Vec::new(), |_, arena, events| {
        let statement = arena.text(statement);
        events.push(Event::Ddl(Ddl {
            statement,
            database: "shop",
            position: at(offset),
            time_micros: 1_700_000_000_000_000,
            language: slackwater_decoders::event::Language::Mysql { sql_mode: 0 },
            changes,
        }));
        Ok::<_, Error>(Decoded::default())
    })
    .unwrap();
    group(batch)
}

/// What a destination with one worker gets of a batch.
pub(crate) fn group(batch: Batch) -> Arc<Group> {
    grouped(batch, 1, false)
}

fn grouped(batch: Batch, workers: usize, converging: bool) -> Arc<Group> {
    let mapping = Mapping::identity(Selection::new(&Objects::default()));
    let mut builder = GroupBuilder::new(Arc::new(mapping), Limits { workers, bytes: 0 }, converging);
    builder.push(batch).unwrap();
    Arc::new(builder.build())
}

pub(crate) fn checkpoint(sequence: u64) -> Checkpoint {
    Checkpoint {
        generation: 1,
        sequence,
        position: Position::binlog("binlog.000001", sequence, None),
        completeness: Completeness::Complete,
    }
}
