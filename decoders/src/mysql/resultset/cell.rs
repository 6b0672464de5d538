//! One value of a row.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{form::Form, temporal};
use crate::{
    arena::Arena,
    mysql::{
        charset, json,
        reader::{Malformed, Reader},
        rows::cell::{enumeration, geometry, set},
    },
    value::{Bits, Cell, Enum, Set, Value},
};

impl Form {
    /// Reads a value that is not NULL.
    // Written to its place at once, and inlined into the loop over a row's columns, as in the decoder of row images.
    #[inline(always)]
    pub(super) fn read_into<'a>(
        &self,
        cell: &mut Cell<'a>,
        reader: &mut Reader<'a>,
        arena: &Arena<'a>,
    ) -> Result<(), Malformed> {
        match self {
            Form::Integer { bytes: 4, unsigned: false } => put(cell, Value::Int(reader.i32()?.into())),
            Form::Integer { bytes: 8, unsigned: false } => put(cell, Value::Int(reader.i64()?)),
            Form::Utf8 => put(cell, Value::Text(charset::utf8(reader.lenenc_slice()?)?)),
            Form::Binary => put(cell, Value::Binary(reader.lenenc_slice()?)),
            Form::Text(charset) => put(cell, Value::Text(charset.decode(reader.lenenc_slice()?, arena)?)),
            Form::Decimal => put(cell, Value::Decimal(decimal(reader.lenenc_slice()?)?)),
            Form::Double => put(cell, Value::Double(reader.f64()?)),
            _ => put(cell, self.read_rarer(reader, arena)?),
        }
        Ok(())
    }

    fn read_rarer<'a>(&self, reader: &mut Reader<'a>, arena: &Arena<'a>) -> Result<Value<'a>, Malformed> {
        Ok(match self {
            Form::Integer { bytes, unsigned } => integer(reader, *bytes, *unsigned)?,
            Form::Float => Value::Float(reader.f32()?),
            Form::Undeclared => {
                let bytes = reader.lenenc_slice()?;
                std::str::from_utf8(bytes).map_or(Value::Binary(bytes), Value::Text)
            }
            Form::Uuid => Value::Uuid(uuid(reader.lenenc_slice()?)?),
            Form::Inet4 => {
                let address: Ipv4Addr = parsed(reader.lenenc_slice()?, "has a wrong INET4")?;
                Value::Binary(arena.slice(&address.octets()))
            }
            Form::Inet6 => {
                let address: Ipv6Addr = parsed(reader.lenenc_slice()?, "has a wrong INET6")?;
                Value::Binary(arena.slice(&address.octets()))
            }
            Form::Date => temporal::date(reader)?,
            Form::Time { precision } => temporal::time(reader, *precision)?,
            Form::DateTime { precision } => temporal::datetime(reader, *precision)?,
            Form::Timestamp { precision } => temporal::timestamp(reader, *precision)?,
            Form::Year => Value::Year(reader.u16()?),
            Form::Bits { length } => bits(reader.lenenc_slice()?, *length, arena),
            Form::Enum { bytes, members } => {
                enumeration(members, index(reader.uint(usize::from(*bytes))?)?, arena)?
            }
            Form::Set { bytes, members } => set(members, reader.uint(usize::from(*bytes))?, arena)?,
            Form::NamedEnum => {
                let (number, label) = named(reader.lenenc_slice()?)?;
                Value::Enum(Enum { index: index(number)?, label: Some(label) })
            }
            Form::NamedSet => {
                let (mask, labels) = named(reader.lenenc_slice()?)?;
                Value::Set(arena.value(Set { mask, labels: Some(labels) }))
            }
            Form::Geometry => geometry(reader.lenenc_slice()?)?,
            Form::Json => Value::Json(json::from_text(charset::utf8(reader.lenenc_slice()?)?, arena)?),
            Form::Vector => Value::Vector(reader.lenenc_slice()?),
            // The others are read by the caller.
            _ => Value::Null,
        })
    }

    /// Passes over a value that is not NULL. Returns its bytes, without the length in front of them.
    pub(super) fn raw<'a>(&self, reader: &mut Reader<'a>) -> Result<&'a [u8], Malformed> {
        match self {
            Form::Integer { bytes, .. } => reader.take(usize::from(*bytes)),
            Form::Float => reader.take(4),
            Form::Double => reader.take(8),
            Form::Enum { bytes, .. } | Form::Set { bytes, .. } => reader.take(usize::from(*bytes)),
            Form::Year => reader.take(2),
            // A temporal value's length is one byte, which a length-encoded integer below 251 is as well.
            _ => reader.lenenc_slice(),
        }
    }
}

