//! From a table map to a plan for reading rows: what the log says of the columns, completed by what is known of the table.

use std::sync::Arc;

use crate::mysql::{
    charset::Charset,
    error::Reason,
    rows::{
        hidden,
        table_map::{Columns, Metadata},
        wire::Wire,
    },
};
use crate::schema::{Column, ColumnType, Table, TableName};

/// How the rows of one table map are read.
#[derive(Clone, Debug)]
pub(in crate::mysql) struct Plan {
    pub(in crate::mysql) table: Arc<Table>,
    /// Those of the table, and behind them those that the server keeps for itself.
    pub(in crate::mysql) columns: Vec<ColumnPlan>,
}

/// How one column is read.
#[derive(Clone, Debug)]
pub(in crate::mysql) struct ColumnPlan {
    pub(in crate::mysql) wire: Wire,
    pub(in crate::mysql) unsigned: bool,
    pub(in crate::mysql) content: Content,
    /// Members of an ENUM or SET.
    pub(in crate::mysql) members: Arc<[String]>,
}

/// What the bytes of a string column are.
#[derive(Clone, Copy, Debug)]
pub(in crate::mysql) enum Content {
    /// Text that needs no conversion.
    Utf8,
    Text(Charset),
    Binary,
    /// Bytes of a fixed length; the log leaves trailing zero bytes out.
    PaddedBinary,
    Uuid,
    /// The log does not say: text if the bytes are UTF-8.
    Undeclared,
}

impl Content {
    fn of(charset: Charset) -> Self {
        if charset.is_utf8() { Content::Utf8 } else { Content::Text(charset) }
    }
}

/// Collation 63: bytes.
const BINARY: u16 = 63;

/// Makes the plan for rows of `name`.
///
/// `known` is the definition from the schema history. Where the log has names of its own it must agree with them, else the
/// log wins; where the log has none, `known` must fit the stored types exactly, else it describes another version of
/// the table and reading rows with it would put values into wrong columns. With `positional`, columns that nothing is
/// known of are named `@1`, `@2`…
pub(in crate::mysql) fn plan(
    name: TableName,
    mut columns: Columns,
    known: Option<&Arc<Table>>,
    positional: bool,
) -> Result<Plan, Reason> {
    let hidden = columns.split_off(hidden::hash_columns(&columns, known.map(Arc::as_ref)));
    let columns = &columns;
    let metadata = &columns.metadata;
    let mismatch = known.map(|table| mismatch(table, columns));
    let table = match (known, mismatch) {
        (Some(table), Some(None)) => with_logged_members(table, columns),
        _ if metadata.names.is_some() => Arc::new(from_metadata(name, columns)),
        (Some(_), Some(Some(what))) => return Err(Reason::DefinitionMismatch(what)),
        _ if positional => Arc::new(from_metadata(name, columns)),
        _ => return Err(Reason::UnknownDefinition),
    };
    let plans = columns.wires.iter().zip(&table.columns).enumerate();
    let shown = plans.map(|(i, (wire, column))| column_plan(i, *wire, column, metadata, table.named));
    let hidden = hidden.into_iter().map(|wire| ColumnPlan {
        wire,
        unsigned: true,
        content: Content::Binary,
        members: Arc::from([]),
    });
    let columns = shown.chain(hidden).collect();
    Ok(Plan { table, columns })
}

/// The known definition with the members that the log names. A server shows its definitions in characters of up to three bytes of
/// UTF-8 and turns others into `?`; the log has them as they are.
fn with_logged_members(table: &Arc<Table>, columns: &Columns) -> Arc<Table> {
    let mut table = Arc::clone(table);
    let charset = |column: &Column| column.charset.as_deref().and_then(Charset::by_name);
    for (i, logged) in columns.metadata.members.iter().enumerate() {
        let (Some(logged), Some(column)) = (logged, table.columns.get(i)) else { continue };
        let logged: Vec<_> = logged.iter().map(|member| decode_member(member, charset(column))).collect();
        match &column.column_type {
            ColumnType::Enum(members) | ColumnType::Set(members) if *members != logged => {}
            _ => continue,
        }
        if let Some(column) = Arc::make_mut(&mut table).columns.get_mut(i)
            && let ColumnType::Enum(members) | ColumnType::Set(members) = &mut column.column_type
        {
            *members = logged;
        }
    }
    table
}

