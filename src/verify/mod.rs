//! Comparing what the destination holds with what the source has.
//!
//! The rows of the source go through the mapping to what the destination has to hold, and both ends' rows are brought into one form
//! ([`canonical`]). Then:
//!
//! * Tables whose keys have one order at both ends are compared by ranges of keys (`ranges`): the source's rows are read in the order of
//!   the key, and behind every some thousand rows the same range of the destination. Their number and the sum of their hashes are
//!   compared; a range that differs is read again row by row. The first range begins before the first key and the last one ends behind the last, so that
//!   every row of the destination is in one.
//! * All others, and tables without a key, are read as a whole (`buckets`): sums for each of 4,096 parts of the hashes of the keys;
//!   another pass looks at the rows of the parts that differ.
//! * A row that differs is a candidate (`candidates`): while changes flow it is read again when the tail has passed the end of the
//!   log, until it is equal or stays different.
//!
//! No lock is taken at either end.

pub mod background;
mod buckets;
mod candidates;
pub mod canonical;
mod counts;
mod digest;
pub mod follow;
mod key;
mod lookup;
mod pair;
mod ranges;
pub mod repair;
pub mod report;
mod scan;
pub mod task;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use slackwater_decoders::schema::{Table, TableName};
use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
    time::Instant,
};

use self::{
    canonical::Rules,
    digest::Hasher,
    follow::Follow,
    pair::{Pair, Unpaired, routes},
    report::{Report, TableReport},
};
use crate::{
    config::{self, Depth},
    error::{Error, Result},
    mapping::Mapping,
    sources::{
        rows::RowReader,
        throttle::{Limits, Throttle},
    },
};

/// Rows of a range whose sums are compared, about.
const RANGE_ROWS: u64 = if cfg!(test) { 4 } else { 4_096 };

/// How a comparison is made.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The task's name.
    pub task: String,
    /// `[verify]`.
    pub verify: config::Verify,
    /// What the destination does with values that it cannot hold.
    pub rules: Rules,
    /// Values are told, and not hidden behind a hash.
    pub show_values: bool,
    /// How many differing rows of a table are listed; `verify.listed` unless a repair needs all.
    pub listed: usize,
}

/// Both ends of a comparison.
#[derive(Clone)]
pub struct Ends {
    /// Reads the source.
    pub source: Arc<dyn RowReader>,
    /// Reads the destination.
    pub destination: Arc<dyn RowReader>,
    /// What becomes of the source's tables.
    pub mapping: Arc<Mapping>,
    /// Tells when changes have reached the destination.
    pub follow: Arc<dyn Follow>,
}

/// How far a comparison is. Clones are handles of the same one.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    tables: AtomicU64,
    done: AtomicU64,
    rows: AtomicU64,
}

impl Progress {
    /// Tables in all, tables done, and rows of the source that were read.
    #[must_use]
    pub fn now(&self) -> (u64, u64, u64) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (read(&self.0.tables), read(&self.0.done), read(&self.0.rows))
    }
}

/// What the comparison of all tables shares.
struct Comparing {
    ends: Ends,
    settings: Settings,
    hasher: Hasher,
    depth: Depth,
    limits: [Throttle; 2],
    progress: Progress,
    stop: watch::Receiver<bool>,
}

