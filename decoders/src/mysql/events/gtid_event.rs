//! Events that name transactions: GTID, tagged GTID, PREVIOUS_GTIDS, and MariaDB's GTID and GTID_LIST.

use crate::mysql::{
    gtid::{Gtid, GtidSet, GtidSource, MariadbGtid, MariadbGtidPosition},
    reader::{Malformed, Reader},
};

/// What a MySQL GTID event says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::mysql) struct Announcement {
    pub(in crate::mysql) gtid: Gtid,
    /// When this server committed, in microseconds since 1970-01-01 UTC; MySQL 8.0.1 and later.
    pub(in crate::mysql) commit_micros: Option<i64>,
}

/// Reads a GTID or ANONYMOUS_GTID event (MySQL `control_events.h`, "Gtid_event"): flags, UUID, number, type of logical clock,
/// two clock values, and since 8.0.1 the time of the commit in 7 bytes, whose highest bit says that an original time follows.
pub(in crate::mysql) fn announcement(body: &[u8]) -> Result<Announcement, Malformed> {
    let mut reader = Reader::new(body);
    reader.skip(1)?;
    let uuid = reader.array::<16>()?;
    let number = reader.u64()?;
    let commit_micros = commit_time(reader);
    Ok(Announcement { gtid: Gtid { source: GtidSource { uuid, tag: None }, number }, commit_micros })
}

fn commit_time(mut reader: Reader<'_>) -> Option<i64> {
    const HAS_ORIGINAL: u64 = 1 << 55;
    reader.skip(1 + 8 + 8).ok()?;
    let micros = reader.uint(7).ok()? & !HAS_ORIGINAL;
    (micros > 0).then_some(micros as i64)
}

/// Reads a tagged GTID event: a message of numbered fields in the order of their numbers (MySQL `libs/mysql/serialization`,
/// fields in `control_events.h`, `Gtid_event::define_fields`).
pub(in crate::mysql) fn tagged_announcement(body: &[u8]) -> Result<Announcement, Malformed> {
    /// Fields up to the original server version and commit group ticket are known.
    const KNOWN_FIELDS: u64 = 12;
    let mut reader = Reader::new(body);
    if varint(&mut reader)? != 1 {
        return Err(Malformed("is of an unknown serialization version"));
    }
    let size = usize::try_from(varint(&mut reader)?).map_err(|_| Malformed("has a wrong size"))?;
    // The size counts from the version on; the checksum is not part of it.
    let mut reader = Reader::new(
        body.get(..size)
            .ok_or(Malformed("is shorter than it says"))?
            .get(body.len() - reader.len()..)
            .unwrap_or_default(),
    );
    if varint(&mut reader)? > KNOWN_FIELDS {
        return Err(Malformed("has a field that is not known and must not be passed over"));
    }
    let mut source = GtidSource { uuid: [0; 16], tag: None };
    let (mut number, mut commit_micros) = (None, None);
    while !reader.is_empty() {
        match varint(&mut reader)? {
            1 => {
                for byte in &mut source.uuid {
                    *byte = varint(&mut reader)? as u8;
                }
            }
            2 => number = Some(signed_varint(&mut reader)?),
            3 => {
                let length =
                    usize::try_from(varint(&mut reader)?).map_err(|_| Malformed("has a wrong tag"))?;
                let tag =
                    std::str::from_utf8(reader.take(length)?).map_err(|_| Malformed("has a wrong tag"))?;
                source.tag = (!tag.is_empty()).then(|| tag.into());
            }
            4 | 5 => {
                signed_varint(&mut reader)?;
            }
            6 => commit_micros = Some(varint(&mut reader)? as i64),
            // What is behind the commit time is not needed.
            field if field > 6 => break,
            _ => {
                varint(&mut reader)?;
            }
        }
    }
    let number = number.filter(|number| *number > 0).ok_or(Malformed("has no transaction number"))?;
    Ok(Announcement { gtid: Gtid { source, number: number as u64 }, commit_micros })
}

/// A number in 1 to 9 bytes, little endian: the ones at the low end of the first byte count the bytes that follow
/// (`mysql/serialization/variable_length_integers.h`).
pub(in crate::mysql) fn varint(reader: &mut Reader<'_>) -> Result<u64, Malformed> {
    let first = reader.u8()?;
    let more = first.trailing_ones() as usize;
    if more >= 8 {
        return reader.u64();
    }
    let rest = reader.uint(more)?;
    Ok(u64::from(first) >> (more + 1) | rest.checked_shl(7 - more as u32).unwrap_or(0))
}

