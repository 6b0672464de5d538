//! Events inside events: MySQL's TRANSACTION_PAYLOAD, MariaDB's compressed events, and MariaDB's rows in fragments.

use std::io::{self, BufReader, Cursor, Read};

use flate2::read::ZlibDecoder;

use crate::arena::Arena;
use crate::mysql::{
    event_type as types,
    framing::{EventHeader, HEADER_LENGTH},
    reader::{Malformed, Reader},
};

const BROKEN: Malformed = Malformed("does not decompress");

/// The events of a TRANSACTION_PAYLOAD, decompressed one after the other: the whole transaction is never in memory.
pub(in crate::mysql) struct Payload {
    events: Box<dyn Read + Send>,
    /// Decompressed bytes that are still to come, where the log says how many there are in all.
    left: Option<u64>,
    event: Vec<u8>,
}

impl Payload {
    /// Reads the fields (MySQL `libs/mysql/binlog/event/codecs/binary.cpp`): 1 size, 2 compression (0 ZSTD, 255 none), 3 size
    /// when uncompressed, 0 for their end; then the compressed events.
    pub(in crate::mysql) fn open(body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let (mut size, mut left, mut compression) = (None, None, 0);
        loop {
            let field = reader.lenenc()?;
            if field == 0 {
                break;
            }
            let mut value = Reader::new(reader.lenenc_slice()?);
            match field {
                1 => size = Some(value.lenenc()?),
                2 => compression = value.lenenc()?,
                3 => left = Some(value.lenenc()?),
                _ => {}
            }
        }
        let size = size.map_or(Ok(reader.len()), usize::try_from).map_err(|_| BROKEN)?;
        let compressed = Cursor::new(reader.take(size)?.to_vec());
        let events: Box<dyn Read + Send> = match compression {
            0 => Box::new(zstd::Decoder::new(compressed).map_err(|_| BROKEN)?),
            255 => Box::new(compressed),
            _ => return Err(Malformed("is compressed by an unknown method")),
        };
        let events = Box::new(BufReader::with_capacity(64 * 1024, events));
        Ok(Payload { events, left, event: Vec::new() })
    }

    /// The next event, copied into the arena; `None` at the end. Events inside a payload have no checksum of their own.
    pub(in crate::mysql) fn next<'a>(
        &mut self,
        arena: &Arena<'a>,
    ) -> Result<Option<(EventHeader, &'a [u8])>, Malformed> {
        let mut header_bytes = [0; HEADER_LENGTH];
        match self.events.read_exact(&mut header_bytes) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(_) => return Err(BROKEN),
        }
        let header = EventHeader::parse(&header_bytes)?;
        // Damaged data may decompress to a million times its size: what the log has not announced is not read.
        if let Some(left) = &mut self.left {
            *left = left
                .checked_sub(u64::from(header.length))
                .ok_or(Malformed("has an event that is longer than what is left of the payload"))?;
        }
        self.event.clear();
        self.event.extend_from_slice(&header_bytes);
        let rest = u64::from(header.length) - HEADER_LENGTH as u64;
        let read = (&mut self.events).take(rest).read_to_end(&mut self.event).map_err(|_| BROKEN)?;
        if read as u64 != rest {
            return Err(Malformed("ends inside of an event"));
        }
        Ok(Some((header, arena.slice(&self.event))))
    }
}

/// The uncompressed type of a compressed rows event (MariaDB `sql/log_event.h`), and where its compressed data starts.
pub(in crate::mysql) fn uncompressed_rows_type(event_type: u8) -> Option<(u8, bool)> {
    Some(match event_type {
        types::MARIADB_WRITE_ROWS_COMPRESSED_V1 => (types::WRITE_ROWS_V1, false),
        types::MARIADB_UPDATE_ROWS_COMPRESSED_V1 => (types::UPDATE_ROWS_V1, false),
        types::MARIADB_DELETE_ROWS_COMPRESSED_V1 => (types::DELETE_ROWS_V1, false),
        types::MARIADB_WRITE_ROWS_COMPRESSED => (types::WRITE_ROWS, true),
        types::MARIADB_UPDATE_ROWS_COMPRESSED => (types::UPDATE_ROWS, true),
        types::MARIADB_DELETE_ROWS_COMPRESSED => (types::DELETE_ROWS, true),
        _ => return None,
    })
}

