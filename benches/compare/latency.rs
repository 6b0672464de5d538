//! The time from a commit at the source to its visibility at the destination.
//!
//! Two connections write at a steady rate, one row each transaction (one alone would have half a millisecond for a way to the
//! server and back): every second one is an insert into a table whose keys
//! count up, the others update rows of another table. The clock of an insert starts when its commit has returned to the writer.
//! Another connection asks the destination for the keys it does not know yet, over and over; the clock of a row stops when
//! an answer that has it arrives. Both are threads of this process, so that there is one clock. What the question itself takes is
//! in the numbers of all contenders alike.

use std::{
    collections::{BTreeSet, HashMap},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use crate::settings;

/// The keys of `sbtest.counters`: from 1.
pub(crate) const UPDATED_ROWS: u64 = 10_000;
/// Between two questions, so that asking does not take a processor away from those that are measured.
const PAUSE: Duration = Duration::from_micros(100);
/// What is written before the clocks run.
const WARM_UP: Duration = Duration::from_secs(2);
/// Connections that write, each its part of the changes.
const WRITERS: u32 = 2;
/// Changes a second.
const LOADS: [(&str, u32); 2] = [("idle, 20 changes/s", 20), ("2,000 changes/s", 2_000)];

/// Writes at the source; each call is a transaction.
pub(crate) trait Writer {
    /// Adds a row to `sbtest.events` and returns its key.
    fn insert(&mut self) -> Result<u64>;
    /// Changes a row of `sbtest.counters`.
    fn update(&mut self, id: u64) -> Result<()>;
}

/// Asks the destination.
pub(crate) trait Reader {
    /// The keys of `sbtest.events` above `low`.
    fn above(&mut self, low: u64) -> Result<Vec<u64>>;
}

/// A pair of servers between which changes travel, and keep travelling until it is dropped.
pub(crate) trait River {
    fn writer(&self) -> Result<Box<dyn Writer + Send>>;
    fn reader(&self) -> Result<Box<dyn Reader + Send>>;
}

/// Lets the contenders take turns, each with a new river by `start`, and prints their latencies.
pub(crate) fn compare(
    title: &str,
    contenders: &[&'static str],
    start: impl Fn(&str) -> Result<Box<dyn River>>,
) -> Result<()> {
    let mut results = Vec::new();
    for round in 1..=settings::rounds()? {
        for &name in contenders.iter().filter(|name| settings::takes_part(name)) {
            for (load, latencies) in one(name, &*start(name)?)? {
                results.push((load, name, round, latencies));
            }
        }
    }
    println!("\nlatency from commit to visibility, milliseconds; {title}");
    println!(
        "{:<20} {:<12} {:>5} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "", "", "round", "rows", "p50", "p90", "p99", "max"
    );
    results.sort_by_key(|(load, name, round, _)| (*load, *name, *round));
    for (load, name, round, latencies) in &results {
        let at = |part: f64| quantile(latencies, part);
        println!(
            "{load:<20} {name:<12} {round:>5} {:>8} {:>8.2} {:>8.2} {:>8.2} {:>8.2}",
            latencies.len(),
            at(0.5),
            at(0.9),
            at(0.99),
            at(1.0)
        );
    }
    Ok(())
}

/// Both loads on one river.
fn one(name: &str, river: &dyn River) -> Result<Vec<(&'static str, Vec<f64>)>> {
    let seconds = settings::number("SLACKWATER_BENCH_SECONDS", 20)?;
    LOADS
        .iter()
        .map(|&(load, rate)| {
            let mut latencies = under(river, rate, Duration::from_secs(seconds))?;
            latencies.sort_by(f64::total_cmp);
            println!(
                "  {name}, {load}: p50 {:.2} ms, p99 {:.2} ms",
                quantile(&latencies, 0.5),
                quantile(&latencies, 0.99)
            );
            Ok((load, latencies))
        })
        .collect()
}

/// Milliseconds from commit to visibility of each insert under a load of `rate` changes a second.
fn under(river: &dyn River, rate: u32, time: Duration) -> Result<Vec<f64>> {
    let mut reader = river.reader()?;
    let first = reader.above(0)?.into_iter().max().unwrap_or_default();
    let writers = (0..WRITERS).map(|_| river.writer()).collect::<Result<Vec<_>>>()?;
    let done = AtomicBool::new(false);
    let start = Instant::now();
    let (written, seen) = thread::scope(|scope| {
        let watching = scope.spawn(|| watch(&mut *reader, first, &done));
        let writing: Vec<_> = (0..)
            .zip(writers)
            .map(|(number, mut writer)| scope.spawn(move || write(&mut *writer, number, start, rate, time)))
            .collect();
        let written: Vec<_> = writing.into_iter().map(|writing| writing.join()).collect();
        done.store(true, Ordering::Relaxed);
        (written, watching.join())
    });
    let seen = seen.map_err(|_| anyhow::anyhow!("the reader has ended"))??;
    let mut all = Vec::new();
    for written in written {
        all.extend(written.map_err(|_| anyhow::anyhow!("a writer has ended"))??);
    }
    let written = all;
    ensure!(written.len() == seen.len(), "{} rows were written and {} have come", written.len(), seen.len());
    ensure!(!written.is_empty(), "nothing was written");
    let begin = start + WARM_UP;
    let seen: HashMap<u64, Instant> = seen.into_iter().collect();
    written
        .iter()
        .filter(|(_, commit)| *commit >= begin)
        .map(|(id, commit)| {
            let visible = *seen.get(id).with_context(|| format!("row {id} did not come"))?;
            // It may be visible before the writer hears of its own commit.
            let early = commit.saturating_duration_since(visible).as_secs_f64();
            Ok((visible.saturating_duration_since(*commit).as_secs_f64() - early) * 1e3)
        })
        .collect()
}

/// Writes the part of that number of changes at a steady rate; returns the keys of the inserts with the moments at which their
/// commits returned.
fn write(
    writer: &mut dyn Writer,
    part: u32,
    start: Instant,
    rate: u32,
    time: Duration,
) -> Result<Vec<(u64, Instant)>> {
    let step = Duration::from_secs(1) / rate;
    let mut written = Vec::new();
    let mut late = 0_u32;
    let changes: u32 = ((time + WARM_UP).as_secs() * u64::from(rate)).try_into()?;
    for number in (part..changes).step_by(WRITERS as usize) {
        let due = start + step * number;
        let now = Instant::now();
        if due > now {
            thread::sleep(due - now);
        } else if now - due > Duration::from_secs(1) {
            late += 1;
        }
        if (number / WRITERS).is_multiple_of(2) {
            written.push((writer.insert()?, Instant::now()));
        } else {
            writer.update(u64::from(number) * 7_919 % UPDATED_ROWS + 1)?;
        }
    }
    ensure!(
        late == 0,
        "{late} of {changes} changes were more than a second late: {rate} a second is too much here"
    );
    Ok(written)
}

/// Asks for new keys above `first` until the writer is done and nothing has come for a second.
fn watch(reader: &mut dyn Reader, first: u64, done: &AtomicBool) -> Result<Vec<(u64, Instant)>> {
    let (mut low, mut ahead) = (first, BTreeSet::new());
    let mut seen = Vec::new();
    let mut last = Instant::now();
    while !done.load(Ordering::Relaxed) || last.elapsed() < Duration::from_secs(1) {
        let found = reader.above(low)?;
        let now = Instant::now();
        for id in found {
            if ahead.insert(id) {
                seen.push((id, now));
                last = now;
            }
        }
        // Workers may commit out of order: what is missing below is asked for until it is there.
        while ahead.remove(&(low + 1)) {
            low += 1;
        }
        thread::sleep(PAUSE);
    }
    Ok(seen)
}

/// The value below which that part of sorted values lies.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let place = ((sorted.len() as f64 * part).ceil() as usize).clamp(1, sorted.len().max(1)) - 1;
    sorted.get(place).copied().unwrap_or_default()
}
