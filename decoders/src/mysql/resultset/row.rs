//! Rows: a byte 0x00, a bit for each NULL (from bit 2 on), and the values that are not NULL.

use std::{fmt, sync::Arc};

use super::{ColumnDefinition, form::Form, form::UnfitColumn};
use crate::{
    arena::Arena,
    event::RowChange,
    mysql::reader::{Malformed, Reader},
    schema::Table,
    value::{Cell, Value},
};

/// The bit of the first column in the NULL bitmap of a row of a result set.
const FIRST_BIT: usize = 2;

/// How the rows of a SELECT of all columns of a table are read.
#[derive(Clone, Debug)]
pub struct RowPlan {
    table: Arc<Table>,
    forms: Vec<Form>,
}

/// A row that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowError {
    /// What is wrong.
    pub what: Malformed,
    /// The column, where it is known.
    pub column: Option<String>,
}

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.column {
            Some(column) => write!(f, "column {column} {}", self.what),
            None => write!(f, "a row {}", self.what),
        }
    }
}

impl std::error::Error for RowError {}

impl RowPlan {
    /// The plan for a result set with the columns of `table`, in their order.
    ///
    /// # Errors
    /// When the result set is not what the definition says.
    pub fn new(table: &Arc<Table>, result: &[ColumnDefinition]) -> Result<Self, UnfitColumn> {
        if table.columns.len() != result.len() {
            return Err(UnfitColumn { column: None, type_code: 0 });
        }
        let form = |(column, result)| {
            let column: &crate::schema::Column = column;
            let result: &ColumnDefinition = result;
            let unfit = || UnfitColumn { column: Some(column.name.clone()), type_code: result.type_code };
            Form::of(column, result).ok_or_else(unfit)
        };
        let forms = table.columns.iter().zip(result).map(form).collect::<Result<_, _>>()?;
        Ok(RowPlan { table: Arc::clone(table), forms })
    }

    /// The table.
    #[must_use]
    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// Reads `count` rows that stand one behind the other in `rows`, each without its first byte 0x00, as inserts.
    ///
    /// # Errors
    /// When a row is damaged, text is not of its character set, or there are not exactly `count` rows.
    pub fn decode<'a>(
        &self,
        rows: &'a [u8],
        count: usize,
        arena: &Arena<'a>,
    ) -> Result<&'a [RowChange<'a>], RowError> {
        let mut reader = Reader::new(rows);
        let inserts = arena.filled(count, RowChange::Insert { after: &[] });
        for insert in inserts.iter_mut() {
            *insert = RowChange::Insert { after: self.row(&mut reader, arena)? };
        }
        if reader.is_empty() {
            Ok(inserts)
        } else {
            Err(RowError { what: Malformed("is longer than its columns"), column: None })
        }
    }

    fn row<'a>(&self, reader: &mut Reader<'a>, arena: &Arena<'a>) -> Result<&'a [Cell<'a>], RowError> {
        let nulls = self.nulls(reader)?;
        let cells = arena.filled(self.forms.len(), Cell::Value(Value::Null));
        // A copy that stays in registers.
        let mut local = *reader;
        for (ordinal, (form, cell)) in self.forms.iter().zip(cells.iter_mut()).enumerate() {
            if !is_null(nulls, ordinal)
                && let Err(what) = form.read_into(cell, &mut local, arena)
            {
                return Err(self.in_column(what, ordinal));
            }
        }
        *reader = local;
        Ok(cells)
    }

    /// The bytes of a column of one row as the server sent them (text in its own character set, numbers little endian); `None`
    /// for NULL. `row` is as in [`decode`](Self::decode).
    ///
    /// # Errors
    /// When the row is damaged or has no such column.
    pub fn raw<'a>(&self, row: &'a [u8], ordinal: u16) -> Result<Option<&'a [u8]>, RowError> {
        let wanted = usize::from(ordinal);
        let mut reader = Reader::new(row);
        let nulls = self.nulls(&mut reader)?;
        for (place, form) in self.forms.iter().enumerate().filter(|(place, _)| !is_null(nulls, *place)) {
            let bytes = form.raw(&mut reader).map_err(|what| self.in_column(what, place))?;
            if place == wanted {
                return Ok(Some(bytes));
            }
        }
        if wanted < self.forms.len() {
            Ok(None)
        } else {
            Err(RowError { what: Malformed("has fewer columns"), column: None })
        }
    }

    fn nulls<'a>(&self, reader: &mut Reader<'a>) -> Result<&'a [u8], RowError> {
        let bytes = (self.forms.len() + FIRST_BIT).div_ceil(8);
        reader.take(bytes).map_err(|what| RowError { what, column: None })
    }

    #[cold]
    fn in_column(&self, what: Malformed, ordinal: usize) -> RowError {
        let column = self.table.columns.get(ordinal);
        RowError { what, column: column.map(|column| column.name.clone()) }
    }
}

#[inline]
fn is_null(nulls: &[u8], ordinal: usize) -> bool {
    let bit = ordinal + FIRST_BIT;
    nulls.get(bit / 8).is_some_and(|byte| byte >> (bit % 8) & 1 == 1)
}
