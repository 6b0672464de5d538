//! Blocks cut from the rows of a COPY as they arrive.

use std::pin::Pin;

use futures_util::StreamExt as _;
use tokio_postgres::CopyOutStream;

use super::{place::RowId, plan::field};
use crate::{
    error::{Error, Result},
    postgres_client::failed,
};

/// What a binary COPY begins with, before flags and the length of an extension.
const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xFF\r\n\0";

/// Rows that make a block, perhaps none.
pub(in crate::sources::postgres) struct Piece {
    /// The rows in COPY's format, without header and trailer.
    pub(in crate::sources::postgres) rows: Vec<u8>,
    pub(in crate::sources::postgres) count: usize,
    /// The place of the last one.
    pub(super) last: Option<RowId>,
    /// Whether they were the last ones.
    pub(in crate::sources::postgres) ended: bool,
}

/// The rows of one COPY.
pub(in crate::sources::postgres) struct RowStream {
    stream: Pin<Box<CopyOutStream>>,
    buffer: Vec<u8>,
    /// How much of the buffer is whole rows.
    whole: usize,
    count: usize,
    last: Option<RowId>,
    has_begun: bool,
    ended: bool,
}

impl RowStream {
    pub(in crate::sources::postgres) fn new(stream: CopyOutStream) -> Self {
        RowStream {
            stream: Box::pin(stream),
            buffer: Vec::new(),
            whole: 0,
            count: 0,
            last: None,
            has_begun: false,
            ended: false,
        }
    }

    /// Reads on until `bytes` of rows are there, or that many rows, or the last one.
    ///
    /// # Errors
    /// The server's refusal, or a lost connection.
    pub(in crate::sources::postgres) async fn receive(&mut self, bytes: usize, rows: usize) -> Result<Piece> {
        while self.whole < bytes && self.count < rows {
            let Some(message) = self.stream.next().await else {
                if !self.ended {
                    return Err(Error::disconnected("the rows of the table end in the middle"));
                }
                break;
            };
            let message = message.map_err(|error| failed("cannot read the rows", error))?;
            if self.buffer.is_empty() {
                self.buffer.reserve(if self.has_begun { bytes + bytes / 8 } else { message.len() });
            }
            self.buffer.extend_from_slice(&message);
            self.take_rows()?;
        }
        let rest = self.buffer.split_off(self.whole);
        let mut rows = std::mem::replace(&mut self.buffer, rest);
        if rows.len() < rows.capacity() / 2 {
            rows.shrink_to_fit();
        }
        self.whole = 0;
        let count = std::mem::take(&mut self.count);
        Ok(Piece { rows, count, last: self.last, ended: self.ended })
    }

    /// Looks which rows are whole.
    fn take_rows(&mut self) -> Result<()> {
        if !self.has_begun {
            let Some(header) = header(&self.buffer)? else { return Ok(()) };
            self.buffer.drain(..header);
            self.has_begun = true;
        }
        while !self.ended {
            let Some(bytes) = self.buffer.get(self.whole..) else { break };
            match row(bytes).ok_or_else(malformed)? {
                Found::Part => break,
                Found::Trailer => {
                    self.ended = true;
                    self.buffer.truncate(self.whole);
                }
                Found::Row(length, place) => {
                    self.whole += length;
                    self.count += 1;
                    self.last = Some(place);
                }
            }
        }
        Ok(())
    }
}

fn malformed() -> Error {
    Error::definite("the server's answer is not in the binary format of COPY")
}

/// The length of the header; `None`: it is not there yet.
fn header(bytes: &[u8]) -> Result<Option<usize>> {
    let Some((signature, rest)) = bytes.split_first_chunk::<11>() else { return Ok(None) };
    let Some((flags, rest)) = rest.split_first_chunk::<4>() else { return Ok(None) };
    let Some((extension, rest)) = rest.split_first_chunk::<4>() else { return Ok(None) };
    if signature != SIGNATURE || *flags != [0; 4] {
        return Err(malformed());
    }
    let extension = u32::from_be_bytes(*extension) as usize;
    Ok((rest.len() >= extension).then_some(SIGNATURE.len() + 8 + extension))
}

enum Found {
    /// It goes on in the next message.
    Part,
    /// There are no more rows.
    Trailer,
    /// A row of that many bytes, and its place.
    Row(usize, RowId),
}

/// What is at the start of `bytes`; `None`: neither.
fn row(bytes: &[u8]) -> Option<Found> {
    let Some((count, mut rest)) = bytes.split_first_chunk::<2>() else { return Some(Found::Part) };
    let count = match i16::from_be_bytes(*count) {
        -1 => return Some(Found::Trailer),
        count => u16::try_from(count).ok()?,
    };
    let mut place = None;
    for number in 0..count {
        let Some((value, left)) = field(rest) else { return Some(Found::Part) };
        if number == 0 {
            place = value.and_then(RowId::from_binary);
        }
        rest = left;
    }
    place.map(|place| Found::Row(bytes.len() - rest.len(), place))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use super::*;

    /// `COPY (SELECT ctid, 7 FROM t) TO STDOUT (FORMAT binary)` of PostgreSQL 18 with one row.
    const ANSWER: &[u8] =
        b"PGCOPY\n\xFF\r\n\0\0\0\0\0\0\0\0\0\0\x02\0\0\0\x06\0\0\0\0\0\x01\0\0\0\x04\0\0\0\x07\xFF\xFF";

    #[test]
    fn rows_are_found() {
        let header = header(ANSWER).unwrap().unwrap();
        assert_eq!(header, 19);
        let rows = &ANSWER[header..];
        let Some(Found::Row(length, place)) = row(rows) else { panic!("no row") };
        assert_eq!((length, place), (20, RowId { page: 0, item: 1 }));
        assert!(matches!(row(&rows[length..]), Some(Found::Trailer)));
        for cut in 0..length {
            assert!(matches!(row(&rows[..cut]), Some(Found::Part)), "{cut}");
        }
    }
}
