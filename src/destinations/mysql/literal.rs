//! Values as literals of a statement, so that the server stores exactly what the source had.
//!
//! The session they are read in has `NAMES utf8mb4`, `time_zone = '+00:00'`, backslash escapes, and an `sql_mode` that takes
//! zero, partial and invalid dates ([`super::session`]). Forms whose reading differs from the obvious one:
//!
//! * FLOAT and DOUBLE are written with an exponent, because a number with a point alone is a decimal and rounded twice; a
//!   FLOAT with the digits of the double it widens to, because a comparison widens the column. −0.0 is a
//!   string, so that the sign does not hang on how the server folds a constant.
//! * YEAR is a number: the string `'0'` is the year 2000.
//! * GEOMETRY is the server's own form: the SRID in 4 bytes, little endian, and WKB.
//! * Text of a CHAR of PostgreSQL comes without the spaces at its end, which the server would drop as well.
//! * JSON on MySQL has the scalars that text cannot carry put in by `JSON_REPLACE`. The type number of an opaque binary in
//!   a document is the server's choice.

use std::{io::Write as _, net::Ipv4Addr};

use slackwater_decoders::{
    schema::{Column, ColumnType},
    value::{Date, DateTime, Enum, Inet6Text, Json, JsonDiff, JsonDiffOperation, Set, UuidText, Value},
};

use crate::types::{mysql::Server, postgres::is_of_postgres};

/// Why a value cannot be written. Says nothing of the value.
pub(super) type Unfit = &'static str;

/// A value that a column cannot hold. Says nothing of the value.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unwritable(pub(super) Unfit);

/// Appends the literal of a column's value.
pub(super) fn push(
    out: &mut Vec<u8>,
    column: &Column,
    value: Value<'_>,
    server: Server,
) -> Result<(), Unfit> {
    match value {
        Value::Null => out.extend_from_slice(b"NULL"),
        Value::Bool(truth) => out.push(if truth { b'1' } else { b'0' }),
        Value::Int(number) => integer(out, number),
        Value::UInt(number) => integer(out, number),
        Value::Year(year) => integer(out, year),
        Value::Bits(bits) => match bits.to_u64() {
            Some(number) => integer(out, number),
            None => hex(out, bits.bytes),
        },
        Value::Float(number) => real(out, f64::from(number))?,
        Value::Double(number) => real(out, number)?,
        Value::Decimal(digits) => out.extend_from_slice(decimal(digits)?.as_bytes()),
        Value::Text(text) => quoted(out, text_of(column, text)?),
        Value::Binary(bytes) => binary(out, column, bytes),
        Value::Vector(bytes) => hex(out, bytes),
        Value::Date(_) | Value::Time(_) | Value::DateTime(_) | Value::Timestamp(_) => {
            out.push(b'\'');
            temporal(out, value);
            out.push(b'\'');
        }
        Value::Enum(Enum { index: 0, .. }) => out.push(b'0'),
        Value::Enum(it) => quoted(out, member(column, it)?),
        Value::Set(set) => members(out, set),
        Value::Geometry(geometry) => {
            let mut bytes = Vec::with_capacity(4 + geometry.wkb.len());
            bytes.extend_from_slice(&geometry.srid.to_le_bytes());
            bytes.extend_from_slice(geometry.wkb);
            hex(out, &bytes);
        }
        Value::Json(json) => document(out, json, server)?,
        Value::Uuid(bytes) => quoted_display(out, UuidText(bytes)),
        Value::JsonDiff(_) => {
            return Err("a change to a JSON document stands where a whole document is needed");
        }
        _ => return Err("a value of a kind that this destination does not know"),
    }
    Ok(())
}

