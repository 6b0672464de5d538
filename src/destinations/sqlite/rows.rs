//! Reading the file's rows for comparison.
//!
//! Tables are asked for by the names that the task gives them, as everywhere in this destination; how they are called in the file follows
//! from `destination.name`. Values come in the storage class that they are kept in ([`crate::types::sqlite`]): integers as
//! [`Value::Int`], floating point numbers as [`Value::Double`], text as [`Value::Text`] and bytes as [`Value::Binary`]. So the order of a
//! key is SQLite's: that of integers, or of the bytes of text.

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use rusqlite::{Connection, OpenFlags, Statement, types::ValueRef};
use slackwater_decoders::{
    arena::Arena,
    batch::{Batch, Decoded},
    event::{Event, RowChange, Rows},
    position::LogPosition,
    schema::{Column, ColumnType, Generated, Table, TableName, UniqueKey},
    value::{Cell, Value},
};
use tokio::sync::mpsc::{self, Receiver};

use super::{
    blocking,
    ddl::quote,
    failed,
    tables::{Tables, unique_indexes},
    values::{Scratch, Stored, stored},
};
use crate::{
    config::destination::SqliteDestination,
    error::{Error, Result},
    sources::rows::{Part, RowReader, RowScan},
};

/// Bytes of text and blobs that a block has at most, but for a row that is longer.
const BLOCK_BYTES: usize = 1 << 20;
/// Rows that a block has at most.
const BLOCK_ROWS: usize = 4_096;
/// Blocks that are read ahead.
const READ_AHEAD: usize = 1;

/// The tables of a SQLite file, for comparison.
pub struct SqliteRows {
    path: PathBuf,
    tables: Tables,
}

/// A value of a key, in its storage class.
type KeyValue = rusqlite::types::Value;

impl SqliteRows {
    /// A reader of that file. Does not open it.
    #[must_use]
    pub fn new(config: &SqliteDestination) -> Self {
        SqliteRows { path: config.path.clone(), tables: Tables::new(config) }
    }

    fn open(&self) -> Result<Connection> {
        if !self.path.exists() {
            return Err(Error::definite("there is no such SQLite file").on(self.path.display()));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags).map_err(failed)?;
        connection.busy_timeout(Duration::from_secs(5)).map_err(failed)?;
        Ok(connection)
    }

    /// The SELECT of all columns, without a condition.
    fn select(&self, table: &Table) -> String {
        let columns: Vec<String> = table.columns.iter().map(|column| quote(&column.name)).collect();
        format!("SELECT {} FROM {}", columns.join(", "), quote(&self.tables.name_of(&table.name)))
    }
}

#[async_trait]
impl RowReader for SqliteRows {
    fn describe(&self) -> String {
        format!("SQLite file {}", self.path.display())
    }

    async fn tables(&self, names: &[TableName]) -> Result<Vec<Arc<Table>>> {
        blocking(|| {
            let connection = self.open()?;
            let read = |name: &TableName| {
                let found = definition(&connection, name, &self.tables.name_of(name));
                found.map_err(|error| error.on(name)).transpose()
            };
            names.iter().filter_map(read).collect()
        })
    }

