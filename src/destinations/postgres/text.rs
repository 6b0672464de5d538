//! Values as the text that the input function of their column's type reads.

use std::{fmt::Display, io::Write as _, net::Ipv4Addr};

use slackwater_decoders::{
    schema::{Column, ColumnType},
    value::{Bits, Enum, Inet6Text, Set, UuidText, Value},
};

use super::codec::{Codec, Rules, Spelling, Unfit, measured, push_characters, push_extended_wkb};

/// Appends length and text of a value that is not NULL.
pub(super) fn push(
    out: &mut Vec<u8>,
    codec: Codec,
    column: &Column,
    value: Value<'_>,
    rules: Rules,
) -> Result<(), Unfit> {
    measured(out, |out| write(out, codec, column, value, rules))
}

/// Appends the text of a value that is not NULL.
pub(super) fn write(
    out: &mut Vec<u8>,
    codec: Codec,
    column: &Column,
    value: Value<'_>,
    rules: Rules,
) -> Result<(), Unfit> {
    match value {
        Value::Bool(truth) => out.push(if truth { b't' } else { b'f' }),
        Value::Int(number) => out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()),
        Value::UInt(number) => out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()),
        Value::Year(year) => out.extend_from_slice(itoa::Buffer::new().format(year).as_bytes()),
        Value::Float(number) => real(out, number, number.is_nan(), number.is_infinite()),
        Value::Double(number) => real(out, number, number.is_nan(), number.is_infinite()),
        Value::Decimal(digits) => out.extend_from_slice(digits.as_bytes()),
        Value::Text(text) if codec == Codec::Bytea => hex(out, text.as_bytes()),
        Value::Text(text) => return push_characters(out, text.as_bytes(), rules),
        Value::Json(document) => return push_characters(out, document.text.as_bytes(), rules),
        Value::Binary(bytes) => return binary(out, codec, column, bytes, rules),
        Value::Date(date) => display(out, date),
        Value::Time(time) => display(out, time),
        Value::DateTime(time) => display(out, time),
        Value::Timestamp(time) => {
            display(out, time);
            if matches!(codec, Codec::Timestamptz | Codec::Other(_)) {
                out.extend_from_slice(b"+00");
            }
        }
        Value::Bits(bits) => bit_string(out, codec, bits)?,
        Value::Enum(it) => return push_characters(out, member(column, it)?.as_bytes(), rules),
        Value::Set(set) => return members(out, codec, column, set, rules),
        Value::Uuid(bytes) => display(out, UuidText(bytes)),
        Value::Geometry(geometry) => {
            let mut bytes = Vec::with_capacity(geometry.wkb.len() + 4);
            push_extended_wkb(&mut bytes, geometry);
            match codec {
                Codec::Bytea => hex(out, &bytes),
                _ => hex_digits(out, &bytes),
            }
        }
        Value::Vector(bytes) => vector(out, codec, bytes),
        Value::JsonDiff(_) => {
            return Err("a change to a JSON document stands where a whole document is needed");
        }
        _ => return Err("a value of a kind that this destination does not know"),
    }
    Ok(())
}

/// Writing to memory cannot fail.
fn display(out: &mut Vec<u8>, value: impl Display) {
    let _ = write!(out, "{value}");
}

/// The shortest digits that read back as the same number.
fn real(out: &mut Vec<u8>, number: impl Display + PartialOrd + Default, is_nan: bool, is_infinite: bool) {
    match (is_nan, is_infinite) {
        (true, _) => out.extend_from_slice(b"NaN"),
        (_, true) if number < Default::default() => out.extend_from_slice(b"-Infinity"),
        (_, true) => out.extend_from_slice(b"Infinity"),
        _ => display(out, number),
    }
}

fn hex(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(b"\\x");
    hex_digits(out, bytes);
}

fn hex_digits(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    for byte in bytes {
        for half in [byte >> 4, byte & 15] {
            out.push(DIGITS.get(usize::from(half)).copied().unwrap_or(b'0'));
        }
    }
}

