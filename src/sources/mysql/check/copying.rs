//! What a task needs that begins with a copy of the tables.

use std::collections::BTreeSet;

use slackwater_decoders::{
    mysql::catalog::Catalog,
    schema::{Table, TableName},
};

use super::{
    super::{catalog::SYSTEM, connection::Connection, questions, snapshot},
    Settings,
    objects::listed,
    privileges, programs,
};
use crate::{
    error::Result,
    mapping::{
        Selection,
        mysql_grants::{Grants, Scope},
    },
    sources::Finding,
};

/// Bytes of tables that a copy carries in a second, as estimated for the time that the log has to be kept: less than what was measured with
/// one worker, since destinations differ.
const COPIED_PER_SECOND: u64 = 10 << 20;

/// All items. `tables` are those that are carried.
pub(super) async fn findings(
    connection: &mut Connection,
    selection: &Selection,
    settings: &Settings,
    tables: &Catalog,
) -> Vec<Finding> {
    let rights = privileges(connection, selection, tables).await;
    let retention = retention(connection, settings, tables).await;
    let objects = objects(connection, selection).await;
    vec![
        rights.unwrap_or_else(|error| Finding::unanswered("mysql.copy_privileges", &error)),
        objects.unwrap_or_else(|error| Finding::unanswered("mysql.copy_objects", &error)),
        row_image(settings, tables),
        partial_json(settings),
        retention.unwrap_or_else(|error| Finding::unanswered("mysql.copy_retention", &error)),
    ]
}

async fn objects(connection: &mut Connection, selection: &Selection) -> Result<Finding> {
    let account = privileges::account(connection).await?;
    let grants = privileges::grants(connection).await?;
    Ok(programs::visible(&grants, selection, connection.version(), &account))
}

/// SELECT on everything, and LOCK TABLES where a copy starts under a lock.
async fn privileges(connection: &mut Connection, selection: &Selection, tables: &Catalog) -> Result<Finding> {
    let code = "mysql.copy_privileges";
    let account = privileges::account(connection).await?;
    let grants = privileges::grants(connection).await?;
    let locked = locked(connection, tables).await?;
    let mut needed = BTreeSet::new();
    for pattern in selection.patterns() {
        let scope = Scope::of(pattern);
        if !grants.allow("SELECT", &scope) {
            needed.insert(format!("GRANT SELECT ON {} TO {account};", scope.sql()));
        }
    }
    let may_not_lock = |table: &&TableName| !may_lock(&grants, table);
    let missing: Vec<String> = locked.iter().filter(may_not_lock).map(ToString::to_string).collect();
    for table in locked.iter().filter(may_not_lock) {
        let scope = Scope::database(&table.database);
        needed.insert(format!("GRANT LOCK TABLES ON {} TO {account};", scope.sql()));
    }
    if needed.is_empty() {
        return Ok(Finding::ok(code, "the account may read all that is copied"));
    }
    let found = if missing.is_empty() {
        "the account has no SELECT on all that is copied".to_owned()
    } else {
        format!(
            "the account may not read or not lock all that is copied. These tables are locked against changes for the moment in \
             which their copy starts: {}",
            listed(&missing)
        )
    };
    Ok(Finding::error(code, found, needed.into_iter().collect::<Vec<_>>().join("\n")))
}

fn may_lock(grants: &Grants, table: &TableName) -> bool {
    grants.allow("LOCK TABLES", &Scope::database(&table.database))
}

/// The tables whose copy starts under a lock (see `snapshot::start`).
async fn locked(connection: &mut Connection, tables: &Catalog) -> Result<Vec<TableName>> {
    let mariadb = connection.version().mariadb;
    let all = !mariadb && !questions::has_gtid_mode(connection).await?;
    let rows = connection
        .query(&format!(
            "SELECT t.TABLE_SCHEMA, t.TABLE_NAME FROM information_schema.TABLES t \
             JOIN information_schema.ENGINES e ON e.ENGINE = t.ENGINE \
             WHERE e.TRANSACTIONS = 'YES' AND t.TABLE_SCHEMA NOT IN ({SYSTEM})"
        ))
        .await?;
    let transactional: BTreeSet<TableName> =
        rows.iter().filter_map(|row| Some(TableName::new(row.at(0)?, row.at(1)?))).collect();
    let is_locked = |table: &&std::sync::Arc<Table>| {
        all || table.key().is_none() && !(mariadb && transactional.contains(&table.name))
    };
    Ok(tables.iter().filter(is_locked).map(|table| table.name.clone()).collect())
}

/// While the log catches up with the copy, a change meets rows that are older or newer than it was made on.
fn row_image(settings: &Settings, tables: &Catalog) -> Finding {
    let code = "mysql.copy_row_image";
    if has_full_images(settings) {
        return Finding::ok(code, "changes hold whole rows, which bring the copied ones to their state");
    }
    let is_unique = |table: &&std::sync::Arc<Table>| {
        let key = table.key().unwrap_or_default();
        table.unique_keys.iter().any(|unique| unique.columns != key)
    };
    let with_unique: Vec<String> =
        tables.iter().filter(is_unique).map(|table| table.name.to_string()).collect();
    if with_unique.is_empty() {
        return Finding::ok(
            code,
            "changes hold only some columns; no table has a unique key beside the one that identifies its rows",
        );
    }
    Finding::warning(
        code,
        format!(
            "changes hold only some columns: until the log has caught up with the copy, a row that takes a value of a unique key from \
             another one may displace it, and what the log leaves out of it cannot be completed: {}",
            listed(&with_unique)
        ),
        settings.set("binlog_row_image", "'FULL'"),
    )
}

/// A difference can be applied to the document that it was made on alone, unless the log has that as well.
fn partial_json(settings: &Settings) -> Finding {
    let code = "mysql.copy_partial_json";
    let is_partial =
        settings.get("binlog_row_value_options").is_some_and(|options| options.contains("PARTIAL_JSON"));
    if !is_partial || has_full_images(settings) {
        return Finding::ok(code, "changes of JSON documents can be told whatever state of them was copied");
    }
    Finding::error(
        code,
        "PARTIAL_JSON is on and binlog_row_image is not FULL: the log has only the differences of a document, and the copy may hold a \
         later one than they were made on",
        settings.set("binlog_row_image", "'FULL'"),
    )
}

fn has_full_images(settings: &Settings) -> bool {
    matches!(settings.get("binlog_row_image"), None | Some("FULL" | "FULL_NODUP"))
}

/// The log is needed from the start of the copy on until the copy is done.
async fn retention(connection: &mut Connection, settings: &Settings, tables: &Catalog) -> Result<Finding> {
    let code = "mysql.copy_retention";
    let estimates = snapshot::estimates(connection).await?;
    let carried = estimates.iter().filter(|estimate| tables.get(&estimate.table).is_some());
    let bytes: u64 = carried.map(|estimate| estimate.bytes).sum();
    let needed = bytes / COPIED_PER_SECOND;
    let mib = bytes >> 20;
    match settings.kept_seconds() {
        Some(kept) if kept < needed => Ok(Finding::warning(
            code,
            format!(
                "about {mib} MiB of tables are copied, which may take {} minutes, and binlog files are kept for {} minutes: the \
                 log's start may be gone before the copy is done",
                needed / 60,
                kept / 60
            ),
            settings.keep_for((needed * 3).max(7 * 86_400)),
        )),
        _ => Ok(Finding::ok(
            code,
            format!("about {mib} MiB of tables are copied; the log is kept for longer than that takes"),
        )),
    }
}
