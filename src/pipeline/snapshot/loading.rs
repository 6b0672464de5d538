//! Loaders: each takes the next block, of whatever table, and loads it until the destination holds it.

use std::sync::Arc;

use slackwater_decoders::{
    arena::ArenaPool,
    event::{Event, RowChange, Rows},
};
use tokio::sync::{Mutex, mpsc};
use tracing::warn;

use super::{
    Shared,
    ledger::{Ledger, Loaded},
};
use crate::{
    destinations::load::Loader,
    error::{Error, Result},
    mapping::Route,
    pipeline::{queue::MemoryPermit, retry::Retries},
    sources::snapshot::Block,
};

/// A block on its way.
pub(super) struct Load {
    pub(super) ledger: Arc<Ledger>,
    pub(super) route: Arc<Route>,
    pub(super) block: Block,
    /// Its number among the blocks of its table.
    pub(super) number: u64,
    /// Whether some of its rows may be there already.
    pub(super) again: bool,
    pub(super) _permit: MemoryPermit,
}

/// Blocks that were read, for whichever loader is free.
pub(super) type Queue = Arc<Mutex<mpsc::Receiver<Load>>>;

/// Loads blocks until there are no more. Errors are the table's.
pub(super) async fn load_blocks(shared: Arc<Shared>, queue: Queue) {
    let mut loader = None;
    loop {
        let load = queue.lock().await.recv().await;
        let Some(load) = load else { return };
        if load.ledger.is_void() {
            load.ledger.given_up();
            continue;
        }
        match load_block(&shared, &mut loader, &load).await {
            Ok(Some(loaded)) => {
                load.ledger.loaded(load.number, loaded);
                shared.recorder.mark(&load.ledger).await;
            }
            Ok(None) => load.ledger.given_up(),
            Err(error) => {
                load.ledger.fail(error.on(load.ledger.table()));
                load.ledger.given_up();
            }
        }
    }
}

/// `None`: the block is not loaded, because the task is to stop or the table's copy begins again.
async fn load_block(
    shared: &Shared,
    loader: &mut Option<Box<dyn Loader>>,
    load: &Load,
) -> Result<Option<Loaded>> {
    let pool = ArenaPool::new();
    let mut again = load.again;
    let mut retries = Retries::new(shared.retry);
    let blocks = load.block.batch.events().iter().filter_map(|event| match event {
        Event::Rows(rows) => Some(rows),
        _ => None,
    });
    let mut count = 0;
    for rows in blocks {
        let changes = mapped(&load.route, rows, &pool)?;
        count += changes.len() as u64;
        let rows = Rows { table: Arc::clone(load.route.target()), changes: &changes, ..rows.clone() };
        while !changes.is_empty() {
            let Err(error) = load_rows(shared, loader, &rows, again).await else { break };
            // Nobody knows what the destination took of it, nor what became of the connection.
            (*loader, again) = (None, true);
            if load.route.target().key().is_none() && error.is_transient() {
                load.ledger.tear(error);
                return Ok(None);
            }
            let (pause, error) = retries.after(error)?;
            warn!(%error, ?pause, table = %load.ledger.table(), "loading rows again");
            shared.note_retry(&error);
            if shared.pause(pause).await {
                return Ok(None);
            }
        }
    }
    let bytes = load.block.batch.summary().bytes as u64;
    Ok(Some(Loaded { end: load.block.end.clone(), rows: count, bytes }))
}

async fn load_rows(
    shared: &Shared,
    loader: &mut Option<Box<dyn Loader>>,
    rows: &Rows<'_>,
    again: bool,
) -> Result<()> {
    if loader.is_none() {
        *loader = Some(shared.target.lock().await.loader().await?);
    }
    let loader = loader.as_mut().ok_or_else(|| Error::transient("there is no loader"))?;
    loader.load(rows, again).await
}

/// The rows as the destination is to have them, without those that a filter holds back.
fn mapped<'a>(route: &Route, rows: &Rows<'a>, pool: &'a ArenaPool) -> Result<Vec<RowChange<'a>>> {
    let arena = pool.arena();
    let mut changes = Vec::with_capacity(rows.changes.len());
    for change in rows.changes {
        changes.extend(route.change(change, &arena)?);
    }
    Ok(changes)
}