fn binary(out: &mut Vec<u8>, codec: Codec, column: &Column, bytes: &[u8], rules: Rules) -> Result<(), Unfit> {
    match (&column.column_type, bytes) {
        (ColumnType::Inet4, &[a, b, c, d]) => display(out, Ipv4Addr::new(a, b, c, d)),
        (ColumnType::Inet6, bytes) if bytes.len() == 16 => {
            display(out, Inet6Text(bytes.try_into().unwrap_or_default()));
        }
        (ColumnType::Uuid, bytes) if bytes.len() == 16 => {
            display(out, UuidText(bytes.try_into().unwrap_or_default()));
        }
        (ColumnType::Vector(_), bytes) => vector(out, codec, bytes),
        (ColumnType::Binary(length), bytes) if codec == Codec::Bytea => {
            hex(out, bytes);
            let missing = (*length as usize).saturating_sub(bytes.len());
            out.extend(std::iter::repeat_n(b'0', 2 * missing));
        }
        _ if matches!(codec, Codec::Text | Codec::Bpchar) => {
            let text = std::str::from_utf8(bytes).map_err(|_| "bytes that are no UTF-8 are to be a text")?;
            return push_characters(out, text.as_bytes(), rules);
        }
        _ => hex(out, bytes),
    }
    Ok(())
}

fn bit_string(out: &mut Vec<u8>, codec: Codec, bits: Bits<'_>) -> Result<(), Unfit> {
    match codec {
        Codec::Bytea => hex(out, bits.bytes),
        Codec::Bool | Codec::Int2 | Codec::Int4 | Codec::Int8 | Codec::Numeric => {
            let number = bits.to_u64().ok_or("a bit string is to be a number, and too long for it")?;
            out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
        }
        _ => {
            let padding = (bits.bytes.len() * 8).saturating_sub(usize::from(bits.length));
            let all = bits.bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
            out.extend(all.skip(padding).map(|bit| b'0' + bit));
        }
    }
    Ok(())
}

/// The name of a member; the empty text is MySQL's error value.
fn member<'a>(column: &'a Column, it: Enum<'a>) -> Result<&'a str, Unfit> {
    if it.index == 0 {
        return Ok(it.label.unwrap_or_default());
    }
    let declared = || match &column.column_type {
        ColumnType::Enum(names) => names.get(usize::from(it.index) - 1).map(String::as_str),
        _ => None,
    };
    it.label.or_else(declared).ok_or("the name of a member of an enumeration is not known")
}

fn members(
    out: &mut Vec<u8>,
    codec: Codec,
    column: &Column,
    set: &Set<'_>,
    rules: Rules,
) -> Result<(), Unfit> {
    let names: Vec<&str> = match (set.labels, &column.column_type) {
        (Some(""), _) => Vec::new(),
        (Some(labels), _) => labels.split(',').collect(),
        (None, ColumnType::Set(names)) => (0..64)
            .filter(|bit| set.mask >> bit & 1 == 1)
            .map(|bit| names.get(bit).map(String::as_str))
            .collect::<Option<_>>()
            .ok_or("the name of a member of a set is not known")?,
        (None, _) => return Err("the names of the members of a set are not known"),
    };
    if codec != Codec::Other(Spelling::Array) {
        return push_characters(out, names.join(",").as_bytes(), rules);
    }
    let quoted: Vec<_> =
        names.iter().map(|name| format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))).collect();
    push_characters(out, format!("{{{}}}", quoted.join(",")).as_bytes(), rules)
}

/// The numbers of a vector: little endian, four bytes each.
fn vector(out: &mut Vec<u8>, codec: Codec, bytes: &[u8]) {
    let (open, close) = match codec {
        Codec::Bytea => return hex(out, bytes),
        Codec::Other(Spelling::Array) => (b'{', b'}'),
        _ => (b'[', b']'),
    };
    out.push(open);
    for (place, number) in bytes.as_chunks::<4>().0.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        let number = f32::from_le_bytes(*number);
        real(out, number, number.is_nan(), number.is_infinite());
    }
    out.push(close);
}
