//! Tables that are at the destination before rows are copied into them.

use slackwater_decoders::schema::TableName;

use super::session::{Session, code, refused};
use crate::{
    error::{Error, Result},
    types::mysql::quote_name,
};

/// MySQL's *Server Error Message Reference*: unknown database, unknown table.
const ABSENT: [u16; 2] = [1049, 1146];

/// Which of these tables are there and have rows.
pub(super) async fn occupied(session: &mut Session, asked: &[TableName]) -> Result<Vec<TableName>> {
    let mut occupied = Vec::new();
    for table in asked {
        let name = qualified(table);
        let found: mysql_async::Result<Option<u8>> =
            session.first_raw(format!("SELECT 1 FROM {name} LIMIT 1")).await;
        match found {
            Ok(None) => {}
            Ok(Some(_)) => occupied.push(table.clone()),
            Err(error) if is_absent(&error) => {}
            Err(error) => return Err(refused(error).on(table)),
        }
    }
    Ok(occupied)
}

/// Removes all rows of a table, if there is one.
pub(super) async fn empty(session: &mut Session, table: &TableName) -> Result<()> {
    let name = qualified(table);
    let emptied = match session.run_raw(format!("TRUNCATE TABLE {name}")).await {
        // Foreign keys of other tables point to it.
        Err(error) if code(&error) == Some(1701) => session.run_raw(format!("DELETE FROM {name}")).await,
        truncated => truncated,
    };
    if_there(emptied).map_err(|error| error.on(table))
}

/// Removes a table, if there is one.
pub(super) async fn drop_table(session: &mut Session, table: &TableName) -> Result<()> {
    if_there(session.run_raw(format!("DROP TABLE IF EXISTS {}", qualified(table))).await)
        .map_err(|error| error.on(table))
}

fn if_there(done: mysql_async::Result<u64>) -> Result<(), Error> {
    match done {
        Err(error) if !is_absent(&error) => Err(refused(error)),
        _ => Ok(()),
    }
}

fn is_absent(error: &mysql_async::Error) -> bool {
    code(error).is_some_and(|code| ABSENT.contains(&code))
}

fn qualified(table: &TableName) -> String {
    format!("{}.{}", quote_name(&table.database), quote_name(&table.table))
}
