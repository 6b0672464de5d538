//! Definitions as a whole: what makes a database, a table, a view or a program beside what reading rows takes.
//!
//! Whatever a source writes about an object in its own dialect is kept as text (`native`) next to what the text says, so
//! that a destination of the same family can use the text, and any other the meaning.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Table, TableName};

/// The definitions of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    /// What the texts are written in.
    pub dialect: Dialect,
    /// The databases of the tables.
    pub databases: Vec<Database>,
    /// The tables, in the order of their names.
    pub tables: Vec<TableDefinition>,
    /// Views, triggers, routines, events and sequences.
    pub objects: Vec<StoredObject>,
    /// What could not be read, for a person: an object that the account may not see.
    pub notes: Vec<String>,
}

/// The dialect of a source's statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Dialect {
    /// MySQL of that major, minor and patch version.
    Mysql(u16, u16, u16),
    /// MariaDB of that major, minor and patch version.
    Mariadb(u16, u16, u16),
    /// PostgreSQL of that major and minor version.
    Postgres(u16, u16),
}

/// A database with the defaults of its tables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database {
    /// Its name.
    pub name: String,
    /// The default character set (`utf8mb4`).
    pub charset: String,
    /// The default collation (`utf8mb4_bin`).
    pub collation: String,
}

/// A table's definition as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableDefinition {
    /// What reading its rows takes.
    pub table: Arc<Table>,
    /// What else is said of it.
    pub details: TableDetails,
}

/// What a table's definition says beside what reading rows takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableDetails {
    /// The columns that the source shows, in order.
    pub columns: Vec<ColumnDetails>,
    /// All keys, the primary key among them, in order.
    pub keys: Vec<Key>,
    /// Foreign keys.
    pub foreign_keys: Vec<ForeignKey>,
    /// Conditions on rows.
    pub checks: Vec<Check>,
    /// Application-time periods, as the source writes them.
    pub periods: Vec<String>,
    /// Options with their values as the source writes them; names in capitals (`ENGINE`, `DEFAULT CHARSET`).
    pub options: Vec<(String, String)>,
    /// `PARTITION BY …` as the source writes it.
    pub partitions: Option<String>,
    /// Whether it keeps old versions of rows.
    pub system_versioned: bool,
}

impl TableDetails {
    /// The value of an option, as the source writes it.
    #[must_use]
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// The details of the column of that name.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&ColumnDetails> {
        let lower = name.to_lowercase();
        self.columns.iter().find(|column| column.name == name || column.name.to_lowercase() == lower)
    }
}

/// What a column's definition says beside what reading rows takes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnDetails {
    /// Its name.
    pub name: String,
    /// Everything behind its name, as the source writes it.
    pub native: String,
    /// Its comment.
    pub comment: Option<String>,
    /// The expression behind ON UPDATE.
    pub on_update: Option<String>,
    /// Whether `SELECT *` leaves it out.
    pub invisible: bool,
    /// The reference system of its geometries, where one is said.
    pub srid: Option<String>,
    /// The condition that is said with the column.
    pub check: Option<String>,
    /// Whether each value is stored compressed.
    pub compressed: bool,
    /// `GENERATED … AS IDENTITY (…)` as the source writes it.
    pub identity: Option<String>,
}

/// What a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyKind {
    /// The primary key.
    Primary,
    /// A unique key.
    Unique,
    /// An index.
    Plain,
    /// An index of words.
    FullText,
    /// An index of geometries.
    Spatial,
    /// An index of vectors.
    Vector,
}

/// A key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// What it is.
    pub kind: KeyKind,
    /// Its name; `PRIMARY` for the primary key.
    pub name: String,
    /// Its parts in order.
    pub parts: Vec<KeyPart>,
    /// Whether the optimizer uses it.
    pub visible: bool,
    /// Its comment.
    pub comment: Option<String>,
    /// `BTREE` or `HASH`, where said.
    pub method: Option<String>,
    /// The parser of a full-text index, where said.
    pub parser: Option<String>,
    /// The whole definition as the source writes it.
    pub native: String,
}

/// A part of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyPart {
    /// What is indexed.
    pub of: Indexed,
    /// So much of its start: characters of text, bytes of binary.
    pub prefix: Option<u32>,
    /// Whether it goes from the last to the first.
    pub descending: bool,
}

/// What a part of a key is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Indexed {
    /// A column.
    Column(String),
    /// An expression, without the parentheses around it.
    Expression(String),
    /// An application-time period that may not overlap.
    Period(String),
}

/// A foreign key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignKey {
    /// The constraint's name.
    pub name: String,
    /// Its columns in order.
    pub columns: Vec<String>,
    /// The table that it refers to.
    pub references: TableName,
    /// The columns there, in order.
    pub referenced: Vec<String>,
    /// What ON DELETE says (`CASCADE`); `None` for nothing.
    pub on_delete: Option<String>,
    /// What ON UPDATE says.
    pub on_update: Option<String>,
}

/// A condition on rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// The constraint's name.
    pub name: Option<String>,
    /// The condition, without the parentheses around it.
    pub expression: String,
    /// Whether rows are held to it.
    pub enforced: bool,
}

/// What a stored object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectKind {
    /// Types, functions and operators that belong together, installed by name.
    Extension,
    /// A type: an enumeration, a domain, a composite or a range.
    Type,
    /// A source of numbers.
    Sequence,
    /// A stored query.
    View,
    /// A stored query with its stored result.
    MaterializedView,
    /// A program that runs with changes of a table.
    Trigger,
    /// A stored function.
    Function,
    /// A stored procedure.
    Procedure,
    /// A program that runs by the clock.
    Event,
}

/// A view, trigger, routine, event or sequence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredObject {
    /// What it is.
    pub kind: ObjectKind,
    /// Its database and name.
    pub name: TableName,
    /// The table that a trigger belongs to.
    pub table: Option<TableName>,
    /// The statement that creates it, as the source writes it.
    pub statement: String,
    /// The SQL mode that the statement is to be read under.
    pub sql_mode: String,
}
