//! Announcements of relations and types that were made in what is passed over, or comes later than it was sent.
//!
//! The server announces a relation once in a stream, before its first change (and again when its definition changes). Where that place
//! is passed over, the announcement is kept, and put before the first change that needs it. Between Stream Start and Stream Stop a
//! message names its (sub)transaction, and nowhere else: it is kept without that, and gets it where it is put into a segment.

use std::collections::HashMap;

use slackwater_decoders::postgres::message::Message;

use super::{HEADER, cut::Collected, read::XLOG_HEADER};

/// Where a message's own content begins in a frame, behind its type.
const CONTENT: usize = HEADER + XLOG_HEADER + 1;
/// Bytes of a transaction's id.
const XID: usize = 4;

/// Announcements that what is collected does not have.
#[derive(Default)]
pub(super) struct Announced {
    relations: HashMap<u32, Vec<u8>>,
    types: Vec<Vec<u8>>,
}

impl Announced {
    /// Whether no relation is kept.
    pub(super) fn is_empty(&self) -> bool {
        self.relations.is_empty()
    }

    /// Keeps the frame of a message that is an announcement.
    pub(super) fn keep(&mut self, message: &Message<'_>, frame: &[u8]) {
        let outside = || if message.xid().is_some() { without_xid(frame) } else { frame.to_vec() };
        match message {
            Message::Type { .. } => self.types.push(outside()),
            Message::Relation { body, .. } => {
                if let Some(relation) = relation_of(body) {
                    self.relations.insert(relation, outside());
                }
            }
            _ => {}
        }
    }

    /// Puts what is needed before a message: an announcement or a change.
    pub(super) fn before(&mut self, message: &Message<'_>, collected: &mut Collected) {
        let xid = message.xid();
        match message {
            Message::Relation { body, .. } => {
                if let Some(relation) = relation_of(body) {
                    self.relations.remove(&relation);
                }
                self.put_types(xid, collected);
            }
            Message::Insert(change) | Message::Update(change) | Message::Delete(change) => {
                self.put(change.relation, xid, collected);
            }
            Message::Truncate { relations, .. } => {
                for relation in relations.chunks_exact(4).filter_map(relation_of) {
                    self.put(relation, xid, collected);
                }
            }
            _ => {}
        }
    }

    fn put(&mut self, relation: u32, xid: Option<u32>, collected: &mut Collected) {
        if let Some(frame) = self.relations.remove(&relation) {
            self.put_types(xid, collected);
            push(&frame, xid, collected);
        }
    }

    fn put_types(&mut self, xid: Option<u32>, collected: &mut Collected) {
        for frame in self.types.drain(..) {
            push(&frame, xid, collected);
        }
    }
}

fn push(frame: &[u8], xid: Option<u32>, collected: &mut Collected) {
    match xid {
        Some(xid) => collected.push(&with_xid(frame, xid)),
        None => collected.push(frame),
    }
}

/// The frame of a message as it is inside of a segment.
fn with_xid(frame: &[u8], xid: u32) -> Vec<u8> {
    let (head, content) = frame.split_at_checked(CONTENT).unwrap_or((frame, &[]));
    resized([head, &xid.to_be_bytes(), content].concat())
}

/// The frame of a message of a segment as it is elsewhere.
fn without_xid(frame: &[u8]) -> Vec<u8> {
    let (head, content) = frame.split_at_checked(CONTENT).unwrap_or((frame, &[]));
    resized([head, content.get(XID..).unwrap_or_default()].concat())
}

/// Corrects the length in a frame's header, which counts itself and not the type before it.
fn resized(mut frame: Vec<u8>) -> Vec<u8> {
    let length = u32::try_from(frame.len().saturating_sub(1)).unwrap_or(u32::MAX);
    if let Some(place) = frame.get_mut(1..HEADER) {
        place.copy_from_slice(&length.to_be_bytes());
    }
    frame
}

fn relation_of(body: &[u8]) -> Option<u32> {
    body.first_chunk().map(|oid| u32::from_be_bytes(*oid))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use slackwater_decoders::postgres::copy;

    use super::*;

    #[test]
    fn an_announcement_is_put_into_a_segment_and_taken_out_of_one() {
        let frame = |content: &[u8]| {
            let mut frame = Vec::new();
            copy::append(&[b"w".as_slice(), &[0; XLOG_HEADER - 1], content].concat(), &mut frame).unwrap();
            frame
        };
        let outside = frame(b"Y\0\0\0\x09app\0state\0");
        let inside = frame(b"Y\0\0\x02\x01\0\0\0\x09app\0state\0");
        assert_eq!(with_xid(&outside, 513), inside);
        assert_eq!(without_xid(&inside), outside);
    }
}
