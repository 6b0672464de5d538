//! Where AUTO_INCREMENT columns and MariaDB's sequences stand.

use slackwater_decoders::schema::{
    TableName,
    counter::{Counter, CounterName},
};

use super::{
    TableFilter,
    catalog::{SYSTEM, qualified},
    connection::Connection,
};
use crate::error::Result;

/// ER_UNKNOWN_SYSTEM_VARIABLE.
const UNKNOWN_VARIABLE: u16 = 1193;

/// The counters of everything that `wanted` takes. A table that has never numbered a row may be missing.
///
/// # Errors
/// The server's error, or a lost connection.
pub(super) async fn read(connection: &mut Connection, wanted: &TableFilter) -> Result<Vec<Counter>> {
    // MySQL 8.0 and later answer with what they knew up to a day ago.
    match connection.try_query("SET SESSION information_schema_stats_expiry = 0").await? {
        Err(error) if error.code != UNKNOWN_VARIABLE => return Err(error.into()),
        _ => {}
    }
    let question = format!(
        "SELECT t.TABLE_SCHEMA, t.TABLE_NAME, c.COLUMN_NAME, t.AUTO_INCREMENT FROM information_schema.TABLES t \
         JOIN information_schema.COLUMNS c ON c.TABLE_SCHEMA = t.TABLE_SCHEMA AND c.TABLE_NAME = t.TABLE_NAME \
         WHERE c.EXTRA LIKE '%auto_increment%' AND t.TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') AND t.TABLE_SCHEMA NOT IN ({SYSTEM})"
    );
    let rows = connection.query(&question).await?;
    let counter = |row: super::response::Row<'_>| {
        let table = TableName::new(row.at(0)?, row.at(1)?);
        let (column, next) = (row.at(2)?.to_owned(), row.at(3)?.parse().ok()?);
        wanted(&table).then_some(Counter {
            name: CounterName::Column { table, column },
            next,
            descending: false,
        })
    };
    let mut counters: Vec<Counter> = rows.iter().filter_map(counter).collect();
    if connection.version().mariadb {
        sequences(connection, wanted, &mut counters).await?;
    }
    Ok(counters)
}

/// A sequence gives numbers from memory that are not below the stored one: that one may leave a gap, and is not given yet.
async fn sequences(
    connection: &mut Connection,
    wanted: &TableFilter,
    counters: &mut Vec<Counter>,
) -> Result<()> {
    let question = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_TYPE = 'SEQUENCE' AND TABLE_SCHEMA NOT IN ({SYSTEM})"
    );
    let rows = connection.query(&question).await?;
    for row in rows.iter() {
        let (Some(database), Some(name)) = (row.at(0), row.at(1)) else { continue };
        let name = TableName::new(database, name);
        if !wanted(&name) {
            continue;
        }
        let stored = format!("SELECT next_not_cached_value, increment FROM {}", qualified(&name));
        let rows = connection.query(&stored).await.map_err(|error| error.on(&name))?;
        let number = |place| rows.first().and_then(|row| row.at(place)?.parse::<i128>().ok());
        if let (Some(next), Some(increment)) = (number(0), number(1)) {
            counters.push(Counter { name: CounterName::Sequence(name), next, descending: increment < 0 });
        }
    }
    Ok(())
}
