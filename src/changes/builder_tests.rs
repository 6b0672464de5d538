//! Folded changes beside the same changes applied one by one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use rand::{RngExt as _, SeedableRng, rngs::ChaCha8Rng, seq::SliceRandom as _};
use slackwater_decoders::{
    batch::Decoded,
    event::{Commit, RowChange, Rows},
    position::LogPosition,
    schema::{Column, ColumnType, Table, TableName, UniqueKey},
    value::{Cell, Value},
};

use super::*;
use crate::{
    changes::{Image, Job, Step, steps},
    config::Objects,
    error::Error,
    mapping::Selection,
};

/// A row of the model: key, unique value, another value.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    key: String,
    unique: Option<u64>,
    value: u64,
}

/// A change of a row.
#[derive(Clone, Debug)]
enum Change {
    Insert(Row),
    Update(Row, Row),
    /// An update whose images have the key before and the last column after.
    Partial(Row, Row),
    /// An update that has the key before, and the row after (PostgreSQL's default replica identity).
    Keyed(Row, Row),
    /// An update that has nothing before, and all but the last column after, which did not change (a TOAST value of PostgreSQL's).
    Toasted(Row),
    Delete(Row),
}

/// A table whose key compares without regard to case, with a unique value beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Model {
    rows: BTreeMap<String, Row>,
    /// The key of the row with each unique value.
    holders: BTreeMap<u64, String>,
}

fn equal_form(key: &str) -> String {
    key.to_lowercase()
}

impl Model {
    fn get(&self, key: &str) -> Option<&Row> {
        self.rows.get(&equal_form(key))
    }

    fn holder(&self, unique: Option<u64>) -> Option<&String> {
        self.holders.get(&unique?)
    }

    /// Adds a row that violates nothing.
    fn insert(&mut self, row: Row) {
        assert_eq!(self.holder(row.unique), None, "the unique value of {row:?} is taken");
        if let Some(unique) = row.unique {
            self.holders.insert(unique, row.key.clone());
        }
        let former = self.rows.insert(equal_form(&row.key), row);
        assert_eq!(former, None, "the key is taken");
    }

    fn delete(&mut self, key: &str) -> Option<Row> {
        let row = self.rows.remove(&equal_form(key))?;
        row.unique.iter().for_each(|unique| drop(self.holders.remove(unique)));
        Some(row)
    }

    /// Writes a row in the place of all that it conflicts with.
    fn replace(&mut self, row: Row) {
        if let Some(holder) = self.holder(row.unique).cloned() {
            self.delete(&holder);
        }
        self.delete(&row.key);
        self.insert(row);
    }

    /// Writes a row that is there.
    fn upsert(&mut self, row: Row) {
        assert!(self.delete(&row.key).is_some(), "{row:?} is not there");
        self.insert(row);
    }
}

/// The keys of a test: numbers, or texts of both cases.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keys {
    Numbers,
    Texts,
}

struct Scenario {
    random: ChaCha8Rng,
    keys: Keys,
    domain: u64,
    partial: bool,
    source: Model,
}

impl Scenario {
    fn key(&mut self) -> String {
        let number = self.random.random_range(0..self.domain);
        match self.keys {
            Keys::Numbers => number.to_string(),
            Keys::Texts if self.random.random() => format!("K{number}"),
            // Not all collations tell this letter from its base.
            Keys::Texts if number % 50 == 49 => format!("é{number}"),
            Keys::Texts => format!("k{number}"),
        }
    }

    fn row(&mut self, key: String) -> Row {
        let unique = self.random.random_bool(0.9).then(|| self.random.random_range(0..self.domain * 2));
        let unique = unique.filter(|unique| self.source.holder(Some(*unique)).is_none());
        Row { key, unique, value: self.random.random_range(0..1000) }
    }

