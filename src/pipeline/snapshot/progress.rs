//! What is told about a copy while it runs.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use serde::{Deserialize, Serialize};

use super::ledger::Ledger;

/// How the copy of the tables stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CopyStatus {
    /// Number of tables, without those that are gone.
    pub tables: u64,
    /// Tables whose copy has not begun.
    pub waiting: u64,
    /// Tables that are being copied.
    pub copying: u64,
    /// Tables that are copied.
    pub copied: u64,
    /// Tables that cannot be copied.
    pub failed: u64,
    /// Rows that the destination holds.
    pub rows: u64,
    /// Rows of all tables, as the source estimated them.
    pub estimated_rows: u64,
    /// Bytes in memory of the rows that the destination holds.
    pub bytes: u64,
    /// Rows a second since this process began to copy.
    pub rows_per_second: f64,
    /// Bytes a second since this process began to copy.
    pub bytes_per_second: f64,
    /// Share of the work that is done, 0 to 1, by the estimated sizes of the tables.
    pub done: f64,
    /// Seconds until all is copied, if it goes on as since the start of this process; `None`: not known.
    pub seconds_left: Option<f64>,
    /// The tables: those that are being copied and [some](NAMED) of those that failed; all of them where all are asked for.
    pub details: Vec<TableStatus>,
}

/// Tables that failed which are told about without being asked for.
pub const NAMED: u64 = 100;

/// How the copy of one table stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableStatus {
    /// Its name at the source.
    pub table: String,
    /// How far it is.
    pub state: TableState,
    /// How often its copy began again.
    pub restarts: u32,
    /// Rows that the destination holds.
    pub rows: u64,
    /// Rows, as the source estimated them.
    pub estimated_rows: u64,
    /// Bytes in memory of the rows that the destination holds.
    pub bytes: u64,
    /// Rows a second since this process began with it; 0 unless it is being copied.
    pub rows_per_second: f64,
    /// Seconds until it is copied; `None`: not known.
    pub seconds_left: Option<f64>,
    /// Why it cannot be copied.
    pub error: Option<String>,
    /// Its part in the whole work.
    #[serde(skip)]
    pub(super) weight: u64,
}

/// How far the copy of a table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TableState {
    /// Its copy has not begun, or goes on later.
    Waiting,
    /// It is being copied.
    Copying,
    /// The destination holds all its rows.
    Copied,
    /// It cannot be copied.
    Failed,
    /// The source does not have it any more.
    Gone,
}

/// The accounts of all tables, for those who watch. Cloning it gives another handle.
#[derive(Clone)]
pub(crate) struct CopyBoard(Arc<Mutex<Watched>>);

struct Watched {
    ledgers: Vec<Arc<Ledger>>,
    since: Instant,
    /// What was done before this process.
    before: Option<CopyStatus>,
}

impl std::fmt::Debug for CopyBoard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CopyBoard").finish_non_exhaustive()
    }
}

impl CopyBoard {
    pub(super) fn new() -> Self {
        let watched = Watched { ledgers: Vec::new(), since: Instant::now(), before: None };
        CopyBoard(Arc::new(Mutex::new(watched)))
    }

    pub(super) fn watch(&self, ledgers: &[Arc<Ledger>]) {
        let mut watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        watched.ledgers = ledgers.to_vec();
        if watched.before.is_none() {
            watched.before = Some(sum(&watched.ledgers, false));
            watched.since = Instant::now();
        }
    }

    /// The progress now; `details` of all tables, or of those that are being copied or failed.
    pub(crate) fn status(&self, details: bool) -> CopyStatus {
        let watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut status = sum(&watched.ledgers, details);
        let seconds = watched.since.elapsed().as_secs_f64().max(0.001);
        let before =
            watched.before.as_ref().map_or((0, 0, 0.0), |before| (before.rows, before.bytes, before.done));
        status.rows_per_second = status.rows.saturating_sub(before.0) as f64 / seconds;
        status.bytes_per_second = status.bytes.saturating_sub(before.1) as f64 / seconds;
        let pace = (status.done - before.2) / seconds;
        status.seconds_left = (pace > 0.0 && status.done < 1.0).then(|| (1.0 - status.done) / pace);
        status
    }
}

fn sum(ledgers: &[Arc<Ledger>], all: bool) -> CopyStatus {
    let mut total = CopyStatus::default();
    let (mut done, mut weight) = (0.0, 0.0);
    for ledger in ledgers {
        let table = ledger.status();
        let fraction = match table.state {
            TableState::Gone => continue,
            TableState::Copied => 1.0,
            _ if table.estimated_rows == 0 => 0.0,
            // An estimate can be too low: a table that is not finished is not done.
            _ => (table.rows as f64 / table.estimated_rows as f64).min(0.99),
        };
        done += fraction * table.weight as f64;
        weight += table.weight as f64;
        let count = match table.state {
            TableState::Waiting | TableState::Gone => &mut total.waiting,
            TableState::Copying => &mut total.copying,
            TableState::Copied => &mut total.copied,
            TableState::Failed => &mut total.failed,
        };
        *count += 1;
        total.tables += 1;
        total.rows += table.rows;
        total.estimated_rows += table.estimated_rows;
        total.bytes += table.bytes;
        let is_named = table.state == TableState::Copying
            || (table.state == TableState::Failed && total.failed <= NAMED);
        if all || is_named {
            total.details.push(table);
        }
    }
    total.done = if weight > 0.0 { done / weight } else { 1.0 };
    total
}
