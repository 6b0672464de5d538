//! A reader that keeps transactions in progress as the decoder's documentation says.

use std::{collections::HashMap, mem, sync::Arc};

use slackwater_decoders::{
    batch::Batch,
    event::Event,
    postgres::{
        Decoder,
        definitions::Definition,
        error::DecodeError,
        message::{Committed, Message},
    },
};

use crate::log::{Log, frame};

/// A frame that is kept: which subtransaction's, and whether it must be kept when that is rolled back.
struct Kept {
    xid: Option<u32>,
    is_description: bool,
    frame: Vec<u8>,
}

/// Reads a log to its end; returns how often the decoder needed a definition.
pub(crate) fn read(log: &Log, mut decoder: Decoder, mut each: impl FnMut(&[Event<'_>])) -> usize {
    try_read(log, &mut decoder, &mut each).unwrap_or_else(|error| panic!("{log}: {error}"))
}

pub(crate) fn try_read(
    log: &Log,
    decoder: &mut Decoder,
    each: &mut dyn FnMut(&[Event<'_>]),
) -> Result<usize, DecodeError> {
    let mut kept: HashMap<u32, Vec<Kept>> = HashMap::new();
    let (mut open, mut in_stream, mut is_prepared) = (None, false, false);
    let (mut ready, mut needs) = (Vec::new(), 0);
    for (lsn, bytes) in &log.messages {
        let Ok(message) = Message::parse(bytes, in_stream) else {
            // The decoder says what is wrong with it.
            needs += feed(decoder, frame(*lsn, bytes), each)?;
            continue;
        };
        let frame = frame(*lsn, bytes);
        match message {
            Message::StreamStart { xid, .. } => {
                (open, in_stream) = (Some(xid), true);
            }
            Message::BeginPrepare(prepared) => {
                (open, is_prepared) = (Some(prepared.xid), true);
            }
            Message::StreamPrepare(prepared) => open = Some(prepared.xid),
            Message::StreamAbort { xid, sub } if xid == sub => {
                kept.remove(&xid);
                continue;
            }
            Message::StreamAbort { xid, sub } => {
                let frames = kept.entry(xid).or_default();
                frames.retain(|frame| frame.xid != Some(sub) || frame.is_description);
                continue;
            }
            Message::RollbackPrepared { xid, .. } => {
                kept.remove(&xid);
                continue;
            }
            Message::StreamCommit(committed) | Message::CommitPrepared { committed, .. } => {
                needs += feed(decoder, mem::take(&mut ready), each)?;
                needs +=
                    replay(decoder, committed, kept.remove(&committed.xid).unwrap_or_default(), frame, each)?;
                continue;
            }
            _ => {}
        }
        match open {
            Some(xid) => {
                let is_frame_of_sub = in_stream && !matches!(message, Message::StreamStart { .. });
                let xid_of_frame = if is_frame_of_sub { message.xid() } else { None };
                let frames = kept.entry(xid).or_default();
                frames.push(Kept { xid: xid_of_frame, is_description: message.is_description(), frame });
                match message {
                    Message::StreamStop => (open, in_stream) = (None, false),
                    Message::Prepare(_) | Message::StreamPrepare(_) => (open, is_prepared) = (None, false),
                    _ => assert!(in_stream || is_prepared),
                }
            }
            None => {
                ready.extend(frame);
                if matches!(message, Message::Commit { .. }) {
                    needs += feed(decoder, mem::take(&mut ready), each)?;
                }
            }
        }
    }
    needs += feed(decoder, ready, each)?;
    Ok(needs)
}

fn replay(
    decoder: &mut Decoder,
    committed: Committed,
    frames: Vec<Kept>,
    end: Vec<u8>,
    each: &mut dyn FnMut(&[Event<'_>]),
) -> Result<usize, DecodeError> {
    decoder.announce(committed);
    let mut piece: Vec<u8> = frames.into_iter().flat_map(|kept| kept.frame).collect();
    piece.extend(end);
    feed(decoder, piece, each)
}

/// Decodes a piece, and supplies what was announced where the decoder needs a definition.
fn feed(
    decoder: &mut Decoder,
    mut piece: Vec<u8>,
    each: &mut dyn FnMut(&[Event<'_>]),
) -> Result<usize, DecodeError> {
    let mut needs = 0;
    loop {
        let batch = Batch::decode(piece, |log, arena, events| decoder.decode(log, arena, events))?;
        each(batch.events());
        match decoder.take_rest() {
            Some(rest) => piece = rest,
            None => return Ok(needs),
        }
        let Some(need) = decoder.need().cloned() else { continue };
        let former = decoder.definitions().get(need.relation.oid).map(|former| Arc::clone(&former.table));
        let table = need.relation.table(former.as_deref(), decoder.types_mut());
        let table = numbered(table, former.as_deref(), &need);
        decoder.define(Definition::new(need.relation.oid, Arc::new(table))).unwrap();
        needs += 1;
        assert!(needs < 100, "{need:?}");
    }
}

/// A reader asks the source for the numbers of columns. Here a renamed column is told by its place.
fn numbered(
    mut table: slackwater_decoders::schema::Table,
    former: Option<&slackwater_decoders::schema::Table>,
    _need: &slackwater_decoders::postgres::Need,
) -> slackwater_decoders::schema::Table {
    let Some(former) = former else { return table };
    if former.columns.len() == table.columns.len() {
        for (column, former) in table.columns.iter_mut().zip(&former.columns) {
            column.number = former.number;
        }
    }
    for (column, number) in table.columns.iter_mut().zip(100..) {
        column.number = column.number.or(Some(number));
    }
    table
}