    async fn count(&self, table: &TableName) -> Result<u64> {
        let question = format!("SELECT count(*) FROM {}", quote(&self.tables.name_of(table)));
        let count: i64 = blocking(|| self.open()?.query_row(&question, [], |row| row.get(0)).map_err(failed))
            .map_err(|error| error.on(table))?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    async fn scan(&self, table: &Arc<Table>, part: &Part<'_>) -> Result<Box<dyn RowScan>> {
        let mut statement = self.select(table);
        let mut bounds = Vec::new();
        if let Part::Range { after, to } = part {
            let key = table.key().ok_or_else(|| keyless(table))?;
            let columns = key_columns(table, key).join(", ");
            let places = vec!["?"; key.len()].join(", ");
            for (values, sign) in [(after, ">"), (to, "<=")] {
                let Some(values) = values else { continue };
                let and = if bounds.is_empty() { "WHERE" } else { "AND" };
                statement += &format!(" {and} ({columns}) {sign} ({places})");
                bounds.extend(key_values(table, key, values)?);
            }
            statement += &format!(" ORDER BY {columns}");
        }
        let connection = blocking(|| self.open())?;
        let (send, blocks) = mpsc::channel(READ_AHEAD);
        let read_table = Arc::clone(table);
        // It ends when the scan is dropped: nobody receives any more.
        tokio::task::spawn_blocking(move || {
            let read = read(&connection, &statement, &bounds, &read_table, |block| {
                send.blocking_send(Ok(block)).is_ok()
            });
            if let Err(error) = read {
                let _ = send.blocking_send(Err(error.on(&read_table.name)));
            }
        });
        Ok(Box::new(Scan { blocks }))
    }

    async fn rows(&self, table: &Arc<Table>, keys: &[Vec<Value<'_>>]) -> Result<Batch> {
        let key = table.key().ok_or_else(|| keyless(table))?;
        let condition: Vec<String> =
            key_columns(table, key).iter().map(|column| format!("{column} = ?")).collect();
        let statement = format!("{} WHERE {}", self.select(table), condition.join(" AND "));
        blocking(|| {
            let connection = self.open()?;
            let mut statement = connection.prepare(&statement).map_err(failed)?;
            let mut block = Block::new(table);
            for values in keys {
                bind(&mut statement, &key_values(table, key, values)?)?;
                let mut rows = statement.raw_query();
                while let Some(row) = rows.next().map_err(failed)? {
                    block.add(row)?;
                }
            }
            block.into_batch()
        })
        .map_err(|error| error.on(&table.name))
    }
}

fn keyless(table: &Table) -> Error {
    Error::definite("the table has no key, so that its rows have no order and are not found by one")
        .on(&table.name)
}

fn key_columns(table: &Table, key: &[u16]) -> Vec<String> {
    let columns = key.iter().filter_map(|ordinal| table.columns.get(usize::from(*ordinal)));
    columns.map(|column| quote(&column.name)).collect()
}

/// A key as it is stored; values may be those of the source.
fn key_values(table: &Table, key: &[u16], values: &[Value<'_>]) -> Result<Vec<KeyValue>> {
    if values.len() != key.len() {
        return Err(Error::definite("a key has another number of columns than the table's").on(&table.name));
    }
    let columns = key.iter().filter_map(|ordinal| table.columns.get(usize::from(*ordinal)));
    let value = |(column, value): (&Column, &Value<'_>)| {
        let unfit = |why: &str| Error::definite(format!("{why} (column {})", column.name)).on(&table.name);
        let mut as_source = column.clone();
        match (value, &column.column_type) {
            // Bytes are no text but for addresses.
            (Value::Binary(bytes), ColumnType::Text(_)) => match bytes.len() {
                4 => as_source.column_type = ColumnType::Inet4,
                16 => as_source.column_type = ColumnType::Inet6,
                _ => {}
            },
            (Value::Bits(bits), column_type) if !matches!(column_type, ColumnType::Text(_)) => {
                as_source.column_type = ColumnType::Bits(bits.length);
            }
            _ => {}
        }
        let mut scratch = Scratch::default();
        stored(&as_source, *value, &mut scratch).map(Stored::into_owned).map_err(unfit)
    };
    columns.zip(values).map(value).collect()
}

fn bind(statement: &mut Statement<'_>, values: &[KeyValue]) -> Result<()> {
    for (place, value) in values.iter().enumerate() {
        statement.raw_bind_parameter(place + 1, value).map_err(failed)?;
    }
    Ok(())
}

/// The definition of a table, `None` where there is no such table (a view is none).
fn definition(connection: &Connection, name: &TableName, in_file: &str) -> Result<Option<Arc<Table>>> {
    let is_table: bool = connection
        .query_row(
            "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE)",
            [in_file],
            |row| row.get(0),
        )
        .map_err(failed)?;
    if !is_table {
        return Ok(None);
    }
    let mut columns = Vec::new();
    let mut primary_key = Vec::new();
    let mut statement = connection
        .prepare("SELECT name, type, \"notnull\", pk, hidden FROM pragma_table_xinfo(?1) ORDER BY cid")
        .map_err(failed)?;
    let mut rows = statement.query([in_file]).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        let column: (String, String, bool, u16, u8) =
            row.try_into().map_err(|error: rusqlite::Error| failed(error))?;
        let (column_name, declared, not_null, place, hidden) = column;
        // 1: a hidden column of a virtual table; 2 and 3: computed, when it is read or written.
        if hidden == 1 {
            continue;
        }
        let mut column = Column::new(column_name, column_type(&declared));
        column.nullable = !not_null && place == 0;
        column.declared = Some(declared);
        column.generated = (hidden > 1).then_some(Generated { expression: None, stored: hidden == 3 });
        if place > 0 {
            primary_key.push((place, columns.len() as u16));
        }
        columns.push(column);
    }
    primary_key.sort_unstable();
    let mut table = Table {
        name: name.clone(),
        columns,
        primary_key: primary_key.into_iter().map(|(_, ordinal)| ordinal).collect(),
        unique_keys: Vec::new(),
        indexes: Vec::new(),
        collation: None,
        named: true,
        number: None,
    };
    for index in unique_indexes(connection, in_file)? {
        let ordinal = |name: &String| table.ordinal(name).and_then(|ordinal| u16::try_from(ordinal).ok());
        let ordinals: Vec<u16> = index.columns.iter().filter_map(ordinal).collect();
        if ordinals != table.primary_key {
            let partial = ordinals.len() < index.columns.len() || ordinals.is_empty();
            table.unique_keys.push(UniqueKey { name: index.name, columns: ordinals, partial });
        }
    }
    Ok(Some(Arc::new(table)))
}

/// What values a declared type is for, as this destination declares them. A column of no type holds numbers, and what is
/// none of SQLite's numbers as text.
fn column_type(declared: &str) -> ColumnType {
    match declared.to_ascii_uppercase().as_str() {
        "INTEGER" => ColumnType::Integer { bytes: 8, unsigned: false },
        "REAL" => ColumnType::Double,
        "TEXT" => ColumnType::Text(u32::MAX),
        "BLOB" => ColumnType::Blob(u32::MAX),
        _ => ColumnType::Native(declared.to_owned()),
    }
}

/// Runs a SELECT of all columns and hands its rows on in blocks, as long as `take` says that somebody wants them.
fn read(
    connection: &Connection,
    statement: &str,
    bounds: &[KeyValue],
    table: &Arc<Table>,
    mut take: impl FnMut(Batch) -> bool,
) -> Result<()> {
    let mut statement = connection.prepare(statement).map_err(failed)?;
    bind(&mut statement, bounds)?;
    let mut rows = statement.raw_query();
    let mut block = Block::new(table);
    while let Some(row) = rows.next().map_err(failed)? {
        block.add(row)?;
        if block.is_full() {
            let full = std::mem::replace(&mut block, Block::new(table));
            if !take(full.into_batch()?) {
                return Ok(());
            }
        }
    }
    if block.count > 0 {
        take(block.into_batch()?);
    }
    Ok(())
}

/// Rows that are gathered: their cells one behind the other, and the bytes of all texts and blobs.
struct Block<'a> {
    table: &'a Arc<Table>,
    bytes: Vec<u8>,
    cells: Vec<RawCell>,
    count: usize,
}

/// A cell in its storage class; texts and blobs by their length.
#[derive(Clone, Copy)]
enum RawCell {
    Null,
    Integer(i64),
    Real(f64),
    Text(usize),
    Blob(usize),
}

impl<'a> Block<'a> {
    fn new(table: &'a Arc<Table>) -> Self {
        Block { table, bytes: Vec::new(), cells: Vec::new(), count: 0 }
    }

