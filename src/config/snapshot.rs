//! The `[snapshot]` section of the task file.

use serde::Deserialize;

use super::ByteSize;

/// `[snapshot]`: how the rows that are there already are copied (`start = "snapshot"`).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Snapshot {
    /// Tables that are read at once, 1 to 64; 2 unless set.
    pub readers: u32,
    /// Connections that load rows into the destination at once, 1 to 64; unless set, 4 for a server and 1 for SQLite, which has one
    /// writer.
    pub loaders: Option<u32>,
    /// What happens to rows that the destination's tables have before the copy.
    pub existing: Existing,
    /// What follows the copy.
    pub then: Then,
    /// Queries to the source a second, for all tables together; no limit unless set.
    pub queries_per_second: Option<u32>,
    /// Rows read a second, for all tables together; no limit unless set.
    pub rows_per_second: Option<u64>,
    /// Bytes read a second, for all tables together; no limit unless set.
    pub bytes_per_second: Option<ByteSize>,
}

impl Default for Snapshot {
    fn default() -> Self {
        Snapshot {
            readers: 2,
            loaders: None,
            existing: Existing::Stop,
            then: Then::Tail,
            queries_per_second: None,
            rows_per_second: None,
            bytes_per_second: None,
        }
    }
}

impl Snapshot {
    /// Whether another section differs in more than the limits, which can change while the task runs.
    #[must_use]
    pub fn needs_restart_for(&self, new: &Snapshot) -> bool {
        let without_limits = |section: &Snapshot| Snapshot {
            queries_per_second: None,
            rows_per_second: None,
            bytes_per_second: None,
            ..section.clone()
        };
        without_limits(self) != without_limits(new)
    }
}

/// What happens to rows that the destination's tables have before the copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Existing {
    /// The task stops before anything is copied, and names the tables.
    Stop,
    /// They stay; a copied row takes the place of one with the same key.
    Keep,
    /// The tables are dropped and created as the source's are.
    Replace,
    /// The tables stay and are emptied.
    Truncate,
}

/// What follows the copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Then {
    /// The log is followed from the place where the copy began.
    Tail,
    /// The task ends. Started again with `tail`, it follows the log.
    Stop,
}
