//! The checkpoint: a row in the same file, written by the transaction that writes the data.

use rusqlite::{Connection, OptionalExtension};

use super::failed;
use crate::{
    destinations::{Checkpoint, Completeness},
    error::{Error, Result},
};

/// The table in the file. Listed by `status`, removed by `release`.
pub(super) const TABLE: &str = "slackwater_checkpoint";

/// Creates the table if it is not there.
pub(super) fn prepare(connection: &Connection) -> Result<()> {
    connection
        .execute_batch(
            "CREATE TABLE IF NOT EXISTS slackwater_checkpoint (
                 task TEXT PRIMARY KEY, generation INTEGER NOT NULL, sequence INTEGER NOT NULL,
                 position TEXT NOT NULL, updated_at TEXT NOT NULL) WITHOUT ROWID",
        )
        .map_err(|error| failed(error).on(TABLE))
}

/// What is stored of a task.
pub(super) fn load(connection: &Connection, task: &str) -> Result<Option<Checkpoint>> {
    let row = connection
        .query_row(
            "SELECT generation, sequence, position FROM slackwater_checkpoint WHERE task = ?1",
            [task],
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?)),
        )
        .optional()
        .map_err(|error| failed(error).on(TABLE))?;
    row.map(|(generation, sequence, position)| {
        let position = serde_json::from_str(&position).map_err(|error| {
            Error::definite("the stored position cannot be read")
                .on(format!("{TABLE}, task {task}"))
                .caused_by(error)
                .remedy("`slackwater positions import` sets it from an exported copy")
        })?;
        Ok(Checkpoint {
            generation: generation.unsigned_abs(),
            sequence: sequence.unsigned_abs(),
            position,
            completeness: Completeness::Complete,
        })
    })
    .transpose()
}

/// Writes the checkpoint, unless a newer generation of the task has.
pub(super) fn store(connection: &Connection, task: &str, checkpoint: &Checkpoint) -> Result<()> {
    let position = serde_json::to_string(&checkpoint.position)
        .map_err(|error| Error::definite("the position cannot be written").on(TABLE).caused_by(error))?;
    let changed = connection
        .prepare_cached(
            "INSERT INTO slackwater_checkpoint (task, generation, sequence, position, updated_at)
             VALUES (?1, ?2, ?3, ?4, strftime('%Y-%m-%d %H:%M:%f', 'now'))
             ON CONFLICT (task) DO UPDATE SET generation = excluded.generation, sequence = excluded.sequence,
                 position = excluded.position, updated_at = excluded.updated_at
             WHERE generation <= excluded.generation",
        )
        .and_then(|mut statement| {
            statement.execute((task, signed(checkpoint.generation), signed(checkpoint.sequence), position))
        })
        .map_err(|error| failed(error).on(TABLE))?;
    if changed == 1 {
        return Ok(());
    }
    Err(crate::destinations::superseded(task, checkpoint.generation))
}

/// Generations and sequences count from 0 and stay far below.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