    fn is_full(&self) -> bool {
        self.bytes.len() >= BLOCK_BYTES || self.count >= BLOCK_ROWS
    }

    fn add(&mut self, row: &rusqlite::Row<'_>) -> Result<()> {
        for place in 0..self.table.columns.len() {
            let cell = match row.get_ref(place).map_err(failed)? {
                ValueRef::Null => RawCell::Null,
                ValueRef::Integer(number) => RawCell::Integer(number),
                ValueRef::Real(number) => RawCell::Real(number),
                ValueRef::Text(text) => {
                    self.bytes.extend_from_slice(text);
                    RawCell::Text(text.len())
                }
                ValueRef::Blob(bytes) => {
                    self.bytes.extend_from_slice(bytes);
                    RawCell::Blob(bytes.len())
                }
            };
            self.cells.push(cell);
        }
        self.count += 1;
        Ok(())
    }

    fn into_batch(self) -> Result<Batch> {
        let Block { table, bytes, cells, count } = self;
        Batch::decode(bytes, |bytes, arena, events| {
            events.push(Event::Rows(Rows {
                table: Arc::clone(table),
                position: LogPosition::Binlog { file: "".into(), offset: 0 },
                time_micros: 0,
                sequence: 0,
                unlogged_cascades: false,
                changes: inserts(bytes, &cells, count, arena),
            }));
            Ok(Decoded { resume: None, row_changes: count as u64, time_micros: 0 })
        })
    }
}

fn inserts<'a>(bytes: &'a [u8], cells: &[RawCell], count: usize, arena: &Arena<'a>) -> &'a [RowChange<'a>] {
    let inserts = arena.filled(count, RowChange::Insert { after: &[] });
    let mut rest = bytes;
    let mut next = |length: usize| {
        let (taken, left) = rest.split_at_checked(length).unwrap_or_default();
        rest = left;
        taken
    };
    let width = cells.len().checked_div(count).unwrap_or_default().max(1);
    for (insert, row) in inserts.iter_mut().zip(cells.chunks(width)) {
        let after = arena.filled(row.len(), Cell::Value(Value::Null));
        for (cell, raw) in after.iter_mut().zip(row) {
            *cell = Cell::Value(match *raw {
                RawCell::Null => Value::Null,
                RawCell::Integer(number) => Value::Int(number),
                RawCell::Real(number) => Value::Double(number),
                RawCell::Text(length) => {
                    let text = next(length);
                    std::str::from_utf8(text).map_or(Value::Binary(text), Value::Text)
                }
                RawCell::Blob(length) => Value::Binary(next(length)),
            });
        }
        *insert = RowChange::Insert { after };
    }
    inserts
}

/// Rows on their way from the thread that reads them.
struct Scan {
    blocks: Receiver<Result<Batch>>,
}

#[async_trait]
impl RowScan for Scan {
    async fn next(&mut self) -> Result<Option<Batch>> {
        self.blocks.recv().await.transpose()
    }
}
