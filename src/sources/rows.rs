//! Reading rows for comparison, at either end of a task.

use std::sync::Arc;

use async_trait::async_trait;
use slackwater_decoders::{
    batch::Batch,
    schema::{Table, TableName},
    value::Value,
};

use crate::error::Result;

/// A database whose rows can be read to be compared with those of another. It may be the source or the destination of a task; tables
/// have the names that they have in it.
///
/// Every call reads what is committed at that moment, on connections of its own that no other call uses at the same time, and
/// without locks.
#[async_trait]
pub trait RowReader: Send + Sync {
    /// What is read, for people: kind, address. No secrets.
    fn describe(&self) -> String;

    /// The definitions of those of these tables that are there, with the columns in the order in which [`scan`](Self::scan) gives them:
    /// stored ones and computed ones, hidden ones not.
    ///
    /// # Errors
    /// When the database cannot be asked, or a definition is not understood.
    async fn tables(&self, names: &[TableName]) -> Result<Vec<Arc<Table>>>;

    /// The exact number of rows.
    ///
    /// # Errors
    /// When the database cannot be asked.
    async fn count(&self, table: &TableName) -> Result<u64>;

    /// Reads rows in blocks of at most some thousand. `table` is one of [`tables`](Self::tables).
    ///
    /// # Errors
    /// When the database cannot be asked.
    async fn scan(&self, table: &Arc<Table>, part: &Part<'_>) -> Result<Box<dyn RowScan>>;

    /// The rows with these keys, in any order; keys that are not there are left out. A key has one value for each of
    /// [`Table::key`]'s columns, in that order, not NULL.
    ///
    /// # Errors
    /// When the database cannot be asked, or a value cannot be one of its column.
    async fn rows(&self, table: &Arc<Table>, keys: &[Vec<Value<'_>>]) -> Result<Batch>;
}

/// Which rows of a table are read.
#[derive(Clone, Copy, Debug)]
pub enum Part<'a> {
    /// All, in any order.
    All,
    /// In the order of the key ([`Table::key`]): those behind `after` (`None`: from the first one) up to and with `to` (`None`: to the
    /// last one). Bounds are keys as in [`RowReader::rows`].
    Range {
        /// The last key before the range.
        after: Option<&'a [Value<'a>]>,
        /// The last key of the range.
        to: Option<&'a [Value<'a>]>,
    },
}

/// Rows on their way.
#[async_trait]
pub trait RowScan: Send {
    /// The next rows: a batch with one [`Rows`](slackwater_decoders::event::Event::Rows) of inserts of all columns; `None` behind the
    /// last one.
    ///
    /// # Errors
    /// When the connection is lost, or a value is not understood.
    async fn next(&mut self) -> Result<Option<Batch>>;
}