fn column_plan(i: usize, wire: Wire, column: &Column, metadata: &Metadata, named: bool) -> ColumnPlan {
    let declared_unsigned = match column.column_type {
        ColumnType::Integer { unsigned, .. } => unsigned,
        _ => false,
    };
    let unsigned =
        metadata.unsigned.as_ref().and_then(|signs| signs.get(i).copied()).unwrap_or(declared_unsigned);
    let members = match &column.column_type {
        ColumnType::Enum(members) | ColumnType::Set(members) => members.as_slice().into(),
        _ => Arc::from([]),
    };
    ColumnPlan { wire, unsigned, content: content(i, wire, column, metadata, named), members }
}

fn content(i: usize, wire: Wire, column: &Column, metadata: &Metadata, named: bool) -> Content {
    let fixed = matches!(wire, Wire::Char { .. });
    if column.column_type == ColumnType::Uuid {
        return Content::Uuid;
    }
    let logged = metadata.collations.get(i).copied().flatten();
    match (logged, column.charset.as_deref()) {
        (Some(BINARY), _) if fixed => Content::PaddedBinary,
        (Some(BINARY), _) => Content::Binary,
        (Some(id), _) => Charset::by_collation(id).map_or(Content::Undeclared, Content::of),
        (None, Some(charset)) if charset != "binary" => {
            Charset::by_name(charset).map_or(Content::Undeclared, Content::of)
        }
        (None, _) => match column.column_type {
            ColumnType::Binary(_) | ColumnType::Inet4 | ColumnType::Inet6 if fixed => Content::PaddedBinary,
            _ if !named => Content::Undeclared,
            ColumnType::Char(_) | ColumnType::VarChar(_) | ColumnType::Text(_) => Content::Undeclared,
            _ => Content::Binary,
        },
    }
}

/// The first difference between a known definition and the columns of the log, for people.
fn mismatch(table: &Table, columns: &Columns) -> Option<String> {
    if table.columns.len() != columns.wires.len() {
        return Some(format!("it has {} columns, the log {}", table.columns.len(), columns.wires.len()));
    }
    let Metadata { names, unsigned, .. } = &columns.metadata;
    for (i, (column, wire)) in table.columns.iter().zip(&columns.wires).enumerate() {
        if let Some(name) = names.as_ref().and_then(|names| names.get(i))
            && *name != column.name
        {
            return Some(format!("column {} is named {}, in the log {name}", i + 1, column.name));
        }
        let sign_differs = match (&column.column_type, unsigned.as_ref().and_then(|signs| signs.get(i))) {
            (ColumnType::Integer { unsigned, .. }, Some(logged)) => unsigned != logged,
            _ => false,
        };
        if sign_differs || !fits(&column.column_type, *wire, column.charset.as_deref()) {
            let declared = column.declared.as_deref().unwrap_or("of another type");
            return Some(format!("column {} is {declared}, which is not how the log stores it", column.name));
        }
    }
    match &columns.metadata.primary_key {
        Some(key) if !same_key(key, table) => {
            Some("its primary key is another one than in the log".to_owned())
        }
        _ => None,
    }
}

/// Whether the log's primary key is the table's. MariaDB adds the end of a row version's life to the key.
fn same_key(logged: &[u16], table: &Table) -> bool {
    let is_end = |ordinal: &u16| table.row_end() == Some(usize::from(*ordinal));
    let declared = |key: &[u16]| key.iter().copied().filter(|ordinal| !is_end(ordinal)).collect::<Vec<_>>();
    declared(logged) == declared(&table.primary_key)
}

