//! How far the copy of each table is.
//!
//! The records are there from before the destination first hears of a copy until it is complete: a destination that
//! has an incomplete copy, and no records here, means that the store was lost.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use slackwater_decoders::{
    position::Position,
    schema::{Table, TableName},
};

use super::{
    record::{self, Damage},
    store::{Store, write_failed},
};
use crate::error::{Error, Result};

/// The number of tables.
const HEAD: &[u8] = b"copy";
/// One record for each table.
const TABLE: &[u8] = b"copy/";

/// The copy of one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableCopy {
    /// The table's name at the source.
    pub table: TableName,
    /// Rows to be copied, as the source estimated them.
    pub estimated_rows: u64,
    /// Bytes to be copied, as the source estimated them.
    pub estimated_bytes: u64,
    /// How far it is.
    pub state: CopyState,
    /// The definition that the destination's table was made for, where that is known and the copy is not complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<Arc<Table>>,
    /// Whether the destination's table holds rows that are not of this copy: it is not emptied then.
    #[serde(default)]
    pub mixed: bool,
    /// Whether the destination's table is being created: one that does not fit was made by an attempt that was cut off.
    #[serde(default)]
    pub making: bool,
    /// Rows that the destination holds.
    pub rows: u64,
    /// Bytes that these rows took in memory.
    pub bytes: u64,
    /// How often the copy began again.
    pub restarts: u32,
}

/// How far the copy of a table is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CopyState {
    /// Nothing was done at the destination yet.
    Planned,
    /// The table is there. Rows of an attempt that was cut off early may be, too.
    Waiting,
    /// Rows are being copied.
    Begun {
        /// The place in the log behind which changes are to be applied to the rows.
        start: Position,
        /// The end of what the destination holds without a gap, in the source's own words; `None`: nothing is known to be there.
        after: Option<String>,
        /// Whether the copy can go on behind `after`; else it begins again.
        resumable: bool,
    },
    /// The destination holds all rows.
    Copied {
        /// The place in the log behind which changes are to be applied to the rows.
        start: Position,
    },
    /// The source does not have the table any more, and the destination does not have it either.
    Gone {
        /// Changes of a table of this name up to here are of the one that is gone.
        start: Position,
    },
}

impl TableCopy {
    /// A table of which nothing is copied yet.
    #[must_use]
    pub fn planned(table: TableName, estimated_rows: u64, estimated_bytes: u64) -> Self {
        TableCopy {
            table,
            estimated_rows,
            estimated_bytes,
            state: CopyState::Planned,
            definition: None,
            mixed: false,
            making: false,
            rows: 0,
            bytes: 0,
            restarts: 0,
        }
    }

    /// The place in the log that the destination's rows of this table come from; `None` while they are not complete.
    #[must_use]
    pub fn start(&self) -> Option<&Position> {
        match &self.state {
            CopyState::Copied { start } | CopyState::Gone { start } => Some(start),
            _ => None,
        }
    }
}

impl Store {
    /// The copies of tables; `None` when there is no copy, or none any more.
    ///
    /// # Errors
    /// Definite, when the records are damaged.
    pub fn copies(&self) -> Result<Option<Vec<TableCopy>>> {
        let damaged = |cause: String| {
            Error::definite("the records of the copied tables are damaged")
                .on(self.directory().display())
                .caused_by(cause)
                .remedy(COPY_AGAIN)
        };
        let head = self.disk().get::<usize>(HEAD).map_err(|damage: Damage| damaged(damage.to_string()))?;
        let Some((_, count)) = head else { return Ok(None) };
        let mut tables = Vec::with_capacity(count);
        for item in self.disk().db.scan_prefix(TABLE) {
            let (_, bytes) = item.map_err(|error| damaged(error.to_string()))?;
            let (_, table) =
                record::decode::<TableCopy>(&bytes).map_err(|damage| damaged(damage.to_string()))?;
            tables.push(table);
        }
        if tables.len() != count {
            return Err(damaged(format!("{} of {count} tables found", tables.len())));
        }
        Ok(Some(tables))
    }

    /// Stores what changed, in one step, durably. `count` is the number of all tables, with those in `changed`. Blocks for some
    /// milliseconds.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn save_copies(&self, count: usize, changed: &[TableCopy]) -> Result<()> {
        let disk = self.disk();
        let mut batch = sled::Batch::default();
        let encoded = |error| write_failed(&disk.path, error);
        batch.insert(HEAD, record::encode(0, &count).map_err(encoded)?);
        for table in changed {
            batch.insert(key(&table.table), record::encode(0, table).map_err(encoded)?);
        }
        disk.db.apply_batch(batch).map_err(|error| write_failed(&disk.path, error))?;
        disk.sync()
    }

    /// Forgets the copies: they are one state with the log now.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn forget_copies(&self) -> Result<()> {
        let disk = self.disk();
        let failed = |error| write_failed(&disk.path, error);
        let mut batch = sled::Batch::default();
        for key in disk.db.scan_prefix(HEAD).keys() {
            batch.remove(key.map_err(failed)?);
        }
        disk.db.apply_batch(batch).map_err(failed)?;
        disk.sync()
    }
}

/// What helps when the records of a copy are lost.
pub(crate) const COPY_AGAIN: &str = "the copy has to begin again: remove the task's row from the destination's table slackwater_checkpoint, move the \
     state directory away, and start the task with `snapshot.existing = \"replace\"` (or \"truncate\") in its file";

/// Names of databases and tables hold no NUL.
fn key(table: &TableName) -> Vec<u8> {
    [TABLE, table.database.as_bytes(), b"\0", table.table.as_bytes()].concat()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_found_again_and_a_missing_record_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let table = |name: &str| TableCopy::planned(TableName::new("shop", name), 7, 700);
        {
            let store = Store::open(directory.path()).unwrap();
            assert_eq!(store.copies().unwrap(), None);
            store.save_copies(0, &[]).unwrap();
            assert_eq!(store.copies().unwrap(), Some(Vec::new()), "an empty plan is a plan");
            store.save_copies(2, &[table("a"), table("b")]).unwrap();
        }
        let store = Store::open(directory.path()).unwrap();
        let begun = TableCopy { state: CopyState::Waiting, rows: 3, ..table("b") };
        store.save_copies(2, std::slice::from_ref(&begun)).unwrap();
        assert_eq!(store.copies().unwrap(), Some(vec![table("a"), begun]));
        store.disk().db.remove(key(&table("a").table)).unwrap();
        assert!(store.copies().unwrap_err().to_string().contains("1 of 2 tables"));
        store.forget_copies().unwrap();
        assert_eq!(store.copies().unwrap(), None);
    }
}
