//! PostgreSQL: the write-ahead log through a logical replication slot and `pgoutput`.
//!
//! * `hosts`: which server is read; `questions`: what it says about its log; `names` of what the task creates there.
//! * `slot`, `publication`, `ddl`: what the task creates at the source; `belongings` lists and removes it.
//! * `replication`: the connection that streams the log; `tail` makes batches of it.
//! * `schema`: all definitions; `snapshot`: the tables' rows, through COPY; `rows` reads them for comparison. `check`: the precheck.
//! * `fencing`: keeping writers out for a cutover; `counters`: where the numbering of rows stands then.
//!
//! **Positions** are log sequence numbers, with the cluster and the timeline that they are of: the end of a transaction's commit, or a place
//! that the server has decoded its log up to. A task resumes by telling the slot its position: transactions that were committed
//! before are not sent again. The slot's own position follows behind the destination's checkpoint, never before it.

mod belongings;
mod check;
mod counters;
mod ddl;
mod fencing;
mod hosts;
mod names;
mod publication;
mod questions;
mod replication;
mod rows;
mod schema;
mod slot;
mod snapshot;
mod tail;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use slackwater_decoders::{
    position::Position,
    postgres::lsn::Lsn,
    schema::{Table, TableName, counter::Counter, definition::Schema},
};
use tracing::info;

pub use self::rows::PostgresRows;
use self::{
    hosts::Hosts,
    names::Names,
    replication::{CreateSlot, Progress, Replication},
    schema::{
        tables::{self, Which},
        types,
    },
    slot::Slot,
    snapshot::ExportedSnapshot,
};
use super::{
    Belonging, Finding, Plan, Source, fencing::Fencing, snapshot::SnapshotSource, stages, throttle::Throttle,
};
use crate::{
    config::{ByteSize, Start, postgres::PostgresSource},
    error::{Error, Result},
    mapping::Selection,
    pipeline::queue::BatchSender,
    positions::SchemaHistory,
    postgres_client::Session,
};

/// Bytes of rows that a block of a copy has, unless set.
const BLOCK_BYTES: usize = 2 * 1024 * 1024;

/// Which tables a task reads.
pub type TableFilter = Arc<dyn Fn(&TableName) -> bool + Send + Sync>;

/// A PostgreSQL database, on one server or several of which one is the primary.
pub struct Postgres {
    hosts: Arc<Hosts>,
    names: Names,
    selected: TableFilter,
    /// Whether the task carries every table, also those to come.
    carries_all: bool,
    /// Which names are included and excluded, as regular expressions for the server, where the rules can be said so.
    patterns: Option<(Vec<String>, Vec<String>)>,
    /// Where transactions in progress are kept.
    state_dir: Option<PathBuf>,
    /// Bytes of log that one batch has at most.
    batch_bytes: usize,
    /// Bytes of rows that one block of a copy has at most, but for a row that is longer.
    block_bytes: usize,
    throttle: Throttle,
    copies: snapshot::Copies,
    progress: Arc<Progress>,
}

impl Postgres {
    /// The source of the task `task`. Does not connect.
    ///
    /// # Errors
    /// Definite when the configuration cannot work.
    pub fn new(task: &str, config: PostgresSource, selected: TableFilter) -> Result<Self> {
        Ok(Postgres {
            names: Names::new(task, &config),
            hosts: Arc::new(Hosts::new(task, config)?),
            selected,
            carries_all: false,
            patterns: None,
            state_dir: None,
            batch_bytes: stages::BATCH_BYTES,
            block_bytes: BLOCK_BYTES,
            throttle: Throttle::default(),
            copies: snapshot::Copies::default(),
            progress: Arc::default(),
        })
    }

    /// Says by which rules tables are selected, so that the source can tell for tables to come.
    #[must_use]
    pub fn with_selection(mut self, selection: &Selection) -> Self {
        self.carries_all = selection.is_everything();
        self.patterns = selection.sql_regexes();
        self
    }

