//! Applications that write all the time, to whichever side the traffic goes, and remember what was acknowledged.

use std::{
    collections::HashMap,
    fs,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle, sleep},
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};

use super::ends::{End, value};

/// A side of the task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Side {
    Source,
    Destination,
}

/// A transaction that the server has acknowledged.
#[derive(Clone, Copy, Debug)]
struct Acknowledged {
    writer: u32,
    number: u32,
    side: Side,
    at: Instant,
}

/// Both ends, and the file that says where the traffic goes.
pub(super) struct Traffic {
    pub(super) source: End,
    pub(super) destination: End,
    pub(super) address: PathBuf,
}

impl Traffic {
    /// Where the traffic goes.
    pub(super) fn side(&self) -> Side {
        match fs::read_to_string(&self.address).unwrap_or_default().trim() {
            "destination" => Side::Destination,
            _ => Side::Source,
        }
    }

    pub(super) fn end(&self, side: Side) -> &End {
        match side {
            Side::Source => &self.source,
            Side::Destination => &self.destination,
        }
    }
}

/// The running writers.
pub(super) struct Writers {
    traffic: Arc<Traffic>,
    stop: Arc<AtomicBool>,
    acknowledged: Arc<Mutex<Vec<Acknowledged>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Writers {
    pub(super) fn start(traffic: &Arc<Traffic>, count: u32) -> Self {
        let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let threads = (0..count)
            .map(|writer| {
                let (traffic, stop) = (Arc::clone(traffic), Arc::clone(&stop));
                let acknowledged = Arc::clone(&acknowledged);
                thread::spawn(move || write(writer, &traffic, &stop, &acknowledged))
            })
            .collect();
        Writers { traffic: Arc::clone(traffic), stop, acknowledged, threads }
    }

    fn acknowledged(&self) -> Vec<Acknowledged> {
        self.acknowledged.lock().unwrap().clone()
    }

    /// Waits until each writer got `more` further transactions acknowledged, at one side; which one that is.
    pub(super) fn progress(&self, more: usize, patience: Duration) -> Result<Side> {
        let (before, deadline) = (self.acknowledged().len(), Instant::now() + patience);
        loop {
            let new = self.acknowledged().split_off(before);
            for side in [Side::Source, Side::Destination] {
                let of = |writer: usize| {
                    new.iter().filter(|one| one.side == side && one.writer as usize == writer).count()
                };
                if (0..self.threads.len()).all(|writer| of(writer) >= more) {
                    return Ok(side);
                }
            }
            ensure!(
                Instant::now() < deadline,
                "the writers got {} transactions done in {patience:?}; the traffic goes to {:?}",
                new.len(),
                self.traffic.side()
            );
            sleep(Duration::from_millis(10));
        }
    }

    /// How long each writer waited at each turn of the traffic, the shortest first.
    pub(super) fn downtimes(&self) -> Vec<Duration> {
        let mut last: HashMap<u32, Acknowledged> = HashMap::new();
        let mut downtimes = Vec::new();
        for one in self.acknowledged() {
            if let Some(before) = last.insert(one.writer, one).filter(|before| before.side != one.side) {
                downtimes.push(one.at - before.at);
            }
        }
        downtimes.sort();
        downtimes
    }

    /// Ends them; the number of acknowledged transactions.
    pub(super) fn stop(&mut self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
        self.acknowledged().len()
    }

    /// Every acknowledged transaction is there once, whole, and nothing that nobody wrote.
    pub(super) fn expect_all(&self, side: Side) -> Result<()> {
        let rows = self.traffic.end(side).query("SELECT writer, number, value FROM shop.entries")?;
        let mut found: HashMap<(u32, u32), usize> = HashMap::new();
        let mut totals: HashMap<u32, u32> = HashMap::new();
        for row in &rows {
            let (writer, number): (u32, u32) = (row[0].parse()?, row[1].parse()?);
            ensure!(
                row[2] == value(writer, number),
                "{side:?}: the value of {writer}/{number} is {}",
                row[2]
            );
            *found.entry((writer, number)).or_default() += 1;
            let total = totals.entry(writer).or_default();
            *total = number.max(*total);
        }
        let twice: Vec<_> = found.iter().filter(|(_, times)| **times > 1).collect();
        ensure!(twice.is_empty(), "{side:?}: more than once: {twice:?}");
        let missing: Vec<_> = self
            .acknowledged()
            .into_iter()
            .filter(|one| !found.contains_key(&(one.writer, one.number)))
            .map(|one| (one.writer, one.number, one.side))
            .collect();
        ensure!(missing.is_empty(), "{side:?}: {} acknowledged are missing: {missing:?}", missing.len());
        for row in self.traffic.end(side).query("SELECT writer, total FROM shop.totals")? {
            let (writer, total): (u32, u32) = (row[0].parse()?, row[1].parse()?);
            let expected = totals.get(&writer).copied().unwrap_or_default();
            ensure!(total == expected, "{side:?}: the total of {writer} is {total}, not {expected}");
        }
        Ok(())
    }
}

impl Drop for Writers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Writes until it is told to stop. One that is refused asks where the traffic goes and connects again; it does not write again what
/// was not acknowledged.
fn write(writer: u32, traffic: &Traffic, stop: &AtomicBool, acknowledged: &Mutex<Vec<Acknowledged>>) {
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        let side = traffic.side();
        let Ok(mut application) = traffic.end(side).connect() else {
            sleep(Duration::from_millis(10));
            continue;
        };
        while !stop.load(Ordering::Relaxed) {
            number += 1;
            if application.write(writer, number).is_err() {
                break;
            }
            acknowledged.lock().unwrap().push(Acknowledged { writer, number, side, at: Instant::now() });
            sleep(Duration::from_millis(2));
        }
        sleep(Duration::from_millis(5));
    }
}
