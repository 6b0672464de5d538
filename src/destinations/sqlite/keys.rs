//! Tables around a load: created with the key that identifies rows alone, and given their other keys when the rows are there.
//!
//! An index over rows that are there is built by sorting, which is much faster than inserting into it row by row.

use std::{collections::HashSet, sync::Arc};

use rusqlite::Connection;
use slackwater_decoders::schema::Table;

use super::{
    ddl::{self, UniqueKeys, column_list, quote, run, secondary_unique_keys},
    failed,
    tables::{Tables, unique_indexes},
};
use crate::error::Result;

/// Creates a table without its secondary keys.
pub(super) fn create_table(connection: &Connection, tables: &Tables, table: &Arc<Table>) -> Result<()> {
    ddl::create(connection, tables, table, false, UniqueKeys::Identifying)
}

/// Creates the secondary keys that are not there: unique ones over whole columns, and indexes.
pub(super) fn create_secondary(connection: &Connection, tables: &Tables, table: &Table) -> Result<()> {
    let name = tables.name_of(&table.name);
    let present = unique_indexes(connection, &name)?;
    for key in secondary_unique_keys(table) {
        let columns = names(table, &key.columns);
        if !present.iter().any(|index| same(&index.columns, &columns)) {
            let index = free_name(connection, &name, &key.name)?;
            let columns = column_list(table, &key.columns);
            run(
                connection,
                &format!("CREATE UNIQUE INDEX {} ON {} ({columns})", quote(&index), quote(&name)),
            )?;
        }
    }
    let present = index_columns(connection, &name)?;
    for index in table.indexes.iter().filter(|index| !index.columns.is_empty()) {
        let columns = names(table, &index.columns);
        if !present.iter().any(|present| same(present, &columns)) {
            let free = free_name(connection, &name, &index.name)?;
            let columns = column_list(table, &index.columns);
            run(connection, &format!("CREATE INDEX {} ON {} ({columns})", quote(&free), quote(&name)))?;
        }
    }
    Ok(())
}

/// The names of the indexes in the file that are unique keys of the source's table.
pub(super) fn indexes_of_source(
    connection: &Connection,
    name: &str,
    table: &Table,
) -> Result<HashSet<String>> {
    let keys: Vec<_> = secondary_unique_keys(table).map(|key| names(table, &key.columns)).collect();
    let indexes = unique_indexes(connection, name)?.into_iter();
    let of_source = indexes.filter(|index| keys.iter().any(|key| same(&index.columns, key)));
    Ok(of_source.map(|index| index.name).collect())
}

fn names<'a>(table: &'a Table, ordinals: &[u16]) -> Vec<&'a str> {
    let columns = ordinals.iter().filter_map(|ordinal| table.columns.get(usize::from(*ordinal)));
    columns.map(|column| column.name.as_str()).collect()
}

/// Column names compare without regard to case.
fn same(present: &[String], wanted: &[&str]) -> bool {
    present.len() == wanted.len()
        && present.iter().zip(wanted).all(|(name, column)| name.to_lowercase() == column.to_lowercase())
}

fn index_columns(connection: &Connection, name: &str) -> Result<Vec<Vec<String>>> {
    let read = || -> rusqlite::Result<Vec<Vec<String>>> {
        let mut indexes = connection.prepare("SELECT name FROM pragma_index_list(?1) WHERE NOT partial")?;
        let indexes: Vec<String> = indexes.query_map([name], |row| row.get(0))?.collect::<Result<_, _>>()?;
        let mut columns =
            connection.prepare("SELECT coalesce(name, '') FROM pragma_index_info(?1) ORDER BY seqno")?;
        indexes.iter().map(|index| columns.query_map([index], |row| row.get(0))?.collect()).collect()
    };
    read().map_err(failed)
}

/// `table_key`, with a number where the file has something of that name: the names of indexes and tables are one set in SQLite, and
/// an index keeps its name when its table is renamed.
fn free_name(connection: &Connection, table: &str, key: &str) -> Result<String> {
    let base = format!("{table}_{key}");
    let mut name = base.clone();
    for number in 2_u32.. {
        let taken: bool = connection
            .query_row(
                "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = ?1 COLLATE NOCASE)",
                [&name],
                |row| row.get(0),
            )
            .map_err(failed)?;
        if !taken {
            break;
        }
        name = format!("{base}_{number}");
    }
    Ok(name)
}
