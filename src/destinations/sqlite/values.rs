//! Values as the file keeps them: see [`crate::types::sqlite`] for the forms.

use std::{fmt::Write as _, net::Ipv4Addr};

use rusqlite::{
    ToSql,
    types::{ToSqlOutput, Value as Owned, ValueRef},
};
use slackwater_decoders::{
    schema::{Column, ColumnType},
    value::{Bits, Enum, Inet6Text, Set, Value},
};

/// A value in one of SQLite's storage classes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Stored<'a>(ValueRef<'a>);

impl Stored<'_> {
    /// A copy of its own.
    pub(super) fn into_owned(self) -> Owned {
        match self.0 {
            ValueRef::Null => Owned::Null,
            ValueRef::Integer(number) => Owned::Integer(number),
            ValueRef::Real(number) => Owned::Real(number),
            ValueRef::Text(text) => Owned::Text(String::from_utf8_lossy(text).into_owned()),
            ValueRef::Blob(bytes) => Owned::Blob(bytes.to_vec()),
        }
    }
}

impl ToSql for Stored<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(self.0))
    }
}

/// Memory for values whose stored form is not in the log's bytes. SQLite copies what is bound, so that one is enough.
#[derive(Default)]
pub(super) struct Scratch {
    text: String,
    bytes: Vec<u8>,
}

/// What a value of a column becomes in a file, for a comparison with what is read from one.
#[derive(Default)]
pub struct StoredForm(Scratch);

impl StoredForm {
    /// The value as it is read from the file: NULL, an integer, a double, text or bytes.
    ///
    /// # Errors
    /// Why a file has no form for it. Says nothing of the value.
    pub fn of<'a>(&'a mut self, column: &'a Column, value: Value<'a>) -> Result<Value<'a>, &'static str> {
        Ok(match stored(column, value, &mut self.0)?.0 {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(number) => Value::Int(number),
            ValueRef::Real(number) => Value::Double(number),
            ValueRef::Text(text) => Value::Text(std::str::from_utf8(text).map_err(|_| "a text is no UTF-8")?),
            ValueRef::Blob(bytes) => Value::Binary(bytes),
        })
    }
}

/// The stored form of a column's value, or why there is none.
pub(super) fn stored<'a>(
    column: &'a Column,
    value: Value<'a>,
    scratch: &'a mut Scratch,
) -> Result<Stored<'a>, &'static str> {
    let form = match value {
        Value::Null => ValueRef::Null,
        Value::Bool(truth) => ValueRef::Integer(truth.into()),
        Value::Int(number) => ValueRef::Integer(number),
        Value::UInt(number) => unsigned(number, scratch),
        Value::Bits(bits) => match bits.to_u64() {
            Some(number) if matches!(column.column_type, ColumnType::Bits(..=64)) => {
                unsigned(number, scratch)
            }
            _ => binary_digits(bits, scratch),
        },
        Value::Year(year) => ValueRef::Integer(year.into()),
        Value::Float(number) => real(f64::from(number)),
        Value::Double(number) => real(number),
        Value::Decimal(text) | Value::Text(text) => ValueRef::Text(text.as_bytes()),
        Value::Json(json) => ValueRef::Text(json.text.as_bytes()),
        Value::Binary(bytes) => binary(column, bytes, scratch),
        Value::Vector(bytes) => ValueRef::Blob(bytes),
        Value::Enum(member) => ValueRef::Text(label(column, member)?.as_bytes()),
        Value::Set(set) => ValueRef::Text(members(column, set, scratch)?.as_bytes()),
        Value::Date(date) => display(date, scratch),
        Value::Time(time) => display(time, scratch),
        Value::DateTime(time) => display(time, scratch),
        Value::Timestamp(time) => display(time, scratch),
        Value::Geometry(geometry) => {
            scratch.bytes.clear();
            scratch.bytes.extend_from_slice(&geometry.srid.to_le_bytes());
            scratch.bytes.extend_from_slice(geometry.wkb);
            ValueRef::Blob(&scratch.bytes)
        }
        Value::Uuid(bytes) => {
            scratch.text.clear();
            for (place, byte) in bytes.iter().enumerate() {
                let dash = if matches!(place, 4 | 6 | 8 | 10) { "-" } else { "" };
                // Writing to a String cannot fail.
                let _ = write!(scratch.text, "{dash}{byte:02x}");
            }
            ValueRef::Text(scratch.text.as_bytes())
        }
        Value::JsonDiff(_) => {
            return Err("a change to a JSON document stands where a whole document is needed");
        }
        _ => return Err("a value of a kind that this destination does not know"),
    };
    Ok(Stored(form))
}

