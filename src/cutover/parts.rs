//! What a cutover asks of others: the comparison of both ends, the task back to the source, the gate of the destination.

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use slackwater_decoders::position::Position;

use crate::{
    config::Depth,
    error::Result,
    sources::{Finding, fencing::FenceState},
};

/// The parts that a task has; what it has not is left out of its cutover.
#[derive(Clone, Default)]
pub struct Parts {
    /// Compares both ends, where `cutover.verify` asks for it.
    pub verification: Option<Arc<dyn Verification>>,
    /// The task that `cutover.reverse` names.
    pub reverse: Option<Arc<dyn ReverseTask>>,
    /// The destination, where an earlier cutover has closed it as its source: this task is the reverse of that one.
    pub gate: Option<Arc<dyn DestinationGate>>,
}

/// Compares what is at both ends of a task.
#[async_trait]
pub trait Verification: Send + Sync {
    /// Compares all tables. Called behind the fence, when everything is applied: nothing changes at either end meanwhile.
    ///
    /// # Errors
    /// When an end cannot be read. That rows differ is no error, and is told by the [`Summary`].
    async fn run(&self, depth: Depth) -> Result<Summary>;
}

/// The outcome of a comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Tables that were compared.
    pub tables: u64,
    /// Rows of the source that were compared, or counted.
    pub rows: u64,
    /// Rows that are missing, additional or different at the destination; with [`Depth::Counts`] the difference of the numbers.
    pub differing: u64,
    /// What differs, one line for each table, without values.
    pub details: Vec<String>,
    /// What was not compared, and why.
    #[serde(default)]
    pub left_out: Vec<String>,
}

/// The task from the destination back to the source.
///
/// The order of calls: [`check`](Self::check) any number of times before the cutover; [`prepare`](Self::prepare) inside the switch, followed by
/// [`start`](Self::start) when the traffic is turned over, or by [`forget`](Self::forget) when it is not. A crash may
/// repeat each of them.
#[async_trait]
pub trait ReverseTask: Send + Sync {
    /// The file of the task.
    fn file(&self) -> PathBuf;

    /// The name of the task.
    fn name(&self) -> String;

    /// Everything that has to be true before the task may start, at both of its ends: asked before the fence is raised. Changes
    /// nothing.
    async fn check(&self) -> Vec<Finding>;

    /// Prepares the task to start behind everything that the forward task has written: reads the end of log of the destination, and stores
    /// it in the task's own state directory with the definitions in effect there and with what is told of the switch. Nobody
    /// writes to the destination meanwhile. What an earlier round has left is replaced.
    ///
    /// # Errors
    /// When the position cannot be read or stored: the cutover is rolled back.
    async fn prepare(&self, switch: &Switch) -> Result<Position>;

    /// The traffic is turned over: the old source, which stays closed to others, takes the writes of the task. Doing it again
    /// changes nothing.
    ///
    /// # Errors
    /// When the old source refuses: the forward task stops, and its next start calls this again.
    async fn start(&self) -> Result<()>;

    /// The cutover was rolled back: removes what [`prepare`](Self::prepare) has made. What is not there is removed already.
    ///
    /// # Errors
    /// When it cannot be removed.
    async fn forget(&self) -> Result<()>;
}

/// What a reverse task is told of the switch that it is prepared in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switch {
    /// The forward task.
    pub task: String,
    /// The number of its attempt to cut over, from 1.
    pub attempt: u64,
    /// Where the source of the forward task stands still.
    pub position: Position,
    /// The settings that the fence at the source has changed, as they were before; `None` when the source was not fenced by us.
    pub fence: Option<FenceState>,
}

/// A destination that an earlier cutover has closed to writers, as its source. The traffic comes back to it.
#[async_trait]
pub trait DestinationGate: Send + Sync {
    /// What stands there, for people.
    fn describe(&self) -> String;

    /// Opens it: brings back what was there before the earlier cutover. Opening an open one changes nothing.
    ///
    /// # Errors
    /// When the destination refuses.
    async fn open(&self) -> Result<()>;

    /// Closes it to others again, not to us: the cutover was rolled back. Closing a closed one changes nothing.
    ///
    /// # Errors
    /// When the destination refuses.
    async fn close(&self) -> Result<()>;
}
