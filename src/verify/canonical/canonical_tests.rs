#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use slackwater_decoders::value::{Bits, Date, Json, Time, Timestamp};

use super::*;

const TO_POSTGRES: Rules =
    Rules { product: Product::Postgres, drops_invalid_dates: true, drops_zero_bytes: true };
const TO_MYSQL: Rules =
    Rules { product: Product::Mysql, drops_invalid_dates: false, drops_zero_bytes: false };
const TO_SQLITE: Rules = Rules { product: Product::Sqlite, ..TO_MYSQL };

fn mysql(column_type: ColumnType) -> Column {
    Column::new("c", column_type)
}

fn postgres(column_type: ColumnType) -> Column {
    Column { number: Some(1), ..Column::new("c", column_type) }
}

fn integer(bytes: u8) -> ColumnType {
    ColumnType::Integer { bytes, unsigned: false }
}

fn forms(pair: (Column, Column), rules: Rules, values: (Value<'_>, Value<'_>)) -> (Vec<u8>, Vec<u8>) {
    let comparison = choose(&pair.0, &pair.1, rules).unwrap();
    let form = |end, value| {
        let mut out = Vec::new();
        comparison.encode(end, value, &mut Scratch::default(), &mut out).unwrap();
        out
    };
    (form(End::Source, values.0), form(End::Destination, values.1))
}

#[track_caller]
fn same(pair: (Column, Column), rules: Rules, values: (Value<'_>, Value<'_>)) {
    let (source, destination) = forms(pair, rules, values);
    assert_eq!(source, destination, "{} and {}", shown(&source), shown(&destination));
}

#[track_caller]
fn differ(pair: (Column, Column), rules: Rules, values: (Value<'_>, Value<'_>)) {
    let (source, destination) = forms(pair, rules, values);
    assert_ne!(source, destination);
}

fn date_time(year: u16, month: u8, day: u8) -> Value<'static> {
    Value::DateTime(DateTime {
        date: Date { year, month, day },
        hour: 12,
        precision: 3,
        micros: 500_000,
        ..DateTime::default()
    })
}

/// What `docs/types.md` says of MySQL's values at PostgreSQL.
#[test]
fn values_of_mysql_are_themselves_at_postgresql() {
    use ColumnType as T;
    let json = |text| Value::Json(slackwater_json(text));
    let decimal = T::Decimal { precision: 20, scale: 0 };
    for (source, destination, here, there) in [
        (integer(1), T::Boolean, Value::Int(1), Value::Bool(true)),
        (
            T::Integer { bytes: 8, unsigned: true },
            decimal,
            Value::UInt(u64::MAX),
            Value::Decimal("18446744073709551615"),
        ),
        (T::Bits(1), T::Boolean, Value::Bits(Bits { length: 1, bytes: &[1] }), Value::Bool(true)),
        (T::Year, integer(2), Value::Year(2024), Value::Int(2024)),
        (T::Char(5), T::Char(5), Value::Text("ab"), Value::Text("ab   ")),
        (T::VarChar(5), T::VarChar(5), Value::Text("a\0b"), Value::Text("ab")),
        (T::DateTime(3), T::DateTime(3), date_time(2024, 0, 15), Value::Null),
        (T::DateTime(3), T::DateTime(3), date_time(2024, 2, 15), date_time(2024, 2, 15)),
        (
            T::Timestamp(0),
            T::Timestamp(0),
            Value::Timestamp(Timestamp { micros: 1_000_000, precision: 0 }),
            Value::Timestamp(Timestamp { micros: 1_000_000, precision: 6 }),
        ),
        (T::Json, T::Json, json("{\"b\": 1e2, \"a\": [1.50]}"), json("{\"a\": [1.5], \"b\": 100}")),
        (
            T::Time(1),
            T::Native("interval".to_owned()),
            Value::Time(Time { micros: -3_020_399_500_000, precision: 1 }),
            Value::Text("-838:59:59.5"),
        ),
        (T::Inet6, T::Native("inet".to_owned()), Value::Binary(&[0; 16]), Value::Text("::")),
        (
            T::Vector(2),
            T::Native("real[]".to_owned()),
            Value::Vector(&[0, 0, 128, 63, 0, 0, 0, 191]),
            Value::Text("{1,-0.5}"),
        ),
        (T::Binary(4), T::Blob(u32::MAX), Value::Binary(b"a"), Value::Binary(b"a\0\0\0")),
        (
            T::Enum(vec!["a".to_owned()]),
            T::Text(u32::MAX),
            Value::Enum(Enum { index: 0, label: None }),
            Value::Text(""),
        ),
    ] {
        same((mysql(source), postgres(destination)), TO_POSTGRES, (here, there));
    }
}

fn slackwater_json(text: &str) -> &Json<'_> {
    Box::leak(Box::new(Json { text, typed: &[] }))
}

