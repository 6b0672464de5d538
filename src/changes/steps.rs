//! From the change of a row to what a destination has to do, the same for every destination with tables.
//!
//! Replay converges because each step of a keyed table brings the row to its state after the change whatever was there:
//! an upsert writes the whole row, a delete of a row that is gone is done. A step that cannot do that (a partial image
//! of a row that is not there, a row of a table without a key) requires exactly one row and fails otherwise: the
//! checkpoint commits with the data, so it only fails when the destination was changed by somebody else.

use slackwater_decoders::{
    event::{RowChange, Rows},
    position::LogPosition,
    schema::{Column, Table},
    value::{Cell, Value},
};

use super::group::Image;
use crate::error::{Error, Result};

/// One thing to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Step<'a> {
    /// Add a row to a table without a key.
    Insert(Image<'a>),
    /// Write the whole row under its key. Cells that are absent take the column's default.
    Upsert(Image<'a>),
    /// Write the cells that `after` has into the one row with the key that `before` has.
    Update {
        /// Has the key.
        before: Image<'a>,
        /// Has the new values, perhaps of the key as well.
        after: Image<'a>,
    },
    /// Remove the row with that key, if it is there.
    Delete(Image<'a>),
    /// Write the cells of `after` into exactly one row that equals `before`.
    UpdateExact {
        /// The whole row.
        before: Image<'a>,
        /// The new values.
        after: Image<'a>,
    },
    /// Remove exactly one row that equals this one.
    DeleteExact(Image<'a>),
}

/// At most two steps, to be done in this order.
pub(crate) type Steps<'a> = [Option<Step<'a>>; 2];

/// The last second of a TIMESTAMP: before MariaDB 11.5, and since.
const LAST_SECONDS: [i64; 2] = [0x7FFF_FFFF, 0xFFFF_FFFF];

/// What a change of a row asks for. `key` is [`Table::key`] of the table.
///
/// Of a table with versions of rows (MariaDB's system versioning) the log has the former versions as rows of their own, and a
/// deletion as the end of a version. A destination has the current rows.
///
/// # Errors
/// A definite one when an image lacks what identifies the row.
pub(crate) fn steps<'a>(rows: &Rows<'_>, key: Option<&[u16]>, change: &RowChange<'a>) -> Result<Steps<'a>> {
    match current(rows, rows.table.row_end(), change)? {
        None => Ok([None, None]),
        Some(RowChange::Insert { after }) if key.is_some() => Ok([Some(Step::Upsert(after)), None]),
        Some(RowChange::Insert { after }) => Ok([Some(Step::Insert(after)), None]),
        Some(RowChange::Delete { before }) => delete(rows, key, before),
        Some(RowChange::Update { before, after }) => match key {
            Some(key) => update_by_key(rows, key, before, after),
            None => {
                whole(rows, before)?;
                Ok([Some(Step::UpdateExact { before, after }), None])
            }
        },
    }
}

/// What a change does to the current rows of a table whose [`Table::row_end`] is given; `None` for nothing.
///
/// # Errors
/// A definite one when an image does not fit the table.
#[inline]
pub(super) fn current<'a>(
    rows: &Rows<'_>,
    row_end: Option<usize>,
    change: &RowChange<'a>,
) -> Result<Option<RowChange<'a>>> {
    let columns = rows.table.columns.len();
    if [change.before(), change.after()].into_iter().flatten().any(|image| image.len() != columns) {
        return Err(diverged(rows, "a row image has another number of columns than the table's definition"));
    }
    if row_end.is_none() {
        return Ok(Some(*change));
    }
    Ok(match *change {
        RowChange::Insert { after } if is_former(after, row_end) => None,
        RowChange::Delete { before } | RowChange::Update { before, .. } if is_former(before, row_end) => None,
        RowChange::Update { before, after } if is_former(after, row_end) => {
            Some(RowChange::Delete { before })
        }
        change => Some(change),
    })
}

fn delete<'a>(rows: &Rows<'_>, key: Option<&[u16]>, before: Image<'a>) -> Result<Steps<'a>> {
    match key {
        Some(key) => {
            known(rows, before, key)?;
            Ok([Some(Step::Delete(before)), None])
        }
        None => {
            whole(rows, before)?;
            Ok([Some(Step::DeleteExact(before)), None])
        }
    }
}

/// Whether the image is of a version that has ended.
fn is_former(image: Image<'_>, row_end: Option<usize>) -> bool {
    match row_end.and_then(|ordinal| image.get(ordinal)).and_then(|cell| cell.value()) {
        Some(Value::Timestamp(end)) => !LAST_SECONDS.contains(&end.micros.div_euclid(1_000_000)),
        _ => false,
    }
}

fn update_by_key<'a>(rows: &Rows<'_>, key: &[u16], before: Image<'a>, after: Image<'a>) -> Result<Steps<'a>> {
    let full = after
        .iter()
        .all(|cell| !matches!(cell, Cell::Absent | Cell::Unchanged | Cell::Value(Value::JsonDiff(_))));
    if !full {
        // An image before the change that does not repeat the key says that the key did not change.
        let repeats =
            key.iter().any(|ordinal| matches!(before.get(usize::from(*ordinal)), Some(Cell::Value(_))));
        let before = if repeats { before } else { after };
        known(rows, before, key)?;
        return Ok([Some(Step::Update { before, after }), None]);
    }
    let moved = key.iter().map(|ordinal| usize::from(*ordinal)).any(|ordinal| {
        match (before.get(ordinal), after.get(ordinal)) {
            (Some(Cell::Value(before)), Some(Cell::Value(after))) => before != after,
            _ => false,
        }
    });
    if moved {
        known(rows, before, key)?;
        return Ok([Some(Step::Delete(before)), Some(Step::Upsert(after))]);
    }
    Ok([Some(Step::Upsert(after)), None])
}

