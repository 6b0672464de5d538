//! The Debezium envelope: the normalized format's one public serialization, as JSON, one object a change.
//!
//! Layout after Debezium's documentation ("Debezium connector for MySQL" and "for PostgreSQL", *Data change events*, *Schema change
//! topic*): `before`, `after`, `source`, `op` (`c` create, `u` update, `d` delete, `t` truncate), `ts_ms`, `transaction`. In `source`, changes
//! of a binlog have `file`, `pos`, `gtid` and `row`, changes of PostgreSQL `schema`, `txId` and `lsn`. Values are in the forms
//! that lose nothing:
//!
//! | value | JSON |
//! | --- | --- |
//! | integers, unsigned 64-bit ones too | number with all digits |
//! | single and double precision | number in its shortest exact form; NaN and infinities as strings |
//! | decimals | string with all digits (`decimal.handling.mode=string`) |
//! | text, ENUM, SET | string; members whose names are not known as number |
//! | bytes | base64 string |
//! | dates and times | ISO 8601 string with the declared fraction; `Z` for instants only (`time.precision.mode=isostring`) |
//! | BIT(1) | boolean |
//! | longer bit strings | base64 string of the bytes, least significant first |
//! | JSON documents | string |
//! | changes to a JSON document | object with the one member `__slackwater_json_diff` |
//! | geometries | object of `srid` and `wkb` (base64) |
//! | vectors | array of numbers |
//! | NULL | `null` |
//! | a value that was not logged because it did not change | `"__debezium_unavailable_value"` |
//! | a column that the row image does not have | no member |

use std::collections::HashMap;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeSeq},
};

use crate::{
    event::{Ddl, Event, RowChange, Rows, Truncate},
    position::{LogPosition, TransactionId},
    schema::{Table, TableName},
    value::{Bits, Cell, DateTime, Geometry, JsonDiff, JsonDiffOperation, UuidText, Value},
};

/// What stands for a value that was not logged because it did not change (Debezium's default
/// `unavailable.value.placeholder`).
pub const UNAVAILABLE: &str = "__debezium_unavailable_value";

/// Writes envelopes. It remembers the transaction between events.
#[derive(Clone, Debug)]
pub struct EnvelopeWriter {
    connector: String,
    name: String,
    database: Option<String>,
    transaction: Option<String>,
    xid: Option<u32>,
    /// Number of changes of each table so far in the transaction.
    table_orders: HashMap<TableName, u64>,
}

impl EnvelopeWriter {
    /// A writer for changes of the source `name` that a `connector` (`mysql`, `mariadb`…) read.
    #[must_use]
    pub fn new(connector: impl Into<String>, name: impl Into<String>) -> Self {
        EnvelopeWriter {
            connector: connector.into(),
            name: name.into(),
            database: None,
            transaction: None,
            xid: None,
            table_orders: HashMap::new(),
        }
    }

    /// Names the database that the schemas of a PostgreSQL source are in: `source.db`.
    #[must_use]
    pub fn of_database(self, database: impl Into<String>) -> Self {
        EnvelopeWriter { database: Some(database.into()), ..self }
    }

    /// Appends one JSON object and a line end for each change, truncation and schema change. `now_millis` is the time of
    /// processing in milliseconds since 1970-01-01 UTC.
    ///
    /// # Errors
    /// When a value cannot be serialized, which no value of this format can cause.
    pub fn write(&mut self, event: &Event<'_>, now_millis: i64, out: &mut Vec<u8>) -> serde_json::Result<()> {
        match event {
            Event::Begin(begin) => {
                self.transaction = begin.transaction.as_ref().map(ToString::to_string);
                self.xid = match begin.transaction {
                    Some(TransactionId::Postgres(xid)) => Some(xid),
                    _ => None,
                };
                self.table_orders.clear();
                Ok(())
            }
            Event::Commit(_) => {
                (self.transaction, self.xid) = (None, None);
                Ok(())
            }
            Event::Heartbeat(_) => Ok(()),
            Event::Rows(rows) => self.rows(rows, now_millis, out),
            Event::Truncate(truncate) => self.truncate(truncate, now_millis, out),
            Event::Ddl(ddl) => self.ddl(ddl, now_millis, out),
        }
    }

    fn rows(&mut self, rows: &Rows<'_>, now_millis: i64, out: &mut Vec<u8>) -> serde_json::Result<()> {
        let before = self.table_orders.entry(rows.table.name.clone()).or_default();
        let first_of_table = *before + 1;
        *before += rows.changes.len() as u64;
        rows.changes.iter().zip(0..).try_for_each(|(change, row)| {
            let transaction = self.transaction.as_deref().map(|id| Transaction {
                id,
                total_order: rows.sequence + row + 1,
                data_collection_order: first_of_table + row,
            });
            line(&self.envelope(rows, change, Some(row), transaction, now_millis), out)
        })
    }