    /// Sets the task's state directory, where large transactions in progress are kept in files (a directory for temporary files
    /// unless set).
    #[must_use]
    pub fn with_state_dir(mut self, directory: &Path) -> Self {
        self.state_dir = Some(directory.to_owned());
        self
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

#[async_trait]
impl Source for Postgres {
    fn describe(&self) -> String {
        self.hosts.describe()
    }

    async fn check(&self, plan: &Plan<'_>) -> Vec<Finding> {
        self.findings(plan).await
    }

    async fn start_position(&self, start: &Start) -> Result<Position> {
        let session = self.hosts.connect().await?;
        let (replication, identity) = self.hosts.replicate(&session).await?;
        let existing = slot::read(&session, &self.names.slot).await?;
        // Before the slot: its log is decoded with the publications that there are at each place.
        self.publish(&session, None).await?;
        let lsn = match (start, existing) {
            (Start::Binlog { .. } | Start::Gtid(_), _) => {
                return Err(Error::definite("a PostgreSQL source has neither binlog files nor GTIDs")
                    .remedy(
                        "set start to \"snapshot\", \"now\" or, with a slot that is there, \"earliest\"",
                    ));
            }
            (Start::Snapshot, Some(slot)) => {
                slot.is_usable(&self.hosts.config().database)?;
                info!(
                    slot = slot.name,
                    "the replication slot is there already: the copy begins at the end of its log"
                );
                // Not where the slot stands: how the tables were defined there, nobody can tell.
                return self.fresh_start().await;
            }
            (Start::Earliest, Some(slot)) => self.start_of(&slot)?,
            (Start::Now, Some(slot)) => self.start_of(&slot)?.max(questions::end_of_log(&session).await?),
            (Start::Earliest, None) => return Err(slot::missing(&self.names.slot, None)),
            (Start::Snapshot | Start::Now, None) if self.hosts.config().create => {
                let share = *start == Start::Snapshot;
                return self.create_slot(&session, replication, identity, share).await;
            }
            (Start::Snapshot | Start::Now, None) => return Err(slot::missing(&self.names.slot, None)),
        };
        Ok(questions::position(identity, lsn))
    }

    async fn end_of_log(&self) -> Result<Position> {
        let control = self.hosts.control().await?;
        let end = async {
            let identity = self.hosts.identity(&control.session).await?;
            Ok(questions::position(identity, questions::end_of_log(&control.session).await?))
        };
        let end = end.await;
        let end = control.keep(end)?;
        // A log that has nothing for the task moves its position only when the server is asked.
        self.progress.want(questions::lsn(&end)?);
        Ok(end)
    }

    fn reached(&self, applied: &Position, fence: &Position) -> bool {
        questions::reached(applied, fence)
    }

    async fn bytes_behind(&self, applied: &Position, end: &Position) -> Option<u64> {
        Some(end.log.lsn()?.0.saturating_sub(applied.log.lsn()?.0))
    }

    fn stored(&self, position: &Position) {
        if let Some(lsn) = position.log.lsn() {
            self.progress.stored(lsn);
        }
    }

    async fn definitions(&self) -> Result<Vec<Arc<Table>>> {
        let control = self.hosts.control().await?;
        let tables = async {
            let types = types::read(&control.session).await?;
            tables::read(&control.session, &types, Which::Selected(&self.selected)).await
        };
        let tables = tables.await;
        Ok(control.keep(tables)?.into_iter().map(|table| table.table).collect())
    }

    async fn tail(&self, from: Position, history: &SchemaHistory, out: &BatchSender) -> Result<()> {
        self.copies.end().await;
        self.follow(from, history, out).await
    }

    async fn remember_definitions(&self, at: &Position, history: &SchemaHistory) -> Result<bool> {
        let session = self.hosts.connect().await?;
        // Tables that were created while the slot was. The snapshot is none of them then, and the position is not kept.
        self.publish(&session, None).await?;
        self.copies.definitions_at(self, at, history).await
    }

    fn snapshot(&self) -> Option<&dyn SnapshotSource> {
        Some(self)
    }

    async fn schema(&self, tables: Option<&[TableName]>) -> Result<Option<Schema>> {
        let control = self.hosts.control().await?;
        let schema = schema::read(&control.session, &self.selected, tables).await;
        control.keep(schema).map(Some)
    }

    fn fencing(&self) -> Option<&dyn Fencing> {
        Some(self)
    }

    async fn counters(&self) -> Result<Vec<Counter>> {
        let control = self.hosts.control().await?;
        let counters = counters::read(&control.session, &self.selected, &self.hosts.config().user).await;
        control.keep(counters)
    }

    async fn belongings(&self) -> Result<Vec<Belonging>> {
        let control = self.hosts.control().await?;
        let found = self.found(&control.session).await;
        control.keep(found)
    }

    async fn release(&self) -> Result<Vec<Belonging>> {
        self.copies.end().await;
        self.remove(&self.hosts.connect().await?).await
    }
}

impl Postgres {
    /// Creates the slot, and shares the state of the tables at its start.
    async fn create_slot(
        &self,
        session: &Session,
        mut replication: Replication,
        identity: replication::Identity,
        export_snapshot: bool,
    ) -> Result<Position> {
        let config = self.hosts.config();
        // A session that does nothing but keep its snapshot is idle in a transaction.
        replication.command("SET idle_in_transaction_session_timeout = 0").await?;
        let slot = CreateSlot {
            name: &self.names.slot,
            major: session.major(),
            export_snapshot,
            two_phase: config.two_phase,
            failover: config.failover,
        };
        info!(
            slot = slot.name,
            "creating the replication slot: waits until the transactions that write now have ended"
        );
        let created = match replication.create_slot(&slot).await {
            // The session of a process that was killed may have gone on with it.
            Err(error) if slot::read(session, slot.name).await?.is_some() => {
                return Err(Error::transient(
                    "the replication slot was created by another session meanwhile",
                )
                .on(format!("slot {}", slot.name))
                .caused_by(error));
            }
            created => created?,
        };
        let position = questions::position(identity, created.start);
        if let Some(snapshot) = created.snapshot {
            let address = session.address().clone();
            let snapshot = ExportedSnapshot::new(snapshot, position.clone(), address, replication);
            self.copies.share(snapshot).await;
        }
        Ok(position)
    }

    /// Where the log of a slot begins that was there before the task.
    fn start_of(&self, slot: &Slot) -> Result<Lsn> {
        slot.is_usable(&self.hosts.config().database)?;
        info!(
            slot = slot.name,
            "the replication slot is there already: its log is read from where it stands"
        );
        slot.confirmed
            .ok_or_else(|| Error::definite("the replication slot does not say where it stands").on(slot))
    }

    /// Where transactions in progress are kept.
    fn spill_directory(&self) -> PathBuf {
        match &self.state_dir {
            Some(directory) => directory.join("spill"),
            None => std::env::temp_dir().join(format!("{}-{}", self.names.slot, std::process::id())),
        }
    }
}
