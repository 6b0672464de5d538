//! Scalars of SQL types inside JSON documents.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::arena::Arena;
use crate::mysql::reader::Malformed;
use crate::mysql::rows::decimal;
use crate::value::{Date, DateTime, Time, Value};

// `enum_field_types` of MySQL's `include/field_types.h`.
const TIMESTAMP: u8 = 7;
const DATE: u8 = 10;
const TIME: u8 = 11;
const DATETIME: u8 = 12;
const NEWDECIMAL: u8 = 246;

/// Characters of a line of the server's base64.
const BASE64_LINE: usize = 76;
/// Fractional digits of all temporals in JSON.
const MICROSECONDS: u8 = 6;

/// A scalar of an SQL type.
pub(super) enum Scalar<'a> {
    Decimal(String),
    Date(Date),
    Time(Time),
    /// A DATETIME, or a TIMESTAMP: the document has that as the wall clock of whichever session wrote it, so that it is
    /// no instant any more.
    DateTime(DateTime),
    /// Bytes of any other type.
    Binary(u8, &'a [u8]),
}

impl<'a> Scalar<'a> {
    /// Reads an opaque value of a column type.
    pub(super) fn new(kind: u8, bytes: &'a [u8]) -> Result<Self, Malformed> {
        match kind {
            NEWDECIMAL => decimal_text(bytes).map(Scalar::Decimal),
            DATE => Ok(Scalar::Date(date_time(packed(bytes)?)?.date)),
            TIME => time(packed(bytes)?).map(Scalar::Time),
            DATETIME | TIMESTAMP => date_time(packed(bytes)?).map(Scalar::DateTime),
            _ => Ok(Scalar::Binary(kind, bytes)),
        }
    }

    /// Appends the scalar as JSON, as MySQL 8.0 and later prints it.
    pub(super) fn write(&self, text: &mut Vec<u8>) {
        let quoted = match self {
            Scalar::Decimal(decimal) => return text.extend_from_slice(decimal.as_bytes()),
            Scalar::Date(date) => format!("\"{date}\""),
            Scalar::Time(time) => format!("\"{time}\""),
            Scalar::DateTime(date_time) => format!("\"{date_time}\""),
            Scalar::Binary(kind, bytes) => {
                text.extend_from_slice(format!("\"base64:type{kind}:").as_bytes());
                // The server breaks lines, and the breaks are escaped as those of any string.
                for (place, line) in STANDARD.encode(bytes).as_bytes().chunks(BASE64_LINE).enumerate() {
                    text.extend_from_slice(if place > 0 { b"\\n" } else { b"" });
                    text.extend_from_slice(line);
                }
                return text.push(b'"');
            }
        };
        text.extend_from_slice(quoted.as_bytes());
    }

    /// The scalar as a typed value.
    pub(super) fn to_value<'r>(&self, arena: &Arena<'r>) -> Value<'r> {
        match self {
            Scalar::Decimal(decimal) => Value::Decimal(arena.text(decimal)),
            Scalar::Date(date) => Value::Date(*date),
            Scalar::Time(time) => Value::Time(*time),
            Scalar::DateTime(date_time) => Value::DateTime(*date_time),
            Scalar::Binary(_, bytes) => Value::Binary(arena.slice(bytes)),
        }
    }
}

/// Precision, scale, and the number in its binary form (`Json_decimal::get_binary`).
fn decimal_text(bytes: &[u8]) -> Result<String, Malformed> {
    let [precision, scale, digits @ ..] = bytes else {
        return Err(Malformed("has a JSON decimal without precision and scale"));
    };
    let mut text = String::new();
    decimal::write(*precision, *scale, digits, &mut text)?;
    Ok(text)
}

/// Temporals are one number (`TIME_to_longlong_packed` of `mysys/my_time.cc`), little endian.
fn packed(bytes: &[u8]) -> Result<i64, Malformed> {
    let bytes = bytes.try_into().map_err(|_| Malformed("has a JSON temporal that is not of eight bytes"))?;
    Ok(i64::from_le_bytes(bytes))
}

const RANGE: Malformed = Malformed("has a JSON temporal out of its range");

/// From the highest bit: 10 of hours, 6 each of minutes and seconds, 24 of microseconds; the whole negated before zero.
fn time(packed: i64) -> Result<Time, Malformed> {
    let fields = Fields::new(packed.unsigned_abs())?;
    let hours = fields.above_minutes & 0x3FF;
    let micros = ((hours * 60 + fields.minute) * 60 + fields.second) * 1_000_000 + fields.micros;
    let micros = i64::try_from(micros).map_err(|_| RANGE)?;
    Ok(Time { micros: if packed < 0 { -micros } else { micros }, precision: MICROSECONDS })
}

/// From the highest bit: year * 13 + month, 5 bits each of day and hour, the rest as in a time.
fn date_time(packed: i64) -> Result<DateTime, Malformed> {
    let fields = Fields::new(packed.unsigned_abs())?;
    let (hour, date) = (fields.above_minutes & 0x1F, fields.above_minutes >> 5);
    let (day, months) = (date & 0x1F, date >> 5);
    if months / 13 > 9999 || hour > 23 {
        return Err(RANGE);
    }
    Ok(DateTime {
        date: Date { year: (months / 13) as u16, month: (months % 13) as u8, day: day as u8 },
        hour: hour as u8,
        minute: fields.minute as u8,
        second: fields.second as u8,
        precision: MICROSECONDS,
        micros: fields.micros as u32,
    })
}

/// The part that all packed temporals share.
struct Fields {
    micros: u64,
    second: u64,
    minute: u64,
    above_minutes: u64,
}

impl Fields {
    fn new(packed: u64) -> Result<Self, Malformed> {
        let fields = Fields {
            micros: packed & 0xFF_FFFF,
            second: packed >> 24 & 0x3F,
            minute: packed >> 30 & 0x3F,
            above_minutes: packed >> 36,
        };
        let in_range = fields.micros < 1_000_000 && fields.second < 60 && fields.minute < 60;
        if in_range { Ok(fields) } else { Err(RANGE) }
    }
}
