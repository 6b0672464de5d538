//! Where events begin and end, and where a log may be cut: all that a reader has to know before it decodes.

use crate::mysql::{
    event_type as types,
    reader::{Malformed, Reader},
};

/// The first bytes of a binlog file.
pub const MAGIC: [u8; 4] = *b"\xfebin";
/// The first bytes of a binlog file that MySQL encrypted (`binlog_encryption`).
pub const ENCRYPTED_MAGIC: [u8; 4] = *b"\xfdbin";
/// Length of an event's header in bytes.
pub const HEADER_LENGTH: usize = 19;

/// The header that every event starts with (`Log_event_header`, format version 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventHeader {
    /// Seconds since 1970-01-01 UTC; 0 for events that the server makes for the reader.
    pub timestamp: u32,
    /// See [`event_type`](super::event_type).
    pub event_type: u8,
    /// The server that first wrote the event.
    pub server_id: u32,
    /// Length of the whole event in bytes, header and checksum included.
    pub length: u32,
    /// The low 32 bits of the place behind the event; 0 for events that are not in the file.
    pub log_pos: u32,
    /// See the flags in [`event_type`](super::event_type).
    pub flags: u16,
}

impl EventHeader {
    /// Reads the header at the start of `bytes`.
    ///
    /// # Errors
    /// When there are fewer than 19 bytes, or the length is smaller than the header itself.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let header = EventHeader {
            timestamp: reader.u32()?,
            event_type: reader.u8()?,
            server_id: reader.u32()?,
            length: reader.u32()?,
            log_pos: reader.u32()?,
            flags: reader.u16()?,
        };
        if (header.length as usize) < HEADER_LENGTH {
            return Err(Malformed("says a length that is shorter than its header"));
        }
        Ok(header)
    }
}

/// Splits the first event off `log`: its header and all its bytes.
///
/// # Errors
/// When the log ends inside the event.
pub fn split_event(log: &[u8]) -> Result<(EventHeader, &[u8], &[u8]), Malformed> {
    let header = EventHeader::parse(log)?;
    let (event, rest) = log.split_at_checked(header.length as usize).ok_or(Malformed("is cut off"))?;
    Ok((header, event, rest))
}

/// The start of a QUERY event's body: thread, time, lengths.
const QUERY_POST_HEADER: usize = 13;

/// Follows a log from event to event and tells where it stands outside of a transaction, so that it can be cut there.
///
/// It looks at headers and at the first word of statements only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TransactionTracker {
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Outside,
    /// Behind a GTID that announces a transaction or a statement.
    Announced,
    /// Behind BEGIN.
    Inside,
    /// In rows that no BEGIN preceded (MySQL 5.1, non-transactional tables).
    Bare,
}

impl TransactionTracker {
    /// Whether the log may be cut here.
    #[must_use]
    pub fn is_outside(&self) -> bool {
        self.state == State::Outside
    }

    /// Takes note of the next event, given whole or at least with its first bytes of content (256 are enough). Says whether
    /// it is a statement, and not one that begins or ends a transaction or a part of it. (Of a compressed statement it
    /// says so in any case.)
    pub fn observe(&mut self, header: &EventHeader, event: &[u8]) -> bool {
        let body = event.get(HEADER_LENGTH..).unwrap_or_default();
        let start = if header.event_type == types::QUERY { statement_start(body) } else { None };
        self.state = match (header.event_type, self.state) {
            (types::GTID | types::GTID_TAGGED | types::ANONYMOUS_GTID, _) => State::Announced,
            // Byte 12: flags, bit 0: a statement that stands alone (MariaDB `Gtid_log_event::FL_STANDALONE`).
            (types::MARIADB_GTID, _) => match body.get(12) {
                Some(flags) if flags & 1 == 0 => State::Inside,
                _ => State::Announced,
            },
            (types::XID | types::XA_PREPARE | types::TRANSACTION_PAYLOAD, _) => State::Outside,
            (types::QUERY, state) => match (&start, state) {
                (Some(StatementStart::Begin), _) => State::Inside,
                (Some(StatementStart::End), _) => State::Outside,
                (_, State::Inside) => State::Inside,
                _ => State::Outside,
            },
            (types::MARIADB_QUERY_COMPRESSED, State::Inside) => State::Inside,
            (types::MARIADB_QUERY_COMPRESSED | types::ROTATE | types::STOP, _) => State::Outside,
            (types::TABLE_MAP, State::Outside | State::Announced) => State::Bare,
            (code, State::Bare) if is_rows(code) && body.get(6).is_some_and(|flags| flags & 1 != 0) => {
                State::Outside
            }
            (_, state) => state,
        };
        matches!((header.event_type, start), (types::QUERY, None) | (types::MARIADB_QUERY_COMPRESSED, _))
    }
}

/// Whether events of this type carry rows with the table id first and the flags behind it.
fn is_rows(code: u8) -> bool {
    matches!(
        code,
        types::WRITE_ROWS_V1
            | types::UPDATE_ROWS_V1
            | types::DELETE_ROWS_V1
            | types::WRITE_ROWS
            | types::UPDATE_ROWS
            | types::DELETE_ROWS
            | types::PARTIAL_UPDATE_ROWS
            | types::MARIADB_WRITE_ROWS_COMPRESSED_V1..=types::MARIADB_DELETE_ROWS_COMPRESSED
    )
}

enum StatementStart {
    Begin,
    End,
    Savepoint,
}

/// What the statement in a QUERY event's body does to the transaction, by its first word.
fn statement_start(body: &[u8]) -> Option<StatementStart> {
    let database_length = usize::from(*body.get(8)?);
    let variables_length = usize::from(u16::from_le_bytes([*body.get(11)?, *body.get(12)?]));
    let statement = body.get(QUERY_POST_HEADER + variables_length + database_length + 1..)?;
    let starts =
        |word: &[u8]| statement.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    if starts(b"BEGIN") || starts(b"XA START") {
        Some(StatementStart::Begin)
    } else if starts(b"SAVEPOINT") || starts(b"ROLLBACK TO") || starts(b"RELEASE SAVEPOINT") {
        Some(StatementStart::Savepoint)
    } else if starts(b"COMMIT") || starts(b"ROLLBACK") {
        Some(StatementStart::End)
    } else {
        None
    }
}
