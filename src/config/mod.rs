//! The task file.

pub mod source;

use serde::{Deserialize, Serialize};

/// Where a new task starts in the source's log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    /// At the end of the log as it is when the task first starts.
    #[default]
    Now,
    /// At the oldest place the log still has.
    Earliest,
    /// At a place in a file.
    Binlog {
        /// The file's name.
        file: String,
        /// The offset in bytes.
        offset: u64,
    },
    /// Behind these transactions.
    Gtid(String),
}
