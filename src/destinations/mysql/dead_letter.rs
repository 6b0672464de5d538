//! Row changes that the server refuses, in a table beside the checkpoint: written by the transaction that goes on without them.
//!
//! A statement of many rows that is refused says nothing of which row it was. What the group has done so far is taken back, and
//! its changes are made one by one; the server takes the effects of a refused statement back by itself and keeps the transaction.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use slackwater_decoders::event::{RowChange, Rows};

use super::{
    literal::{Unwritable, quoted},
    session::{Session, refusal},
};
use crate::{
    changes::DeadLetter,
    error::{Error, Result},
    types::mysql::quote_name,
};

/// The table's name. Listed by `status`, removed by `release`.
const TABLE: &str = "slackwater_dead_letter";

/// What a server answers to one row that it does not take, whatever is tried again (MySQL's *Server Error Message Reference*,
/// MariaDB's *Error Codes*): NULL where none may be, a unique value that is taken, values that are out of range, too long or
/// malformed, no partition for the row, a foreign key, a CHECK constraint (3819 of MySQL, 4025 of MariaDB), a trigger's SIGNAL.
const REFUSALS: [u16; 27] = [
    1048, 1062, 1118, 1264, 1265, 1292, 1364, 1366, 1367, 1406, 1411, 1416, 1451, 1452, 1525, 1526, 1586,
    1644, 1690, 1748, 3140, 3141, 3146, 3156, 3819, 4025, 4078,
];

/// Keeps dead letters of one task.
#[derive(Clone)]
pub(super) struct DeadLetters {
    table: String,
    task: String,
    /// Letters in the table.
    kept: Arc<AtomicU64>,
}

impl DeadLetters {
    /// Creates the table where it does not exist, and counts the task's letters into `kept`. The database exists.
    pub(super) async fn open(
        session: &mut Session,
        database: &str,
        task: &str,
        kept: &Arc<AtomicU64>,
    ) -> Result<Self> {
        let table = format!("{}.{TABLE}", quote_name(database));
        let text = "longtext character set utf8mb4 collate utf8mb4_bin";
        session
            .run(format!(
                "CREATE TABLE IF NOT EXISTS {table} (
                   id bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
                   task varchar(190) character set utf8mb4 collate utf8mb4_bin NOT NULL,
                   `database` {text} NOT NULL, `table` {text} NOT NULL, `key` {text} NULL, operation char(1) NOT NULL,
                   position varchar(400) character set utf8mb4 collate utf8mb4_bin NOT NULL, error {text} NOT NULL,
                   `change` {text} NOT NULL, recorded_at datetime(6) NOT NULL, KEY task (task)) ENGINE = InnoDB"
            ))
            .await
            .map_err(|error| error.on(&table))?;
        let mut sql = format!("SELECT COUNT(*) FROM {table} WHERE task = ").into_bytes();
        quoted(&mut sql, task);
        kept.store(session.first(sql).await?.unwrap_or(0), Ordering::Relaxed);
        Ok(DeadLetters { table, task: task.to_owned(), kept: Arc::clone(kept) })
    }

    /// Keeps a change in the open transaction; returns how many letters there are more by it. The same change again, after a
    /// replay, takes the place of the former letter.
    pub(super) async fn keep(
        &self,
        session: &mut Session,
        rows: &Rows<'_>,
        change: &RowChange<'_>,
        row: Option<u64>,
        refusal: &Error,
    ) -> Result<u64> {
        let letter = DeadLetter::new(&self.task, rows, change, row, refusal)?;
        let identity = [
            ("task", Some(self.task.as_str())),
            ("`database`", Some(letter.database.as_str())),
            ("`table`", Some(letter.table.as_str())),
            ("operation", Some(letter.operation)),
            ("position", Some(letter.position.as_str())),
            ("`key`", letter.key.as_deref()),
        ];
        let mut replaced = 0;
        if letter.key.is_some() {
            let mut sql = format!("DELETE FROM {} WHERE ", self.table).into_bytes();
            for (number, (column, value)) in identity.iter().enumerate() {
                sql.extend_from_slice(if number > 0 { b" AND " } else { b"" });
                sql.extend_from_slice(format!("{column} = ").as_bytes());
                quoted(&mut sql, value.unwrap_or_default());
            }
            replaced = session.run(sql).await.map_err(|error| error.on(&self.table))?;
        }
        let content = [("error", Some(letter.error.as_str())), ("`change`", Some(letter.change.as_str()))];
        let mut sql = format!("INSERT INTO {} SET recorded_at = UTC_TIMESTAMP(6)", self.table).into_bytes();
        for (column, value) in identity.iter().chain(&content) {
            sql.extend_from_slice(format!(", {column} = ").as_bytes());
            match value {
                Some(value) => quoted(&mut sql, value),
                None => sql.extend_from_slice(b"NULL"),
            }
        }
        session.run(sql).await.map_err(|error| error.on(&self.table))?;
        Ok(u64::from(replaced == 0))
    }

    /// Counts letters whose transaction is committed.
    pub(super) fn committed(&self, letters: u64) {
        self.kept.fetch_add(letters, Ordering::Relaxed);
    }
}

/// Whether the error is about a row alone: any other row could be written. It is the server's, or of a value that no literal says.
pub(super) fn is_refusal(error: &Error) -> bool {
    error.cause_as::<Unwritable>().is_some() || refusal(error).is_some_and(|code| REFUSALS.contains(&code))
}
