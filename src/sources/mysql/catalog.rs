//! The definitions of tables, as the server has them now.
//!
//! They are read as the server's own CREATE TABLE statements: the same parser and the same rules then serve for what a task
//! starts with and for what the log changes later.

use slackwater_decoders::{
    mysql::{
        catalog::{Catalog, Collation, NameCase, Settings},
        ddl,
    },
    schema::{Column, ColumnType, Table, TableName},
};

use super::{
    TableFilter,
    connection::{Connection, Version},
    questions::variable,
};
use crate::error::{Error, Result};

/// The server's own databases: never carried.
pub(super) const SYSTEM: &str = "'mysql', 'information_schema', 'performance_schema', 'sys'";
/// ER_NO_SUCH_TABLE, ER_BAD_DB_ERROR: dropped since the list was read.
const GONE: [u16; 2] = [1146, 1049];

/// A catalog with the server's settings and the defaults of its databases, without tables.
///
/// # Errors
/// The server's error, or a lost connection.
pub(super) async fn without_tables(connection: &mut Connection) -> Result<Catalog> {
    let name_case = variable(connection, "lower_case_table_names").await?;
    let name_case =
        name_case.and_then(|value| NameCase::from_variable(value.parse().ok()?)).unwrap_or_default();
    let Version { numbers: (major, minor, patch), mariadb, .. } = *connection.version();
    let version = u32::from(major) * 10_000 + u32::from(minor) * 100 + u32::from(patch);
    let mut catalog = Catalog::new(Settings { name_case, mariadb, version });
    let schemata = connection
        .query(
            "SELECT SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA",
        )
        .await?;
    for row in schemata.iter() {
        if let (Some(database), Some(charset), Some(name)) = (row.at(0), row.at(1), row.at(2)) {
            catalog.set_database(database, Collation { charset: charset.to_owned(), name: name.to_owned() });
        }
    }
    Ok(catalog)
}

/// The catalog with the definitions of the tables that `wanted` takes.
///
/// # Errors
/// Definite when a definition is not understood; else the server's error, or a lost connection.
pub(super) async fn read(connection: &mut Connection, wanted: &TableFilter) -> Result<Catalog> {
    let mut catalog = without_tables(connection).await?;
    connection.query("SET SESSION sql_mode = '', SESSION sql_quote_show_create = 1").await?;
    for name in table_names(connection, wanted).await? {
        if let Some(statement) = create_statement(connection, &name).await? {
            define(&mut catalog, &statement, &name)?;
        }
    }
    Ok(catalog)
}

/// How the server's own statements are to be read, under the empty SQL mode.
pub(super) fn context(catalog: &Catalog) -> ddl::Context {
    let Settings { mariadb, version, .. } = catalog.settings();
    ddl::Context { mariadb, version, ..ddl::Context::default() }
}

/// The names of the tables that `wanted` takes.
///
/// # Errors
/// The server's error, or a lost connection.
pub(super) async fn table_names(connection: &mut Connection, wanted: &TableFilter) -> Result<Vec<TableName>> {
    let tables = connection
        .query(&format!(
            "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES \
             WHERE TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') AND TABLE_SCHEMA NOT IN ({SYSTEM})"
        ))
        .await?;
    let names = tables.iter().filter_map(|row| Some(TableName::new(row.at(0)?, row.at(1)?)));
    Ok(names.filter(|name| wanted(name)).collect())
}

/// The ENUM and SET columns with members whose names are [doubtful](has_doubtful_members).
fn doubtful_members(table: &Table) -> Vec<String> {
    let doubtful = table.columns.iter().filter(|column| has_doubtful_members(column));
    doubtful.map(|column| column.name.clone()).collect()
}

/// Whether an ENUM or SET column has a `?` in a member's name that may stand for another character: servers show definitions in
/// `utf8mb3`, whatever the session's character set is.
pub(super) fn has_doubtful_members(column: &Column) -> bool {
    let is_wide =
        matches!(column.charset.as_deref(), Some("utf8mb4" | "utf16" | "utf16le" | "utf32" | "gb18030"));
    let (ColumnType::Enum(members) | ColumnType::Set(members)) = &column.column_type else { return false };
    is_wide && members.iter().any(|member| member.contains('?'))
}

/// The server's CREATE TABLE of a table; `None`: the table is gone.
///
/// # Errors
/// The server's error, or a lost connection.
pub(super) async fn create_statement(
    connection: &mut Connection,
    name: &TableName,
) -> Result<Option<String>> {
    let statement = format!("SHOW CREATE TABLE {}", qualified(name));
    match connection.try_query(&statement).await? {
        Ok(rows) => Ok(rows.first().and_then(|row| row.at(1)).map(str::to_owned)),
        Err(error) if GONE.contains(&error.code) => Ok(None),
        Err(error) => Err(Error::from(error).on(name)),
    }
}

/// A name as a statement has it.
pub(super) fn identifier(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A table's name as a statement has it.
pub(super) fn qualified(name: &TableName) -> String {
    format!("{}.{}", identifier(&name.database), identifier(&name.table))
}

/// Puts the definition that a CREATE TABLE of the server makes into the catalog.
///
/// # Errors
/// Definite when it is not understood.
pub(super) fn define(catalog: &mut Catalog, statement: &str, name: &TableName) -> Result<()> {
    let not_understood = |cause: Box<dyn std::error::Error + Send + Sync>| {
        Error::definite("the table's definition is not understood")
            .on(name)
            .caused_by(cause)
            .remedy("leave the table out (objects.exclude), and report its SHOW CREATE TABLE")
    };
    let parsed = ddl::parse(statement, &context(catalog)).map_err(|error| not_understood(error.into()))?;
    catalog.apply(&parsed, &name.database, None).map_err(|error| not_understood(error.into()))?;
    catalog.get(name).map_or_else(Vec::new, |table| doubtful_members(table)).iter().for_each(|column| {
        tracing::warn!(
            table = %name, column,
            "the server shows characters beyond U+FFFF as `?`: if a member's name has one, set binlog_row_metadata = FULL"
        );
    });
    Ok(())
}
