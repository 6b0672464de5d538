//! Destinations: one module each, known to the rest by [`Destination`] alone.

mod changes;
pub mod mysql;
pub mod sqlite;

use async_trait::async_trait;
use slackwater_decoders::batch::Batch;

pub use crate::positions::Checkpoint;
use crate::{
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
    async fn check(&mut self, selection: &Selection) -> Vec<Finding>;

    /// Connects (again), rolls back what a lost connection left, prepares the checkpoint table and returns the stored
    /// checkpoint of the task, if any.
    ///
    /// # Errors
    /// When the destination cannot be reached or prepared.
    async fn open(&mut self) -> Result<Option<Checkpoint>>;

    /// Applies a batch. With a checkpoint, everything since the last one becomes visible together with it; without
    /// one the source's transaction goes on in the next batch and nothing becomes visible yet.
    ///
    /// # Errors
    /// After an error the caller calls [`open`](Self::open) and applies again from the stored checkpoint.
    async fn apply(&mut self, batch: &Batch, checkpoint: Option<&Checkpoint>) -> Result<()>;

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
}

/// What a destination says to a task whose checkpoint it may not write.
fn superseded(task: &str, generation: u64) -> Error {
    Error::definite(format!(
        "the task is superseded: the destination holds a newer generation than {generation}"
    ))
    .on(format!("task {task}"))
    .remedy("another run of this task took over, or its cutover is done: do not start this one again")
}