/// A signed number: the sign in the lowest bit, negative ones counted from -1.
fn signed_varint(reader: &mut Reader<'_>) -> Result<i64, Malformed> {
    let value = varint(reader)?;
    let magnitude = (value >> 1) as i64;
    Ok(if value & 1 == 1 { -magnitude - 1 } else { magnitude })
}

/// Reads an encoded set of GTIDs (MySQL `sql/rpl_gtid_set.cc`, `Gtid_set::encode`): the number of origins, and for each its
/// UUID, since 8.3 perhaps its tag, and its intervals. The highest byte of the first number tells the format.
pub(in crate::mysql) fn previous_gtids(body: &[u8]) -> Result<GtidSet, Malformed> {
    let mut reader = Reader::new(body);
    let header = reader.u64()?;
    let (count, is_tagged) = match header >> 56 {
        0 => (header, false),
        1 => (header >> 8 & 0xFFFF_FFFF_FFFF, true),
        _ => return Err(Malformed("has a GTID set in an unknown format")),
    };
    let mut set = GtidSet::default();
    for _ in 0..count {
        let uuid = reader.array::<16>()?;
        let tag = if is_tagged {
            let length = usize::try_from(varint(&mut reader)?).map_err(|_| Malformed("has a wrong tag"))?;
            let tag = std::str::from_utf8(reader.take(length)?).map_err(|_| Malformed("has a wrong tag"))?;
            (!tag.is_empty()).then(|| tag.into())
        } else {
            None
        };
        let source = GtidSource { uuid, tag };
        for _ in 0..reader.u64()? {
            let (first, end) = (reader.u64()?, reader.u64()?);
            set.add_interval(source.clone(), first, end);
        }
    }
    Ok(set)
}

/// What a MariaDB GTID event says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mysql) struct MariadbAnnouncement {
    pub(in crate::mysql) gtid: MariadbGtid,
    /// A single statement follows, and no COMMIT.
    pub(in crate::mysql) is_standalone: bool,
    /// The transaction ends prepared, not committed.
    pub(in crate::mysql) is_prepared_xa: bool,
    pub(in crate::mysql) alter: Alter,
}

/// The part of an ALTER that was logged in two (`binlog_alter_two_phase`, MariaDB 10.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mysql) enum Alter {
    /// Logged at once.
    Whole,
    /// It started; whether it succeeds comes later.
    Start,
    /// It succeeded: the statement counts.
    Commit,
    /// It failed.
    Rollback,
}

/// Reads a MariaDB GTID event (`sql/log_event.cc`, `Gtid_log_event`): number, domain, flags, and what the flags announce. The
/// server is the one of the event's header.
pub(in crate::mysql) fn mariadb_announcement(
    body: &[u8],
    server: u32,
) -> Result<MariadbAnnouncement, Malformed> {
    let mut reader = Reader::new(body);
    let number = reader.u64()?;
    let domain = reader.u32()?;
    let flags = reader.u8()?;
    let (is_prepared_xa, is_completed_xa) = (flags & 0x40 != 0, flags & 0x80 != 0);
    if flags & 0x02 != 0 {
        reader.skip(8)?;
    }
    if is_prepared_xa || is_completed_xa {
        reader.skip(4)?;
        let lengths = reader.array::<2>()?;
        reader.skip(lengths.iter().map(|length| usize::from(*length)).sum())?;
    }
    let alter = match reader.u8().unwrap_or(0) {
        extra if extra & 2 != 0 => Alter::Start,
        extra if extra & 4 != 0 => Alter::Commit,
        extra if extra & 8 != 0 => Alter::Rollback,
        _ => Alter::Whole,
    };
    let gtid = MariadbGtid { domain, server, number };
    Ok(MariadbAnnouncement { gtid, is_standalone: flags & 1 != 0, is_prepared_xa, alter })
}

/// Reads a GTID_LIST event: the count in 28 bits, and the last transaction of each server in each domain, the one that counts
/// for the domain last (`sql/rpl_gtid.cc`, `rpl_binlog_state::get_gtid_list`).
pub(in crate::mysql) fn gtid_list(body: &[u8]) -> Result<MariadbGtidPosition, Malformed> {
    let mut reader = Reader::new(body);
    let count = reader.u32()? & 0x0FFF_FFFF;
    let mut position = MariadbGtidPosition::default();
    for _ in 0..count {
        let (domain, server, number) = (reader.u32()?, reader.u32()?, reader.u64()?);
        position.add(MariadbGtid { domain, server, number });
    }
    Ok(position)
}
