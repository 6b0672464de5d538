//! The tables that are carried.

use std::collections::BTreeMap;

use slackwater_decoders::{mysql::catalog::Catalog, schema::TableName};

use super::super::{catalog, connection::Connection, questions};
use crate::{error::Result, mapping::Selection, sources::Finding};

/// Names that are listed before the rest is counted.
const LISTED: usize = 20;

/// The items on tables. Read are their definitions, as at the start of a task.
pub(super) async fn findings(connection: &mut Connection, selection: &Selection) -> Vec<Finding> {
    let wanted = selection.clone();
    let filter: super::super::TableFilter =
        std::sync::Arc::new(move |table: &TableName| wanted.includes(table));
    let tables = match catalog::read(connection, &filter).await {
        Ok(tables) => tables,
        Err(error) => return vec![Finding::unanswered("mysql.definitions", &error)],
    };
    let understood = format!("the definitions of {} tables are understood", tables.len());
    let mut findings =
        vec![Finding::ok("mysql.definitions", understood), exist(&tables, selection), keys(&tables)];
    let cascades = cascades(connection, selection).await;
    findings.push(cascades.unwrap_or_else(|error| Finding::unanswered("mysql.cascades", &error)));
    findings
}

fn exist(tables: &Catalog, selection: &Selection) -> Finding {
    let code = "mysql.objects";
    let matched = |pattern: &&crate::mapping::Pattern| {
        !tables.iter().any(|table| pattern.matches(&table.name.database, &table.name.table))
    };
    let without: Vec<String> = selection
        .patterns()
        .iter()
        .filter(matched)
        .map(|pattern| format!("{}.{}", pattern.database(), pattern.table()))
        .collect();
    if without.is_empty() {
        return Finding::ok(code, format!("{} tables are carried", tables.len()));
    }
    Finding::warning(
        code,
        format!("no table that the account can see is matched by {}", listed(&without)),
        "correct objects.include, or create the tables; they are carried from their CREATE on",
    )
}

fn keys(tables: &Catalog) -> Finding {
    let code = "mysql.keys";
    let without: Vec<String> =
        tables.iter().filter(|table| table.key().is_none()).map(|table| table.name.to_string()).collect();
    if without.is_empty() {
        return Finding::ok(code, "every table has a primary key, or a unique one without NULL");
    }
    let repair: Vec<String> = tables
        .iter()
        .filter(|table| table.key().is_none())
        .map(|table| {
            let name = table_sql(&table.name.database, &table.name.table);
            let free = (0..).map(|n| if n == 0 { "id".to_owned() } else { format!("id{n}") });
            let taken = |name: &String| table.columns.iter().any(|column| column.name.eq_ignore_ascii_case(name));
            let column = free.into_iter().find(|name| !taken(name)).unwrap_or_default();
            format!("ALTER TABLE {name} ADD COLUMN `{column}` BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY;")
        })
        .collect();
    Finding::warning(
        code,
        format!(
            "no primary key and no unique key without NULL: {}. Every change of a row there looks for it by all columns",
            listed(&without)
        ),
        repair.join("\n"),
    )
}

/// Foreign keys that change other rows: InnoDB does it below the log.
struct Cascade {
    table: (String, String),
    referenced: (String, String),
    columns: Vec<(String, String)>,
}

async fn cascades(connection: &mut Connection, selection: &Selection) -> Result<Finding> {
    let code = "mysql.cascades";
    // MySQL 9.6 took foreign keys out of InnoDB: what they change is logged like any other change.
    let native = questions::variable(connection, "innodb_native_foreign_keys").await?;
    if connection.version().is_mysql(9, 6, 0) && native.as_deref() == Some("OFF") {
        return Ok(Finding::ok(code, "what foreign keys change is in the log"));
    }
    let rows = connection
        .query(
            "SELECT r.CONSTRAINT_SCHEMA, r.CONSTRAINT_NAME, r.TABLE_NAME, k.REFERENCED_TABLE_SCHEMA, k.REFERENCED_TABLE_NAME, \
                    k.COLUMN_NAME, k.REFERENCED_COLUMN_NAME \
             FROM information_schema.REFERENTIAL_CONSTRAINTS r JOIN information_schema.KEY_COLUMN_USAGE k \
               ON k.CONSTRAINT_SCHEMA = r.CONSTRAINT_SCHEMA AND k.CONSTRAINT_NAME = r.CONSTRAINT_NAME \
                  AND k.TABLE_NAME = r.TABLE_NAME \
             WHERE r.DELETE_RULE IN ('CASCADE', 'SET NULL') OR r.UPDATE_RULE IN ('CASCADE', 'SET NULL') \
             ORDER BY r.CONSTRAINT_SCHEMA, r.TABLE_NAME, r.CONSTRAINT_NAME, k.ORDINAL_POSITION",
        )
        .await?;
    let mut cascades: BTreeMap<(String, String), Cascade> = BTreeMap::new();
    for row in rows.iter() {
        let text = |place: usize| row.at(place).unwrap_or_default().to_owned();
        let cascade = cascades.entry((text(0), text(1))).or_insert_with(|| Cascade {
            table: (text(0), text(2)),
            referenced: (text(3), text(4)),
            columns: Vec::new(),
        });
        cascade.columns.push((text(5), text(6)));
    }
    cascades.retain(|_, cascade| {
        selection.includes(&TableName::new(cascade.table.0.as_str(), cascade.table.1.as_str()))
    });
    if cascades.is_empty() {
        return Ok(Finding::ok(code, "no foreign key changes rows of a table that is carried"));
    }
    let names: Vec<String> = cascades
        .iter()
        .map(|((_, name), found)| format!("{name} of {}.{}", found.table.0, found.table.1))
        .collect();
    let repair: Vec<String> =
        cascades.iter().map(|((_, name), cascade)| without_cascade(name, cascade)).collect();
    let found = format!(
        "foreign keys with CASCADE or SET NULL change rows below the log, which the destination would not see: {}",
        listed(&names)
    );
    let note = "-- the application then changes the dependent rows itself";
    Ok(Finding::error(code, found, format!("{note}\n{}", repair.join("\n"))))
}

fn without_cascade(name: &str, cascade: &Cascade) -> String {
    let list =
        |names: Vec<&String>| names.into_iter().map(|name| identifier(name)).collect::<Vec<_>>().join(", ");
    let table = table_sql(&cascade.table.0, &cascade.table.1);
    format!(
        "ALTER TABLE {table} DROP FOREIGN KEY {name};\n\
         ALTER TABLE {table} ADD CONSTRAINT {name} FOREIGN KEY ({}) REFERENCES {} ({});",
        list(cascade.columns.iter().map(|(column, _)| column).collect()),
        table_sql(&cascade.referenced.0, &cascade.referenced.1),
        list(cascade.columns.iter().map(|(_, referenced)| referenced).collect()),
        name = identifier(name),
    )
}

fn identifier(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

fn table_sql(database: &str, table: &str) -> String {
    format!("{}.{}", identifier(database), identifier(table))
}

/// Some names, and how many more there are.
fn listed(names: &[String]) -> String {
    let first = names.iter().take(LISTED).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(LISTED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}
