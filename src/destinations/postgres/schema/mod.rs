//! What a PostgreSQL database is to create.
//!
//! Definitions of a PostgreSQL source are its own texts, with the names that things have here (`native`, `text`). Those of MySQL and
//! MariaDB are written anew from what they say (`translated`), and what has no counterpart is noted.
//!
//! The order: schemas, extensions, types, sequences and functions, as tables may be made of them; tables with their partitions, conditions
//! and the key that identifies a row. Behind the load: indexes, unique keys, views and what is left of the functions. Foreign keys hold
//! all rows to each other, so that they come when the rows are one state; those of MySQL, whose actions change rows without a word in
//! its log, come with the load, and hold only new rows until then (`NOT VALID`). Triggers and rules are the cutover's.
//!
//! * `existing`: what is there. `objects`: what is no table. `keys`: indexes and foreign keys.

mod existing;
mod keys;
mod native;
mod objects;
mod text;
mod translated;

use std::collections::{BTreeSet, HashMap, HashSet};

use slackwater_decoders::schema::{
    TableName,
    definition::{Dialect, KeyKind, ObjectKind},
};
use tokio_postgres::Client;

pub(super) use self::translated::default as translated_default;

use self::existing::{Existing, ExistingTable};
use crate::{
    config::postgres::{PostgresDestination, Unrepresentable},
    destinations::{
        carried::{Carried, carried, routes},
        schema::{Conflict, Kind, Object, PlannedStatement, SchemaPlan, Stage, Wanted},
    },
    error::{Error, Result},
    postgres_client::failed,
    types::postgres::{NAME_BYTES, quote_name},
};

/// A plan in the making.
struct Planner<'a> {
    wanted: Wanted<'a>,
    existing: &'a Existing,
    invalid_dates: Unrepresentable,
    /// Whether the source's text serves here.
    native: bool,
    /// The names here of tables, partitions and other objects whose names differ from those at the source.
    renamed: HashMap<TableName, TableName>,
    plan: SchemaPlan,
}

/// What has to be created in the database behind `client`.
///
/// # Errors
/// When the database cannot be asked, and for definitions of a source that cannot be created here.
pub async fn plan(client: &Client, wanted: &Wanted<'_>, config: &PostgresDestination) -> Result<SchemaPlan> {
    let mut plan = SchemaPlan::default();
    let routes = routes(wanted, &mut plan);
    let tables = carried(&routes, &mut plan);
    let mut schemas: BTreeSet<String> =
        tables.iter().map(|table| table.target.database.to_string()).collect();
    for object in &wanted.schema.objects {
        schemas.insert(wanted.mapping.target_name(&object.name).database.to_string());
        schemas.insert(object.name.database.to_string());
    }
    for partition in tables.iter().flat_map(|table| &table.definition.details.partition_tables) {
        schemas.insert(partition.name.database.to_string());
    }
    let schemas: Vec<_> = schemas.into_iter().collect();
    let mut existing = Existing::read(client, &schemas).await?;
    if wanted.schema.objects.iter().any(|object| object.kind == ObjectKind::Extension) {
        existing.read_available_extensions(client).await?;
    }
    plan_for(wanted, config.invalid_dates, &existing, &tables, plan)
}

fn plan_for(
    wanted: &Wanted<'_>,
    invalid_dates: Unrepresentable,
    existing: &Existing,
    tables: &[Carried<'_>],
    plan: SchemaPlan,
) -> Result<SchemaPlan> {
    let native = match wanted.schema.dialect {
        Dialect::Postgres(..) => true,
        Dialect::Mysql(..) | Dialect::Mariadb(..) => false,
        _ => return Err(Error::definite("definitions of this kind of source cannot be created here")),
    };
    let mut planner =
        Planner { wanted: *wanted, existing, invalid_dates, native, renamed: HashMap::new(), plan };
    planner.names(tables);
    let objects = planner.objects();
    planner.schemas(tables, &objects);
    planner.before_tables(&objects);
    for table in in_order(tables) {
        planner.table(table);
    }
    for table in tables {
        planner.keys(table);
    }
    let by_name: HashMap<_, _> = tables.iter().map(|table| (&table.definition.table.name, table)).collect();
    for table in tables {
        planner.foreign_keys(table, &by_name);
    }
    planner.behind_tables(&objects);
    for table in tables {
        planner.at_cutover(table);
    }
    for note in &wanted.schema.notes {
        planner.plan.note("source", note);
    }
    Ok(planner.plan)
}

/// Tables behind those that they inherit from.
fn in_order<'t, 'a>(tables: &'t [Carried<'a>]) -> Vec<&'t Carried<'a>> {
    let parents = |table: &Carried<'_>| -> Vec<TableName> {
        let list = table.definition.details.option("INHERITS").unwrap_or_default();
        let names = text::qualified_names(list).into_iter();
        names.map(|(schema, name)| TableName::new(schema, name)).collect()
    };
    let mut waiting: Vec<_> = tables.iter().map(|table| (table, parents(table))).collect();
    let mut ordered = Vec::with_capacity(tables.len());
    loop {
        let names: HashSet<_> =
            waiting.iter().map(|(table, _)| table.definition.table.name.clone()).collect();
        let (ready, rest): (Vec<_>, Vec<_>) = waiting
            .into_iter()
            .partition(|(_, parents)| !parents.iter().any(|parent| names.contains(parent)));
        let is_stuck = ready.is_empty();
        ordered.extend(ready.into_iter().map(|(table, _)| table));
        if is_stuck || rest.is_empty() {
            ordered.extend(rest.into_iter().map(|(table, _)| table));
            return ordered;
        }
        waiting = rest;
    }
}

