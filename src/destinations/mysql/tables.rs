//! The tables at the destination as they are, read once a session and table.

use std::{collections::HashMap, sync::Arc};

use slackwater_decoders::{
    position::LogPosition,
    schema::{Table, TableName},
};

use super::{cascade, ddl, literal::quoted, session::Session};
use crate::{
    error::{Error, Result},
    types::mysql::quote_name,
};

/// A table that exists and fits, with the fixed parts of its statements.
pub(super) struct ReadyTable {
    /// The definition that the parts were made for.
    pub(super) table: Arc<Table>,
    /// The quoted, qualified name.
    pub(super) name: String,
    /// The quoted name of each column.
    pub(super) columns: Vec<String>,
    /// Whether each column can be written: the destination computes the others itself.
    pub(super) writable: Vec<bool>,
    /// Whether each column is of the type JSON there: MariaDB's JSON, which is text, becomes a document of MySQL's.
    pub(super) documents: Vec<bool>,
    /// [`Table::key`].
    pub(super) key: Option<Vec<u16>>,
    /// Whether foreign keys change rows of other tables together with rows of this one.
    pub(super) cascades: bool,
    /// What stands before the rows of a statement that writes whole rows.
    pub(super) write_head: String,
    /// What stands behind them.
    pub(super) write_tail: String,
}

/// What is known of the destination's tables.
#[derive(Default)]
pub(super) struct Tables {
    ready: HashMap<TableName, Arc<ReadyTable>>,
}

impl Tables {
    /// Forgets what was read.
    pub(super) fn forget(&mut self) {
        self.ready.clear();
    }

    /// The table for rows of `table`, if it has been read.
    pub(super) fn get(&self, table: &Arc<Table>) -> Option<Arc<ReadyTable>> {
        let ready = self.ready.get(&table.name)?;
        (Arc::ptr_eq(&ready.table, table) || *ready.table == **table).then(|| Arc::clone(ready))
    }

    /// Reads a table, and creates it when it is not there and `create` says so. `session` is not the one that applies: a DDL
    /// statement would commit its transaction.
    pub(super) async fn read(
        &mut self,
        session: &mut Session,
        table: &Arc<Table>,
        create: bool,
        at: &LogPosition,
    ) -> Result<()> {
        let ready = read(session, table, create).await.map_err(|error| error.on(&table.name).at(at))?;
        self.ready.insert(table.name.clone(), Arc::new(ready));
        Ok(())
    }
}

/// A column at the destination: its name, what the server says of it beside its type, and its type without parameters.
type ActualColumn = (String, String, String);

async fn read(session: &mut Session, table: &Arc<Table>, create: bool) -> Result<ReadyTable> {
    let mut actual = columns(session, &table.name).await?;
    if actual.is_empty() {
        if !create {
            return Err(Error::definite("the table does not exist at the destination")
                .remedy("create it, or set destination.create_tables = true"));
        }
        session.run(format!("CREATE DATABASE IF NOT EXISTS {}", quote_name(&table.name.database))).await?;
        let statement = ddl::create_statement(table, session.server);
        session.run_raw(statement).await.map_err(super::session::ddl_refused)?;
        tracing::info!(table = %table.name, "created the table, which the log has rows for");
        actual = columns(session, &table.name).await?;
    }
    let unique = unique_keys(session, &table.name).await?;
    let cascades = cascade::has_cascades(session, &table.name).await?;
    Ok(ReadyTable { cascades, ..ready(table, &actual, &unique)? })
}

