//! The FORMAT_DESCRIPTION event: which server wrote the log, and with which post-headers and checksums
//! (MySQL `libs/mysql/binlog/event/control_events.h`, "Format_description_event").

use crate::mysql::{
    event_type as types,
    framing::HEADER_LENGTH,
    reader::{Malformed, Reader},
};

/// How the events of a log are laid out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::mysql) struct Format {
    pub(in crate::mysql) server_version: String,
    /// `10.11.6-MariaDB` is 101106.
    pub(in crate::mysql) version_number: u32,
    pub(in crate::mysql) is_mariadb: bool,
    /// Whether events end with a CRC32.
    pub(in crate::mysql) has_checksum: bool,
    /// Length of each event type's post-header, from type 1.
    post_headers: Vec<u8>,
}

/// Length of the server version's field.
const VERSION_LENGTH: usize = 50;
/// The checksum algorithm's code for CRC32 (`BINLOG_CHECKSUM_ALG_CRC32`); 0 is none.
const CRC32: u8 = 1;
/// Bytes of a checksum at the end of an event.
pub(in crate::mysql) const CHECKSUM_LENGTH: usize = 4;

impl Format {
    /// What holds until a FORMAT_DESCRIPTION has been read.
    pub(in crate::mysql) fn unknown() -> Self {
        Format {
            server_version: String::new(),
            version_number: 0,
            is_mariadb: false,
            has_checksum: false,
            post_headers: Vec::new(),
        }
    }

    /// Reads a whole FORMAT_DESCRIPTION event.
    pub(in crate::mysql) fn parse(event: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(event.get(HEADER_LENGTH..).unwrap_or_default());
        if reader.u16()? != 4 {
            return Err(Malformed("is of a binlog version other than 4 (a server before MySQL 5.0)"));
        }
        let version = reader.take(VERSION_LENGTH)?;
        let version = version.split(|byte| *byte == 0).next().unwrap_or_default();
        let server_version = String::from_utf8_lossy(version).into_owned();
        reader.skip(4)?;
        if usize::from(reader.u8()?) != HEADER_LENGTH {
            return Err(Malformed("has an event header of an unknown length"));
        }
        let mut rest = reader.rest();
        let mut has_checksum = false;
        let has_algorithm = knows_checksums(&server_version);
        if has_algorithm {
            // One byte of algorithm and a checksum are always there, even where the other events have none.
            let at = rest.len().checked_sub(CHECKSUM_LENGTH + 1).ok_or(Malformed("ends too early"))?;
            let (post_headers, tail) = rest.split_at(at);
            has_checksum = match tail.first() {
                Some(&CRC32) => true,
                Some(0) => false,
                _ => return Err(Malformed("names a checksum algorithm that is not known")),
            };
            rest = post_headers;
        }
        let is_mariadb = server_version.contains("MariaDB");
        let (major, minor, patch) = version_numbers(&server_version);
        let version_number = major.min(999) * 10_000 + minor.min(99) * 100 + patch.min(99);
        Ok(Format { is_mariadb, server_version, version_number, has_checksum, post_headers: rest.to_vec() })
    }

    /// Width of the table id in table maps and rows events: 4 bytes in logs before 5.1.4, else 6.
    pub(in crate::mysql) fn table_id_bytes(&self, event_type: u8) -> usize {
        let length = self.post_headers.get(usize::from(event_type).wrapping_sub(1));
        if length == Some(&6) { 4 } else { 6 }
    }
}

/// Servers write the checksum algorithm since MySQL 5.6.1 and MariaDB 5.3.0 (`checksum_version_product`).
fn knows_checksums(version: &str) -> bool {
    version_numbers(version) >= if version.contains("MariaDB") { (5, 3, 0) } else { (5, 6, 1) }
}

/// The three numbers that a server's version starts with.
fn version_numbers(version: &str) -> (u32, u32, u32) {
    let mut numbers =
        version.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse::<u32>().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0);
    (next(), next(), next())
}

/// Whether the event's last four bytes are the CRC32 of the others. In a FORMAT_DESCRIPTION the flag that the file is in use
/// does not count: the server changes it in place.
pub(in crate::mysql) fn checksum(event_type: u8, event: &[u8]) -> Result<(u32, u32), Malformed> {
    let at = event.len().checked_sub(CHECKSUM_LENGTH).ok_or(Malformed("ends too early"))?;
    let (bytes, stored) = event.split_at(at);
    let stored = Reader::new(stored).u32()?;
    let computed = match (event_type, bytes.split_at_checked(17)) {
        (types::FORMAT_DESCRIPTION, Some((head, [flags, tail @ ..]))) => {
            let mut crc = crc32fast::Hasher::new();
            crc.update(head);
            crc.update(&[flags & !(types::FLAG_IN_USE as u8)]);
            crc.update(tail);
            crc.finalize()
        }
        _ => crc32fast::hash(bytes),
    };
    Ok((stored, computed))
}
