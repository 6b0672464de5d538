//! Changes of definitions. SQLite's DDL is transactional, so it commits together with its checkpoint.
//!
//! Columns keep their order, key, unique keys and NOT NULL. Defaults and computed columns are not declared: every value comes
//! with the log. What SQLite's own ALTER TABLE cannot do is done by a new table that takes the old one's rows and place
//! (sqlite.org/lang_altertable.html, section 7).

use std::{collections::HashSet, sync::Arc};

use rusqlite::{Connection, params_from_iter, types::Value as Owned};
use slackwater_decoders::{
    event::{Ddl, SchemaChange, Truncate},
    schema::{Column, Table, TableName, UniqueKey},
};

use super::{
    convert, defaults, failed,
    tables::{Tables, columns, unique_indexes},
};
use crate::{
    changes::{AlterState, alter_state, same_names},
    destinations::renamed_in,
    error::{Error, Result},
    types::sqlite::{column_type, is_row_id},
};

/// The name of a table while it is filled.
const REBUILT: &str = "slackwater_rebuild";

/// An identifier in double quotes.
pub(super) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Does what a statement does to tables.
pub(super) fn apply(connection: &Connection, tables: &mut Tables, ddl: &Ddl<'_>) -> Result<()> {
    for change in &ddl.changes {
        apply_change(connection, tables, ddl, change).map_err(|error| error.at(&ddl.position))?;
    }
    Ok(())
}

fn apply_change(
    connection: &Connection,
    tables: &mut Tables,
    ddl: &Ddl<'_>,
    change: &SchemaChange,
) -> Result<()> {
    match change {
        SchemaChange::CreateTable { table, if_not_exists } => {
            create(connection, tables, table, *if_not_exists)
                .map_err(|error| error.on(&table.name))
        }
        SchemaChange::AlterTable { before, after, columns_from } => {
            let altered = Alteration { before, after, columns_from, time_micros: ddl.time_micros };
            altered.apply(connection, tables).map_err(|error| error.on(&before.name))
        }
        SchemaChange::RenameTable { from, to } => {
            rename(connection, tables, from, to).map_err(|error| error.on(from))
        }
        SchemaChange::RenamedIn { from, to, .. } => Err(renamed_in(from, to)),
        SchemaChange::DropTable { table } => {
            drop_table(connection, tables, table).map_err(|error| error.on(table))
        }
        SchemaChange::DropDatabase { database } => {
            for table in Tables::of_database(connection, database)? {
                drop_table(connection, tables, &table).map_err(|error| error.on(&table))?;
            }
            Ok(())
        }
        SchemaChange::RowsUnlogged { table, description } | SchemaChange::Unknown { table, description } => {
            Err(Error::definite(format!("{description}: what became of the rows is not in the log")).on(table).remedy(
                "exclude the table under [objects], or copy it anew and continue behind this statement with \
                 `slackwater positions import`",
            ))
        }
        SchemaChange::CreateDatabase { .. } => Ok(()),
        SchemaChange::Other { description, .. } => {
            tracing::debug!(what = description, position = %ddl.position, "rows are not touched: not carried to SQLite");
            Ok(())
        }
    }
}

/// Does what a TRUNCATE does, inside of the transaction.
pub(super) fn truncate(connection: &Connection, tables: &Tables, truncate: &Truncate) -> Result<()> {
    empty(connection, tables, &truncate.table)
        .map_err(|error| error.on(&truncate.table).at(&truncate.position))
}

/// Removes all rows of a table, if there is one.
pub(super) fn empty(connection: &Connection, tables: &Tables, table: &TableName) -> Result<()> {
    let name = tables.name_of(table);
    if columns(connection, &name)?.is_empty() {
        return Ok(());
    }
    run(connection, &format!("DELETE FROM {}", quote(&name)))
}

pub(super) fn run(connection: &Connection, sql: &str) -> Result<()> {
    connection.execute_batch(sql).map_err(failed)
}

/// Creates a table as the source has it, with all its unique keys.
pub(super) fn create_table(connection: &Connection, name: &str, table: &Table) -> Result<()> {
    run(connection, &create_statement(name, table))
}

