//! Rows events: WRITE, UPDATE and DELETE in versions 1 and 2, and PARTIAL_UPDATE_ROWS
//! (MySQL `libs/mysql/binlog/event/rows_event.h`, "Rows_event").

use super::{
    definition::Plan,
    error::Reason,
    event_type as types,
    reader::{Malformed, Reader},
    table_map::bit,
};
use crate::{
    arena::Arena,
    event::RowChange,
    value::{Cell, Value},
};

/// What a rows event does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Write,
    Update,
    /// An update whose JSON columns may hold only changes.
    PartialUpdate,
    Delete,
}

/// A rows event that has not been decoded further than its table id and flags.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowsEvent<'a> {
    pub(super) table_id: u64,
    pub(super) flags: u16,
    kind: Kind,
    body: Reader<'a>,
}

/// Bit 0 of the value options: some JSON columns of this row hold only changes (`PARTIAL_JSON_UPDATES`).
const PARTIAL_JSON_UPDATES: u64 = 1;

impl<'a> RowsEvent<'a> {
    /// Reads the post-header. `event_type` is the uncompressed type, `id_bytes` the width of the table id.
    pub(super) fn parse(event_type: u8, body: &'a [u8], id_bytes: usize) -> Result<Self, Malformed> {
        let (kind, is_v2) = match event_type {
            types::WRITE_ROWS_V1 => (Kind::Write, false),
            types::UPDATE_ROWS_V1 => (Kind::Update, false),
            types::DELETE_ROWS_V1 => (Kind::Delete, false),
            types::WRITE_ROWS => (Kind::Write, true),
            types::UPDATE_ROWS => (Kind::Update, true),
            types::PARTIAL_UPDATE_ROWS => (Kind::PartialUpdate, true),
            _ => (Kind::Delete, true),
        };
        let mut reader = Reader::new(body);
        let table_id = reader.uint(id_bytes)?;
        let flags = reader.u16()?;
        if is_v2 {
            // Extra information of NDB and of partitions; the length includes its own two bytes.
            let extra =
                usize::from(reader.u16()?).checked_sub(2).ok_or(Malformed("has a wrong extra length"))?;
            reader.skip(extra)?;
        }
        Ok(RowsEvent { table_id, flags, kind, body: reader })
    }

    /// Decodes all rows.
    pub(super) fn decode(
        &self,
        plan: &Plan,
        arena: &Arena<'a>,
        changes: &mut Vec<RowChange<'a>>,
    ) -> Result<(), RowError> {
        let mut reader = self.body;
        let width = reader.lenenc()?;
        if width != plan.columns.len() as u64 {
            return Err(Malformed("has another number of columns than its table map").into());
        }
        let bitmap_bytes = plan.columns.len().div_ceil(8);
        let first = Image::new(reader.take(bitmap_bytes)?, plan.columns.len());
        let second = match self.kind {
            Kind::Update | Kind::PartialUpdate => {
                Some(Image::new(reader.take(bitmap_bytes)?, plan.columns.len()))
            }
            Kind::Write | Kind::Delete => None,
        };
        while !reader.is_empty() {
            let before = reader.len();
            changes.push(match (self.kind, second) {
                (Kind::Write, _) => RowChange::Insert { after: first.read(plan, &mut reader, arena)? },
                (Kind::Update, Some(second)) => RowChange::Update {
                    before: first.read(plan, &mut reader, arena)?,
                    after: second.read(plan, &mut reader, arena)?,
                },
                (Kind::PartialUpdate, Some(second)) => {
                    partial_update(plan, &first, &second, &mut reader, arena)?
                }
                _ => RowChange::Delete { before: first.read(plan, &mut reader, arena)? },
            });
            if reader.len() == before {
                // Rows of no bytes would never end.
                return Err(Malformed("has rows without columns").into());
            }
        }
        Ok(())
    }
}

/// Why a row could not be read.
pub(super) struct RowError {
    pub(super) what: Malformed,
    /// The column it was in.
    pub(super) column: Option<usize>,
}

impl From<Malformed> for RowError {
    fn from(what: Malformed) -> Self {
        RowError { what, column: None }
    }
}

impl RowError {
    /// As a reason, with the name of the column.
    pub(super) fn into_reason(self, event: &'static str, plan: &Plan) -> (Reason, Option<String>) {
        let column = self.column.and_then(|ordinal| plan.table.columns.get(ordinal));
        (Reason::Malformed { event, what: self.what }, column.map(|column| column.name.clone()))
    }
}

