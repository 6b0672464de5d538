//! Dates and times (`src/backend/utils/adt/{date,timestamp,datetime}.c`): text in the ISO style, binary as days and microseconds
//! since 2000-01-01.

use super::buffer::{Buffer, print_to};
use crate::{
    postgres::{
        copy::EPOCH_MICROS,
        reader::{Malformed, Reader},
    },
    value::{Date, DateTime, Time, Timestamp},
};

/// Days from 1970-01-01 to 2000-01-01.
const EPOCH_DAYS: i64 = 10_957;
const DAY_MICROS: i64 = 86_400_000_000;
/// 0001-01-01 and 9999-12-31 as days since 1970-01-01: between them lies what the variants hold.
const FIRST_DAY: i64 = -719_162;
const LAST_DAY: i64 = 2_932_896;

/// `2024-01-31`; `None` for anything else.
pub(super) fn date_text(text: &[u8]) -> Option<Date> {
    let [a, b, c, d, b'-', e, f, b'-', g, h] = *text else { return None };
    let year = number([a, b])? * 100 + number([c, d])?;
    let date = Date { year, month: number([e, f])? as u8, day: number([g, h])? as u8 };
    date.is_valid().then_some(date)
}

/// `23:59:59.999999`, up to `24:00:00`.
pub(super) fn time_text(text: &[u8], precision: u8) -> Option<Time> {
    let (clock, rest) = text.split_first_chunk::<8>()?;
    let (hour, minute, second) = clock_text(*clock)?;
    let micros = fraction(rest)?;
    let seconds = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
    Some(Time { micros: seconds * 1_000_000 + i64::from(micros), precision })
}

/// `2024-01-31 23:59:59.999999`; `None` for anything else.
pub(super) fn datetime_text(text: &[u8], precision: u8) -> Option<DateTime> {
    let (date, rest) = text.split_first_chunk::<10>()?;
    let (clock, rest) = rest.strip_prefix(b" ")?.split_first_chunk::<8>()?;
    let (hour, minute, second) = clock_text(*clock)?;
    if hour > 23 {
        return None;
    }
    Some(DateTime { date: date_text(date)?, hour, minute, second, precision, micros: fraction(rest)? })
}

/// As [`datetime_text`], with an offset behind it (`+00`, `-03:30`, `+00:19:32`).
pub(super) fn timestamp_text(text: &[u8], precision: u8) -> Option<Timestamp> {
    let sign = 19 + text.get(19..)?.iter().position(|byte| matches!(byte, b'+' | b'-'))?;
    let (time, offset) = text.split_at_checked(sign)?;
    let micros = datetime_text(time, precision)?.epoch_micros()?;
    let seconds = match offset {
        b"+00" => 0,
        [sign, offset @ ..] => {
            let mut parts = offset.split(|byte| *byte == b':').map(|part| {
                let pair: [u8; 2] = part.try_into().ok()?;
                number(pair).map(i64::from)
            });
            let mut next = || parts.next().unwrap_or(Some(0));
            let seconds = next()? * 3600 + next()? * 60 + next()?;
            if *sign == b'-' { -seconds } else { seconds }
        }
        [] => return None,
    };
    let micros = micros - seconds * 1_000_000;
    is_held(micros.div_euclid(DAY_MICROS)).then_some(Timestamp { micros, precision })
}

fn number([tens, ones]: [u8; 2]) -> Option<u16> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens <= 9 && ones <= 9).then(|| u16::from(tens) * 10 + u16::from(ones))
}

fn clock_text([a, b, c1, d, e, c2, f, g]: [u8; 8]) -> Option<(u8, u8, u8)> {
    let (hour, minute, second) = (number([a, b])?, number([d, e])?, number([f, g])?);
    let is_clock = c1 == b':' && c2 == b':' && hour <= 24 && minute <= 59 && second <= 60;
    is_clock.then_some((hour as u8, minute as u8, second as u8))
}

/// Nothing, or a point and up to six digits, in microseconds.
fn fraction(text: &[u8]) -> Option<u32> {
    let digits = match text {
        [] => return Some(0),
        [b'.', digits @ ..] if (1..=6).contains(&digits.len()) => digits,
        _ => return None,
    };
    let number = digits.iter().try_fold(0_u32, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit <= 9).then(|| number * 10 + u32::from(digit))
    })?;
    Some(number * 10_u32.pow(6 - digits.len() as u32))
}

fn is_held(days: i64) -> bool {
    (FIRST_DAY..=LAST_DAY).contains(&days)
}

/// `None` for a date that the variant does not hold.
pub(super) fn date_binary(bytes: &[u8]) -> Result<Option<Date>, Malformed> {
    let mut reader = Reader::new(bytes);
    let days = i64::from(reader.i32()?) + EPOCH_DAYS;
    reader.end()?;
    Ok(is_held(days).then(|| Date::from_epoch_days(days)))
}

