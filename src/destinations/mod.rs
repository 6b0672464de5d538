//! Destinations: one module each, known to the rest by [`Destination`] alone.

mod carried;
pub mod load;
pub mod mysql;
pub mod postgres;
pub mod schema;
mod several;
pub mod sqlite;
mod workers;

use async_trait::async_trait;
use std::{collections::HashSet, sync::Arc};

pub use crate::positions::{Checkpoint, Completeness};
use slackwater_decoders::schema::{TableName, counter::Counter, definition::ObjectKind};

use self::{
    load::Loader,
    schema::{PlannedStatement, SchemaPlan, Wanted},
};
use crate::{
    changes::Group,
    error::{Error, Result},
    mapping::Selection,
    sources::Finding,
};

/// A database that changes are applied to.
///
/// One connection applies; its transaction stays open over the batches of a large source transaction.
#[async_trait]
pub trait Destination: Send {
    /// What is written to, for people: kind, address, version. No secrets.
    fn describe(&self) -> String;

    /// Everything that has to be true before a task may start; all items, even when one fails.
    /// `selection` is in the destination's names.
    async fn check(&mut self, selection: &Selection) -> Vec<Finding>;

    /// Whether views, triggers, routines and events of these names at the destination can be created there; nothing for a destination
    /// that has no such objects or asks for no right to create them, or that cannot be reached, which [`check`](Self::check) says.
    async fn check_objects(&mut self, _objects: &[(ObjectKind, TableName)]) -> Vec<Finding> {
        Vec::new()
    }

    /// Connects (again), rolls back what a lost connection left, prepares the checkpoint table and returns the stored
    /// checkpoint of the task, if any.
    ///
    /// # Errors
    /// When the destination cannot be reached or prepared.
    async fn open(&mut self) -> Result<Option<Standing>>;

    /// How many shares a group is to have. Known once the destination is open.
    fn workers(&self) -> usize {
        1
    }

    /// The tables whose foreign keys change rows of others together with their own (`ON DELETE CASCADE`, `ON UPDATE SET NULL`), in
    /// lower case; tables may be among them that are not there. Changes of these come one by one, in their order. Asked when the
    /// destination is open, and again whenever definitions may have changed.
    ///
    /// # Errors
    /// When the destination cannot be asked; the caller calls [`open`](Self::open) again.
    async fn cascading_tables(&mut self) -> Result<HashSet<TableName>> {
        Ok(HashSet::new())
    }

    /// Applies a group. With a checkpoint, everything since the last one becomes visible together with it; without
    /// one the source's transaction goes on in the next group and nothing becomes visible yet.
    ///
    /// # Errors
    /// After an error the caller calls [`open`](Self::open) and applies again from the stored checkpoint.
    async fn apply(&mut self, group: &Arc<Group>, checkpoint: Option<&Checkpoint>) -> Result<()>;

    /// Drops the open transaction: the source starts it again from its beginning.
    ///
    /// # Errors
    /// When the connection is lost; the transaction is gone then as well.
    async fn rollback(&mut self) -> Result<()>;

    /// Stores a checkpoint outside of any data (the start of a task, a position that moved without changes).
    ///
    /// # Errors
    /// When the destination cannot be reached or holds a higher generation.
    async fn store_checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<()>;

    /// Number of row changes of the task that the destination has refused and keeps apart ([`crate::config::OnRowError`]).
    fn dead_letters(&self) -> u64 {
        0
    }

    /// What has to be created for the objects of a source. Reads what is there, and changes nothing. Needs no
    /// [`open`](Self::open).
    ///
    /// # Errors
    /// When the destination cannot be reached.
    async fn plan(&mut self, _wanted: &Wanted<'_>) -> Result<SchemaPlan> {
        Ok(SchemaPlan::default())
    }

    /// Runs a statement of a plan, outside of the transaction that changes are applied in.
    ///
    /// # Errors
    /// Definite when the destination refuses the statement: then nothing has changed.
    async fn execute(&mut self, statement: &PlannedStatement) -> Result<()> {
        Err(Error::definite("this destination creates no objects").on(&statement.object))
    }

