//! What a log says, in one form for all sources.
//!
//! A transaction is [`Event::Begin`], any number of [`Event::Rows`] and [`Event::Truncate`], and [`Event::Commit`]. A
//! statement that changes the schema is an [`Event::Ddl`] between transactions, or inside one where the source's statements
//! are a part of their transaction (PostgreSQL). It streams: nothing requires a whole transaction in memory.

use std::sync::Arc;

use crate::{
    position::{LogPosition, TransactionId},
    schema::{Table, TableName},
    value::Cell,
};

/// One event of the normalized format.
#[derive(Clone, Debug, PartialEq)]
pub enum Event<'a> {
    /// A transaction starts.
    Begin(Begin),
    /// Rows of one table change.
    Rows(Rows<'a>),
    /// All rows of a table are removed at once.
    Truncate(Truncate),
    /// A statement that changes the schema.
    Ddl(Ddl<'a>),
    /// The source says that it is alive and how far its log is.
    Heartbeat(LogPosition),
    /// The transaction is complete.
    Commit(Commit),
}

/// The start of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begin {
    /// The source's own name for the transaction, where it has one.
    pub transaction: Option<TransactionId>,
    /// Where the transaction starts in the log.
    pub position: LogPosition,
}

/// The end of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Where the log continues after the transaction: a task resumed there misses nothing and repeats nothing.
    pub position: LogPosition,
    /// When the source committed, in microseconds since 1970-01-01 UTC. Not monotonic: order by position.
    pub time_micros: i64,
}

/// Changes to rows of one table by one statement of one transaction, in their order.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows<'a> {
    /// The table as it was defined when the rows were written.
    pub table: Arc<Table>,
    /// Where the log event with these rows starts.
    pub position: LogPosition,
    /// When the statement ran, in microseconds since 1970-01-01 UTC.
    pub time_micros: i64,
    /// Number of row changes of this transaction before these ones.
    pub sequence: u64,
    /// Whether foreign keys may have changed rows of other tables together with these ones (`ON DELETE CASCADE`, `ON
    /// UPDATE SET NULL`…) without anything in the log: the destination has to let its own foreign keys do the same.
    pub unlogged_cascades: bool,
    /// The changes.
    pub changes: &'a [RowChange<'a>],
}

/// The change of one row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RowChange<'a> {
    /// A new row.
    Insert {
        /// The row; as many cells as the table has columns.
        after: &'a [Cell<'a>],
    },
    /// A changed row.
    Update {
        /// The row before, as far as the row image has it.
        before: &'a [Cell<'a>],
        /// The row after, as far as the row image has it.
        after: &'a [Cell<'a>],
    },
    /// A removed row.
    Delete {
        /// The row before, as far as the row image has it.
        before: &'a [Cell<'a>],
    },
}

impl<'a> RowChange<'a> {
    /// The image before the change; `None` for an insert.
    #[must_use]
    pub fn before(&self) -> Option<&'a [Cell<'a>]> {
        match *self {
            RowChange::Insert { .. } => None,
            RowChange::Update { before, .. } | RowChange::Delete { before } => Some(before),
        }
    }

    /// The image after the change; `None` for a delete.
    #[must_use]
    pub fn after(&self) -> Option<&'a [Cell<'a>]> {
        match *self {
            RowChange::Delete { .. } => None,
            RowChange::Insert { after } | RowChange::Update { after, .. } => Some(after),
        }
    }
}

/// The removal of all rows of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truncate {
    /// Which table.
    pub table: TableName,
    /// Where the statement stands in the log.
    pub position: LogPosition,
    /// When it ran, in microseconds since 1970-01-01 UTC.
    pub time_micros: i64,
}

/// The SQL that a statement is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Language {
    /// That of MySQL and MariaDB.
    Mysql {
        /// The session's SQL mode (MySQL's bit mask).
        sql_mode: u64,
    },
    /// That of PostgreSQL.
    Postgres,
}

/// A statement that changes the schema.
#[derive(Clone, Debug, PartialEq)]
pub struct Ddl<'a> {
    /// The statement as the source logged it, decoded to UTF-8. Empty where the log does not have it: then `changes` says
    /// all that is known.
    pub statement: &'a str,
    /// The database that unqualified names refer to; empty for none.
    pub database: &'a str,
    /// Where the statement stands in the log.
    pub position: LogPosition,
    /// When it ran, in microseconds since 1970-01-01 UTC.
    pub time_micros: i64,
    /// How the statement is to be read.
    pub language: Language,
    /// What the statement does to tables, in order.
    pub changes: Vec<SchemaChange>,
}

/// What a statement does to one object.
#[derive(Clone, Debug, PartialEq)]
pub enum SchemaChange {
    /// A table comes to be.
    CreateTable {
        /// Its definition.
        table: Arc<Table>,
        /// `IF NOT EXISTS` was said.
        if_not_exists: bool,
    },
    /// A table's definition changes (and perhaps its name: compare `before.name` with `after.name`).
    AlterTable {
        /// The definition before.
        before: Arc<Table>,
        /// The definition after.
        after: Arc<Table>,
        /// For each column of `after`, the ordinal of the column in `before` that its values come from; `None` for an
        /// added column.
        columns_from: Vec<Option<u16>>,
    },
    /// A table gets another name.
    RenameTable {
        /// The name before.
        from: TableName,
        /// The name after.
        to: TableName,
    },
    /// A table that is not selected gets the name of one that is. Its rows are not in what was read of the log.
    RenamedIn {
        /// The name before.
        from: TableName,
        /// The name after.
        to: TableName,
        /// Its definition under the new name, where it is known.
        table: Option<Arc<Table>>,
    },
    /// A table goes.
    DropTable {
        /// Its name.
        table: TableName,
    },
    /// A database comes to be.
    CreateDatabase {
        /// Its name.
        database: String,
    },
    /// A database goes, with all its tables.
    DropDatabase {
        /// Its name.
        database: String,
    },
    /// Rows of a table come or go without being in the log, as when a partition is dropped or exchanged.
    RowsUnlogged {
        /// Its name.
        table: TableName,
        /// What happens, for a person (`DROP PARTITION p1`).
        description: String,
    },
    /// A table's definition is not known from here on: its rows cannot be read until it is read anew.
    Unknown {
        /// Its name.
        table: TableName,
        /// What the statement does to it, for a person.
        description: String,
    },
    /// An index that is no unique key, a view, routine, trigger, event, comment or option: rows are not touched.
    Other {
        /// What it is, for a person (`index idx_a on shop.orders`).
        description: String,
        /// The table it belongs to, where there is one.
        table: Option<TableName>,
    },
}

impl SchemaChange {
    /// The tables that the change is about; empty for a whole database.
    #[must_use]
    pub fn tables(&self) -> Vec<&TableName> {
        match self {
            SchemaChange::CreateTable { table, .. } => vec![&table.name],
            SchemaChange::AlterTable { before, after, .. } => vec![&before.name, &after.name],
            SchemaChange::RenameTable { from, to } | SchemaChange::RenamedIn { from, to, .. } => {
                vec![from, to]
            }
            SchemaChange::DropTable { table }
            | SchemaChange::RowsUnlogged { table, .. }
            | SchemaChange::Unknown { table, .. } => vec![table],
            SchemaChange::Other { table, .. } => table.iter().collect(),
            SchemaChange::CreateDatabase { .. } | SchemaChange::DropDatabase { .. } => Vec::new(),
        }
    }
}
