//! The frames of a replication connection: `CopyData` messages, with what they carry in both directions.
//!
//! Format: PostgreSQL documentation, "Message Formats" (CopyData) and "Streaming Replication Protocol" (XLogData, Primary keepalive
//! message, Standby status update).

use super::{
    lsn::Lsn,
    reader::{Malformed, Reader},
};

/// Microseconds from 1970-01-01 to 2000-01-01, both UTC: PostgreSQL counts from the latter.
pub const EPOCH_MICROS: i64 = 946_684_800_000_000;

/// Bytes before the content of a `CopyData` message: its type and its length.
const HEADER: usize = 5;

/// What the server sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A piece of the stream: one message of the output plugin.
    XLogData {
        /// The place of what the message is about; 0 where the server does not say it.
        start: Lsn,
        /// How far the server's log was, as far as it says.
        end: Lsn,
        /// When the server sent it, in microseconds since 1970-01-01 UTC.
        sent_micros: i64,
        /// The message, for [`Message::parse`](super::message::Message::parse).
        message: &'a [u8],
    },
    /// A sign of life.
    Keepalive {
        /// How far the server has decoded its log: everything committed before was sent.
        end: Lsn,
        /// When the server sent it, in microseconds since 1970-01-01 UTC.
        sent_micros: i64,
        /// Whether the server wants a [`StandbyStatus`] at once, or else ends the connection.
        reply_requested: bool,
    },
}

impl<'a> Frame<'a> {
    /// Reads the content of a `CopyData` message.
    ///
    /// # Errors
    /// When it is neither of the two, or ends too early.
    pub fn parse(content: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(content);
        match reader.u8()? {
            b'w' => Ok(Frame::XLogData {
                start: Lsn(reader.u64()?),
                end: Lsn(reader.u64()?),
                sent_micros: micros(reader.i64()?),
                message: reader.rest(),
            }),
            b'k' => Ok(Frame::Keepalive {
                end: Lsn(reader.u64()?),
                sent_micros: micros(reader.i64()?),
                reply_requested: reader.u8()? != 0,
            }),
            _ => Err(Malformed("is of an unknown type")),
        }
    }
}

/// A time of the protocol as microseconds since 1970-01-01 UTC.
pub(super) fn micros(since_2000: i64) -> i64 {
    since_2000.saturating_add(EPOCH_MICROS)
}

/// The content of a `CopyData` message and what follows it; `None` where there is no whole message yet.
pub type Split<'a> = Option<(&'a [u8], &'a [u8])>;

/// Splits the first whole `CopyData` message off `log`.
///
/// # Errors
/// When it is another message, or has an impossible length.
pub fn split(log: &[u8]) -> Result<Split<'_>, Malformed> {
    let Some((header, _)) = log.split_first_chunk::<HEADER>() else { return Ok(None) };
    let [kind, length @ ..] = *header;
    if kind != b'd' {
        return Err(Malformed("is no CopyData message"));
    }
    // The length counts itself.
    let length = u32::from_be_bytes(length) as usize;
    if length < 4 || length > i32::MAX as usize {
        return Err(Malformed("has an impossible length"));
    }
    let Some((frame, rest)) = log.split_at_checked(length + 1) else { return Ok(None) };
    Ok(Some((frame.get(HEADER..).unwrap_or_default(), rest)))
}

/// Appends the content of a `CopyData` message to a log that [`split`] reads, as it came over the wire.
///
/// # Errors
/// When the content is larger than such a message can be (2 GiB).
pub fn append(content: &[u8], log: &mut Vec<u8>) -> Result<(), Malformed> {
    let length = i32::try_from(content.len().saturating_add(4)).map_err(|_| Malformed("is too large"))?;
    log.push(b'd');
    log.extend_from_slice(&length.to_be_bytes());
    log.extend_from_slice(content);
    Ok(())
}

/// What the client reports to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StandbyStatus {
    /// Everything before was received.
    pub written: Lsn,
    /// Everything before is safe: the server may forget it. It becomes the slot's `confirmed_flush_lsn`.
    pub flushed: Lsn,
    /// Everything before was applied.
    pub applied: Lsn,
    /// The client's clock, in microseconds since 1970-01-01 UTC.
    pub time_micros: i64,
    /// Whether the server shall answer with a keepalive at once.
    pub reply_requested: bool,
}

impl StandbyStatus {
    /// The content of the `CopyData` message.
    #[must_use]
    pub fn encode(&self) -> [u8; 34] {
        let mut out = [0; 34];
        let time = self.time_micros.saturating_sub(EPOCH_MICROS);
        let bytes = [b'r']
            .into_iter()
            .chain(self.written.0.to_be_bytes())
            .chain(self.flushed.0.to_be_bytes())
            .chain(self.applied.0.to_be_bytes())
            .chain(time.to_be_bytes())
            .chain([u8::from(self.reply_requested)]);
        out.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        out
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// What PostgreSQL 18 sent at 2026-11-21 01:29:16 UTC by its clock, and a status that it answered.
    #[test]
    fn frames_of_a_connection_are_read_and_written() {
        let log = b"d\x00\x00\x00\x16k\x00\x00\x00\x00\x03\x2f\xe4\x88\x00\x03\x03\xbe\x0e\xc5\x94\xf1\x00";
        let (content, rest) = split(log).unwrap().unwrap();
        assert!(rest.is_empty());
        let keepalive = Frame::parse(content).unwrap();
        let sent_micros = 1795224556631281;
        assert_eq!(keepalive, Frame::Keepalive { end: Lsn(0x32f_e488), sent_micros, reply_requested: false });
        let status = StandbyStatus {
            written: Lsn(1),
            flushed: Lsn(1),
            applied: Lsn(1),
            time_micros: EPOCH_MICROS,
            reply_requested: true,
        };
        let one = [0, 0, 0, 0, 0, 0, 0, 1];
        let expected = [&b"r"[..], &one, &one, &one, &[0; 8], &[1]].concat();
        assert_eq!(status.encode().as_slice(), expected);
    }

    #[test]
    fn a_log_is_split_at_whole_messages_only() {
        let mut log = Vec::new();
        append(b"one", &mut log).unwrap();
        append(b"", &mut log).unwrap();
        let (content, rest) = split(&log).unwrap().unwrap();
        assert_eq!(content, b"one");
        assert_eq!(split(rest), Ok(Some((&b""[..], &b""[..]))));
        for end in 0..8 {
            assert_eq!(split(log.get(..end).unwrap()), Ok(None));
        }
        assert!(split(b"c\0\0\0\x04").is_err());
        assert!(split(b"d\0\0\0\x03").is_err());
    }
}
