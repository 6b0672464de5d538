//! What the database has already of the objects of a plan.

use std::collections::{BTreeMap, HashMap, HashSet};

use slackwater_decoders::schema::{TableName, definition::ObjectKind};
use tokio_postgres::{Client, Row, types::ToSql};

use crate::{error::Result, postgres_client::failed};

/// A table that is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ExistingTable {
    /// Its columns, in their order.
    pub(super) columns: Vec<String>,
    /// Its indexes, those of constraints among them, by their names.
    pub(super) indexes: BTreeMap<String, ExistingIndex>,
    /// Its constraints, and whether all rows are held to each.
    pub(super) constraints: BTreeMap<String, bool>,
}

/// An index that is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ExistingIndex {
    /// Its columns; empty for an expression.
    pub(super) columns: Vec<String>,
    /// Whether it is unique.
    pub(super) is_unique: bool,
    /// Whether it serves: one whose creation was cut off does not.
    pub(super) is_valid: bool,
    /// Whether it is of the rows that meet a condition.
    pub(super) is_partial: bool,
}

/// What is there.
#[derive(Debug, Default)]
pub(super) struct Existing {
    /// Major version of the server.
    pub(super) major: u32,
    schemas: HashSet<String>,
    tables: HashMap<TableName, ExistingTable>,
    objects: HashSet<(ObjectKind, TableName)>,
    /// Materialized views without contents.
    empty_views: HashSet<TableName>,
    /// Triggers and rules, by their table.
    triggers: HashSet<(TableName, String)>,
    extensions: HashSet<String>,
    available_extensions: Option<HashMap<String, String>>,
}

impl Existing {
    /// Reads what there is in `schemas`.
    pub(super) async fn read(client: &Client, schemas: &[String]) -> Result<Self> {
        let version = rows(client, "SELECT current_setting('server_version_num')::int / 10000", &[]).await?;
        let major: i32 = version.first().map_or(0, |row| row.get(0));
        let mut existing = Existing { major: u32::try_from(major).unwrap_or(0), ..Existing::default() };
        let found = rows(client, "SELECT nspname::text FROM pg_namespace", &[]).await?;
        existing.schemas = found.iter().map(|row| row.get(0)).collect();
        existing.read_relations(client, schemas).await?;
        existing.read_indexes(client, schemas).await?;
        existing.read_constraints(client, schemas).await?;
        existing.read_objects(client, schemas).await?;
        for row in rows(client, "SELECT extname::text FROM pg_extension", &[]).await? {
            existing.extensions.insert(row.get(0));
        }
        Ok(existing)
    }

    /// Asks what could be installed. A server whose files are of several versions does not tell.
    pub(super) async fn read_available_extensions(&mut self, client: &Client) -> Result<()> {
        let available = "SELECT name::text, coalesce(default_version, '') FROM pg_available_extensions";
        match client.query(available, &[]).await {
            Ok(rows) => {
                let all = rows.iter().map(|row| (row.get(0), row.get(1)));
                self.available_extensions = Some(all.collect());
                Ok(())
            }
            Err(error) if error.as_db_error().is_some() => Ok(()),
            Err(error) => Err(failed("cannot read what the destination has", error)),
        }
    }

    async fn read_relations(&mut self, client: &Client, schemas: &[String]) -> Result<()> {
        let query = "SELECT n.nspname::text, c.relname::text, c.relkind::text, c.relispopulated, \
             coalesce((SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_attribute a \
             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '{}') \
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname = ANY($1) AND c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S')";
        for row in rows(client, query, &[&schemas]).await? {
            let name = TableName::new(row.get::<_, String>(0), row.get::<_, String>(1));
            match row.get::<_, &str>(2) {
                "v" => drop(self.objects.insert((ObjectKind::View, name))),
                "S" => drop(self.objects.insert((ObjectKind::Sequence, name))),
                "m" => {
                    if !row.get::<_, bool>(3) {
                        self.empty_views.insert(name.clone());
                    }
                    self.objects.insert((ObjectKind::MaterializedView, name));
                }
                _ => {
                    let table = ExistingTable { columns: row.get(4), ..ExistingTable::default() };
                    self.tables.insert(name, table);
                }
            }
        }
        Ok(())
    }