/// Rebuilds the body of a compressed rows event: everything up to and with the column bitmaps stands uncompressed before
/// the data (`sql/log_event.cc`, `row_log_event_uncompress`).
pub(in crate::mysql) fn uncompress_rows<'a>(
    event_type: u8,
    is_v2: bool,
    body: &'a [u8],
    arena: &Arena<'a>,
) -> Result<&'a [u8], Malformed> {
    let mut reader = Reader::new(body);
    reader.skip(6 + 2)?;
    if is_v2 {
        let extra = usize::from(reader.u16()?).checked_sub(2).ok_or(Malformed("has a wrong extra length"))?;
        reader.skip(extra)?;
    }
    let columns = usize::try_from(reader.lenenc()?).map_err(|_| Malformed("has too many columns"))?;
    reader.skip(columns.div_ceil(8))?;
    if matches!(event_type, types::UPDATE_ROWS | types::UPDATE_ROWS_V1) {
        reader.skip(columns.div_ceil(8))?;
    }
    let head = body.get(..body.len() - reader.len()).unwrap_or_default();
    let mut whole = head.to_vec();
    inflate(reader.rest(), &mut whole)?;
    Ok(arena.slice(&whole))
}

/// Decompresses the statement of a compressed QUERY event.
pub(in crate::mysql) fn uncompress_statement<'a>(
    data: &[u8],
    arena: &Arena<'a>,
) -> Result<&'a [u8], Malformed> {
    let mut statement = Vec::new();
    inflate(data, &mut statement)?;
    Ok(arena.slice(&statement))
}

/// Appends decompressed data. Its header is a byte: bit 7 set, the method in bits 4 to 6 (0 zlib), in bits 0 to 2 the number of
/// bytes of the original length, which follow big endian (`sql/log_event.cc`, `binlog_buf_uncompress`).
fn inflate(data: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    let mut reader = Reader::new(data);
    let header = reader.u8()?;
    let length_bytes = usize::from(header & 7);
    if header & 0xF0 != 0x80 || !(1..=4).contains(&length_bytes) {
        return Err(Malformed("is compressed by an unknown method"));
    }
    let length = reader.take(length_bytes)?.iter().fold(0_u64, |length, byte| length << 8 | u64::from(*byte));
    let before = out.len() as u64;
    // One byte more than promised is enough to see that the promise is wrong; nothing is allocated on its word.
    ZlibDecoder::new(reader.rest()).take(length + 1).read_to_end(out).map_err(|_| BROKEN)?;
    if out.len() as u64 - before != length {
        return Err(BROKEN);
    }
    Ok(())
}

/// Collects a rows event that MariaDB (12.3 and later) split over PARTIAL_ROW_DATA events.
#[derive(Default)]
pub(in crate::mysql) struct Fragments {
    bytes: Vec<u8>,
    count: u32,
}

impl Fragments {
    /// Takes the next fragment (MariaDB documentation, "PARTIAL_ROW_DATA_EVENT"): total, number from 1, flags, with bit 0 set
    /// the size of the whole event, and a piece of it. Returns the whole event with its header when it is complete.
    pub(in crate::mysql) fn add<'a>(
        &mut self,
        body: &[u8],
        arena: &Arena<'a>,
    ) -> Result<Option<&'a [u8]>, Malformed> {
        let mut reader = Reader::new(body);
        let (total, number, flags) = (reader.u32()?, reader.u32()?, reader.u8()?);
        if flags & 1 != 0 {
            reader.skip(8)?;
        }
        if number == 1 {
            self.bytes.clear();
            self.count = 0;
        }
        if number != self.count.wrapping_add(1) || number > total {
            return Err(Malformed("has a fragment out of order"));
        }
        self.count = number;
        self.bytes.extend_from_slice(reader.rest());
        if number < total {
            return Ok(None);
        }
        let whole = arena.slice(&self.bytes);
        *self = Fragments::default();
        Ok(Some(whole))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::arena::ArenaPool;

    /// An event of 30 zero bytes, stored uncompressed (method 255) in a payload that says how many bytes there are.
    fn payload(announced: u8) -> Payload {
        let event = [&[0; 9], &30_u32.to_le_bytes()[..], &[0; 17]].concat();
        let fields = [2, 3, 0xFC, 255, 0, 3, 1, announced, 1, 1, 30, 0];
        Payload::open(&[&fields[..], &event].concat()).unwrap()
    }

    #[test]
    fn no_more_is_decompressed_than_is_announced() {
        let pool = ArenaPool::new();
        let arena = pool.arena();
        let mut right = payload(30);
        assert_eq!(right.next(&arena).unwrap().unwrap().1.len(), 30);
        assert!(right.next(&arena).unwrap().is_none());
        assert!(payload(29).next(&arena).is_err());
    }
}
