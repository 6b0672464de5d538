//! MySQL and MariaDB: the binlog through a replication connection.
//!
//! * `packets`, `auth`, `response`, `connection`: a client of our own. A replication connection needs one, and the
//!   questions to the server go through the same, so that both are encrypted and authenticated alike.
//! * `hosts`, `questions`: which server is read, and what it says about its log.
//! * `dump`: the log itself; `binlog` makes batches of it.
//! * `catalog`: table definitions for a task that starts; `schema`: all definitions. `check`: the precheck.
//! * `snapshot`: the tables' rows, through SELECTs of `statement`; `rows` reads them for comparison.
//! * `fencing`: keeping writers out for a cutover; `counters`: where the numbering of rows stands then.
//!
//! Every transaction of a position that has GTIDs has one: positions carry them only where the server gives one to every
//! transaction (`gtid_mode = ON`, MariaDB always). So they decide alone, on any server of the topology, and a file and offset decide
//! where there are none.

mod auth;
mod catalog;
mod check;
mod connection;
mod counters;
mod dump;
mod fencing;
mod hosts;
mod packets;
mod questions;
mod response;
mod rows;
mod schema;
mod snapshot;
mod statement;

use std::{collections::HashSet, sync::Arc};

use async_trait::async_trait;
use slackwater_decoders::{
    event::{Event, SchemaChange},
    mysql::catalog::Catalog,
    position::Position,
    schema::{Table, TableName, counter::Counter, definition::Schema},
};

pub use self::rows::MysqlRows;
use self::{
    connection::{Address, Connection},
    dump::{BinlogStream, ReplicaIdentity},
    hosts::Hosts,
};
use super::{Finding, Plan, Source, binlog, fencing::Fencing, snapshot::SnapshotSource, throttle::Throttle};
use crate::{
    config::{ByteSize, Start, source::MysqlSource},
    error::{Error, Result},
    pipeline::queue::{BatchSender, MemoryQuota, Message, queue},
    positions::SchemaHistory,
};

/// Memory for the look through the log for schema changes.
const SCAN_BYTES: u64 = 16 << 20;

/// Which tables a task reads.
pub type TableFilter = Arc<dyn Fn(&TableName) -> bool + Send + Sync>;

/// A MySQL or MariaDB server, or several of one replication topology.
pub struct Mysql {
    hosts: Hosts,
    identity: ReplicaIdentity,
    selected: TableFilter,
    /// Bytes of log that one batch has at most.
    batch_bytes: usize,
    /// Bytes of rows that one block of a copy has at most, but for a row that is longer.
    block_bytes: usize,
    throttle: Throttle,
    /// What the readers of tables share.
    sessions: Arc<snapshot::Sessions>,
}

impl Mysql {
    /// The source of the task `task`. Does not connect.
    ///
    /// # Errors
    /// Definite when the configuration cannot work.
    pub fn new(task: &str, config: MysqlSource, selected: TableFilter) -> Result<Self> {
        let identity = ReplicaIdentity::of_task(task, config.server_id.map(Into::into));
        Ok(Mysql {
            hosts: Hosts::new(config)?,
            identity,
            selected,
            batch_bytes: binlog::BATCH_BYTES,
            block_bytes: snapshot::BLOCK_BYTES,
            throttle: Throttle::default(),
            sessions: Arc::default(),
        })
    }

    /// Sets how many bytes of log one batch has at most (1 MiB unless set); an event that is longer is one alone.
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
impl Source for Mysql {
    fn describe(&self) -> String {
        self.hosts.describe()
    }

    async fn check(&self, plan: &Plan<'_>) -> Vec<Finding> {
        self.findings(plan).await
    }

    async fn start_position(&self, start: &Start) -> Result<Position> {
        let mut control = self.hosts.control().await?;
        let connection = &mut control.connection;
        let position = match start {
            Start::Now | Start::Snapshot => questions::now(connection).await,
            Start::Earliest => questions::earliest(connection).await,
            Start::Binlog { file, offset } => questions::position_at(connection, file, *offset).await,
            Start::Gtid(gtids) => questions::position_behind(connection, gtids).await,
        };
        control.keep(position)
    }

    async fn end_of_log(&self) -> Result<Position> {
        if !self.hosts.is_settled() {
            return Err(Error::disconnected("no server was found yet that has the task's position"));
        }
        let mut control = self.hosts.control().await?;
        let end = questions::end_of_log(&mut control.connection).await;
        control.keep(end)
    }

    fn reached(&self, applied: &Position, fence: &Position) -> bool {
        questions::reached(applied, fence)
    }

    async fn bytes_behind(&self, applied: &Position, end: &Position) -> Option<u64> {
        let mut control = self.hosts.control().await.ok()?;
        let bytes = questions::bytes_between(&mut control.connection, &applied.log, &end.log).await;
        control.keep(bytes).ok()?
    }

    async fn definitions(&self) -> Result<Vec<Arc<Table>>> {
        let mut control = self.hosts.control().await?;
        let now = catalog::read(&mut control.connection, &self.selected).await;
        let now = control.keep(now)?;
        Ok(now.iter().cloned().collect())
    }

