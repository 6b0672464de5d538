//! Tables whose keys have one order at both ends: range after range.

use std::collections::HashMap;

use slackwater_decoders::batch::Batch;
use tokio::sync::mpsc;

use super::{
    Comparing, RANGE_ROWS,
    candidates::Candidate,
    digest::{Digester, From, Sum, images},
    key::{Key, Owned, key_of, values},
    pair::{Pair, SourceTable},
    report::TableReport,
};
use crate::{
    error::{Error, Result},
    sources::rows::Part,
};

/// Ranges that the source may be ahead of the destination.
const AHEAD: usize = 4;
/// Candidates that are settled together.
const CANDIDATES: usize = 1_000;

/// A part of the source's rows, by its bounds in the source's types.
struct Range {
    after: Option<Key>,
    to: Option<Key>,
    sum: Sum,
}

impl Comparing {
    /// Whether a sample can be taken by going from key to key: the first column of the key is a whole number.
    pub(super) fn can_jump(&self, pair: &Pair) -> bool {
        use slackwater_decoders::schema::ColumnType;
        pair.comparisons
            .first()
            .is_some_and(|first| matches!(first.source.column_type, ColumnType::Integer { .. }))
    }

    /// Compares all rows, or (`sampled`) those of ranges with room between them.
    pub(super) async fn ranges(&self, pair: &Pair, sampled: bool, report: &mut TableReport) -> Result<()> {
        report.method = if sampled { "ranges of keys here and there" } else { "ranges of keys" };
        let Some(source) = pair.sources.first() else { return Ok(()) };
        let (sender, receiver) = mpsc::channel(AHEAD);
        let produce = async {
            let produced = match sampled {
                true => self.sample_source(pair, source, &sender).await,
                false => self.read_source(pair, source, &sender).await,
            };
            drop(sender);
            produced
        };
        let consume = self.compare_ranges(pair, receiver, report);
        let (produced, consumed) = tokio::join!(produce, consume);
        // That of the consumer is why the other one ended.
        consumed.and(produced)
    }

    async fn read_source(&self, pair: &Pair, source: &SourceTable, out: &mpsc::Sender<Range>) -> Result<()> {
        let from = From::Source(source);
        let mut scan = self.open(pair, from, &Part::Range { after: None, to: None }).await?;
        let mut digester = Digester::new(pair, from, self.hasher);
        let (mut after, mut sum, mut read) = (None, Sum::default(), 0);
        while let Some(batch) = self.next(from, &mut *scan).await? {
            digester.read(&batch, |row| sum.add(row.hash))?;
            read += images(&batch).count() as u64;
            let Some(last) = last_key(&batch, source)? else { continue };
            if read >= RANGE_ROWS {
                let range = Range { after: after.replace(last.clone()), to: Some(last), sum };
                if out.send(range).await.is_err() {
                    return Ok(());
                }
                (sum, read) = (Sum::default(), 0);
            }
        }
        let _ = out.send(Range { after, to: None, sum }).await;
        Ok(())
    }

    /// Reads one block, and jumps so far that one of `verify.sample` rows is read where the keys lie as close as in the block.
    async fn sample_source(
        &self,
        pair: &Pair,
        source: &SourceTable,
        out: &mpsc::Sender<Range>,
    ) -> Result<()> {
        let from = From::Source(source);
        let mut digester = Digester::new(pair, from, self.hasher);
        let mut after: Option<Key> = None;
        loop {
            let bound = after.as_deref().map(values);
            let part = Part::Range { after: bound.as_deref(), to: None };
            let mut scan = self.open(pair, from, &part).await?;
            let batch = self.next(from, &mut *scan).await?;
            drop(scan);
            let Some(batch) = batch else {
                // Behind the last row of the source the destination has none.
                let _ = out.send(Range { after, to: None, sum: Sum::default() }).await;
                return Ok(());
            };
            let mut sum = Sum::default();
            digester.read(&batch, |row| sum.add(row.hash))?;
            let Some(last) = last_key(&batch, source)? else { return Ok(()) };
            let next = self.jump(&batch, source, &last);
            let range = Range { after: after.take(), to: Some(last), sum };
            if out.send(range).await.is_err() {
                return Ok(());
            }
            after = Some(next);
        }
    }

