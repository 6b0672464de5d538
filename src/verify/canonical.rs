//! The canonical form of a value: the same bytes at both ends exactly when the destination holds what applying the source's value
//! writes there.
//!
//! Which form a column has follows from the pair of its types ([`Class`]); `docs/types.md` says what each pair does and loses. Text is
//! compared by its bytes, floating point numbers by their bits, exact numbers by their value, moments and durations in microseconds.
//! What cannot be compared is left out of the comparison and said.
//!
//! A form is a tag, the length of what follows in four bytes, and the content, so that the forms of a row can be joined and taken apart
//! again.

mod choice;
mod json;
mod number;

use std::{fmt::Write as _, io::Write as _, net::IpAddr};

use slackwater_decoders::{
    schema::{Column, ColumnType},
    value::{DateTime, Enum, Inet6Text, Set, UuidText, Value},
};

pub use self::choice::{Comparison, End, Product, Rules, choose};
use crate::destinations::{postgres::extended_wkb, sqlite::StoredForm};

/// The form in which the values of a pair of columns are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// As numbers, whatever types hold them: true is 1, zeros that mean nothing do not count.
    Number,
    /// By their bits in double precision, which holds every single one; all that are not a number are one.
    Double,
    /// By their bits in single precision, which is all that the destination has.
    Single,
    /// As UTF-8, byte by byte. `trimmed`: without the spaces at its end at that end, because the type pads or drops them.
    Text {
        /// At the source.
        source_trimmed: bool,
        /// At the destination.
        destination_trimmed: bool,
        /// The source's zero bytes are left out at the destination (`destination.zero_bytes`).
        without_zero_bytes: bool,
    },
    /// By the names of members; MySQL's error value is none of them.
    Members,
    /// Byte by byte; shorter values of a fixed length are filled up with zeros.
    Bytes,
    /// As calendar date and time, to the microsecond; instants in UTC.
    Moment {
        /// Dates that do not exist are NULL at the destination (`destination.invalid_dates`).
        without_invalid: bool,
    },
    /// In microseconds.
    Duration,
    /// By members, elements and scalars, in any order of members.
    Json {
        /// Numbers are 64-bit integers or double precision at the destination, and not exact.
        doubles: bool,
    },
    /// By the 16 bytes.
    Uuid {
        /// A text may spell them in any way: the destination has a type for them.
        any_spelling: bool,
    },
    /// By the bytes of the network address.
    Address,
    /// By reference system and well-known binary.
    Geometry,
    /// By the extended well-known binary of PostGIS.
    ExtendedGeometry,
    /// By the bits of the numbers.
    Vector,
    /// As a SQLite file stores them.
    Stored,
}

/// What the content of a form is.
mod tag {
    pub(super) const NULL: u8 = 0;
    pub(super) const TEXT: u8 = 1;
    pub(super) const NUMBER: u8 = 2;
    pub(super) const BYTES: u8 = 3;
    pub(super) const DOUBLE: u8 = 4;
    pub(super) const SINGLE: u8 = 5;
    pub(super) const MOMENT: u8 = 6;
    pub(super) const DURATION: u8 = 7;
    pub(super) const JSON: u8 = 8;
    pub(super) const UUID: u8 = 9;
    pub(super) const ADDRESS: u8 = 10;
    pub(super) const ERROR_MEMBER: u8 = 11;
}

/// Bytes before the content of a form.
const HEAD: usize = 5;

/// A value that is not of its column's type. Says nothing of the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a value is of a kind that its column cannot have")]
pub struct Misfit;

/// Memory for forms that take a step between.
#[derive(Default)]
pub struct Scratch {
    stored: StoredForm,
}

impl Comparison {
    /// Appends the form of a value of one end.
    ///
    /// # Errors
    /// For a value that its column cannot have.
    pub fn encode(
        &self,
        end: End,
        value: Value<'_>,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<(), Misfit> {
        let start = out.len();
        out.extend_from_slice(&[tag::NULL; HEAD]);
        let column = self.column(end);
        let tag =
            if value == Value::Null { tag::NULL } else { self.content(end, column, value, scratch, out)? };
        let length = u32::try_from(out.len() - start - HEAD).map_err(|_| Misfit)?;
        if let Some(head) = out.get_mut(start..start + HEAD) {
            head.copy_from_slice(&[tag, 0, 0, 0, 0]);
        }
        if let Some(place) = out.get_mut(start + 1..start + HEAD) {
            place.copy_from_slice(&length.to_le_bytes());
        }
        Ok(())
    }

