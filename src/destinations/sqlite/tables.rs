//! The tables of the file: which source table each one holds, and the statements that write to it.

use std::{collections::HashMap, sync::Arc};

use rusqlite::{Connection, OptionalExtension};
use slackwater_decoders::{
    position::LogPosition,
    schema::{Table, TableName},
};

use super::{ddl, failed};
use crate::{
    changes::same_names,
    config::destination::SqliteDestination,
    error::{Error, Result},
};

/// The table in the file that says which source table each table holds.
pub(super) const REGISTRY: &str = "slackwater_table";

/// What is known of the file's tables. To be thrown away when a transaction is rolled back.
pub(super) struct Tables {
    pattern: String,
    create: bool,
    ready: HashMap<TableName, ReadyTable>,
}

/// A table that exists and fits, with its statements.
pub(super) struct ReadyTable {
    /// The definition that the statements were made for.
    pub(super) table: Arc<Table>,
    /// The quoted name in the file.
    pub(super) name: String,
    /// The quoted names of the columns.
    pub(super) columns: Vec<String>,
    /// [`Table::key`].
    pub(super) key: Option<Vec<u16>>,
    /// Whether the table in the file has no unique key besides that one.
    pub(super) sole_key: bool,
    /// Adds a row; the parameters are the columns.
    pub(super) insert: String,
    /// Writes a whole row in place of one with its key, if there is a key; the parameters are the columns.
    pub(super) write: String,
    /// Removes a row: by key (the parameters are the key's columns), or exactly one equal row (all columns).
    pub(super) delete: String,
    /// The condition for the row with a key, or the one equal row, with parameters from 1.
    pub(super) condition: String,
}

impl Tables {
    pub(super) fn new(config: &SqliteDestination) -> Self {
        Tables { pattern: config.name.clone(), create: config.create_tables, ready: HashMap::new() }
    }

