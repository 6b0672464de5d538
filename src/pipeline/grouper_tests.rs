#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use slackwater_decoders::{
    batch::Decoded,
    event::{Ddl, Event},
    value::{Cell, Value},
};
use tokio::time::timeout;

use super::*;
use crate::{
    changes::{Job, TableStarts},
    config::Objects,
    mapping::{Mapping, Selection},
    pipeline::{
        fakes::{BATCH_BYTES, FakeSource, at, batch},
        queue::{BatchSender, queue},
    },
};

/// Long enough for everything that is going to happen to have happened.
const QUIET: Duration = Duration::from_millis(50);

/// A source and a destination that do what the test says.
struct Bench {
    out: BatchSender,
    groups: Groups,
}

impl Bench {
    fn new(group_size: usize, memory: u64) -> Self {
        let mapping = Arc::new(Mapping::identity(Selection::new(&Objects::default())));
        let quota = MemoryQuota::new(memory);
        let (out, messages) = queue(quota.clone());
        let rules = Rules {
            source: Arc::new(FakeSource::new(0)),
            routes: Arc::new(Routes::new(mapping, TableStarts::default())),
            limits: Limits { workers: 1, bytes: group_size },
            quota,
            converging: None,
        };
        Bench { out, groups: Groups::start(rules, messages) }
    }

    /// Sends half a transaction.
    async fn half(&self, transaction: u64, half: usize) {
        let resume = (half == 1).then(|| at(transaction + 1));
        let batch = batch(transaction, Some(transaction * 2 + half as u64), half, resume);
        assert!(self.out.send(batch).await);
    }

    async fn whole(&self, transaction: u64) {
        self.half(transaction, 0).await;
        self.half(transaction, 1).await;
    }

    /// The rows of the next group and where the log continues behind it; `None` for a rewind.
    async fn next(&mut self) -> Option<(Vec<u64>, Option<Position>)> {
        match timeout(Duration::from_secs(10), self.groups.next()).await.unwrap().unwrap() {
            Work::Apply(sealed) => Some((rows(&sealed.group), sealed.group.resume().cloned())),
            Work::Rewind => None,
        }
    }

    async fn assert_quiet(&mut self) {
        assert!(timeout(QUIET, self.groups.next()).await.is_err(), "there is nothing to do yet");
    }
}

fn rows(group: &Group) -> Vec<u64> {
    let jobs = group.shares().iter().flat_map(|share| &share.jobs);
    let rows = jobs.flat_map(|job| match job {
        Job::InOrder(rows) => rows.changes,
        job => panic!("{job:?}"),
    });
    rows.map(|change| match change.after().unwrap()[0] {
        Cell::Value(Value::UInt(value)) => value,
        cell => panic!("{cell:?}"),
    })
    .collect()
}

#[tokio::test]
async fn an_idle_destination_gets_a_batch_at_once_and_a_busy_one_what_came_meanwhile() {
    let mut bench = Bench::new(1 << 20, 1 << 20);
    bench.whole(0).await;
    assert_eq!(bench.next().await, Some((vec![0, 1], Some(at(1)))));
    for transaction in 1..4 {
        bench.whole(transaction).await;
    }
    bench.assert_quiet().await;
    bench.groups.applied();
    assert_eq!(bench.next().await, Some((vec![2, 3, 4, 5, 6, 7], Some(at(4)))));
    bench.groups.applied();
    // Inside a transaction it waits for the end.
    bench.half(4, 0).await;
    bench.assert_quiet().await;
    bench.half(4, 1).await;
    assert_eq!(bench.next().await, Some((vec![8, 9], Some(at(5)))));
}

#[tokio::test]
async fn a_full_group_waits_and_a_large_transaction_goes_in_parts_behind_what_is_before_it() {
    let mut bench = Bench::new(4 * BATCH_BYTES, 1 << 20);
    bench.whole(0).await;
    assert_eq!(bench.next().await, Some((vec![0, 1], Some(at(1)))));
    bench.whole(1).await;
    for _ in 0..6 {
        bench.half(2, 0).await;
    }
    bench.half(2, 1).await;
    bench.groups.applied();
    assert_eq!(bench.next().await, Some((vec![2, 3], Some(at(2)))), "alone, although there was room");
    bench.groups.applied();
    let (first, resume) = bench.next().await.unwrap();
    assert_eq!((first.len(), resume), (4, None));
    bench.groups.applied();
    assert_eq!(bench.next().await, Some((vec![4, 4, 5], Some(at(3)))));
}

