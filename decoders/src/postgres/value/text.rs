//! Values in the text format.

use super::{Kind, temporal};
use crate::{
    arena::Arena,
    postgres::reader::Malformed,
    value::{Bits, Enum, Json, Value},
};

const NO_NUMBER: Malformed = Malformed("is no number of its range");

pub(super) fn read<'a>(kind: &Kind, bytes: &'a [u8], arena: &Arena<'a>) -> Result<Value<'a>, Malformed> {
    Ok(match kind {
        Kind::Bool => match bytes {
            b"t" => Value::Bool(true),
            b"f" => Value::Bool(false),
            _ => return Err(Malformed("is neither t nor f")),
        },
        Kind::Int(width) => Value::Int(signed(bytes, *width)?),
        Kind::UInt(width) => Value::UInt(unsigned(bytes, *width)?),
        Kind::Float => Value::Float(utf8(bytes)?.parse().map_err(|_| NO_NUMBER)?),
        Kind::Double => Value::Double(utf8(bytes)?.parse().map_err(|_| NO_NUMBER)?),
        Kind::Numeric => Value::Decimal(utf8(bytes)?),
        Kind::Text | Kind::Native(_) => Value::Text(utf8(bytes)?),
        Kind::Bytea => Value::Binary(bytea(bytes, arena)?),
        Kind::Date => match temporal::date_text(bytes) {
            Some(date) => Value::Date(date),
            None => beyond(bytes)?,
        },
        Kind::Time(precision) => {
            Value::Time(temporal::time_text(bytes, *precision).ok_or(Malformed("is no time"))?)
        }
        Kind::DateTime(precision) => match temporal::datetime_text(bytes, *precision) {
            Some(time) => Value::DateTime(time),
            None => beyond(bytes)?,
        },
        Kind::Timestamp(precision) => match temporal::timestamp_text(bytes, *precision) {
            Some(time) => Value::Timestamp(time),
            None => beyond(bytes)?,
        },
        Kind::Uuid => Value::Uuid(uuid(bytes).ok_or(Malformed("is no UUID"))?),
        Kind::Json | Kind::Jsonb => Value::Json(arena.value(Json { text: utf8(bytes)?, typed: &[] })),
        Kind::Bits(length) => Value::Bits(bits(bytes, *length, arena)?),
        Kind::Enum(labels) => Value::Enum(member(labels, utf8(bytes)?)),
    })
}

#[inline]
pub(super) fn utf8(bytes: &[u8]) -> Result<&str, Malformed> {
    simdutf8::basic::from_utf8(bytes).map_err(|_| Malformed("is not UTF-8"))
}

/// A date or time outside of what the variants hold: infinities, years BC and years of more than four digits.
fn beyond(bytes: &[u8]) -> Result<Value<'_>, Malformed> {
    let text = utf8(bytes)?;
    let has_long_year = text.bytes().take_while(u8::is_ascii_digit).count() > 4;
    if matches!(text, "infinity" | "-infinity") || text.ends_with(" BC") || has_long_year {
        return Ok(Value::Text(text));
    }
    Err(Malformed("is no date in the ISO style"))
}

fn digits(bytes: &[u8]) -> Result<u64, Malformed> {
    if bytes.is_empty() || bytes.len() > 20 {
        return Err(NO_NUMBER);
    }
    bytes.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return Err(NO_NUMBER);
        }
        number.checked_mul(10).and_then(|number| number.checked_add(u64::from(digit))).ok_or(NO_NUMBER)
    })
}

fn unsigned(bytes: &[u8], width: u8) -> Result<u64, Malformed> {
    let number = digits(bytes)?;
    if width == 4 && number > u64::from(u32::MAX) { Err(NO_NUMBER) } else { Ok(number) }
}

fn signed(bytes: &[u8], width: u8) -> Result<i64, Malformed> {
    let (negative, magnitude) = match bytes {
        [b'-', rest @ ..] => (true, digits(rest)?),
        _ => (false, digits(bytes)?),
    };
    let limit = 1_u64 << (u32::from(width) * 8 - 1);
    if magnitude > limit || (magnitude == limit && !negative) {
        return Err(NO_NUMBER);
    }
    Ok(if negative { (magnitude as i64).wrapping_neg() } else { magnitude as i64 })
}

/// Both of `bytea_output`: hexadecimal behind `\x`, else bytes with `\\` and `\ooo`.
fn bytea<'a>(bytes: &'a [u8], arena: &Arena<'a>) -> Result<&'a [u8], Malformed> {
    const WRONG: Malformed = Malformed("is no bytea in the hex or escape format");
    if let Some(digits) = bytes.strip_prefix(b"\\x") {
        let (pairs, []) = digits.as_chunks::<2>() else { return Err(WRONG) };
        let out = arena.filled(pairs.len(), 0_u8);
        for (out, [high, low]) in out.iter_mut().zip(pairs) {
            *out = hex(*high).zip(hex(*low)).map(|(high, low)| high << 4 | low).ok_or(WRONG)?;
        }
        return Ok(out);
    }
    if !bytes.contains(&b'\\') {
        return Ok(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, tail)) = rest.split_first() {
        rest = match (first, tail) {
            (b'\\', [b'\\', tail @ ..]) => {
                out.push(b'\\');
                tail
            }
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..]) => {
                out.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                tail
            }
            (b'\\', _) => return Err(WRONG),
            _ => {
                out.push(*first);
                tail
            }
        };
    }
    Ok(arena.slice(&out))
}

#[inline]
fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// 32 hexadecimal digits with dashes in the usual places.
fn uuid(text: &[u8]) -> Option<[u8; 16]> {
    let mut out = [0; 16];
    let dashes = [8, 13, 18, 23];
    if text.len() != 36 || !dashes.iter().all(|place| text.get(*place) == Some(&b'-')) {
        return None;
    }
    let mut digits = text.iter().filter(|byte| **byte != b'-');
    for byte in &mut out {
        *byte = hex(*digits.next()?)? << 4 | hex(*digits.next()?)?;
    }
    digits.next().is_none().then_some(out)
}

fn bits<'a>(text: &[u8], length: u16, arena: &Arena<'a>) -> Result<Bits<'a>, Malformed> {
    if text.len() != usize::from(length) {
        return Err(Malformed("has another length than its type"));
    }
    let mut number = 0_u64;
    for digit in text {
        match digit {
            b'0' | b'1' => number = number << 1 | u64::from(digit & 1),
            _ => return Err(Malformed("has a digit that is no bit")),
        }
    }
    Ok(bits_of(number, length, arena))
}

/// A bit string of up to 64 bits.
pub(super) fn bits_of<'a>(number: u64, length: u16, arena: &Arena<'a>) -> Bits<'a> {
    let bytes = number.to_be_bytes();
    let start = 8_usize.saturating_sub(usize::from(length).div_ceil(8));
    Bits { length, bytes: arena.slice(bytes.get(start..).unwrap_or_default()) }
}

/// A member of an enumeration. One that was added after the labels were read has the index 0.
pub(super) fn member<'a>(labels: &[String], label: &'a str) -> Enum<'a> {
    let place = labels.iter().position(|known| known == label);
    let index = place.and_then(|place| u16::try_from(place + 1).ok()).unwrap_or(0);
    Enum { index, label: Some(label) }
}
