//! Reading rows for comparison, with nothing but SELECT: every value as a copy has it, ranges that part a table whatever its key is, and
//! rows by their keys.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::sync::Arc;

use slackwater::{
    config::postgres::PostgresSource,
    sources::{
        postgres::PostgresRows,
        rows::{Part, RowReader},
        snapshot::Read,
    },
};
use slackwater_decoders::{
    batch::Batch,
    event::Event,
    schema::Table,
    value::{Cell, Value},
};
use slackwater_testkit::{PostgresServer, PostgresVersion};

use super::snapshot::{
    cells::TYPES,
    copying::{exec, named, open, server, source},
};

const VERSIONS: [PostgresVersion; 2] = [PostgresVersion::V10, PostgresVersion::V18];

/// The declarations of keys, and values in any order.
const KEYS: &[(&str, &str, &[&str])] = &[
    ("small", "k smallint PRIMARY KEY", &["-32768", "32767", "0", "-1"]),
    ("big", "k bigint PRIMARY KEY", &["-9223372036854775808", "9223372036854775807", "0"]),
    ("yes", "k boolean PRIMARY KEY", &["true", "false"]),
    (
        "exact",
        "k numeric PRIMARY KEY",
        &["'NaN'", "-1e30", "1e-30", "12345678901234567890.123456789", "0.10"],
    ),
    ("scaled", "k numeric(10,2) PRIMARY KEY", &["-1.50", "0.01", "0", "99999999.99"]),
    ("single", "k real PRIMARY KEY", &["0.1", "1e-45", "-3.4028235e38", "'NaN'", "'-Infinity'", "0.3"]),
    (
        "double_k",
        "k double precision PRIMARY KEY",
        &["0.1", "0.30000000000000004", "0.3", "'Infinity'", "5e-324"],
    ),
    ("day", "k date PRIMARY KEY", &["'0044-03-15 BC'", "'2024-02-29'", "'infinity'", "'20000-01-01'"]),
    (
        "moment",
        "k timestamp(6) PRIMARY KEY",
        &["'-infinity'", "'2024-01-02 03:04:05.678901'", "'2024-01-02 03:04:05.678902'", "'0044-03-15 BC'"],
    ),
    (
        "instant",
        "k timestamptz(3) PRIMARY KEY",
        &["'1970-01-01 00:00+00'", "'2024-10-27 01:30:00.123+02'", "'infinity'"],
    ),
    ("hour", "k time PRIMARY KEY", &["'00:00'", "'24:00'", "'23:59:59.999999'"]),
    ("span", "k interval PRIMARY KEY", &["'-1 year'", "'1 mon'", "'29 days 00:00:00.000001'"]),
    (
        "uuid_k",
        "k uuid PRIMARY KEY",
        &["'00112233-4455-6677-8899-aabbccddeeff'", "'ff112233-4455-6677-8899-aabbccddeeff'"],
    ),
    ("bytes", "k bytea PRIMARY KEY", &["'\\x'", "'\\x00'", "'\\x0000'", "'\\xff5c27'"]),
    (
        "words",
        "k text PRIMARY KEY",
        &["''", "'a'", "'B'", "'b c'", "E'\\\\'", "'it''s'", "'ä€'", "'日本'", "'😀'", "'a '"],
    ),
    ("short", "k varchar(4) PRIMARY KEY", &["'a'", "'abcd'", "'abc'", "''"]),
    ("padded", "k char(5) PRIMARY KEY", &["'ab'", "''", "'abcde'"]),
    ("plain_c", "k text COLLATE \"C\" PRIMARY KEY", &["'a'", "'B'", "'ä'", "'b'"]),
    ("bits", "k bit(5) PRIMARY KEY", &["B'10110'", "B'00000'", "B'11111'"]),
    ("network", "k inet PRIMARY KEY", &["'10.0.0.1'", "'10.0.0.0/8'", "'::1'"]),
    ("member", "k mood PRIMARY KEY", &["'very happy'", "'sad'"]),
    ("domain_k", "k posint PRIMARY KEY", &["7", "12"]),
    ("pair", "k text, n int, PRIMARY KEY (k, n)", &["'a', 1", "'a', -1", "'b', 0", "'', 5", "'b', 7"]),
    (
        "three",
        "k numeric, d timestamp, w varchar(5), PRIMARY KEY (w, k, d)",
        &[
            "1, '2024-01-01', 'x'",
            "2, '2024-01-01', 'x'",
            "2, '2024-01-01 00:00:00.1', 'x'",
            "1, '2024-01-01', 'a'",
        ],
    ),
    ("unique_k", "v int UNIQUE, k int NOT NULL UNIQUE", &["NULL, 5", "NULL, 4", "1, -3"]),
];

/// A reader with an account that may SELECT and nothing else.
fn reader(server: &PostgresServer) -> PostgresRows {
    exec(
        server,
        "CREATE ROLE reader LOGIN; GRANT USAGE ON SCHEMA public TO reader; \
         ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO reader",
    );
    let config: PostgresSource = toml::from_str(&format!(
        "hosts = ['127.0.0.1:{}']\ndatabase = 'shop'\nuser = 'reader'\ntls = {{ mode = 'disabled' }}",
        server.port()
    ))
    .unwrap();
    PostgresRows::new("read", config).unwrap()
}

