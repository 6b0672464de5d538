//! Rows events: WRITE, UPDATE and DELETE in versions 1 and 2, and PARTIAL_UPDATE_ROWS
//! (MySQL `libs/mysql/binlog/event/rows_event.h`, "Rows_event").

use crate::mysql::{
    error::Reason,
    event_type as types,
    output::Output,
    reader::{Malformed, Reader},
    rows::{definition::Plan, table_map::bit},
};
use crate::{
    arena::Arena,
    event::RowChange,
    value::{Cell, Value},
};

/// What a rows event does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mysql) enum Kind {
    Write,
    Update,
    /// An update whose JSON columns may hold only changes.
    PartialUpdate,
    Delete,
}

/// A rows event that has not been decoded further than its table id and flags.
#[derive(Clone, Copy, Debug)]
pub(in crate::mysql) struct RowsEvent<'a> {
    pub(in crate::mysql) table_id: u64,
    pub(in crate::mysql) flags: u16,
    kind: Kind,
    body: &'a [u8],
    /// What comes behind the post-header.
    content: Reader<'a>,
}

/// Bit 0 of the value options: some JSON columns of this row hold only changes (`PARTIAL_JSON_UPDATES`).
const PARTIAL_JSON_UPDATES: u64 = 1;

impl<'a> RowsEvent<'a> {
    /// Reads the post-header. `event_type` is the uncompressed type, `id_bytes` the width of the table id.
    pub(in crate::mysql) fn parse(
        event_type: u8,
        body: &'a [u8],
        id_bytes: usize,
    ) -> Result<Self, Malformed> {
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
        Ok(RowsEvent { table_id, flags, kind, body, content: reader })
    }

    /// Whether foreign keys may have changed other rows without a trace in the log.
    pub(in crate::mysql) fn has_unlogged_cascades(&self) -> bool {
        let silent = self.flags & (types::ROWS_NO_FOREIGN_KEYS | types::ROWS_LOGGED_CASCADES) == 0;
        silent && self.kind != Kind::Write
    }

    /// Decodes rows into `out.changes`, until their end or until `out` is full: then the body of an event with the other
    /// rows is returned.
    pub(in crate::mysql) fn decode(
        &self,
        plan: &Plan,
        out: &mut Output<'a, '_>,
    ) -> Result<Option<Vec<u8>>, RowError> {
        let mut reader = self.content;
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
        let head = self.body.len() - reader.len();
        out.changes.clear();
        while !reader.is_empty() {
            let before = reader.len();
            let change = self.row(plan, &first, second.as_ref(), &mut reader, out.arena)?;
            out.changes.push(change);
            if reader.len() == before {
                // Rows of no bytes would never end.
                return Err(Malformed("has rows without columns").into());
            }
            if out.is_full() && !reader.is_empty() {
                let head = self.body.get(..head).unwrap_or_default();
                return Ok(Some([head, reader.rest()].concat()));
            }
        }
        Ok(None)
    }

    #[inline]
    fn row(
        &self,
        plan: &Plan,
        first: &Image<'a>,
        second: Option<&Image<'a>>,
        reader: &mut Reader<'a>,
        arena: &Arena<'a>,
    ) -> Result<RowChange<'a>, RowError> {
        Ok(match (self.kind, second) {
            (Kind::Write, _) => RowChange::Insert { after: first.read(plan, reader, arena)? },
            (Kind::Update, Some(second)) => RowChange::Update {
                before: first.read(plan, reader, arena)?,
                after: second.read(plan, reader, arena)?,
            },
            (Kind::PartialUpdate, Some(second)) => partial_update(plan, first, second, reader, arena)?,
            _ => RowChange::Delete { before: first.read(plan, reader, arena)? },
        })
    }
}

/// Why a row could not be read.
pub(in crate::mysql) struct RowError {
    pub(in crate::mysql) what: Malformed,
    /// The column it was in.
    pub(in crate::mysql) column: Option<usize>,
}

#[cold]
fn in_column(what: Malformed, ordinal: usize) -> RowError {
    RowError { what, column: Some(ordinal) }
}

impl From<Malformed> for RowError {
    fn from(what: Malformed) -> Self {
        RowError { what, column: None }
    }
}

impl RowError {
    /// As a reason, with the name of the column.
    pub(in crate::mysql) fn into_reason(self, event: &'static str, plan: &Plan) -> (Reason, Option<String>) {
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
    #[inline]
    fn read(
        &self,
        plan: &Plan,
        reader: &mut Reader<'a>,
        arena: &Arena<'a>,
    ) -> Result<&'a [Cell<'a>], RowError> {
        let nulls = self.null_bits(reader)?;
        let cells = arena.filled(plan.columns.len(), Cell::Absent);
        if self.count == plan.columns.len() {
            Self::read_all(plan, nulls, reader, arena, cells)?;
        } else {
            self.read_some(plan, nulls, reader, arena, cells)?;
        }
        // Hidden columns of the server stand behind those of the definition.
        Ok(cells.get(..plan.table.columns.len()).unwrap_or_default())
    }

    /// Reads a row that has all columns, by groups of eight columns that share a byte of NULL bits.
    fn read_all(
        plan: &Plan,
        nulls: &[u8],
        reader: &mut Reader<'a>,
        arena: &Arena<'a>,
        cells: &mut [Cell<'a>],
    ) -> Result<(), RowError> {
        // A copy that stays in registers.
        let mut local = *reader;
        let groups = plan.columns.chunks(8).zip(cells.chunks_mut(8)).zip(nulls);
        for (group, ((columns, cells), nulls)) in groups.enumerate() {
            for (place, (column, cell)) in columns.iter().zip(cells).enumerate() {
                if nulls >> place & 1 == 1 {
                    *cell = Cell::Value(Value::Null);
                } else if let Err(what) = column.read_into(cell, &mut local, arena) {
                    return Err(in_column(what, group * 8 + place));
                }
            }
        }
        *reader = local;
        Ok(())
    }

    /// Reads a row that has some columns.
    fn read_some(
        &self,
        plan: &Plan,
        nulls: &[u8],
        reader: &mut Reader<'a>,
        arena: &Arena<'a>,
        cells: &mut [Cell<'a>],
    ) -> Result<(), RowError> {
        let mut number = 0;
        for (ordinal, (column, cell)) in plan.columns.iter().zip(cells).enumerate() {
            if !bit(self.present, ordinal) {
                continue;
            }
            *cell = Cell::Value(if bit(nulls, number) {
                Value::Null
            } else {
                column.read(reader, arena).map_err(|what| in_column(what, ordinal))?
            });
            number += 1;
        }
        Ok(())
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
                let named = |what| in_column(what, ordinal);
                if column.is_json() {
                    *document = Some(column.json_bytes(&mut reader).map_err(named)?);
                } else {
                    column.wire.skip(&mut reader).map_err(named)?;
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
        *cell = Cell::Value(value.map_err(|what| in_column(what, ordinal))?);
    }
    Ok(RowChange::Update { before, after })
}
