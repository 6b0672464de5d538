#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{collections::VecDeque, sync::Mutex};

use async_trait::async_trait;
use tokio::time::timeout;

use super::*;
use crate::config::Objects;
use crate::destinations::{Checkpoint, Unfinished};
use crate::mapping::Selection;
use crate::pipeline::fakes::{FakeDestination, FakeSource, Fault, Held, at};
use crate::pipeline::handle::AtRest;
use crate::positions::Origin;

const POLL: Duration = Duration::from_millis(30);

/// Ends the task.
struct EndAtRest(Arc<Mutex<Vec<Position>>>);

#[async_trait]
impl AtRest for EndAtRest {
    async fn at_rest(&mut self, rest: &mut Rest<'_>) -> Result<Next> {
        self.0.lock().unwrap().push(rest.position().unwrap().clone());
        Ok(Next::Stop)
    }
}

/// Takes note of where the destination was complete.
struct Completed(Arc<Mutex<Vec<Position>>>);

#[async_trait]
impl AtComplete for Completed {
    async fn at_complete(&mut self, _: &mut dyn Destination, position: &Position) -> Result<()> {
        let mut completed = self.0.lock().unwrap();
        completed.push(position.clone());
        if completed.len() == 1 {
            return Err(Error::transient("a lock wait timeout"));
        }
        Ok(())
    }
}

struct Bench {
    /// Where the tail rested.
    rested: Arc<Mutex<Vec<Position>>>,
    completed: Arc<Mutex<Vec<Position>>>,
    state: tempfile::TempDir,
    source: Arc<FakeSource>,
    held: Arc<Mutex<Held>>,
    status: StatusBoard,
    retry: RetryLimits,
    stop: watch::Sender<bool>,
}

impl Bench {
    fn new(source: FakeSource) -> Self {
        let limit = Duration::from_secs(20);
        Bench {
            rested: Arc::default(),
            completed: Arc::default(),
            state: tempfile::tempdir().unwrap(),
            source: Arc::new(source),
            held: Arc::default(),
            status: StatusBoard::new("orders"),
            retry: RetryLimits { connection_lost: limit, other: limit },
            stop: watch::channel(false).0,
        }
    }

    /// Runs until the whole log is applied, as the source has it at a question.
    async fn run(&self) -> Result<End> {
        self.run_and(true).await
    }