fn types(server: &PostgresServer) {
    exec(
        server,
        "CREATE TYPE mood AS ENUM ('sad', 'very happy'); CREATE DOMAIN posint AS int CHECK (VALUE > 0); \
         CREATE TYPE address AS (street text, number int)",
    );
}

async fn table(rows: &PostgresRows, name: &str) -> Arc<Table> {
    rows.tables(&[named(name)]).await.unwrap().pop().expect("the table is there")
}

async fn scanned(rows: &PostgresRows, table: &Arc<Table>, part: &Part<'_>) -> Vec<Batch> {
    let mut scan = rows.scan(table, part).await.unwrap();
    let mut batches = Vec::new();
    while let Some(batch) = scan.next().await.unwrap_or_else(|error| panic!("{}: {error:?}", table.name)) {
        assert!(batch.summary().row_changes <= 4096, "{}", table.name);
        batches.push(batch);
    }
    assert!(scan.next().await.unwrap().is_none());
    batches
}

fn cells(batches: &[Batch]) -> Vec<&[Cell<'_>]> {
    let changes = batches.iter().flat_map(|batch| {
        let [Event::Rows(rows)] = batch.events() else { panic!("one event") };
        rows.changes
    });
    changes.map(|change| change.after().filter(|_| change.before().is_none()).expect("inserts")).collect()
}

fn key_of<'a>(table: &Table, row: &[Cell<'a>]) -> Vec<Value<'a>> {
    table.key().unwrap().iter().map(|place| row[usize::from(*place)].value().unwrap()).collect()
}