    /// A change that the source allows, already made there.
    fn change(&mut self) -> Change {
        let key = self.key();
        let Some(before) = self.source.get(&key).cloned() else {
            let row = self.row(key);
            self.source.insert(row.clone());
            return Change::Insert(row);
        };
        let choice = self.random.random_range(0..10);
        if choice < 3 {
            self.source.delete(&before.key);
            return Change::Delete(before);
        }
        let mut after = Row { value: before.value + 1, ..before.clone() };
        if choice == 3 {
            let other = self.key();
            if equal_form(&other) == equal_form(&before.key) || self.source.get(&other).is_none() {
                after.key = other;
            }
        } else if choice < 6 {
            after.unique = self.row(String::new()).unique;
            if self.partial && choice == 5 {
                after.value = before.value;
                self.source.delete(&before.key);
                self.source.insert(after.clone());
                return Change::Toasted(after);
            }
        } else if choice == 6 && self.partial {
            self.source.upsert(after.clone());
            return Change::Partial(before, after);
        }
        self.source.delete(&before.key);
        self.source.insert(after.clone());
        if self.partial && choice < 6 {
            return Change::Keyed(before, after);
        }
        Change::Update(before, after)
    }
}

fn table(keys: Keys) -> Arc<Table> {
    let number = ColumnType::Integer { bytes: 8, unsigned: true };
    let key = match keys {
        Keys::Numbers => Column::new("k", number.clone()),
        Keys::Texts => Column {
            collation: Some("utf8mb4_general_ci".into()),
            ..Column::new("k", ColumnType::VarChar(20))
        },
    };
    Arc::new(Table {
        name: TableName::new("shop", "t"),
        columns: vec![key, Column::new("u", number.clone()), Column::new("v", number)],
        primary_key: vec![0],
        unique_keys: vec![UniqueKey { name: "u".into(), columns: vec![1], partial: false }],
        indexes: Vec::new(),
        collation: None,
        named: true,
        number: None,
    })
}

fn at(offset: u64) -> LogPosition {
    LogPosition::Binlog { file: "binlog.000001".into(), offset }
}

/// One batch of transactions of one change each; the transaction `n` ends at `n + 1`.
fn batch(keys: Keys, changes: &[Change], first: u64) -> Batch {
    let table = table(keys);
    Batch::decode(Vec::new(), |_, arena, events| {
        for (number, change) in (first..).zip(changes) {
            let full = |row: &Row| {
                let key = match keys {
                    Keys::Numbers => Value::UInt(row.key.parse().unwrap()),
                    Keys::Texts => Value::Text(arena.text(&row.key)),
                };
                let unique = row.unique.map_or(Value::Null, Value::UInt);
                [Cell::Value(key), Cell::Value(unique), Cell::Value(Value::UInt(row.value))]
            };
            let change = match change {
                Change::Insert(row) => RowChange::Insert { after: arena.slice(&full(row)) },
                Change::Delete(row) => RowChange::Delete { before: arena.slice(&full(row)) },
                Change::Update(before, after) => {
                    RowChange::Update { before: arena.slice(&full(before)), after: arena.slice(&full(after)) }
                }
                Change::Keyed(before, after) => RowChange::Update {
                    before: arena.slice(&[full(before)[0], Cell::Absent, Cell::Absent]),
                    after: arena.slice(&full(after)),
                },
                Change::Toasted(after) => RowChange::Update {
                    before: arena.slice(&[Cell::Absent; 3]),
                    after: arena.slice(&[full(after)[0], full(after)[1], Cell::Unchanged]),
                },
                Change::Partial(before, after) => RowChange::Update {
                    before: arena.slice(&[full(before)[0], Cell::Absent, Cell::Absent]),
                    after: arena.slice(&[Cell::Absent, Cell::Absent, full(after)[2]]),
                },
            };
            events.push(Event::Begin(Begin { transaction: None, position: at(number) }));
            events.push(Event::Rows(Rows {
                table: Arc::clone(&table),
                position: at(number),
                time_micros: number.cast_signed(),
                sequence: 0,
                unlogged_cascades: false,
                changes: arena.slice(&[change]),
            }));
            events
                .push(Event::Commit(Commit { position: at(number + 1), time_micros: number.cast_signed() }));
        }
        let end = first + changes.len() as u64;
        let resume = Some(Position { log: at(end), executed: None });
        Ok::<_, Error>(Decoded { resume, row_changes: changes.len() as u64, time_micros: end.cast_signed() })
    })
    .unwrap()
}

fn builder(workers: usize, converging: bool) -> GroupBuilder {
    let mapping = Arc::new(Mapping::identity(Selection::new(&Objects::default())));
    let routes = Routes::new(mapping, TableStarts::default());
    routes.set_cascading([TableName::new("shop", "parent")].into());
    GroupBuilder::with_routes(Arc::new(routes), Limits { workers, bytes: 1 << 30 }, converging)
}

