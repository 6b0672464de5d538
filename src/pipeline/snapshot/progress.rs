//! What is told about a copy while it runs.

use std::{
    fmt,
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
    /// What its reader is at and for how many seconds, while it is being copied.
    #[serde(default)]
    pub step: Option<(Step, f64)>,
    /// Blocks of rows that were read and that the destination does not hold yet.
    #[serde(default)]
    pub blocks_on_their_way: u64,
    /// Why it cannot be copied.
    pub error: Option<String>,
    /// Its part in the whole work.
    #[serde(skip)]
    pub(super) weight: u64,
}

/// What the reader of a table is at: whom the copy waits for when it does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The source is asked for the definition, the start and the first rows.
    Opening,
    /// The destination's table is emptied or made anew, by one reader at a time.
    Preparing,
    /// The source is asked for rows.
    Reading,
    /// A block waits for memory or for a loader.
    Queueing,
    /// The destination takes the last blocks.
    Loading,
    /// What failed, or was changed meanwhile, is tried anew in a moment.
    Pausing,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Step::Opening => "asking the source for the table",
            Step::Preparing => "preparing the destination's table",
            Step::Reading => "reading from the source",
            Step::Queueing => "waiting for memory or a loader",
            Step::Loading => "waiting for the destination to take blocks",
            Step::Pausing => "pausing before another attempt",
        })
    }
}

impl CopyStatus {
    /// What the tables that are being copied wait for, the first ones of them, in one line; `None` when there is none.
    #[must_use]
    pub fn steps(&self) -> Option<String> {
        /// A line is read by people; a task has rarely more readers.
        const SHOWN: usize = 16;
        let copying = self.details.iter().filter(|table| table.state == TableState::Copying);
        let steps = copying.filter_map(|table| {
            let (step, seconds) = table.step?;
            let blocks = match table.blocks_on_their_way {
                0 => String::new(),
                1 => ", 1 block on its way".to_owned(),
                blocks => format!(", {blocks} blocks on their way"),
            };
            Some(format!("{}: {step} for {seconds:.1} s{blocks}", table.table))
        });
        let steps: Vec<String> = steps.take(SHOWN).collect();
        (!steps.is_empty()).then(|| steps.join("; "))
    }
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

impl fmt::Debug for CopyBoard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
