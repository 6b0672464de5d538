//! Snapshots that other sessions can read by, and their places in the log.

use std::{
    any::Any,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use slackwater_decoders::{position::Position, postgres::lsn::Lsn};
use tokio::sync::Mutex;
use tracing::info;

use crate::{
    error::{Error, Result},
    postgres_client::{Address, quoted},
    sources::postgres::{
        hosts::Hosts,
        replication::{Identity, Replication},
    },
};

/// A snapshot that shows exactly what was committed before a position. It lives as long as the connection that exported it.
pub(in crate::sources::postgres) struct ExportedSnapshot {
    name: String,
    position: Position,
    address: Address,
    /// Kept open, and without another command.
    _connection: Box<dyn Any + Send + Sync>,
}

impl ExportedSnapshot {
    /// The snapshot `name`, which `connection` to the server at `address` has exported with a slot that starts at `position`.
    pub(in crate::sources::postgres) fn new(
        name: String,
        position: Position,
        address: Address,
        connection: impl Any + Send + Sync,
    ) -> Self {
        ExportedSnapshot { name, position, address, _connection: Box::new(connection) }
    }

    /// For `SET TRANSACTION SNAPSHOT`.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Everything that was committed before is visible, and nothing else.
    pub(super) fn position(&self) -> &Position {
        &self.position
    }

    /// The server that knows it.
    pub(super) fn address(&self) -> &Address {
        &self.address
    }
}

/// The snapshot that readers share.
#[derive(Default)]
pub(super) struct Snapshots {
    current: Mutex<Option<Arc<ExportedSnapshot>>>,
    /// Temporary slots that this process has asked for.
    created: AtomicU32,
}

impl Snapshots {
    pub(super) async fn set(&self, snapshot: ExportedSnapshot) {
        *self.current.lock().await = Some(Arc::new(snapshot));
    }

    pub(super) async fn clear(&self) {
        *self.current.lock().await = None;
    }

    /// The current snapshot, if it is the one of that position.
    pub(super) async fn at(&self, position: &Position) -> Option<Arc<ExportedSnapshot>> {
        self.current.lock().await.clone().filter(|snapshot| snapshot.position == *position)
    }

    /// The current snapshot. A new one takes its place when there is none, or when the current one is at the position `unfit`: it was lost, or
    /// is older than the table.
    ///
    /// # Errors
    /// When no snapshot can be exported.
    pub(super) async fn exact(
        &self,
        hosts: &Hosts,
        unfit: Option<&Position>,
    ) -> Result<Arc<ExportedSnapshot>> {
        // Others wait for the one that is made here.
        let mut current = self.current.lock().await;
        if let Some(snapshot) = current.as_ref().filter(|snapshot| Some(&snapshot.position) != unfit) {
            return Ok(Arc::clone(snapshot));
        }
        let number = self.created.fetch_add(1, Ordering::Relaxed);
        let snapshot = Arc::new(export(hosts, number).await?);
        *current = Some(Arc::clone(&snapshot));
        Ok(snapshot)
    }
}

/// Exports a snapshot with a temporary slot, which goes with its connection. Waits until the transactions that write now have ended.
async fn export(hosts: &Hosts, number: u32) -> Result<ExportedSnapshot> {
    let control = hosts.control().await?;
    let address = control.session.address().clone();
    control.keep(Ok(()))?;
    let mut connection = Replication::open(&address, &hosts.login()?).await?;
    // A session that does nothing but keep its snapshot is idle in a transaction.
    connection.command("SET idle_in_transaction_session_timeout = 0").await?;
    let Identity { system, timeline } = connection.identify().await?;
    // The name is free as long as processes have numbers of their own: what an earlier one left goes with its connection.
    let name = format!("slackwater_copy_{}_{number}", std::process::id());
    // This spelling is understood by all versions (documentation, "Streaming Replication Protocol").
    let statement =
        format!("CREATE_REPLICATION_SLOT {} TEMPORARY LOGICAL pgoutput EXPORT_SNAPSHOT", quoted(&name));
    let rows = connection.patient_command(&statement).await.map_err(|error| {
        error.on(format!("temporary replication slot {name}")).remedy(
            "a copy needs one slot beside the task's own: raise max_replication_slots and max_wal_senders, or drop slots that \
             nobody uses",
        )
    })?;
    let row = rows.into_iter().next().unwrap_or_default();
    let text = |place: usize| row.get(place).cloned().flatten();
    let start: Option<Lsn> = text(1).and_then(|lsn| lsn.parse().ok());
    let (Some(start), Some(snapshot)) = (start, text(2)) else {
        return Err(Error::definite("the server does not say which snapshot it has exported").on(name));
    };
    info!(position = %start, slot = name, "a new snapshot for tables that are still to be copied");
    Ok(ExportedSnapshot::new(snapshot, Position::wal(system, timeline, start), address, connection))
}
