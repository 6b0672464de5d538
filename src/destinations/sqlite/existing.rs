//! Tables that are in the file before rows are copied into them.

use rusqlite::Connection;
use slackwater_decoders::schema::TableName;

use super::{
    ddl::quote,
    failed,
    tables::{Tables, columns},
};
use crate::error::Result;

/// Which of these tables are in the file and have rows.
pub(super) fn occupied(
    connection: &Connection,
    tables: &Tables,
    asked: &[TableName],
) -> Result<Vec<TableName>> {
    let mut occupied = Vec::new();
    for table in asked {
        let name = tables.name_of(table);
        let has_rows = || -> Result<bool> {
            if columns(connection, &name)?.is_empty() {
                return Ok(false);
            }
            let sql = format!("SELECT EXISTS (SELECT 1 FROM {})", quote(&name));
            connection.query_row(&sql, [], |row| row.get(0)).map_err(failed)
        };
        if has_rows().map_err(|error| error.on(table))? {
            occupied.push(table.clone());
        }
    }
    Ok(occupied)
}

/// Removes a table and gives its name back. A name that another table of the source has stays.
pub(super) fn drop_table(connection: &Connection, tables: &mut Tables, table: &TableName) -> Result<()> {
    tables.claim(connection, table)?;
    let name = tables.name_of(table);
    connection.execute_batch(&format!("DROP TABLE IF EXISTS {}", quote(&name))).map_err(failed)?;
    tables.release(connection, table)
}
