//! Values in the binary form of their column's type, as an element of an array and a field of `COPY … (FORMAT binary)` have it:
//! a length of four bytes, −1 for NULL, and the bytes that the type's receive function reads (`src/backend/utils/adt`).
//!
//! A value that has no binary form here (`infinity`, a text for a number) is told apart, so that its column, or the block, is
//! written as text.

use slackwater_decoders::{
    schema::{Column, ColumnType},
    value::{Bits, Date, Geometry, Value},
};

use super::{numeric, text};
use crate::config::postgres::Unrepresentable;

/// Why a value cannot be written. Says nothing of the value.
pub(super) type Unfit = &'static str;

/// Microseconds from 1970-01-01 to 2000-01-01, where the server counts from.
const EPOCH_MICROS: i64 = 946_684_800_000_000;
const EPOCH_DAYS: i64 = 10_957;
const DAY_MICROS: i64 = 86_400_000_000;

const OUT_OF_RANGE: Unfit = "a number is out of the range of its column";

/// How the values of a column travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Codec {
    Bool,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    Numeric,
    Text,
    /// `character(n)`, which compares without spaces at the end.
    Bpchar,
    Bytea,
    Date,
    Time,
    Timestamp,
    Timestamptz,
    Uuid,
    Json,
    Jsonb,
    /// As text, converted by the type's input function.
    Other(Spelling),
}

/// How the text of a type without a binary form here is spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Spelling {
    /// As the value displays.
    Plain,
    /// In braces.
    Array,
    /// Vectors of pgvector.
    Vector,
}

/// What is done with values that a type cannot hold.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rules {
    pub(super) invalid_dates: Unrepresentable,
    pub(super) zero_bytes: Unrepresentable,
}

/// What became of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    Binary,
    /// Nothing is appended: the value has a text alone.
    TextAlone,
}

impl Codec {
    /// The one for a type, by its number and name. Numbers: `pg_type.dat`.
    pub(super) fn of(oid: u32, name: &str, is_array: bool) -> Self {
        match oid {
            16 => Codec::Bool,
            21 => Codec::Int2,
            23 => Codec::Int4,
            20 => Codec::Int8,
            700 => Codec::Float4,
            701 => Codec::Float8,
            1700 => Codec::Numeric,
            25 | 1043 => Codec::Text,
            1042 => Codec::Bpchar,
            17 => Codec::Bytea,
            1082 => Codec::Date,
            1083 => Codec::Time,
            1114 => Codec::Timestamp,
            1184 => Codec::Timestamptz,
            2950 => Codec::Uuid,
            114 => Codec::Json,
            3802 => Codec::Jsonb,
            _ if is_array => Codec::Other(Spelling::Array),
            _ if name == "vector" || name == "halfvec" => Codec::Other(Spelling::Vector),
            _ => Codec::Other(Spelling::Plain),
        }
    }

    /// The name of the type that values travel as, and its number.
    pub(super) fn wire_type(self) -> (&'static str, u32) {
        match self {
            Codec::Bool => ("bool", 16),
            Codec::Int2 => ("int2", 21),
            Codec::Int4 => ("int4", 23),
            Codec::Int8 => ("int8", 20),
            Codec::Float4 => ("float4", 700),
            Codec::Float8 => ("float8", 701),
            Codec::Numeric => ("numeric", 1700),
            Codec::Text | Codec::Other(_) => ("text", 25),
            Codec::Bpchar => ("bpchar", 1042),
            Codec::Bytea => ("bytea", 17),
            Codec::Date => ("date", 1082),
            Codec::Time => ("time", 1083),
            Codec::Timestamp => ("timestamp", 1114),
            Codec::Timestamptz => ("timestamptz", 1184),
            Codec::Uuid => ("uuid", 2950),
            Codec::Json => ("json", 114),
            Codec::Jsonb => ("jsonb", 3802),
        }
    }

    /// Whether values that the type finds equal are the same to the bit.
    pub(super) fn is_exact(self) -> bool {
        !matches!(
            self,
            Codec::Other(_) | Codec::Numeric | Codec::Bpchar | Codec::Float4 | Codec::Float8 | Codec::Jsonb
        )
    }

    /// Whether the type has a comparison by `=` that finds a value and its copy equal.
    pub(super) fn is_comparable(self) -> bool {
        !matches!(self, Codec::Json | Codec::Other(_) | Codec::Numeric)
    }

    fn is_of_date(self) -> bool {
        matches!(self, Codec::Date | Codec::Timestamp | Codec::Timestamptz)
    }
}