/// `None` for an instant that the variant does not hold.
pub(super) fn timestamp_binary(bytes: &[u8], precision: u8) -> Result<Option<Timestamp>, Malformed> {
    let mut reader = Reader::new(bytes);
    let micros = reader.i64()?.checked_add(EPOCH_MICROS);
    reader.end()?;
    let held = micros.filter(|micros| is_held(micros.div_euclid(DAY_MICROS)));
    Ok(held.map(|micros| Timestamp { micros, precision }))
}

pub(super) fn time_binary(reader: &mut Reader<'_>, precision: u8) -> Result<Time, Malformed> {
    let micros = reader.i64()?;
    if !(0..=DAY_MICROS).contains(&micros) {
        return Err(Malformed("is no time of a day"));
    }
    Ok(Time { micros, precision })
}

pub(super) fn print_date(reader: &mut Reader<'_>, out: &mut Buffer) -> Result<(), Malformed> {
    match reader.i32()? {
        i32::MAX => out.push("infinity"),
        i32::MIN => out.push("-infinity"),
        days => {
            let era = print_day(i64::from(days) + EPOCH_DAYS, out);
            out.push(era);
        }
    }
    Ok(())
}

/// A timestamp; `zone` is what stands behind the time of one with a zone.
pub(super) fn print_timestamp(
    reader: &mut Reader<'_>,
    zone: &str,
    out: &mut Buffer,
) -> Result<(), Malformed> {
    match reader.i64()? {
        i64::MAX => out.push("infinity"),
        i64::MIN => out.push("-infinity"),
        micros => {
            let era = print_day(micros.div_euclid(DAY_MICROS) + EPOCH_DAYS, out);
            out.push(" ");
            print_clock(micros.rem_euclid(DAY_MICROS), out);
            out.push(zone);
            out.push(era);
        }
    }
    Ok(())
}

pub(super) fn print_time(reader: &mut Reader<'_>, out: &mut Buffer) -> Result<(), Malformed> {
    let time = time_binary(reader, 6)?;
    print_clock(time.micros, out);
    Ok(())
}

/// A time and its zone, in seconds west of Greenwich.
pub(super) fn print_timetz(reader: &mut Reader<'_>, out: &mut Buffer) -> Result<(), Malformed> {
    print_time(reader, out)?;
    let west = reader.i32()?;
    let seconds = west.unsigned_abs();
    print_to!(out, "{}{:02}", if west <= 0 { '+' } else { '-' }, seconds / 3600);
    if seconds % 3600 != 0 {
        print_to!(out, ":{:02}", seconds / 60 % 60);
    }
    if seconds % 60 != 0 {
        print_to!(out, ":{:02}", seconds % 60);
    }
    Ok(())
}

/// Prints year, month and day, and returns what follows a year before Christ. The calendar's computation is that of
/// [`Date::from_epoch_days`], for years that it does not hold.
fn print_day(days: i64, out: &mut Buffer) -> &'static str {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (shown, suffix) = if year > 0 { (year, "") } else { (1 - year, " BC") };
    print_to!(out, "{shown:04}-{month:02}-{day:02}");
    suffix
}

/// Hours, minutes, seconds, and the fraction without zeros at its end.
fn print_clock(micros: i64, out: &mut Buffer) {
    let seconds = micros / 1_000_000;
    print_to!(out, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    let (mut fraction, mut digits) = (micros % 1_000_000, 6);
    if fraction != 0 {
        while fraction % 10 == 0 {
            fraction /= 10;
            digits -= 1;
        }
        print_to!(out, ".{fraction:0digits$}");
    }
}

/// Microseconds, days and months, in the style `postgres` (`EncodeInterval`).
pub(super) fn print_interval(reader: &mut Reader<'_>, out: &mut Buffer) -> Result<(), Malformed> {
    let (micros, days, months) = (reader.i64()?, reader.i32()?, reader.i32()?);
    match (micros, days, months) {
        (i64::MAX, i32::MAX, i32::MAX) => out.push("infinity"),
        (i64::MIN, i32::MIN, i32::MIN) => out.push("-infinity"),
        _ => {
            let (mut is_first, mut after_negative) = (true, false);
            for (count, unit) in [(months / 12, "year"), (months % 12, "mon"), (days, "day")] {
                if count == 0 {
                    continue;
                }
                let gap = if is_first { "" } else { " " };
                let sign = if after_negative && count > 0 { "+" } else { "" };
                let plural = if count == 1 { "" } else { "s" };
                print_to!(out, "{gap}{sign}{count} {unit}{plural}");
                (is_first, after_negative) = (false, count < 0);
            }
            if is_first || micros != 0 {
                let sign = if micros < 0 {
                    "-"
                } else if after_negative {
                    "+"
                } else {
                    ""
                };
                out.push(if is_first { "" } else { " " });
                out.push(sign);
                // The smallest number has no positive counterpart; it is no interval either.
                print_clock(micros.checked_abs().ok_or(Malformed("is no interval"))?, out);
            }
        }
    }
    Ok(())
}