/// Whether the key of `before` and the key of `after` are known to differ.
pub(crate) fn key_moves(key: &[u16], before: Image<'_>, after: Image<'_>) -> bool {
    key.iter().map(|ordinal| usize::from(*ordinal)).any(|ordinal| {
        after
            .get(ordinal)
            .and_then(|cell| cell.value())
            .is_some_and(|value| before.get(ordinal) != Some(&Cell::Value(value)))
    })
}

/// Requires the columns of the key in an image.
fn known(rows: &Rows<'_>, image: Image<'_>, key: &[u16]) -> Result<()> {
    if key.iter().all(|ordinal| matches!(image.get(usize::from(*ordinal)), Some(Cell::Value(_)))) {
        return Ok(());
    }
    Err(diverged(rows, "the row image lacks a column of the table's key")
        .remedy(format!("{}, and start the task from a position after that", whole_rows(rows))))
}

/// Requires every column that is not computed in an image of a table without a key.
fn whole(rows: &Rows<'_>, image: Image<'_>) -> Result<()> {
    let missing = image.iter().zip(&rows.table.columns).any(|(cell, column)| {
        column.generated.is_none()
            && matches!(cell, Cell::Absent | Cell::Unchanged | Cell::Value(Value::JsonDiff(_)))
    });
    if !missing {
        return Ok(());
    }
    Err(diverged(
        rows,
        "the table has no key and the row image lacks columns: the row cannot be told from others",
    )
    .remedy(format!("give the table a primary key, or: {}", whole_rows(rows))))
}

/// How the source is made to log whole rows.
pub(crate) fn whole_rows(rows: &Rows<'_>) -> String {
    match rows.position {
        LogPosition::Wal { .. } => {
            format!("ALTER TABLE {} REPLICA IDENTITY FULL; at the source", rows.table.name)
        }
        _ => "set binlog_row_image = FULL at the source".to_owned(),
    }
}

/// A definite error about the rows of an event.
pub(crate) fn diverged(rows: &Rows<'_>, what: &str) -> Error {
    Error::definite(what).on(&rows.table.name).at(&rows.position)
}

/// The row that a step needs is not there.
pub(crate) fn row_missing(rows: &Rows<'_>) -> Error {
    diverged(rows, "the row that the source changed does not exist at the destination")
        .remedy("the destination was changed by another writer: load the table again from the source")
}

/// Where a table of the destination stands relative to a change of its definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AlterState {
    /// It is as before the change.
    Pending,
    /// It is already as after the change (a replay).
    Done,
    /// It is neither.
    Other,
}

/// Compares the columns that the destination has with the definitions before and after a change.
///
/// A change that leaves the names of the columns as they are counts as pending: to do it again does no harm.
pub(crate) fn alter_state(actual: &[String], before: &Table, after: &Table) -> AlterState {
    if same_names(actual, before) {
        AlterState::Pending
    } else if same_names(actual, after) {
        AlterState::Done
    } else {
        AlterState::Other
    }
}

/// Whether these are the table's columns in their order. Column names compare without regard to case. Columns that the source
/// itself hides may be missing.
pub(crate) fn same_names(actual: &[String], table: &Table) -> bool {
    let same = |name: &String, column: &&Column| name.to_lowercase() == column.name.to_lowercase();
    let shown: Vec<_> = table
        .columns
        .iter()
        .filter(|column| !column.is_hidden() || actual.iter().any(|name| same(name, column)))
        .collect();
    actual.len() == shown.len() && actual.iter().zip(&shown).all(|(name, column)| same(name, column))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use std::sync::Arc;

    use slackwater_decoders::schema::{ColumnType, TableName};

    use super::*;

    fn rows() -> Rows<'static> {
        let integer = ColumnType::Integer { bytes: 4, unsigned: false };
        let table = Table {
            name: TableName::new("shop", "orders"),
            columns: vec![
                Column::new("id", integer.clone()),
                Column::new("a", integer.clone()),
                Column::new("b", integer),
            ],
            primary_key: vec![0],
            unique_keys: Vec::new(),
            indexes: Vec::new(),
            collation: None,
            named: true,
            number: None,
        };
        let position = LogPosition::Binlog { file: "binlog.000001".into(), offset: 4 };
        Rows {
            table: Arc::new(table),
            position,
            time_micros: 0,
            sequence: 0,
            unlogged_cascades: false,
            changes: &[],
        }
    }

    fn int(value: i64) -> Cell<'static> {
        Cell::Value(Value::Int(value))
    }

    #[test]
    fn a_moved_key_is_deleted_and_written_anew() {
        let (before, after) = ([int(1), int(5), int(6)], [int(2), int(5), int(6)]);
        let change = RowChange::Update { before: &before, after: &after };
        let expected = [Some(Step::Delete(&before)), Some(Step::Upsert(&after))];
        assert_eq!(steps(&rows(), Some(&[0]), &change).unwrap(), expected);
    }

    #[test]
    fn a_partial_image_updates_and_never_inserts() {
        let (before, after) = ([int(1), Cell::Absent, Cell::Absent], [Cell::Absent, int(7), Cell::Absent]);
        let change = RowChange::Update { before: &before, after: &after };
        let expected = [Some(Step::Update { before: &before, after: &after }), None];
        assert_eq!(steps(&rows(), Some(&[0]), &change).unwrap(), expected);
    }

    #[test]
    fn a_table_without_key_needs_the_whole_row_before() {
        let before = [int(1), Cell::Absent, int(3)];
        let error = steps(&rows(), None, &RowChange::Delete { before: &before }).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("shop.orders")
                && text.contains("binlog.000001:4")
                && text.contains("binlog_row_image"),
            "{text}"
        );
    }
}