    fn content(
        &self,
        end: End,
        column: &Column,
        value: Value<'_>,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<u8, Misfit> {
        Ok(match self.class {
            Class::Number => number::push(out, value)?,
            Class::Double => double(out, value)?,
            Class::Single => single(out, value)?,
            Class::Text { source_trimmed, destination_trimmed, without_zero_bytes } => {
                let start = out.len();
                text(out, column, value)?;
                if without_zero_bytes && end == End::Source {
                    retain_from(out, start, |byte| byte != 0);
                }
                let trimmed = if end == End::Source { source_trimmed } else { destination_trimmed };
                while trimmed && out.len() > start && out.last() == Some(&b' ') {
                    out.pop();
                }
                tag::TEXT
            }
            Class::Members => members(out, column, value)?,
            Class::Bytes => bytes(out, column, value)?,
            Class::Moment { without_invalid } => moment(out, value, without_invalid)?,
            Class::Duration => duration(out, value)?,
            Class::Json { doubles } => document(out, value, doubles)?,
            Class::Uuid { any_spelling } => uuid(out, value, any_spelling)?,
            Class::Address => address(out, value)?,
            Class::Geometry => match value {
                Value::Geometry(geometry) => {
                    out.extend_from_slice(&geometry.srid.to_le_bytes());
                    out.extend_from_slice(geometry.wkb);
                    tag::BYTES
                }
                _ => bytes(out, column, value)?,
            },
            Class::ExtendedGeometry => extended_geometry(out, value)?,
            Class::Vector => vector(out, value)?,
            Class::Stored => return self.stored(end, value, scratch, out),
        })
    }

    fn stored(
        &self,
        end: End,
        value: Value<'_>,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<u8, Misfit> {
        let value = match end {
            End::Source => scratch.stored.of(&self.source, value).map_err(|_| Misfit)?,
            End::Destination => value,
        };
        Ok(match value {
            Value::Null => tag::NULL,
            Value::Double(number) => {
                out.extend_from_slice(&number.to_bits().to_le_bytes());
                tag::DOUBLE
            }
            Value::Text(text) => {
                out.extend_from_slice(text.as_bytes());
                tag::TEXT
            }
            Value::Binary(bytes) => {
                out.extend_from_slice(bytes);
                tag::BYTES
            }
            value => number::push(out, value)?,
        })
    }
}

fn retain_from(out: &mut Vec<u8>, start: usize, keep: impl Fn(u8) -> bool) {
    let rest: Vec<u8> = out.drain(start..).filter(|byte| keep(*byte)).collect();
    out.extend(rest);
}

fn double(out: &mut Vec<u8>, value: Value<'_>) -> Result<u8, Misfit> {
    let number = match value {
        Value::Float(number) => f64::from(number),
        Value::Double(number) => number,
        other => number::real(other)?,
    };
    let bits = if number.is_nan() { f64::NAN.to_bits() } else { number.to_bits() };
    out.extend_from_slice(&bits.to_le_bytes());
    Ok(tag::DOUBLE)
}

fn single(out: &mut Vec<u8>, value: Value<'_>) -> Result<u8, Misfit> {
    let number = match value {
        Value::Float(number) => number,
        Value::Double(number) => number as f32,
        other => number::real(other)? as f32,
    };
    let bits = if number.is_nan() { f32::NAN.to_bits() } else { number.to_bits() };
    out.extend_from_slice(&bits.to_le_bytes());
    Ok(tag::SINGLE)
}

