//! The checkpoint: a row in the same file, written by the transaction that writes the data.

use rusqlite::{Connection, OptionalExtension};
use serde::de::DeserializeOwned;

use super::failed;
use crate::{
    destinations::Checkpoint,
    error::{Error, Result},
};

/// The table in the file. Listed by `status`, removed by `release`.
pub(super) const TABLE: &str = "slackwater_checkpoint";

/// Creates the table if it is not there. One of a version that knew complete destinations alone gets the column for it.
pub(super) fn prepare(connection: &Connection) -> Result<()> {
    let prepare = || -> rusqlite::Result<()> {
        connection.execute_batch(
            "CREATE TABLE IF NOT EXISTS slackwater_checkpoint (
                 task TEXT PRIMARY KEY, generation INTEGER NOT NULL, sequence INTEGER NOT NULL,
                 position TEXT NOT NULL, updated_at TEXT NOT NULL,
                 completeness TEXT NOT NULL DEFAULT '\"complete\"') WITHOUT ROWID",
        )?;
        let is_current: bool = connection.query_row(
            "SELECT count(*) > 0 FROM pragma_table_info('slackwater_checkpoint') WHERE name = 'completeness'",
            [],
            |row| row.get(0),
        )?;
        if is_current {
            return Ok(());
        }
        connection.execute_batch(
            "ALTER TABLE slackwater_checkpoint ADD COLUMN completeness TEXT NOT NULL DEFAULT '\"complete\"'",
        )
    };
    prepare().map_err(|error| failed(error).on(TABLE))
}

/// What is stored of a task.
pub(super) fn load(connection: &Connection, task: &str) -> Result<Option<Checkpoint>> {
    let row = connection
        .query_row(
            "SELECT generation, sequence, position, completeness FROM slackwater_checkpoint WHERE task = ?1",
            [task],
            |row| {
                let texts = (row.get::<_, String>(2)?, row.get::<_, String>(3)?);
                Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, texts))
            },
        )
        .optional()
        .map_err(|error| failed(error).on(TABLE))?;
    row.map(|(generation, sequence, (position, completeness))| {
        Ok(Checkpoint {
            generation: generation.unsigned_abs(),
            sequence: sequence.unsigned_abs(),
            position: stored(task, &position)?,
            completeness: stored(task, &completeness)?,
        })
    })
    .transpose()
}

fn stored<T: DeserializeOwned>(task: &str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| {
        Error::definite("the stored position cannot be read")
            .on(format!("{TABLE}, task {task}"))
            .caused_by(error)
            .remedy("`slackwater positions import` sets it from an exported copy")
    })
}

/// Writes the checkpoint, unless a newer generation of the task has.
pub(super) fn store(connection: &Connection, task: &str, checkpoint: &Checkpoint) -> Result<()> {
    let text = |json: serde_json::Result<String>| {
        json.map_err(|error| Error::definite("the position cannot be written").on(TABLE).caused_by(error))
    };
    let position = text(serde_json::to_string(&checkpoint.position))?;
    let completeness = text(serde_json::to_string(&checkpoint.completeness))?;
    let changed = connection
        .prepare_cached(
            "INSERT INTO slackwater_checkpoint (task, generation, sequence, position, completeness, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, strftime('%Y-%m-%d %H:%M:%f', 'now'))
             ON CONFLICT (task) DO UPDATE SET generation = excluded.generation, sequence = excluded.sequence,
                 position = excluded.position, completeness = excluded.completeness, updated_at = excluded.updated_at
             WHERE generation <= excluded.generation",
        )
        .and_then(|mut statement| {
            let (generation, sequence) = (signed(checkpoint.generation), signed(checkpoint.sequence));
            statement.execute((task, generation, sequence, position, completeness))
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
