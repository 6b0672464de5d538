//! Tables that are at the destination before rows are copied into them.

use slackwater_decoders::schema::TableName;

use super::{catalog, session::Session};
use crate::{error::Result, types::postgres::quote_name};

/// Which of these tables are there and have rows.
pub(super) async fn occupied(session: &mut Session, asked: &[TableName]) -> Result<Vec<TableName>> {
    let mut occupied = Vec::new();
    for table in asked {
        if catalog::relation(session, table).await?.is_none() {
            continue;
        }
        let sql = format!("SELECT 1 FROM {} LIMIT 1", qualified(table));
        if !session.query(&sql, &[]).await.map_err(|error| error.on(table))?.is_empty() {
            occupied.push(table.clone());
        }
    }
    Ok(occupied)
}

/// Removes all rows of a table, if there is one.
pub(super) async fn empty(session: &mut Session, table: &TableName) -> Result<()> {
    let Some(relation) = catalog::relation(session, table).await? else { return Ok(()) };
    let only = if relation.is_partitioned { "" } else { "ONLY " };
    let verb = match catalog::is_referred_to(session, relation.oid).await? {
        true => "DELETE FROM",
        false => "TRUNCATE",
    };
    session.run(&format!("{verb} {only}{}", qualified(table))).await.map_err(|error| error.on(table))
}

/// Removes a table, if there is one, with the foreign keys and views that depend on it.
pub(super) async fn drop_table(session: &mut Session, table: &TableName) -> Result<()> {
    session
        .run(&format!("DROP TABLE IF EXISTS {} CASCADE", qualified(table)))
        .await
        .map_err(|error| error.on(table))
}

/// The quoted name of a table.
pub(super) fn qualified(table: &TableName) -> String {
    format!("{}.{}", quote_name(&table.database), quote_name(&table.table))
}