    /// The key to go on behind.
    fn jump(&self, batch: &Batch, source: &SourceTable, last: &Key) -> Key {
        let mut next = last.clone();
        let first = images(batch).next().and_then(|row| key_of(row, &source.key_places));
        let number = |key: Option<&Key>| key.and_then(|key| key.first()).and_then(Owned::integer);
        let (Some(start), Some(end)) = (number(first.as_ref()), number(Some(last))) else { return next };
        let distance = (end - start + 1) * i128::from(self.settings.verify.sample.saturating_sub(1));
        let target = end.saturating_add(distance);
        match next.first_mut() {
            Some(Owned::Int(number)) => *number = i64::try_from(target).unwrap_or(i64::MAX),
            Some(Owned::UInt(number)) => *number = u64::try_from(target).unwrap_or(u64::MAX),
            _ => {}
        }
        next
    }

    async fn compare_ranges(
        &self,
        pair: &Pair,
        mut ranges: mpsc::Receiver<Range>,
        report: &mut TableReport,
    ) -> Result<()> {
        let mut candidates = Vec::new();
        while let Some(range) = ranges.recv().await {
            let (after, to) = (bound(pair, range.after.as_ref())?, bound(pair, range.to.as_ref())?);
            let (after, to) = (after.as_deref().map(values), to.as_deref().map(values));
            let there = Part::Range { after: after.as_deref(), to: to.as_deref() };
            let mut sum = Sum::default();
            self.scan(pair, From::Destination, &there, |row| sum.add(row.hash)).await?;
            report.chunks += 1;
            report.source_rows += range.sum.count;
            report.destination_rows += sum.count;
            if sum != range.sum {
                self.look_into(pair, &range, &there, &mut candidates, report).await?;
            }
            if candidates.len() >= CANDIDATES {
                self.settle_all(pair, std::mem::take(&mut candidates), report).await?;
            }
        }
        self.settle_all(pair, candidates, report).await
    }

    /// Finds the rows that differ in a range. Those of the source are in memory, as hashes; those of the destination may be any number.
    async fn look_into(
        &self,
        pair: &Pair,
        range: &Range,
        there: &Part<'_>,
        candidates: &mut Vec<Candidate>,
        report: &mut TableReport,
    ) -> Result<()> {
        let Some(source) = pair.sources.first() else { return Ok(()) };
        let mut rows: HashMap<u128, (Sum, Option<Key>)> = HashMap::new();
        let (after, to) = (range.after.as_deref().map(values), range.to.as_deref().map(values));
        let part = Part::Range { after: after.as_deref(), to: to.as_deref() };
        let places = source.places.get(..pair.key_columns).unwrap_or_default();
        self.scan(pair, From::Source(source), &part, |row| {
            let (sum, key) = rows.entry(row.id).or_default();
            sum.add(row.hash);
            *key = key_of(row.cells, places);
        })
        .await?;
        let places = pair.places.get(..pair.key_columns).unwrap_or_default();
        let mut scan = self.open(pair, From::Destination, there).await?;
        let mut digester = Digester::new(pair, From::Destination, self.hasher);
        while let Some(batch) = self.next(From::Destination, &mut *scan).await? {
            digester.read(&batch, |row| {
                let mut own = Sum::default();
                own.add(row.hash);
                let there = key_of(row.cells, places);
                let (sum, here) = rows.remove(&row.id).unwrap_or_default();
                if sum != own {
                    let here = here.or_else(|| there.as_deref().and_then(|key| pair.to_source(key)));
                    candidates.push(Candidate::new(row.id, (here, there), (sum, own)));
                }
            })?;
            if candidates.len() >= CANDIDATES {
                self.settle_all(pair, std::mem::take(candidates), report).await?;
            }
        }
        for (id, (sum, here)) in rows {
            let there = here.as_deref().and_then(|key| pair.to_destination(key));
            candidates.push(Candidate::new(id, (here, there), (sum, Sum::default())));
        }
        Ok(())
    }
}

/// A bound of a range in the destination's types.
fn bound(pair: &Pair, key: Option<&Key>) -> Result<Option<Key>> {
    let Some(key) = key else { return Ok(None) };
    pair.to_destination(key)
        .map(Some)
        .ok_or_else(|| Error::definite("a key of the source cannot be one of the destination").on(&pair.name))
}

/// The key of the last row as the source has it.
fn last_key(batch: &Batch, source: &SourceTable) -> Result<Option<Key>> {
    let Some(row) = images(batch).last() else { return Ok(None) };
    let key = key_of(row, &source.key_places);
    key.map(Some).ok_or_else(|| {
        Error::definite("a key of the source is of a kind that no range can begin with")
            .on(&source.table.name)
    })
}