impl<'a> Planner<'a> {
    /// Takes down which tables and partitions have other names here.
    fn names(&mut self, tables: &[Carried<'_>]) {
        for table in tables {
            let source = &table.definition.table.name;
            let mut pairs = vec![(source.clone(), table.target.clone())];
            for partition in &table.definition.details.partition_tables {
                pairs.push((partition.name.clone(), self.partition_name(table, &partition.name)));
            }
            self.renamed.extend(pairs.into_iter().filter(|(source, target)| source != target));
        }
    }

    /// The name of a partition here: it moves with its table.
    fn partition_name(&self, table: &Carried<'_>, partition: &TableName) -> TableName {
        let source = &table.definition.table.name;
        let by_rule = self.wanted.mapping.target_name(partition);
        if by_rule == *partition && partition.database == source.database {
            return TableName::new(table.target.database.clone(), partition.table.clone());
        }
        by_rule
    }

    /// A text of the source with the names that things have here.
    fn here(&self, text: &str) -> String {
        if self.renamed.is_empty() {
            return text.to_owned();
        }
        text::with_objects(text, &|schema, name| {
            let target = self.renamed.get(&TableName::new(schema, name))?;
            Some((target.database.to_string(), target.table.to_string()))
        })
    }

    /// The same for a query.
    fn query_here(&self, text: &str) -> String {
        if self.renamed.is_empty() {
            return text.to_owned();
        }
        text::with_tables(text, &|schema, name| {
            let target = self.renamed.get(&TableName::new(schema, name))?;
            Some((target.database.to_string(), target.table.to_string()))
        })
    }

    /// The same for a text that names columns of a table; `None` when one of them is not carried.
    fn here_of(&self, text: &str, table: &Carried<'_>) -> Option<String> {
        let source = &table.definition.table;
        let complete = source.columns.iter().all(|column| table.names.get(&column.name).is_some());
        let text = self.here(text);
        if complete && !table.names.renamed {
            return Some(text);
        }
        text::with_columns(&text, |name| {
            let column = source.columns.iter().find(|column| column.name == name)?;
            match table.names.get(&column.name) {
                Some(target) if target == column.name => None,
                target => Some(target.map(ToOwned::to_owned)),
            }
        })
    }

    fn schemas(&mut self, tables: &[Carried<'_>], objects: &[objects::Wanted<'_>]) {
        let mut seen = HashSet::new();
        let tables =
            tables.iter().map(|table| (&*table.definition.table.name.database, &*table.target.database));
        let objects = objects.iter().map(|object| (&*object.stored.name.database, &*object.target.database));
        for (source, target) in tables.chain(objects) {
            if target.is_empty() || !seen.insert(target.to_owned()) || self.existing.has_schema(target) {
                continue;
            }
            let object =
                Object { kind: Kind::Database, source: source.to_owned(), target: target.to_owned() };
            let sql = format!("CREATE SCHEMA IF NOT EXISTS {}", quote_name(target));
            self.plan.statements.push(PlannedStatement::new(object, Stage::Tables, sql));
        }
    }

    fn table(&mut self, table: &Carried<'_>) {
        let name = &table.definition.table.name;
        if let Some(what) = too_long(table) {
            self.plan.conflicts.push(Conflict { object: table.object(), table: name.clone(), what });
            return;
        }
        if let Some(actual) = self.existing.table(table.target) {
            match difference(table, actual) {
                None => self.plan.kept.push(table.object()),
                Some(what) => {
                    self.plan.conflicts.push(Conflict { object: table.object(), table: name.clone(), what });
                }
            }
            self.missing_partitions(table);
            return;
        }
        let sql = if self.native { self.native_table(table) } else { self.translated_table(table) };
        let statement = PlannedStatement::new(table.object(), Stage::Tables, sql).of(name, table.target);
        self.plan.statements.push(statement);
    }

    fn at_cutover(&mut self, table: &Carried<'_>) {
        if !self.native {
            self.member_checks(table);
        }
    }

    /// Whether a table that is there has a column. What is said of columns that the log has yet to bring waits for them.
    fn has_column(&self, table: &Carried<'_>, column: &str) -> bool {
        let Some(actual) = self.existing.table(table.target) else { return true };
        table.names.get(column).is_none_or(|name| actual.columns.iter().any(|there| there == name))
    }
}

/// A quoted, qualified name.
fn qualified(table: &TableName) -> String {
    format!("{}.{}", quote_name(&table.database), quote_name(&table.table))
}

/// Which name is longer than the server keeps: it would cut it, and nothing would be found again.
fn too_long(table: &Carried<'_>) -> Option<String> {
    let names = [&*table.target.database, &*table.target.table].into_iter();
    let mut names = names.chain(table.table.columns.iter().map(|column| column.name.as_str()));
    let name = names.find(|name| name.len() > NAME_BYTES)?;
    Some(format!(
        "the name {name} has {} bytes, and PostgreSQL keeps {NAME_BYTES}: rename it by a rule ([[mapping]])",
        name.len()
    ))
}

/// In what a table that is there cannot hold the source's rows; `None` when it can.
fn difference(table: &Carried<'_>, actual: &ExistingTable) -> Option<String> {
    let source = &table.definition.table;
    let shown = source.columns.iter().filter(|column| !column.is_hidden());
    let added = table.names.added.iter().map(|column| column.name.as_str());
    let wanted: Vec<_> = shown.filter_map(|column| table.names.get(&column.name)).chain(added).collect();
    let missing: Vec<_> =
        wanted.iter().copied().filter(|name| !actual.columns.iter().any(|there| there == name)).collect();
    let other: Vec<_> =
        actual.columns.iter().map(String::as_str).filter(|name| !wanted.contains(name)).collect();
    let mut differences = Vec::new();
    if !missing.is_empty() {
        differences.push(format!("the table at the destination has no column {}", missing.join(", ")));
    }
    if !other.is_empty() {
        differences.push(format!("the table at the destination has also the column {}", other.join(", ")));
    }
    if let Some(identity) = table.identity() {
        let mut columns = keys::whole_columns(identity, &table.names);
        if let Some(columns) = &mut columns {
            columns.extend(table.names.added_to(KeyKind::Primary).iter().map(|name| (*name).to_owned()));
        }
        let is_there = |columns: &Vec<String>| {
            actual
                .indexes
                .values()
                .any(|index| index.is_unique && !index.is_partial && same_set(&index.columns, columns))
        };
        if !columns.as_ref().is_some_and(is_there) {
            differences.push("the table at the destination lacks the key that identifies a row".to_owned());
        }
    }
    (!differences.is_empty()).then(|| differences.join("; "))
}

fn same_set(one: &[String], other: &[String]) -> bool {
    one.len() == other.len() && one.iter().all(|name| other.contains(name))
}

/// Where the names in a statement are looked for; `None` where they are qualified.
#[must_use]
pub fn search_path(statement: &PlannedStatement) -> Option<String> {
    statement.overridden.then(|| match &statement.database {
        Some(schema) => format!("{}, public", quote_name(schema)),
        None => "public".to_owned(),
    })
}

/// Runs a statement of a plan. Texts of the source are read as it wrote them: names are qualified, bodies of functions are not looked into.
/// Names in a statement of the operator are looked for in the object's schema and in `public`.
///
/// # Errors
/// Definite when the database refuses the statement: then nothing has changed.
pub async fn execute(client: &Client, statement: &PlannedStatement) -> Result<()> {
    let refused = |error| failed("a statement of the schema is refused", error).on(&statement.object);
    let path = search_path(statement).unwrap_or_else(|| "pg_catalog".to_owned());
    let settings = format!(
        "SET search_path = {path}; SET check_function_bodies = off; SET client_min_messages = warning; \
         SET default_tablespace = ''"
    );
    client.batch_execute(&settings).await.map_err(refused)?;
    let result = client.batch_execute(&statement.sql).await.map_err(refused);
    if !result.as_ref().is_err_and(Error::is_transient) {
        client.batch_execute("SET search_path = pg_catalog").await.map_err(refused)?;
    }
    result
}