#[inline(always)]
fn put<'a>(cell: &mut Cell<'a>, value: Value<'a>) {
    *cell = Cell::Value(value);
}

fn index(number: u64) -> Result<u16, Malformed> {
    u16::try_from(number).map_err(|_| Malformed("has an ENUM value that is not declared"))
}

/// `3:name`.
fn named(bytes: &[u8]) -> Result<(u64, &str), Malformed> {
    let (number, name) = charset::utf8(bytes)?.split_once(':').unwrap_or_default();
    let number = number.parse().map_err(|_| Malformed("has an ENUM or SET value without its number"))?;
    Ok((number, name))
}

fn integer<'a>(reader: &mut Reader<'_>, bytes: u8, unsigned: bool) -> Result<Value<'a>, Malformed> {
    Ok(match (bytes, unsigned) {
        (1, true) => Value::UInt(reader.u8()?.into()),
        (2, true) => Value::UInt(reader.u16()?.into()),
        (4, true) => Value::UInt(reader.u32()?.into()),
        (_, true) => Value::UInt(reader.u64()?),
        (1, false) => Value::Int(reader.i8()?.into()),
        (2, false) => Value::Int(reader.i16()?.into()),
        (4, false) => Value::Int(reader.i32()?.into()),
        (_, false) => Value::Int(reader.i64()?),
    })
}

/// A number as text with all digits of its scale. Those of a ZEROFILL column have zeros in front, which are not stored.
fn decimal(bytes: &[u8]) -> Result<&str, Malformed> {
    let text = charset::utf8(bytes)?;
    let Some(rest) = text.strip_prefix('0') else { return Ok(text) };
    let stripped = rest.trim_start_matches('0');
    let kept = if stripped.starts_with(|character: char| character.is_ascii_digit()) {
        stripped.len()
    } else {
        // A zero stays before the point, or alone.
        stripped.len() + 1
    };
    Ok(text.get(text.len() - kept..).unwrap_or(text))
}

fn parsed<T: std::str::FromStr>(bytes: &[u8], what: &'static str) -> Result<T, Malformed> {
    std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok()).ok_or(Malformed(what))
}

/// 32 hexadecimal digits with dashes between them.
fn uuid(text: &[u8]) -> Result<[u8; 16], Malformed> {
    const WRONG: Malformed = Malformed("has a wrong UUID");
    let digit = |byte: u8| char::from(byte).to_digit(16).ok_or(WRONG);
    let mut uuid = [0; 16];
    let mut digits = text.iter().copied().filter(|byte| *byte != b'-');
    for byte in &mut uuid {
        let (high, low) = (digits.next().ok_or(WRONG)?, digits.next().ok_or(WRONG)?);
        *byte = (digit(high)? << 4 | digit(low)?) as u8;
    }
    if digits.next().is_none() { Ok(uuid) } else { Err(WRONG) }
}

/// A bit string in whole bytes, whatever the server leaves out in front.
fn bits<'a>(bytes: &'a [u8], length: u16, arena: &Arena<'a>) -> Value<'a> {
    let whole = usize::from(length).div_ceil(8);
    let bytes = match bytes.len().checked_sub(whole) {
        Some(surplus) => bytes.get(surplus..).unwrap_or_default(),
        None => {
            let padded = arena.filled(whole, 0_u8);
            if let Some(end) = padded.get_mut(whole - bytes.len()..) {
                end.copy_from_slice(bytes);
            }
            padded
        }
    };
    Value::Bits(Bits { length, bytes })
}