/// Above `i64::MAX` SQLite has no integer: the digits as text.
fn unsigned(number: u64, scratch: &mut Scratch) -> ValueRef<'_> {
    match i64::try_from(number) {
        Ok(number) => ValueRef::Integer(number),
        Err(_) => display(number, scratch),
    }
}

/// The digits of a bit string that is longer than an integer.
fn binary_digits<'a>(bits: Bits<'_>, scratch: &'a mut Scratch) -> ValueRef<'a> {
    scratch.text.clear();
    let padding = (bits.bytes.len() * 8).saturating_sub(usize::from(bits.length));
    let all = bits.bytes.iter().flat_map(|byte| (0..8).rev().map(move |place| byte >> place & 1 == 1));
    scratch.text.extend(all.skip(padding).map(|bit| if bit { '1' } else { '0' }));
    ValueRef::Text(scratch.text.as_bytes())
}

/// SQLite turns a bound NaN into NULL.
fn real<'a>(number: f64) -> ValueRef<'a> {
    if number.is_nan() { ValueRef::Text(b"NaN") } else { ValueRef::Real(number) }
}

fn display(value: impl std::fmt::Display, scratch: &mut Scratch) -> ValueRef<'_> {
    scratch.text.clear();
    // Writing to a String cannot fail.
    let _ = write!(scratch.text, "{value}");
    ValueRef::Text(scratch.text.as_bytes())
}

/// Addresses are bytes in the log and text to a reader of the table.
fn binary<'a>(column: &Column, bytes: &'a [u8], scratch: &'a mut Scratch) -> ValueRef<'a> {
    match column.column_type {
        ColumnType::Inet4 => <[u8; 4]>::try_from(bytes)
            .map_or(ValueRef::Blob(bytes), |ip| display(Ipv4Addr::from(ip), scratch)),
        ColumnType::Inet6 => {
            <[u8; 16]>::try_from(bytes).map_or(ValueRef::Blob(bytes), |ip| display(Inet6Text(ip), scratch))
        }
        _ => ValueRef::Blob(bytes),
    }
}

/// The name of a member, from the log or else from the definition; empty for MySQL's error value 0.
fn label<'a>(column: &'a Column, member: Enum<'a>) -> Result<&'a str, &'static str> {
    if let (Some(label), 1..) = (member.label, member.index) {
        return Ok(label);
    }
    match (member.index.checked_sub(1), &column.column_type) {
        (None, _) => Ok(""),
        (Some(place), ColumnType::Enum(labels)) => labels
            .get(usize::from(place))
            .map(String::as_str)
            .ok_or("the name of an ENUM member is not known"),
        _ => Err("the name of an ENUM member is not known"),
    }
}

/// The members' names, from the log or else from the definition.
fn members<'a>(column: &Column, set: &'a Set<'a>, scratch: &'a mut Scratch) -> Result<&'a str, &'static str> {
    if let Some(labels) = set.labels {
        return Ok(labels);
    }
    const UNKNOWN: &str = "the names of a SET's members are not known";
    let ColumnType::Set(names) = &column.column_type else { return Err(UNKNOWN) };
    scratch.text.clear();
    for place in (0..64).filter(|place| set.mask >> place & 1 == 1) {
        if !scratch.text.is_empty() {
            scratch.text.push(',');
        }
        scratch.text.push_str(names.get(place).ok_or(UNKNOWN)?);
    }
    Ok(&scratch.text)
}
