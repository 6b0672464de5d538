//! Temporal values as row images store them.
//!
//! Before MySQL 5.6.4 (and in MariaDB with `mysql56_temporal_format=OFF`) decimal digits are packed into integers; since
//! then bit fields, big endian, followed by 0 to 3 bytes of fraction (MySQL `mysys/my_time.cc`: `my_time_packed_from_binary`,
//! `my_datetime_packed_from_binary`, `my_timestamp_from_binary`).

use crate::mysql::reader::{Malformed, Reader};
use crate::value::{Date, DateTime, Time, Timestamp, Value};

/// Reads the fraction of `precision` digits as microseconds.
#[inline]
fn fraction(reader: &mut Reader<'_>, precision: u8) -> Result<u32, Malformed> {
    let micros = match precision {
        0 => 0,
        1 | 2 => u32::from(reader.u8()?) * 10_000,
        3 | 4 => u32::from(reader.u16_be()?) * 100,
        _ => reader.u24_be()?,
    };
    if micros < 1_000_000 {
        Ok(micros)
    } else {
        Err(Malformed("has more than a second in a fraction of a second"))
    }
}

/// DATE: day, month and year in 5, 4 and 15 bits of a 3-byte integer.
#[inline]
pub(in crate::mysql) fn date<'a>(reader: &mut Reader<'_>) -> Result<Value<'a>, Malformed> {
    let packed = reader.u24()?;
    Ok(Value::Date(Date {
        year: (packed >> 9) as u16,
        month: (packed >> 5 & 15) as u8,
        day: (packed & 31) as u8,
    }))
}

/// TIME before 5.6.4: a signed 3-byte integer of the digits HHHMMSS.
pub(in crate::mysql) fn old_time<'a>(reader: &mut Reader<'_>) -> Result<Value<'a>, Malformed> {
    let digits = i64::from(reader.i24()?);
    let seconds = digits / 10_000 * 3600 + digits / 100 % 100 * 60 + digits % 100;
    Ok(Value::Time(Time { micros: seconds * 1_000_000, precision: 0 }))
}

/// TIME: sign, an unused bit, 10 bits of hours, 6 of minutes, 6 of seconds, then the fraction; negative values are the
/// two's complement of the whole, fraction included.
pub(in crate::mysql) fn time<'a>(reader: &mut Reader<'_>, precision: u8) -> Result<Value<'a>, Malformed> {
    const SIGN: i64 = 0x80_0000;
    let whole = i64::from(reader.u24_be()?) - SIGN;
    // Every form is brought to the one of 6 digits: 24 bits of whole seconds above 24 bits of microseconds.
    let packed = match precision {
        0 => whole << 24,
        1 | 2 => widen(whole, i64::from(reader.u8()?), 0x100, 10_000),
        3 | 4 => widen(whole, i64::from(reader.u16_be()?), 0x1_0000, 100),
        _ => (whole << 24) + i64::from(reader.u24_be()?),
    };
    let magnitude = packed.abs();
    let (hms, micros) = (magnitude >> 24, magnitude & 0xFF_FFFF);
    let (hours, minutes, seconds) = (hms >> 12 & 0x3FF, hms >> 6 & 0x3F, hms & 0x3F);
    if minutes > 59 || seconds > 59 || micros > 999_999 {
        return Err(Malformed("has a time of day that does not exist"));
    }
    let total = (hours * 3600 + minutes * 60 + seconds) * 1_000_000 + micros;
    Ok(Value::Time(Time { micros: if packed < 0 { -total } else { total }, precision }))
}

/// Brings a shorter fraction to microseconds. In a negative value the fraction has borrowed from the whole seconds.
fn widen(whole: i64, fraction: i64, range: i64, unit: i64) -> i64 {
    let (whole, fraction) =
        if whole < 0 && fraction != 0 { (whole + 1, fraction - range) } else { (whole, fraction) };
    (whole << 24) + fraction * unit
}

/// DATETIME before 5.6.4: the digits YYYYMMDDHHMMSS as an 8-byte integer.
pub(in crate::mysql) fn old_datetime<'a>(reader: &mut Reader<'_>) -> Result<Value<'a>, Malformed> {
    let digits = reader.u64()?;
    let (date, time) = (digits / 1_000_000, digits % 1_000_000);
    if date > 99_999_999 {
        return Err(Malformed("has a date that does not exist"));
    }
    Ok(Value::DateTime(DateTime {
        date: Date { year: (date / 10_000) as u16, month: (date / 100 % 100) as u8, day: (date % 100) as u8 },
        hour: (time / 10_000) as u8,
        minute: (time / 100 % 100) as u8,
        second: (time % 100) as u8,
        precision: 0,
        micros: 0,
    }))
}

/// DATETIME: a sign bit that is always 1, 17 bits of year * 13 + month, 5 of day, 5 of hour, 6 of minute, 6 of second.
#[inline]
pub(in crate::mysql) fn datetime<'a>(reader: &mut Reader<'_>, precision: u8) -> Result<Value<'a>, Malformed> {
    const SIGN: u64 = 0x80_0000_0000;
    let packed = reader.u40_be()?.checked_sub(SIGN).ok_or(Malformed("has a negative date"))?;
    let micros = fraction(reader, precision)?;
    let (date, time) = (packed >> 17, packed & 0x1_FFFF);
    let months = date >> 5;
    Ok(Value::DateTime(DateTime {
        date: Date { year: (months / 13) as u16, month: (months % 13) as u8, day: (date & 31) as u8 },
        hour: (time >> 12) as u8,
        minute: (time >> 6 & 63) as u8,
        second: (time & 63) as u8,
        precision,
        micros,
    }))
}

/// TIMESTAMP before 5.6.4: seconds, little endian.
pub(in crate::mysql) fn old_timestamp<'a>(reader: &mut Reader<'_>) -> Result<Value<'a>, Malformed> {
    Ok(instant(reader.u32()?, 0, 0))
}

/// TIMESTAMP: seconds, big endian, and the fraction.
#[inline]
pub(in crate::mysql) fn timestamp<'a>(
    reader: &mut Reader<'_>,
    precision: u8,
) -> Result<Value<'a>, Malformed> {
    let seconds = reader.u32_be()?;
    Ok(instant(seconds, fraction(reader, precision)?, precision))
}

/// Second 0 is not 1970-01-01 but the zero TIMESTAMP, which is no instant. (MariaDB 11.5 and later use the seconds
/// past 2^31 as positive ones.)
#[inline]
fn instant<'a>(seconds: u32, micros: u32, precision: u8) -> Value<'a> {
    if seconds == 0 && micros == 0 {
        Value::DateTime(DateTime { precision, ..DateTime::default() })
    } else {
        Value::Timestamp(Timestamp { micros: i64::from(seconds) * 1_000_000 + i64::from(micros), precision })
    }
}
