//! Row changes that the file refuses, in a table of their own: written by the transaction that goes on without them.
//!
//! SQLite takes the effects of a refused statement back by itself and keeps the transaction.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use rusqlite::{Connection, ErrorCode, ffi};
use slackwater_decoders::event::{RowChange, Rows};

use super::failed;
use crate::{
    changes::DeadLetter,
    error::{Error, Result},
};

/// The table in the file. Listed by `status`, removed by `release`.
pub(super) const TABLE: &str = "slackwater_dead_letter";

/// Keeps dead letters of one task over one connection.
pub(super) struct DeadLetters {
    task: String,
    /// Letters of the open transaction.
    pending: u64,
    /// Letters in the table, counted by all connections.
    kept: Arc<AtomicU64>,
}

/// A value that has no form in the file.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unstorable(pub(super) &'static str);

impl DeadLetters {
    /// Creates the table if it is not there.
    pub(super) fn open(connection: &Connection, task: &str, kept: &Arc<AtomicU64>) -> Result<Self> {
        let read = || -> rusqlite::Result<i64> {
            connection.execute_batch(
                "CREATE TABLE IF NOT EXISTS slackwater_dead_letter (
                     id INTEGER PRIMARY KEY, task TEXT NOT NULL, database TEXT NOT NULL, \"table\" TEXT NOT NULL,
                     key TEXT, operation TEXT NOT NULL, position TEXT NOT NULL, error TEXT NOT NULL, change TEXT NOT NULL,
                     recorded_at TEXT NOT NULL, UNIQUE (task, position, database, \"table\", key, operation))",
            )?;
            let count = "SELECT count(*) FROM slackwater_dead_letter WHERE task = ?1";
            connection.query_row(count, [task], |row| row.get(0))
        };
        kept.store(read().map_err(|error| failed(error).on(TABLE))?.unsigned_abs(), Ordering::Relaxed);
        Ok(DeadLetters { task: task.to_owned(), pending: 0, kept: Arc::clone(kept) })
    }

    /// Keeps a change. The same one again, after a replay, takes the place of the former letter.
    pub(super) fn keep(
        &mut self,
        connection: &Connection,
        rows: &Rows<'_>,
        change: &RowChange<'_>,
        row: Option<u64>,
        refusal: &Error,
    ) -> Result<()> {
        let letter = DeadLetter::new(&self.task, rows, change, row, refusal)?;
        let DeadLetter { database, table, operation, key, position, error, change } = letter;
        let write = || -> rusqlite::Result<usize> {
            let replaced = connection
                .prepare_cached(
                    "DELETE FROM slackwater_dead_letter WHERE task = ?1 AND position = ?2 AND database = ?3
                         AND \"table\" = ?4 AND key = ?5 AND operation = ?6",
                )?
                .execute((&self.task, &position, &database, &table, &key, operation))?;
            connection
                .prepare_cached(
                    "INSERT INTO slackwater_dead_letter
                         (task, position, database, \"table\", key, operation, error, change, recorded_at)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, strftime('%Y-%m-%d %H:%M:%f', 'now'))",
                )?
                .execute((&self.task, &position, &database, &table, &key, operation, error, change))?;
            Ok(replaced)
        };
        let replaced = write().map_err(|error| failed(error).on(TABLE))?;
        self.pending += u64::from(replaced == 0);
        Ok(())
    }

    /// The transaction is committed.
    pub(super) fn committed(&mut self) {
        self.kept.fetch_add(std::mem::take(&mut self.pending), Ordering::Relaxed);
    }

    /// The transaction is rolled back.
    pub(super) fn rolled_back(&mut self) {
        self.pending = 0;
    }
}

/// Whether the error is about the row alone: any other row could be written. A key that is taken is no such error: every
/// statement that may meet one replaces, except that of a block which nobody has loaded.
pub(super) fn is_refusal(error: &Error) -> bool {
    let refused = error.cause_as().and_then(rusqlite::Error::sqlite_error).is_some_and(|failure| {
        let taken =
            matches!(failure.extended_code, ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID);
        !taken
            && matches!(
                failure.code,
                ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::TypeMismatch
            )
    });
    refused || error.cause_as::<Unstorable>().is_some()
}