fn of_keys(table: &Table, rows: &[&[Cell<'_>]]) -> Vec<String> {
    rows.iter().map(|row| format!("{:?}", key_of(table, row))).collect()
}

/// Every table parted behind each of its rows, and each row looked up.
#[tokio::test(flavor = "multi_thread")]
async fn parts_and_keys() {
    for version in VERSIONS {
        let server = server(version);
        types(&server);
        let reader = reader(&server);
        for (name, columns, values) in KEYS {
            let rows: Vec<String> = values.iter().map(|value| format!("({value})")).collect();
            exec(
                &server,
                &format!("CREATE TABLE {name} ({columns}); INSERT INTO {name} VALUES {}", rows.join(",")),
            );
            let table = table(&reader, name).await;
            assert_eq!(reader.count(&table.name).await.unwrap(), values.len() as u64, "{version} {name}");
            let whole = scanned(&reader, &table, &Part::Range { after: None, to: None }).await;
            let whole = cells(&whole);
            assert_eq!(whole.len(), values.len(), "{version} {name}");
            let keys: Vec<Vec<Value<'_>>> = whole.iter().map(|row| key_of(&table, row)).collect();
            for place in 0..keys.len() {
                let after = place.checked_sub(1).map(|before| keys[before].as_slice());
                let to = Some(keys[place].as_slice());
                for (part, expected) in [
                    (Part::Range { after, to }, &whole[place..=place]),
                    (Part::Range { after, to: None }, &whole[place..]),
                    (Part::Range { after: None, to }, &whole[..=place]),
                    (Part::Range { after: to, to }, &whole[..0]),
                ] {
                    let found = scanned(&reader, &table, &part).await;
                    assert_eq!(
                        of_keys(&table, &cells(&found)),
                        of_keys(&table, expected),
                        "{version} {name} {part:?}"
                    );
                }
                let found = [reader.rows(&table, &keys[place..=place]).await.unwrap()];
                assert_eq!(
                    of_keys(&table, &cells(&found)),
                    of_keys(&table, &whole[place..=place]),
                    "{version}"
                );
            }
            let found = [reader.rows(&table, &keys[1..]).await.unwrap()];
            let mut found = of_keys(&table, &cells(&found));
            let mut expected = of_keys(&table, &whole[1..]);
            found.sort();
            expected.sort();
            assert_eq!(found, expected, "{version} {name}");
        }
        // What a column's type does not have is not there, and hides no other.
        let small = table(&reader, "small").await;
        let keys = [Value::Int(40_000), Value::UInt(0), Value::Text("x"), Value::Decimal("-1")];
        let found = [reader.rows(&small, &keys.map(|key| vec![key])).await.unwrap()];
        let mut found = of_keys(&small, &cells(&found));
        found.sort();
        assert_eq!(found, ["[Int(-1)]", "[Int(0)]"], "{version}");
        let short = table(&reader, "short").await;
        let found = reader.rows(&short, &[vec![Value::Text("abcde")]]).await.unwrap();
        assert!(cells(&[found]).is_empty(), "{version}: nothing is cut to the column's length");
    }
}

/// Every type is read as a copy has it.
#[tokio::test(flavor = "multi_thread")]
async fn values_are_those_of_a_copy() {
    for version in VERSIONS {
        let server = server(version);
        types(&server);
        let reader = reader(&server);
        let source = source(&server);
        for (number, (kind, values)) in TYPES.iter().enumerate() {
            let name = format!("t{number:02}");
            let values: Vec<String> = values.iter().map(|value| format!("({value})")).collect();
            let rows = values.join(", ");
            exec(
                &server,
                &format!("CREATE TABLE {name} (v {kind}); INSERT INTO {name} VALUES {rows}, (NULL)"),
            );
            let mut copy = open(&source, &name).await;
            let mut blocks = Vec::new();
            while let Read::Block(block) = copy.next().await.unwrap() {
                blocks.push(block.batch);
            }
            let read = scanned(&reader, &table(&reader, &name).await, &Part::All).await;
            assert_eq!(format!("{:?}", cells(&read)), format!("{:?}", cells(&blocks)), "{version} {kind}");
        }
    }
}

/// Many rows, partitions, a row of 64 MiB, no rows, and names that are no tables.
#[tokio::test(flavor = "multi_thread")]
async fn large_and_empty_tables() {
    let server = server(PostgresVersion::V18);
    let reader = reader(&server);
    exec(
        &server,
        "CREATE TABLE many (a int, b text COLLATE \"C\", n int, PRIMARY KEY (a, b)) PARTITION BY RANGE (a); \
         CREATE TABLE many_1 PARTITION OF many FOR VALUES FROM (0) TO (77); \
         CREATE TABLE many_2 (gone int, n int, b text COLLATE \"C\" NOT NULL, a int NOT NULL); ALTER TABLE many_2 DROP gone; \
         ALTER TABLE many ATTACH PARTITION many_2 FOR VALUES FROM (77) TO (1000); \
         INSERT INTO many SELECT n / 100, 'k' || n % 100, n FROM generate_series(0, 29999) n; \
         CREATE TABLE large (id int PRIMARY KEY, v bytea); ALTER TABLE large ALTER v SET STORAGE EXTERNAL; \
         INSERT INTO large VALUES (1, 'a'), (2, convert_to(repeat('x', 67108864), 'UTF8')), (3, NULL); \
         CREATE TABLE empty_k (id int PRIMARY KEY); CREATE TABLE empty_n (id int); CREATE VIEW seen AS SELECT 1 AS id; \
         CREATE TABLE heir () INHERITS (empty_k); INSERT INTO heir VALUES (1)",
    );
    let many = table(&reader, "many").await;
    let all = scanned(&reader, &many, &Part::All).await;
    assert_eq!((cells(&all).len(), reader.count(&many.name).await.unwrap()), (30_000, 30_000));
    let whole = scanned(&reader, &many, &Part::Range { after: None, to: None }).await;
    let keys: Vec<Vec<Value<'_>>> = cells(&whole).iter().map(|row| key_of(&many, row)).collect();
    assert_eq!(keys.len(), 30_000);
    let found = [reader.rows(&many, &keys[6_000..9_000]).await.unwrap()];
    assert_eq!(cells(&found).len(), 3_000);
    let part = Part::Range { after: Some(&keys[9_999]), to: Some(&keys[24_999]) };
    let found = scanned(&reader, &many, &part).await;
    assert_eq!(of_keys(&many, &cells(&found)), of_keys(&many, &cells(&whole)[10_000..25_000]));

    let large = table(&reader, "large").await;
    let lengths = |batches: &[Batch]| -> Vec<usize> {
        let length = |row: &&[Cell<'_>]| match row[1].value() {
            Some(Value::Binary(bytes)) => bytes.len(),
            _ => 0,
        };
        cells(batches).iter().map(length).collect()
    };
    assert_eq!(lengths(&scanned(&reader, &large, &Part::All).await), [1, 64 << 20, 0]);
    assert_eq!(lengths(&[reader.rows(&large, &[vec![Value::Int(2)]]).await.unwrap()]), [64 << 20]);

    for name in ["empty_k", "empty_n"] {
        let empty = table(&reader, name).await;
        assert!(scanned(&reader, &empty, &Part::All).await.is_empty(), "{name}");
        assert_eq!(reader.count(&empty.name).await.unwrap(), 0);
    }
    let none = reader.rows(&table(&reader, "empty_k").await, &[]).await.unwrap();
    assert!(cells(&[none]).is_empty());
    let names = ["absent", "empty_k", "seen", "many_1"].map(named);
    let found = reader.tables(&names).await.unwrap();
    assert_eq!(found.iter().map(|table| &*table.name.table).collect::<Vec<_>>(), ["empty_k"]);
    let error = reader.count(&named("absent")).await.unwrap_err();
    assert!(error.to_string().contains("public.absent"), "{error}");
    // Another definition since it was asked for.
    let before = table(&reader, "empty_n").await;
    exec(&server, "ALTER TABLE empty_n ADD COLUMN more int");
    reader.tables(&[named("empty_n")]).await.unwrap();
    assert!(reader.scan(&before, &Part::All).await.is_err());
}
