//! Tables and columns as a log's rows are to be read: shared by reference, versioned by the schema history.

pub mod counter;
pub mod definition;

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

/// The name of a table. Shared: cloning it copies two pointers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TableName {
    /// What names of tables are unique in: MySQL's database, PostgreSQL's schema.
    pub database: Arc<str>,
    /// Table.
    pub table: Arc<str>,
}

impl TableName {
    /// The table `table` of the database `database`.
    #[must_use]
    pub fn new(database: impl Into<Arc<str>>, table: impl Into<Arc<str>>) -> Self {
        TableName { database: database.into(), table: table.into() }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.database, self.table)
    }
}

/// One version of a table's definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// The table's name at that version.
    pub name: TableName,
    /// Its columns in stored order. Invisible columns are among them: the log has them.
    pub columns: Vec<Column>,
    /// Ordinals (from 0) of the primary key's columns in key order; empty when there is none.
    pub primary_key: Vec<u16>,
    /// Unique keys other than the primary key.
    pub unique_keys: Vec<UniqueKey>,
    /// Keys that are not unique. They identify no row, but the source names unnamed keys around them.
    #[serde(default)]
    pub indexes: Vec<Index>,
    /// The table's default character set and collation, where known.
    pub collation: Option<String>,
    /// Whether the names come from the source (log metadata, DDL or its catalog), and not from the place alone.
    pub named: bool,
    /// The number that the table keeps for its life, whatever its name (PostgreSQL's OID), where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u32>,
}

impl Table {
    /// The ordinals of the columns that identify a row: the primary key, else the first unique key without nullable or
    /// partly indexed columns, else `None` (a keyless table).
    #[must_use]
    pub fn key(&self) -> Option<&[u16]> {
        if !self.primary_key.is_empty() {
            return Some(&self.primary_key);
        }
        let not_null =
            |&ordinal: &u16| self.columns.get(usize::from(ordinal)).is_some_and(|column| !column.nullable);
        let exact =
            |key: &&UniqueKey| !key.partial && !key.columns.is_empty() && key.columns.iter().all(not_null);
        self.unique_keys.iter().find(exact).map(|key| key.columns.as_slice())
    }

    /// The ordinal of the column that says when a version of a row ended (MariaDB's `GENERATED ALWAYS AS ROW END`); `None` for a
    /// table without versions of rows.
    #[must_use]
    pub fn row_end(&self) -> Option<usize> {
        self.columns.iter().position(|column| {
            column
                .generated
                .as_ref()
                .is_some_and(|generated| generated.expression.as_deref() == Some("ROW END"))
        })
    }

    /// The ordinal of the column of that name. Column names compare without regard to case.
    #[must_use]
    pub fn ordinal(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name.to_lowercase() == name.to_lowercase())
    }
}

/// A unique key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UniqueKey {
    /// Its name.
    pub name: String,
    /// Ordinals (from 0) of its columns in key order.
    pub columns: Vec<u16>,
    /// Whether it covers only a prefix of a column or an expression: then it does not identify a row.
    pub partial: bool,
}

/// A key that is not unique.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// Its name.
    pub name: String,
    /// Ordinals (from 0) of its columns in key order.
    pub columns: Vec<u16>,
    /// Whether the source made it for a foreign key: it goes when another key serves that.
    pub implied: bool,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type.
    pub column_type: ColumnType,
    /// Whether NULL is allowed.
    pub nullable: bool,
    /// Whether the source computes it: such a column is in the log and must not be written.
    pub generated: Option<Generated>,
    /// Whether the source numbers it by itself.
    pub auto_increment: bool,
    /// The default as an SQL expression of the source (`'x'`, `0`, `CURRENT_TIMESTAMP`), where there is one and it is known.
    pub default: Option<String>,
    /// Character set of a text column, where known (`utf8mb4`).
    pub charset: Option<String>,
    /// Collation of a text column, where known (`utf8mb4_bin`).
    pub collation: Option<String>,
    /// The type as the source spells it (`int(10) unsigned`, `character varying(20)`), where known.
    pub declared: Option<String>,
    /// The number that the column keeps for its life, whatever its name and place (PostgreSQL's `attnum`), where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<i16>,
}

impl Column {
    /// Whether the source added it by itself for versions of rows (MariaDB's `WITH SYSTEM VERSIONING`) and shows it nowhere.
    #[must_use]
    pub fn is_hidden(&self) -> bool {
        let expression = self.generated.as_ref().and_then(|generated| generated.expression.as_deref());
        self.declared.is_none() && matches!(expression, Some("ROW START" | "ROW END"))
    }

    /// A nullable column without any further attribute.
    #[must_use]
    pub fn new(name: impl Into<String>, column_type: ColumnType) -> Self {
        Column {
            name: name.into(),
            column_type,
            nullable: true,
            generated: None,
            auto_increment: false,
            default: None,
            charset: None,
            collation: None,
            declared: None,
            number: None,
        }
    }
}

/// How a generated column is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generated {
    /// The source's expression, where known.
    pub expression: Option<String>,
    /// Whether the value is stored in the row.
    pub stored: bool,
}

/// The type of a column, independent of how a dialect spells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ColumnType {
    /// True or false.
    Boolean,
    /// An integer of `bytes` bytes: 1, 2, 3, 4 or 8.
    Integer {
        /// Storage width in bytes.
        bytes: u8,
        /// Whether it has no negative values.
        unsigned: bool,
    },
    /// Single precision.
    Float,
    /// Double precision.
    Double,
    /// An exact number.
    Decimal {
        /// All digits, 1 to 65 for MySQL, 1 to 1,000 for PostgreSQL; 0 where the column sets no limit, and no scale either.
        precision: u16,
        /// Digits behind the point.
        scale: i16,
    },
    /// Text of a fixed length in characters.
    Char(u32),
    /// Text up to a length in characters.
    VarChar(u32),
    /// Long text up to a length in bytes (255, 65,535, 16,777,215 or 4,294,967,295 for MySQL).
    Text(u32),
    /// Bytes of a fixed length; shorter values are padded with zero bytes.
    Binary(u32),
    /// Bytes up to a length.
    VarBinary(u32),
    /// Long binary up to a length in bytes.
    Blob(u32),
    /// A date.
    Date,
    /// A time of day or duration, with that many fractional digits.
    Time(u8),
    /// Date and time without a zone, with that many fractional digits.
    DateTime(u8),
    /// An instant, with that many fractional digits.
    Timestamp(u8),
    /// A year.
    Year,
    /// A bit string of that many bits.
    Bits(u16),
    /// One of the names.
    Enum(Vec<String>),
    /// Any of the names.
    Set(Vec<String>),
    /// A geometry of that type (`point`, `geometry`…).
    Geometry(String),
    /// A JSON document.
    Json,
    /// A UUID.
    Uuid,
    /// An IPv4 address in 4 bytes.
    Inet4,
    /// An IPv6 address in 16 bytes.
    Inet6,
    /// A vector of that many single precision numbers.
    Vector(u32),
    /// A type of the source that has no other place here, by its name there (`interval`, `integer[]`, `app.address`). Its values
    /// come as the source's own text.
    Native(String),
}
