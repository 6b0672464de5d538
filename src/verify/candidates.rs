//! Rows that differed when they were read: what changed meanwhile is told from what is different.
//!
//! The end of the source's log is read, and waited for; then both rows are read again. A row that is equal then was on its
//! way. One that differs in the same way, with the same values at both ends, [`CONFIRMATIONS`] times is different. One that differs in
//! other ways each time until the patience is over has no verdict.

use std::{collections::HashMap, time::Duration};

use async_trait::async_trait;
use tokio::time::{Instant, sleep};

use super::{
    Comparing,
    canonical::{Forms, shown},
    digest::Sum,
    follow::Caught,
    key::Key,
    pair::Pair,
    report::{ColumnDifference, Difference, DifferenceKind, Keys, TableReport},
};
use crate::{config::mapping::Operation, error::Result};

/// How often a row has to be found different in the same way, while changes flow. Once is not enough: of a row that goes to and fro between
/// two states one end can show the one and the other end the other.
pub(super) const CONFIRMATIONS: u8 = 3;

/// Candidates that are looked at again together: their rows are in memory then.
const AT_ONCE: usize = 100;

/// The pause before rows are looked at again, at first; it doubles.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A row that was seen to differ.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) id: u128,
    pub(super) source_key: Option<Key>,
    pub(super) destination_key: Option<Key>,
    /// What was there, at the source and at the destination.
    pub(super) seen: (Sum, Sum),
    /// How often the same was seen again.
    confirmed: u8,
}

impl Candidate {
    pub(super) fn new(id: u128, keys: (Option<Key>, Option<Key>), seen: (Sum, Sum)) -> Self {
        Candidate { id, source_key: keys.0, destination_key: keys.1, seen, confirmed: 0 }
    }
}

/// The rows of one identity at one end.
#[derive(Clone, Debug, Default)]
pub(super) struct Held {
    pub(super) sum: Sum,
    /// The forms of one of them, where there is memory for them.
    pub(super) forms: Option<Box<[u8]>>,
}

/// Reads candidates again. Those that are at neither end are left out.
#[async_trait]
pub(super) trait Observer: Send + Sync {
    async fn observe(&self, candidates: &[Candidate]) -> Result<HashMap<u128, (Held, Held)>>;

    /// How many are read at once at best.
    fn at_once(&self) -> usize {
        AT_ONCE
    }
}

impl Comparing {
    /// Finds out which of the candidates differ, and puts them into the report.
    pub(super) async fn settle(
        &self,
        pair: &Pair,
        observer: &dyn Observer,
        candidates: Vec<Candidate>,
        report: &mut TableReport,
    ) -> Result<()> {
        let deadline = Instant::now() + self.settings.verify.patience;
        let mut pause = FIRST_PAUSE;
        let mut open = candidates;
        while !open.is_empty() && !self.is_stopped() {
            let left = deadline.saturating_duration_since(Instant::now());
            let caught = self.ends.follow.catch_up(left).await?;
            if caught == Caught::Late {
                break;
            }
            let mut next = Vec::new();
            for piece in open.chunks(observer.at_once().max(1)) {
                let mut held = observer.observe(piece).await?;
                for candidate in piece {
                    let held = held.remove(&candidate.id).unwrap_or_default();
                    next.extend(self.judge(pair, candidate, held, caught == Caught::AtRest, report));
                }
            }
            open = next;
            if !open.is_empty() {
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
        report.unsettled += open.len() as u64;
        Ok(())
    }

    /// The candidate again, where nothing can be said yet.
    fn judge(
        &self,
        pair: &Pair,
        candidate: &Candidate,
        (source, destination): (Held, Held),
        at_rest: bool,
        report: &mut TableReport,
    ) -> Option<Candidate> {
        if source.sum == destination.sum {
            return None;
        }
        let seen = (source.sum, destination.sum);
        let confirmed = if seen == candidate.seen { candidate.confirmed + 1 } else { 0 };
        if at_rest || confirmed >= CONFIRMATIONS {
            self.add(pair, candidate, &source, &destination, report);
            return None;
        }
        Some(Candidate { seen, confirmed, ..candidate.clone() })
    }

    fn add(
        &self,
        pair: &Pair,
        candidate: &Candidate,
        source: &Held,
        destination: &Held,
        report: &mut TableReport,
    ) {
        let Some((kind, rows)) = tally(pair, (source.sum, destination.sum), report) else { return };
        if report.differences.len() >= self.settings.listed {
            return;
        }
        let forms = |held: &Held| held.forms.clone().unwrap_or_default();
        let (source, destination) = (forms(source), forms(destination));
        let keys = Keys { source: candidate.source_key.clone() };
        let key = self.shown_key(pair, if source.is_empty() { &destination } else { &source });
        let columns = self.columns(pair, &source, &destination, kind);
        report.differences.push(Difference { kind, rows, key, columns, keys });
    }

    /// Counts a candidate that is not looked at again.
    pub(super) fn count(&self, pair: &Pair, candidate: &Candidate, at_rest: bool, report: &mut TableReport) {
        if at_rest {
            tally(pair, candidate.seen, report);
        } else {
            report.unsettled += 1;
        }
    }

    fn shown_key(&self, pair: &Pair, forms: &[u8]) -> Vec<(String, String)> {
        let names = pair.comparisons.iter().take(pair.key_columns).map(|pair| pair.destination.name.clone());
        names.zip(Forms::new(forms).map(|form| self.display(form))).collect()
    }

    /// What is told of a row beside its key.
    fn columns(
        &self,
        pair: &Pair,
        source: &[u8],
        destination: &[u8],
        kind: DifferenceKind,
    ) -> Vec<ColumnDifference> {
        let is_whole_row = pair.key_columns == 0;
        if kind != DifferenceKind::Changed && !is_whole_row {
            return Vec::new();
        }
        let (mut here, mut there) = (Forms::new(source), Forms::new(destination));
        let mut columns = Vec::new();
        for comparison in &pair.comparisons {
            let (here, there) = (here.next(), there.next());
            let tells = if is_whole_row { self.settings.show_values } else { here != there };
            if tells {
                columns.push(ColumnDifference {
                    column: comparison.destination.name.clone(),
                    source: here.map(|form| self.display(form)),
                    destination: there.map(|form| self.display(form)),
                });
            }
        }
        columns
    }

    fn display(&self, form: &[u8]) -> String {
        if self.settings.show_values { shown(form) } else { self.hasher.mask(form) }
    }
}

/// Counts what differs; `None` where the task does not carry what would make it equal.
fn tally(
    pair: &Pair,
    (source, destination): (Sum, Sum),
    report: &mut TableReport,
) -> Option<(DifferenceKind, u64)> {
    let (here, there) = (source.count, destination.count);
    let is_keyless = pair.key_columns == 0;
    let (kind, rows, operation) = match (here, there) {
        (_, 0) => (DifferenceKind::Missing, here, Operation::Insert),
        (0, _) => (DifferenceKind::Extra, there, Operation::Delete),
        _ if is_keyless && here > there => (DifferenceKind::Missing, here - there, Operation::Insert),
        _ if is_keyless => (DifferenceKind::Extra, there - here, Operation::Delete),
        _ => (DifferenceKind::Changed, 1, Operation::Update),
    };
    if !pair.carries(operation) {
        return None;
    }
    *match kind {
        DifferenceKind::Missing => &mut report.missing,
        DifferenceKind::Extra => &mut report.extra,
        DifferenceKind::Changed => &mut report.changed,
    } += rows;
    Some((kind, rows))
}
