//! The statement that reads a table, and its rows as cells.
//!
//! Format: PostgreSQL documentation, COPY, "Binary Format". Columns come by their types' send functions; those that cannot be read from
//! the binary format come as the text that their output functions print.

use std::{fmt, sync::Arc};

use slackwater_decoders::{
    arena::Arena,
    batch::{Batch, Decoded},
    event::{Event, RowChange, Rows},
    position::LogPosition,
    postgres::{
        types::TypeCatalog,
        value::{Form, ValueError},
    },
    schema::Table,
    value::{Cell, Value},
};

use super::{place::RowId, shape::Part};
use crate::{error::Error, postgres_client::quoted};

/// How the rows of a table are asked for and read.
pub(in crate::sources::postgres) struct RowPlan {
    table: Arc<Table>,
    columns: Vec<Expected>,
    /// What is selected: the row's place and all columns.
    selected: String,
}

struct Expected {
    form: Form,
    is_binary: bool,
}

/// Why a row cannot be read.
#[derive(Debug)]
pub(in crate::sources::postgres) enum RowError {
    /// It is not in COPY's format, or has another number of columns.
    Malformed,
    /// The value of a column cannot be read.
    Value(String, ValueError),
}

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RowError::Malformed => f.write_str("a row is not in the binary format of COPY"),
            RowError::Value(column, error) => write!(f, "column {column}: {error}"),
        }
    }
}

impl std::error::Error for RowError {}

impl std::convert::From<RowError> for Error {
    fn from(error: RowError) -> Self {
        Error::definite("a row cannot be read")
            .caused_by(error)
            .remedy("correct the value at the source, or leave the table out (objects.exclude)")
    }
}

impl RowPlan {
    /// For a table whose columns have those types' OIDs and modifiers.
    pub(in crate::sources::postgres) fn new(
        table: &Arc<Table>,
        types: &[(u32, i32)],
        catalog: &TypeCatalog,
    ) -> Self {
        let mut selected = "ctid".to_owned();
        let mut columns = Vec::with_capacity(types.len());
        for (column, (type_oid, typmod)) in table.columns.iter().zip(types) {
            let form = Form::of(*type_oid, *typmod, catalog);
            let is_binary = form.has_binary();
            let name = quoted(&column.name);
            selected.push_str(", ");
            if is_binary {
                selected.push_str(&name);
            } else {
                // What the output function prints, which a cast to text is not for every type. (A row of NULLs is no NULL here.)
                selected.push_str(&format!(
                    "CASE WHEN {name} IS DISTINCT FROM NULL THEN pg_catalog.format('%s', {name}) END"
                ));
            }
            columns.push(Expected { form, is_binary });
        }
        RowPlan { table: Arc::clone(table), columns, selected }
    }

    /// The columns of the SELECT: the row's place and all of the table's.
    pub(in crate::sources::postgres) fn selected(&self) -> &str {
        &self.selected
    }

    /// Reads a part of the table in the order of its file: behind a row, or from a page on; up to another page.
    pub(super) fn statement(&self, part: &Part, from: From, end: Option<u32>) -> String {
        let mut conditions = Vec::new();
        match from {
            From::Page(0) => {}
            From::Page(page) => conditions.push(format!("ctid >= {}", RowId { page, item: 0 }.literal())),
            From::Behind(row) => conditions.push(format!("ctid > {}", row.literal())),
        }
        if let Some(page) = end {
            conditions.push(format!("ctid < {}", RowId { page, item: 0 }.literal()));
        }
        let condition = if conditions.is_empty() {
            String::new()
        } else {
            format!(" WHERE {}", conditions.join(" AND "))
        };
        format!(
            "COPY (SELECT {} FROM ONLY {}{condition}) TO STDOUT (FORMAT binary)",
            self.selected,
            part.quoted()
        )
    }

    /// The rows as inserts at that place of the log.
    ///
    /// # Errors
    /// When a row cannot be read.
    pub(in crate::sources::postgres) fn batch(
        &self,
        rows: Vec<u8>,
        count: usize,
        at: &LogPosition,
    ) -> Result<Batch, RowError> {
        Batch::decode(rows, |rows, arena, events| {
            let mut changes = Vec::with_capacity(count);
            let mut rest = rows;
            while !rest.is_empty() {
                let (after, left) = self.row(rest, arena)?;
                changes.push(RowChange::Insert { after });
                rest = left;
            }
            events.push(Event::Rows(Rows {
                table: Arc::clone(&self.table),
                position: at.clone(),
                time_micros: 0,
                sequence: 0,
                unlogged_cascades: false,
                changes: arena.slice(&changes),
            }));
            Ok(Decoded { resume: None, row_changes: count as u64, time_micros: 0 })
        })
    }

    /// One row, and what follows it.
    fn row<'a>(&self, bytes: &'a [u8], arena: &Arena<'a>) -> Result<(&'a [Cell<'a>], &'a [u8]), RowError> {
        let (count, mut rest) = bytes.split_first_chunk::<2>().ok_or(RowError::Malformed)?;
        if usize::from(u16::from_be_bytes(*count)) != self.columns.len() + 1 {
            return Err(RowError::Malformed);
        }
        // The row's place.
        (_, rest) = field(rest).ok_or(RowError::Malformed)?;
        let cells = arena.filled(self.columns.len(), Cell::Absent);
        for (ordinal, (expected, cell)) in self.columns.iter().zip(cells.iter_mut()).enumerate() {
            let (value, left) = field(rest).ok_or(RowError::Malformed)?;
            rest = left;
            let read = match value {
                None => Ok(Value::Null),
                Some(bytes) if expected.is_binary => expected.form.binary(bytes, arena),
                Some(bytes) => expected.form.text(bytes, arena),
            };
            *cell = Cell::Value(read.map_err(|error| {
                let name = self.table.columns.get(ordinal).map(|column| column.name.clone());
                RowError::Value(name.unwrap_or_default(), error)
            })?);
        }
        Ok((cells, rest))
    }
}

/// Where reading begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// At the first row of a page.
    Page(u32),
    /// At the next row.
    Behind(RowId),
}

/// One field, `None` for NULL, and what follows it; `None` where the bytes end within.
pub(in crate::sources::postgres) fn field(bytes: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    match i32::from_be_bytes(*length) {
        -1 => Some((None, rest)),
        length => {
            let (value, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
            Some((Some(value), rest))
        }
    }
}