    /// Runs statements of a plan that do not depend on each other, in several sessions at once where that is faster; those of
    /// one table run in their order. Gives the outcome of each, in their order.
    ///
    /// # Errors
    /// When the destination cannot be reached any more: then it is not known which of them ran.
    async fn execute_all(&mut self, statements: &[PlannedStatement]) -> Result<Vec<Result<()>>> {
        let mut outcomes = Vec::with_capacity(statements.len());
        for statement in statements {
            match self.execute(statement).await {
                Err(error) if error.is_transient() => return Err(error.on(&statement.object)),
                outcome => outcomes.push(outcome),
            }
        }
        Ok(outcomes)
    }

    /// How many loaders at once make loading faster.
    fn loaders(&self) -> usize {
        1
    }

    /// Another connection, for loading rows.
    ///
    /// # Errors
    /// When the destination cannot be reached.
    async fn loader(&mut self) -> Result<Box<dyn Loader>>;

    /// Removes all rows of a table whose copy begins (again). One that is not there is empty.
    ///
    /// # Errors
    /// When the destination refuses.
    async fn empty_table(&mut self, table: &TableName) -> Result<()>;

    /// Which of these tables are there and have rows.
    ///
    /// # Errors
    /// When the destination cannot be asked.
    async fn occupied(&mut self, tables: &[TableName]) -> Result<Vec<TableName>>;

    /// Removes a table whose copy begins again with another definition, or that the source does not have any more. One that
    /// is not there is removed already.
    ///
    /// # Errors
    /// When the destination refuses.
    async fn drop_table(&mut self, table: &TableName) -> Result<()>;

    /// Sets counters, by their names here, so that the next number is none that the source has given, and none that a row here
    /// has. Doing it again changes nothing. Gives those that have no place here, with the reason: they are said to the operator and
    /// stop nothing.
    ///
    /// # Errors
    /// When the destination cannot be reached or refuses.
    async fn set_counters(&mut self, _counters: &[Counter]) -> Result<Vec<(Counter, String)>> {
        Ok(Vec::new())
    }

    /// Removes what statements of [`Stage::AtCutover`](schema::Stage::AtCutover) have created, as far as it would act on rows that we
    /// apply (triggers, events): the cutover was rolled back, and the log is followed on. What is not there is removed already.
    ///
    /// # Errors
    /// When the destination cannot be reached or refuses.
    async fn withdraw(&mut self, _statements: &[PlannedStatement]) -> Result<()> {
        Ok(())
    }

    /// Whether the account can still write when a cutover has closed the destination to others: asked before, for a task that is to write back
    /// to the source of another one. Nothing for a destination whose fence never holds back this task.
    async fn check_fenced(&mut self) -> Vec<Finding> {
        Vec::new()
    }
}

/// What an opened destination holds of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The checkpoint that every worker has reached.
    pub checkpoint: Checkpoint,
    /// The group behind it, when some workers have committed their shares of it and others have not.
    pub unfinished: Option<Unfinished>,
}

/// A group that was cut off while its shares were committed, one by one. The same group, built again for as many workers from the
/// same changes, has the same shares; [`Destination::apply`] with the checkpoint `end` then skips those that are
/// committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// The checkpoint behind the group.
    pub end: Checkpoint,
    /// The number of shares it was parted into.
    pub workers: usize,
}

impl From<Checkpoint> for Standing {
    fn from(checkpoint: Checkpoint) -> Self {
        Standing { checkpoint, unfinished: None }
    }
}

/// What a destination says to a table whose rows it does not have.
fn renamed_in(from: &TableName, to: &TableName) -> Error {
    Error::definite(format!("the table {from}, which is not carried, takes the name {to}, which is"))
        .on(to)
        .remedy(format!(
            "its rows are not at the destination: copy {to} anew and continue behind this statement with `slackwater \
             positions import`; carry {from} too ([objects], and `operations` with \"ddl\") where this is to happen again"
        ))
}

/// What a destination says to a task whose checkpoint it may not write.
fn superseded(task: &str, generation: u64) -> Error {
    Error::definite(format!(
        "the task is superseded: the destination holds a newer generation than {generation}"
    ))
    .on(format!("task {task}"))
    .remedy("another run of this task took over, or its cutover is done: do not start this one again")
}