    async fn read_indexes(&mut self, client: &Client, schemas: &[String]) -> Result<()> {
        // An expression has no column; included columns are behind the key's.
        let query = "SELECT n.nspname::text, c.relname::text, i.relname::text, x.indisunique, x.indisvalid, \
             x.indpred IS NOT NULL, coalesce((SELECT array_agg(coalesce(a.attname::text, '') ORDER BY k.place) \
             FROM unnest(x.indkey::int2[]) WITH ORDINALITY k(attnum, place) \
             LEFT JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = k.attnum AND k.attnum > 0 \
             WHERE k.place <= x.indnatts), '{}') \
             FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid \
             JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ANY($1)";
        // Included columns came with PostgreSQL 11.
        let natts = if self.major >= 11 { "x.indnkeyatts" } else { "x.indnatts" };
        for row in rows(client, &query.replace("x.indnatts", natts), &[&schemas]).await? {
            let name = TableName::new(row.get::<_, String>(0), row.get::<_, String>(1));
            let columns: Vec<String> = row.get(6);
            let is_expression = columns.iter().any(String::is_empty);
            let index = ExistingIndex {
                columns: if is_expression { Vec::new() } else { columns },
                is_unique: row.get(3),
                is_valid: row.get(4),
                is_partial: row.get(5),
            };
            if let Some(table) = self.tables.get_mut(&name) {
                table.indexes.insert(row.get(2), index);
            }
        }
        Ok(())
    }

    async fn read_constraints(&mut self, client: &Client, schemas: &[String]) -> Result<()> {
        let query = "SELECT n.nspname::text, c.relname::text, k.conname::text, k.convalidated FROM pg_constraint k \
             JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname = ANY($1)";
        for row in rows(client, query, &[&schemas]).await? {
            let name = TableName::new(row.get::<_, String>(0), row.get::<_, String>(1));
            if let Some(table) = self.tables.get_mut(&name) {
                table.constraints.insert(row.get(2), row.get(3));
            }
        }
        Ok(())
    }

    async fn read_objects(&mut self, client: &Client, schemas: &[String]) -> Result<()> {
        let kind = if self.major >= 11 { "p.prokind = 'p'" } else { "false" };
        let routines = format!(
            "SELECT n.nspname::text, p.proname::text || '(' || \
             coalesce((SELECT string_agg(format_type(t.type, NULL), ', ' ORDER BY t.place) \
             FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY t(type, place)), '') || ')', {kind} \
             FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = ANY($1)"
        );
        for row in rows(client, &routines, &[&schemas]).await? {
            let kind = if row.get(2) { ObjectKind::Procedure } else { ObjectKind::Function };
            self.objects.insert((kind, TableName::new(row.get::<_, String>(0), row.get::<_, String>(1))));
        }
        let types = "SELECT n.nspname::text, t.typname::text FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace \
             WHERE n.nspname = ANY($1)";
        for row in rows(client, types, &[&schemas]).await? {
            let name = TableName::new(row.get::<_, String>(0), row.get::<_, String>(1));
            self.objects.insert((ObjectKind::Type, name));
        }
        let triggers = "SELECT n.nspname::text, c.relname::text, t.tgname::text FROM pg_trigger t \
             JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname = ANY($1) AND NOT t.tgisinternal \
             UNION ALL SELECT schemaname::text, tablename::text, rulename::text FROM pg_rules WHERE schemaname = ANY($1)";
        for row in rows(client, triggers, &[&schemas]).await? {
            let table = TableName::new(row.get::<_, String>(0), row.get::<_, String>(1));
            self.triggers.insert((table, row.get(2)));
        }
        Ok(())
    }

    pub(super) fn has_schema(&self, name: &str) -> bool {
        self.schemas.contains(name)
    }

    pub(super) fn table(&self, name: &TableName) -> Option<&ExistingTable> {
        self.tables.get(name)
    }

    /// Whether a table of that schema other than `table` has an index of that name: such names are unique in a schema.
    pub(super) fn has_index_of_another(&self, table: &TableName, index: &str) -> bool {
        let others = self.tables.iter().filter(|(name, _)| name.database == table.database && *name != table);
        others.into_iter().any(|(_, other)| other.indexes.contains_key(index))
    }

    pub(super) fn has_object(&self, kind: ObjectKind, name: &TableName) -> bool {
        match kind {
            ObjectKind::Extension => self.extensions.contains(&*name.table),
            kind => self.objects.contains(&(kind, name.clone())),
        }
    }

    pub(super) fn has_trigger(&self, table: &TableName, name: &str) -> bool {
        self.triggers.contains(&(table.clone(), name.to_owned()))
    }

    /// Whether the materialized view has no contents yet.
    pub(super) fn is_empty_view(&self, name: &TableName) -> bool {
        self.empty_views.contains(name)
    }

    /// Whether an extension is known not to be there to be installed.
    pub(super) fn lacks_extension(&self, name: &str) -> bool {
        self.available_extensions.as_ref().is_some_and(|available| !available.contains_key(name))
    }

    /// The version of an extension that the server would install.
    pub(super) fn available_extension(&self, name: &str) -> Option<&str> {
        self.available_extensions.as_ref()?.get(name).map(String::as_str)
    }
}

async fn rows(client: &Client, query: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>> {
    client
        .query(query, parameters)
        .await
        .map_err(|error| failed("cannot read what the destination has", error))
}