/// And of PostgreSQL's at MySQL and in a SQLite file.
#[test]
fn values_of_postgresql_are_themselves_elsewhere() {
    use ColumnType as T;
    let unlimited = T::Decimal { precision: 0, scale: 0 };
    for (source, destination, here, there) in [
        (T::Char(4), T::Char(4), Value::Text("a   "), Value::Text("a")),
        (
            unlimited.clone(),
            T::Decimal { precision: 65, scale: 30 },
            Value::Decimal("1.5"),
            Value::Decimal("1.500"),
        ),
        (
            T::Json,
            T::Json,
            Value::Json(slackwater_json("[1.0, 1e400]")),
            Value::Json(slackwater_json("[1, 1e400]")),
        ),
        (
            T::Timestamp(6),
            T::DateTime(6),
            Value::Timestamp(Timestamp { micros: 1, precision: 6 }),
            Value::DateTime(Timestamp { micros: 1, precision: 6 }.to_utc()),
        ),
        (T::Uuid, T::Char(36), Value::Uuid([0xAB; 16]), Value::Text("abababab-abab-abab-abab-abababababab")),
    ] {
        same((postgres(source), mysql(destination)), TO_MYSQL, (here, there));
    }
    same((postgres(T::Char(4)), mysql(T::Text(0))), TO_SQLITE, (Value::Text("a   "), Value::Text("a   ")));
    same((postgres(unlimited), mysql(T::Text(0))), TO_SQLITE, (Value::Decimal("1.50"), Value::Text("1.50")));
    same(
        (mysql(T::Float), mysql(T::Double)),
        TO_SQLITE,
        (Value::Float(0.1), Value::Double(f64::from(0.1_f32))),
    );
}

#[test]
fn the_least_difference_is_one() {
    use ColumnType as T;
    let next = f64::from_bits(0.1_f64.to_bits() + 1);
    for (column_type, here, there) in [
        (T::Double, Value::Double(0.1), Value::Double(next)),
        (T::Double, Value::Double(0.0), Value::Double(-0.0)),
        (T::Float, Value::Float(0.1), Value::Float(f32::from_bits(0.1_f32.to_bits() + 1))),
        (T::VarChar(9), Value::Text("a"), Value::Text("a ")),
        (T::VarChar(9), Value::Text("a"), Value::Text("A")),
        (T::VarChar(9), Value::Text("é"), Value::Text("e\u{301}")),
        (T::VarChar(9), Value::Text(""), Value::Null),
        (T::Blob(9), Value::Binary(&[1, 2, 4]), Value::Binary(&[1, 2, 5])),
        (
            T::Decimal { precision: 30, scale: 2 },
            Value::Decimal("9007199254740993.01"),
            Value::Decimal("9007199254740993.02"),
        ),
        (T::DateTime(3), date_time(2024, 2, 15), date_time(2024, 2, 16)),
        (T::Json, Value::Json(slackwater_json("[1]")), Value::Json(slackwater_json("[\"1\"]"))),
        (
            T::Enum(vec![String::new()]),
            Value::Enum(Enum { index: 0, label: Some("") }),
            Value::Enum(Enum { index: 1, label: Some("") }),
        ),
    ] {
        let pair = (mysql(column_type.clone()), mysql(column_type));
        differ(pair, TO_MYSQL, (here, there));
    }
    let numeric = || postgres(T::Decimal { precision: 0, scale: 0 });
    differ((numeric(), numeric()), TO_POSTGRES, (Value::Decimal("1.5"), Value::Decimal("1.50")));
    let documents = (mysql(T::Json), postgres(T::Json));
    let number = |text| Value::Json(slackwater_json(text));
    differ(documents, TO_POSTGRES, (number("0.12345678901234567891"), number("0.12345678901234567892")));
    differ((mysql(T::Text(9)), mysql(T::Text(9))), TO_SQLITE, (Value::Text("1"), Value::Int(1)));
}

#[test]
fn numbers_of_documents_are_shifted_exactly() {
    for (literal, exact) in [
        ("1e2", "100"),
        ("-1.5e-3", "-0.0015"),
        ("12.50e1", "125"),
        ("0e10", "0"),
        ("-0.0", "0"),
        ("1E+3", "1000"),
    ] {
        let mut out = Vec::new();
        number::push_json(&mut out, literal, false);
        assert_eq!(String::from_utf8(out).unwrap(), exact, "{literal}");
    }
}

#[test]
fn forms_of_a_row_are_taken_apart_again() {
    let comparison = choose(&mysql(integer(8)), &mysql(integer(8)), TO_MYSQL).unwrap();
    let mut row = Vec::new();
    for value in [Value::Int(-5), Value::Null, Value::Int(12)] {
        comparison.encode(End::Source, value, &mut Scratch::default(), &mut row).unwrap();
    }
    assert_eq!(Forms::new(&row).map(shown).collect::<Vec<_>>(), ["-5", "NULL", "12"]);
}

#[test]
fn what_is_lost_is_not_compared() {
    let narrow = choose(&mysql(ColumnType::DateTime(6)), &mysql(ColumnType::DateTime(0)), TO_MYSQL);
    assert_eq!(narrow.unwrap_err(), "the destination keeps fewer digits of the second");
}
