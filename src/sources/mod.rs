//! Sources: one module each, known to the rest by [`Source`] alone.

pub(crate) mod binlog;
pub mod fencing;
pub mod mysql;
pub mod mysql_files;
mod pace;
pub mod postgres;
pub mod rows;
pub mod snapshot;
mod stages;
pub mod throttle;
mod together;

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use slackwater_decoders::{
    position::Position,
    schema::{Table, TableName, counter::Counter, definition::Schema},
};

use self::{fencing::Fencing, snapshot::SnapshotSource};
use crate::{
    config::{ByteSize, Start},
    error::{Error, Result},
    mapping::Selection,
    pipeline::queue::BatchSender,
    positions::SchemaHistory,
};

/// A database whose log is followed.
#[async_trait]
pub trait Source: Send + Sync {
    /// What is read, for people: kind, address, version. No secrets.
    fn describe(&self) -> String;

    /// Everything that has to be true before a task may start; all items, even when one fails.
    async fn check(&self, plan: &Plan<'_>) -> Vec<Finding>;

    /// The position that a new task starts from.
    ///
    /// # Errors
    /// When the log does not reach back to it, or the source cannot be asked.
    async fn start_position(&self, start: &Start) -> Result<Position>;

    /// The end of the log, read from the source now (never from memory: design, invariant 5).
    ///
    /// # Errors
    /// When the source cannot be asked.
    async fn end_of_log(&self) -> Result<Position>;

    /// Whether everything up to `fence` (an [`end_of_log`](Self::end_of_log)) has been passed at `applied`.
    fn reached(&self, applied: &Position, fence: &Position) -> bool;

    /// Bytes of log between `applied` and `end`, where the source can tell.
    async fn bytes_behind(&self, applied: &Position, end: &Position) -> Option<u64>;

    /// Follows the log from `from` and sends decoded batches. Schema changes are recorded in `history` before the batch
    /// that holds them is sent. Returns when the log ends (a source that does not follow), or when the receiver is gone.
    ///
    /// # Errors
    /// Transient ones are retried by the caller from the last batch with a position; definite ones stop the task.
    async fn tail(&self, from: Position, history: &SchemaHistory, out: &BatchSender) -> Result<()>;

    /// The destination holds everything up to here, in a checkpoint of its own: the log before it is not needed again. Called
    /// often, and must not wait.
    fn stored(&self, _position: &Position) {}

    /// What the task has created at the source for itself (a replication slot, a publication, an event trigger): listed by
    /// `status`, removed by `release`. Asked again and again while the task runs.
    ///
    /// # Errors
    /// When the source cannot be asked.
    async fn belongings(&self) -> Result<Vec<Belonging>> {
        Ok(Vec::new())
    }

    /// Removes the [`belongings`](Self::belongings) that are there. The task cannot go on afterwards.
    ///
    /// # Errors
    /// When the source cannot be asked, or one is in use by somebody else; those before it are removed.
    async fn release(&self) -> Result<Vec<Belonging>> {
        Ok(Vec::new())
    }

    /// The definitions of all selected objects as they are now, or of `tables` alone (tables that are gone are left out);
    /// `None` for a source that has a log and no tables.
    ///
    /// # Errors
    /// When the source cannot be asked, or a definition is not understood.
    async fn schema(&self, _tables: Option<&[TableName]>) -> Result<Option<Schema>> {
        Ok(None)
    }

    /// Fills the history with the definitions at a position, as [`tail`](Self::tail) does when it starts there: for a task
    /// that follows the log from there later, when the definitions may be others. Whether all of them are known: `false` when
    /// some were changed between the position and now.
    ///
    /// # Errors
    /// When the source cannot be asked, or the history cannot be written.
    async fn remember_definitions(&self, _at: &Position, _history: &SchemaHistory) -> Result<bool> {
        Ok(true)
    }

    /// The definitions of the selected tables as they are now; none for a source that has a log and no tables.
    ///
    /// # Errors
    /// When the source cannot be asked, or a definition is not understood.
    async fn definitions(&self) -> Result<Vec<Arc<Table>>> {
        Ok(Vec::new())
    }

    /// How tables are copied; `None` for a source that has a log and no tables.
    fn snapshot(&self) -> Option<&dyn SnapshotSource> {
        None
    }

    /// How writers are kept out for a cutover; `None` for a source that takes no writes, or leaves that to the operator.
    fn fencing(&self) -> Option<&dyn Fencing> {
        None
    }

    /// Where the counters of the selected tables, and the selected sequences, stand now. Read behind the fence, they say what the destination's
    /// have to go on from.
    ///
    /// # Errors
    /// When the source cannot be asked.
    async fn counters(&self) -> Result<Vec<Counter>> {
        Ok(Vec::new())
    }
}

/// Something that a task has created at its source.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Belonging {
    /// What it is (`replication slot`).
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its state, for people (`active, reserved`).
    pub state: String,
    /// Bytes of log that the server keeps for it, where it makes the server keep log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retained_bytes: Option<u64>,
    /// What the operator has to look after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

impl fmt::Display for Belonging {
    /// In one line, without the warning.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({}", self.kind, self.name, self.state)?;
        if let Some(bytes) = self.retained_bytes {
            write!(f, ", keeps {} of log", ByteSize(bytes))?;
        }
        f.write_str(")")
    }
}

/// What a task is about to do, for the precheck of its source.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// Where a new task starts.
    pub start: &'a Start,
    /// Where the task stands, when it has run before: then this counts and not `start`.
    pub stored: Option<&'a Position>,
    /// What is carried.
    pub selection: &'a Selection,
    /// The tables under a row filter: the log has to have their whole rows.
    pub filtered: &'a [TableName],
}

/// The outcome of one item of the precheck.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// Short name for scripts and for accepting a warning (`mysql.binlog_format`).
    pub code: &'static str,
    /// How bad it is.
    pub level: Level,
    /// What was found.
    pub found: String,
    /// The exact statement or step that repairs it; `None` when nothing has to be done.
    pub repair: Option<String>,
}

impl Finding {
    /// Something that is as it should be.
    #[must_use]
    pub fn ok(code: &'static str, found: impl Into<String>) -> Self {
        Finding { code, level: Level::Ok, found: found.into(), repair: None }
    }

    /// Something that works, at a cost.
    #[must_use]
    pub fn warning(code: &'static str, found: impl Into<String>, repair: impl Into<String>) -> Self {
        Finding { code, level: Level::Warning, found: found.into(), repair: Some(repair.into()) }
    }

    /// Something that makes the task fail or lose something.
    #[must_use]
    pub fn error(code: &'static str, found: impl Into<String>, repair: impl Into<String>) -> Self {
        Finding { code, level: Level::Error, found: found.into(), repair: Some(repair.into()) }
    }

    /// An item that failed, or could not be asked for, with what the error says to do.
    #[must_use]
    pub fn unanswered(code: &'static str, error: &Error) -> Self {
        let (found, remedy) = error.parts();
        Finding { code, level: Level::Error, found, repair: remedy.map(str::to_owned) }
    }
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Works, at the stated cost.
    Warning,
    /// The task would fail or lose something.
    Error,
}