/// The value to be written in place of this one: the rules say NULL for some.
pub(super) fn representable<'a>(codec: Codec, value: Value<'a>, rules: Rules) -> Result<Value<'a>, Unfit> {
    let date = match value {
        Value::Date(date) => date,
        Value::DateTime(time) => time.date,
        _ => return Ok(value),
    };
    if date.is_valid() || !codec.is_of_date() {
        return Ok(value);
    }
    match rules.invalid_dates {
        Unrepresentable::Drop => Ok(Value::Null),
        Unrepresentable::Refuse => {
            Err("a date does not exist in the calendar (destination.invalid_dates = \"drop\" makes it NULL)")
        }
    }
}

/// Appends length and bytes of a value of `column`.
pub(super) fn push(
    out: &mut Vec<u8>,
    codec: Codec,
    column: &Column,
    value: Value<'_>,
    rules: Rules,
) -> Result<Pushed, Unfit> {
    let value = representable(codec, value, rules)?;
    match (codec, value) {
        (_, Value::Null) => out.extend_from_slice(&(-1_i32).to_be_bytes()),
        (Codec::Bool, value) => match integer(value) {
            Some(Ok(number @ (0 | 1))) => field(out, &[number as u8]),
            Some(_) => return Err("a number other than 0 and 1 is to be a truth value"),
            None => return Ok(Pushed::TextAlone),
        },
        (Codec::Int2 | Codec::Int4 | Codec::Int8, value) => return push_integer(out, codec, value),
        (Codec::Float4, Value::Float(number)) => field(out, &number.to_be_bytes()),
        (Codec::Float8, Value::Double(number)) => field(out, &number.to_be_bytes()),
        (Codec::Float8, Value::Float(number)) => field(out, &f64::from(number).to_be_bytes()),
        (Codec::Numeric, Value::Decimal(digits)) => return Ok(push_numeric(out, digits)),
        (Codec::Numeric, Value::Int(number)) => {
            return Ok(push_numeric(out, itoa::Buffer::new().format(number)));
        }
        (Codec::Numeric, Value::UInt(number)) => {
            return Ok(push_numeric(out, itoa::Buffer::new().format(number)));
        }
        (Codec::Text | Codec::Bpchar | Codec::Other(_), value) => {
            text::push(out, codec, column, value, rules)?
        }
        (Codec::Json, Value::Json(document)) => push_text(out, &[], document.text, rules)?,
        (Codec::Json, Value::Text(document)) => push_text(out, &[], document, rules)?,
        // The version of the form.
        (Codec::Jsonb, Value::Json(document)) => push_text(out, &[1], document.text, rules)?,
        (Codec::Jsonb, Value::Text(document)) => push_text(out, &[1], document, rules)?,
        (Codec::Bytea, value) => return push_bytes(out, column, value),
        (Codec::Uuid, Value::Uuid(bytes)) => field(out, &bytes),
        (Codec::Uuid, Value::Binary(bytes)) if bytes.len() == 16 => field(out, bytes),
        (Codec::Date | Codec::Time | Codec::Timestamp | Codec::Timestamptz, value) => {
            return push_temporal(out, codec, value);
        }
        _ => return Ok(Pushed::TextAlone),
    }
    Ok(Pushed::Binary)
}

/// Appends length and bytes.
pub(super) fn field(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&length(bytes.len()));
    out.extend_from_slice(bytes);
}

/// Appends what `write` writes, behind its length.
pub(super) fn measured<E>(
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    write(out)?;
    let written = length(out.len() - start - 4);
    if let Some(place) = out.get_mut(start..start + 4) {
        place.copy_from_slice(&written);
    }
    Ok(())
}

/// A length on the wire. The server refuses what is longer than a gigabyte, as it does a cut one.
fn length(bytes: usize) -> [u8; 4] {
    i32::try_from(bytes).unwrap_or(i32::MAX).to_be_bytes()
}

/// The text without its zero bytes where the rules say so.
pub(super) fn push_characters(out: &mut Vec<u8>, text: &[u8], rules: Rules) -> Result<(), Unfit> {
    if memchr::memchr(0, text).is_none() {
        out.extend_from_slice(text);
        return Ok(());
    }
    match rules.zero_bytes {
        Unrepresentable::Drop => {
            out.extend(text.iter().filter(|byte| **byte != 0));
            Ok(())
        }
        Unrepresentable::Refuse => {
            Err("a text has a zero byte (destination.zero_bytes = \"drop\" leaves it out)")
        }
    }
}

fn push_text(out: &mut Vec<u8>, before: &[u8], text: &str, rules: Rules) -> Result<(), Unfit> {
    measured(out, |out| {
        out.extend_from_slice(before);
        push_characters(out, text.as_bytes(), rules)
    })
}

/// The whole number that a value is; an error for one that no type here holds.
fn integer(value: Value<'_>) -> Option<Result<i64, Unfit>> {
    Some(Ok(match value {
        Value::Int(number) => number,
        Value::UInt(number) => return Some(i64::try_from(number).map_err(|_| OUT_OF_RANGE)),
        Value::Bool(truth) => i64::from(truth),
        Value::Year(year) => i64::from(year),
        Value::Bits(bits) => {
            let number = bits.to_u64().and_then(|number| i64::try_from(number).ok());
            return Some(number.ok_or(OUT_OF_RANGE));
        }
        _ => return None,
    }))
}

