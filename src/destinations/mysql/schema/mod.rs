//! What a MySQL or MariaDB server is to create.
//!
//! Towards a server of the same dialect that is not older, columns, keys and options are the source's own text. Else they are
//! written from what the text says, and what has no counterpart is noted. Those of PostgreSQL are first told in MySQL's words.
//!
//! * `existing`: what is there.
//! * `table`, `column`, `keys`, `objects`: the statements. `text`: changes of the source's own.
//! * `of_postgres`: what PostgreSQL says, in MySQL's words. `several`: statements side by side.

mod column;
mod existing;
mod keys;
mod objects;
mod of_postgres;
mod table;
mod text;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use slackwater_decoders::schema::{
    TableName,
    definition::{Dialect, Indexed, Key, KeyKind, TableDetails},
};

use self::{existing::Existing, table::FirstKeys};
use super::session::{Session, code, ddl_refused, refused};
use crate::{
    destinations::{
        carried::{Carried, carried, routes},
        schema::{Conflict, Kind, Object, PlannedStatement, SchemaPlan, Stage, Wanted},
    },
    error::{Error, Result},
    types::mysql::{Server, known_collation, quote_name, quote_text},
};

/// How definitions of one server become those of another.
pub(super) struct Translation {
    /// The destination.
    server: Server,
    /// Whether the source's text serves there.
    native: bool,
    /// Whether the source's TIMESTAMP goes on behind 2038: that of MariaDB 11.5 and later does, up to 2106, and marks current
    /// versions of rows with its last instant.
    wider_timestamps: bool,
    /// Whether a character set without a collation means the same to both.
    same_collations: bool,
}

impl Translation {
    fn new(source: Server, server: Server) -> Self {
        let version = |server: Server| (server.version.0, server.version.1);
        Translation {
            server,
            native: source.mariadb == server.mariadb && version(server) >= version(source),
            wider_timestamps: source.mariadb_since(11, 5) && !server.mariadb_since(11, 5),
            same_collations: source.mysql_since(8) == server.mysql_since(8)
                && source.mariadb_since(11, 5) == server.mariadb_since(11, 5),
        }
    }

    /// Conditions on rows: MySQL 8.0.16, MariaDB 10.2.
    fn knows_checks(&self) -> bool {
        let Server { mariadb, version } = self.server;
        if mariadb { version >= (10, 2, 0) } else { version >= (8, 0, 16) }
    }

    /// Invisible columns: MySQL 8.0.23, MariaDB 10.3.
    fn knows_invisible(&self) -> bool {
        let Server { mariadb, version } = self.server;
        if mariadb { version >= (10, 3, 0) } else { version >= (8, 0, 23) }
    }
}

/// A plan in the making.
struct Planner<'a> {
    translation: Translation,
    wanted: Wanted<'a>,
    existing: &'a Existing,
    /// The names of the carried tables at the destination, by those at the source.
    targets: HashMap<TableName, TableName>,
    renames_tables: bool,
    plan: SchemaPlan,
}

/// What has to be created at the server behind `session`.
pub(super) async fn plan(session: &mut Session, wanted: &Wanted<'_>) -> Result<SchemaPlan> {
    let mut plan = SchemaPlan::default();
    let told;
    let in_own_words;
    let wanted = if matches!(wanted.schema.dialect, Dialect::Postgres(..)) {
        told = of_postgres::told(wanted, session.server, &mut plan);
        in_own_words = Wanted { schema: &told.schema, mapping: wanted.mapping, types: &told.types };
        &in_own_words
    } else {
        wanted
    };
    let routes = routes(wanted, &mut plan);
    let tables = carried(&routes, &mut plan);
    let names: Vec<_> = tables.iter().map(|table| table.target).collect();
    let mut databases: HashSet<_> = names.iter().map(|name| name.database.to_string()).collect();
    let objects = wanted.schema.objects.iter().map(|object| object.table.as_ref().unwrap_or(&object.name));
    databases.extend(objects.map(|name| wanted.mapping.target_name(name).database.to_string()));
    let existing = Existing::read(session, &databases, &names, &wanted.schema.objects).await?;
    plan_for(wanted, session.server, &existing, &tables, plan)
}

