//! The sections of the task file that every pair of databases shares.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

use super::{mapping::Operation, pattern::Pattern, size::ByteSize};

/// `[objects]`: which tables.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Objects {
    /// Patterns `database.table` of what is carried; none for everything but the server's own databases.
    pub include: Vec<Pattern>,
    /// Patterns of what is not, although `include` matches it.
    pub exclude: Vec<Pattern>,
    /// Which operations are carried where no rule of `[[mapping]]` says it; all unless set.
    pub operations: Option<Vec<Operation>>,
}

/// `[schema]`: how the destination's objects are created, by a task that begins with a copy and by `slackwater schema`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SchemaSection {
    /// A file with statements and types to use instead of those that are planned ([`Overrides`](super::Overrides)).
    pub overrides: Option<PathBuf>,
}

/// `[apply]`: how changes get to the destination.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Apply {
    /// Bytes of log that the source puts into one batch at most, 4 KiB to 64 MiB.
    pub batch_size: ByteSize,
    /// Bytes that decoded batches may hold in memory, 1 MiB to 4 GiB.
    pub memory: ByteSize,
    /// Bytes of decoded batches that are applied together at most while the destination is behind, 64 KiB to 1 GiB; never more
    /// than a half of `memory`. One that keeps up gets each batch at once.
    pub group_size: ByteSize,
    /// How often progress without changes is stored, 100 ms to 1 h. (Progress with changes is stored with them.)
    #[serde(with = "humantime_serde")]
    pub checkpoint_interval: Duration,
    /// How long to try when a side cannot be reached.
    #[serde(with = "humantime_serde")]
    pub connection_lost_limit: Duration,
    /// How long to try after any other error that may pass.
    #[serde(with = "humantime_serde")]
    pub error_limit: Duration,
    /// How long a stop may take: finishing the current batch and storing the position, 1 s to 10 min.
    #[serde(with = "humantime_serde")]
    pub stop_timeout: Duration,
    /// What becomes of a row change that the destination refuses.
    pub on_row_error: OnRowError,
}

/// What becomes of a row change that the destination definitely refuses: a constraint, a value that its column cannot hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnRowError {
    /// The task stops, and goes on from there when the cause is repaired.
    #[default]
    Stop,
    /// The change is kept in the table `slackwater_dead_letter` at the destination, and the task goes on without it. The
    /// row is not what it is at the source from then on.
    DeadLetter,
}

impl Default for Apply {
    fn default() -> Self {
        Apply {
            batch_size: ByteSize::mib(1),
            memory: ByteSize::mib(32),
            group_size: ByteSize::mib(16),
            checkpoint_interval: Duration::from_secs(5),
            connection_lost_limit: Duration::from_secs(720 * 60),
            error_limit: Duration::from_secs(10 * 60),
            stop_timeout: Duration::from_secs(60),
            on_row_error: OnRowError::default(),
        }
    }
}

/// `[log]`: what the task says and how.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// For people or for programs.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, `trace`, or directives such as `info,slackwater::pipeline=debug`.
    pub level: String,
}

impl Default for Log {
    fn default() -> Self {
        Log { format: LogFormat::Human, level: "info".to_owned() }
    }
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// Where a new task starts in the source's log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Start {
    /// At the end of the log as it is when the task first starts. The destination has to have the rows already, or need none of
    /// them.
    #[default]
    Now,
    /// At the end of the log as it is when the task first starts, with a copy of the tables from there on
    /// ([`Snapshot`](super::Snapshot)). It takes a server as the source.
    Snapshot,
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
