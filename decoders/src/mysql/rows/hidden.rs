//! What MariaDB logs beside the columns and the tables that a definition shows.

use crate::mysql::rows::{
    table_map::{Columns, Metadata},
    wire::Wire,
};
use crate::schema::{ColumnType, Table};

/// How MariaDB names the hash of a unique key that is too long for an index (`LONG_HASH_FIELD` columns, `sql/table.h`).
const HASH_PREFIX: &str = "DB_ROW_HASH_";

/// The columns of a sequence and the bytes of each (`sql/sql_sequence.cc`, `sequence_structure`).
const SEQUENCE: [(&str, u8); 8] = [
    ("next_not_cached_value", 8),
    ("minimum_value", 8),
    ("maximum_value", 8),
    ("start_value", 8),
    ("increment", 8),
    ("cache_size", 8),
    ("cycle_option", 1),
    ("cycle_count", 8),
];

/// Number of columns at the end that MariaDB keeps for itself: one hash for each unique key over long columns. They are part of
/// row images and of no definition. Where the log has no names, `known` has to have as many such keys.
pub(in crate::mysql) fn hash_columns(columns: &Columns, known: Option<&Table>) -> usize {
    if let Some(names) = &columns.metadata.names {
        return names.iter().rev().take_while(|name| name.starts_with(HASH_PREFIX)).count();
    }
    let Some(known) = known else { return 0 };
    let Some(extra) = columns.wires.get(known.columns.len()..) else { return 0 };
    let is_long = |&ordinal: &u16| {
        let column = known.columns.get(usize::from(ordinal));
        column.is_some_and(|column| {
            matches!(
                column.column_type,
                ColumnType::Text(_)
                    | ColumnType::Blob(_)
                    | ColumnType::VarChar(_)
                    | ColumnType::VarBinary(_)
                    | ColumnType::Geometry(_)
            )
        })
    };
    let long_keys = known.unique_keys.iter().filter(|key| key.columns.iter().any(is_long)).count();
    let are_hashes = extra.iter().all(|wire| *wire == Wire::Integer { bytes: 8 });
    if are_hashes && extra.len() <= long_keys { extra.len() } else { 0 }
}

/// Whether the rows are a sequence's: its state, which replicas take over. Only asked where no definition is known, which is
/// so for every sequence.
pub(in crate::mysql) fn is_sequence(columns: &Columns) -> bool {
    let Metadata { names, .. } = &columns.metadata;
    let stored = SEQUENCE.iter().map(|(_, bytes)| Wire::Integer { bytes: *bytes });
    columns.wires.iter().copied().eq(stored)
        && !columns.nullable.contains(&true)
        && names.as_ref().is_none_or(|names| names.iter().eq(SEQUENCE.iter().map(|(name, _)| name)))
}
