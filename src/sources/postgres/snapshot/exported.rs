//! Snapshots that other sessions can read by, and their places in the log.

use std::{
    any::Any,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use slackwater_decoders::position::Position;
use tokio::sync::Mutex;

use crate::{
    error::{Error, Result},
    postgres_client::Address,
    sources::postgres::hosts::Hosts,
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

/// Exports a snapshot with a temporary slot, which goes with its connection.
async fn export(_hosts: &Hosts, _number: u32) -> Result<ExportedSnapshot> {
    Err(Error::definite("no snapshot"))
}