/// Appends the text of a value, as a column of text holds it.
fn text(out: &mut Vec<u8>, column: &Column, value: Value<'_>) -> Result<(), Misfit> {
    // Writing to memory cannot fail.
    match value {
        Value::Text(text) | Value::Decimal(text) => out.extend_from_slice(text.as_bytes()),
        Value::Json(document) => out.extend_from_slice(document.text.as_bytes()),
        Value::Binary(bytes) => binary_text(out, column, bytes),
        Value::Bool(truth) => out.push(if truth { b't' } else { b'f' }),
        Value::Int(number) => out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()),
        Value::UInt(number) => out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()),
        Value::Year(year) => out.extend_from_slice(itoa::Buffer::new().format(year).as_bytes()),
        Value::Float(number) => drop(write!(out, "{number}")),
        Value::Double(number) => drop(write!(out, "{number}")),
        Value::Date(date) => drop(write!(out, "{date}")),
        Value::Time(time) => drop(write!(out, "{time}")),
        Value::DateTime(time) => drop(write!(out, "{time}")),
        Value::Timestamp(time) => drop(write!(out, "{time}")),
        Value::Uuid(bytes) => drop(write!(out, "{}", UuidText(bytes))),
        Value::Enum(member) => out.extend_from_slice(label(column, member)?.as_bytes()),
        Value::Set(set) => set_labels(out, column, set)?,
        Value::Bits(bits) => {
            let padding = (bits.bytes.len() * 8).saturating_sub(usize::from(bits.length));
            let all = bits.bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
            out.extend(all.skip(padding).map(|bit| b'0' + bit));
        }
        _ => return Err(Misfit),
    }
    Ok(())
}

/// Addresses and identifiers are bytes in a log and text in a column of text.
fn binary_text(out: &mut Vec<u8>, column: &Column, bytes: &[u8]) {
    match (&column.column_type, <[u8; 4]>::try_from(bytes), <[u8; 16]>::try_from(bytes)) {
        (ColumnType::Inet4, Ok(address), _) => drop(write!(out, "{}", IpAddr::from(address))),
        (ColumnType::Inet6, _, Ok(address)) => drop(write!(out, "{}", Inet6Text(address))),
        (ColumnType::Uuid, _, Ok(bytes)) => drop(write!(out, "{}", UuidText(bytes))),
        _ => out.extend_from_slice(bytes),
    }
}

fn label<'a>(column: &'a Column, member: Enum<'a>) -> Result<&'a str, Misfit> {
    match (member.label, member.index.checked_sub(1), &column.column_type) {
        (Some(label), ..) => Ok(label),
        (None, None, _) => Ok(""),
        (None, Some(place), ColumnType::Enum(labels)) => {
            labels.get(usize::from(place)).map(String::as_str).ok_or(Misfit)
        }
        _ => Err(Misfit),
    }
}

fn set_labels(out: &mut Vec<u8>, column: &Column, set: &Set<'_>) -> Result<(), Misfit> {
    if let Some(labels) = set.labels {
        out.extend_from_slice(labels.as_bytes());
        return Ok(());
    }
    let ColumnType::Set(names) = &column.column_type else { return Err(Misfit) };
    let start = out.len();
    for place in (0..64).filter(|place| set.mask >> place & 1 == 1) {
        if out.len() > start {
            out.push(b',');
        }
        out.extend_from_slice(names.get(place).ok_or(Misfit)?.as_bytes());
    }
    Ok(())
}

fn members(out: &mut Vec<u8>, column: &Column, value: Value<'_>) -> Result<u8, Misfit> {
    match value {
        Value::Enum(Enum { index: 0, .. }) if column.number.is_none() => return Ok(tag::ERROR_MEMBER),
        value => text(out, column, value)?,
    }
    Ok(tag::TEXT)
}

fn bytes(out: &mut Vec<u8>, column: &Column, value: Value<'_>) -> Result<u8, Misfit> {
    let start = out.len();
    match value {
        Value::Binary(bytes) | Value::Vector(bytes) => out.extend_from_slice(bytes),
        Value::Bits(bits) => out.extend_from_slice(bits.bytes),
        Value::Text(text) => out.extend_from_slice(text.as_bytes()),
        Value::Uuid(bytes) => out.extend_from_slice(&bytes),
        Value::Json(document) => out.extend_from_slice(document.text.as_bytes()),
        _ => return Err(Misfit),
    }
    if let ColumnType::Binary(length) = column.column_type {
        let whole = start + length as usize;
        if out.len() < whole {
            out.resize(whole, 0);
        }
    }
    Ok(tag::BYTES)
}

