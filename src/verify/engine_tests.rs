#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::{sync::atomic::AtomicU32, time::Duration};

use async_trait::async_trait;
use slackwater_decoders::schema::ColumnType;

use super::{
    canonical::Product,
    fake::{FakeDatabase, FakeRow, column, table},
    follow::{AtRest, Caught},
    key::Owned,
    report::DifferenceKind,
    *,
};
use crate::config::Task;

const INTEGER: ColumnType = ColumnType::Integer { bytes: 8, unsigned: false };

fn numbers() -> Table {
    table(("shop", "t"), vec![column("id", INTEGER), column("v", ColumnType::VarChar(20))], &[0])
}

fn row(id: i64, text: &str) -> FakeRow {
    vec![Some(Owned::Int(id)), Some(Owned::Text(text.to_owned()))]
}

/// The keys 10, 20, 30…
fn rows(count: i64) -> Vec<FakeRow> {
    (1..=count).map(|number| row(number * 10, "a")).collect()
}

fn mapping(rules: &str) -> Arc<Mapping> {
    let text = format!(
        "[source]\ntype = \"mysql-files\"\ndirectory = \"b\"\n[destination]\ntype = \"sqlite\"\npath = \"x.db\"\n\
         [objects]\ninclude = [\"shop.*\"]\n{rules}"
    );
    let task = Task::parse("task.toml".as_ref(), &text).unwrap();
    Arc::new(Mapping::new(&task.objects, &task.mapping).unwrap())
}

struct Case {
    source: Arc<FakeDatabase>,
    destination: Arc<FakeDatabase>,
    follow: Arc<dyn Follow>,
    verify: config::Verify,
    mapping: Arc<Mapping>,
    depth: Depth,
}

impl Case {
    fn new(definition: &Table, source: Vec<FakeRow>, destination: Vec<FakeRow>) -> Self {
        Case::of(
            FakeDatabase::with(vec![(definition.clone(), source)]),
            FakeDatabase::with(vec![(definition.clone(), destination)]),
        )
    }

    fn of(source: Arc<FakeDatabase>, destination: Arc<FakeDatabase>) -> Self {
        Case {
            source,
            destination,
            follow: Arc::new(AtRest),
            verify: config::Verify::default(),
            mapping: mapping(""),
            depth: Depth::Rows,
        }
    }

    async fn report(&self) -> TableReport {
        let names: Vec<TableName> =
            self.source.tables.lock().unwrap().iter().map(|(table, _)| table.name.clone()).collect();
        let ends = Ends {
            source: Arc::clone(&self.source) as _,
            destination: Arc::clone(&self.destination) as _,
            mapping: Arc::clone(&self.mapping),
            follow: Arc::clone(&self.follow),
        };
        let rules = Rules { product: Product::Mysql, drops_invalid_dates: false, drops_zero_bytes: false };
        let settings = Settings {
            task: "test".to_owned(),
            verify: self.verify.clone(),
            rules,
            show_values: true,
            listed: 100,
        };
        let (_stop, stopped) = watch::channel(false);
        let mut report = run(ends, settings, &names, self.depth, Progress::default(), stopped).await.unwrap();
        assert_eq!(report.tables.len(), 1, "{report}");
        report.tables.remove(0)
    }

    /// What differs: the kind, and the key.
    async fn found(&self) -> Vec<(DifferenceKind, String)> {
        let report = self.report().await;
        assert_eq!(report.error, None);
        assert_eq!(report.unsettled, 0);
        let key = |difference: &report::Difference| {
            difference.key.iter().map(|(_, value)| value.clone()).collect::<Vec<_>>().join(",")
        };
        let mut found: Vec<_> =
            report.differences.iter().map(|difference| (difference.kind, key(difference))).collect();
        found.sort_by_key(|(_, key)| key.clone());
        assert_eq!(found.len() as u64, report.differing());
        found
    }
}

