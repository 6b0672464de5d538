#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{collections::VecDeque, sync::Mutex};

use tokio::time::timeout;

use super::*;
use crate::config::Objects;
use crate::mapping::Selection;
use crate::pipeline::fakes::{FakeDestination, FakeSource, Fault, Held, at};

const POLL: Duration = Duration::from_millis(30);

/// Counts the zeros and ends the task at the first one.
#[derive(Default)]
struct StopAtZero(Vec<Zero>);

#[async_trait]
impl AtZero for StopAtZero {
    fn is_wanted(&self) -> bool {
        true
    }

    async fn at_zero(&mut self, zero: &Zero) -> Result<Next> {
        self.0.push(zero.clone());
        Ok(Next::Stop)
    }
}

struct Never;

#[async_trait]
impl AtZero for Never {
    fn is_wanted(&self) -> bool {
        false
    }

    async fn at_zero(&mut self, _: &Zero) -> Result<Next> {
        panic!("not wanted")
    }
}

struct Bench {
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
            state: tempfile::tempdir().unwrap(),
            source: Arc::new(source),
            held: Arc::default(),
            status: StatusBoard::new("orders"),
            retry: RetryLimits { connection_lost: limit, other: limit },
            stop: watch::channel(false).0,
        }
    }

    async fn run(&self, at_zero: &mut dyn AtZero) -> Result<End> {
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
        timeout(Duration::from_secs(30), tail.run(at_zero)).await.expect("the tail ends")
    }

    /// Everything once, in order, up to that many transactions.
    fn assert_complete(&self, transactions: u64) {
        let held = self.held.lock().unwrap();
        assert_eq!(held.rows, (0..transactions * 2).collect::<Vec<_>>());
        assert_eq!(held.checkpoint.as_ref().unwrap().position, at(transactions));
    }

    fn stored_position(&self) -> Position {
        Store::open(self.state.path()).unwrap().found().unwrap().checkpoint.position.clone()
    }
}

#[tokio::test]
async fn zero_is_reached_and_everything_is_stored() {
    let bench = Bench::new(FakeSource::new(50));
    let mut at_zero = StopAtZero::default();
    assert_eq!(bench.run(&mut at_zero).await.unwrap(), End::CutOver);
    bench.assert_complete(50);
    assert_eq!((at_zero.0.len(), &at_zero.0[0].position, at_zero.0[0].rows), (1, &at(50), 100));
    assert_eq!(bench.stored_position(), at(50));
    let status = bench.status.snapshot();
    assert_eq!((status.rows, status.commits, status.lag_bytes), (100, 50, Some(0)));
}

#[tokio::test]
async fn a_log_that_grows_between_two_questions_is_not_at_zero() {
    let source = FakeSource::new(3);
    let grows = [false, true, true, false];
    *source.grows_at_questions.lock().unwrap() = VecDeque::from(grows);
    let bench = Bench::new(source);
    let mut at_zero = StopAtZero::default();
    bench.run(&mut at_zero).await.unwrap();
    assert_eq!(at_zero.0[0].position, at(5), "not before the end stood still");
    bench.assert_complete(5);
}

#[tokio::test]
async fn a_connection_lost_inside_a_transaction_applies_it_once() {
    let faults = [Fault::Lost { after: 1 }, Fault::Lost { after: 5 }, Fault::Rewind { after: 3 }];
    let bench = Bench::new(FakeSource::new(10).with_faults(faults));
    bench.run(&mut StopAtZero::default()).await.unwrap();
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
    bench.run(&mut StopAtZero::default()).await.unwrap();
    bench.assert_complete(6);
}

#[tokio::test]
async fn a_definite_error_stops_and_keeps_the_position() {
    let bench = Bench::new(FakeSource::new(6).with_faults([Fault::Definite { after: 5 }]));
    let error = bench.run(&mut StopAtZero::default()).await.unwrap_err();
    assert_eq!(error.to_string(), "purged");
    bench.assert_complete(2);
    // The next start goes on where it was.
    bench.run(&mut StopAtZero::default()).await.unwrap();
    bench.assert_complete(6);
}

#[tokio::test]
async fn errors_that_last_too_long_end_the_task() {
    let mut bench = Bench::new(FakeSource::new(2).with_faults([Fault::Lost { after: 0 }; 100]));
    bench.retry.connection_lost = Duration::from_millis(300);
    let error = bench.run(&mut StopAtZero::default()).await.unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("gave up after"), "{error}");
}

#[tokio::test]
async fn a_stop_stores_the_position_and_the_next_start_resumes() {
    let bench = Arc::new(Bench::new(FakeSource::new(0)));
    let running = {
        let bench = Arc::clone(&bench);
        tokio::spawn(async move { bench.run(&mut Never).await })
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
    bench.run(&mut StopAtZero::default()).await.unwrap();
    bench.assert_complete(20);
}

#[tokio::test]
async fn progress_without_changes_is_stored_seldom_and_an_idle_task_writes_nothing() {
    let bench = Arc::new(Bench::new(FakeSource { filtered_from: 0, ..FakeSource::new(0) }));
    let running = {
        let bench = Arc::clone(&bench);
        tokio::spawn(async move { bench.run(&mut Never).await })
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
    assert_eq!(bench.run(&mut Never).await.unwrap(), End::LogEnded);
    bench.assert_complete(5);
    let mut at_zero = StopAtZero::default();
    assert_eq!(bench.run(&mut at_zero).await.unwrap(), End::CutOver);
}

#[tokio::test]
async fn a_destination_that_lost_its_checkpoint_is_not_filled_from_the_middle() {
    let bench = Bench::new(FakeSource::new(5));
    bench.run(&mut StopAtZero::default()).await.unwrap();
    bench.held.lock().unwrap().checkpoint = None;
    let error = bench.run(&mut StopAtZero::default()).await.unwrap_err();
    assert!(error.to_string().contains("holds no checkpoint of this task"), "{error}");
}