    /// The envelope of one change, without a line end. `rows` says of which table, where and when; `row` is the number of the
    /// change in its event, where that is known.
    ///
    /// # Errors
    /// When a value cannot be serialized, which no value of this format can cause.
    pub fn change(
        &self,
        rows: &Rows<'_>,
        change: &RowChange<'_>,
        row: Option<u64>,
        now_millis: i64,
    ) -> serde_json::Result<String> {
        serde_json::to_string(&self.envelope(rows, change, row, None, now_millis))
    }

    fn envelope<'a>(
        &'a self,
        rows: &'a Rows<'_>,
        change: &RowChange<'a>,
        row: Option<u64>,
        transaction: Option<Transaction<'a>>,
        now_millis: i64,
    ) -> Envelope<'a> {
        let image = |cells| Image { table: &rows.table, cells };
        Envelope {
            before: change.before().map(image),
            after: change.after().map(image),
            source: self.source(&rows.table.name, &rows.position, rows.time_micros, row),
            op: operation(change),
            ts_ms: now_millis,
            transaction,
        }
    }

    fn truncate(&self, truncate: &Truncate, now_millis: i64, out: &mut Vec<u8>) -> serde_json::Result<()> {
        let envelope = Envelope {
            before: None,
            after: None,
            source: self.source(&truncate.table, &truncate.position, truncate.time_micros, None),
            op: "t",
            ts_ms: now_millis,
            transaction: None,
        };
        line(&envelope, out)
    }

    fn ddl(&self, ddl: &Ddl<'_>, now_millis: i64, out: &mut Vec<u8>) -> serde_json::Result<()> {
        let table = ddl.changes.iter().find_map(|change| change.tables().into_iter().next().cloned());
        let table = table.unwrap_or_else(|| TableName::new(ddl.database, ""));
        let change = SchemaChangeMessage {
            source: self.source(&table, &ddl.position, ddl.time_micros, None),
            ts_ms: now_millis,
            database_name: &table.database,
            ddl: ddl.statement,
        };
        line(&change, out)
    }

    fn source<'a>(
        &'a self,
        table: &'a TableName,
        position: &'a LogPosition,
        time_micros: i64,
        row: Option<u64>,
    ) -> Source<'a> {
        let (binlog, lsn) = (position.binlog(), position.lsn());
        Source {
            version: env!("CARGO_PKG_VERSION"),
            connector: &self.connector,
            name: &self.name,
            ts_ms: time_micros.div_euclid(1000),
            ts_us: time_micros,
            snapshot: "false",
            db: self.database.as_deref().unwrap_or(&table.database),
            schema: lsn.map(|_| &*table.database),
            table: Some(&*table.table).filter(|table| !table.is_empty()),
            gtid: if lsn.is_some() { None } else { Some(self.transaction.as_deref()) },
            file: binlog.map(|(file, _)| &**file),
            pos: binlog.map(|(_, offset)| offset),
            tx_id: self.xid,
            lsn: lsn.map(|lsn| lsn.0),
            row: if lsn.is_some() { None } else { Some(row) },
        }
    }
}

/// Debezium's letter for what a change does: `c`, `u` or `d`.
#[must_use]
pub fn operation(change: &RowChange<'_>) -> &'static str {
    match change {
        RowChange::Insert { .. } => "c",
        RowChange::Update { .. } => "u",
        RowChange::Delete { .. } => "d",
    }
}

/// The key of a row as a JSON object of its columns, in the envelope's forms; columns that the image does not have are left out.
///
/// # Errors
/// When a value cannot be serialized, which no value of this format can cause.
pub fn key(table: &Table, key: &[u16], image: &[Cell<'_>]) -> serde_json::Result<String> {
    let is_key = |ordinal: usize| key.iter().any(|of_key| usize::from(*of_key) == ordinal);
    let cells = image.iter().enumerate();
    let cells: Vec<_> =
        cells.map(|(ordinal, cell)| if is_key(ordinal) { *cell } else { Cell::Absent }).collect();
    serde_json::to_string(&Image { table, cells: &cells })
}

fn line(value: &impl Serialize, out: &mut Vec<u8>) -> serde_json::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.push(b'\n');
    Ok(())
}

#[derive(Serialize)]
struct Envelope<'a> {
    before: Option<Image<'a>>,
    after: Option<Image<'a>>,
    source: Source<'a>,
    op: &'static str,
    ts_ms: i64,
    transaction: Option<Transaction<'a>>,
}

#[derive(Serialize)]
struct Source<'a> {
    version: &'static str,
    connector: &'a str,
    name: &'a str,
    ts_ms: i64,
    ts_us: i64,
    snapshot: &'static str,
    db: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema: Option<&'a str>,
    table: Option<&'a str>,
    /// `null` for a transaction without one; no member for PostgreSQL, nor `row`.
    #[serde(skip_serializing_if = "Option::is_none")]
    gtid: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pos: Option<u64>,
    #[serde(rename = "txId", skip_serializing_if = "Option::is_none")]
    tx_id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lsn: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    row: Option<Option<u64>>,
}