fn plan_for(
    wanted: &Wanted<'_>,
    server: Server,
    existing: &Existing,
    tables: &[Carried<'_>],
    plan: SchemaPlan,
) -> Result<SchemaPlan> {
    let source = Server::of_dialect(wanted.schema.dialect)
        .ok_or_else(|| Error::definite("definitions of this kind of source cannot be created here"))?;
    let pairs = tables.iter().map(|table| (table.definition.table.name.clone(), table.target.clone()));
    let targets: HashMap<_, _> = pairs.collect();
    let mut planner = Planner {
        translation: Translation::new(source, server),
        wanted: *wanted,
        existing,
        renames_tables: targets.iter().any(|(source, target)| source != target),
        targets,
        plan,
    };
    planner.databases(tables);
    planner.objects(true);
    for table in tables {
        planner.table(table);
    }
    // All keys before the first foreign key, which takes a key of the other table.
    for table in tables {
        planner.keys(table);
    }
    let by_name: HashMap<_, _> = tables.iter().map(|table| (&table.definition.table.name, table)).collect();
    for table in tables {
        planner.foreign_keys(table, &by_name);
    }
    planner.objects(false);
    for note in &wanted.schema.notes {
        planner.plan.note("source", note);
    }
    Ok(planner.plan)
}

impl Planner<'_> {
    fn databases(&mut self, tables: &[Carried<'_>]) {
        let mut seen = HashSet::new();
        let tables = tables
            .iter()
            .map(|table| (&*table.definition.table.name.database, Arc::clone(&table.target.database)));
        let objects = self.wanted.schema.objects.iter();
        let objects = objects
            .filter_map(|object| Some((&*object.name.database, self.object_name(object)?.database)))
            .collect::<Vec<_>>();
        for (source, target) in tables.chain(objects) {
            let target = &*target;
            if !seen.insert(target.to_owned()) || self.existing.has_database(target) {
                continue;
            }
            let database = self.wanted.schema.databases.iter().find(|database| database.name == source);
            let object =
                Object { kind: Kind::Database, source: source.to_owned(), target: target.to_owned() };
            let collation = database.map(|database| {
                let own = match database.collation.strip_prefix("utf8_") {
                    Some(rest) => format!("utf8mb3_{rest}"),
                    None => database.collation.clone(),
                };
                let (known, exact) = known_collation(&own, self.translation.server);
                if !exact {
                    self.plan.note(&object, format!("its collation is {known}, the nearest to {own}"));
                }
                known
            });
            let sql = Self::create_database(target, collation.as_deref());
            self.plan.statements.push(PlannedStatement::new(object, Stage::Tables, sql));
        }
    }

    fn table(&mut self, table: &Carried<'_>) {
        let name = &table.definition.table.name;
        if let Some(actual) = self.existing.table(table.target) {
            match difference(table, actual) {
                None => self.plan.kept.push(table.object()),
                Some(what) => {
                    self.plan.conflicts.push(Conflict { object: table.object(), table: name.clone(), what });
                }
            }
            return;
        }
        let sql = self.translation.create_table(table, self.wanted.types, &mut self.plan);
        let statement = PlannedStatement::new(table.object(), Stage::Tables, sql).of(name, table.target);
        self.plan.statements.push(statement);
    }

    fn keys(&mut self, table: &Carried<'_>) {
        let details = &table.definition.details;
        let first = FirstKeys::of(&table.definition.table, details);
        let mut notes = Vec::new();
        let there = |column: &String| self.has_column(table, column);
        let wanted = details.keys.iter().filter(|key| key.kind != KeyKind::Primary);
        let wanted: Vec<_> = wanted.filter(|key| columns_of(key).all(there)).collect();
        for key in wanted {
            let is = |other: Option<&Key>| other.is_some_and(|other| other.name == key.name);
            let (present, is_unique) = match self.existing.table(table.target) {
                Some(actual) => {
                    let Some(found) = actual.keys.iter().find(|actual| same_name(&actual.name, &key.name))
                    else {
                        self.add_key(table, key, "", &mut notes);
                        continue;
                    };
                    (keys::has_same_parts(key, &table.names, found), found.kind == KeyKind::Unique)
                }
                None if is(first.identity) => (true, true),
                None if is(first.numbering) => (true, false),
                None => {
                    self.add_key(table, key, "", &mut notes);
                    continue;
                }
            };
            let object = table.part(Kind::Index, &key.name);
            if !present {
                let what = "an index of this name is there, over something else".to_owned();
                let table = table.definition.table.name.clone();
                self.plan.conflicts.push(Conflict { object, table, what });
            } else if key.kind == KeyKind::Unique && !is_unique {
                let drop = format!("DROP KEY {}, ", quote_name(&key.name));
                self.add_key(table, key, &drop, &mut notes);
            } else {
                self.plan.kept.push(object);
            }
        }
        for note in notes {
            self.plan.note(table.object(), note);
        }
    }

    /// Whether a table that is there has a column. What is said of columns that the log has yet to bring waits for them.
    fn has_column(&self, table: &Carried<'_>, column: &str) -> bool {
        let Some(actual) = self.existing.table(table.target) else { return true };
        table.names.get(column).is_none_or(|name| actual.column(name).is_some())
    }

    fn add_key(&mut self, table: &Carried<'_>, key: &Key, before: &str, notes: &mut Vec<String>) {
        let Some(definition) = self.translation.key(key, &table.names, notes) else { return };
        // InnoDB builds one full-text index at a time.
        let combines = !matches!(key.kind, KeyKind::FullText | KeyKind::Vector);
        self.alter(table, table.part(Kind::Index, &key.name), format!("{before}ADD {definition}"), combines);
    }

    fn foreign_keys(&mut self, table: &Carried<'_>, tables: &HashMap<&TableName, &Carried<'_>>) {
        let actual: Vec<_> = self.existing.table(table.target).map_or_else(Vec::new, |actual| {
            actual.foreign_keys.iter().map(|key| key.name.to_lowercase()).collect()
        });
        for key in &table.definition.details.foreign_keys {
            let object = table.part(Kind::ForeignKey, &key.name);
            if actual.contains(&key.name.to_lowercase()) {
                self.plan.kept.push(object);
                continue;
            }
            let Some(other) = tables.get(&key.references) else {
                // A part of the schema says nothing about the rest.
                self.plan.note(&object, format!("is left out: {} is not carried", key.references));
                continue;
            };
            let here = key.columns.iter().all(|column| self.has_column(table, column));
            if !here || !key.referenced.iter().all(|column| self.has_column(other, column)) {
                continue;
            }
            let references = qualified(other.target);
            match Translation::foreign_key(key, &table.names, &references, &other.names) {
                Some(definition) => self.alter(table, object, format!("ADD {definition}"), true),
                None => self.plan.note(&object, "is left out: a column of it is not carried"),
            }
        }
    }

    fn alter(&mut self, table: &Carried<'_>, object: Object, change: String, combines: bool) {
        let head = format!("ALTER TABLE {}", qualified(table.target));
        let mut statement = PlannedStatement::new(object, Stage::AfterLoad, format!("{head} {change}"))
            .of(&table.definition.table.name, table.target);
        statement.change = combines.then_some((head, change));
        self.plan.statements.push(statement);
    }
}

/// A quoted, qualified name.
fn qualified(table: &TableName) -> String {
    format!("{}.{}", quote_name(&table.database), quote_name(&table.table))
}

/// The columns that a key is over.
fn columns_of(key: &Key) -> impl Iterator<Item = &String> {
    key.parts.iter().filter_map(|part| match &part.of {
        Indexed::Column(name) => Some(name),
        Indexed::Expression(_) | Indexed::Period(_) => None,
    })
}

fn same_name(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

/// In what a table that is there cannot hold the source's rows; `None` when it can.
fn difference(table: &Carried<'_>, actual: &TableDetails) -> Option<String> {
    let source = &table.definition.table;
    let shown = source.columns.iter().filter(|column| !column.is_hidden());
    let added = table.names.added.iter().map(|column| column.name.as_str());
    let wanted: Vec<_> = shown.filter_map(|column| table.names.get(&column.name)).chain(added).collect();
    let missing: Vec<_> = wanted.iter().copied().filter(|name| actual.column(name).is_none()).collect();
    let known: HashSet<_> = wanted.iter().map(|name| name.to_lowercase()).collect();
    let other = actual.columns.iter().map(|column| column.name.as_str());
    let other: Vec<_> = other.filter(|name| !known.contains(&name.to_lowercase())).collect();
    let mut differences = Vec::new();
    if !missing.is_empty() {
        differences.push(format!("the table at the destination has no column {}", missing.join(", ")));
    }
    if !other.is_empty() {
        differences.push(format!("the table at the destination has also the column {}", other.join(", ")));
    }
    let first = FirstKeys::of(source, &table.definition.details);
    if let Some(identity) = first.identity
        && !actual.keys.iter().any(|key| {
            matches!(key.kind, KeyKind::Primary | KeyKind::Unique)
                && keys::has_same_parts(identity, &table.names, key)
        })
    {
        differences.push("the table at the destination lacks the key that identifies a row".to_owned());
    }
    (!differences.is_empty()).then(|| differences.join("; "))
}

/// Prepares a session for statements of plans: definitions say all that they mean, and servers are to add nothing.
pub(super) async fn prepare(session: &mut Session) {
    for setting in [
        "explicit_defaults_for_timestamp = 1",
        "restrict_fk_on_non_standard_key = 0",
        "sql_generate_invisible_primary_key = 0",
    ] {
        // Not every version has each of them, and not every account may set it.
        let _ = session.run_raw(format!("SET SESSION {setting}")).await;
    }
}

/// Runs a statement of a plan.
pub(super) async fn execute(session: &mut Session, statement: &PlannedStatement) -> Result<()> {
    if let Some(database) = &statement.database {
        session.run(format!("USE {}", quote_name(database))).await?;
    }
    if let Some(mode) = &statement.sql_mode {
        session.run(format!("SET SESSION sql_mode = {}", quote_text(mode))).await?;
    }
    let result = session.run_raw(statement.sql.clone()).await;
    if statement.sql_mode.is_some() {
        session.run(format!("SET SESSION sql_mode = '{}'", super::session::APPLY_MODE)).await?;
    }
    match result {
        Ok(_) => Ok(()),
        // The server's message would quote the value.
        Err(error) if matches!(code(&error), Some(1062 | 1586)) => Err(refused(error)),
        Err(error) => Err(ddl_refused(error)),
    }
    .map_err(|error| error.on(&statement.object))
}

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
