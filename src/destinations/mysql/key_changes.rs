//! Changes of keys that meet what the copy has made of them.
//!
//! After a copy, keys are created as the source has them then. The log of the time before it brings their changes again: a key
//! to be added is there, one to be dropped is not. And while rows are of different times, a unique key may not be possible yet.
//! What is missing in the end is created when the destination is consistent.

use slackwater_decoders::schema::{Table, TableName};

use super::{
    ddl::qualified,
    definition::alter_statement,
    session::{Session, code, ddl_refused},
};
use crate::{error::Result, types::mysql::quote_name};

/// ER_DUP_KEYNAME, ER_FK_DUP_NAME.
const THERE: [u16; 2] = [1061, 1826];
/// ER_CANT_DROP_FIELD_OR_KEY, ER_KEY_DOES_NOT_EXITS.
const NOT_THERE: [u16; 2] = [1091, 1176];
/// ER_DUP_ENTRY, ER_DUP_ENTRY_WITH_KEY_NAME.
const TWICE: [u16; 2] = [1062, 1586];

/// Whether a statement was refused because of what keys, or the rows in them, are already.
pub(super) fn is_about_keys(error: &mysql_async::Error) -> bool {
    code(error).is_some_and(|code| [THERE, NOT_THERE, TWICE].as_flattened().contains(&code))
}

/// Changes a table one part after the other: its columns and its primary key, then each other key, which may be there or gone
/// already. `converging`: rows of different times may keep a unique key from being added.
///
/// # Errors
/// What the server refuses for another reason.
pub(super) async fn alter_in_parts(
    session: &mut Session,
    before: &Table,
    after: &Table,
    columns_from: &[Option<u16>],
    converging: bool,
) -> Result<()> {
    let without_keys = |table: &Table| Table { unique_keys: Vec::new(), ..table.clone() };
    let (old, new) = (keys(before), keys(after));
    for key in old.iter().filter(|key| !new.contains(key)) {
        let drop = format!("DROP KEY {}", quote_name(key.name));
        change(session, &before.name, &drop, &NOT_THERE).await?;
    }
    if let Some(statement) =
        alter_statement(&without_keys(before), &without_keys(after), columns_from, session.server)
    {
        session.run_raw(statement).await.map_err(ddl_refused)?;
    }
    let tolerated: &[u16] = if converging { [THERE, TWICE].as_flattened() } else { &THERE };
    for key in new.iter().filter(|key| !old.contains(key)) {
        let columns: Vec<_> = key.columns.iter().map(|name| quote_name(name)).collect();
        let unique = if key.is_unique { "UNIQUE " } else { "" };
        let add = format!("ADD {unique}KEY {} ({})", quote_name(key.name), columns.join(","));
        let added = change(session, &before.name, &add, tolerated).await;
        match added {
            // It identifies no row, so that no row depends on it.
            Err(error) if (!key.is_unique || key.is_partial) && !error.is_transient() => {
                tracing::warn!(table = %before.name, key = key.name, %error, "the key is not added");
            }
            added => added?,
        }
    }
    Ok(())
}

/// Changes one key, unless it is refused with one of the codes that say that nothing is to be done.
async fn change(session: &mut Session, table: &TableName, change: &str, tolerated: &[u16]) -> Result<()> {
    let result = session.run_raw(format!("ALTER TABLE {} {change}", qualified(table))).await;
    match result {
        Ok(_) => Ok(()),
        Err(error) if code(&error).is_some_and(|code| tolerated.contains(&code)) => {
            let reason = ddl_refused(error);
            tracing::info!(%table, change, %reason, "the key is changed already, or will be");
            Ok(())
        }
        Err(error) => Err(ddl_refused(error).on(table)),
    }
}

/// A key that is not the primary one, by names.
#[derive(PartialEq)]
struct Key<'a> {
    name: &'a str,
    columns: Vec<&'a str>,
    is_unique: bool,
    is_partial: bool,
}

fn keys(table: &Table) -> Vec<Key<'_>> {
    let columns = |ordinals: &[u16]| -> Vec<&str> {
        let column = |ordinal: &u16| table.columns.get(usize::from(*ordinal));
        ordinals.iter().filter_map(column).map(|column| column.name.as_str()).collect()
    };
    let unique = table.unique_keys.iter().map(|key| Key {
        name: &key.name,
        columns: columns(&key.columns),
        is_unique: true,
        is_partial: key.partial,
    });
    let others = table.indexes.iter().filter(|index| !index.implied).map(|index| Key {
        name: &index.name,
        columns: columns(&index.columns),
        is_unique: false,
        is_partial: false,
    });
    unique.chain(others).collect()
}
