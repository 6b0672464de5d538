//! Global transaction ids: MySQL's (`source_uuid:[tag:]number`, with sets of intervals) and MariaDB's
//! (`domain-server-number`).

use std::{collections::BTreeMap, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::value::UuidText;

/// What is wrong with the text of a GTID or of a set of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {expected}")]
pub struct GtidParseError {
    text: String,
    expected: &'static str,
}

impl GtidParseError {
    fn new(text: &str, expected: &'static str) -> Self {
        GtidParseError { text: text.to_owned(), expected }
    }
}

/// The origin of MySQL GTIDs: a server's UUID and, since 8.3, a tag.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GtidSource {
    /// The server's UUID.
    pub uuid: [u8; 16],
    /// The tag, up to 32 characters; `None` for untagged.
    pub tag: Option<Arc<str>>,
}

impl fmt::Display for GtidSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        UuidText(self.uuid).fmt(f)?;
        match &self.tag {
            Some(tag) => write!(f, ":{tag}"),
            None => Ok(()),
        }
    }
}

/// A MySQL GTID.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Gtid {
    /// Its origin.
    pub source: GtidSource,
    /// Its number, from 1.
    pub number: u64,
}

impl fmt::Display for Gtid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.source, self.number)
    }
}

/// A set of MySQL GTIDs, as in `@@gtid_executed`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GtidSet {
    /// For each origin its intervals `[first, after last)`: sorted, disjoint and not adjacent.
    intervals: BTreeMap<GtidSource, Vec<(u64, u64)>>,
}

impl GtidSet {
    /// Adds one transaction.
    pub fn add(&mut self, gtid: &Gtid) {
        // The common case: the number after the last one of a known origin, without a clone.
        if let Some(last) = self.intervals.get_mut(&gtid.source).and_then(|intervals| intervals.last_mut())
            && last.1 == gtid.number
        {
            last.1 += 1;
            return;
        }
        self.add_interval(gtid.source.clone(), gtid.number, gtid.number.saturating_add(1));
    }

    /// Adds the numbers from `first` up to and without `end`; nothing when that is empty.
    pub fn add_interval(&mut self, source: GtidSource, first: u64, end: u64) {
        if first >= end {
            return;
        }
        let intervals = self.intervals.entry(source).or_default();
        let (mut first, mut end) = (first, end);
        intervals.retain(|&(a, b)| {
            let touches = a <= end && first <= b;
            if touches {
                first = first.min(a);
                end = end.max(b);
            }
            !touches
        });
        let place = intervals.partition_point(|&(a, _)| a < first);
        intervals.insert(place, (first, end));
    }

    /// Whether a transaction is in this set.
    #[must_use]
    pub fn contains(&self, gtid: &Gtid) -> bool {
        let intervals = self.intervals.get(&gtid.source).map_or(&[][..], Vec::as_slice);
        intervals.iter().any(|&(first, end)| (first..end).contains(&gtid.number))
    }

    /// Whether every member of `other` is in this set.
    #[must_use]
    pub fn contains_all(&self, other: &Self) -> bool {
        other.intervals.iter().all(|(source, theirs)| {
            let ours = self.intervals.get(source).map_or(&[][..], Vec::as_slice);
            theirs.iter().all(|&(a, b)| ours.iter().any(|&(first, end)| first <= a && b <= end))
        })
    }

    /// Whether the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.intervals.is_empty()
    }

    /// The origins with their intervals `[first, after last)`, in the order of the UUIDs and tags.
    pub fn iter(&self) -> impl Iterator<Item = (&GtidSource, &[(u64, u64)])> {
        self.intervals.iter().map(|(source, intervals)| (source, intervals.as_slice()))
    }
}

impl fmt::Display for GtidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (source, intervals)) in self.intervals.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            source.fmt(f)?;
            for &(first, end) in intervals {
                if end - first == 1 {
                    write!(f, ":{first}")?;
                } else {
                    write!(f, ":{first}-{}", end - 1)?;
                }
            }
        }
        Ok(())
    }
}

impl FromStr for GtidSet {
    type Err = GtidParseError;