/// The unique keys of a table besides the one that identifies rows, as far as SQLite can have them: those over whole columns.
fn secondary_unique_keys(table: &Table) -> impl Iterator<Item = &UniqueKey> {
    let key = table.key().unwrap_or_default();
    table.unique_keys.iter().filter(move |unique| !unique.partial && unique.columns != key)
}

/// The quoted names of columns, joined by commas.
fn column_list(table: &Table, ordinals: &[u16]) -> String {
    let columns = ordinals.iter().filter_map(|ordinal| table.columns.get(usize::from(*ordinal)));
    columns.map(|column| quote(&column.name)).collect::<Vec<_>>().join(", ")
}

/// A table with all its unique keys.
fn create_statement(name: &str, table: &Table) -> String {
    let unique: Vec<_> = secondary_unique_keys(table)
        .map(|unique| format!("UNIQUE ({})", column_list(table, &unique.columns)))
        .collect();
    create_with(name, table, &unique, |_| None)
}

/// A table with one integer as key uses SQLite's row id as that key; one with another key is stored by it; one without a key
/// has the row id to tell equal rows apart.
///
/// `constraints` come behind the columns; `chosen` tells the types that the operator chose.
pub(super) fn create_with<'c>(
    name: &str,
    table: &Table,
    constraints: &[String],
    chosen: impl Fn(&Column) -> Option<&'c str>,
) -> String {
    let key = table.key().unwrap_or_default();
    let row_id = match key {
        [ordinal] => table
            .columns
            .get(usize::from(*ordinal))
            .filter(|column| is_row_id(&column.column_type))
            .map(|_| *ordinal),
        _ => None,
    };
    let mut parts: Vec<String> = Vec::new();
    for (ordinal, column) in table.columns.iter().enumerate() {
        let mut part = quote(&column.name);
        if row_id.map(usize::from) == Some(ordinal) {
            part.push_str(" INTEGER PRIMARY KEY");
        } else {
            let declared = chosen(column).map_or_else(|| column_type(column).declaration, ToOwned::to_owned);
            part.push_str(if declared.is_empty() { "" } else { " " });
            part.push_str(&declared);
            // A computed column may be missing from the log.
            if !column.nullable && column.generated.is_none() {
                part.push_str(" NOT NULL");
            }
        }
        parts.push(part);
    }
    if row_id.is_none() && !key.is_empty() {
        parts.push(format!("PRIMARY KEY ({})", column_list(table, key)));
    }
    parts.extend_from_slice(constraints);
    let storage = if row_id.is_none() && !key.is_empty() { " WITHOUT ROWID" } else { "" };
    format!("CREATE TABLE {} (\n  {}\n){storage}", quote(name), parts.join(",\n  "))
}

/// The source's table is new. One of that name in the file is what an earlier pass over this part of the log left: it stays
/// where it has the same columns, its rows converge.
fn create(connection: &Connection, tables: &Tables, table: &Arc<Table>, if_not_exists: bool) -> Result<()> {
    let name = tables.name_of(&table.name);
    let actual = columns(connection, &name)?;
    tables.claim(connection, &table.name)?;
    if actual.is_empty() {
        return run(connection, &create_statement(&name, table));
    }
    if same_names(&actual, table) || if_not_exists {
        tracing::warn!(table = %table.name, name, "the table to be created is in the file already and is kept");
        return Ok(());
    }
    Err(Error::definite(format!("the table {name} is in the file already, with other columns"))
        .remedy("drop or rename it, or leave the source's table out"))
}

fn rename(connection: &Connection, tables: &mut Tables, from: &TableName, to: &TableName) -> Result<()> {
    let (old, new) = (tables.name_of(from), tables.name_of(to));
    if columns(connection, &old)?.is_empty() {
        tracing::warn!(from = %from, to = %to, "the table to be renamed is not in the file");
        return Ok(());
    }
    tables.release(connection, from)?;
    tables.claim(connection, to)?;
    if old == new {
        return Ok(());
    }
    run(connection, &format!("ALTER TABLE {} RENAME TO {}", quote(&old), quote(&new)))
}

