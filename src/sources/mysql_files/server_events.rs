//! The events that a server puts into its log when it sends it, and that are not in the files.

use slackwater_decoders::mysql::{
    event_type,
    framing::{EventHeader, HEADER_LENGTH},
};

/// Length of a checksum.
const CHECKSUM: usize = 4;

/// A ROTATE that names the file that follows: time and place 0, marked as artificial
/// (MySQL `Binlog_sender::fake_rotate_event`).
pub(super) fn rotate_to(file: &str, offset: u64, with_checksum: bool) -> Vec<u8> {
    let checksum_length = if with_checksum { CHECKSUM } else { 0 };
    let length = HEADER_LENGTH + 8 + file.len() + checksum_length;
    let mut event = Vec::with_capacity(length);
    event.extend_from_slice(&[0; 4]);
    event.push(event_type::ROTATE);
    event.extend_from_slice(&[0; 4]);
    event.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
    event.extend_from_slice(&[0; 4]);
    event.extend_from_slice(&event_type::FLAG_ARTIFICIAL.to_le_bytes());
    event.extend_from_slice(&offset.to_le_bytes());
    event.extend_from_slice(file.as_bytes());
    if with_checksum {
        event.extend_from_slice(&crc32fast::hash(&event).to_le_bytes());
    }
    event
}

/// A format description for a reader that starts behind it: its place is 0, and its checksum that of the changed event
/// (MySQL `Binlog_sender::send_format_description_event`).
pub(super) fn format_without_place(mut event: Vec<u8>) -> Vec<u8> {
    put(&mut event, 13, &[0; 4]);
    if ServerVersion::of(&event).has_checksums {
        // The flag of a file that is in use does not count in the checksum: it goes.
        let flags = event.get(17).copied().unwrap_or_default();
        put(&mut event, 17, &[flags & !(event_type::FLAG_IN_USE as u8)]);
        let content = event.len() - CHECKSUM;
        let checksum = crc32fast::hash(event.get(..content).unwrap_or_default());
        put(&mut event, content, &checksum.to_le_bytes());
    }
    event
}

fn put(event: &mut [u8], place: usize, bytes: &[u8]) {
    if let Some(target) = event.get_mut(place..place + bytes.len()) {
        target.copy_from_slice(bytes);
    }
}

/// What a format description says of the server that wrote the file (MySQL `Format_description_event`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ServerVersion {
    /// As one number: 90704 is 9.7.4.
    pub(super) number: u32,
    pub(super) mariadb: bool,
    /// Whether the events behind it end with a CRC32.
    pub(super) has_checksums: bool,
}

impl ServerVersion {
    /// Reads a format description. Any other event gives the default.
    pub(super) fn of(event: &[u8]) -> Self {
        if !is_format_description(event) {
            return ServerVersion::default();
        }
        // Behind the header: two bytes of the format's version, and fifty of the server's.
        let text = event.get(HEADER_LENGTH + 2..HEADER_LENGTH + 52).unwrap_or_default();
        let text: String = text.iter().take_while(|&&byte| byte != 0).map(|&byte| char::from(byte)).collect();
        let mariadb = text.contains("MariaDB");
        let text = text.strip_prefix("5.5.5-").filter(|_| mariadb).unwrap_or(&text);
        let mut numbers =
            text.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse::<u32>().unwrap_or(0));
        let mut next = || numbers.next().unwrap_or(0).min(999);
        let number = next() * 10_000 + next() * 100 + next();
        // The versions that brought checksums. Since then the event ends with the algorithm and a checksum of its own.
        let since = if mariadb { 50_300 } else { 50_601 };
        let algorithm = event.len().checked_sub(CHECKSUM + 1).and_then(|place| event.get(place));
        ServerVersion { number, mariadb, has_checksums: number >= since && algorithm == Some(&1) }
    }
}

/// Whether an event is a format description.
pub(super) fn is_format_description(event: &[u8]) -> bool {
    EventHeader::parse(event).is_ok_and(|header| header.event_type == event_type::FORMAT_DESCRIPTION)
}