/// Appends a condition that holds for exactly the column's value: not for one that differs in case, accents or spaces at its
/// end, and for NULL when the value is NULL. `name` is the quoted name of the column.
pub(super) fn push_equal(
    out: &mut Vec<u8>,
    name: &str,
    column: &Column,
    value: Value<'_>,
    server: Server,
) -> Result<(), Unfit> {
    match value {
        // A VECTOR takes no other comparison with NULL.
        Value::Null => {
            let _ = write!(out, "{name} IS NULL");
        }
        // MySQL compares a VECTOR with nothing but another one. MariaDB's log has it as bytes.
        Value::Vector(bytes) | Value::Binary(bytes)
            if matches!(column.column_type, ColumnType::Vector(_)) =>
        {
            let _ = write!(out, "UNHEX(HEX({name})) <=> ");
            hex(out, bytes);
        }
        Value::Text(text) => {
            // Compared as UTF-8 bytes: no collation, no padding, whatever the column's character set.
            let _ = write!(out, "CAST(CONVERT({name} USING utf8mb4) AS BINARY) <=> ");
            hex(out, text_of(column, text)?.as_bytes());
        }
        Value::Json(json) if server.mariadb => {
            return push_equal(out, name, column, Value::Text(json.text), server);
        }
        Value::Json(json) => {
            let _ = write!(out, "{name} <=> ");
            json_value(out, json, server)?;
        }
        Value::Geometry(_) => {
            let _ = write!(out, "CAST({name} AS BINARY) <=> ");
            push(out, column, value, server)?;
        }
        // The error value, which is no member and has the number 0.
        Value::Enum(Enum { index: 0, .. }) => {
            let _ = write!(out, "{name} + 0 <=> 0");
        }
        _ => {
            let _ = write!(out, "{name} <=> ");
            push(out, column, value, server)?;
        }
    }
    Ok(())
}

/// The same for text in a column of MySQL's type JSON: the condition holds for documents that are equal.
pub(super) fn push_equal_document(out: &mut Vec<u8>, name: &str, text: &str) {
    let _ = write!(out, "{name} <=> CAST(");
    quoted(out, text);
    out.extend_from_slice(b" AS JSON)");
}

/// Appends an expression that applies the changes to the document in the column `name`.
pub(super) fn push_json_diff(
    out: &mut Vec<u8>,
    name: &str,
    diff: &JsonDiff<'_>,
    server: Server,
) -> Result<(), Unfit> {
    let mut expression = name.as_bytes().to_vec();
    for step in diff.steps {
        // The path of an array's cell ends in a bracket. A member is set even where it exists: it does on a replay.
        let function = match step.operation {
            JsonDiffOperation::Replace => "JSON_REPLACE",
            JsonDiffOperation::Insert if step.path.ends_with(']') => "JSON_ARRAY_INSERT",
            JsonDiffOperation::Insert => "JSON_SET",
            JsonDiffOperation::Remove => "JSON_REMOVE",
        };
        let mut next = format!("{function}(").into_bytes();
        next.append(&mut expression);
        next.push(b',');
        quoted(&mut next, step.path);
        if step.operation != JsonDiffOperation::Remove {
            next.push(b',');
            json_value(&mut next, step.value.ok_or("a change to a JSON document lacks its value")?, server)?;
        }
        next.push(b')');
        expression = next;
    }
    out.append(&mut expression);
    Ok(())
}

/// Whether the value is MySQL's error value of an ENUM, which no literal can write in strict mode.
pub(super) fn needs_lenient_mode(value: Value<'_>) -> bool {
    matches!(value, Value::Enum(Enum { index: 0, .. }))
}

/// The text of a column of that type. What PostgreSQL has no date for comes as its text, and MySQL has none for it either.
pub(super) fn text_of<'a>(column: &Column, text: &'a str) -> Result<&'a str, Unfit> {
    if !is_of_postgres(column) {
        return Ok(text);
    }
    match column.column_type {
        ColumnType::Char(_) => Ok(text.trim_end_matches(' ')),
        ColumnType::Date | ColumnType::DateTime(_) | ColumnType::Timestamp(_) => {
            Err("MySQL has no infinite dates, and no years outside of 1 to 9999")
        }
        _ => Ok(text),
    }
}

/// The digits of a number that a DECIMAL holds whole. The server would round those behind the point without a word.
fn decimal(digits: &str) -> Result<&str, Unfit> {
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let whole = whole.trim_start_matches('-');
    if !whole.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("MySQL has no NaN and no infinity");
    }
    if whole.trim_start_matches('0').len() + fraction.len() > 65 {
        return Err("the number has more digits than a DECIMAL of MySQL");
    }
    if fraction.trim_end_matches('0').len() > 30 {
        return Err(
            "the number has more than 30 digits behind the point, which is all that a DECIMAL of MySQL has",
        );
    }
    Ok(digits)
}

