//! What is stored about where a task stands.

use serde::{Deserialize, Serialize};
use slackwater_decoders::position::Position;

/// What a destination stores about a task in the same transaction as the task's data, and the local store beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The generation of the task. A destination that holds a higher one refuses this task (design, invariant 8).
    pub generation: u64,
    /// Counts up with each checkpoint of the task.
    pub sequence: u64,
    /// Where the source's log continues after everything the destination holds.
    pub position: Position,
    /// Whether everything that the source had at the position is at the destination.
    #[serde(default)]
    pub completeness: Completeness,
}

impl Checkpoint {
    /// The generation of a task that nobody took over yet.
    const FIRST_GENERATION: u64 = 1;

    /// The checkpoint of a new task.
    #[must_use]
    pub fn first(position: Position, completeness: Completeness) -> Self {
        Checkpoint { generation: Self::FIRST_GENERATION, sequence: 0, position, completeness }
    }
}

/// How much of the source's rows a destination has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Completeness {
    /// All that the source had at the checkpoint's position.
    #[default]
    Complete,
    /// Tables are being copied; the log is read from the checkpoint's position when they are.
    Copying,
    /// The copied rows are newer than the checkpoint's position, and become one state when the log is applied up to
    /// here.
    Converging(Position),
}

/// How a stored position came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// The start of a new task: nothing was applied yet.
    Start,
    /// The destination holds everything up to it.
    Applied,
    /// An operator imported it.
    Imported,
}

/// The local store's own record of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// How it came to be.
    pub origin: Origin,
    /// Number of the next entry of the schema history when the checkpoint was stored: a store whose history knows fewer
    /// has lost something.
    pub history: u64,
}