/// Which columns a row image has.
#[derive(Clone, Copy)]
struct Image<'a> {
    present: &'a [u8],
    /// Number of present columns.
    count: usize,
}

impl<'a> Image<'a> {
    fn new(present: &'a [u8], columns: usize) -> Self {
        let count = (0..columns).filter(|i| bit(present, *i)).count();
        Image { present, count }
    }

    fn null_bits(&self, reader: &mut Reader<'a>) -> Result<&'a [u8], Malformed> {
        reader.take(self.count.div_ceil(8))
    }

    /// Reads a row.
    fn read(
        &self,
        plan: &Plan,
        reader: &mut Reader<'a>,
        arena: &Arena<'a>,
    ) -> Result<&'a [Cell<'a>], RowError> {
        let nulls = self.null_bits(reader)?;
        let cells = arena.filled(plan.columns.len(), Cell::Absent);
        let is_full = self.count == plan.columns.len();
        let mut number = 0;
        for (ordinal, (column, cell)) in plan.columns.iter().zip(cells.iter_mut()).enumerate() {
            if !is_full && !bit(self.present, ordinal) {
                continue;
            }
            *cell = Cell::Value(if bit(nulls, number) {
                Value::Null
            } else {
                column.read(reader, arena).map_err(|what| RowError { what, column: Some(ordinal) })?
            });
            number += 1;
        }
        Ok(cells.get(..plan.table.columns.len()).unwrap_or_default())
    }

    /// Finds the stored JSON documents of a row without moving the reader: by ordinal, for columns that have one.
    fn json_documents(&self, plan: &Plan, mut reader: Reader<'a>) -> Result<Vec<Option<&'a [u8]>>, RowError> {
        let nulls = self.null_bits(&mut reader)?;
        let mut documents = vec![None; plan.columns.len()];
        let mut number = 0;
        for (ordinal, (column, document)) in plan.columns.iter().zip(&mut documents).enumerate() {
            if !bit(self.present, ordinal) {
                continue;
            }
            if !bit(nulls, number) {
                let in_column = |what| RowError { what, column: Some(ordinal) };
                if column.is_json() {
                    *document = Some(column.json_bytes(&mut reader).map_err(in_column)?);
                } else {
                    column.wire.skip(&mut reader).map_err(in_column)?;
                }
            }
            number += 1;
        }
        Ok(documents)
    }
}

/// Reads a row of PARTIAL_UPDATE_ROWS: the image before, the value options, and the image after, in which a JSON column may
/// hold changes to its document (MySQL `sql/log_event.cc`, "Update_rows_log_event", WL#2955).
fn partial_update<'a>(
    plan: &Plan,
    first: &Image<'a>,
    second: &Image<'a>,
    reader: &mut Reader<'a>,
    arena: &Arena<'a>,
) -> Result<RowChange<'a>, RowError> {
    let documents_at = *reader;
    let before = first.read(plan, reader, arena)?;
    let options = reader.lenenc()?;
    if options & !PARTIAL_JSON_UPDATES != 0 {
        return Err(Malformed("has value options that are not known").into());
    }
    if options == 0 {
        return Ok(RowChange::Update { before, after: second.read(plan, reader, arena)? });
    }
    let documents = first.json_documents(plan, documents_at)?;
    let json_columns = plan.columns.iter().filter(|column| column.is_json()).count();
    let partial = reader.take(json_columns.div_ceil(8))?;
    let nulls = second.null_bits(reader)?;
    let after = arena.filled(plan.columns.len(), Cell::Absent);
    let (mut number, mut json_number) = (0, 0);
    for (ordinal, (column, cell)) in plan.columns.iter().zip(after.iter_mut()).enumerate() {
        // There is a bit for each JSON column of the table, also for those that the image does not have.
        let is_partial = column.is_json() && bit(partial, json_number);
        json_number += usize::from(column.is_json());
        if !bit(second.present, ordinal) {
            continue;
        }
        let is_null = bit(nulls, number);
        number += 1;
        let value = if is_null {
            Ok(Value::Null)
        } else if is_partial {
            column.read_json_diff(reader, documents.get(ordinal).copied().flatten(), arena)
        } else {
            column.read(reader, arena)
        };
        *cell = Cell::Value(value.map_err(|what| RowError { what, column: Some(ordinal) })?);
    }
    Ok(RowChange::Update { before, after })
}