/// The digits of an integer.
pub(super) fn integer(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// The text of a date or time, as it displays; nothing for another value.
pub(super) fn temporal(out: &mut Vec<u8>, value: Value<'_>) {
    match value {
        Value::Date(day) => date(out, day),
        Value::DateTime(time) => date_time(out, time),
        Value::Timestamp(time) => date_time(out, time.to_utc()),
        // Writing to memory cannot fail, here and below.
        Value::Time(time) => {
            let _ = write!(out, "{time}");
        }
        _ => {}
    }
}

fn date(out: &mut Vec<u8>, date: Date) {
    digits(out, u32::from(date.year), 4);
    out.push(b'-');
    digits(out, u32::from(date.month), 2);
    out.push(b'-');
    digits(out, u32::from(date.day), 2);
}

fn date_time(out: &mut Vec<u8>, time: DateTime) {
    date(out, time.date);
    for (before, number) in [(b' ', time.hour), (b':', time.minute), (b':', time.second)] {
        out.push(before);
        digits(out, u32::from(number), 2);
    }
    let precision = u32::from(time.precision.min(6));
    if precision > 0 {
        out.push(b'.');
        digits(out, time.micros / 10_u32.pow(6 - precision), precision);
    }
}

/// The last `width` decimal digits of a number.
fn digits(out: &mut Vec<u8>, number: u32, width: u32) {
    out.extend((0..width).rev().map(|place| b'0' + (number / 10_u32.pow(place) % 10) as u8));
}

fn quoted_display(out: &mut Vec<u8>, value: impl std::fmt::Display) {
    let _ = write!(out, "'{value}'");
}

fn real(out: &mut Vec<u8>, number: f64) -> Result<(), Unfit> {
    if !number.is_finite() {
        return Err("MySQL has no NaN and no infinity");
    }
    if number == 0.0 && number.is_sign_negative() {
        out.extend_from_slice(b"'-0e0'");
    } else {
        let _ = write!(out, "{number:e}");
    }
    Ok(())
}

/// A string literal.
pub(super) fn quoted(out: &mut Vec<u8>, text: &str) {
    out.reserve(text.len() + 2);
    out.push(b'\'');
    escaped(out, text.as_bytes());
    out.push(b'\'');
}

/// The content of a string literal.
fn escaped(out: &mut Vec<u8>, mut rest: &[u8]) {
    while let Some(place) = memchr::memchr3(b'\'', b'\\', 0, rest) {
        let (plain, special) = rest.split_at(place);
        out.extend_from_slice(plain);
        let Some((byte, after)) = special.split_first() else { break };
        out.extend_from_slice(match byte {
            b'\'' => b"''",
            b'\\' => b"\\\\",
            _ => b"\\0",
        });
        rest = after;
    }
    out.extend_from_slice(rest);
}

/// A string literal of bytes: UTF-8 has no byte of another character that looks like one with a meaning here.
fn byte_string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.reserve(bytes.len() + 9);
    out.extend_from_slice(b"_binary'");
    escaped(out, bytes);
    out.push(b'\'');
}

fn hex(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(b"x'");
    hex_digits(out, bytes);
    out.push(b'\'');
}

/// Two hexadecimal digits for each byte.
pub(super) fn hex_digits(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0');
    out.reserve(bytes.len() * 2 + 1);
    out.extend(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]));
}

/// Addresses are bytes in the log; the server takes their text.
fn binary(out: &mut Vec<u8>, column: &Column, bytes: &[u8]) {
    match (&column.column_type, <[u8; 4]>::try_from(bytes), <[u8; 16]>::try_from(bytes)) {
        (ColumnType::Inet4, Ok(address), _) => quoted_display(out, Ipv4Addr::from(address)),
        (ColumnType::Inet6, _, Ok(address)) => quoted_display(out, Inet6Text(address)),
        _ => byte_string(out, bytes),
    }
}