/// Whether a column of that type is stored like that.
fn fits(column_type: &ColumnType, wire: Wire, charset: Option<&str>) -> bool {
    let width = charset.and_then(Charset::by_name).map(|charset| u32::from(charset.max_bytes_per_char()));
    let characters_fit = |characters: u32, max: u16| {
        width.is_none_or(|width| characters.saturating_mul(width) == u32::from(max))
    };
    match (column_type, wire) {
        (ColumnType::Integer { bytes, .. }, Wire::Integer { bytes: stored }) => *bytes == stored,
        (ColumnType::Decimal { precision, scale }, Wire::Decimal { precision: p, scale: s }) => {
            *precision == u16::from(p) && *scale == i16::from(s)
        }
        (ColumnType::Char(n), Wire::Char { max, .. })
        | (ColumnType::VarChar(n), Wire::VarChar { max, .. } | Wire::CompressedVarChar { max, .. }) => {
            characters_fit(*n, max)
        }
        (ColumnType::Binary(n), Wire::Char { max, .. })
        | (ColumnType::VarBinary(n), Wire::VarChar { max, .. } | Wire::CompressedVarChar { max, .. }) => {
            *n == u32::from(max)
        }
        (
            ColumnType::Text(max) | ColumnType::Blob(max),
            Wire::Blob { length_bytes } | Wire::CompressedBlob { length_bytes },
        ) => *max == max_of(length_bytes),
        // MariaDB's JSON is a LONGTEXT, its VECTOR a VARBINARY.
        (ColumnType::Json, Wire::Json { .. } | Wire::Blob { length_bytes: 4 })
        | (ColumnType::Vector(_), Wire::Vector { .. } | Wire::VarChar { .. } | Wire::Blob { .. })
        | (ColumnType::Geometry(_), Wire::Geometry { .. })
        | (ColumnType::Uuid | ColumnType::Inet6, Wire::Char { max: 16, .. })
        | (ColumnType::Inet4, Wire::Char { max: 4, .. })
        | (ColumnType::Float, Wire::Float)
        | (ColumnType::Double, Wire::Double)
        | (ColumnType::Date, Wire::Date)
        | (ColumnType::Year, Wire::Year) => true,
        (ColumnType::Bits(bits), Wire::Bit { bits: stored }) => *bits == stored,
        (ColumnType::Enum(members), Wire::Enum { bytes }) => bytes == if members.len() > 255 { 2 } else { 1 },
        (ColumnType::Set(members), Wire::Set { bytes }) => usize::from(bytes) == set_bytes(members.len()),
        (ColumnType::Time(declared), Wire::Time { precision })
        | (ColumnType::DateTime(declared), Wire::DateTime { precision })
        | (ColumnType::Timestamp(declared), Wire::Timestamp { precision }) => *declared == precision,
        (ColumnType::Time(_), Wire::OldTime)
        | (ColumnType::DateTime(_), Wire::OldDateTime)
        | (ColumnType::Timestamp(_), Wire::OldTimestamp) => true,
        _ => false,
    }
}

fn set_bytes(members: usize) -> usize {
    match members.div_ceil(8) {
        5.. => 8,
        bytes => bytes.max(1),
    }
}

/// The longest value of a BLOB or TEXT with that many length bytes.
fn max_of(length_bytes: u8) -> u32 {
    u32::MAX >> (32 - 8 * u32::from(length_bytes.clamp(1, 4)))
}

/// A definition from what the log says alone.
fn from_metadata(name: TableName, columns: &Columns) -> Table {
    let metadata = &columns.metadata;
    let named = metadata.names.is_some();
    let column = |(i, wire): (usize, &Wire)| {
        let name = metadata.names.as_ref().and_then(|names| names.get(i)).cloned();
        let collation = metadata.collations.get(i).copied().flatten();
        let charset = collation.filter(|id| *id != BINARY).and_then(Charset::by_collation);
        let mut column = Column::new(
            name.unwrap_or_else(|| format!("@{}", i + 1)),
            column_type(i, *wire, metadata, charset, collation == Some(BINARY)),
        );
        column.nullable = columns.nullable.get(i).copied().unwrap_or(true);
        column.charset = charset.map(|charset| charset.name().to_owned());
        column
    };
    Table {
        name,
        columns: columns.wires.iter().enumerate().map(column).collect(),
        primary_key: metadata.primary_key.clone().unwrap_or_default(),
        unique_keys: Vec::new(),
        indexes: Vec::new(),
        collation: None,
        named,
        number: None,
    }
}