#[derive(Serialize)]
struct Transaction<'a> {
    id: &'a str,
    total_order: u64,
    data_collection_order: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SchemaChangeMessage<'a> {
    source: Source<'a>,
    #[serde(rename = "ts_ms")]
    ts_ms: i64,
    database_name: &'a str,
    ddl: &'a str,
}

/// A row image as an object of its columns.
struct Image<'a> {
    table: &'a Table,
    cells: &'a [Cell<'a>],
}

impl Serialize for Image<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (column, cell) in self.table.columns.iter().zip(self.cells) {
            match cell {
                Cell::Absent => {}
                Cell::Unchanged => map.serialize_entry(&column.name, UNAVAILABLE)?,
                Cell::Value(value) => map.serialize_entry(&column.name, &Json(value))?,
            }
        }
        map.end()
    }
}

/// A value in its JSON form.
struct Json<'a>(&'a Value<'a>);

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match *self.0 {
            Value::Null => s.serialize_unit(),
            Value::Bool(truth) => s.serialize_bool(truth),
            Value::Int(number) => s.serialize_i64(number),
            Value::UInt(number) => s.serialize_u64(number),
            Value::Float(number) if number.is_finite() => s.serialize_f32(number),
            Value::Float(number) => s.collect_str(&number),
            Value::Double(number) if number.is_finite() => s.serialize_f64(number),
            Value::Double(number) => s.collect_str(&number),
            Value::Decimal(text) | Value::Text(text) => s.serialize_str(text),
            Value::Binary(bytes) => s.serialize_str(&BASE64.encode(bytes)),
            Value::Date(date) => s.collect_str(&date),
            Value::Time(time) => s.collect_str(&time),
            Value::DateTime(time) => s.collect_str(&Iso(time)),
            Value::Timestamp(time) => s.collect_str(&format_args!("{}Z", Iso(time.to_utc()))),
            Value::Year(year) => s.serialize_u16(year),
            Value::Bits(bits) => bit_string(bits, s),
            Value::Enum(member) => match member.label {
                Some(label) => s.serialize_str(label),
                None => s.serialize_u16(member.index),
            },
            Value::Set(set) => match set.labels {
                Some(labels) => s.serialize_str(labels),
                None => s.serialize_u64(set.mask),
            },
            Value::Geometry(geometry) => point(geometry, s),
            Value::Json(document) => s.serialize_str(document.text),
            Value::JsonDiff(diff) => changes(diff, s),
            Value::Uuid(bytes) => s.collect_str(&UuidText(bytes)),
            Value::Vector(bytes) => vector(bytes, s),
        }
    }
}

fn bit_string<S: Serializer>(bits: Bits<'_>, s: S) -> Result<S::Ok, S::Error> {
    if bits.length == 1 {
        return s.serialize_bool(bits.bytes.iter().any(|byte| *byte != 0));
    }
    let little_endian: Vec<u8> = bits.bytes.iter().rev().copied().collect();
    s.serialize_str(&BASE64.encode(little_endian))
}

fn point<S: Serializer>(geometry: Geometry<'_>, s: S) -> Result<S::Ok, S::Error> {
    let mut map = s.serialize_map(Some(2))?;
    map.serialize_entry("srid", &geometry.srid)?;
    map.serialize_entry("wkb", &BASE64.encode(geometry.wkb))?;
    map.end()
}

fn changes<S: Serializer>(diff: &JsonDiff<'_>, s: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Step<'a> {
        op: &'static str,
        path: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        value: Option<&'a str>,
    }
    let steps = diff.steps.iter().map(|step| Step {
        op: match step.operation {
            JsonDiffOperation::Replace => "replace",
            JsonDiffOperation::Insert => "insert",
            JsonDiffOperation::Remove => "remove",
        },
        path: step.path,
        value: step.value.map(|value| value.text),
    });
    let mut map = s.serialize_map(Some(1))?;
    map.serialize_entry("__slackwater_json_diff", &steps.collect::<Vec<_>>())?;
    map.end()
}

fn vector<S: Serializer>(bytes: &[u8], s: S) -> Result<S::Ok, S::Error> {
    let (numbers, _) = bytes.as_chunks::<4>();
    let mut seq = s.serialize_seq(Some(numbers.len()))?;
    for number in numbers {
        seq.serialize_element(&f32::from_le_bytes(*number))?;
    }
    seq.end()
}

/// Date and time with a `T` between them.
struct Iso(DateTime);

impl std::fmt::Display for Iso {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let time = self.0;
        let micros = i64::from(time.hour) * 3600 + i64::from(time.minute) * 60 + i64::from(time.second);
        let of_day = crate::value::Time {
            micros: micros * 1_000_000 + i64::from(time.micros),
            precision: time.precision,
        };
        write!(f, "{}T{of_day}", time.date)
    }
}
