//! Definitions as a whole: what makes a database, a table, a view or a program beside what reading rows takes.
//!
//! Whatever a source writes about an object in its own dialect is kept as text (`native`) next to what the text says, so
//! that a destination of the same family can use the text, and any other the meaning.
//!
//! # What PostgreSQL's texts hold
//!
//! All names in them are qualified by their schema and quoted where they need it, as with an empty `search_path`; a semicolon is at
//! no end. [`Database`] is a schema of the one database, [`TableName::database`] its name.
//!
//! * [`Column::declared`](super::Column::declared): `format_type` (`character varying(20)`, `app.mood[]`); `default`: `pg_get_expr`, which is
//!   `nextval('shop.orders_id_seq'::regclass)` for a serial column. `auto_increment` is set for these and for identity columns.
//! * [`ColumnDetails::native`]: type, `COMPRESSION`, `COLLATE`, `DEFAULT` or `GENERATED …`, `NOT NULL`, in this order.
//!   [`ColumnDetails::identity`]: `GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME … START WITH …)` without the rest.
//! * [`Key::native`]: of a constraint `pg_get_constraintdef` (`PRIMARY KEY (id) INCLUDE (b) DEFERRABLE`, `UNIQUE NULLS NOT DISTINCT (a)`, `EXCLUDE USING
//!   gist (…)`), to be put behind `CONSTRAINT name`; of an index that is none, `pg_get_indexdef` (`CREATE UNIQUE INDEX name ON shop.t USING btree (a)
//!   WHERE …`), without `ONLY` for a partitioned table: its partitions get theirs with it. The two are told apart by `CREATE ` in front. The primary key has its own name, and not `PRIMARY`.
//! * The primary key of a table and of its details is what names rows in the log: where the replica identity is another index, that one,
//!   and the declared primary key is a unique key whose `native` says what it is.
//!   [`Key::method`]: the access method as the catalog has it (`btree`, `gin`).
//! * [`ForeignKey::native`], [`Check::native`]: `pg_get_constraintdef`, with `NOT VALID`, `DEFERRABLE INITIALLY DEFERRED`, `NO INHERIT`.
//! * [`TableDetails::options`], in this order: `UNLOGGED`; `INHERITS` (`shop.a, shop.b`); `OF` (a composite type); `ACCESS METHOD` (where
//!   it is not `heap`); `WITH` (`fillfactor=70, autovacuum_enabled=false`); `TABLESPACE`; `REPLICA IDENTITY` (`FULL`, `NOTHING`, `USING
//!   INDEX name`); `ROW SECURITY` (`ENABLE` or `FORCE`); `COMMENT`, which is the comment itself and no literal.
//! * [`TableDetails::partitions`]: `PARTITION BY RANGE (day)`; the partitions are in [`TableDetails::partition_tables`] and not among the tables.
//! * [`StoredObject::statement`]: one statement that creates it. Of an extension `CREATE EXTENSION IF NOT EXISTS name WITH SCHEMA s VERSION 'v'`; of
//!   a type, view, materialized view (`WITH NO DATA`), sequence, `pg_get_functiondef`, `pg_get_triggerdef`. A rule
//!   (`pg_get_ruledef`) is a trigger. A trigger or rule that is not enabled as usual says so in a note.
//! * [`StoredObject::name`] of a function or procedure has the types of its arguments (`add(integer, integer)`). Objects are in an order in which
//!   they can be created, and no object stands for what belongs to an extension.

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
    /// The partitions that are tables of their own (PostgreSQL's), each behind the one that it is a part of. Their rows are rows of the table.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partition_tables: Vec<PartitionTable>,
}

/// A partition that is a table of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionTable {
    /// Its name.
    pub name: TableName,
    /// What it is a part of: the table, or another partition.
    pub of: TableName,
    /// What is behind `CREATE TABLE … PARTITION OF …`, as the source writes it: `FOR VALUES FROM (…) TO (…)` or `DEFAULT`, then `PARTITION BY …`, then
    /// `WITH (…)` and `TABLESPACE …`.
    pub native: String,
    /// Keys that it has in addition to those of what it is a part of.
    pub keys: Vec<Key>,
    /// Foreign keys and conditions that it has in addition (`CONSTRAINT name …`), as the source writes them.
    pub constraints: Vec<String>,
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
    /// How large values are kept where it is not as usual for the type (`EXTERNAL`, behind PostgreSQL's `SET STORAGE`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<String>,
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
    /// A constraint that no two rows are alike in some way other than equality (PostgreSQL's `EXCLUDE`).
    Exclusion,
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
    /// The condition of the rows that are in it, where not all are (PostgreSQL's `WHERE`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
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
    /// The whole definition as the source writes it, behind `CONSTRAINT name`, where it says more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub native: Option<String>,
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
    /// The whole definition as the source writes it, behind `CONSTRAINT name`, where it says more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub native: Option<String>,
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
    /// The table that a trigger or sequence belongs to.
    pub table: Option<TableName>,
    /// The column of that table that a sequence belongs to: it goes with the column (PostgreSQL's `OWNED BY`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// The statement that creates it, as the source writes it.
    pub statement: String,
    /// The SQL mode that the statement is to be read under.
    pub sql_mode: String,
    /// Its comment, where it is not a part of the statement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}
