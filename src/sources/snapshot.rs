//! What a source offers for copying what is already there.
//!
//! A copy needs no lock and no transaction over all of it, because the log repairs what the copy tears: the position of
//! the log ([`TableReader::start`]) is taken before the first row is read, every change behind it is applied to the
//! copied rows afterwards, and a change of a keyed row brings the row to its state after the change whatever was
//! there. Rows of a table without a key cannot be told apart, so that such a table is read in one stream that shows it exactly as it is at
//! its start.

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use slackwater_decoders::{
    batch::Batch,
    position::Position,
    schema::{Table, TableName},
};

use crate::error::Result;

/// A source whose tables can be copied.
#[async_trait]
pub trait SnapshotSource: Send + Sync {
    /// The selected tables as they are now, with estimates.
    ///
    /// # Errors
    /// When the source cannot be asked.
    async fn tables(&self) -> Result<Vec<TableEstimate>>;

    /// Starts or resumes the copy of a table, on a connection that no other reader uses. `None`: there is no such table (any more).
    ///
    /// # Errors
    /// When the source cannot be asked, or the table cannot be copied as it is.
    async fn read_table(
        &self,
        table: &TableName,
        resume: Option<&CopyPoint>,
    ) -> Result<Option<Box<dyn TableReader>>>;

    /// All tables are read: what was kept for the next one may go.
    fn all_read(&self) {}
}

/// A table to be copied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableEstimate {
    /// Its name at the source.
    pub table: TableName,
    /// Number of rows, as the source estimates it.
    pub rows: u64,
    /// Bytes of its rows, as the source estimates them.
    pub bytes: u64,
}

/// Where the copy of a table goes on after an interruption.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyPoint {
    /// The definition that the rows were read with.
    pub table: Arc<Table>,
    /// The [`TableReader::start`] of the copy.
    pub start: Position,
    /// The end of the last block that the destination holds, with everything before it; `None`: none.
    pub after: Option<Bound>,
}

/// A place in the order of a table's key. What it holds is known to the source alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound(pub String);

/// Reads the rows of one table in the order of its key.
#[async_trait]
pub trait TableReader: Send {
    /// The definition that the rows are read with.
    fn table(&self) -> &Arc<Table>;

    /// Changes of the table up to here are in the rows; changes behind it are to be applied to them.
    fn start(&self) -> &Position;

    /// Whether the copy can go on behind a block after an interruption. A table without a key cannot: its copy begins again.
    fn is_resumable(&self) -> bool;

    /// Leaves the connection to the next table. To be called when nothing is left to read, or the table [changed](Read::Changed); a
    /// reader that is dropped instead closes it.
    fn close(self: Box<Self>) {}

    /// Reads on.
    ///
    /// # Errors
    /// Transient ones are retried by the caller with a new reader from the last block that the destination holds.
    async fn next(&mut self) -> Result<Read>;
}

/// What a reader found.
pub enum Read {
    /// Rows, in the order of the key.
    Block(Block),
    /// There are no more rows.
    Finished,
    /// The definition of the table is not what it was at the start of the copy, or the table is gone: it has to begin again.
    Changed,
}

/// Rows of one table: all that lie between the end of the block before it and its own.
pub struct Block {
    /// One [`Rows`](slackwater_decoders::event::Event::Rows) of inserts.
    pub batch: Batch,
    /// The key of the last row; `None` for a table without a key.
    pub end: Option<Bound>,
}