fn drop_table(connection: &Connection, tables: &mut Tables, table: &TableName) -> Result<()> {
    let name = tables.name_of(table);
    // A table that never had rows was never claimed, and the name may belong to another database's table.
    if Tables::of_database(connection, &table.database)?.contains(table) {
        run(connection, &format!("DROP TABLE IF EXISTS {}", quote(&name)))?;
    }
    tables.release(connection, table)
}

/// A change of one table's definition.
struct Alteration<'a> {
    before: &'a Arc<Table>,
    after: &'a Arc<Table>,
    columns_from: &'a [Option<u16>],
    time_micros: i64,
}

impl Alteration<'_> {
    fn apply(&self, connection: &Connection, tables: &mut Tables) -> Result<()> {
        let name = tables.name_of(&self.before.name);
        let actual = columns(connection, &name)?;
        if actual.is_empty() {
            tracing::debug!(table = %self.before.name, "the table to be altered is not in the file yet");
            return Ok(());
        }
        match alter_state(&actual, self.before, self.after) {
            AlterState::Done => tracing::info!(table = %self.before.name, "the table is altered already"),
            AlterState::Pending => self.alter(connection, &name)?,
            AlterState::Other => {
                return Err(Error::definite(format!(
                    "the table {name} in the file has other columns than the source's had"
                ))
                .remedy("load the table again from the source"));
            }
        }
        tables.forget();
        if self.before.name != self.after.name {
            rename(connection, tables, &self.before.name, &self.after.name)?;
        }
        Ok(())
    }

    fn alter(&self, connection: &Connection, name: &str) -> Result<()> {
        let same = create_statement(name, self.before) == create_statement(name, self.after);
        if same && self.keeps_values() {
            return Ok(());
        }
        match self.in_place(name) {
            Some(statements) => run(connection, &statements),
            None => self.rebuild(connection, name),
        }
    }

    /// Whether each column is where it was, with the same type.
    fn keeps_values(&self) -> bool {
        self.columns_from.len() == self.before.columns.len()
            && self.columns_from.iter().zip(0..).all(|(from, ordinal)| *from == Some(ordinal))
            && self
                .before
                .columns
                .iter()
                .zip(&self.after.columns)
                .all(|(before, after)| before.column_type == after.column_type)
    }

    /// SQLite's own statements, where the change is only new names and new columns at the end that are NULL.
    fn in_place(&self, name: &str) -> Option<String> {
        let (before, after) = (&self.before.columns, &self.after.columns);
        let same_keys = self.before.key() == self.after.key()
            && self.before.unique_keys.iter().map(|key| &key.columns).eq(self
                .after
                .unique_keys
                .iter()
                .map(|key| &key.columns));
        if !same_keys || after.len() < before.len() {
            return None;
        }
        let (kept, added) = self.columns_from.split_at_checked(before.len())?;
        if !kept.iter().zip(0..).all(|(from, ordinal)| *from == Some(ordinal))
            || added.iter().any(Option::is_some)
        {
            return None;
        }
        let mut statements = String::new();
        for (old, new) in before.iter().zip(after) {
            if old.column_type != new.column_type || old.nullable != new.nullable {
                return None;
            }
            if old.name != new.name {
                // Two columns that swap their names would meet half way.
                if self.before.ordinal(&new.name).is_some() {
                    return None;
                }
                statements += &format!(
                    "ALTER TABLE {} RENAME COLUMN {} TO {};",
                    quote(name),
                    quote(&old.name),
                    quote(&new.name)
                );
            }
        }
        for column in after.iter().skip(before.len()) {
            if !column.nullable || defaults::initial_value(column, self.time_micros) != Ok(Owned::Null) {
                return None;
            }
            statements += &format!(
                "ALTER TABLE {} ADD COLUMN {} {};",
                quote(name),
                quote(&column.name),
                column_type(column).declaration
            );
        }
        Some(statements)
    }

    fn rebuild(&self, connection: &Connection, name: &str) -> Result<()> {
        let mut expressions = Vec::new();
        let mut initial = Vec::new();
        for (column, from) in self.after.columns.iter().zip(self.columns_from) {
            let Some(old) = from.and_then(|ordinal| self.before.columns.get(usize::from(ordinal))) else {
                let value = defaults::initial_value(column, self.time_micros)
                    .or_else(|what| self.if_empty(connection, name, column, what))?;
                initial.push(value);
                expressions.push(format!("?{}", initial.len()));
                continue;
            };
            let Some(conversion) = convert::conversion(old, column, &quote(&old.name)) else {
                let value = self.if_empty(
                    connection,
                    name,
                    column,
                    "its values cannot be converted exactly as the source did",
                )?;
                initial.push(value);
                expressions.push(format!("?{}", initial.len()));
                continue;
            };
            if let Some(condition) = &conversion.condition {
                self.require(connection, name, &old.name, condition)?;
            }
            expressions.push(conversion.expression);
        }
        let indexes = self.indexes(connection, name)?;
        let (old, new) = (quote(name), quote(REBUILT));
        run(connection, &format!("DROP TABLE IF EXISTS {new}"))?;
        create_table(connection, REBUILT, self.after)?;
        connection
            .execute(
                &format!("INSERT INTO {new} SELECT {} FROM {old}", expressions.join(", ")),
                params_from_iter(initial),
            )
            .map_err(failed)?;
        run(connection, &format!("DROP TABLE {old}; ALTER TABLE {new} RENAME TO {old}"))?;
        for index in indexes {
            if let Err(error) = run(connection, &index) {
                tracing::warn!(table = %self.after.name, %error, "an index of the file does not fit the altered table and is gone");
            }
        }
        Ok(())
    }

    /// An empty table can be altered whatever its values would become.
    fn if_empty(&self, connection: &Connection, name: &str, column: &Column, what: &str) -> Result<Owned> {
        let rows: bool = connection
            .query_row(&format!("SELECT EXISTS (SELECT 1 FROM {})", quote(name)), [], |row| row.get(0))
            .map_err(failed)?;
        if !rows {
            return Ok(Owned::Null);
        }
        Err(Error::definite(format!("the column {} cannot be altered: {what}", column.name))
            .on(&self.before.name)
            .remedy("the log does not hold the new values: load the table again from the source"))
    }

    fn require(&self, connection: &Connection, name: &str, column: &str, condition: &str) -> Result<()> {
        let sql = format!(
            "SELECT EXISTS (SELECT 1 FROM {} WHERE {} IS NOT NULL AND NOT ({condition}))",
            quote(name),
            quote(column)
        );
        let refused: bool = connection.query_row(&sql, [], |row| row.get(0)).map_err(failed)?;
        if !refused {
            return Ok(());
        }
        Err(Error::definite(format!(
            "the column {column} has values that do not convert exactly to its new type"
        ))
        .on(&self.before.name)
        .remedy("the log does not hold the new values: load the table again from the source"))
    }

    /// The statements of the indexes and triggers on the table in the file, without those of the source's unique keys: the
    /// altered table is created with the keys that it has now.
    fn indexes(&self, connection: &Connection, name: &str) -> Result<Vec<String>> {
        let of_source = indexes_of_source(connection, name, self.before)?;
        let all: Vec<(String, String)> = connection
            .prepare("SELECT name, sql FROM sqlite_master WHERE tbl_name = ?1 COLLATE NOCASE AND type IN ('index', 'trigger') AND sql IS NOT NULL")
            .and_then(|mut statement| {
                statement.query_map([name], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
            })
            .map_err(failed)?;
        Ok(all.into_iter().filter(|(name, _)| !of_source.contains(name)).map(|(_, sql)| sql).collect())
    }
}

/// The names of the indexes in the file that are unique keys of the source's table. Column names compare without regard to case.
fn indexes_of_source(connection: &Connection, name: &str, table: &Table) -> Result<HashSet<String>> {
    let lower = |ordinal: &u16| Some(table.columns.get(usize::from(*ordinal))?.name.to_lowercase());
    let keys: Vec<Vec<String>> =
        secondary_unique_keys(table).map(|key| key.columns.iter().filter_map(lower).collect()).collect();
    let of_source = unique_indexes(connection, name)?.into_iter().filter(|index| {
        let columns: Vec<String> = index.columns.iter().map(|column| column.to_lowercase()).collect();
        keys.contains(&columns)
    });
    Ok(of_source.map(|index| index.name).collect())
}
