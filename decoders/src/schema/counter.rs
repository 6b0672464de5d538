//! Counters that number rows: auto-increment columns, identity columns, sequences.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::TableName;

/// What numbers rows.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CounterName {
    /// The counter of a column: MySQL's `AUTO_INCREMENT`, PostgreSQL's identity or the sequence that the column owns.
    Column {
        /// The column's table.
        table: TableName,
        /// The column.
        column: String,
    },
    /// A sequence of its own.
    Sequence(TableName),
}

impl fmt::Display for CounterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CounterName::Column { table, column } => write!(f, "{table}.{column}"),
            CounterName::Sequence(name) => write!(f, "sequence {name}"),
        }
    }
}

/// Where a counter stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counter {
    /// Which one.
    pub name: CounterName,
    /// The number that it gives next; any `BIGINT`, signed or unsigned.
    pub next: i128,
    /// Whether it counts down.
    #[serde(default)]
    pub descending: bool,
}
