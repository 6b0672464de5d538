//! The checkpoint: rows of a table in a database of its own, one for each worker, written by the transactions that write
//! the data.
//!
//! What the rows tell together: [`standing`].
//!
//! MySQL commits around a DDL statement, so that a checkpoint cannot commit with it. Before such a statement runs its
//! intent is stored beside the checkpoint: its text, and how the tables it touches look. A statement comes alone in its
//! group, so that there is one at most between two checkpoints, and nothing before it: a task that begins again at the
//! checkpoint comes to it first, wherever it stands in the log of the server that is read then. It compares: the tables
//! look the same, so it has not run; they look different, so it has. On MySQL 8 and MariaDB 10.6 and later a statement happens
//! whole or not at all; on MySQL 5.7 a crash of the server in the middle of a statement over several tables may leave a
//! part of it, and the next change of such a table says so.
//!
//! Where statements are a part of their transaction (PostgreSQL), changes of rows may come before one of them, and the server
//! commits these with it, without a checkpoint: the task begins again before them. A statement is alone in its group and
//! ends the one before, so that the place is the same each time: behind the checkpoint comes this transaction, and in it the
//! statement of that number. The intent says both, and that what is before it is committed. It commits together with that,
//! and a task that finds it passes over everything up to the statement. So each change is applied once, also to tables
//! without a key. What the destination shows until the transaction ends is a part of it; the server has nothing better.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use slackwater_decoders::position::LogPosition;

use super::{
    literal::quoted,
    session::{Session, code, refused},
};
use crate::{
    destinations::{
        Checkpoint, Standing, superseded,
        workers::{Parts, WorkerRow, standing},
    },
    error::{Error, Result},
    types::mysql::quote_name,
};

/// The table's name. Listed by `status`, removed by `release`.
const TABLE: &str = "slackwater_checkpoint";

/// A DDL statement that is about to run, or has run since the last checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Intent {
    /// The statement as the source logged it; what it does, where the log does not have it.
    pub(super) statement: String,
    /// `SHOW CREATE TABLE` of the tables it touches, as they were before; `None` for one that did not exist.
    pub(super) tables: Vec<Option<String>>,
    /// How many statements behind the checkpoint it is, itself included.
    #[serde(default = "first")]
    pub(super) number: usize,
    /// Its place in the log, where changes before it have committed with it. They are not to be applied again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) behind_changes: Option<LogPosition>,
}

fn first() -> usize {
    1
}

impl Intent {
    /// Whether it is of that statement, the one of that number behind the checkpoint.
    pub(super) fn is_of(&self, statement: &str, number: usize, position: &LogPosition) -> bool {
        self.statement == statement
            && self.number == number
            && self.behind_changes.as_ref().is_none_or(|place| place == position)
    }
}

/// What is stored of a task.
#[derive(Default)]
pub(super) struct Stored {
    /// Where the task stands, unless only an intent is stored.
    pub(super) standing: Option<Standing>,
    /// The workers that have committed their shares of the unfinished group.
    pub(super) committed: Vec<usize>,
    /// The DDL statement since the checkpoint.
    pub(super) intent: Option<Intent>,
}

/// The checkpoint rows of one task.
#[derive(Clone)]
pub(super) struct CheckpointRows {
    table: String,
    task: String,
}

