//! Tuples of `pgoutput` as cells of a table.

use std::sync::Arc;

use super::{
    definitions::{Definition, Misfit, fit},
    reader::{Malformed, Reader},
    relation::Relation,
    types::TypeCatalog,
    value::{Form, ValueError},
};
use crate::{
    arena::Arena,
    event::RowChange,
    schema::Table,
    value::{Cell, Value},
};

/// How rows of an announced relation become rows of a table.
pub(super) struct RowPlan {
    pub(super) table: Arc<Table>,
    columns: Vec<PlannedColumn>,
}

struct PlannedColumn {
    /// The column's place in the table.
    ordinal: u16,
    is_key: bool,
    form: Form,
}

/// Why a row could not be read.
pub(super) enum RowError {
    Malformed(Malformed),
    /// A value of the column of that place in the table.
    Value(u16, ValueError),
}

impl From<Malformed> for RowError {
    fn from(what: Malformed) -> Self {
        RowError::Malformed(what)
    }
}

/// Which cells of an old tuple count.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Old {
    /// Those of the replica identity; the others come as NULL.
    Key,
    Row,
}

impl RowPlan {
    pub(super) fn new(
        relation: &Relation,
        definition: &Definition,
        types: &TypeCatalog,
    ) -> Result<Self, Misfit> {
        let ordinals = fit(relation, definition, types)?;
        let columns = relation.columns.iter().zip(ordinals).map(|(column, ordinal)| PlannedColumn {
            ordinal,
            is_key: column.is_key,
            form: Form::of(column.type_oid, column.typmod, types),
        });
        Ok(RowPlan { table: Arc::clone(&definition.table), columns: columns.collect() })
    }

    pub(super) fn insert<'a>(&self, tuples: &'a [u8], arena: &Arena<'a>) -> Result<RowChange<'a>, RowError> {
        let mut reader = Reader::new(tuples);
        if reader.u8()? != b'N' {
            return Err(Malformed("has no new tuple").into());
        }
        let after = self.tuple(&mut reader, arena)?;
        reader.end()?;
        Ok(RowChange::Insert { after })
    }

    pub(super) fn update<'a>(&self, tuples: &'a [u8], arena: &Arena<'a>) -> Result<RowChange<'a>, RowError> {
        let mut reader = Reader::new(tuples);
        let before = match reader.u8()? {
            b'N' => None,
            kind => {
                let before = self.old(kind, &mut reader, arena)?;
                if reader.u8()? != b'N' {
                    return Err(Malformed("has no new tuple").into());
                }
                Some(before)
            }
        };
        let after = self.tuple(&mut reader, arena)?;
        reader.end()?;
        let before = match before {
            Some(before) => {
                for (after, before) in after.iter_mut().zip(&*before) {
                    if *after == Cell::Unchanged && matches!(before, Cell::Value(_)) {
                        *after = *before;
                    }
                }
                before
            }
            // The identity did not change: it is that of the new row.
            None => {
                let before = arena.filled(after.len(), Cell::Absent);
                for column in self.columns.iter().filter(|column| column.is_key) {
                    let ordinal = usize::from(column.ordinal);
                    if let (Some(to), Some(cell @ Cell::Value(_))) =
                        (before.get_mut(ordinal), after.get(ordinal))
                    {
                        *to = *cell;
                    }
                }
                before
            }
        };
        Ok(RowChange::Update { before, after })
    }

    pub(super) fn delete<'a>(&self, tuples: &'a [u8], arena: &Arena<'a>) -> Result<RowChange<'a>, RowError> {
        let mut reader = Reader::new(tuples);
        let kind = reader.u8()?;
        let before = self.old(kind, &mut reader, arena)?;
        reader.end()?;
        Ok(RowChange::Delete { before })
    }

    fn old<'a>(
        &self,
        kind: u8,
        reader: &mut Reader<'a>,
        arena: &Arena<'a>,
    ) -> Result<&'a mut [Cell<'a>], RowError> {
        let old = match kind {
            b'K' => Old::Key,
            b'O' => Old::Row,
            _ => return Err(Malformed("has an unknown kind of tuple").into()),
        };
        let cells = self.tuple(reader, arena)?;
        for column in &self.columns {
            let counts = old == Old::Row || column.is_key;
            if let Some(cell) =
                cells.get_mut(usize::from(column.ordinal)).filter(|cell| !counts || **cell == Cell::Unchanged)
            {
                *cell = Cell::Absent;
            }
        }
        Ok(cells)
    }

    fn tuple<'a>(&self, reader: &mut Reader<'a>, arena: &Arena<'a>) -> Result<&'a mut [Cell<'a>], RowError> {
        if usize::from(reader.u16()?) != self.columns.len() {
            return Err(Malformed("has another number of columns than its relation").into());
        }
        let cells = arena.filled(self.table.columns.len(), Cell::Absent);
        for column in &self.columns {
            let cell = column.cell(reader, arena)?;
            if let Some(to) = cells.get_mut(usize::from(column.ordinal)) {
                *to = cell;
            }
        }
        Ok(cells)
    }
}

impl PlannedColumn {
    #[inline]
    fn cell<'a>(&self, reader: &mut Reader<'a>, arena: &Arena<'a>) -> Result<Cell<'a>, RowError> {
        let kind = reader.u8()?;
        let mut bytes = || {
            let length = usize::try_from(reader.i32()?).map_err(|_| Malformed("has a negative length"))?;
            reader.take(length)
        };
        let value = match kind {
            b'n' => return Ok(Cell::Value(Value::Null)),
            b'u' => return Ok(Cell::Unchanged),
            b't' => self.form.text(bytes()?, arena),
            b'b' => self.form.binary(bytes()?, arena),
            _ => return Err(Malformed("has an unknown kind of value").into()),
        };
        value.map(Cell::Value).map_err(|error| RowError::Value(self.ordinal, error))
    }
}