fn row_of(image: Image<'_>) -> Row {
    let [Cell::Value(key), Cell::Value(unique), Cell::Value(Value::UInt(value))] = *image else {
        panic!("{image:?} is no whole row")
    };
    let unique = match unique {
        Value::UInt(unique) => Some(unique),
        _ => None,
    };
    Row { key: key_of(key), unique, value }
}

fn key_of(value: Value<'_>) -> String {
    match value {
        Value::UInt(number) => number.to_string(),
        Value::Text(text) => text.to_owned(),
        other => panic!("{other:?} is no key"),
    }
}

fn key_in(image: Image<'_>) -> String {
    key_of(image[0].value().unwrap())
}

/// Applies shares one after the other, in any order.
fn apply(group: &Group, destination: &mut Model, random: &mut ChaCha8Rng) {
    let mut shares: Vec<_> = group.shares().iter().collect();
    shares.shuffle(random);
    for job in shares.into_iter().flat_map(|share| &share.jobs) {
        match job {
            Job::Net(net) => {
                for delete in &net.deletes {
                    let found = destination.delete(&key_in(delete));
                    assert!(group.is_converging() || found.is_some(), "a row to be deleted is there");
                }
                let mut writes: Vec<_> = net.inserts.iter().map(|row| (row_of(row), true)).collect();
                writes.extend(net.upserts.iter().map(|row| (row_of(row), false)));
                writes.shuffle(random);
                for (row, is_insert) in writes {
                    match (group.is_converging(), is_insert) {
                        (true, _) => destination.replace(row),
                        (false, true) => destination.insert(row),
                        (false, false) => destination.upsert(row),
                    }
                }
                for image in &net.updates {
                    modify(destination, image, image, group.is_converging());
                }
            }
            Job::InOrder(rows) => one_by_one(rows, destination, group.is_converging()),
            job => panic!("{job:?}"),
        }
    }
}

fn one_by_one(rows: &Rows<'_>, destination: &mut Model, converging: bool) {
    for change in rows.changes {
        for step in steps(rows, Some(&[0]), change).unwrap().into_iter().flatten() {
            match step {
                Step::Update { before, after } => modify(destination, before, after, converging),
                step => panic!("{step:?}"),
            }
        }
    }
}

/// Writes the values of `after` into the row with the key of `before`.
fn modify(destination: &mut Model, before: Image<'_>, after: Image<'_>, converging: bool) {
    let Some(mut row) = destination.get(&key_in(before)).cloned() else {
        assert!(converging, "the row is there");
        return;
    };
    match after[1].value() {
        Some(Value::UInt(unique)) => row.unique = Some(unique),
        Some(_) => row.unique = None,
        None => {}
    }
    if let Some(Value::UInt(value)) = after[2].value() {
        row.value = value;
    }
    if converging {
        destination.replace(row);
    } else {
        destination.upsert(row);
    }
}

#[test]
fn folded_changes_leave_what_single_changes_leave() {
    let (mut parted, mut whole) = (0, 0);
    for seed in 0..300 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let keys = if random.random() { Keys::Numbers } else { Keys::Texts };
        let domain = [8, 40, 400, 4000][random.random_range(0..4)];
        let workers = random.random_range(1..=4);
        let partial = random.random_bool(0.3);
        let seeded = ChaCha8Rng::seed_from_u64(seed ^ 0xFF);
        let mut scenario = Scenario { random: seeded, keys, domain, partial, source: Model::default() };
        let mut destination = Model::default();
        let mut place = 100;
        for _ in 0..4 {
            let count = scenario.random.random_range(1..300);
            let changes: Vec<_> = (0..count).map(|_| scenario.change()).collect();
            let mut builder = builder(workers, false);
            for piece in changes.chunks(50) {
                builder.push(batch(keys, piece, place)).unwrap();
                place += piece.len() as u64;
            }
            let group = builder.build();
            assert_eq!((group.row_changes(), group.commits()), (count, count));
            apply(&group, &mut destination, &mut random);
            assert_eq!(destination, scenario.source, "seed {seed}");
            let busy = group.shares().iter().filter(|share| !share.jobs.is_empty()).count();
            *(if busy > 1 { &mut parted } else { &mut whole }) += 1;
        }
    }
    assert!(parted > 100 && whole > 100, "{parted} groups were parted, {whole} were not");
}

