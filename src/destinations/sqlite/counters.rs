//! Where the numbering of rows goes on. A table numbers its rows by the highest one, and by the highest there ever was only
//! with AUTOINCREMENT (SQLite documentation, "SQLite Autoincrement").

use rusqlite::{Connection, OptionalExtension as _};
use slackwater_decoders::schema::counter::{Counter, CounterName};

use super::{failed, tables::Tables};
use crate::error::Result;

/// Sets the counters; gives those that have no place in the file.
///
/// # Errors
/// When the file cannot be written.
pub(super) fn set(
    connection: &Connection,
    tables: &Tables,
    counters: &[Counter],
) -> Result<Vec<(Counter, String)>> {
    let mut without = Vec::new();
    for counter in counters {
        let reason = match &counter.name {
            CounterName::Column { table, .. } => set_one(connection, &tables.name_of(table), counter),
            CounterName::Sequence(_) => Ok(Some("SQLite has no sequences".to_owned())),
        };
        if let Some(reason) = reason.map_err(|error| error.on(&counter.name))? {
            without.push((counter.clone(), reason));
        }
    }
    Ok(without)
}

fn set_one(connection: &Connection, table: &str, counter: &Counter) -> Result<Option<String>> {
    let sql: Option<String> = connection
        .query_row(
            "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE",
            [table],
            |row| row.get(0),
        )
        .optional()
        .map_err(failed)?;
    let Some(sql) = sql else { return Ok(Some("there is no such table in the file".to_owned())) };
    if !sql.to_uppercase().split(|c: char| !c.is_alphanumeric()).any(|word| word == "AUTOINCREMENT") {
        let reason = "the table has no AUTOINCREMENT: it numbers rows on from the highest that it holds";
        return Ok(Some(reason.to_owned()));
    }
    let Ok(last) = i64::try_from(counter.next - 1) else {
        return Ok(Some("its next number is larger than an integer of SQLite".to_owned()));
    };
    if counter.descending {
        return Ok(Some("it counts down, and AUTOINCREMENT counts up".to_owned()));
    }
    // The file itself compares it with the highest row.
    let updated = connection
        .execute(
            "UPDATE sqlite_sequence SET seq = max(seq, ?2) WHERE name = ?1 COLLATE NOCASE",
            (table, last),
        )
        .map_err(failed)?;
    if updated == 0 {
        connection
            .execute(
                "INSERT INTO sqlite_sequence (name, seq) SELECT name, ?2 FROM sqlite_schema \
                 WHERE type = 'table' AND name = ?1 COLLATE NOCASE",
                (table, last),
            )
            .map_err(failed)?;
    }
    Ok(None)
}