impl CheckpointRows {
    pub(super) fn new(database: &str, task: &str) -> Self {
        CheckpointRows { table: format!("{}.{TABLE}", quote_name(database)), task: task.to_owned() }
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
                   task varchar(190) character set utf8mb4 collate utf8mb4_bin NOT NULL, worker smallint unsigned NOT NULL,
                   generation bigint unsigned NOT NULL, sequence bigint unsigned NOT NULL,
                   position longtext character set utf8mb4 NULL, completeness longtext character set utf8mb4 NULL,
                   parts longtext character set utf8mb4 NULL, pending longtext character set utf8mb4 NULL,
                   updated_at datetime(6) NOT NULL, PRIMARY KEY (task, worker)) ENGINE = InnoDB",
                self.table
            ))
            .await
            .map(drop)
            .map_err(|error| error.on(&self.table))
    }

    /// Reads the rows, under locks: a commit of a connection that was lost while it committed is waited for, and is either
    /// in the answer or will never come.
    pub(super) async fn load(&self, session: &mut Session) -> Result<Stored> {
        let mut sql = format!(
            "SELECT worker, generation, sequence, position, completeness, parts, pending FROM {} WHERE task = ",
            self.table
        )
        .into_bytes();
        quoted(&mut sql, &self.task);
        sql.extend_from_slice(b" ORDER BY worker FOR UPDATE");
        type Text = Option<String>;
        let found: Vec<(usize, u64, u64, Text, Text, Text, Text)> =
            session.rows(sql).await.map_err(|error| error.on(&self.table))?;
        let mut stored = Stored::default();
        let mut rows = Vec::new();
        for (worker, generation, sequence, position, completeness, parts, pending) in found {
            if worker == 0 {
                stored.intent = self.parse(pending)?;
            }
            let Some(position) = self.parse(position)? else { continue };
            let completeness = self.parse(completeness)?.unwrap_or_default();
            let checkpoint = Checkpoint { generation, sequence, position, completeness };
            rows.push(WorkerRow { worker, checkpoint, parts: self.parse(parts)? });
        }
        (stored.standing, stored.committed) = standing(&rows);
        Ok(stored)
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
        let mut generation =
            format!("SELECT generation FROM {} WHERE worker = 0 AND task = ", self.table).into_bytes();
        quoted(&mut generation, &self.task);
        generation.extend_from_slice(b" FOR UPDATE");
        session.run("START TRANSACTION").await?;
        let generation: u64 = session.first(generation).await?.unwrap_or_default();
        let mut sql = format!("INSERT IGNORE INTO {} SET task = ", self.table).into_bytes();
        quoted(&mut sql, &self.task);
        sql.extend_from_slice(
            format!(
                ", worker = {worker}, generation = {generation}, sequence = 0, updated_at = UTC_TIMESTAMP(6)"
            )
            .as_bytes(),
        );
        session.run(sql).await.map_err(|error| error.on(&self.table))?;
        session.run("COMMIT").await.map(drop)
    }

    /// Writes the checkpoint into the row of a worker, unless a newer generation of the task has written. The worker 0 forgets the
    /// intent.
    pub(super) async fn store(
        &self,
        session: &mut Session,
        worker: usize,
        checkpoint: &Checkpoint,
        parts: Option<&Parts>,
    ) -> Result<()> {
        let values = values(checkpoint, parts)?;
        self.write(session, worker, &values, checkpoint.generation, checkpoint.sequence).await
    }

    /// Appends a statement that does what [`store`](Self::store) does, or fails: a newer generation makes NULL of a column that takes none.
    pub(super) fn push_store(
        &self,
        out: &mut Vec<u8>,
        worker: usize,
        checkpoint: &Checkpoint,
        parts: Option<&Parts>,
    ) -> Result<()> {
        let generation = checkpoint.generation;
        out.extend_from_slice(format!("INSERT INTO {} SET task = ", self.table).as_bytes());
        quoted(out, &self.task);
        out.extend_from_slice(format!(", worker = {worker}, updated_at = UTC_TIMESTAMP(6), ").as_bytes());
        out.extend_from_slice(&values(checkpoint, parts)?);
        out.extend_from_slice(
            format!(
                " ON DUPLICATE KEY UPDATE generation = IF(generation <= {generation}, {generation}, NULL)"
            )
            .as_bytes(),
        );
        for column in ["sequence", "position", "completeness", "parts", "pending", "updated_at"] {
            out.extend_from_slice(format!(", {column} = VALUES({column})").as_bytes());
        }
        Ok(())
    }

    /// Empties the rows of the workers other than 0, which alone tells the checkpoint then, and raises their generation.
    pub(super) async fn empty_others(&self, session: &mut Session, generation: u64) -> Result<()> {
        let mut sql = format!(
            "UPDATE {} SET sequence = 0, position = NULL, parts = NULL, \
             generation = GREATEST(generation, {generation}) WHERE worker > 0 AND task = ",
            self.table
        )
        .into_bytes();
        quoted(&mut sql, &self.task);
        session.run(sql).await.map(drop).map_err(|error| error.on(&self.table))
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
        self.write(session, 0, &values, generation, 0).await
    }

    async fn write(
        &self,
        session: &mut Session,
        worker: usize,
        values: &[u8],
        generation: u64,
        sequence: u64,
    ) -> Result<()> {
        let update = |condition: &str| {
            let mut sql = format!("UPDATE {} SET updated_at = UTC_TIMESTAMP(6), ", self.table).into_bytes();
            sql.extend_from_slice(values);
            sql.extend_from_slice(format!(" WHERE worker = {worker}{condition} AND task = ").as_bytes());
            quoted(&mut sql, &self.task);
            sql
        };
        let guarded = update(&format!(" AND generation <= {generation}"));
        if session.run(guarded).await.map_err(|error| error.on(&self.table))? > 0 {
            return Ok(());
        }
        // There is no row yet, or one of a newer generation, which the key tells.
        let mut sql = format!("INSERT INTO {} SET task = ", self.table).into_bytes();
        quoted(&mut sql, &self.task);
        sql.extend_from_slice(
            format!(
                ", worker = {worker}, generation = {generation}, sequence = {sequence}, \
                 updated_at = UTC_TIMESTAMP(6)"
            )
            .as_bytes(),
        );
        match session.run_raw(sql).await {
            Ok(_) => session.run(update("")).await.map(drop).map_err(|error| error.on(&self.table)),
            Err(error) if code(&error) == Some(1062) => Err(superseded(&self.task, generation)),
            Err(error) => Err(refused(error).on(&self.table)),
        }
    }
}

/// The values of a checkpoint, as assignments. No intent is left behind it.
fn values(checkpoint: &Checkpoint, parts: Option<&Parts>) -> Result<Vec<u8>> {
    let mut values =
        format!("generation = {}, sequence = {}", checkpoint.generation, checkpoint.sequence).into_bytes();
    for (column, value) in [
        ("position", Some(json(&checkpoint.position)?)),
        ("completeness", Some(json(&checkpoint.completeness)?)),
        ("parts", parts.map(json).transpose()?),
        ("pending", None),
    ] {
        values.extend_from_slice(format!(", {column} = ").as_bytes());
        match value {
            Some(value) => quoted(&mut values, &value),
            None => values.extend_from_slice(b"NULL"),
        }
    }
    Ok(values)
}

fn json(value: &(impl Serialize + ?Sized)) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| Error::definite("the position cannot be written").on(TABLE).caused_by(error))
}
