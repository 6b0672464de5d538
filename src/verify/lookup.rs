//! Candidates read again: by their keys, or by another pass over the table where it has none that both ends understand.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;

use super::{
    Comparing,
    candidates::{Candidate, Held, Observer},
    digest::{Digester, From, Row},
    key::{Key, values},
    pair::Pair,
    report::TableReport,
};
use crate::{error::Result, sources::rows::Part};

/// Reads rows by their keys.
pub(super) struct ByKey<'c> {
    pub(super) comparing: &'c Comparing,
    pub(super) pair: &'c Pair,
}

/// Reads the tables once more.
pub(super) struct ByScan<'c> {
    pub(super) comparing: &'c Comparing,
    pub(super) pair: &'c Pair,
}

impl Comparing {
    /// Settles candidates in the way that is there for each of them.
    pub(super) async fn settle_all(
        &self,
        pair: &Pair,
        candidates: Vec<Candidate>,
        report: &mut TableReport,
    ) -> Result<()> {
        let is_keyed = pair.key_columns > 0 && pair.sources.iter().all(|source| source.key_order.is_some());
        let (known, unknown): (Vec<_>, Vec<_>) = candidates.into_iter().partition(|candidate| {
            is_keyed && candidate.source_key.is_some() && candidate.destination_key.is_some()
        });
        self.settle(pair, &ByKey { comparing: self, pair }, known, report).await?;
        self.settle(pair, &ByScan { comparing: self, pair }, unknown, report).await
    }
}

/// Rows that were found, by identity.
#[derive(Default)]
struct Found {
    held: HashMap<u128, Held>,
    /// Bytes of forms that may still be kept.
    room: usize,
}

impl Found {
    fn add(&mut self, row: &Row<'_>) {
        let held = self.held.entry(row.id).or_default();
        held.sum.add(row.hash);
        if held.forms.is_none() && row.forms.len() <= self.room {
            self.room -= row.forms.len();
            held.forms = Some(row.forms.into());
        }
    }
}

fn side_by_side(source: Found, destination: Found) -> HashMap<u128, (Held, Held)> {
    let mut both: HashMap<u128, (Held, Held)> =
        source.held.into_iter().map(|(id, held)| (id, (held, Held::default()))).collect();
    for (id, held) in destination.held {
        both.entry(id).or_default().1 = held;
    }
    both
}

impl ByKey<'_> {
    async fn read(
        &self,
        from: From<'_>,
        ids: &HashSet<u128>,
        keys: Vec<&Key>,
        found: &mut Found,
    ) -> Result<()> {
        let ordered = |key: &Key| match from {
            From::Source(source) => {
                let order = source.key_order.as_deref().unwrap_or_default();
                order.iter().filter_map(|place| key.get(*place).cloned()).collect()
            }
            From::Destination => key.clone(),
        };
        let keys: Vec<Key> = keys.into_iter().map(ordered).collect();
        let keys: Vec<_> = keys.iter().map(|key| values(key)).collect();
        let table = match from {
            From::Source(source) => &source.table,
            From::Destination => &self.pair.destination,
        };
        let batch =
            self.comparing.reader(from).rows(table, &keys).await.map_err(|error| error.on(&table.name))?;
        Digester::new(self.pair, from, self.comparing.hasher).read(&batch, |row| {
            if ids.contains(&row.id) {
                found.add(&row);
            }
        })
    }
}

#[async_trait]
impl Observer for ByKey<'_> {
    async fn observe(&self, candidates: &[Candidate]) -> Result<HashMap<u128, (Held, Held)>> {
        let ids: HashSet<u128> = candidates.iter().map(|candidate| candidate.id).collect();
        let whole = || Found { held: HashMap::new(), room: usize::MAX };
        let (mut source, mut destination) = (whole(), whole());
        for table in &self.pair.sources {
            let keys = candidates.iter().filter_map(|candidate| candidate.source_key.as_ref()).collect();
            self.read(From::Source(table), &ids, keys, &mut source).await?;
        }
        let keys = candidates.iter().filter_map(|candidate| candidate.destination_key.as_ref()).collect();
        self.read(From::Destination, &ids, keys, &mut destination).await?;
        Ok(side_by_side(source, destination))
    }
}

#[async_trait]
impl Observer for ByScan<'_> {
    async fn observe(&self, candidates: &[Candidate]) -> Result<HashMap<u128, (Held, Held)>> {
        let ids: HashSet<u128> = candidates.iter().map(|candidate| candidate.id).collect();
        let settings = &self.comparing.settings.verify;
        let room = (settings.memory.0 / 4 / u64::from(settings.parallel.max(1))) as usize;
        let half = || Found { held: HashMap::new(), room };
        let (mut source, mut destination) = (half(), half());
        let wanted = |row: Row<'_>, found: &mut Found| {
            if ids.contains(&row.id) {
                found.add(&row);
            }
        };
        tokio::try_join!(
            self.comparing.scan_sources(self.pair, |row| wanted(row, &mut source)),
            self.comparing
                .scan(self.pair, From::Destination, &Part::All, |row| wanted(row, &mut destination)),
        )?;
        Ok(side_by_side(source, destination))
    }

    fn at_once(&self) -> usize {
        usize::MAX
    }
}