/// Compares the tables of these names at the source, those of them that the mapping carries, with what the destination holds. Ends early when
/// `stop` says so.
///
/// # Errors
/// When the definitions of an end cannot be read, or the rules do not fit them. What goes wrong with one table is told in its
/// report.
pub async fn run(
    ends: Ends,
    settings: Settings,
    tables: &[TableName],
    depth: Depth,
    progress: Progress,
    stop: watch::Receiver<bool>,
) -> Result<Report> {
    let begun = Instant::now();
    let mut report =
        Report { task: settings.task.clone(), depth: Report::depth_name(depth), ..Report::default() };
    if depth == Depth::None {
        return Ok(report);
    }
    let limit = Limits { rows_per_second: settings.verify.rows_per_second.unwrap_or(0), ..Limits::default() };
    let parallel = settings.verify.parallel.max(1) as usize;
    let comparing = Arc::new(Comparing {
        ends,
        settings,
        hasher: Hasher(seed()),
        depth,
        limits: [Throttle::new(limit), Throttle::new(limit)],
        progress,
        stop,
    });
    let pairs = comparing.pairs(tables).await?;
    comparing.progress.0.tables.store(pairs.len() as u64, Ordering::Relaxed);
    let places = Arc::new(Semaphore::new(parallel));
    let mut running = JoinSet::new();
    for (number, pair) in pairs.into_iter().enumerate() {
        let (comparing, places) = (Arc::clone(&comparing), Arc::clone(&places));
        running.spawn(async move {
            let _place = places.acquire_owned().await;
            let report = comparing.table(pair).await;
            comparing.progress.0.done.fetch_add(1, Ordering::Relaxed);
            (number, report)
        });
    }
    let mut reports = Vec::new();
    while let Some(joined) = running.join_next().await {
        reports
            .push(joined.map_err(|error| Error::definite("the comparison was broken off").caused_by(error))?);
    }
    reports.sort_by_key(|(number, _)| *number);
    report.tables = reports.into_iter().map(|(_, report)| report).collect();
    report.stopped = comparing.is_stopped();
    report.seconds = begun.elapsed().as_secs_f64();
    Ok(report)
}

/// Another one in each run. It need not be secret: it keeps rows from being made beforehand so that their hashes are alike.
fn seed() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (since.as_nanos() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ u64::from(std::process::id())
}

impl Comparing {
    fn is_stopped(&self) -> bool {
        *self.stop.borrow()
    }

    /// The tables of both ends side by side, in the order of their names at the destination.
    async fn pairs(&self, names: &[TableName]) -> Result<Vec<Result<Pair, Unpaired>>> {
        let sources = self.ends.source.tables(names).await?;
        let targets = routes(&self.ends.mapping, &sources)?;
        let wanted: Vec<TableName> = targets.keys().cloned().collect();
        let found: HashMap<TableName, Arc<Table>> = self
            .ends
            .destination
            .tables(&wanted)
            .await?
            .into_iter()
            .map(|table| (table.name.clone(), table))
            .collect();
        let rules = self.settings.rules;
        Ok(targets
            .into_iter()
            .map(|(name, sources)| {
                let destination = found.get(&name);
                Pair::new(name, sources, destination, rules)
            })
            .collect())
    }

    async fn table(&self, pair: Result<Pair, Unpaired>) -> TableReport {
        let pair = match pair {
            Ok(pair) => pair,
            Err(Unpaired { name, sources, reason }) => {
                return TableReport {
                    table: name.to_string(),
                    sources: sources.iter().map(ToString::to_string).collect(),
                    method: "not read",
                    error: Some(reason),
                    ..TableReport::default()
                };
            }
        };
        let mut report = TableReport {
            table: pair.name.to_string(),
            sources: pair.sources.iter().map(|source| source.table.name.to_string()).collect(),
            left_out: pair.left_out.clone(),
            method: "not read",
            ..TableReport::default()
        };
        if self.is_stopped() {
            report.notes.push("stopped before it".to_owned());
            return report;
        }
        let compared = match (self.depth, pair.is_ordered) {
            (Depth::None, _) => Ok(()),
            (Depth::Counts, _) => self.counts(&pair, &mut report).await,
            (Depth::Sample, true) if self.can_jump(&pair) => self.ranges(&pair, true, &mut report).await,
            (_, true) => self.ranges(&pair, false, &mut report).await,
            (_, false) => self.buckets(&pair, &mut report).await,
        };
        if let Err(error) = compared {
            if self.is_stopped() {
                report.notes.push("stopped before its end".to_owned());
            } else {
                report.is_transient = error.is_transient();
                report.error = Some(error.to_string());
            }
        }
        report
    }
}

#[cfg(test)]
mod fake;
#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