/// Rows are copied at any time while the log goes on, and the log from before the copy is applied to them.
#[test]
fn a_torn_copy_converges() {
    for seed in 0..150 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let keys = if random.random() { Keys::Numbers } else { Keys::Texts };
        let domain = [8, 40, 400][random.random_range(0..3)];
        let seeded = ChaCha8Rng::seed_from_u64(seed ^ 0xFF);
        // A row that another one has displaced for a while is brought back by a whole image alone.
        let mut scenario =
            Scenario { random: seeded, keys, domain, partial: false, source: Model::default() };
        for _ in 0..domain {
            scenario.change();
        }
        let mut history = vec![scenario.source.clone()];
        let mut changes = Vec::new();
        for _ in 0..30 {
            changes.extend((0..10).map(|_| scenario.change()));
            history.push(scenario.source.clone());
        }
        let mut destination = Model::default();
        let mut copied: Vec<String> = history.iter().flat_map(|model| model.rows.keys().cloned()).collect();
        copied.sort_unstable();
        copied.dedup();
        copied.shuffle(&mut random);
        for key in copied {
            let moment = random.random_range(0..history.len());
            if let Some(row) = history[moment].get(&key) {
                destination.replace(row.clone());
            }
        }
        let workers = random.random_range(1..=4);
        let mut place = 100;
        let size = random.random_range(1..=300);
        for piece in changes.chunks(size) {
            let mut builder = builder(workers, true);
            builder.push(batch(keys, piece, place)).unwrap();
            place += piece.len() as u64;
            apply(&builder.build(), &mut destination, &mut random);
        }
        assert_eq!(destination, scenario.source, "seed {seed}");
    }
}

/// The shares depend on the transactions alone, not on how they come.
#[test]
fn a_group_that_is_built_again_is_the_same() {
    [Keys::Texts, Keys::Numbers].into_iter().for_each(is_built_again_as_it_was);
}

fn is_built_again_as_it_was(keys: Keys) {
    let random = ChaCha8Rng::seed_from_u64(7);
    let mut scenario = Scenario { random, keys, domain: 4000, partial: false, source: Model::default() };
    let changes: Vec<_> = (0..400).map(|_| scenario.change()).collect();
    let end = Position { log: at(100 + 300), executed: None };
    let shares = |pieces: &[std::ops::Range<usize>]| {
        let mut builder = builder(3, false);
        let mut is_complete = false;
        for piece in pieces {
            assert!(!is_complete);
            let batch = batch(keys, &changes[piece.clone()], 100 + piece.start as u64);
            is_complete = builder.push_until(batch, &end).unwrap();
        }
        let group = builder.build();
        assert_eq!((group.resume(), group.row_changes()), (Some(&end), 300));
        format!("{:?}", group.shares())
    };
    let (at_once, pieces) = (0..300, [0..10, 10..250, 250..400]);
    assert_eq!(shares(&[at_once]), shares(&pieces));
}

/// Ranges of keys, of the same cost: a changed row counts twice. It must never be otherwise: a group that was cut off is built again
/// by whatever version of the program starts next.
#[test]
fn exact_keys_are_parted_in_ranges() {
    let row = |key: u64, value| Row { key: key.to_string(), unique: None, value };
    let mut changes: Vec<_> = (0..100).rev().map(|key| Change::Insert(row(key, 0))).collect();
    changes.extend((200..250).map(|key| Change::Update(row(key, 0), row(key, 1))));
    let mut builder = builder(4, false);
    builder.push(batch(Keys::Numbers, &changes, 100)).unwrap();
    let group = builder.build();
    let keys = group.shares().iter().map(|share| match share.jobs.as_slice() {
        [Job::Net(net)] => net.inserts.iter().chain(&net.upserts).map(|image| key_in(image)).collect(),
        jobs => panic!("{jobs:?}"),
    });
    let range = |keys: std::ops::Range<u64>| keys.map(|key| key.to_string()).collect::<Vec<_>>();
    assert_eq!(
        keys.collect::<Vec<Vec<_>>>(),
        [range(0..50), range(50..100), range(200..225), range(225..250)]
    );
}

