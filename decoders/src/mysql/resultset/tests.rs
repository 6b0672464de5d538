#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::sync::Arc;

use super::{ColumnDefinition, RowPlan};
use crate::{
    arena::ArenaPool,
    mysql::{json, rows::wire::code},
    schema::{Column, ColumnType, Table, TableName},
    value::{Cell, Date, DateTime, Time, Timestamp, Value},
};

fn plan(columns: Vec<(ColumnType, u8)>) -> RowPlan {
    let results: Vec<_> = columns
        .iter()
        .map(|(_, type_code)| ColumnDefinition {
            name: "c".to_owned(),
            collation: 255,
            type_code: *type_code,
            is_unsigned: false,
        })
        .collect();
    let columns = columns.into_iter().map(|(column_type, _)| Column::new("c", column_type)).collect();
    let table = Table {
        name: TableName::new("shop", "t"),
        columns,
        primary_key: vec![0],
        unique_keys: Vec::new(),
        indexes: Vec::new(),
        collation: None,
        named: true,
        number: None,
    };
    RowPlan::new(&Arc::new(table), &results).unwrap()
}

fn cells(plan: &RowPlan, rows: &[u8], count: usize, check: impl Fn(usize, &[Value<'_>])) {
    let pool = ArenaPool::new();
    let arena = pool.arena();
    for (number, change) in plan.decode(rows, count, &arena).unwrap().iter().enumerate() {
        let values: Vec<_> =
            change.after().unwrap().iter().map(|cell: &Cell<'_>| cell.value().unwrap()).collect();
        check(number, &values);
    }
}

/// The bytes of "Binary Protocol Value" in MySQL's documentation.
#[test]
fn the_documented_values() {
    let temporal = plan(vec![
        (ColumnType::DateTime(6), code::DATETIME),
        (ColumnType::Date, code::DATE),
        (ColumnType::Time(6), code::TIME),
        (ColumnType::Timestamp(0), code::TIMESTAMP),
        (ColumnType::VarChar(10), code::VAR_STRING),
    ]);
    let row = [
        &[0][..],
        &[0x0b, 0xda, 0x07, 0x0a, 0x11, 0x13, 0x1b, 0x1e, 0x01, 0, 0, 0],
        &[0x04, 0xda, 0x07, 0x0a, 0x11],
        &[0x0c, 0x01, 0x78, 0, 0, 0, 0x13, 0x1b, 0x1e, 0x01, 0, 0, 0],
        &[0x07, 0xda, 0x07, 0x0a, 0x11, 0x13, 0x1b, 0x1e],
        b"\x03foo",
    ]
    .concat();
    cells(&temporal, &row, 1, |_, values| {
        let date = Date { year: 2010, month: 10, day: 17 };
        let moment = DateTime { date, hour: 19, minute: 27, second: 30, precision: 6, micros: 1 };
        assert_eq!(values[0], Value::DateTime(moment));
        assert_eq!(values[1], Value::Date(date));
        let Value::Time(time) = values[2] else { panic!("{values:?}") };
        assert_eq!(time.to_string(), "-2899:27:30.000001");
        assert_eq!(values[3], Value::Timestamp(Timestamp { micros: 1_287_343_650_000_000, precision: 0 }));
        assert_eq!(values[4], Value::Text("foo"));
    });
    let zero = [0, 0, 0, 0, 0, 0];
    cells(&temporal, &zero, 1, |_, values| {
        assert_eq!(values[0], Value::DateTime(DateTime { precision: 6, ..DateTime::default() }));
        assert_eq!(values[1], Value::Date(Date::default()));
        assert_eq!(values[2], Value::Time(Time { micros: 0, precision: 6 }));
        assert_eq!(values[3], Value::DateTime(DateTime::default()));
        assert_eq!(values[4], Value::Text(""));
    });
}

#[test]
fn rows_stand_one_behind_the_other() {
    let int = ColumnType::Integer { bytes: 3, unsigned: false };
    let plan = plan(vec![
        (int, code::INT24),
        (ColumnType::VarChar(9), code::VAR_STRING),
        (ColumnType::Double, code::DOUBLE),
    ]);
    let first = [&[0][..], &(-5_i32).to_le_bytes(), b"\x01a", &1.5_f64.to_le_bytes()].concat();
    let second = [&[0b11000][..], &7_i32.to_le_bytes()].concat();
    let rows = [first.clone(), second.clone()].concat();
    cells(&plan, &rows, 2, |number, values| {
        let expected = [
            [Value::Int(-5), Value::Text("a"), Value::Double(1.5)],
            [Value::Int(7), Value::Null, Value::Null],
        ];
        assert_eq!(values, expected[number]);
    });
    assert_eq!(plan.raw(&first, 1).unwrap(), Some(&b"a"[..]));
    assert_eq!(plan.raw(&first, 2).unwrap(), Some(&1.5_f64.to_le_bytes()[..]));
    assert_eq!(plan.raw(&second, 1).unwrap(), None);
    assert!(plan.raw(&second, 3).is_err());
    let pool = ArenaPool::new();
    for (rows, count) in [(&rows[..], 1), (&rows[..rows.len() - 1], 2), (&rows[..], 3)] {
        assert!(plan.decode(rows, count, &pool.arena()).is_err());
    }
}

/// Bytes that the server does not send may still come: nothing panics, whatever they are.
#[test]
fn damaged_rows_are_errors() {
    let plan = plan(vec![
        (ColumnType::Time(0), code::TIME),
        (ColumnType::Uuid, code::STRING),
        (ColumnType::Bits(12), code::BIT),
        (ColumnType::Enum(vec!["a".to_owned()]), code::LONGLONG),
        (ColumnType::Json, code::JSON),
    ]);
    let pool = ArenaPool::new();
    let mut seed = 1_u64;
    for length in 0..200 {
        let rows: Vec<u8> = (0..length)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (seed >> 59) as u8
            })
            .collect();
        let _ = plan.decode(&rows, 3, &pool.arena());
        let _ = plan.raw(&rows, 4);
    }
}

#[test]
fn a_definition_of_another_time_does_not_fit() {
    let plan = plan(vec![(ColumnType::Integer { bytes: 4, unsigned: false }, code::LONG)]);
    let result = |type_code, is_unsigned| ColumnDefinition {
        name: "c".to_owned(),
        collation: 63,
        type_code,
        is_unsigned,
    };
    let fits = |results: &[ColumnDefinition]| RowPlan::new(plan.table(), results).is_ok();
    assert!(fits(&[result(code::LONG, false)]));
    assert!(!fits(&[result(code::LONGLONG, false)]));
    assert!(!fits(&[result(code::LONG, true)]));
    assert!(!fits(&[result(code::VAR_STRING, false)]));
    assert!(!fits(&[]));
}

/// What MySQL 9.7 shows of documents with the given kinds of numbers.
#[test]
fn decimals_in_documents_are_found_by_their_form() {
    let pool = ArenaPool::new();
    let arena = pool.arena();
    let typed = |text| {
        let json = json::from_text(text, &arena).unwrap();
        assert_eq!(json.text, text);
        json.typed.iter().map(|scalar| (scalar.path, scalar.value)).collect::<Vec<_>>()
    };
    for plain in [
        "{\"a\": 1.5, \"b\": [0.1, -0.0, 1e100, 18446744073709551615, -9223372036854775808]}",
        "[\"1.50\", \"quote \\\" 1.50\", true, null, {}, []]",
        "1.0",
    ] {
        assert_eq!(typed(plain), []);
    }
    assert_eq!(typed("1.50"), [("$", Value::Decimal("1.50"))]);
    assert_eq!(
        typed("{\"a\": [1, 1.50], \"b c\": 12345678901234567890123}"),
        [("$.a[1]", Value::Decimal("1.50")), ("$.\"b c\"", Value::Decimal("12345678901234567890123"))]
    );
    let json = json::from_text("\"base64:type15:AAAA\nBBBB\"", &arena).unwrap();
    assert_eq!(json.text, "\"base64:type15:AAAA\\nBBBB\"");
}