    async fn run_and(&self, ends_in_sync: bool) -> Result<End> {
        let settings = TailSettings {
            mapping: Arc::new(Mapping::identity(Selection::new(&Objects::default()))),
            start: Start::Earliest,
            memory: 1 << 20,
            group_size: 1 << 20,
            starts: TableStarts::default(),
            checkpoint_interval: Duration::from_millis(100),
            retry: self.retry,
        };
        let (_poll, poll_interval) = watch::channel(POLL);
        let tail = Tail::new(
            Arc::clone(&self.source) as Arc<dyn Source>,
            Box::new(FakeDestination::of(&self.held)),
            Store::open(self.state.path()).unwrap(),
            settings,
            self.status.clone(),
            poll_interval,
            self.stop.subscribe(),
        );
        let tail = tail.with_completion(Box::new(Completed(Arc::clone(&self.completed))));
        let handle = tail.handle();
        handle.await_at_end(ends_in_sync);
        let rested = Arc::clone(&self.rested);
        let end = async move {
            if !ends_in_sync {
                std::future::pending::<()>().await;
            }
            let mut found = handle.found();
            loop {
                found.wait_for(|found| found.in_sync_since.is_some()).await.unwrap();
                let latest = tokio::time::Instant::now() + Duration::from_secs(5);
                if handle.at_rest(EndAtRest(Arc::clone(&rested)), latest).await.is_ok() {
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::select! {
            ended = timeout(Duration::from_secs(30), tail.run()) => ended.expect("the tail ends"),
            () = end => panic!("it does not end"),
        }
    }

    /// Everything once, in order, up to that many transactions.
    fn assert_complete(&self, transactions: u64) {
        let held = self.held.lock().unwrap();
        assert_eq!(held.rows, (0..transactions * 2).collect::<Vec<_>>());
        assert_eq!(held.checkpoint.as_ref().unwrap().position, at(transactions));
    }

    /// Both sides agree that the first `number` transactions are applied.
    fn holds(&self, number: u64, completeness: Completeness) -> Checkpoint {
        let checkpoint = Checkpoint { generation: 1, sequence: 7, position: at(number), completeness };
        Store::open(self.state.path()).unwrap().save(&checkpoint, Origin::Applied).unwrap();
        let mut held = self.held.lock().unwrap();
        held.rows = (0..number * 2).collect();
        held.checkpoint = Some(checkpoint.clone());
        checkpoint
    }

    fn stored_position(&self) -> Position {
        Store::open(self.state.path()).unwrap().found().unwrap().checkpoint.position.clone()
    }
}

#[tokio::test]
async fn a_tail_rests_where_everything_is_stored() {
    let bench = Bench::new(FakeSource::new(50));
    assert_eq!(bench.run().await.unwrap(), End::CutOver);
    bench.assert_complete(50);
    assert_eq!(*bench.rested.lock().unwrap(), [at(50)]);
    assert_eq!(bench.stored_position(), at(50));
    let status = bench.status.snapshot();
    assert_eq!((status.rows, status.commits, status.lag_bytes), (100, 50, Some(0)));
}

#[tokio::test]
async fn a_connection_lost_inside_a_transaction_applies_it_once() {
    let faults = [Fault::Lost { after: 1 }, Fault::Lost { after: 5 }, Fault::Rewind { after: 3 }];
    let bench = Bench::new(FakeSource::new(10).with_faults(faults));
    bench.run().await.unwrap();
    bench.assert_complete(10);
    assert_eq!(bench.status.snapshot().retries, 2);
    assert_eq!(bench.held.lock().unwrap().opened, 1, "the destination was well");
}

#[tokio::test]
async fn a_destination_that_fails_is_asked_what_it_holds() {
    let bench = Bench::new(FakeSource::new(6));
    {
        let mut held = bench.held.lock().unwrap();
        let deadlock = Some((Error::transient("deadlock"), false));
        // The answer to a commit is lost: it took place.
        let unknown = Some((Error::disconnected("lost"), true));
        held.apply_errors = VecDeque::from([None, None, None, deadlock, None, None, None, unknown]);
        held.open_errors = VecDeque::from([Error::disconnected("refused"), Error::disconnected("refused")]);
    }
    bench.run().await.unwrap();
    bench.assert_complete(6);
}

#[tokio::test]
async fn a_definite_error_stops_and_keeps_the_position() {
    let bench = Bench::new(FakeSource::new(6).with_faults([Fault::Definite { after: 5 }]));
    let error = bench.run().await.unwrap_err();
    assert_eq!(error.to_string(), "purged");
    bench.assert_complete(2);
    // The next start goes on where it was.
    bench.run().await.unwrap();
    bench.assert_complete(6);
}

#[tokio::test]
async fn errors_that_last_too_long_end_the_task() {
    let mut bench = Bench::new(FakeSource::new(2).with_faults([Fault::Lost { after: 0 }; 100]));
    bench.retry.connection_lost = Duration::from_millis(300);
    let error = bench.run().await.unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("gave up after"), "{error}");
}

#[tokio::test]
async fn a_stop_stores_the_position_and_the_next_start_resumes() {
    let bench = Arc::new(Bench::new(FakeSource::new(0)));
    let running = {
        let bench = Arc::clone(&bench);
        tokio::spawn(async move { bench.run_and(false).await })
    };
    for _ in 0..20 {
        bench.source.grow();
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    bench.stop.send_replace(true);
    assert_eq!(running.await.unwrap().unwrap(), End::Stopped);
    let applied = bench.held.lock().unwrap().rows.len() as u64 / 2;
    bench.assert_complete(applied);
    assert_eq!(bench.stored_position(), at(applied));
    bench.stop.send_replace(false);
    bench.run().await.unwrap();
    bench.assert_complete(20);
}

#[tokio::test]
async fn progress_without_changes_is_stored_seldom_and_an_idle_task_writes_nothing() {
    let bench = Arc::new(Bench::new(FakeSource { filtered_from: 0, ..FakeSource::new(0) }));
    let running = {
        let bench = Arc::clone(&bench);
        tokio::spawn(async move { bench.run_and(false).await })
    };
    for _ in 0..100 {
        bench.source.grow();
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let writes = bench.held.lock().unwrap().position_writes;
    assert_eq!(bench.held.lock().unwrap().checkpoint.as_ref().unwrap().position, at(100));
    assert!((2..12).contains(&writes), "{writes} writes for 100 transactions");
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(bench.held.lock().unwrap().position_writes, writes, "idle");
    bench.stop.send_replace(true);
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_log_that_is_not_followed_ends_the_task_at_its_end() {
    let bench = Bench::new(FakeSource { follow: false, ..FakeSource::new(5) });
    assert_eq!(bench.run_and(false).await.unwrap(), End::LogEnded);
    bench.assert_complete(5);
    assert_eq!(bench.run().await.unwrap(), End::CutOver);
}

#[tokio::test]
async fn a_destination_that_lost_its_checkpoint_is_not_filled_from_the_middle() {
    let bench = Bench::new(FakeSource::new(5));
    bench.run().await.unwrap();
    bench.held.lock().unwrap().checkpoint = None;
    let error = bench.run().await.unwrap_err();
    assert!(error.to_string().contains("holds no checkpoint of this task"), "{error}");
}

#[tokio::test]
async fn a_group_that_was_cut_off_is_built_again_and_finished_first() {
    // Behind its end the log goes on, or not.
    for (transactions, faults) in [(9, vec![]), (5, vec![]), (9, vec![Fault::Rewind { after: 3 }])] {
        let bench = Bench::new(FakeSource::new(transactions).with_faults(faults));
        let checkpoint = bench.holds(2, Completeness::Complete);
        let end = Checkpoint { sequence: 8, position: at(5), ..checkpoint };
        bench.held.lock().unwrap().unfinished = Some(Unfinished { end, workers: 3 });
        bench.run().await.unwrap();
        bench.assert_complete(transactions);
        let held = bench.held.lock().unwrap();
        assert_eq!(held.groups[0], (3, false, Some(at(5))));
        assert!(held.groups[1..].iter().all(|(workers, ..)| *workers == 1));
    }
}

#[tokio::test]
async fn a_log_that_ends_inside_an_unfinished_group_is_an_error() {
    let bench = Bench::new(FakeSource { follow: false, ..FakeSource::new(4) });
    let checkpoint = bench.holds(2, Completeness::Complete);
    let end = Checkpoint { sequence: 8, position: at(5), ..checkpoint };
    bench.held.lock().unwrap().unfinished = Some(Unfinished { end, workers: 3 });
    let error = bench.run_and(false).await.unwrap_err();
    assert!(error.to_string().contains("the log ends inside the group"), "{error}");
    bench.assert_complete(2);
}

#[tokio::test]
async fn convergence_ends_where_it_was_said_to() {
    let bench = Bench::new(FakeSource::new(9));
    bench.holds(2, Completeness::Converging(at(6)));
    bench.run().await.unwrap();
    bench.assert_complete(9);
    assert_eq!(*bench.completed.lock().unwrap(), [at(6), at(6)], "again after an error, and not once more");
    let held = bench.held.lock().unwrap();
    assert_eq!(held.checkpoint.as_ref().unwrap().completeness, Completeness::Complete);
    for (_, converging, position) in &held.groups {
        let inside = position.as_ref().is_some_and(|position| bench.source.reached(&at(6), position));
        assert_eq!(*converging, inside, "{position:?}");
    }
    assert!(held.groups.iter().any(|(_, _, position)| *position == Some(at(6))), "a group ends there");
}

#[tokio::test]
async fn convergence_that_has_nothing_left_ends_at_once() {
    let bench = Bench::new(FakeSource { filtered_from: 0, ..FakeSource::new(4) });
    bench.holds(4, Completeness::Converging(at(4)));
    bench.run().await.unwrap();
    let held = bench.held.lock().unwrap();
    let checkpoint = held.checkpoint.as_ref().unwrap();
    assert_eq!((&checkpoint.position, &checkpoint.completeness), (&at(4), &Completeness::Complete));
}