#[tokio::test]
async fn a_rewind_drops_the_open_transaction_and_nothing_else() {
    let mut bench = Bench::new(1 << 20, 1 << 20);
    bench.whole(0).await;
    assert_eq!(bench.next().await, Some((vec![0, 1], Some(at(1)))));
    bench.whole(1).await;
    bench.half(2, 0).await;
    assert!(bench.out.rewind().await);
    // Outside of a transaction there is nothing to drop.
    assert!(bench.out.rewind().await);
    bench.whole(2).await;
    bench.assert_quiet().await;
    bench.groups.applied();
    assert_eq!(bench.next().await, Some((vec![2, 3, 4, 5], Some(at(3)))));
}

#[tokio::test]
async fn a_rewind_of_a_part_that_was_handed_over_is_the_destinations() {
    let mut bench = Bench::new(2 * BATCH_BYTES, 1 << 20);
    bench.half(0, 0).await;
    bench.half(0, 0).await;
    assert_eq!(bench.next().await, Some((vec![0, 0], None)));
    bench.half(0, 0).await;
    assert!(bench.out.rewind().await);
    assert_eq!(bench.next().await, None);
    bench.groups.applied();
    bench.whole(0).await;
    assert_eq!(bench.next().await, Some((vec![0, 1], Some(at(1)))));
}

#[tokio::test]
async fn a_transaction_that_needs_all_memory_does_not_wait_for_itself() {
    let mut bench = Bench::new(1 << 20, 3 * BATCH_BYTES as u64);
    let out = bench.out.clone();
    let sending = tokio::spawn(async move {
        for half in [0, 0, 0, 0, 0, 1] {
            let resume = (half == 1).then(|| at(1));
            assert!(out.send(batch(0, Some(half), half as usize, resume)).await);
        }
    });
    let mut all = Vec::new();
    loop {
        let (rows, resume) = bench.next().await.unwrap();
        all.extend(rows);
        bench.groups.applied();
        if resume.is_some() {
            break;
        }
    }
    assert_eq!(all, [0, 0, 0, 0, 0, 1]);
    sending.await.unwrap();
}

#[tokio::test]
async fn the_end_of_the_source_hands_over_what_is_whole() {
    let mut bench = Bench::new(1 << 20, 1 << 20);
    bench.whole(0).await;
    assert_eq!(bench.next().await, Some((vec![0, 1], Some(at(1)))));
    bench.whole(1).await;
    bench.half(2, 0).await;
    let Bench { out, mut groups } = bench;
    drop(out);
    groups.applied();
    let Some(Work::Apply(sealed)) = groups.next().await else { panic!("a group is left") };
    assert_eq!(rows(&sealed.group), [2, 3]);
    assert!(groups.next().await.is_none());
    groups.end().await.unwrap();
}

#[tokio::test]
async fn nothing_is_folded_before_a_change_of_definitions_is_applied() {
    let mut bench = Bench::new(1 << 20, 1 << 20);
    let statement = Batch::decode(Vec::new(), |_, _, events| {
        events.push(Event::Ddl(Ddl {
            statement: "ALTER TABLE shop.numbers ENGINE = InnoDB",
            database: "shop",
            position: at(0).log,
            time_micros: 1,
            language: slackwater_decoders::event::Language::Mysql { sql_mode: 0 },
            changes: Vec::new(),
        }));
        Ok::<_, Error>(Decoded { resume: Some(at(1)), row_changes: 0, time_micros: 1 })
    });
    assert!(bench.out.send(statement.unwrap()).await);
    let Work::Apply(sealed) = bench.groups.next().await.unwrap() else { panic!("a group is due") };
    assert!(sealed.changes_definitions);
    bench.whole(1).await;
    // It waits in the queue, where nothing is known of its table yet.
    sleep(QUIET).await;
    assert_eq!(bench.out.waiting(), 2);
    bench.groups.applied();
    assert_eq!(bench.next().await, Some((vec![2, 3], Some(at(2)))));
}
