//! Logs taken apart into events, and put together again with right or wrong lengths, positions and checksums.

use slackwater_decoders::mysql::{
    event_type as types,
    framing::{self, EventHeader, HEADER_LENGTH},
};

/// An event without its checksum.
#[derive(Clone, Debug)]
pub(crate) struct RawEvent {
    pub(crate) header: EventHeader,
    pub(crate) body: Vec<u8>,
    /// What to say as the length, instead of the truth.
    pub(crate) false_length: Option<u32>,
    /// What to say as the position, instead of the truth.
    pub(crate) false_position: Option<u32>,
    pub(crate) breaks_checksum: bool,
}

impl RawEvent {
    pub(crate) fn new(header: EventHeader, body: Vec<u8>) -> Self {
        RawEvent { header, body, false_length: None, false_position: None, breaks_checksum: false }
    }

    fn write(&self, has_checksum: bool, out: &mut Vec<u8>) {
        let start = out.len();
        let length = HEADER_LENGTH + self.body.len() + if has_checksum { 4 } else { 0 };
        let position = if self.header.log_pos == 0 { 0 } else { 4 + (start + length) as u32 };
        out.extend_from_slice(&self.header.timestamp.to_le_bytes());
        out.push(self.header.event_type);
        out.extend_from_slice(&self.header.server_id.to_le_bytes());
        out.extend_from_slice(&self.false_length.unwrap_or(length as u32).to_le_bytes());
        out.extend_from_slice(&self.false_position.unwrap_or(position).to_le_bytes());
        out.extend_from_slice(&self.header.flags.to_le_bytes());
        out.extend_from_slice(&self.body);
        if has_checksum {
            let checksum = crc32fast::hash(&out[start..]) ^ u32::from(self.breaks_checksum);
            out.extend_from_slice(&checksum.to_le_bytes());
        }
    }
}

/// A log, or the events inside of a compressed transaction.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    pub(crate) events: Vec<RawEvent>,
    /// Whether events end with a checksum, which the first event's body says.
    pub(crate) has_checksum: bool,
}

impl Log {
    /// The events up to the first that is cut off.
    pub(crate) fn parse(bytes: &[u8], has_checksum: bool) -> Self {
        let mut log = Log { events: Vec::new(), has_checksum };
        let mut rest = bytes;
        while let Ok((header, event, behind)) = framing::split_event(rest) {
            let end = event.len() - if has_checksum { 4 } else { 0 };
            log.events
                .push(RawEvent::new(header, event.get(HEADER_LENGTH..end).unwrap_or_default().to_vec()));
            rest = behind;
        }
        log
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for event in &self.events {
            event.write(self.has_checksum, &mut out);
        }
        out
    }

    /// Small logs, each of the format description and one transaction or statement: a mutant should not pass most of its
    /// time in what is not mutated.
    pub(crate) fn transactions(&self) -> Vec<Log> {
        let starts = |event: &RawEvent| {
            matches!(
                event.header.event_type,
                types::GTID | types::GTID_TAGGED | types::ANONYMOUS_GTID | types::MARIADB_GTID
            )
        };
        let mut logs = Vec::new();
        let mut current = Vec::new();
        for event in self.events.iter().skip(1) {
            let is_long = current.len() >= 60;
            if (starts(event) || is_long) && !current.is_empty() {
                logs.push(std::mem::take(&mut current));
            }
            current.push(event.clone());
        }
        logs.push(current);
        let first = &self.events[..1];
        logs.into_iter()
            .map(|events| Log { events: [first, &events].concat(), has_checksum: self.has_checksum })
            .collect()
    }
}

/// Appends a length-encoded integer.
pub(crate) fn write_lenenc(value: u64, out: &mut Vec<u8>) {
    match value {
        0..=0xFA => out.push(value as u8),
        0xFB..=0xFFFF => {
            out.push(0xFC);
            out.extend_from_slice(&value.to_le_bytes()[..2]);
        }
        0x1_0000..=0xFF_FFFF => {
            out.push(0xFD);
            out.extend_from_slice(&value.to_le_bytes()[..3]);
        }
        _ => {
            out.push(0xFE);
            out.extend_from_slice(&value.to_le_bytes());
        }
    }
}
