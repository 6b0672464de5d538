//! PostgreSQL: the write-ahead log through a logical replication slot and `pgoutput`.
//!
//! * `hosts`: which server is read.
//! * `schema`: all definitions; `snapshot`: the tables' rows, through COPY.

mod hosts;
mod replication;
mod schema;
mod snapshot;

use std::sync::Arc;

use slackwater_decoders::schema::TableName;

use self::hosts::Hosts;
use super::throttle::Throttle;
use crate::{
    config::{ByteSize, postgres::PostgresSource},
    error::Result,
};

/// Bytes of log that a batch has at most, unless set.
const BATCH_BYTES: usize = 1024 * 1024;
/// Bytes of rows that a block of a copy has, unless set.
const BLOCK_BYTES: usize = 2 * 1024 * 1024;

/// Which tables a task reads.
pub type TableFilter = Arc<dyn Fn(&TableName) -> bool + Send + Sync>;

/// A PostgreSQL database, on one server or several of which one is the primary.
pub struct Postgres {
    hosts: Hosts,
    selected: TableFilter,
    /// Bytes of log that one batch has at most.
    batch_bytes: usize,
    /// Bytes of rows that one block of a copy has at most, but for a row that is longer.
    block_bytes: usize,
    throttle: Throttle,
    copies: snapshot::Copies,
}

impl Postgres {
    /// The source of the task `task`. Does not connect.
    ///
    /// # Errors
    /// Definite when the configuration cannot work.
    pub fn new(task: &str, config: PostgresSource, selected: TableFilter) -> Result<Self> {
        Ok(Postgres {
            hosts: Hosts::new(task, config)?,
            selected,
            batch_bytes: BATCH_BYTES,
            block_bytes: BLOCK_BYTES,
            throttle: Throttle::default(),
            copies: snapshot::Copies::default(),
        })
    }

    /// Sets how many bytes of log one batch has at most (1 MiB unless set); a change that is longer is one alone.
    #[must_use]
    pub fn with_batch_size(mut self, size: ByteSize) -> Self {
        self.batch_bytes = usize::try_from(size.0).unwrap_or(usize::MAX);
        self
    }

    /// Sets after how many bytes of rows a block of a copy ends (2 MiB unless set).
    #[must_use]
    pub fn with_block_size(mut self, size: ByteSize) -> Self {
        self.block_bytes = usize::try_from(size.0).unwrap_or(usize::MAX).max(1);
        self
    }

    /// Sets the limits for reading tables, which the caller may change while they are read.
    #[must_use]
    pub fn with_throttle(mut self, throttle: Throttle) -> Self {
        self.throttle = throttle;
        self
    }
}
