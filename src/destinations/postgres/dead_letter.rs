//! Row changes that the server refuses, in a table beside the checkpoint: written by the transaction that goes on without them.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use slackwater_decoders::event::{RowChange, Rows};

use super::{
    session::{Session, code},
    statement::Unwritable,
};
use crate::{
    changes::DeadLetter,
    error::{Error, Result},
    types::postgres::quote_name,
};

/// The table's name. Listed by `status`, removed by `release`.
const TABLE: &str = "slackwater_dead_letter";

/// Keeps dead letters of one task.
#[derive(Clone)]
pub(super) struct DeadLetters {
    table: String,
    task: String,
    /// Letters in the table.
    kept: Arc<AtomicU64>,
}

impl DeadLetters {
    /// Creates the table where it does not exist, and counts the task's letters into `kept`. The schema exists.
    pub(super) async fn open(
        session: &mut Session,
        schema: &str,
        task: &str,
        kept: &Arc<AtomicU64>,
    ) -> Result<Self> {
        let table = format!("{}.{TABLE}", quote_name(schema));
        let found = session.query("SELECT to_regclass($1) IS NOT NULL", &[&table]).await?;
        if !found.first().is_some_and(|row| row.get(0)) {
            session
                .run(&format!(
                    "CREATE TABLE IF NOT EXISTS {table} (
                       id bigserial PRIMARY KEY, task text NOT NULL, database text NOT NULL, \"table\" text NOT NULL,
                       key text, operation text NOT NULL, position text NOT NULL, error text NOT NULL,
                       change text NOT NULL, recorded_at timestamptz NOT NULL DEFAULT clock_timestamp());
                     CREATE INDEX IF NOT EXISTS slackwater_dead_letter_task ON {table} (task)"
                ))
                .await
                .map_err(|error| error.on(&table))?;
        }
        let count = session.query(&format!("SELECT count(*) FROM {table} WHERE task = $1"), &[&task]).await?;
        let letters = count.first().map_or(0, |row| row.get::<_, i64>(0).cast_unsigned());
        kept.store(letters, Ordering::Relaxed);
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
        let failed = |error: Error| error.on(&self.table);
        let mut replaced = 0;
        if letter.key.is_some() {
            let sql = format!(
                "DELETE FROM {} WHERE task = $1 AND database = $2 AND \"table\" = $3 AND operation = $4 \
                 AND position = $5 AND key = $6",
                self.table
            );
            let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 6] = [
                &self.task,
                &letter.database,
                &letter.table,
                &letter.operation,
                &letter.position,
                &letter.key,
            ];
            replaced = session.execute(&sql, &parameters).await.map_err(failed)?;
        }
        let sql = format!(
            "INSERT INTO {} (task, database, \"table\", operation, position, key, error, change) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            self.table
        );
        let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 8] = [
            &self.task,
            &letter.database,
            &letter.table,
            &letter.operation,
            &letter.position,
            &letter.key,
            &letter.error,
            &letter.change,
        ];
        session.execute(&sql, &parameters).await.map_err(failed)?;
        Ok(u64::from(replaced == 0))
    }

    /// Counts letters whose transaction is committed.
    pub(super) fn committed(&self, letters: u64) {
        self.kept.fetch_add(letters, Ordering::Relaxed);
    }
}

/// Whether the error is about a row alone, so that any other row could be written: a value that is out of range, malformed or
/// missing, a constraint, a row that is too large for an index, a trigger's exception (classes 22, 23, 44, 54, P0 of *PostgreSQL
/// Error Codes*); or a value that no statement can say.
pub(super) fn is_refusal(error: &Error) -> bool {
    let of_row = |code: String| {
        matches!(code.get(..2), Some("22" | "23" | "44" | "54")) || code == "P0001" || code == "428C9"
    };
    error.cause_as::<Unwritable>().is_some() || code(error).is_some_and(of_row)
}