/// Rows of one transaction each, of the tables `t` (with a key), `log` (without) and `parent` (with cascades at the destination).
fn mixed(rows: &[(&str, u64)]) -> Batch {
    let [keyed, keyless, parent] = ["t", "log", "parent"].map(|name| {
        let table = (*table(Keys::Numbers)).clone();
        let primary_key = if name == "log" { Vec::new() } else { vec![0] };
        Arc::new(Table { name: TableName::new("shop", name), primary_key, unique_keys: Vec::new(), ..table })
    });
    Batch::decode(Vec::new(), |_, arena, events| {
        for (number, (name, key)) in (0..).zip(rows) {
            let cells = [*key, 1, 1].map(|number| Cell::Value(Value::UInt(number)));
            let table = [&keyed, &keyless, &parent].into_iter().find(|table| *table.name.table == **name);
            events.push(Event::Begin(Begin { transaction: None, position: at(number) }));
            events.push(Event::Rows(Rows {
                table: Arc::clone(table.unwrap()),
                position: at(number),
                time_micros: 0,
                sequence: 0,
                // As the log says of every delete in a session with foreign keys, whatever keys there are.
                unlogged_cascades: true,
                changes: arena.slice(&[RowChange::Delete { before: arena.slice(&cells) }]),
            }));
            events.push(Event::Commit(Commit { position: at(number + 1), time_micros: 0 }));
        }
        let resume = Some(Position { log: at(rows.len() as u64), executed: None });
        Ok::<_, Error>(Decoded { resume, row_changes: rows.len() as u64, time_micros: 0 })
    })
    .unwrap()
}

/// Table and number of changes of each job of the first share; the others are empty.
fn jobs(group: &Group) -> Vec<(String, usize)> {
    assert!(group.shares()[1..].iter().all(|share| share.jobs.is_empty()));
    let job = |job: &Job<'_>| match job {
        Job::Net(net) => (format!("net {}", net.table.name.table), net.deletes.len()),
        Job::InOrder(rows) => (format!("in order {}", rows.table.name.table), rows.changes.len()),
        job => panic!("{job:?}"),
    };
    group.shares()[0].jobs.iter().map(job).collect()
}

#[test]
fn cascades_come_behind_everything_before_them_and_before_everything_behind_them() {
    let mut builder = builder(3, false);
    let rows = [("t", 1), ("log", 1), ("t", 2), ("log", 1), ("parent", 1), ("log", 2), ("t", 3)];
    builder.push(mixed(&rows)).unwrap();
    // Large enough to be parted, if there were no order to keep.
    let more: Vec<_> = (10..110).map(|key| ("t", key)).collect();
    builder.push(mixed(&more)).unwrap();
    let expected =
        [("net t", 2), ("in order log", 2), ("in order parent", 1), ("net t", 101), ("in order log", 1)];
    assert_eq!(jobs(&builder.build()), expected.map(|(job, changes)| (job.to_owned(), changes)));
}

#[test]
fn what_may_cascade_but_does_not_at_the_destination_is_folded_and_parted() {
    let mut builder = builder(2, false);
    let rows: Vec<_> = (0..1000).map(|key| ("t", key)).collect();
    builder.push(mixed(&rows)).unwrap();
    let group = builder.build();
    let folded = group.shares().iter().map(|share| match share.jobs.as_slice() {
        [Job::Net(net)] => net.deletes.len(),
        jobs => panic!("{jobs:?}"),
    });
    let folded: Vec<_> = folded.collect();
    assert!(folded.len() == 2 && folded.iter().all(|deletes| *deletes > 0), "{folded:?}");
    assert_eq!(folded.iter().sum::<usize>(), 1000);
}

#[test]
fn what_a_copy_shows_is_not_applied_again() {
    let mapping = Arc::new(Mapping::identity(Selection::new(&Objects::default())));
    let mut starts = TableStarts::default();
    starts.insert(TableName::new("shop", "t"), Position { log: at(2), executed: None });
    let routes = Arc::new(Routes::new(mapping, starts));
    let jobs_if = |converging| {
        let mut builder =
            GroupBuilder::with_routes(Arc::clone(&routes), Limits { workers: 1, bytes: 1 }, converging);
        builder.push(mixed(&[("t", 1), ("log", 1), ("t", 2), ("t", 3)])).unwrap();
        jobs(&builder.build())
    };
    assert_eq!(jobs_if(true), [("in order log".to_owned(), 1), ("net t".to_owned(), 2)]);
    assert_eq!(jobs_if(false), [("net t".to_owned(), 3), ("in order log".to_owned(), 1)]);
}
