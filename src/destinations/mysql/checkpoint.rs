//! The checkpoint: a row of a table in a database of its own, written by the transaction that writes the data.
//!
//! MySQL commits around a DDL statement, so that a checkpoint cannot commit with it. Before such a statement runs its
//! intent is stored beside the checkpoint: its text, and how the tables it touches look. A statement comes alone in its batch,
//! so that there is one at most between two checkpoints, and nothing before it: a task that begins again at the
//! checkpoint comes to it first, wherever it stands in the log of the server that is read then. It compares: the tables
//! look the same, so it has not run; they look different, so it has. On MySQL 8 and MariaDB 10.6 and later a statement happens
//! whole or not at all; on MySQL 5.7 a crash of the server in the middle of a statement over several tables may leave a
//! part of it, and the next change of such a table says so.

use serde::{Deserialize, Serialize};
use slackwater_decoders::position::Position;

use super::{
    literal::quoted,
    session::{Session, code, refused},
};
use crate::{
    destinations::{Checkpoint, Completeness, superseded},
    error::{Error, Result},
    types::mysql::quote_name,
};

/// The table's name. Listed by `status`, removed by `release`.
const TABLE: &str = "slackwater_checkpoint";

/// A DDL statement that is about to run, or has run since the last checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Intent {
    /// The statement as the source logged it.
    pub(super) statement: String,
    /// `SHOW CREATE TABLE` of the tables it touches, as they were before; `None` for one that did not exist.
    pub(super) tables: Vec<Option<String>>,
}

/// What is stored of a task.
pub(super) struct Stored {
    /// The checkpoint, unless only an intent is stored.
    pub(super) checkpoint: Option<Checkpoint>,
    /// The DDL statement since.
    pub(super) intent: Option<Intent>,
}

/// The checkpoint row of one task.
pub(super) struct CheckpointRow {
    table: String,
    task: String,
}

impl CheckpointRow {
    pub(super) fn new(database: &str, task: &str) -> Self {
        CheckpointRow { table: format!("{}.{TABLE}", quote_name(database)), task: task.to_owned() }
    }

    /// Creates database and table where they do not exist.
    pub(super) async fn prepare(&self, session: &mut Session, database: &str) -> Result<()> {
        let exists: Option<u64> = {
            let mut sql = b"SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = ".to_vec();
            quoted(&mut sql, database);
            sql.extend_from_slice(format!(" AND TABLE_NAME = '{TABLE}'").as_bytes());
            session.first(sql).await?
        };
        if exists.is_some() {
            return Ok(());
        }
        session.run(format!("CREATE DATABASE IF NOT EXISTS {}", quote_name(database))).await?;
        session
            .run(format!(
                "CREATE TABLE IF NOT EXISTS {} (
                   task varchar(190) character set utf8mb4 collate utf8mb4_bin NOT NULL PRIMARY KEY,
                   generation bigint unsigned NOT NULL, sequence bigint unsigned NOT NULL,
                   position longtext character set utf8mb4 NULL, pending longtext character set utf8mb4 NULL,
                   updated_at datetime(6) NOT NULL) ENGINE = InnoDB",
                self.table
            ))
            .await
            .map(drop)
            .map_err(|error| error.on(&self.table))
    }

    /// Reads the row, under a lock: a commit of a connection that was lost while it committed is waited for, and is either
    /// in the answer or will never come.
    pub(super) async fn load(&self, session: &mut Session) -> Result<Stored> {
        let mut sql =
            format!("SELECT generation, sequence, position, pending FROM {} WHERE task = ", self.table)
                .into_bytes();
        quoted(&mut sql, &self.task);
        sql.extend_from_slice(b" FOR UPDATE");
        let row: Option<(u64, u64, Option<String>, Option<String>)> =
            session.first(sql).await.map_err(|error| error.on(&self.table))?;
        let Some((generation, sequence, position, pending)) = row else {
            return Ok(Stored { checkpoint: None, intent: None });
        };
        let unreadable = |error: serde_json::Error| {
            Error::definite("the stored position cannot be read")
                .on(format!("{}, task {}", self.table, self.task))
                .caused_by(error)
                .remedy("`slackwater positions import` sets it from an exported copy")
        };
        let position: Option<Position> =
            position.map(|text| serde_json::from_str(&text)).transpose().map_err(unreadable)?;
        let intent: Option<Intent> =
            pending.map(|text| serde_json::from_str(&text)).transpose().map_err(unreadable)?;
        Ok(Stored {
            checkpoint: position.map(|position| Checkpoint {
                generation,
                sequence,
                position,
                completeness: Completeness::Complete,
            }),
            intent,
        })
    }

    /// Writes the checkpoint and forgets the intent, unless a newer generation of the task has written.
    pub(super) async fn store(&self, session: &mut Session, checkpoint: &Checkpoint) -> Result<()> {
        let position = json(&checkpoint.position)?;
        let mut values = format!(
            "generation = {}, sequence = {}, position = ",
            checkpoint.generation, checkpoint.sequence
        )
        .into_bytes();
        quoted(&mut values, &position);
        values.extend_from_slice(b", pending = NULL");
        self.write(session, &values, checkpoint.generation, checkpoint.sequence).await
    }

    /// Writes the intent beside the checkpoint that is there.
    pub(super) async fn store_intent(
        &self,
        session: &mut Session,
        intent: &Intent,
        generation: u64,
    ) -> Result<()> {
        let mut values = b"pending = ".to_vec();
        quoted(&mut values, &json(intent)?);
        self.write(session, &values, generation, 0).await
    }

    async fn write(
        &self,
        session: &mut Session,
        values: &[u8],
        generation: u64,
        sequence: u64,
    ) -> Result<()> {
        let mut sql = format!("UPDATE {} SET ", self.table).into_bytes();
        sql.extend_from_slice(values);
        sql.extend_from_slice(b", updated_at = UTC_TIMESTAMP(6) WHERE task = ");
        quoted(&mut sql, &self.task);
        sql.extend_from_slice(format!(" AND generation <= {generation}").as_bytes());
        if session.run(sql).await.map_err(|error| error.on(&self.table))? > 0 {
            return Ok(());
        }
        // There is no row yet, or one of a newer generation, which the key tells.
        let mut sql = format!("INSERT INTO {} SET task = ", self.table).into_bytes();
        quoted(&mut sql, &self.task);
        sql.extend_from_slice(
            format!(", generation = {generation}, sequence = {sequence}, updated_at = UTC_TIMESTAMP(6)")
                .as_bytes(),
        );
        match session.run_raw(sql).await {
            Ok(_) => {
                let mut sql = format!("UPDATE {} SET ", self.table).into_bytes();
                sql.extend_from_slice(values);
                sql.extend_from_slice(b" WHERE task = ");
                quoted(&mut sql, &self.task);
                session.run(sql).await.map(drop).map_err(|error| error.on(&self.table))
            }
            Err(error) if code(&error) == Some(1062) => Err(superseded(&self.task, generation)),
            Err(error) => Err(refused(error).on(&self.table)),
        }
    }
}

fn json(value: &(impl Serialize + ?Sized)) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| Error::definite("the position cannot be written").on(TABLE).caused_by(error))
}
