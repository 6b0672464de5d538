//! Values of every type, at their boundaries, and what a server is to say of them.
#![allow(dead_code)]

use std::sync::Arc;

use slackwater_decoders::{schema::*, value::*};
use slackwater_testkit::Server;

use crate::changes::{INT, Row, int, table};

/// The rows of a query, with their values joined by a bar.
pub(crate) fn lines(server: &Server, sql: &str) -> Vec<String> {
    let rows = server.query(sql).unwrap();
    let cell = |cell: Option<Vec<u8>>| {
        cell.map_or("NULL".to_owned(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
    };
    rows.into_iter().map(|row| row.into_iter().map(cell).collect::<Vec<_>>().join("|")).collect()
}

/// Column type, value, an expression over the column `v`, and what it has to yield.
pub(crate) type Case = (ColumnType, Value<'static>, &'static str, &'static str);

pub(crate) fn cases() -> Vec<Case> {
    use ColumnType as T;
    let integer = |bytes, unsigned| T::Integer { bytes, unsigned };
    let date = |year, month, day| Date { year, month, day };
    let midnight = |date| DateTime { date, ..DateTime::default() };
    let e = || T::Enum(vec!["a".into(), "it's".into()]);
    let member = |index, label| Value::Enum(Enum { index, label });
    vec![
        (integer(1, false), Value::Int(-128), "v", "-128"),
        (integer(3, false), Value::Int(-8_388_608), "v", "-8388608"),
        (integer(8, false), Value::Int(i64::MIN), "v", "-9223372036854775808"),
        (integer(8, true), Value::UInt(u64::MAX), "v", "18446744073709551615"),
        (T::Float, Value::Float(f32::MAX), "v = 3.4028234663852886e38", "1"),
        (T::Float, Value::Float(0.1), "v = 0.10000000149011612e0", "1"),
        (T::Float, Value::Float(1e-45), "v > 0", "1"),
        (T::Double, Value::Double(0.1), "v", "0.1"),
        (T::Double, Value::Double(-0.0), "CONCAT(v)", "-0"),
        (T::Double, Value::Double(f64::MAX), "v", "1.7976931348623157e308"),
        (T::Double, Value::Double(f64::MIN_POSITIVE), "v", "2.2250738585072014e-308"),
        (
            T::Decimal { precision: 65, scale: 30 },
            Value::Decimal("-99999999999999999999999999999999999.999999999999999999999999999999"),
            "v",
            "-99999999999999999999999999999999999.999999999999999999999999999999",
        ),
        (
            T::VarChar(20),
            Value::Text("it's \\ \"q\" \u{1F600} "),
            "HEX(v)",
            "69742773205C2022712220F09F988020",
        ),
        (T::Text(65_535), Value::Text("a\0b\n%_"), "HEX(v)", "6100620A255F"),
        (T::VarBinary(9), Value::Binary(b"\0'\\\xff"), "HEX(v)", "00275CFF"),
        (T::Blob(65_535), Value::Binary(b""), "CONCAT('<', HEX(v), '>')", "<>"),
        (T::Date, Value::Date(date(0, 0, 0)), "v", "0000-00-00"),
        (T::Date, Value::Date(date(2023, 2, 31)), "v", "2023-02-31"),
        (T::Date, Value::Date(date(2024, 0, 15)), "v", "2024-00-15"),
        (
            T::Time(6),
            Value::Time(Time { micros: -3_020_399_000_000, precision: 6 }),
            "v",
            "-838:59:59.000000",
        ),
        (T::Time(0), Value::Time(Time { micros: 3_020_399_000_000, precision: 0 }), "v", "838:59:59"),
        (T::DateTime(0), Value::DateTime(midnight(date(0, 0, 0))), "v", "0000-00-00 00:00:00"),
        (
            T::DateTime(6),
            Value::DateTime(DateTime {
                date: date(9999, 12, 31),
                hour: 23,
                minute: 59,
                second: 59,
                precision: 6,
                micros: 999_999,
            }),
            "v",
            "9999-12-31 23:59:59.999999",
        ),
        (
            T::Timestamp(3),
            Value::Timestamp(Timestamp { micros: 1_001_000, precision: 3 }),
            "v",
            "1970-01-01 00:00:01.001",
        ),
        (
            T::Timestamp(0),
            Value::Timestamp(Timestamp { micros: 2_147_483_647_000_000, precision: 0 }),
            "v",
            "2038-01-19 03:14:07",
        ),
        (T::Timestamp(0), Value::DateTime(midnight(date(0, 0, 0))), "v", "0000-00-00 00:00:00"),
        (T::Year, Value::Year(0), "v", "0000"),
        (T::Year, Value::Year(2155), "v", "2155"),
        (T::Bits(64), Value::Bits(Bits { length: 64, bytes: &[0xff; 8] }), "HEX(v)", "FFFFFFFFFFFFFFFF"),
        (T::Bits(1), Value::Bits(Bits { length: 1, bytes: &[1] }), "v + 0", "1"),
        (e(), member(2, Some("it's")), "v", "it's"),
        (e(), member(0, None), "CONCAT(v, '/', v + 0)", "/0"),
        (T::Set(vec!["x".into(), "y".into()]), Value::Set(&Set { mask: 3, labels: Some("x,y") }), "v", "x,y"),
        (T::Set(vec!["x".into(), "y".into()]), Value::Set(&Set { mask: 0, labels: Some("") }), "v + 0", "0"),
        (
            T::Geometry("point".into()),
            Value::Geometry(Geometry {
                srid: 4326,
                wkb: b"\x01\x01\0\0\0\0\0\0\0\0\0\0\x40\0\0\0\0\0\0\xf0\x3f",
            }),
            "HEX(v)",
            "E610000001010000000000000000000040000000000000F03F",
        ),
        (
            T::Json,
            Value::Json(&Json { text: "{\"a\": [1, 0.1, \"q'\\\\u0000\"]}", typed: &[] }),
            "JSON_EXTRACT(v, '$.a[1]')",
            "0.1",
        ),
        (T::Uuid, Value::Uuid([0x12; 16]), "v", "12121212-1212-1212-1212-121212121212"),
        (T::Inet6, Value::Binary(b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01"), "v", "::1"),
    ]
}

/// A table `t` with a column for each case, and its row.
pub(crate) fn matrix(key: &[u16]) -> (Arc<Table>, Row, Vec<Case>) {
    let cases = cases();
    let mut columns = vec![Column::new("id", INT)];
    let mut row = vec![int(1)];
    for (place, (column_type, value, ..)) in cases.iter().enumerate() {
        columns.push(Column::new(format!("v{place}"), column_type.clone()));
        row.push(Some(*value));
    }
    (table("t", columns, key, &[]), row, cases)
}