    /// Creates the registry if it is not there.
    pub(super) fn prepare(connection: &Connection) -> Result<()> {
        connection
            .execute_batch(
                "CREATE TABLE IF NOT EXISTS slackwater_table (
                     name TEXT PRIMARY KEY COLLATE NOCASE, source_database TEXT NOT NULL, source_table TEXT NOT NULL,
                     UNIQUE (source_database, source_table)) WITHOUT ROWID",
            )
            .map_err(|error| failed(error).on(REGISTRY))
    }

    /// Forgets what was read of the file.
    pub(super) fn forget(&mut self) {
        self.ready.clear();
    }

    /// The table for rows of `table`, created or checked when it is seen for the first time.
    pub(super) fn ready(
        &mut self,
        connection: &Connection,
        table: &Arc<Table>,
        at: &LogPosition,
    ) -> Result<&ReadyTable> {
        let fits = self
            .ready
            .get(&table.name)
            .is_some_and(|ready| Arc::ptr_eq(&ready.table, table) || *ready.table == **table);
        if !fits {
            let ready = self.open(connection, table).map_err(|error| error.on(&table.name).at(at))?;
            self.ready.insert(table.name.clone(), ready);
        }
        self.ready
            .get(&table.name)
            .ok_or_else(|| Error::definite("the table is not ready").on(&table.name).at(at))
    }

    fn open(&self, connection: &Connection, table: &Arc<Table>) -> Result<ReadyTable> {
        let name = self.name_of(&table.name);
        let actual = columns(connection, &name)?;
        if !actual.is_empty() {
            verify(connection, &name, &actual, table)?;
            self.claim(connection, &table.name)?;
        } else if self.create {
            self.claim(connection, &table.name)?;
            ddl::create_table(connection, &name, table)?;
            tracing::info!(table = %table.name, name, "created the table, which the log has rows for");
        } else {
            return Err(Error::definite("the table does not exist in the file")
                .remedy("create it, or set destination.create_tables = true"));
        }
        let sole_key = unique_keys(connection, &name)?.len() <= 1;
        Ok(ReadyTable::new(&name, table, sole_key))
    }

    /// What the pattern makes of a source table's name.
    pub(super) fn name_of(&self, table: &TableName) -> String {
        // The database first: a table may be named `{database}`, a database may not stand in the place of a table.
        let (before, after) = self.pattern.split_once("{table}").unwrap_or(("", ""));
        let fill = |part: &str| part.replace("{database}", &table.database);
        format!("{}{}{}", fill(before), table.table, fill(after))
    }

    /// Says that the name belongs to this source table.
    ///
    /// # Errors
    /// A definite one when it belongs to another: two tables would be mixed.
    pub(super) fn claim(&self, connection: &Connection, table: &TableName) -> Result<()> {
        let name = self.name_of(table);
        if name.to_ascii_lowercase().starts_with("slackwater_")
            || name.to_ascii_lowercase().starts_with("sqlite_")
        {
            return Err(Error::definite(format!("the name {name} is reserved in the file"))
                .remedy("set destination.name to a pattern such as \"{database}_{table}\""));
        }
        let owner = connection
            .query_row(
                "SELECT source_database, source_table FROM slackwater_table WHERE name = ?1",
                [&name],
                |row| Ok(TableName::new(row.get::<_, String>(0)?, row.get::<_, String>(1)?)),
            )
            .optional()
            .map_err(|error| failed(error).on(REGISTRY))?;
        match owner {
            Some(owner) if owner == *table => Ok(()),
            Some(owner) => Err(Error::definite(format!(
                "the tables {owner} and {table} would both be {name} in the file"
            ))
            .remedy("set destination.name = \"{database}_{table}\", or leave one of the tables out")),
            None => {
                connection
                    .execute(
                        "INSERT INTO slackwater_table VALUES (?1, ?2, ?3)",
                        (&name, &*table.database, &*table.table),
                    )
                    .map_err(|error| failed(error).on(REGISTRY))?;
                Ok(())
            }
        }
    }

    /// Gives a table's name back.
    pub(super) fn release(&mut self, connection: &Connection, table: &TableName) -> Result<()> {
        self.ready.remove(table);
        connection
            .execute(
                "DELETE FROM slackwater_table WHERE source_database = ?1 AND source_table = ?2",
                (&*table.database, &*table.table),
            )
            .map_err(|error| failed(error).on(REGISTRY))?;
        Ok(())
    }

    /// The tables that came from a database.
    pub(super) fn of_database(connection: &Connection, database: &str) -> Result<Vec<TableName>> {
        connection
            .prepare("SELECT source_table FROM slackwater_table WHERE source_database = ?1 ORDER BY name")
            .and_then(|mut statement| {
                let names = statement.query_map([database], |row| row.get::<_, String>(0))?;
                names.map(|name| Ok(TableName::new(database, name?))).collect()
            })
            .map_err(|error| failed(error).on(REGISTRY))
    }
}

impl ReadyTable {
    fn new(name: &str, table: &Arc<Table>, sole_key: bool) -> Self {
        let key = table.key().map(<[u16]>::to_vec);
        let columns: Vec<_> = table.columns.iter().map(|column| ddl::quote(&column.name)).collect();
        let name = ddl::quote(name);
        let places: Vec<_> = (1..=columns.len()).map(|place| format!("?{place}")).collect();
        let row = format!("INTO {name} ({}) VALUES ({})", columns.join(", "), places.join(", "));
        let insert = format!("INSERT {row}");
        let write = if key.is_some() { format!("INSERT OR REPLACE {row}") } else { insert.clone() };
        let condition = match &key {
            Some(key) => key_condition(&columns, key),
            None => equal_row(&name, table, &columns),
        };
        let delete = format!("DELETE FROM {name} WHERE {condition}");
        let table = Arc::clone(table);
        ReadyTable { table, name, columns, key, sole_key, insert, write, delete, condition }
    }
}

fn key_condition(columns: &[String], key: &[u16]) -> String {
    let parts: Vec<_> = key
        .iter()
        .filter_map(|ordinal| columns.get(usize::from(*ordinal)))
        .enumerate()
        .map(|(place, column)| format!("{column} = ?{}", place + 1))
        .collect();
    parts.join(" AND ")
}

