//! Tables that are read as a whole: those without a key, those that several tables become, and those whose keys both ends order in
//! their own way.
//!
//! Each row belongs to one of 4,096 buckets by the hash of its key, or of all of it where there is none. The first pass compares the sums of
//! the buckets; the next one finds the rows in buckets that differ, as many of these at once as there is memory for.

use std::collections::HashMap;

use super::{
    Comparing,
    candidates::Candidate,
    digest::{From, Row, Sum},
    follow::Caught,
    key::{Key, key_of},
    pair::Pair,
    report::TableReport,
};
use crate::{error::Result, sources::rows::Part};

const BUCKETS: usize = 4_096;

/// What a row in a bucket that differs takes of the memory, at each end.
const ROW_BYTES: u64 = 80;

/// Rows of a table that are looked at again; what is beyond is counted.
const LOOKED_AT: usize = 20_000;

fn bucket(id: u128) -> usize {
    id as usize % BUCKETS
}

impl Comparing {
    pub(super) async fn buckets(&self, pair: &Pair, report: &mut TableReport) -> Result<()> {
        report.method = match (pair.key_columns, pair.sources.len()) {
            (0, _) => "read as a whole: no key",
            (_, 1) => "read as a whole: the order of its keys is not the same at both ends",
            _ => "read as a whole: several tables become it",
        };
        let (mut here, mut there) = (vec![Sum::default(); BUCKETS], vec![Sum::default(); BUCKETS]);
        let add = |sums: &mut Vec<Sum>, row: &Row<'_>| {
            if let Some(sum) = sums.get_mut(bucket(row.id)) {
                sum.add(row.hash);
            }
        };
        tokio::try_join!(
            self.scan_sources(pair, |row| add(&mut here, &row)),
            self.scan(pair, From::Destination, &Part::All, |row| add(&mut there, &row)),
        )?;
        report.chunks += BUCKETS as u64;
        report.source_rows = here.iter().map(|sum| sum.count).sum();
        report.destination_rows = there.iter().map(|sum| sum.count).sum();
        let differing: Vec<(usize, u64)> = here
            .iter()
            .zip(&there)
            .enumerate()
            .filter(|(_, (here, there))| here != there)
            .map(|(number, (here, there))| (number, here.count.max(there.count)))
            .collect();
        let mut candidates = Vec::new();
        for group in self.groups(&differing) {
            candidates.extend(self.differing(pair, &group).await?);
        }
        let beyond = candidates.split_off(candidates.len().min(LOOKED_AT));
        if pair.key_columns > 0 && !candidates.is_empty() {
            self.find_keys(pair, &mut candidates).await?;
        }
        self.settle_all(pair, candidates, report).await?;
        self.count_beyond(pair, &beyond, report).await
    }

    /// The buckets in groups whose rows there is memory for.
    fn groups(&self, differing: &[(usize, u64)]) -> Vec<Vec<bool>> {
        let settings = &self.settings.verify;
        let room = settings.memory.0 / (2 * ROW_BYTES * u64::from(settings.parallel.max(1)));
        let mut groups: Vec<Vec<bool>> = Vec::new();
        let mut left = 0;
        for (number, rows) in differing {
            if groups.is_empty() || *rows > left {
                groups.push(vec![false; BUCKETS]);
                left = room;
            }
            left = left.saturating_sub(*rows);
            if let Some(place) = groups.last_mut().and_then(|group| group.get_mut(*number)) {
                *place = true;
            }
        }
        groups
    }

    /// The rows of these buckets that differ, still without their keys.
    async fn differing(&self, pair: &Pair, group: &[bool]) -> Result<Vec<Candidate>> {
        let (mut here, mut there): (HashMap<u128, Sum>, HashMap<u128, Sum>) = Default::default();
        let add = |rows: &mut HashMap<u128, Sum>, row: &Row<'_>| {
            if group.get(bucket(row.id)).copied().unwrap_or(false) {
                rows.entry(row.id).or_default().add(row.hash);
            }
        };
        tokio::try_join!(
            self.scan_sources(pair, |row| add(&mut here, &row)),
            self.scan(pair, From::Destination, &Part::All, |row| add(&mut there, &row)),
        )?;
        let mut candidates = Vec::new();
        for (id, sum) in here {
            let other = there.remove(&id).unwrap_or_default();
            if sum != other {
                candidates.push(Candidate::new(id, (None, None), (sum, other)));
            }
        }
        let extra = there.into_iter();
        candidates.extend(extra.map(|(id, sum)| Candidate::new(id, (None, None), (Sum::default(), sum))));
        Ok(candidates)
    }

    /// Reads the keys of candidates, so that these can be read alone.
    async fn find_keys(&self, pair: &Pair, candidates: &mut [Candidate]) -> Result<()> {
        let ids: HashMap<u128, usize> =
            candidates.iter().enumerate().map(|(place, candidate)| (candidate.id, place)).collect();
        let (mut here, mut there): (HashMap<usize, Key>, HashMap<usize, Key>) = Default::default();
        let take = |keys: &mut HashMap<usize, Key>, row: &Row<'_>, places: &[usize]| {
            if let (Some(place), Some(key)) = (ids.get(&row.id), key_of(row.cells, places)) {
                keys.insert(*place, key);
            }
        };
        let of_key = |places: &[usize]| places.get(..pair.key_columns).unwrap_or_default().to_vec();
        let own = of_key(&pair.places);
        let sources = async {
            for source in &pair.sources {
                let places = of_key(&source.places);
                let each = |row: Row<'_>| take(&mut here, &row, &places);
                self.scan(pair, From::Source(source), &Part::All, each).await?;
            }
            Ok(())
        };
        let destination = self.scan(pair, From::Destination, &Part::All, |row| take(&mut there, &row, &own));
        tokio::try_join!(sources, destination)?;
        for (place, candidate) in candidates.iter_mut().enumerate() {
            let (here, there) = (here.remove(&place), there.remove(&place));
            candidate.source_key =
                here.clone().or_else(|| there.as_deref().and_then(|key| pair.to_source(key)));
            candidate.destination_key =
                there.or_else(|| here.as_deref().and_then(|key| pair.to_destination(key)));
        }
        Ok(())
    }

    /// Counts candidates that nobody looks at again: they differ where nothing changes, and have no verdict where something does.
    async fn count_beyond(&self, pair: &Pair, beyond: &[Candidate], report: &mut TableReport) -> Result<()> {
        if beyond.is_empty() {
            return Ok(());
        }
        report.notes.push(format!(
            "{} rows that differed were counted and not looked at again: compare it again when the others are repaired",
            beyond.len()
        ));
        let at_rest = self.ends.follow.catch_up(std::time::Duration::ZERO).await? == Caught::AtRest;
        for candidate in beyond {
            self.count(pair, candidate, at_rest, report);
        }
        Ok(())
    }
}
