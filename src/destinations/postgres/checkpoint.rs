//! The checkpoint: rows of a table in a schema of its own, one for each worker, written by the transactions that write the
//! data. What the rows tell together: [`standing`]. A statement that changes definitions is a part of its transaction here, so
//! that nothing else has to be stored about it.

use std::sync::Arc;

use serde::{Serialize, de::DeserializeOwned};

use super::session::{Call, Raw, Session, code};
use crate::{
    destinations::{
        Checkpoint, Standing, superseded,
        workers::{Parts, WorkerRow, standing},
    },
    error::{Error, Result},
    types::postgres::{quote_name, quote_text},
};

/// The table's name. Listed by `status`, removed by `release`.
const TABLE: &str = "slackwater_checkpoint";

/// The checkpoint rows of one task.
#[derive(Clone)]
pub(super) struct CheckpointRows {
    /// Quoted.
    schema: String,
    table: String,
    task: String,
}

impl CheckpointRows {
    pub(super) fn new(schema: &str, task: &str) -> Self {
        let schema = quote_name(schema);
        CheckpointRows { table: format!("{schema}.{TABLE}"), schema, task: task.to_owned() }
    }

    /// Creates schema and table where they do not exist.
    pub(super) async fn prepare(&self, session: &mut Session) -> Result<()> {
        let found = session.query("SELECT to_regclass($1) IS NOT NULL", &[&self.table]).await?;
        if found.first().is_some_and(|row| row.get(0)) {
            return Ok(());
        }
        create_schema(session, &self.schema).await?;
        session
            .run(&format!(
                "CREATE TABLE IF NOT EXISTS {} (
                   task text NOT NULL, worker int4 NOT NULL, generation int8 NOT NULL, sequence int8 NOT NULL,
                   position text, completeness text, parts text, updated_at timestamptz NOT NULL DEFAULT now(),
                   PRIMARY KEY (task, worker))",
                self.table
            ))
            .await
            .map_err(|error| error.on(&self.table))
    }

    /// Reads the rows, under locks: a commit of a connection that was lost while it committed is waited for, and is either
    /// in the answer or will never come. Gives also the workers that have committed their shares of an unfinished group.
    pub(super) async fn load(&self, session: &mut Session) -> Result<(Option<Standing>, Vec<usize>)> {
        let sql = format!(
            "SELECT worker, generation, sequence, position, completeness, parts FROM {} WHERE task = $1 \
             ORDER BY worker FOR UPDATE",
            self.table
        );
        let found = session.query(&sql, &[&self.task]).await.map_err(|error| error.on(&self.table))?;
        let mut rows = Vec::new();
        for row in found {
            let number = |place| row.get::<_, i64>(place).cast_unsigned();
            let Some(position) = self.parse(row.get(3))? else { continue };
            let completeness = self.parse(row.get(4))?.unwrap_or_default();
            let (generation, sequence) = (number(1), number(2));
            rows.push(WorkerRow {
                worker: usize::try_from(row.get::<_, i32>(0)).unwrap_or_default(),
                checkpoint: Checkpoint { generation, sequence, position, completeness },
                parts: self.parse(row.get(5))?,
            });
        }
        Ok(standing(&rows))
    }

    fn parse<T: DeserializeOwned>(&self, text: Option<String>) -> Result<Option<T>> {
        text.map(|text| serde_json::from_str(&text)).transpose().map_err(|error| {
            Error::definite("the stored position cannot be read")
                .on(format!("{}, task {}", self.table, self.task))
                .caused_by(error)
                .remedy("`slackwater positions import` sets it from an exported copy")
        })
    }

    /// Makes the row of a worker other than 0, with the generation that the task has: the one that takes a task over raises
    /// it in all rows, under the lock of the first.
    pub(super) async fn add_worker(&self, session: &mut Session, worker: usize) -> Result<()> {
        let (table, task) = (&self.table, quote_text(&self.task));
        session
            .run(&format!(
                "BEGIN; SELECT 1 FROM {table} WHERE worker = 0 AND task = {task} FOR UPDATE; \
                 INSERT INTO {table} (task, worker, generation, sequence) \
                 SELECT {task}, {worker}, coalesce(max(generation), 0), 0 FROM {table} WHERE worker = 0 AND task = {task} \
                 ON CONFLICT DO NOTHING; COMMIT"
            ))
            .await
            .map_err(|error| error.on(&self.table))
    }

    /// Sends the checkpoint into the row of a worker. Where a newer generation of the task has written, it makes NULL of a column that
    /// takes none: [`failed`](Self::failed).
    pub(super) async fn send(
        &self,
        session: &mut Session,
        worker: usize,
        checkpoint: &Checkpoint,
        parts: Option<&Parts>,
    ) -> Result<()> {
        // What is the same each time stands in the statement.
        let sql = format!(
            "INSERT INTO {table} AS old (task, worker, generation, sequence, position, completeness, parts, updated_at) \
             VALUES ({task}, {worker}, $1::int8, $2::int8, $3::text, $4::text, nullif($5::text, ''), clock_timestamp()) \
             ON CONFLICT (task, worker) DO UPDATE SET \
             generation = CASE WHEN old.generation <= EXCLUDED.generation THEN EXCLUDED.generation END, \
             sequence = EXCLUDED.sequence, position = EXCLUDED.position, completeness = EXCLUDED.completeness, \
             parts = EXCLUDED.parts, updated_at = EXCLUDED.updated_at",
            table = self.table,
            task = quote_text(&self.task),
        );
        let parts = parts.map(json).transpose()?.unwrap_or_default();
        let parameters = vec![
            Raw(checkpoint.generation.to_be_bytes().to_vec()),
            Raw(checkpoint.sequence.to_be_bytes().to_vec()),
            Raw(json(&checkpoint.position)?),
            Raw(json(&checkpoint.completeness)?),
            Raw(parts),
        ];
        let object: Arc<str> = self.table.as_str().into();
        session.send(Call { sql, parameters, exactly: None }, &object).await
    }

    /// What an error of a transaction with a checkpoint is.
    pub(super) fn failed(&self, error: Error, checkpoint: &Checkpoint) -> Error {
        let about_checkpoint = error.parts().0.contains(&format!("[{}]", self.table));
        if about_checkpoint && code(&error).as_deref() == Some("23502") {
            return superseded(&self.task, checkpoint.generation);
        }
        error
    }

    /// Empties the rows of the workers other than 0, which alone tells the checkpoint then, and raises their generation.
    pub(super) async fn empty_others(&self, session: &mut Session, generation: u64) -> Result<()> {
        let sql = format!(
            "UPDATE {} SET sequence = 0, position = NULL, parts = NULL, generation = greatest(generation, $2) \
             WHERE worker > 0 AND task = $1",
            self.table
        );
        let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 2] =
            [&self.task, &generation.cast_signed()];
        session.execute(&sql, &parameters).await.map(drop).map_err(|error| error.on(&self.table))
    }
}

/// Creates a schema, given by its quoted name, where it is not there. Asking first needs no privilege to create.
pub(super) async fn create_schema(session: &mut Session, quoted: &str) -> Result<()> {
    let found = session.query("SELECT to_regnamespace($1) IS NOT NULL", &[&quoted]).await?;
    if found.first().is_some_and(|row| row.get(0)) {
        return Ok(());
    }
    session.run(&format!("CREATE SCHEMA IF NOT EXISTS {quoted}")).await.map_err(|error| error.on(quoted))
}

fn json(value: &(impl Serialize + ?Sized)) -> Result<Vec<u8>> {
    serde_json::to_vec(value)
        .map_err(|error| Error::definite("the position cannot be written").on(TABLE).caused_by(error))
}
