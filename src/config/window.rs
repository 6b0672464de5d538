//! The hours in which a cutover may begin.

use std::{fmt, str::FromStr};

use jiff::{Timestamp, Zoned, civil::Time, civil::Weekday, tz::TimeZone};
use serde::Deserialize;

const FORM: &str = "`[days] HH:MM-HH:MM [zone]`, such as `Sat,Sun 01:00-04:30 Europe/Berlin`";

/// Hours of days of the week, in a time zone: `[days] HH:MM-HH:MM [zone]`. Days are `Mon` to `Sun`, each alone or a range (`Mon-Fri`),
/// separated by commas; every day unless given. Hours that end before they begin, or when they begin, end on the next day; the days are those of the
/// beginning. The zone is an IANA name; UTC unless given.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Window {
    text: String,
    /// From Monday.
    days: [bool; 7],
    from: Time,
    to: Time,
    zone: TimeZone,
}

impl Window {
    /// Whether it is open at a moment.
    #[must_use]
    pub fn is_open(&self, at: Timestamp) -> bool {
        let local: Zoned = at.to_zoned(self.zone.clone());
        let (time, day) = (local.time(), local.weekday());
        let began_today = self.begins_on(day) && time >= self.from;
        if self.from < self.to {
            return began_today && time < self.to;
        }
        began_today || (self.begins_on(day.previous()) && time < self.to)
    }

    fn begins_on(&self, day: Weekday) -> bool {
        let index = usize::try_from(day.to_monday_zero_offset()).unwrap_or_default();
        self.days.get(index).copied().unwrap_or_default()
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl TryFrom<String> for Window {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for Window {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace().peekable();
        let has_days = words.peek().is_some_and(|word| word.starts_with(|c: char| c.is_ascii_alphabetic()));
        let days = match words.next_if(|_| has_days) {
            Some(list) => days(list)?,
            None => [true; 7],
        };
        let hours = words.next().ok_or_else(|| format!("the window has no hours: {FORM}"))?;
        let (from, to) = hours.split_once('-').ok_or_else(|| format!("{hours:?} are no hours: {FORM}"))?;
        let (from, to) = (time(from)?, time(to)?);
        let zone = match words.next() {
            Some(name) => TimeZone::get(name)
                .map_err(|_| format!("{name:?} is no time zone of this machine; {FORM}"))?,
            None => TimeZone::UTC,
        };
        match words.next() {
            Some(more) => Err(format!("{more:?} is too much: {FORM}")),
            None => Ok(Window { text: text.to_owned(), days, from, to, zone }),
        }
    }
}

fn time(text: &str) -> Result<Time, String> {
    let number = |digits: &str| {
        let is_number = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_digit());
        digits.parse::<i8>().ok().filter(|_| is_number)
    };
    let parts = text.split_once(':').and_then(|(hour, minute)| Some((number(hour)?, number(minute)?)));
    parts
        .and_then(|(hour, minute)| Time::new(hour, minute, 0, 0).ok())
        .ok_or_else(|| format!("{text:?} is no time from 00:00 to 23:59: {FORM}"))
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

fn days(list: &str) -> Result<[bool; 7], String> {
    let number = |name: &str| {
        DAYS.iter()
            .position(|day| name.eq_ignore_ascii_case(day))
            .ok_or_else(|| format!("{name:?} is no day from Mon to Sun: {FORM}"))
    };
    let mut days = [false; 7];
    for part in list.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (number(first)?, number(last)?);
        // Over the end of the week too.
        let length = (last + 7 - first) % 7;
        for day in (first..=first + length).map(|day| day % 7) {
            if let Some(day) = days.get_mut(day) {
                *day = true;
            }
        }
    }
    Ok(days)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn is_open(window: &str, at: &str) -> bool {
        window.parse::<Window>().unwrap().is_open(at.parse().unwrap())
    }

    #[test]
    fn hours_are_those_of_the_zone_and_may_pass_midnight() {
        // 2026-11-21 is a Saturday; Berlin is an hour ahead of UTC in winter, two in summer.
        let night = "Sat,Sun 01:00-04:30 Europe/Berlin";
        for (at, expected) in [
            ("2026-11-21T00:00:00Z", true),
            ("2026-11-20T23:59:59Z", false),
            ("2026-11-21T03:29:59Z", true),
            ("2026-11-21T03:30:00Z", false),
            ("2026-11-23T00:30:00Z", false),
            ("2026-07-18T00:30:00Z", true),
            ("2026-07-18T02:30:00Z", false),
        ] {
            assert_eq!(is_open(night, at), expected, "{at}");
        }
        let over = "Fri 22:00-02:00";
        for (at, expected) in [
            ("2026-11-20T21:59:00Z", false),
            ("2026-11-20T22:00:00Z", true),
            ("2026-11-21T01:59:00Z", true),
            ("2026-11-21T02:00:00Z", false),
            ("2026-11-21T22:30:00Z", false),
            ("2026-11-20T01:00:00Z", false),
        ] {
            assert_eq!(is_open(over, at), expected, "{at}");
        }
        assert!(is_open("00:00-00:00", "2026-11-21T12:00:00Z"), "the whole day");
        assert!(is_open("Sat-Mon 11:00-13:00", "2026-11-23T12:00:00Z"), "over the end of the week");
        assert!(!is_open("Sat-Mon 11:00-13:00", "2026-11-24T12:00:00Z"));
    }

    #[test]
    fn what_is_no_window_is_said() {
        for (text, part) in [
            ("", "no hours"),
            ("Sat", "no hours"),
            ("Sab 01:00-02:00", "\"Sab\" is no day"),
            ("01:00", "are no hours"),
            ("1:00-2:00", "\"1:00\" is no time"),
            ("01:00-24:00", "\"24:00\" is no time"),
            ("01:00-02:00 Mars/Olympus", "is no time zone"),
            ("01:00-02:00 UTC daily", "\"daily\" is too much"),
        ] {
            let error = text.parse::<Window>().unwrap_err();
            assert!(error.contains(part), "{text:?}: {error}");
        }
    }
}
