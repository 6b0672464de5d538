//! All definitions of the selected objects, as the server writes them itself (`SHOW CREATE …`).

use std::sync::Arc;

use slackwater_decoders::{
    mysql::{
        catalog::Catalog,
        ddl::{self, table_details},
    },
    schema::{
        TableName,
        definition::{Database, Dialect, ObjectKind, Schema, StoredObject, TableDefinition},
    },
};

use super::{
    TableFilter,
    catalog::{self, SYSTEM, qualified},
    connection::{Connection, Version},
};
use crate::error::{Error, Result};

/// The definitions of everything that `wanted` takes, or of `tables` alone (with the sequences, which defaults may name).
///
/// # Errors
/// Definite when a definition is not understood; else the server's error, or a lost connection.
pub(super) async fn read(
    connection: &mut Connection,
    wanted: &TableFilter,
    tables: Option<&[TableName]>,
) -> Result<Schema> {
    let mut catalog = catalog::without_tables(connection).await?;
    connection.query("SET SESSION sql_mode = '', SESSION sql_quote_show_create = 1").await?;
    let Version { numbers: (major, minor, patch), mariadb, .. } = *connection.version();
    let dialect =
        if mariadb { Dialect::Mariadb(major, minor, patch) } else { Dialect::Mysql(major, minor, patch) };
    let mut names = match tables {
        Some(tables) => tables.to_vec(),
        None => catalog::table_names(connection, wanted).await?,
    };
    names.sort();
    let context = catalog::context(&catalog);
    let mut schema = Schema {
        dialect,
        databases: Vec::new(),
        tables: Vec::with_capacity(names.len()),
        objects: Vec::new(),
        notes: Vec::new(),
    };
    for name in &names {
        schema.tables.extend(table(connection, &mut catalog, &context, name).await?);
    }
    // Tables may have numbers of sequences as defaults.
    objects(connection, wanted, tables.is_some(), &mut schema).await?;
    let used = schema.tables.iter().map(|table| &*table.table.name.database);
    let mut used: Vec<_> = used.chain(schema.objects.iter().map(|object| &*object.name.database)).collect();
    used.sort_unstable();
    used.dedup();
    schema.databases = databases(connection, &used).await?;
    Ok(schema)
}

async fn table(
    connection: &mut Connection,
    catalog: &mut Catalog,
    context: &ddl::Context,
    name: &TableName,
) -> Result<Option<TableDefinition>> {
    let Some(statement) = catalog::create_statement(connection, name).await? else { return Ok(None) };
    catalog::define(catalog, &statement, name)?;
    let details = table_details(&statement, &name.database, context).map_err(|error| {
        Error::definite("the table's definition is not understood")
            .on(name)
            .caused_by(error)
            .remedy("leave the table out (objects.exclude), and report its SHOW CREATE TABLE")
    })?;
    Ok(catalog.get(name).map(|table| TableDefinition { table: Arc::clone(table), details }))
}

async fn databases(connection: &mut Connection, used: &[&str]) -> Result<Vec<Database>> {
    let rows = connection
        .query(
            "SELECT SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA",
        )
        .await?;
    let database = |(name, charset, collation): (&str, &str, &str)| Database {
        name: name.to_owned(),
        charset: charset.to_owned(),
        collation: collation.to_owned(),
    };
    let rows = rows.iter().filter_map(|row| Some((row.at(0)?, row.at(1)?, row.at(2)?)));
    Ok(rows.filter(|(name, ..)| used.contains(name)).map(database).collect())
}

/// Where a kind of object is listed: the query for database, name and table, and what SHOW CREATE calls it and its statement.
struct Listing {
    kind: ObjectKind,
    query: String,
    word: &'static str,
    column: &'static str,
}

fn listings(mariadb: bool) -> Vec<Listing> {
    let listing = |kind, table: &str, columns: &str, filter: &str, word, column| Listing {
        kind,
        query: format!(
            "SELECT {columns} FROM information_schema.{table} WHERE {filter} AND {} NOT IN ({SYSTEM})",
            columns.split(',').next().unwrap_or_default()
        ),
        word,
        column,
    };
    let routine = "ROUTINE_SCHEMA, ROUTINE_NAME, NULL";
    let table = "TABLE_SCHEMA, TABLE_NAME, NULL";
    let trigger = "TRIGGER_SCHEMA, TRIGGER_NAME, EVENT_OBJECT_TABLE";
    let event = "EVENT_SCHEMA, EVENT_NAME, NULL";
    let (function, procedure) = ("ROUTINE_TYPE = 'FUNCTION'", "ROUTINE_TYPE = 'PROCEDURE'");
    let mut listings = vec![
        listing(ObjectKind::View, "VIEWS", table, "TRUE", "VIEW", "Create View"),
        listing(ObjectKind::Trigger, "TRIGGERS", trigger, "TRUE", "TRIGGER", "SQL Original Statement"),
        listing(ObjectKind::Function, "ROUTINES", routine, function, "FUNCTION", "Create Function"),
        listing(ObjectKind::Procedure, "ROUTINES", routine, procedure, "PROCEDURE", "Create Procedure"),
        listing(ObjectKind::Event, "EVENTS", event, "TRUE", "EVENT", "Create Event"),
    ];
    if mariadb {
        let sequence = "TABLE_TYPE = 'SEQUENCE'";
        listings.push(listing(ObjectKind::Sequence, "TABLES", table, sequence, "SEQUENCE", "Create Table"));
    }
    listings
}

async fn objects(
    connection: &mut Connection,
    wanted: &TableFilter,
    sequences_only: bool,
    schema: &mut Schema,
) -> Result<()> {
    let mut listings = listings(connection.version().mariadb);
    listings.retain(|listing| !sequences_only || listing.kind == ObjectKind::Sequence);
    for listing in listings {
        let rows = connection.query(&listing.query).await?;
        for row in rows.iter() {
            let (Some(database), Some(name)) = (row.at(0), row.at(1)) else { continue };
            let name = TableName::new(database, name);
            let table = row.at(2).map(|table| TableName::new(database, table));
            if wanted(table.as_ref().unwrap_or(&name)) {
                object(connection, &listing, name, table, schema).await?;
            }
        }
    }
    Ok(())
}

async fn object(
    connection: &mut Connection,
    listing: &Listing,
    name: TableName,
    table: Option<TableName>,
    schema: &mut Schema,
) -> Result<()> {
    let statement = format!("SHOW CREATE {} {}", listing.word, qualified(&name));
    let rows = match connection.try_query(&statement).await? {
        Ok(rows) => rows,
        Err(error) => {
            schema.notes.push(format!("{} {name} cannot be read: {error}", listing.word));
            return Ok(());
        }
    };
    let row = rows.first();
    // NULL stands for a program whose text the account may not see.
    let Some(text) = row.and_then(|row| row.text(listing.column)) else {
        schema
            .notes
            .push(format!("{} {name} cannot be read: the account may not see its text", listing.word));
        return Ok(());
    };
    schema.objects.push(StoredObject {
        kind: listing.kind,
        name,
        table,
        column: None,
        statement: text.to_owned(),
        sql_mode: row.and_then(|row| row.text("sql_mode")).unwrap_or_default().to_owned(),
        comment: None,
    });
    Ok(())
}
