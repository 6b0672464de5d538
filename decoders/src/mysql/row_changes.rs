//! What the decoder does with rows events, whole, compressed, in fragments, or too large to be decoded at once.

use std::sync::Arc;

use crate::event::{Event, Rows};
use crate::mysql::{
    decoder::{Decoder, malformed},
    error::DecodeError,
    event_type as types,
    events::payload,
    framing::{EventHeader, HEADER_LENGTH},
    output::Output,
    reader::Malformed,
    rows::image::RowsEvent,
    transaction::State,
};

/// A rows event, some rows of which have been handed over: its body without these.
pub(super) struct OpenRows {
    event_type: u8,
    micros: i64,
    body: Vec<u8>,
}

impl OpenRows {
    /// Bytes that are still to be decoded.
    pub(super) fn len(&self) -> usize {
        self.body.len()
    }
}

impl Decoder {
    /// Goes on with a rows event.
    pub(super) fn continue_rows<'a>(
        &mut self,
        rows: &OpenRows,
        out: &mut Output<'a, '_>,
    ) -> Result<(), DecodeError> {
        let body = out.arena.slice(&rows.body);
        self.rows(rows.event_type, body, rows.micros, out)
    }

    /// Decodes a compressed rows event of MariaDB.
    pub(super) fn compressed_rows<'a>(
        &mut self,
        event_type: u8,
        body: &'a [u8],
        micros: i64,
        out: &mut Output<'a, '_>,
    ) -> Result<(), DecodeError> {
        let whole = payload::uncompressed_rows_type(event_type)
            .ok_or(Malformed("is of an unknown type"))
            .and_then(|(rows_type, is_v2)| {
                payload::uncompress_rows(rows_type, is_v2, body, out.arena).map(|body| (rows_type, body))
            })
            .map_err(|what| self.error(malformed(types::name(event_type), what)))?;
        self.rows(whole.0, whole.1, micros, out)
    }

    /// Takes a fragment of a rows event, and decodes the event when it is complete.
    pub(super) fn fragment<'a>(
        &mut self,
        body: &[u8],
        micros: i64,
        out: &mut Output<'a, '_>,
    ) -> Result<(), DecodeError> {
        let whole = self.fragments.add(body, out.arena).and_then(|whole| {
            whole.map(|event| EventHeader::parse(event).map(|header| (header.event_type, event))).transpose()
        });
        match whole.map_err(|what| self.error(malformed("PARTIAL_ROW_DATA", what)))? {
            None => Ok(()),
            Some((event_type, event)) => {
                let body = event.get(HEADER_LENGTH..).unwrap_or_default();
                if payload::uncompressed_rows_type(event_type).is_some() {
                    self.compressed_rows(event_type, body, micros, out)
                } else {
                    self.rows(event_type, body, micros, out)
                }
            }
        }
    }

    /// Decodes a rows event, or as much of it as there is room for.
    pub(super) fn rows<'a>(
        &mut self,
        event_type: u8,
        body: &'a [u8],
        micros: i64,
        out: &mut Output<'a, '_>,
    ) -> Result<(), DecodeError> {
        let name = types::name(event_type);
        let id_bytes = self.format.table_id_bytes(event_type);
        let event =
            RowsEvent::parse(event_type, body, id_bytes).map_err(|what| self.error(malformed(name, what)))?;
        if matches!(self.transaction.state, State::Outside | State::Announced) {
            self.begin(out);
            self.transaction.state = State::Bare;
        }
        let entry = self.tables.get(event.table_id).map_err(|reason| self.error(reason))?;
        if let Some(entry) = entry {
            let plan = entry.plan().map_err(|reason| self.error(reason).in_table(entry.name()))?;
            let left = event.decode(plan, out).map_err(|error| {
                let (reason, column) = error.into_reason(name, plan);
                DecodeError {
                    column: column.map(String::into_boxed_str),
                    ..self.error(reason).in_table(entry.name())
                }
            })?;
            let count = out.changes.len() as u64;
            out.events.push(Event::Rows(Rows {
                table: Arc::clone(&plan.table),
                position: self.place.start(),
                time_micros: micros,
                sequence: self.transaction.sequence,
                unlogged_cascades: event.has_unlogged_cascades(),
                changes: out.arena.slice(&out.changes),
            }));
            self.transaction.sequence += count;
            self.changes += count;
            if let Some(left) = left {
                self.open_rows = Some(OpenRows { event_type, micros, body: left });
                return Ok(());
            }
        }
        if self.transaction.state == State::Bare && event.flags & types::ROWS_STATEMENT_END != 0 {
            self.commit(micros, out);
        }
        Ok(())
    }
}
