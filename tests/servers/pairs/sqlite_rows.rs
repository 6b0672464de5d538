//! Reading the rows of a SQLite file for comparison.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::sync::Arc;

use rusqlite::Connection;
use slackwater::{
    config::destination::SqliteDestination,
    destinations::sqlite::SqliteRows,
    sources::rows::{Part, RowReader},
};
use slackwater_decoders::{
    batch::Batch,
    event::{Event, RowChange},
    schema::{ColumnType, Table, TableName},
    value::{Bits, Cell, DateTime, Value},
};

fn cells(batches: &[Batch]) -> Vec<&[Cell<'_>]> {
    let changes = batches.iter().flat_map(|batch| {
        let [Event::Rows(rows)] = batch.events() else { panic!("one event") };
        rows.changes
    });
    changes.filter_map(RowChange::after).collect()
}

async fn scanned(rows: &SqliteRows, table: &Arc<Table>, part: &Part<'_>) -> Vec<Batch> {
    let mut scan = rows.scan(table, part).await.unwrap();
    let mut batches = Vec::new();
    while let Some(batch) = scan.next().await.unwrap() {
        assert!(batch.summary().row_changes <= 4096);
        batches.push(batch);
    }
    batches
}

fn key(row: &[Cell<'_>], places: &[usize]) -> String {
    format!("{:?}", places.iter().map(|place| row[*place].value().unwrap()).collect::<Vec<_>>())
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("shop.db");
    let reader = SqliteRows::new(&SqliteDestination {
        name: "{database}_{table}".to_owned(),
        ..SqliteDestination::at(&path)
    });
    let named = |table: &str| TableName::new("shop", table);
    assert!(reader.tables(&[named("pair")]).await.unwrap_err().to_string().contains("shop.db"));
    let file = Connection::open(&path).unwrap();
    file.execute_batch(
        "PRAGMA journal_mode = WAL;
         CREATE TABLE shop_pair (v BLOB, k TEXT NOT NULL, n INTEGER NOT NULL, f, twice AS (n * 2), PRIMARY KEY (k, n));
         INSERT INTO shop_pair VALUES (x'00', 'a', 1, 1.5), (NULL, 'a', -1, -0.0), ('text', 'B', 0, '18446744073709551615'), (1, '', 5, NULL);
         CREATE TABLE shop_many (id INTEGER PRIMARY KEY, v TEXT);
         WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 20000) INSERT INTO shop_many SELECT n, 'v' || n FROM s;
         CREATE TABLE shop_moments (at TEXT NOT NULL UNIQUE, v TEXT); INSERT INTO shop_moments VALUES ('2024-01-02 03:04:05.600', 'x');
         CREATE TABLE shop_empty (a); CREATE VIEW shop_seen AS SELECT 1;
         CREATE TABLE shop_large (id INTEGER PRIMARY KEY, v BLOB); INSERT INTO shop_large VALUES (1, zeroblob(67108864))",
    )
    .unwrap();
    let names = ["pair", "many", "absent", "seen", "moments", "empty", "large"].map(named);
    let tables = reader.tables(&names).await.unwrap();
    let [pair, many, moments, empty, large] = tables.as_slice() else { panic!("{tables:?}") };
    assert_eq!(
        (pair.key(), many.key(), moments.key(), empty.key()),
        (Some(&[1, 2][..]), Some(&[0][..]), Some(&[0][..]), None)
    );
    assert_eq!(pair.columns[2].column_type, ColumnType::Integer { bytes: 8, unsigned: false });
    assert!(pair.columns[4].generated.is_some());
    let whole = scanned(&reader, pair, &Part::Range { after: None, to: None }).await;
    let whole = cells(&whole);
    let order: Vec<String> = whole.iter().map(|row| key(row, &[1, 2])).collect();
    assert_eq!(
        order,
        [
            r#"[Text(""), Int(5)]"#,
            r#"[Text("B"), Int(0)]"#,
            r#"[Text("a"), Int(-1)]"#,
            r#"[Text("a"), Int(1)]"#
        ]
    );
    assert_eq!(
        whole[3],
        [Value::Binary(&[0]), Value::Text("a"), Value::Int(1), Value::Double(1.5), Value::Int(2)]
            .map(Cell::Value)
    );
    assert_eq!(whole[1][3], Cell::Value(Value::Text("18446744073709551615")));
    let keys = [
        vec![Value::Text("B"), Value::UInt(0)],
        vec![Value::Text("a"), Value::Int(-1)],
        vec![Value::Text("A"), Value::Int(1)],
    ];
    let found = scanned(&reader, pair, &Part::Range { after: Some(&keys[0]), to: Some(&keys[1]) }).await;
    assert_eq!(cells(&found), [whole[2]]);
    assert_eq!(cells(&[reader.rows(pair, &keys).await.unwrap()]), [whole[1], whole[2]]);

    assert_eq!(reader.count(&named("many")).await.unwrap(), 20_000);
    let after = [Value::Bits(Bits { length: 16, bytes: &[0, 100] })];
    let found =
        scanned(&reader, many, &Part::Range { after: Some(&after), to: Some(&[Value::Decimal("11000")]) })
            .await;
    assert_eq!(cells(&found).len(), 10_900, "a column of integers takes digits for a number");
    let moment =
        DateTime { precision: 3, micros: 600_000, hour: 3, minute: 4, second: 5, ..DateTime::default() };
    let moment =
        DateTime { date: slackwater_decoders::value::Date { year: 2024, month: 1, day: 2 }, ..moment };
    assert_eq!(cells(&[reader.rows(moments, &[vec![Value::DateTime(moment)]]).await.unwrap()]).len(), 1);
    assert!(scanned(&reader, empty, &Part::All).await.is_empty());
    let found = scanned(&reader, large, &Part::All).await;
    assert!(matches!(cells(&found)[0][1], Cell::Value(Value::Binary(bytes)) if bytes.len() == 64 << 20));
    assert!(reader.count(&named("absent")).await.unwrap_err().to_string().contains("shop.absent"));
    // A scan that is given up, and a file that is written to meanwhile.
    let mut scan = reader.scan(many, &Part::All).await.unwrap();
    assert!(scan.next().await.unwrap().is_some());
    file.execute("DELETE FROM shop_many", []).unwrap();
    drop(scan);
    assert_eq!(reader.count(&named("many")).await.unwrap(), 0);
}