    async fn tail(&self, from: Position, history: &SchemaHistory, out: &BatchSender) -> Result<()> {
        // First of all: it settles which server is asked from here on.
        let mut log = self.hosts.connect_for(&from).await?;
        if history.is_empty() {
            self.remember_definitions(&from, history).await?;
            // Looking through the log may have taken longer than a server waits.
            log = self.hosts.connect_for(&from).await?;
        } else {
            // The log brings again what lies behind the position.
            history.rewind_to(&from)?;
        }
        let mut catalog = self.empty_catalog().await?;
        for table in history.catalog_at(&from) {
            catalog.insert(table);
        }
        self.follow(log, from, catalog, false, history, out).await
    }

    async fn remember_definitions(&self, at: &Position, history: &SchemaHistory) -> Result<bool> {
        let (tables, all_known) = self.definitions_at(at).await?;
        history.replace_all(at, &tables)?;
        Ok(all_known)
    }

    fn snapshot(&self) -> Option<&dyn SnapshotSource> {
        Some(self)
    }

    async fn schema(&self, tables: Option<&[TableName]>) -> Result<Option<Schema>> {
        let mut control = self.hosts.control().await?;
        let schema = schema::read(&mut control.connection, &self.selected, tables).await;
        control.keep(schema).map(Some)
    }

    fn fencing(&self) -> Option<&dyn Fencing> {
        Some(self)
    }

    async fn counters(&self) -> Result<Vec<Counter>> {
        let mut control = self.hosts.control().await?;
        let counters = counters::read(&mut control.connection, &self.selected).await;
        control.keep(counters)
    }
}

impl Mysql {
    async fn empty_catalog(&self) -> Result<Catalog> {
        let mut control = self.hosts.control().await?;
        let catalog = catalog::without_tables(&mut control.connection).await;
        control.keep(catalog)
    }

    async fn follow(
        &self,
        (connection, address): (Connection, Address),
        from: Position,
        catalog: Catalog,
        positional_names: bool,
        history: &SchemaHistory,
        out: &BatchSender,
    ) -> Result<()> {
        let selected = Arc::clone(&self.selected);
        let decoder = binlog::decoder(&from, catalog, positional_names, self.batch_bytes, move |table| {
            selected(table)
        })?;
        let heartbeat = self.hosts.config().heartbeat;
        let stream =
            BinlogStream::start(connection, address.to_string(), from, &self.identity, heartbeat).await?;
        binlog::follow(stream, decoder, self.batch_bytes, history, out).await
    }

    /// The definitions of tables as they were at `from`, as far as they can be known.
    ///
    /// The server tells those of now. A table whose definition was changed between `from` and now had another one, which
    /// nobody has kept: it is left out (and the answer has a `false` beside), until a CREATE in the log defines it. (Rows with full metadata are read without.)
    async fn definitions_at(&self, from: &Position) -> Result<(Vec<Arc<Table>>, bool)> {
        let mut control = self.hosts.control().await?;
        let now = catalog::read(&mut control.connection, &self.selected).await;
        let mut now = control.keep(now)?;
        let end = self.end_of_log().await?;
        let (mut all_known, mut changed) = (true, HashSet::new());
        for change in self.schema_changes(from, &end).await? {
            // What was created since has its definition in the log.
            all_known &= matches!(
                change,
                SchemaChange::CreateTable { if_not_exists: false, .. }
                    | SchemaChange::CreateDatabase { .. }
                    | SchemaChange::Other { table: None, .. }
            );
            for table in change.tables() {
                now.remove(table);
                changed.insert(table.clone());
            }
            if let SchemaChange::DropDatabase { database } = &change {
                let dropped: Vec<TableName> = now
                    .iter()
                    .map(|table| table.name.clone())
                    .filter(|name| *name.database == **database)
                    .collect();
                dropped.iter().for_each(|table| drop(now.remove(table)));
            }
        }
        // MySQL before 8.0 lists files: a table is missing while an ALTER TABLE puts its new file in the place of the old one.
        let mut control = self.hosts.control().await?;
        let names = catalog::table_names(&mut control.connection, &self.selected).await;
        all_known &=
            control.keep(names)?.iter().all(|name| now.get(name).is_some() || changed.contains(name));
        Ok((now.iter().cloned().collect(), all_known))
    }

    /// What statements did to tables between two positions.
    async fn schema_changes(&self, from: &Position, end: &Position) -> Result<Vec<SchemaChange>> {
        if questions::reached(from, end) {
            return Ok(Vec::new());
        }
        let (out, mut batches) = queue(MemoryQuota::new(SCAN_BYTES));
        let history = SchemaHistory::in_memory();
        let catalog = self.empty_catalog().await?;
        let log = self.hosts.connect_for(from).await?;
        let reading = self.follow(log, from.clone(), catalog, true, &history, &out);
        let collecting = async {
            let mut changes = Vec::new();
            while let Some(message) = batches.recv().await {
                let Message::Batch(batch, _) = message else { continue };
                for event in batch.events() {
                    if let Event::Ddl(ddl) = event {
                        changes.extend(ddl.changes.iter().cloned());
                    }
                }
                if batch.summary().resume.as_ref().is_some_and(|resume| questions::reached(resume, end)) {
                    break;
                }
            }
            changes
        };
        tokio::select! {
            changes = collecting => Ok(changes),
            ended = reading => match ended {
                Ok(()) => Err(Error::disconnected("the log ended before its end was read")),
                Err(error) => Err(error),
            },
        }
    }
}
