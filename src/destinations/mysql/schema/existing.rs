//! What the destination has already of the objects of a plan.

use std::collections::{HashMap, HashSet};

use mysql_async::prelude::FromRow;
use slackwater_decoders::{
    mysql::ddl::{Context, table_details},
    schema::{
        TableName,
        definition::{ObjectKind, StoredObject, TableDetails},
    },
};

use super::{super::session::Session, qualified};
use crate::{
    error::{Error, Result},
    types::mysql::quote_text,
};

/// Tables and objects that are asked for by their names.
const FEW: usize = 1_000;

/// What is there.
#[derive(Debug, Default)]
pub(super) struct Existing {
    /// Whether names of databases and tables are in lower case (`lower_case_table_names`).
    pub(super) lower_case: bool,
    databases: HashSet<String>,
    tables: HashMap<TableName, TableDetails>,
    objects: HashSet<(ObjectKind, TableName)>,
}

impl Existing {
    /// Reads what there is in `databases`, and the definitions of `tables` as far as they are there.
    pub(super) async fn read(
        session: &mut Session,
        databases: &HashSet<String>,
        tables: &[&TableName],
        objects: &[StoredObject],
    ) -> Result<Self> {
        let case: Option<u8> = session.first("SELECT @@GLOBAL.lower_case_table_names").await?;
        let mut existing = Existing { lower_case: case != Some(0), ..Existing::default() };
        if databases.is_empty() {
            return Ok(existing);
        }
        let names: Vec<_> = databases.iter().map(|name| quote_text(&existing.cased(name))).collect();
        let list = names.join(",");
        let query =
            format!("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME IN ({list})");
        existing.databases = session.rows(query).await?.into_iter().collect();
        let present = existing.names(session, &list, tables, objects).await?;
        for table in tables {
            let table = existing.cased_table(table);
            if present.contains(&table) {
                let details = details(session, &table).await?;
                existing.tables.extend(details.map(|details| (table, details)));
            }
        }
        if !objects.is_empty() {
            existing.read_objects(session, &list).await?;
        }
        Ok(existing)
    }

    /// The tables that are there. Of few tables in large databases the server is asked for these alone: MariaDB opens each that
    /// it tells about.
    async fn names(
        &mut self,
        session: &mut Session,
        databases: &str,
        tables: &[&TableName],
        objects: &[StoredObject],
    ) -> Result<HashSet<TableName>> {
        let mut query = format!(
            "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA IN ({databases})"
        );
        if tables.len() + objects.len() <= FEW {
            let names = tables.iter().copied().chain(objects.iter().map(|object| &object.name));
            let names: Vec<_> = names.map(|name| quote_text(&self.cased_table(name).table)).collect();
            query.push_str(&format!(" AND TABLE_NAME IN ({})", names.join(",")));
        }
        let rows: Vec<(String, String, String)> = session.rows(query).await?;
        let mut tables = HashSet::new();
        for (database, table, kind) in rows {
            let name = TableName::new(database, table);
            match kind.as_str() {
                "VIEW" => drop(self.objects.insert((ObjectKind::View, name))),
                "SEQUENCE" => drop(self.objects.insert((ObjectKind::Sequence, name))),
                _ => drop(tables.insert(name)),
            }
        }
        Ok(tables)
    }

    async fn read_objects(&mut self, session: &mut Session, databases: &str) -> Result<()> {
        let listings = [
            (ObjectKind::Trigger, "TRIGGER_SCHEMA, TRIGGER_NAME", "TRIGGERS", "TRUE"),
            (ObjectKind::Event, "EVENT_SCHEMA, EVENT_NAME", "EVENTS", "TRUE"),
            (ObjectKind::Function, "ROUTINE_SCHEMA, ROUTINE_NAME", "ROUTINES", "ROUTINE_TYPE = 'FUNCTION'"),
            (ObjectKind::Procedure, "ROUTINE_SCHEMA, ROUTINE_NAME", "ROUTINES", "ROUTINE_TYPE = 'PROCEDURE'"),
        ];
        for (kind, columns, table, condition) in listings {
            let database = columns.split(',').next().unwrap_or_default();
            let query = format!(
                "SELECT {columns} FROM information_schema.{table} WHERE {condition} AND {database} IN ({databases})"
            );
            let rows: Vec<(String, String)> = rows(session, query).await?;
            self.objects
                .extend(rows.into_iter().map(|(database, name)| (kind, TableName::new(database, name))));
        }
        Ok(())
    }

    fn cased(&self, name: &str) -> String {
        if self.lower_case { name.to_lowercase() } else { name.to_owned() }
    }

    fn cased_table(&self, table: &TableName) -> TableName {
        if !self.lower_case {
            return table.clone();
        }
        TableName::new(table.database.to_lowercase(), table.table.to_lowercase())
    }

    pub(super) fn has_database(&self, name: &str) -> bool {
        self.databases.contains(&self.cased(name))
    }

    pub(super) fn table(&self, table: &TableName) -> Option<&TableDetails> {
        self.tables.get(&self.cased_table(table))
    }

    pub(super) fn has_object(&self, kind: ObjectKind, name: &TableName) -> bool {
        let name = if matches!(kind, ObjectKind::View | ObjectKind::Sequence) {
            self.cased_table(name)
        } else {
            TableName::new(self.cased(&name.database), &*name.table)
        };
        self.objects.contains(&(kind, name))
    }

    #[cfg(test)]
    pub(super) fn with_table(mut self, table: TableName, details: TableDetails) -> Self {
        self.databases.insert(table.database.to_string());
        self.tables.insert(table, details);
        self
    }
}

async fn rows<T: FromRow + Send + 'static>(session: &mut Session, query: String) -> Result<Vec<T>> {
    session.rows(query).await
}

async fn details(session: &mut Session, table: &TableName) -> Result<Option<TableDetails>> {
    let row: Option<mysql_async::Row> =
        session.first(format!("SHOW CREATE TABLE {}", qualified(table))).await?;
    let Some(statement) = row.and_then(|mut row| row.take::<Option<String>, _>(1).flatten()) else {
        return Ok(None);
    };
    let (major, minor, patch) = session.server.version;
    let context = Context {
        mariadb: session.server.mariadb,
        version: u32::from(major) * 10_000 + u32::from(minor) * 100 + u32::from(patch),
        ..Context::default()
    };
    table_details(&statement, &table.database, &context).map(Some).map_err(|error| {
        Error::definite("the definition of a table at the destination is not understood")
            .on(table)
            .caused_by(error)
            .remedy("drop or rename it, or leave the source's table out (objects.exclude)")
    })
}
