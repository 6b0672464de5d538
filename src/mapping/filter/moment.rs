//! Dates and times.

use slackwater_decoders::value::{Date, DateTime};

/// A date, or a date with a time of day, ordered as the server orders them: zero and partial dates by their fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment {
    date: Date,
    /// Microseconds since midnight.
    time: i64,
}

impl From<Date> for Moment {
    fn from(date: Date) -> Self {
        Moment { date, time: 0 }
    }
}

impl From<DateTime> for Moment {
    fn from(moment: DateTime) -> Self {
        let seconds =
            i64::from(moment.hour) * 3600 + i64::from(moment.minute) * 60 + i64::from(moment.second);
        Moment { date: moment.date, time: seconds * 1_000_000 + i64::from(moment.micros) }
    }
}

impl Moment {
    pub(super) fn year(self) -> u16 {
        self.date.year
    }

    /// Midnight of the day.
    pub(super) fn day(self) -> Self {
        Moment::from(self.date)
    }

    pub(super) fn is_midnight(self) -> bool {
        self.time == 0
    }

    /// Reads `2024-12-31`, `2024-12-31 23:59:59` or `2024-12-31 23:59:59.123456`. Other spellings that servers take are not read,
    /// because versions differ in them; nor are days that do not exist.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (day, time) = match text.split_once(' ') {
            Some((day, time)) => (day, Some(time)),
            None => (text, None),
        };
        let mut parts = day.split('-');
        let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
        let date = Date {
            year: digits(year, 4)? as u16,
            month: digits(month, 2)? as u8,
            day: digits(day, 2)? as u8,
        };
        let time = time.map_or(Some(0), |time| time_of_day(time, 24))?;
        (parts.next().is_none() && date.is_valid()).then_some(Moment { date, time })
    }
}

/// Reads `[-]hh:mm:ss[.ffffff]` or with three digits for the hours, up to `838:59:59`; in microseconds.
pub(super) fn parse_time(text: &str) -> Option<i64> {
    match text.strip_prefix('-') {
        Some(time) => time_of_day(time, 839).map(|micros| -micros),
        None => time_of_day(text, 839),
    }
}

fn time_of_day(text: &str, hours: i64) -> Option<i64> {
    let (clock, fraction) = match text.split_once('.') {
        Some((clock, fraction)) => (clock, Some(fraction)),
        None => (text, None),
    };
    let mut parts = clock.split(':');
    let (hour, minute, second) = (parts.next()?, parts.next()?, parts.next()?);
    let hour = digits(hour, 2).or_else(|| digits(hour, 3))?;
    let (minute, second) = (digits(minute, 2)?, digits(second, 2)?);
    let micros = match fraction {
        None => 0,
        Some(fraction) => {
            let places = u32::try_from(fraction.len()).ok().filter(|places| (1..=6).contains(places))?;
            digits(fraction, fraction.len())? * 10_i64.pow(6 - places)
        }
    };
    let fits = parts.next().is_none() && hour < hours && minute < 60 && second < 60;
    fits.then_some(((hour * 60 + minute) * 60 + second) * 1_000_000 + micros)
}

fn digits(text: &str, length: usize) -> Option<i64> {
    let is_number = text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok())?
}
