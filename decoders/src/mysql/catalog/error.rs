//! Statements that do not fit the definitions known.

use thiserror::Error;

use crate::schema::TableName;

/// A statement that does not fit the definition known of a table: the definition is not the server's. Read it anew.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// The table has no such column.
    #[error(
        "table {table} is changed at its column {column}, which it does not have here; read its definition anew"
    )]
    NoColumn {
        /// The table.
        table: TableName,
        /// The column.
        column: String,
    },
    /// The table has such a column already.
    #[error("table {table} gets a column {column}, which it already has here; read its definition anew")]
    DuplicateColumn {
        /// The table.
        table: TableName,
        /// The column.
        column: String,
    },
    /// The table has more columns than a server allows.
    #[error("table {table} has more than 65,535 columns")]
    TooManyColumns {
        /// The table.
        table: TableName,
    },
    /// The size of a column depends on a character set that is not known.
    #[error(
        "table {table}, column {column}: its type depends on the default character set of the database, which is not \
         known; read the definition from the server"
    )]
    UnknownCharset {
        /// The table.
        table: TableName,
        /// The column.
        column: String,
    },
}