/// The name of a member that is not the error value.
pub(super) fn member<'a>(column: &'a Column, member: Enum<'a>) -> Result<&'a str, Unfit> {
    let named = member.label.or_else(|| match &column.column_type {
        ColumnType::Enum(labels) => labels.get(usize::from(member.index).checked_sub(1)?).map(String::as_str),
        _ => None,
    });
    named.ok_or("the name of an ENUM member is not known")
}

fn members(out: &mut Vec<u8>, set: &Set<'_>) {
    match set.labels {
        Some(labels) => quoted(out, labels),
        None => integer(out, set.mask),
    }
}

/// A document for a column: text is enough where every scalar of it is.
fn document(out: &mut Vec<u8>, json: &Json<'_>, server: Server) -> Result<(), Unfit> {
    if server.mariadb || json.typed.is_empty() {
        quoted(out, json.text);
        return Ok(());
    }
    json_value(out, json, server)
}

/// A document as a value of type JSON, for a comparison or a function.
fn json_value(out: &mut Vec<u8>, json: &Json<'_>, server: Server) -> Result<(), Unfit> {
    if server.mariadb {
        out.extend_from_slice(b"JSON_EXTRACT(");
        quoted(out, json.text);
        out.extend_from_slice(b",'$')");
        return Ok(());
    }
    out.extend_from_slice(if json.typed.is_empty() { b"CAST(" } else { b"JSON_REPLACE(" });
    quoted(out, json.text);
    if json.typed.is_empty() {
        out.extend_from_slice(b" AS JSON");
    }
    for scalar in json.typed {
        out.push(b',');
        quoted(out, scalar.path);
        out.push(b',');
        typed_scalar(out, scalar.value)?;
    }
    out.push(b')');
    Ok(())
}

fn typed_scalar(out: &mut Vec<u8>, value: Value<'_>) -> Result<(), Unfit> {
    let target = match value {
        Value::Decimal(digits) => {
            let plain = digits.trim_start_matches('-');
            let scale = plain.split_once('.').map_or(0, |(_, fraction)| fraction.len());
            let precision = plain.bytes().filter(u8::is_ascii_digit).count();
            let _ = write!(out, "CAST('{digits}' AS DECIMAL({precision},{scale}))");
            return Ok(());
        }
        Value::Binary(bytes) => {
            hex(out, bytes);
            return Ok(());
        }
        Value::Date(date) => (date.to_string(), "DATE"),
        Value::Time(time) => (time.to_string(), "TIME(6)"),
        Value::DateTime(time) => (time.to_string(), "DATETIME(6)"),
        Value::Timestamp(time) => (time.to_string(), "DATETIME(6)"),
        _ => return Err("a scalar of an unknown kind stands in a JSON document"),
    };
    let _ = write!(out, "CAST('{}' AS {})", target.0, target.1);
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn literal(column_type: ColumnType, value: Value<'_>) -> Result<String, Unfit> {
        let column = Column { number: Some(1), ..Column::new("c", column_type) };
        let mut out = Vec::new();
        push(&mut out, &column, value, Server::parse("9.7.1"))?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn values_of_postgresql_are_written_whole_or_refused() {
        let number = || ColumnType::Decimal { precision: 0, scale: 0 };
        assert_eq!(literal(ColumnType::Boolean, Value::Bool(true)).unwrap(), "1");
        assert_eq!(literal(ColumnType::Char(4), Value::Text("ab  ")).unwrap(), "'ab'");
        assert_eq!(literal(ColumnType::Native("interval".into()), Value::Text("1 day")).unwrap(), "'1 day'");
        assert_eq!(literal(number(), Value::Decimal("-12.500")).unwrap(), "-12.500");
        for digits in ["NaN", "Infinity", "-Infinity", &"9".repeat(70), &format!("0.{}", "3".repeat(31))] {
            assert!(literal(number(), Value::Decimal(digits)).is_err(), "{digits}");
        }
        for (column_type, text) in [
            (ColumnType::Date, "infinity"),
            (ColumnType::DateTime(6), "0044-03-15 00:00:00 BC"),
            (ColumnType::Timestamp(6), "-infinity"),
        ] {
            assert!(literal(column_type, Value::Text(text)).is_err(), "{text}");
        }
        assert!(literal(ColumnType::Double, Value::Double(f64::NAN)).is_err());
    }
}
