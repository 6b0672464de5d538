//! What changed between two definitions of a table.

use std::sync::Arc;

use crate::{
    event::SchemaChange,
    schema::{Column, Table},
};

/// What happened between two definitions of one relation (of one OID); `None` when they are equal. Columns are the same ones when
/// their numbers are ([`Column::number`]), or their names where they have no numbers.
#[must_use]
pub fn compare(before: &Arc<Table>, after: &Arc<Table>) -> Option<SchemaChange> {
    if before == after {
        return None;
    }
    let columns_from: Vec<Option<u16>> = after.columns.iter().map(|column| origin(column, before)).collect();
    let renamed = Table { name: after.name.clone(), ..Table::clone(before) };
    if renamed == **after {
        return Some(SchemaChange::RenameTable { from: before.name.clone(), to: after.name.clone() });
    }
    Some(SchemaChange::AlterTable { before: Arc::clone(before), after: Arc::clone(after), columns_from })
}

/// The ordinal in `before` of the column that `column` was.
fn origin(column: &Column, before: &Table) -> Option<u16> {
    let is_same = |former: &Column| match (former.number, column.number) {
        (Some(former), Some(number)) => former == number,
        _ => former.name == column.name,
    };
    before.columns.iter().position(is_same).and_then(|ordinal| u16::try_from(ordinal).ok())
}
