//! `COPY … FROM STDIN`, the form that adds rows fastest: 2.0 and 2.8 µs of the server's time for a row of 200 bytes with an index beside
//! its key (PostgreSQL 18 and 15), where `INSERT … SELECT FROM unnest` takes 3.6 and 4.1.
//!
//! In binary where every column and value has a binary form here, else as text.

use bytes::Bytes;
use futures_util::{SinkExt as _, pin_mut};
use slackwater_decoders::value::{Cell, Value};

use super::{
    codec::{self, Codec, Pushed},
    session::{Session, refused},
    statement::Statements,
    text,
    write::{Form, alike},
};
use crate::{changes::Image, error::Result};

/// With fewer rows another way to the server and back costs more than it saves.
const ROWS: usize = 500;

/// The content is sent in pieces of that many bytes.
const PIECE_BYTES: usize = 256 << 10;

/// What stands before the rows (manual of `COPY`, *Binary Format*): signature, flags, length of nothing more.
const HEAD: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// Whether rows are added by `COPY`.
pub(super) fn is_worth(images: &[Image<'_>]) -> bool {
    images.len() >= ROWS
}

/// Adds rows that are not there, behind all that was sent.
pub(super) async fn add<'b>(
    session: &mut Session,
    statements: &Statements<'_, 'b>,
    images: &[Image<'b>],
) -> Result<()> {
    for alike in alike(images, Form::Insert) {
        let columns = statements.present(&alike);
        let (pieces, format) = match binary(statements, &columns, &alike)? {
            Some(pieces) => (pieces, "binary"),
            None => (as_text(statements, &columns, &alike)?, "text"),
        };
        let names: Vec<_> = columns
            .iter()
            .filter_map(|ordinal| statements.table.columns.get(*ordinal))
            .map(|column| column.name.as_str())
            .collect();
        let sql =
            format!("COPY {} ({}) FROM STDIN (FORMAT {format})", statements.table.name, names.join(","));
        session.settle().await?;
        let sink = session.connection.copy_in::<_, Bytes>(&sql).await.map_err(refused)?;
        pin_mut!(sink);
        for piece in pieces {
            sink.feed(piece).await.map_err(refused)?;
        }
        sink.finish().await.map_err(refused)?;
    }
    Ok(())
}

/// The content in pieces.
#[derive(Default)]
struct Content {
    pieces: Vec<Bytes>,
    open: Vec<u8>,
}

impl Content {
    fn row_ended(&mut self) {
        if self.open.len() >= PIECE_BYTES {
            self.pieces
                .push(std::mem::replace(&mut self.open, Vec::with_capacity(PIECE_BYTES + 4096)).into());
        }
    }

    fn finish(mut self) -> Vec<Bytes> {
        self.pieces.push(self.open.into());
        self.pieces
    }
}

/// The content in binary; `None` when a value has a text alone.
fn binary<'b>(
    statements: &Statements<'_, 'b>,
    columns: &[usize],
    images: &[Image<'b>],
) -> Result<Option<Vec<Bytes>>> {
    let of = |ordinal: &usize| {
        let target = statements.table.columns.get(*ordinal)?;
        Some((*ordinal, target.codec, statements.rows.table.columns.get(*ordinal)?))
    };
    let columns: Vec<_> = columns.iter().filter_map(of).collect();
    if columns.iter().any(|(_, codec, _)| matches!(codec, Codec::Other(_))) {
        return Ok(None);
    }
    let count = i16::try_from(columns.len()).unwrap_or(i16::MAX).to_be_bytes();
    let mut content = Content { open: HEAD.to_vec(), pieces: Vec::new() };
    for image in images {
        content.open.extend_from_slice(&count);
        for (ordinal, codec, column) in &columns {
            let value = told(image, *ordinal);
            let pushed = codec::push(&mut content.open, *codec, column, value, statements.rules);
            match pushed {
                Ok(Pushed::Binary) => {}
                Ok(Pushed::TextAlone) => return Ok(None),
                Err(what) => return Err(statements.unfit(*ordinal, what)),
            }
        }
        content.row_ended();
    }
    content.open.extend_from_slice(&(-1_i16).to_be_bytes());
    Ok(Some(content.finish()))
}

/// The content as text: columns between tabs, with backslashes before what has a meaning (manual of `COPY`, *Text Format*).
fn as_text<'b>(
    statements: &Statements<'_, 'b>,
    columns: &[usize],
    images: &[Image<'b>],
) -> Result<Vec<Bytes>> {
    let mut content = Content::default();
    let mut plain = Vec::new();
    for image in images {
        for (place, ordinal) in columns.iter().enumerate() {
            if place > 0 {
                content.open.push(b'\t');
            }
            let (Some(target), Some(column)) =
                (statements.table.columns.get(*ordinal), statements.rows.table.columns.get(*ordinal))
            else {
                continue;
            };
            let unfit = |what| statements.unfit(*ordinal, what);
            match codec::representable(target.codec, told(image, *ordinal), statements.rules)
                .map_err(unfit)?
            {
                Value::Null => content.open.extend_from_slice(b"\\N"),
                value => {
                    plain.clear();
                    text::write(&mut plain, target.codec, column, value, statements.rules).map_err(unfit)?;
                    push_escaped(&mut content.open, &plain);
                }
            }
        }
        content.open.push(b'\n');
        content.row_ended();
    }
    Ok(content.finish())
}

fn push_escaped(out: &mut Vec<u8>, text: &[u8]) {
    for byte in text {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            byte => out.push(*byte),
        }
    }
}

fn told<'b>(image: &Image<'b>, ordinal: usize) -> Value<'b> {
    match image.get(ordinal) {
        Some(Cell::Value(value)) => *value,
        _ => Value::Null,
    }
}
