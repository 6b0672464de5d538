//! MySQL and MariaDB: the binlog through a replication connection.
//!
//! * `packets`, `tls`, `auth`, `response`, `connection`: a client of our own. A replication connection needs one, and the
//!   questions to the server go through the same, so that both are encrypted and authenticated alike.
//! * `hosts`, `questions`: which server is read, and what it says about its log.
//! * `dump`: the log itself; [`binlog`](super::binlog) makes batches of it.
//! * `catalog`: table definitions for a task that starts. `check`: the precheck.
//!
//! Every transaction of a position that has GTIDs has one: positions carry them only where the server gives one to every
//! transaction (`gtid_mode = ON`, MariaDB always). So they decide alone, on any server of the topology, and a file and offset decide
//! where there are none.

mod auth;
mod connection;
mod dump;
mod hosts;
mod packets;
mod questions;
mod response;
mod tls;

use std::sync::Arc;

use async_trait::async_trait;
use slackwater_decoders::{
    mysql::{Decoder, DecoderOptions, catalog::Catalog},
    position::Position,
    schema::TableName,
};

use self::{
    dump::{BinlogStream, ReplicaIdentity},
    hosts::Hosts,
};
use super::{Finding, Source, binlog};
use crate::{
    config::{Start, source::MysqlSource},
    error::Result,
    pipeline::queue::BatchSender,
    positions::SchemaHistory,
};

/// Which tables a task reads.
pub type TableFilter = Arc<dyn Fn(&TableName) -> bool + Send + Sync>;

/// A MySQL or MariaDB server, or several of one replication topology.
pub struct Mysql {
    hosts: Hosts,
    identity: ReplicaIdentity,
    selected: TableFilter,
}

impl Mysql {
    /// The source of the task `task`. Does not connect.
    ///
    /// # Errors
    /// Definite when the configuration cannot work.
    pub fn new(task: &str, config: MysqlSource, selected: TableFilter) -> Result<Self> {
        let identity = ReplicaIdentity::of_task(task, config.server_id.map(Into::into));
        Ok(Mysql { hosts: Hosts::new(config)?, identity, selected })
    }
}

#[async_trait]
impl Source for Mysql {
    fn describe(&self) -> String {
        self.hosts.describe()
    }

    async fn check(&self) -> Vec<Finding> {
        Vec::new()
    }

    async fn start_position(&self, start: &Start) -> Result<Position> {
        let mut control = self.hosts.control().await?;
        let connection = &mut control.connection;
        let position = match start {
            Start::Now => questions::now(connection).await,
            Start::Earliest => questions::earliest(connection).await,
            Start::Binlog { file, offset } => questions::position_at(connection, file, *offset).await,
            Start::Gtid(gtids) => questions::position_behind(connection, gtids).await,
        };
        control.keep(position)
    }

    async fn end_of_log(&self) -> Result<Position> {
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

    async fn tail(&self, from: Position, history: &SchemaHistory, out: &BatchSender) -> Result<()> {
        history.rewind_to(&from)?;
        let (connection, address) = self.hosts.connect_for(&from).await?;
        let (file, _) = dump::place(&from.log);
        let selected = Arc::clone(&self.selected);
        let decoder = Decoder::new(DecoderOptions {
            catalog: history.catalog_at(&from).into_iter().collect(),
            executed: from.executed.clone(),
            file: Arc::clone(file),
            selected: Box::new(move |table| selected(table)),
        });
        let heartbeat = self.hosts.config().heartbeat;
        let stream =
            BinlogStream::start(connection, address.to_string(), from, &self.identity, heartbeat).await?;
        binlog::follow(stream, decoder, history, out).await
    }
}
