//! Values in the binary format.

use super::{Kind, buffer::Buffer, numeric, print, temporal, text};
use crate::{
    arena::Arena,
    postgres::reader::{Malformed, Reader},
    value::{Json, Value},
};

pub(super) fn read<'a>(kind: &Kind, bytes: &'a [u8], arena: &Arena<'a>) -> Result<Value<'a>, Malformed> {
    let mut reader = Reader::new(bytes);
    let value = match kind {
        Kind::Bool => Value::Bool(bool(&mut reader)?),
        Kind::Int(2) => Value::Int(i64::from(reader.i16()?)),
        Kind::Int(4) => Value::Int(i64::from(reader.i32()?)),
        Kind::Int(_) => Value::Int(reader.i64()?),
        Kind::UInt(4) => Value::UInt(u64::from(reader.u32()?)),
        Kind::UInt(_) => Value::UInt(reader.u64()?),
        Kind::Float => Value::Float(f32::from_bits(reader.u32()?)),
        Kind::Double => Value::Double(reader.f64()?),
        Kind::Numeric => {
            let mut out = Buffer::new();
            numeric::print(&mut reader, &mut out)?;
            Value::Decimal(arena.text(out.text()))
        }
        Kind::Date => match temporal::date_binary(bytes)? {
            Some(date) => return Ok(Value::Date(date)),
            None => return printed(kind, bytes, arena),
        },
        Kind::Time(precision) => Value::Time(temporal::time_binary(&mut reader, *precision)?),
        Kind::DateTime(precision) => match temporal::timestamp_binary(bytes, *precision)? {
            Some(instant) => return Ok(Value::DateTime(instant.to_utc())),
            None => return printed(kind, bytes, arena),
        },
        Kind::Timestamp(precision) => match temporal::timestamp_binary(bytes, *precision)? {
            Some(instant) => return Ok(Value::Timestamp(instant)),
            None => return printed(kind, bytes, arena),
        },
        Kind::Uuid => Value::Uuid(reader.array()?),
        Kind::Bits(length) => Value::Bits(text::bits_of(bits(&mut reader, *length)?, *length, arena)),
        Kind::Bytea => return Ok(Value::Binary(bytes)),
        Kind::Text => return text::utf8(bytes).map(Value::Text),
        Kind::Enum(labels) => return Ok(Value::Enum(text::member(labels, text::utf8(bytes)?))),
        Kind::Json => return Ok(json(text::utf8(bytes)?, arena)),
        Kind::Jsonb => return Ok(json(text::utf8(versioned(bytes)?)?, arena)),
        Kind::Native(_) => return printed(kind, bytes, arena),
    };
    reader.end()?;
    Ok(value)
}

fn printed<'a>(kind: &Kind, bytes: &'a [u8], arena: &Arena<'a>) -> Result<Value<'a>, Malformed> {
    let mut out = Buffer::new();
    print::print(kind, bytes, &mut out)?;
    Ok(Value::Text(arena.text(out.text())))
}

fn json<'a>(text: &'a str, arena: &Arena<'a>) -> Value<'a> {
    Value::Json(arena.value(Json { text, typed: &[] }))
}

pub(super) fn bool(reader: &mut Reader<'_>) -> Result<bool, Malformed> {
    match reader.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Malformed("is neither true nor false")),
    }
}

/// What follows the version of a format, which is 1.
pub(super) fn versioned(bytes: &[u8]) -> Result<&[u8], Malformed> {
    bytes.strip_prefix(&[1]).ok_or(Malformed("is of an unknown version of its format"))
}

/// A bit string of up to 64 bits: its length, and the bits from the left.
fn bits(reader: &mut Reader<'_>, length: u16) -> Result<u64, Malformed> {
    if reader.i32()? != i32::from(length) {
        return Err(Malformed("has another length than its type"));
    }
    let bytes = reader.take(usize::from(length).div_ceil(8))?;
    let number = bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    Ok(number >> (bytes.len() * 8 - usize::from(length)))
}
