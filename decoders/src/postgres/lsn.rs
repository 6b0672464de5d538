//! Log sequence numbers.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A byte offset in the write-ahead log of a cluster, counted from its beginning. Displays as PostgreSQL's `pg_lsn`
/// (`16/B374D848`: the upper and the lower 32 bits in hexadecimal).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(pub u64);

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xFFFF_FFFF)
    }
}

/// A text is no log sequence number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no log sequence number, which looks like 16/B374D848")]
pub struct LsnParseError(String);

impl FromStr for Lsn {
    type Err = LsnParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let half = |text: &str| {
            let is_hexadecimal = text.bytes().all(|byte| byte.is_ascii_hexdigit());
            is_hexadecimal.then(|| u32::from_str_radix(text, 16).ok()).flatten()
        };
        text.split_once('/')
            .and_then(|(upper, lower)| Some(Lsn(u64::from(half(upper)?) << 32 | u64::from(half(lower)?))))
            .ok_or_else(|| LsnParseError(text.to_owned()))
    }
}

impl Serialize for Lsn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Lsn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn lsns_are_read_as_they_are_printed() {
        for text in ["0/0", "16/B374D848", "FFFFFFFF/FFFFFFFF"] {
            assert_eq!(text.parse::<Lsn>().unwrap().to_string(), text);
        }
        assert_eq!("1/2".parse(), Ok(Lsn(0x1_0000_0002)));
        for text in ["", "1", "/", "1/", "1/100000000", "+1/2", "g/0"] {
            assert!(text.parse::<Lsn>().is_err(), "{text}");
        }
    }
}