/// Each single change, wherever it is: inside of a range, at its ends, before the first row and behind the last.
#[tokio::test]
async fn one_row_that_differs_is_found_wherever_it_is() {
    for count in [0, 1, 3, 4, 9, 10] {
        assert_eq!(Case::new(&numbers(), rows(count), rows(count)).found().await, []);
        for place in 0..count as usize {
            let id = (place as i64 + 1) * 10;
            let mut without = rows(count);
            without.remove(place);
            let found = Case::new(&numbers(), rows(count), without).found().await;
            assert_eq!(found, [(DifferenceKind::Missing, id.to_string())]);
            let mut changed = rows(count);
            changed[place][1] = Some(Owned::Text("a ".to_owned()));
            let case = Case::new(&numbers(), rows(count), changed);
            assert_eq!(case.found().await, [(DifferenceKind::Changed, id.to_string())]);
            let report = case.report().await;
            let column = &report.differences[0].columns[0];
            assert_eq!((column.column.as_str(), column.destination.as_deref()), ("v", Some("'a '")));
        }
        for place in 0..=count {
            let mut more = rows(count);
            more.push(row(place * 10 + 5, "a"));
            let found = Case::new(&numbers(), rows(count), more).found().await;
            assert_eq!(found, [(DifferenceKind::Extra, (place * 10 + 5).to_string())]);
        }
    }
}

#[tokio::test]
async fn one_end_may_be_empty() {
    assert_eq!(Case::new(&numbers(), rows(30), Vec::new()).report().await.missing, 30);
    assert_eq!(Case::new(&numbers(), Vec::new(), rows(30)).report().await.extra, 30);
}

/// Rows of a table without a key are counted.
#[tokio::test]
async fn rows_without_a_key_may_be_alike() {
    let keyless =
        || table(("shop", "t"), vec![column("id", INTEGER), column("v", ColumnType::VarChar(20))], &[]);
    let twice = || [rows(5), rows(5)].concat();
    assert_eq!(Case::new(&keyless(), twice(), twice()).found().await, []);
    let mut less = twice();
    less.remove(7);
    less.push(row(1, "x"));
    let report = Case::new(&keyless(), twice(), less).report().await;
    assert_eq!((report.missing, report.extra, report.changed), (1, 1, 0));
}

/// A key that a collation finds equal is another key, and the order of keys need not be the same.
#[tokio::test]
async fn keys_of_text_are_compared_byte_by_byte() {
    let names = |collation: &str| {
        let name = column("name", ColumnType::VarChar(20));
        let name = slackwater_decoders::schema::Column { collation: Some(collation.to_owned()), ..name };
        table(("shop", "t"), vec![name, column("n", INTEGER)], &[0])
    };
    let rows = |keys: &[&str]| -> Vec<FakeRow> {
        keys.iter().map(|key| vec![Some(Owned::Text((*key).to_owned())), Some(Owned::Int(1))]).collect()
    };
    for other in ["utf8mb4_bin", "latin1_swedish_ci"] {
        let source = FakeDatabase::with(vec![(names("utf8mb4_bin"), rows(&["a", "b", "C", "d", "e", "f"]))]);
        let destination =
            FakeDatabase::with(vec![(names(other), rows(&["A", "b", "C", "d", "e", "f", "g"]))]);
        let found = Case::of(source, destination).found().await;
        let expected = [
            ("'A'", DifferenceKind::Extra),
            ("'a'", DifferenceKind::Missing),
            ("'g'", DifferenceKind::Extra),
        ];
        assert_eq!(found, expected.map(|(key, kind)| (kind, key.to_owned())), "{other}");
    }
}

/// A tail that applies a change whenever it is waited for.
struct Flowing<F>(AtomicU32, F);

#[async_trait]
impl<F: Fn(u32) + Send + Sync> Follow for Flowing<F> {
    async fn catch_up(&self, limit: Duration) -> Result<Caught> {
        (self.1)(self.0.fetch_add(1, Ordering::Relaxed));
        Ok(if limit.is_zero() { Caught::Late } else { Caught::Up })
    }
}

#[tokio::test]
async fn what_is_on_its_way_is_no_difference() {
    let mut case = Case::new(&numbers(), rows(9), rows(7));
    let late = Arc::clone(&case.destination);
    let apply = move |_| late.change(|rows| rows.clone_from(&self::rows(9)));
    case.follow = Arc::new(Flowing(AtomicU32::new(0), apply));
    assert_eq!(case.found().await, []);
    // What stays is one, also while changes flow.
    let mut case = Case::new(&numbers(), rows(9), rows(8));
    case.follow = Arc::new(Flowing(AtomicU32::new(0), |_| {}));
    assert_eq!(case.found().await, [(DifferenceKind::Missing, "90".to_owned())]);
}