fn ready(table: &Arc<Table>, actual: &[ActualColumn], unique: &[Vec<String>]) -> Result<ReadyTable> {
    let (mut writable, mut documents) = (Vec::new(), Vec::new());
    for column in &table.columns {
        let found = actual.iter().find(|(name, ..)| name.to_lowercase() == column.name.to_lowercase());
        if found.is_none() && column.is_hidden() {
            writable.push(false);
            documents.push(false);
            continue;
        }
        let (_, extra, data_type) = found.ok_or_else(|| {
            Error::definite(format!("the table at the destination has no column {}", column.name))
                .remedy("make its columns equal to those the source's table had at this place, or drop it")
        })?;
        // `DEFAULT_GENERATED` says that the default is an expression: such a column is written.
        let computed = extra.split_whitespace().any(|word| word.eq_ignore_ascii_case("GENERATED"));
        writable.push(!computed);
        documents.push(data_type.eq_ignore_ascii_case("json"));
    }
    let key = table.key().map(<[u16]>::to_vec);
    let columns: Vec<_> = table.columns.iter().map(|column| quote_name(&column.name)).collect();
    let name = format!("{}.{}", quote_name(&table.name.database), quote_name(&table.name.table));
    let written: Vec<_> = columns
        .iter()
        .zip(&writable)
        .filter(|(_, writable)| **writable)
        .map(|(column, _)| column.as_str())
        .collect();
    let (verb, write_tail) = match &key {
        None => ("INSERT", String::new()),
        Some(key) => {
            let others = other_unique_keys(table, key, unique)?;
            // ON DUPLICATE KEY UPDATE would change the row that another unique key finds.
            if others {
                ("REPLACE", String::new())
            } else {
                let sets: Vec<_> =
                    written.iter().map(|column| format!("{column}=VALUES({column})")).collect();
                ("INSERT", format!(" ON DUPLICATE KEY UPDATE {}", sets.join(",")))
            }
        }
    };
    let write_head = format!("{verb} INTO {name} ({}) VALUES ", written.join(","));
    let table = Arc::clone(table);
    Ok(ReadyTable { table, name, columns, writable, documents, key, cascades: false, write_head, write_tail })
}

/// Whether there are unique keys beside the one that identifies a row, which has to be there.
fn other_unique_keys(table: &Table, key: &[u16], unique: &[Vec<String>]) -> Result<bool> {
    let mut wanted: Vec<_> = key
        .iter()
        .filter_map(|ordinal| table.columns.get(usize::from(*ordinal)))
        .map(|column| column.name.to_lowercase())
        .collect();
    wanted.sort_unstable();
    let same = unique.iter().filter(|names| **names == wanted).count();
    if same == 0 {
        return Err(Error::definite(format!(
            "the table at the destination has no unique key on ({})",
            wanted.join(", ")
        ))
        .remedy("add the key of the source's table: without it a row is not found and is written twice"));
    }
    Ok(unique.len() > same)
}

/// The columns of a table; empty when there is no such table.
pub(super) async fn columns(session: &mut Session, table: &TableName) -> Result<Vec<ActualColumn>> {
    let mut sql =
        b"SELECT COLUMN_NAME, EXTRA, DATA_TYPE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = "
            .to_vec();
    quoted(&mut sql, &table.database);
    sql.extend_from_slice(b" AND TABLE_NAME = ");
    quoted(&mut sql, &table.table);
    sql.extend_from_slice(b" ORDER BY ORDINAL_POSITION");
    session.rows(sql).await
}

/// The columns of each unique key, in lower case and sorted; a part that is a prefix or an expression is marked.
async fn unique_keys(session: &mut Session, table: &TableName) -> Result<Vec<Vec<String>>> {
    let mut sql = b"SELECT INDEX_NAME, COLUMN_NAME, SUB_PART FROM information_schema.STATISTICS WHERE NON_UNIQUE = 0 AND TABLE_SCHEMA = ".to_vec();
    quoted(&mut sql, &table.database);
    sql.extend_from_slice(b" AND TABLE_NAME = ");
    quoted(&mut sql, &table.table);
    sql.extend_from_slice(b" ORDER BY INDEX_NAME, SEQ_IN_INDEX");
    let parts: Vec<(String, Option<String>, Option<u64>)> = session.rows(sql).await?;
    let mut keys: Vec<(String, Vec<String>)> = Vec::new();
    for (index, column, prefix) in parts {
        let part = match (column, prefix) {
            (Some(column), None) => column.to_lowercase(),
            (column, _) => format!("({})", column.unwrap_or_default()),
        };
        match keys.last_mut() {
            Some((last, columns)) if *last == index => columns.push(part),
            _ => keys.push((index, vec![part])),
        }
    }
    Ok(keys
        .into_iter()
        .map(|(_, mut columns)| {
            columns.sort_unstable();
            columns
        })
        .collect())
}
