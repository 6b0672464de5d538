//! Writes the accounts of tables into the local store: what comes while one write runs goes together in the next.

use std::{collections::BTreeMap, sync::Arc};

use tokio::{
    sync::{mpsc, oneshot},
    task::{JoinHandle, spawn_blocking},
};

use super::ledger::Ledger;
use crate::{
    error::{Error, Result},
    positions::Store,
};

/// Accounts that wait for the disk at most.
const WAITING: usize = 1024;

/// Takes accounts to be written. Whatever is in an account when it is written counts.
pub(super) struct Recorder {
    entries: mpsc::Sender<Entry>,
}

struct Entry {
    ledger: Arc<Ledger>,
    stored: Option<oneshot::Sender<()>>,
}

impl Recorder {
    /// Starts to write; ends when the recorder is dropped, with the first error. `count` is the number of all tables.
    pub(super) fn start(store: Store, count: usize) -> (Self, JoinHandle<Result<()>>) {
        let (entries, received) = mpsc::channel(WAITING);
        (Recorder { entries }, tokio::spawn(write(store, count, received)))
    }

    /// Has an account written soon.
    pub(super) async fn mark(&self, ledger: &Arc<Ledger>) {
        // Nobody takes it when a write failed, and that ends the copy.
        let _ = self.entries.send(Entry { ledger: Arc::clone(ledger), stored: None }).await;
    }

    /// Has an account written and waits until it is on disk.
    pub(super) async fn store(&self, ledger: &Arc<Ledger>) -> Result<()> {
        let (sender, stored) = oneshot::channel();
        let entry = Entry { ledger: Arc::clone(ledger), stored: Some(sender) };
        let _ = self.entries.send(entry).await;
        stored.await.map_err(|_| Error::transient("the progress could not be stored").on(ledger.table()))
    }
}

async fn write(store: Store, count: usize, mut received: mpsc::Receiver<Entry>) -> Result<()> {
    let mut entries = Vec::new();
    while received.recv_many(&mut entries, WAITING).await > 0 {
        let changed: BTreeMap<_, _> =
            entries.iter().map(|entry| (entry.ledger.table().clone(), &entry.ledger)).collect();
        let changed: Vec<_> = changed.into_values().map(|ledger| ledger.copy()).collect();
        let disk = store.clone();
        spawn_blocking(move || disk.save_copies(count, &changed))
            .await
            .map_err(|error| Error::definite("storing the progress was broken off").caused_by(error))??;
        for stored in entries.drain(..).filter_map(|entry| entry.stored) {
            let _ = stored.send(());
        }
    }
    Ok(())
}