    /// Reads `uuid[:tag]:1-5:7[:othertag:1],uuid:…`, as the server prints it: spaces and line ends between the parts.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || GtidParseError::new(text, "MySQL GTID set (uuid:1-5:7,uuid:tag:1)");
        let mut set = GtidSet::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let mut pieces = part.split(':').map(str::trim);
            let uuid = pieces.next().and_then(parse_uuid).ok_or_else(error)?;
            let mut source = GtidSource { uuid, tag: None };
            let mut intervals = 0_usize;
            for piece in pieces {
                if piece.starts_with(|c: char| c.is_ascii_digit()) {
                    let (first, last) = piece.split_once('-').unwrap_or((piece, piece));
                    let (first, last) =
                        (parse_number(first).ok_or_else(error)?, parse_number(last).ok_or_else(error)?);
                    if first > last {
                        return Err(error());
                    }
                    set.add_interval(source.clone(), first, last + 1);
                    intervals += 1;
                } else if is_tag(piece) {
                    source.tag = Some(piece.to_lowercase().into());
                } else {
                    return Err(error());
                }
            }
            if intervals == 0 {
                return Err(error());
            }
        }
        Ok(set)
    }
}

impl Serialize for GtidSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GtidSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Reads a UUID with or without dashes.
fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    let digits: String = text.chars().filter(|&c| c != '-').collect();
    if digits.len() != 32 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    Some(u128::from_str_radix(&digits, 16).ok()?.to_be_bytes())
}

/// Numbers run from 1 to 2^63 - 2 (MySQL `GTID_SET` limits).
fn parse_number(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|&number| number >= 1 && number < i64::MAX as u64)
}

fn is_tag(text: &str) -> bool {
    let mut characters = text.chars();
    text.len() <= 32
        && characters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && characters.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A MariaDB GTID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MariadbGtid {
    /// Replication domain.
    pub domain: u32,
    /// The server that wrote the transaction.
    pub server: u32,
    /// Its number within the domain.
    pub number: u64,
}

impl fmt::Display for MariadbGtid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.domain, self.server, self.number)
    }
}

/// The last transaction of each domain, as in `@@gtid_binlog_pos` or `@slave_connect_state`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MariadbGtidPosition {
    domains: BTreeMap<u32, MariadbGtid>,
}

impl MariadbGtidPosition {
    /// Moves the position of the transaction's domain to it.
    pub fn add(&mut self, gtid: MariadbGtid) {
        self.domains.insert(gtid.domain, gtid);
    }

    /// Whether this position is at or behind a transaction.
    #[must_use]
    pub fn contains(&self, gtid: &MariadbGtid) -> bool {
        self.domains.get(&gtid.domain).is_some_and(|last| last.number >= gtid.number)
    }

    /// Whether this position is at or behind `other` in every domain that `other` has.
    #[must_use]
    pub fn contains_all(&self, other: &Self) -> bool {
        let reached = |theirs: &MariadbGtid| {
            self.domains.get(&theirs.domain).is_some_and(|ours| ours.number >= theirs.number)
        };
        other.domains.values().all(reached)
    }

    /// The last transaction of each domain, in the order of the domains.
    pub fn iter(&self) -> impl Iterator<Item = MariadbGtid> {
        self.domains.values().copied()
    }
}

impl fmt::Display for MariadbGtidPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, gtid) in self.domains.values().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            gtid.fmt(f)?;
        }
        Ok(())
    }
}

impl FromStr for MariadbGtidPosition {
    type Err = GtidParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || GtidParseError::new(text, "MariaDB GTID position (domain-server-number,…)");
        let mut position = MariadbGtidPosition::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let mut numbers = part.split('-');
            let mut next = || numbers.next().ok_or_else(error);
            let (domain, server, number) = (next()?, next()?, next()?);
            if numbers.next().is_some() {
                return Err(error());
            }
            position.add(MariadbGtid {
                domain: domain.parse().map_err(|_| error())?,
                server: server.parse().map_err(|_| error())?,
                number: number.parse().map_err(|_| error())?,
            });
        }
        Ok(position)
    }
}

impl Serialize for MariadbGtidPosition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MariadbGtidPosition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