fn moment(out: &mut Vec<u8>, value: Value<'_>, without_invalid: bool) -> Result<u8, Misfit> {
    let time = match value {
        Value::Date(date) => DateTime { date, ..DateTime::default() },
        Value::DateTime(time) => time,
        Value::Timestamp(time) => time.to_utc(),
        Value::Text(text) => {
            // What has no date (`infinity`, a year BC) comes as its text.
            out.extend_from_slice(text.as_bytes());
            return Ok(tag::TEXT);
        }
        _ => return Err(Misfit),
    };
    if without_invalid && !time.date.is_valid() {
        return Ok(tag::NULL);
    }
    out.extend_from_slice(&time.date.year.to_be_bytes());
    out.extend_from_slice(&[time.date.month, time.date.day, time.hour, time.minute, time.second]);
    out.extend_from_slice(&time.micros.to_be_bytes());
    Ok(tag::MOMENT)
}

fn duration(out: &mut Vec<u8>, value: Value<'_>) -> Result<u8, Misfit> {
    let micros = match value {
        Value::Time(time) => time.micros,
        Value::Text(text) => match clock_micros(text) {
            Some(micros) => micros,
            None => {
                out.extend_from_slice(text.as_bytes());
                return Ok(tag::TEXT);
            }
        },
        _ => return Err(Misfit),
    };
    out.extend_from_slice(&micros.to_be_bytes());
    Ok(tag::DURATION)
}

/// The microseconds of `[-]H:MM:SS[.ffffff]`.
fn clock_micros(text: &str) -> Option<i64> {
    let (sign, clock) = match text.strip_prefix('-') {
        Some(clock) => (-1, clock),
        None => (1, text),
    };
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut parts = clock.split(':').map(str::parse::<i64>);
    let (hours, minutes, seconds) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    if parts.next().is_some() || fraction.len() > 6 {
        return None;
    }
    let micros: i64 = format!("{fraction:0<6}").parse().ok()?;
    Some(sign * (((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + micros))
}

fn document(out: &mut Vec<u8>, value: Value<'_>, doubles: bool) -> Result<u8, Misfit> {
    let text = match value {
        Value::Json(document) => document.text,
        Value::Text(text) => text,
        _ => return Err(Misfit),
    };
    let start = out.len();
    if json::push(out, text, doubles).is_ok() {
        return Ok(tag::JSON);
    }
    out.truncate(start);
    out.extend_from_slice(text.as_bytes());
    Ok(tag::TEXT)
}

fn uuid(out: &mut Vec<u8>, value: Value<'_>, any_spelling: bool) -> Result<u8, Misfit> {
    match value {
        Value::Uuid(bytes) => out.extend_from_slice(&bytes),
        Value::Binary(bytes) if bytes.len() == 16 => out.extend_from_slice(bytes),
        Value::Text(text) => match uuid_of(text, any_spelling) {
            Some(bytes) => out.extend_from_slice(&bytes),
            None => {
                out.extend_from_slice(text.as_bytes());
                return Ok(tag::TEXT);
            }
        },
        _ => return Err(Misfit),
    }
    Ok(tag::UUID)
}

/// The bytes of a UUID; only in the one spelling that is written unless `any_spelling`: another one is another text.
fn uuid_of(text: &str, any_spelling: bool) -> Option<[u8; 16]> {
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    if digits.len() != 32 {
        return None;
    }
    let bytes = u128::from_str_radix(&digits, 16).ok()?.to_be_bytes();
    (any_spelling || UuidText(bytes).to_string() == text).then_some(bytes)
}

fn address(out: &mut Vec<u8>, value: Value<'_>) -> Result<u8, Misfit> {
    let address = match value {
        Value::Binary(bytes) => match (<[u8; 4]>::try_from(bytes), <[u8; 16]>::try_from(bytes)) {
            (Ok(four), _) => IpAddr::from(four),
            (_, Ok(sixteen)) => IpAddr::from(sixteen),
            _ => return Err(Misfit),
        },
        Value::Text(text) => match text.parse() {
            Ok(address) => address,
            Err(_) => {
                out.extend_from_slice(text.as_bytes());
                return Ok(tag::TEXT);
            }
        },
        _ => return Err(Misfit),
    };
    match address {
        IpAddr::V4(address) => out.extend_from_slice(&address.octets()),
        IpAddr::V6(address) => out.extend_from_slice(&address.octets()),
    }
    Ok(tag::ADDRESS)
}

fn extended_geometry(out: &mut Vec<u8>, value: Value<'_>) -> Result<u8, Misfit> {
    match value {
        Value::Geometry(geometry) => out.extend_from_slice(&extended_wkb(geometry)),
        Value::Binary(bytes) => out.extend_from_slice(bytes),
        // As PostGIS prints its own type.
        Value::Text(digits) => {
            for pair in digits.as_bytes().chunks(2) {
                let pair = std::str::from_utf8(pair).map_err(|_| Misfit)?;
                out.push(u8::from_str_radix(pair, 16).map_err(|_| Misfit)?);
            }
        }
        _ => return Err(Misfit),
    }
    Ok(tag::BYTES)
}

/// Single precision, little endian, four bytes each.
fn vector(out: &mut Vec<u8>, value: Value<'_>) -> Result<u8, Misfit> {
    match value {
        Value::Vector(bytes) | Value::Binary(bytes) => out.extend_from_slice(bytes),
        Value::Text(text) => {
            let inner = text.trim_matches(|bracket| matches!(bracket, '{' | '}' | '[' | ']'));
            for number in inner.split(',').filter(|number| !number.is_empty()) {
                let number: f32 = number.trim().parse().map_err(|_| Misfit)?;
                out.extend_from_slice(&number.to_le_bytes());
            }
        }
        _ => return Err(Misfit),
    }
    Ok(tag::BYTES)
}

/// The forms of a row, one after the other.
pub struct Forms<'a>(&'a [u8]);

impl<'a> Forms<'a> {
    /// Takes the joined forms of a row apart.
    #[must_use]
    pub fn new(joined: &'a [u8]) -> Self {
        Forms(joined)
    }
}

impl<'a> Iterator for Forms<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let length: [u8; 4] = self.0.get(1..HEAD)?.try_into().ok()?;
        let (form, rest) = self.0.split_at_checked(HEAD + u32::from_le_bytes(length) as usize)?;
        self.0 = rest;
        Some(form)
    }
}

