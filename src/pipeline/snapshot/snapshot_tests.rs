#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{collections::BTreeMap, time::Duration};

use rand::{RngExt as _, SeedableRng as _, rngs::ChaCha8Rng};

use super::{
    world::{Action, Change, State, World, WorldDestination, WorldSchemas, WorldSource, at, number_of},
    *,
};
use crate::{config::Objects, mapping::Selection};

/// A task that copies a world, through as many processes as it takes.
struct Bench {
    state: tempfile::TempDir,
    world: World,
    existing: Existing,
    status: StatusBoard,
    stop: watch::Sender<bool>,
}

impl Bench {
    /// Tables with that many rows each; those whose name starts with `k` have no key.
    fn new(tables: &[(&str, u64)]) -> Self {
        let world = World::default();
        {
            let mut state = world.0.lock().unwrap();
            for (table, rows) in tables {
                state.change(Change::Create((*table).to_owned(), table.starts_with('k')));
                (0..*rows).for_each(|key| state.change(Change::Put((*table).to_owned(), key * 10, key)));
            }
        }
        Bench {
            state: tempfile::tempdir().unwrap(),
            world,
            existing: Existing::Stop,
            status: StatusBoard::new("orders"),
            stop: watch::channel(false).0,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.world.0.lock().unwrap()
    }

    fn script(self, script: &[(&'static str, Action)]) -> Self {
        self.lock().script = script.iter().cloned().collect();
        self
    }

    /// The store, once what a killed process left behind has let go of it.
    async fn store(&self) -> Store {
        for _ in 0..1000 {
            if let Ok(store) = Store::open(self.state.path()) {
                return store;
            }
            sleep(Duration::from_millis(5)).await;
        }
        Store::open(self.state.path()).unwrap()
    }

    async fn process(&self) -> Snapshot {
        let limit = Duration::from_secs(3600);
        let settings = SnapshotSettings {
            mapping: Arc::new(Mapping::identity(Selection::new(&Objects::default()))),
            start: Start::Snapshot,
            memory: 1 << 20,
            retry: RetryLimits { connection_lost: limit, other: limit },
            readers: 2,
            loaders: None,
            existing: self.existing,
        };
        Snapshot::new(
            Arc::new(WorldSource(self.world.clone())),
            Box::new(WorldDestination(self.world.clone())),
            Box::new(WorldSchemas(self.world.clone())),
            self.store().await,
            settings,
            self.status.clone(),
            self.stop.subscribe(),
        )
    }

    async fn run(&self) -> Result<()> {
        match self.process().await.run().await? {
            CopyEnd::Copied(ends) => drop(ends.destination),
            CopyEnd::Stopped => panic!("nobody asked"),
        }
        Ok(())
    }

    /// A process that is killed after so many steps. Whether it was done before.
    async fn run_for(&self, steps: usize) -> bool {
        self.lock().kill_in = Some(steps);
        let process = self.process().await;
        let done = tokio::select! {
            ended = process.run() => {
                ended.map(drop).unwrap();
                true
            }
            () = async { while !self.world.is_killed() { tokio::task::yield_now().await } } => false,
        };
        self.lock().kill_in = None;
        done
    }

    /// The tail brings the copy to what the source is.
    async fn expect_converged(&self, from: usize) {
        let store = self.store().await;
        let mut state = self.lock();
        assert_eq!(state.doubles, Vec::<String>::new(), "rows that came again unannounced");
        let checkpoint = state.checkpoint.clone().unwrap();
        let Completeness::Converging(end) = &checkpoint.completeness else { panic!("{checkpoint:?}") };
        assert!(
            store.found().unwrap().checkpoint.sequence <= checkpoint.sequence,
            "the local store is never ahead"
        );
        assert_eq!(checkpoint.position, at(from));
        let copies = store.copies().unwrap().unwrap();
        let starts: BTreeMap<String, usize> = copies
            .iter()
            .map(|copy| (copy.table.table.to_string(), number_of(copy.start().unwrap())))
            .collect();
        assert!(starts.values().all(|start| *start <= number_of(end)));
        state.replay(from, &starts);
        assert_eq!(State::visible(&state.held), State::visible(&state.source), "{:#?}", state.trace);
    }
}

fn put(table: &str, key: u64, value: u64) -> Action {
    Action::Change(Change::Put(table.to_owned(), key, value))
}

#[tokio::test]
async fn the_position_comes_before_the_plan_and_the_end_of_log_after_the_last_row() {
    let bench = Bench::new(&[("a", 7), ("b", 2), ("k", 4)]);
    let from = bench.lock().log.len();
    let bench = bench.script(&[("read a", put("a", 5, 99)), ("AfterLoad", put("b", 5, 99))]);
    bench.run().await.unwrap();
    let trace = bench.lock().trace.clone();
    let first = |name: &str| trace.iter().position(|step| step == name).unwrap();
    let last = |name: &str| trace.iter().rposition(|step| step == name).unwrap();
    assert!(
        first("start position") < first("checkpoint stored") && first("checkpoint stored") < first("tables")
    );
    assert!(first("tables") < first("occupied") && last("create k") < first("begin a"));
    assert!(["a", "b", "k"].iter().all(|table| last(&format!("loaded {table}")) < first("AfterLoad")));
    assert!(first("AfterLoad") < first("end of log") && first("end of log") < last("checkpoint"));
    let copy = bench.status.snapshot_in_full().copy.unwrap();
    assert_eq!((copy.tables, copy.copied, copy.done), (3, 3, 1.0));
    assert_eq!(copy.details.iter().map(|table| table.rows).sum::<u64>(), copy.rows);
    bench.expect_converged(from).await;
    // Started again there is nothing to copy.
    let steps = bench.lock().steps;
    bench.run().await.unwrap();
    assert_eq!(bench.lock().steps, steps + 1, "it was opened and no more");
}

/// Whether the process was done before it took so many steps.
async fn killed_after(steps: usize) -> bool {
    let bench = Bench::new(&[("a", 8), ("k", 4)]);
    let start = bench.lock().log.len();
    let bench = bench.script(&[("read a", put("a", 5, 99)), ("loaded k", put("k", 7, 99))]);
    if bench.run_for(steps).await {
        bench.expect_converged(start).await;
        return true;
    }
    for change in
        [Change::Put("a".into(), 15, 1), Change::Delete("a".into(), 0), Change::Put("k".into(), 20, 2)]
    {
        bench.lock().change(change);
    }
    let stored = bench.store().await.found();
    let start = stored.map_or(bench.lock().log.len(), |stored| number_of(&stored.checkpoint.position));
    bench.run().await.unwrap();
    bench.expect_converged(start).await;
    false
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_between_any_two_steps_loses_nothing() {
    let mut runs = JoinSet::new();
    (1..100).for_each(|steps| drop(runs.spawn(async move { (steps, killed_after(steps).await) })));
    let runs = runs.join_all().await;
    let shortest = runs.iter().filter(|(_, done)| *done).map(|(steps, _)| *steps).min();
    assert!(shortest.is_some_and(|steps| steps > 30), "{shortest:?}");
}

/// The steps of a process that meets a table with a column more than its own at the destination.
async fn killed_while_a_column_is_there(steps: usize) -> bool {
    let bench = Bench::new(&[("a", 8)]);
    let start = bench.lock().log.len();
    let bench = bench
        .script(&[("begin a", Action::Change(Change::AddColumn("a".into()))), ("loaded a", put("a", 5, 99))]);
    if bench.run_for(steps).await {
        return true;
    }
    bench.lock().script.clear();
    bench.lock().change(Change::DropColumn("a".into()));
    let stored = bench.store().await.found();
    let start = stored.map_or(start, |stored| number_of(&stored.checkpoint.position));
    bench.run().await.unwrap();
    bench.expect_converged(start).await;
    false
}

#[tokio::test]
async fn a_column_that_came_before_a_kill_and_went_after_it_is_not_left_at_the_destination() {
    for steps in 1..100 {
        if killed_while_a_column_is_there(steps).await {
            assert!(steps > 15, "{steps}");
            return;
        }
    }
    panic!("the copy did not end");
}

#[tokio::test]
async fn a_column_that_came_while_the_table_was_made_and_went_behind_it_is_not_left_at_the_destination() {
    let add = || Action::Change(Change::AddColumn("a".into()));
    let bench = Bench::new(&[("a", 8)]);
    let start = bench.lock().log.len();
    let drop = Action::Change(Change::DropColumn("a".into()));
    let bench = bench.script(&[("begin a", add()), ("create a", add()), ("begin a", drop)]);
    bench.run().await.unwrap();
    bench.expect_converged(start).await;
}

/// Random changes of every kind, faults and kills, from a seed.
async fn turmoil(seed: u64) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let bench = Bench::new(&[("a", 20), ("b", 9), ("c", 1), ("k1", 7), ("k2", 3)]);
    let mut from = None;
    for round in 0..6 {
        let tables = ["a", "b", "c", "d", "e", "k1", "k2", "k3"];
        let steps = ["read", "load", "loaded", "begin", "drop", "create", "emptied"];
        let mut script = std::collections::VecDeque::new();
        for _ in 0..random.random_range(0..12) {
            let table = tables[random.random_range(0..tables.len())];
            let other = tables[random.random_range(0..tables.len())];
            let key = random.random_range(0..250);
            let change = match random.random_range(0..13) {
                12 => Change::DropColumn(table.into()),
                0..4 => Change::Put(table.into(), key, key + round),
                4..7 => Change::Delete(table.into(), key / 10 * 10),
                7 => Change::AddColumn(table.into()),
                8 => Change::Rename(table.into(), other.into()),
                9 => Change::Drop(table.into()),
                _ => Change::Create(table.into(), table.starts_with('k')),
            };
            let at = tables[random.random_range(0..tables.len())];
            let step = format!("{} {at}", steps[random.random_range(0..steps.len())]);
            // Of a test's few thousand names.
            let step: &'static str = Box::leak(step.into_boxed_str());
            let action = if random.random_range(0..5) == 0 {
                Action::Fail("a fault", true)
            } else {
                Action::Change(change)
            };
            script.push_back((step, action));
        }
        bench.lock().script = script;
        let done = bench.run_for(random.random_range(1..120)).await;
        let stored = bench.store().await.found();
        from = from.or(stored.map(|stored| number_of(&stored.checkpoint.position)));
        if done {
            break;
        }
    }
    bench.lock().script.clear();
    bench.run().await.unwrap();
    let stored = bench.store().await.found().unwrap();
    bench.expect_converged(from.unwrap_or(number_of(&stored.checkpoint.position))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_definitions_renames_faults_and_kills_in_any_order_converge() {
    let mut runs = JoinSet::new();
    (0..60).for_each(|seed| {
        runs.spawn(async move {
            println!("seed {seed}");
            turmoil(seed).await;
        });
    });
    runs.join_all().await;
}

#[tokio::test]
async fn a_block_whose_end_is_not_known_is_replaced_or_without_a_key_the_table_begins_again() {
    for (table, script, begun, emptied) in [
        ("a", vec![("loaded a", Action::Fail("lost", true))], 1, 0),
        (
            "k",
            vec![
                ("loaded k", Action::Fail("lost", true)),
                ("begin k", put("k", 5, 5)),
                ("loaded k", Action::Fail("lost", true)),
            ],
            3,
            2,
        ),
    ] {
        let bench = Bench::new(&[(table, 9)]);
        let start = bench.lock().log.len();
        let bench = bench.script(&script);
        bench.run().await.unwrap();
        let trace = bench.lock().trace.clone();
        let count = |step: String| trace.iter().filter(|taken| **taken == step).count();
        assert_eq!((count(format!("begin {table}")), count(format!("emptied {table}"))), (begun, emptied));
        bench.expect_converged(start).await;
    }
}

/// Rows at the destination before anything is copied.
fn occupy(bench: &Bench, table: &str) {
    let mut state = bench.lock();
    let rows = BTreeMap::from([(0, (77, 1)), (999, (77, 1))]);
    let mut there = state.source[table].clone();
    (there.number, there.rows) = (0, rows);
    state.held.insert(table.to_owned(), there);
}

#[tokio::test]
async fn rows_that_are_there_before_stop_the_copy_before_it_begins_or_go_or_stay_as_the_task_says() {
    for (existing, expected) in [
        (Existing::Stop, None),
        (Existing::Replace, Some(vec![0, 10, 20])),
        (Existing::Truncate, Some(vec![0, 10, 20])),
        (Existing::Keep, Some(vec![0, 10, 20, 999])),
    ] {
        let bench = Bench { existing, ..Bench::new(&[("a", 3), ("b", 2)]) };
        occupy(&bench, "a");
        let outcome = bench.run().await;
        let Some(expected) = expected else {
            let error = outcome.unwrap_err().to_string();
            assert!(error.contains("1 tables of the destination have rows already: shop.a"), "{error}");
            assert!(error.contains("\"truncate\""), "{error}");
            assert!(
                bench
                    .lock()
                    .trace
                    .iter()
                    .all(|step| !step.starts_with("create") && !step.starts_with("load"))
            );
            // The way out that the error names.
            let bench = Bench { existing: Existing::Truncate, ..bench };
            bench.run().await.unwrap();
            continue;
        };
        outcome.unwrap();
        let state = bench.lock();
        let a = &state.held["a"];
        assert_eq!(a.rows.keys().copied().collect::<Vec<_>>(), expected, "{existing:?}");
        assert_eq!(a.rows[&0].0, 0, "the copied row takes the place of the other");
        assert_eq!(state.trace.contains(&"dropped a".to_owned()), existing == Existing::Replace);
        assert_eq!(state.doubles, Vec::<String>::new());
    }
}

#[tokio::test]
async fn kept_rows_are_not_removed_when_the_copy_would_have_to_begin_again() {
    let bench = Bench { existing: Existing::Keep, ..Bench::new(&[("a", 8)]) };
    occupy(&bench, "a");
    let bench = bench.script(&[("read a", Action::Change(Change::AddColumn("a".into())))]);
    let error = bench.run().await.unwrap_err().to_string();
    assert!(error.contains("holds other rows as well"), "{error}");
    assert!(bench.lock().held["a"].rows.contains_key(&999));
}

#[tokio::test]
async fn a_table_that_fails_does_not_lose_the_others_work_and_is_tried_again_at_the_next_start() {
    let bench = Bench::new(&[("a", 9), ("b", 3), ("c", 2), ("k", 2)]);
    let start = bench.lock().log.len();
    let bench = bench.script(&[
        ("create b", Action::Fail("a type that is not known", false)),
        ("load a", Action::Fail("a value out of range", false)),
    ]);
    let error = bench.run().await.unwrap_err();
    let text = error.to_string();
    assert!(!error.is_transient() && text.contains("2 of 4 tables could not be copied"), "{text}");
    assert!(
        text.contains("a type that is not known [shop.b]") && text.contains("out of range [shop.a]"),
        "{text}"
    );
    let copy = bench.status.snapshot().copy.unwrap();
    assert_eq!((copy.copied, copy.failed, copy.details.len()), (2, 2, 2));
    assert_eq!(bench.lock().checkpoint.as_ref().unwrap().completeness, Completeness::Copying);
    bench.lock().trace.clear();
    bench.run().await.unwrap();
    assert!(
        bench.lock().trace.iter().all(|step| !["begin c", "begin k"].contains(&step.as_str())),
        "copied already"
    );
    bench.expect_converged(start).await;
}

#[tokio::test]
async fn a_destination_that_is_copying_needs_the_records_of_the_copy() {
    let mut bench = Bench::new(&[("a", 9)]);
    assert!(!bench.run_for(20).await);
    bench.store().await;
    bench.state = tempfile::tempdir().unwrap();
    let error = bench.run().await.unwrap_err().to_string();
    assert!(error.contains("incomplete copy") && error.contains("slackwater_checkpoint"), "{error}");
}

#[tokio::test]
async fn a_stop_keeps_what_is_loaded() {
    let bench = Bench::new(&[("a", 6000)]);
    let start = bench.lock().log.len();
    let process = bench.process().await;
    let (ended, ()) = tokio::join!(process.run(), async {
        while bench.status.snapshot().copy.is_none_or(|copy| copy.rows < 30) {
            sleep(Duration::from_millis(1)).await;
        }
        bench.stop.send_replace(true);
    });
    assert!(matches!(ended.unwrap(), CopyEnd::Stopped));
    let loaded = bench.store().await.copies().unwrap().unwrap()[0].rows;
    assert!((30..6000).contains(&loaded), "{loaded}");
    assert_eq!(bench.lock().held["a"].rows.len() as u64, loaded, "what was on its way is recorded");
    bench.stop.send_replace(false);
    bench.run().await.unwrap();
    bench.expect_converged(start).await;
}