#[tokio::test]
async fn a_row_that_changes_all_the_time_has_no_verdict() {
    let mut case = Case::new(&numbers(), rows(9), rows(8));
    let source = Arc::clone(&case.source);
    let change = move |number: u32| source.change(|rows| rows[8][1] = Some(Owned::Text(number.to_string())));
    case.follow = Arc::new(Flowing(AtomicU32::new(0), change));
    case.verify.patience = Duration::from_millis(300);
    let report = case.report().await;
    assert_eq!((report.differing(), report.unsettled), (0, 1));
}

/// Several tables that become one, with a filter and another name of a column.
#[tokio::test]
async fn the_mapping_says_what_is_to_be_there() {
    let source = |name: &str| table(("shop", name), numbers().columns, &[0]);
    let origin = slackwater_decoders::schema::Column {
        charset: Some("utf8mb4".to_owned()),
        ..column("origin", ColumnType::VarChar(64))
    };
    let target = table(
        ("all", "t"),
        vec![column("id", INTEGER), column("text", ColumnType::VarChar(20)), origin],
        &[0, 2],
    );
    let there = |id: i64, text: &str, origin: &str| {
        let mut row = row(id, text);
        row.push(Some(Owned::Text(origin.to_owned())));
        row
    };
    let sources = FakeDatabase::with(vec![
        (source("t1"), vec![row(1, "a"), row(2, "b"), row(300, "left out")]),
        (source("t2"), vec![row(1, "c")]),
    ]);
    let destination = FakeDatabase::with(vec![(
        target,
        vec![there(1, "a", "t1"), there(2, "B", "t1"), there(1, "c", "t2"), there(7, "d", "t2")],
    )]);
    let mut case = Case::of(sources, destination);
    case.mapping = mapping(
        "[[mapping]]\nmatch = \"shop.*\"\ndatabase = \"all\"\ntable = \"t\"\nmerge = true\nfilter = \"id < 100\"\n\
         [mapping.columns]\nrename = { v = \"text\" }\n[mapping.add]\norigin = { value = \"${source.table}\", key = true }\n",
    );
    let report = case.report().await;
    assert_eq!((report.source_rows, report.destination_rows), (3, 4));
    assert_eq!(
        case.found().await,
        [(DifferenceKind::Changed, "2,'t1'".to_owned()), (DifferenceKind::Extra, "7,'t2'".to_owned())]
    );
}

#[tokio::test]
async fn a_sample_reads_a_part_of_either_end() {
    let mut case = Case::new(&numbers(), rows(1_000), rows(1_000));
    (case.depth, case.verify.sample) = (Depth::Sample, 10);
    assert_eq!(case.found().await, []);
    for end in [&case.source, &case.destination] {
        let read = end.read.load(Ordering::Relaxed);
        assert!((90..400).contains(&read), "{read}");
    }
    case.destination.change(|rows| rows.push(row(20_000, "behind the last")));
    assert_eq!(case.found().await, [(DifferenceKind::Extra, "20000".to_owned())]);
}

#[tokio::test]
async fn counts_tell_the_number_alone() {
    let mut case = Case::new(&numbers(), rows(9), rows(7));
    case.depth = Depth::Counts;
    assert_eq!(case.report().await.missing, 2);
}

#[tokio::test]
async fn a_table_or_column_that_is_not_there_is_said() {
    let none = Case::of(FakeDatabase::with(vec![(numbers(), rows(1))]), FakeDatabase::with(Vec::new()));
    assert_eq!(none.report().await.error.as_deref(), Some("the destination has no such table"));
    let narrow = table(("shop", "t"), vec![column("id", INTEGER)], &[0]);
    let narrow = FakeDatabase::with(vec![(narrow, Vec::new())]);
    let less = Case::of(FakeDatabase::with(vec![(numbers(), rows(1))]), narrow);
    assert_eq!(less.report().await.error.as_deref(), Some("the destination has no column v"));
}