/// A form for people.
#[must_use]
pub fn shown(form: &[u8]) -> String {
    let (head, content) = form.split_at_checked(HEAD).unwrap_or((form, &[]));
    let hexadecimal = || {
        content.iter().fold(String::from("0x"), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    };
    let plain = || String::from_utf8_lossy(content).into_owned();
    match head.first().copied() {
        Some(tag::NULL) | None => "NULL".to_owned(),
        Some(tag::TEXT) => format!("'{}'", plain()),
        Some(tag::NUMBER | tag::JSON) => plain(),
        Some(tag::DOUBLE) => content
            .try_into()
            .map_or_else(|_| hexadecimal(), |bits| format!("{:e}", f64::from_bits(u64::from_le_bytes(bits)))),
        Some(tag::SINGLE) => content
            .try_into()
            .map_or_else(|_| hexadecimal(), |bits| format!("{:e}", f32::from_bits(u32::from_le_bytes(bits)))),
        Some(tag::MOMENT) => shown_moment(content).unwrap_or_else(hexadecimal),
        Some(tag::DURATION) => content.try_into().map_or_else(
            |_| hexadecimal(),
            |micros| {
                let time =
                    slackwater_decoders::value::Time { micros: i64::from_be_bytes(micros), precision: 6 };
                time.to_string()
            },
        ),
        Some(tag::UUID) => {
            content.try_into().map_or_else(|_| hexadecimal(), |bytes| UuidText(bytes).to_string())
        }
        Some(tag::ERROR_MEMBER) => "'' (error value)".to_owned(),
        Some(_) => hexadecimal(),
    }
}

fn shown_moment(content: &[u8]) -> Option<String> {
    let &[a, b, month, day, hour, minute, second, c, d, e, f] = content else { return None };
    let year = u16::from_be_bytes([a, b]);
    let micros = u32::from_be_bytes([c, d, e, f]);
    let date = slackwater_decoders::value::Date { year, month, day };
    Some(DateTime { date, hour, minute, second, precision: 6, micros }.to_string())
}

#[cfg(test)]
#[path = "canonical/canonical_tests.rs"]
mod tests;