fn push_integer(out: &mut Vec<u8>, codec: Codec, value: Value<'_>) -> Result<Pushed, Unfit> {
    let Some(number) = integer(value) else { return Ok(Pushed::TextAlone) };
    let number = number?;
    let narrow = |_| OUT_OF_RANGE;
    match codec {
        Codec::Int2 => field(out, &i16::try_from(number).map_err(narrow)?.to_be_bytes()),
        Codec::Int4 => field(out, &i32::try_from(number).map_err(narrow)?.to_be_bytes()),
        _ => field(out, &number.to_be_bytes()),
    }
    Ok(Pushed::Binary)
}

fn push_numeric(out: &mut Vec<u8>, digits: &str) -> Pushed {
    let start = out.len();
    let written = measured(out, |out| if numeric::push(out, digits) { Ok(()) } else { Err(()) });
    if written.is_err() {
        out.truncate(start);
        return Pushed::TextAlone;
    }
    Pushed::Binary
}

fn push_bytes(out: &mut Vec<u8>, column: &Column, value: Value<'_>) -> Result<Pushed, Unfit> {
    match value {
        Value::Binary(bytes) | Value::Vector(bytes) | Value::Bits(Bits { bytes, .. }) => {
            match column.column_type {
                // The log leaves zero bytes at the end out.
                ColumnType::Binary(length) if bytes.len() < length as usize => {
                    let mut padded = bytes.to_vec();
                    padded.resize(length as usize, 0);
                    field(out, &padded);
                }
                _ => field(out, bytes),
            }
        }
        Value::Text(text) => field(out, text.as_bytes()),
        Value::Uuid(bytes) => field(out, &bytes),
        Value::Geometry(geometry) => {
            measured(out, |out| {
                push_extended_wkb(out, geometry);
                Ok::<(), Unfit>(())
            })?;
        }
        _ => return Ok(Pushed::TextAlone),
    }
    Ok(Pushed::Binary)
}

/// The extended WKB that a geometry becomes in a column of `bytea`.
#[must_use]
pub fn extended_wkb(geometry: Geometry<'_>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(geometry.wkb.len() + 4);
    push_extended_wkb(&mut bytes, geometry);
    bytes
}

/// Appends the extended WKB of PostGIS (`doc/ZMSgeoms.txt` there): the bit 0x20000000 of the type says that the reference system
/// follows.
pub(super) fn push_extended_wkb(out: &mut Vec<u8>, geometry: Geometry<'_>) {
    let (Some(order), Some(kind), Some(rest)) =
        (geometry.wkb.first(), geometry.wkb.get(1..5), geometry.wkb.get(5..))
    else {
        out.extend_from_slice(geometry.wkb);
        return;
    };
    if geometry.srid == 0 {
        out.extend_from_slice(geometry.wkb);
        return;
    }
    let little = *order == 1;
    let mut kind: [u8; 4] = kind.try_into().unwrap_or_default();
    let [first, .., last] = &mut kind;
    *(if little { last } else { first }) |= 0x20;
    out.push(*order);
    out.extend_from_slice(&kind);
    out.extend_from_slice(&if little { geometry.srid.to_le_bytes() } else { geometry.srid.to_be_bytes() });
    out.extend_from_slice(rest);
}

fn push_temporal(out: &mut Vec<u8>, codec: Codec, value: Value<'_>) -> Result<Pushed, Unfit> {
    let days = |date: Date| date.epoch_days().map(|days| days - EPOCH_DAYS);
    match (codec, value) {
        (Codec::Date, Value::Date(date)) => match days(date).and_then(|days| i32::try_from(days).ok()) {
            Some(days) => field(out, &days.to_be_bytes()),
            None => return Ok(Pushed::TextAlone),
        },
        (Codec::Time, Value::Time(time)) if (0..=DAY_MICROS).contains(&time.micros) => {
            field(out, &time.micros.to_be_bytes());
        }
        (Codec::Time, Value::Time(_)) => {
            return Err("a duration is no time of day (choose the type interval for the column)");
        }
        (Codec::Timestamp | Codec::Timestamptz, value) => {
            let micros = match value {
                Value::DateTime(time) => time.epoch_micros(),
                Value::Timestamp(time) => Some(time.micros),
                Value::Date(date) => date.epoch_days().map(|days| days * DAY_MICROS),
                _ => None,
            };
            match micros.and_then(|micros| micros.checked_sub(EPOCH_MICROS)) {
                Some(micros) => field(out, &micros.to_be_bytes()),
                None => return Ok(Pushed::TextAlone),
            }
        }
        _ => return Ok(Pushed::TextAlone),
    }
    Ok(Pushed::Binary)
}