fn column_type(
    i: usize,
    wire: Wire,
    metadata: &Metadata,
    charset: Option<Charset>,
    binary: bool,
) -> ColumnType {
    let characters = |max: u16| {
        u32::from(max) / charset.map_or(1, |charset| u32::from(charset.max_bytes_per_char())).max(1)
    };
    let members = || {
        let decode = |member: &Vec<u8>| decode_member(member, charset);
        let logged = metadata.members.get(i).and_then(Option::as_ref);
        logged.map(|members| members.iter().map(decode).collect::<Vec<_>>()).unwrap_or_default()
    };
    match wire {
        Wire::Integer { bytes } => {
            let unsigned =
                metadata.unsigned.as_ref().and_then(|signs| signs.get(i).copied()).unwrap_or(false);
            ColumnType::Integer { bytes, unsigned }
        }
        Wire::Float => ColumnType::Float,
        Wire::Double => ColumnType::Double,
        Wire::Decimal { precision, scale } => {
            ColumnType::Decimal { precision: precision.into(), scale: scale.into() }
        }
        Wire::Char { max, .. } if binary => ColumnType::Binary(max.into()),
        Wire::Char { max, .. } => ColumnType::Char(characters(max)),
        Wire::VarChar { max, .. } | Wire::CompressedVarChar { max, .. } if binary => {
            ColumnType::VarBinary(max.into())
        }
        Wire::VarChar { max, .. } | Wire::CompressedVarChar { max, .. } => {
            ColumnType::VarChar(characters(max))
        }
        Wire::Blob { length_bytes } | Wire::CompressedBlob { length_bytes } if charset.is_some() => {
            ColumnType::Text(max_of(length_bytes))
        }
        Wire::Blob { length_bytes } | Wire::CompressedBlob { length_bytes } => {
            ColumnType::Blob(max_of(length_bytes))
        }
        Wire::Geometry { .. } => {
            let code = metadata.geometry_types.get(i).copied().flatten();
            ColumnType::Geometry(geometry_name(code).to_owned())
        }
        Wire::Json { .. } => ColumnType::Json,
        Wire::Vector { .. } => {
            ColumnType::Vector(metadata.vector_dimensions.get(i).copied().flatten().unwrap_or_default())
        }
        Wire::Bit { bits } => ColumnType::Bits(bits),
        Wire::Enum { .. } => ColumnType::Enum(members()),
        Wire::Set { .. } => ColumnType::Set(members()),
        Wire::Date => ColumnType::Date,
        Wire::OldTime => ColumnType::Time(0),
        Wire::OldDateTime => ColumnType::DateTime(0),
        Wire::OldTimestamp => ColumnType::Timestamp(0),
        Wire::Time { precision } => ColumnType::Time(precision),
        Wire::DateTime { precision } => ColumnType::DateTime(precision),
        Wire::Timestamp { precision } => ColumnType::Timestamp(precision),
        Wire::Year => ColumnType::Year,
        Wire::Null => ColumnType::VarBinary(0),
    }
}

/// A member's name; bytes that its character set does not have become the replacement character, in the name only.
fn decode_member(bytes: &[u8], charset: Option<Charset>) -> String {
    let pool = crate::arena::ArenaPool::new();
    let decoded = charset.and_then(|charset| charset.decode(bytes, &pool.arena()).ok().map(str::to_owned));
    decoded.unwrap_or_else(|| String::from_utf8_lossy(bytes).into_owned())
}

/// Names of `Field::geometry_type`.
fn geometry_name(code: Option<u8>) -> &'static str {
    match code {
        Some(1) => "point",
        Some(2) => "linestring",
        Some(3) => "polygon",
        Some(4) => "multipoint",
        Some(5) => "multilinestring",
        Some(6) => "multipolygon",
        Some(7) => "geometrycollection",
        _ => "geometry",
    }
}