/// The first of the rows that equal the parameters. `IS` compares NULL as a value; text and bytes compare by their bytes.
/// (Of two rows that differ in the sign of a zero alone the first is taken: SQL does not tell 0.0 and −0.0 apart.)
/// Computed columns say nothing that the others do not, and the log may lack them.
fn equal_row(name: &str, table: &Table, columns: &[String]) -> String {
    let names = ["rowid", "_rowid_", "oid"];
    let row_id = names.into_iter().find(|name| table.ordinal(name).is_none()).unwrap_or("rowid");
    let stored = table
        .columns
        .iter()
        .zip(columns)
        .enumerate()
        .filter(|(_, (definition, _))| definition.generated.is_none());
    let parts: Vec<_> = stored.map(|(place, (_, column))| format!("{column} IS ?{}", place + 1)).collect();
    let all = if parts.is_empty() { "1".to_owned() } else { parts.join(" AND ") };
    format!("{row_id} = (SELECT {row_id} FROM {name} WHERE {all} LIMIT 1)")
}

/// The names of a table's columns; empty when there is no such table.
pub(super) fn columns(connection: &Connection, name: &str) -> Result<Vec<String>> {
    connection
        .prepare_cached("SELECT name FROM pragma_table_info(?1) ORDER BY cid")
        .and_then(|mut statement| statement.query_map([name], |row| row.get(0))?.collect())
        .map_err(failed)
}

/// A table that is already there has to have the columns and, so that a row is found by its key and written once, the key.
fn verify(connection: &Connection, name: &str, actual: &[String], table: &Table) -> Result<()> {
    if !same_names(actual, table) {
        return Err(Error::definite(format!(
            "the table {name} in the file has other columns than the source's had at this place"
        ))
        .remedy("drop the table in the file, or start from a position at which the columns are the same"));
    }
    let Some(key) = table.key() else { return Ok(()) };
    let mut wanted: Vec<_> = key
        .iter()
        .filter_map(|ordinal| table.columns.get(usize::from(*ordinal)))
        .map(|column| column.name.to_lowercase())
        .collect();
    wanted.sort_unstable();
    let matches = |keys: Vec<Vec<String>>| {
        keys.into_iter().any(|mut names| {
            names.iter_mut().for_each(|name| *name = name.to_lowercase());
            names.sort_unstable();
            names == wanted
        })
    };
    if matches(unique_keys(connection, name)?) {
        return Ok(());
    }
    Err(Error::definite(format!("the table {name} in the file has no unique key on ({})", wanted.join(", ")))
        .remedy("add the key of the source's table, or drop the table so that it is created with it"))
}

/// The columns of the primary key and of each unique index over whole columns. (A row id as key is in no index, another primary
/// key is in one.)
fn unique_keys(connection: &Connection, name: &str) -> Result<Vec<Vec<String>>> {
    let primary: Vec<String> = connection
        .prepare("SELECT name FROM pragma_table_info(?1) WHERE pk > 0 ORDER BY pk")
        .and_then(|mut statement| statement.query_map([name], |row| row.get(0))?.collect())
        .map_err(failed)?;
    let indexes = unique_indexes(connection, name)?.into_iter().map(|index| index.columns);
    let mut keys: Vec<_> = indexes.filter(|columns| *columns != primary).collect();
    if !primary.is_empty() {
        keys.push(primary);
    }
    Ok(keys)
}

/// A unique index in the file.
pub(super) struct UniqueIndex {
    /// Its name.
    pub(super) name: String,
    /// The names of its columns in their order; empty for an expression.
    pub(super) columns: Vec<String>,
}

/// The unique indexes of a table, without those over a part of its rows.
pub(super) fn unique_indexes(connection: &Connection, table: &str) -> Result<Vec<UniqueIndex>> {
    let names = |sql: &str, object: &str| -> rusqlite::Result<Vec<String>> {
        connection.prepare(sql)?.query_map([object], |row| row.get(0))?.collect()
    };
    let read = || -> rusqlite::Result<Vec<UniqueIndex>> {
        names("SELECT name FROM pragma_index_list(?1) WHERE \"unique\" AND NOT partial", table)?
            .into_iter()
            .map(|name| {
                let columns =
                    names("SELECT coalesce(name, '') FROM pragma_index_info(?1) ORDER BY seqno", &name)?;
                Ok(UniqueIndex { name, columns })
            })
            .collect()
    };
    read().map_err(failed)
}
