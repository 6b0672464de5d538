//! Temporal values: a length and that many bytes, of which trailing parts that are zero are left out ("Binary Protocol Value",
//! `ProtocolBinary::MYSQL_TYPE_DATETIME` and `ProtocolBinary::MYSQL_TYPE_TIME`).

use crate::{
    mysql::reader::{Malformed, Reader},
    value::{Date, DateTime, Time, Timestamp, Value},
};

const LENGTH: Malformed = Malformed("has a date or time of an impossible length");
const RANGE: Malformed = Malformed("has a date or time out of its range");

/// More than any TIME has (838 hours are 34 days), and few enough for their microseconds to be a number.
const MAX_DAYS: u32 = 999;

/// Year, month, day; hour, minute, second; microseconds: 0, 4, 7 or 11 bytes.
#[inline]
fn parts(reader: &mut Reader<'_>, precision: u8) -> Result<DateTime, Malformed> {
    let length = reader.u8()?;
    let mut value = DateTime { precision, ..DateTime::default() };
    if length >= 4 {
        value.date = Date { year: reader.u16()?, month: reader.u8()?, day: reader.u8()? };
    }
    if length >= 7 {
        (value.hour, value.minute, value.second) = (reader.u8()?, reader.u8()?, reader.u8()?);
    }
    if length == 11 {
        value.micros = reader.u32()?;
    }
    if !matches!(length, 0 | 4 | 7 | 11) {
        return Err(LENGTH);
    }
    let in_range = value.hour < 24 && value.minute < 60 && value.second < 60 && value.micros < 1_000_000;
    if in_range { Ok(value) } else { Err(RANGE) }
}

/// DATE.
pub(super) fn date<'a>(reader: &mut Reader<'_>) -> Result<Value<'a>, Malformed> {
    parts(reader, 0).map(|value| Value::Date(value.date))
}

/// DATETIME.
pub(super) fn datetime<'a>(reader: &mut Reader<'_>, precision: u8) -> Result<Value<'a>, Malformed> {
    parts(reader, precision).map(Value::DateTime)
}

/// TIMESTAMP in UTC. The zero TIMESTAMP is no instant.
pub(super) fn timestamp<'a>(reader: &mut Reader<'_>, precision: u8) -> Result<Value<'a>, Malformed> {
    let value = parts(reader, precision)?;
    if value == (DateTime { precision, ..DateTime::default() }) {
        return Ok(Value::DateTime(value));
    }
    let micros = value.epoch_micros().ok_or(RANGE)?;
    Ok(Value::Timestamp(Timestamp { micros, precision }))
}

/// TIME: a sign, days, hour, minute, second; microseconds: 0, 8 or 12 bytes.
pub(super) fn time<'a>(reader: &mut Reader<'_>, precision: u8) -> Result<Value<'a>, Malformed> {
    let length = reader.u8()?;
    if length == 0 {
        return Ok(Value::Time(Time { micros: 0, precision }));
    }
    let is_negative = reader.u8()? != 0;
    let (days, hours, minutes, seconds) = (reader.u32()?, reader.u8()?, reader.u8()?, reader.u8()?);
    let micros = match length {
        8 => 0,
        12 => reader.u32()?,
        _ => return Err(LENGTH),
    };
    if days > MAX_DAYS || minutes > 59 || seconds > 59 || micros > 999_999 {
        return Err(RANGE);
    }
    let hours = i64::from(days) * 24 + i64::from(hours);
    let seconds = (hours * 60 + i64::from(minutes)) * 60 + i64::from(seconds);
    let total = seconds * 1_000_000 + i64::from(micros);
    Ok(Value::Time(Time { micros: if is_negative { -total } else { total }, precision }))
}
