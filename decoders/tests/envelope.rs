//! The forms that the envelope promises for values and transactions.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::sync::Arc;

use serde_json::{Value as JsonValue, json};
use slackwater_decoders::{
    envelope::{EnvelopeWriter, UNAVAILABLE},
    event::{Begin, Commit, Event, RowChange, Rows},
    mysql::gtid::{Gtid, GtidSource},
    position::{LogPosition, TransactionId},
    schema::{Column, ColumnType, Table, TableName},
    value::{Bits, Cell, Date, DateTime, Enum, Geometry, Json, Set, Time, Timestamp, Value},
};

fn table(columns: usize) -> Arc<Table> {
    Arc::new(Table {
        name: TableName::new("shop", "orders"),
        columns: (0..columns).map(|i| Column::new(format!("c{i}"), ColumnType::Json)).collect(),
        primary_key: vec![0],
        unique_keys: Vec::new(),
        indexes: Vec::new(),
        collation: None,
        named: true,
        number: None,
    })
}

/// One transaction in which the changes come twice.
fn written(changes: &[RowChange<'_>], columns: usize) -> Vec<JsonValue> {
    let position = LogPosition::Binlog { file: "binlog.000001".into(), offset: 4 };
    let source = GtidSource { uuid: [0x3E; 16], tag: None };
    let table = table(columns);
    let rows = |sequence| {
        Event::Rows(Rows {
            table: Arc::clone(&table),
            position: position.clone(),
            time_micros: 1_700_000_000_123_456,
            sequence,
            unlogged_cascades: false,
            changes,
        })
    };
    let events = [
        Event::Begin(Begin {
            transaction: Some(TransactionId::Mysql(Gtid { source, number: 5 })),
            position: position.clone(),
        }),
        rows(0),
        rows(changes.len() as u64),
        Event::Commit(Commit { position: position.clone(), time_micros: 0 }),
    ];
    let (mut writer, mut out) = (EnvelopeWriter::new("mysql", "db1"), Vec::new());
    for event in &events {
        writer.write(event, 1_700_000_001_000, &mut out).unwrap();
    }
    String::from_utf8(out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn values_keep_every_digit() {
    let document = Json { text: r#"{"a": 1.10}"#, typed: &[] };
    let members = Set { mask: 5, labels: Some("a,c") };
    let moment = DateTime { precision: 6, micros: 7, ..DateTime::default() };
    let instant = Timestamp { micros: 1_700_000_000_123_000, precision: 3 };
    let cases = [
        (Value::Null, "null"),
        (Value::Int(i64::MIN), "-9223372036854775808"),
        (Value::UInt(u64::MAX), "18446744073709551615"),
        (Value::Float(0.1), "0.1"),
        (Value::Double(-0.0), "-0.0"),
        (Value::Double(f64::NAN), r#""NaN""#),
        (Value::Decimal("123456789012345678901234567890.10"), r#""123456789012345678901234567890.10""#),
        (Value::Text("a\"ü"), r#""a\"ü""#),
        (Value::Binary(&[0, 255]), r#""AP8=""#),
        (Value::Date(Date { year: 2024, month: 0, day: 15 }), r#""2024-00-15""#),
        (Value::Time(Time { micros: -1_500_000, precision: 1 }), r#""-00:00:01.5""#),
        (Value::DateTime(moment), r#""0000-00-00T00:00:00.000007""#),
        (Value::Timestamp(instant), r#""2023-11-14T22:13:20.123Z""#),
        (Value::Year(2155), "2155"),
        (Value::Bits(Bits { length: 1, bytes: &[1] }), "true"),
        (Value::Bits(Bits { length: 16, bytes: &[1, 2] }), r#""AgE=""#),
        (Value::Enum(Enum { index: 2, label: Some("b") }), r#""b""#),
        (Value::Set(&members), r#""a,c""#),
        (Value::Geometry(Geometry { srid: 4326, wkb: &[1] }), r#"{"srid":4326,"wkb":"AQ=="}"#),
        (Value::Json(&document), r#""{\"a\": 1.10}""#),
        (Value::Vector(&[0, 0, 128, 63]), "[1.0]"),
    ];
    let cells: Vec<Cell<'_>> = cases.iter().map(|(value, _)| Cell::Value(*value)).collect();
    let lines = written(&[RowChange::Insert { after: &cells }], cells.len());
    for (i, (value, expected)) in cases.iter().enumerate() {
        // Compared as text: a parser's numbers could hide a lost digit.
        assert_eq!(lines[0]["after"][format!("c{i}")].to_string(), *expected, "{value:?}");
    }
}

#[test]
fn unknown_unchanged_and_null_are_three_things() {
    let cells = [Cell::Value(Value::Null), Cell::Unchanged, Cell::Absent];
    let lines = written(&[RowChange::Update { before: &cells, after: &cells }], 3);
    assert_eq!(lines[0]["after"], json!({ "c0": null, "c1": UNAVAILABLE }));
    assert_eq!(lines[0]["op"], "u");
}

#[test]
fn changes_are_counted_within_their_transaction() {
    let cells = [Cell::Value(Value::Int(1))];
    let delete = RowChange::Delete { before: &cells };
    let lines = written(&[delete, delete], 1);
    let orders: Vec<_> = lines.iter().map(|line| line["transaction"]["total_order"].clone()).collect();
    assert_eq!(orders, [1, 2, 3, 4]);
    let last = &lines[3];
    assert_eq!(last["transaction"]["data_collection_order"], 4);
    assert_eq!((&last["op"], &last["after"]), (&json!("d"), &JsonValue::Null));
    assert_eq!((&last["source"]["file"], &last["source"]["pos"]), (&json!("binlog.000001"), &json!(4)));
    assert_eq!(last["source"]["gtid"], "3e3e3e3e-3e3e-3e3e-3e3e-3e3e3e3e3e3e:5");
}

/// The members of Debezium's source block for PostgreSQL (its documentation, *Data change events*), and none of a binlog's.
#[test]
fn a_change_of_postgresql_has_its_schema_its_place_and_its_transaction() {
    let position = LogPosition::Wal { system: 1, timeline: 1, lsn: "0/16B3748".parse().unwrap() };
    let after = [Cell::Value(Value::Int(1))];
    let events = [
        Event::Begin(Begin { transaction: Some(TransactionId::Postgres(732)), position: position.clone() }),
        Event::Rows(Rows {
            table: table(1),
            position,
            time_micros: 1_700_000_000_123_456,
            sequence: 0,
            unlogged_cascades: false,
            changes: &[RowChange::Insert { after: &after }],
        }),
    ];
    let mut writer = EnvelopeWriter::new("postgresql", "pg1").of_database("app");
    let mut out = Vec::new();
    events.iter().for_each(|event| writer.write(event, 1_700_000_001_000, &mut out).unwrap());
    let written: JsonValue = serde_json::from_slice(&out).unwrap();
    let source = written["source"].as_object().unwrap();
    assert_eq!(source["db"], "app");
    assert_eq!(source["schema"], "shop");
    assert_eq!(source["table"], "orders");
    assert_eq!(source["txId"], 732);
    assert_eq!(source["lsn"], 23_803_720);
    assert!(["gtid", "file", "pos", "row"].iter().all(|member| !source.contains_key(*member)));
    assert_eq!(written["transaction"]["id"], "732");
}
