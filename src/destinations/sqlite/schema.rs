//! What a SQLite file is to hold: tables with the key that identifies a row, and indexes behind the load.
//!
//! Every value comes from the source, so that defaults, conditions, foreign keys and expressions of computed columns are not
//! declared: they could only refuse or change what the source has already decided.

use std::collections::{HashMap, HashSet};

use rusqlite::Connection;
use slackwater_decoders::schema::{
    TableName,
    definition::{Indexed, Key, KeyKind, TableDefinition},
};

use super::{
    ddl::{create_with, quote},
    failed,
    tables::{Tables, columns},
};
use crate::{
    changes::same_names,
    destinations::schema::{
        ColumnNames, Conflict, Kind, Loss, Object, PlannedStatement, SchemaPlan, Stage, Wanted, computed_loss,
    },
    error::Result,
    mapping::Route,
    types::sqlite::column_type,
};

/// A plan in the making. Without a file there is nothing yet.
struct Planner<'a> {
    wanted: Wanted<'a>,
    tables: &'a Tables,
    file: Option<&'a Connection>,
    plan: SchemaPlan,
    /// The source table of each name in the file.
    names: HashMap<String, TableName>,
}

/// What has to be created in the file behind `file`.
pub(super) fn plan(wanted: &Wanted<'_>, tables: &Tables, file: Option<&Connection>) -> Result<SchemaPlan> {
    let mut planner =
        Planner { wanted: *wanted, tables, file, plan: SchemaPlan::default(), names: HashMap::new() };
    for definition in &wanted.schema.tables {
        match wanted.mapping.route(&definition.table) {
            Ok(Some(route)) => planner.table(definition, &route)?,
            Ok(None) => {}
            Err(error) => {
                planner.conflict(&definition.table.name, &definition.table.name.table, error.to_string());
            }
        }
    }
    for stored in &wanted.schema.objects {
        let kind = Kind::Stored(stored.kind);
        planner.plan.note(format!("{} {}", kind.word(), stored.name), "is not carried to SQLite");
    }
    if !wanted.schema.tables.is_empty() {
        planner.plan.note(
            "SQLite",
            "defaults, conditions, foreign keys, comments, collations and expressions of computed columns are not declared: \
             every value comes from the source",
        );
    }
    for note in &wanted.schema.notes {
        planner.plan.note("source", note);
    }
    Ok(planner.plan)
}

impl Planner<'_> {
    fn conflict(&mut self, table: &TableName, name: &str, what: String) {
        let object = Object { kind: Kind::Table, source: table.to_string(), target: name.to_owned() };
        self.plan.conflicts.push(Conflict { object, table: table.clone(), what });
    }

    fn table(&mut self, definition: &TableDefinition, route: &Route) -> Result<()> {
        let (source, target) = (&definition.table.name, route.target());
        let name = self.tables.name_of(&target.name);
        let mut seen = HashSet::new();
        if let Some(twice) = target.columns.iter().find(|column| !seen.insert(column.name.to_lowercase())) {
            let what = format!(
                "its columns named like {} differ in case alone, which SQLite does not tell apart",
                twice.name
            );
            self.conflict(source, &name, what);
            return Ok(());
        }
        match self.names.insert(name.to_lowercase(), target.name.clone()) {
            // Several tables that become one: the first defines it.
            Some(other) if other == target.name => return Ok(()),
            Some(other) => {
                let what = format!(
                    "{other} has the same name in the file (set destination.name = \"{{database}}_{{table}}\")"
                );
                self.conflict(source, &name, what);
                return Ok(());
            }
            None => {}
        }
        let actual = self.file.map_or_else(|| Ok(Vec::new()), |file| columns(file, &name))?;
        let object = Object { kind: Kind::Table, source: source.to_string(), target: name.clone() };
        if actual.is_empty() {
            let types = self.wanted.types;
            let chosen = ColumnNames::new(&definition.table, target, &route.source_ordinals());
            let chosen: HashMap<&str, &str> = definition
                .table
                .columns
                .iter()
                .filter_map(|column| Some((chosen.get(&column.name)?, types.get(source, &column.name)?)))
                .collect();
            let sql = create_with(&name, target, &[], |column| chosen.get(column.name.as_str()).copied());
            let statement = PlannedStatement::new(object, Stage::Tables, sql);
            self.plan.statements.push(statement.of(source, &target.name));
        } else if same_names(&actual, target) {
            self.plan.kept.push(object);
        } else {
            let what = format!("the table {name} in the file has other columns ({})", actual.join(", "));
            self.conflict(source, &name, what);
        }
        self.losses(definition);
        self.indexes(definition, route, &name, &actual)
    }

    fn losses(&mut self, definition: &TableDefinition) {
        let table = &definition.table;
        let chosen = |column: &str| self.wanted.types.get(&table.name, column).is_some();
        for column in table.columns.iter().filter(|column| !column.is_hidden() && !chosen(&column.name)) {
            if column.number.is_some() && column.generated.is_some() {
                self.plan.losses.push(computed_loss(&table.name, column));
                continue;
            }
            let mapped = column_type(column);
            let Some(what) = mapped.loss else { continue };
            self.plan.losses.push(Loss {
                table: table.name.clone(),
                column: column.name.clone(),
                from: column.declared.clone().unwrap_or_default(),
                to: mapped.declaration,
                what: what.to_owned(),
            });
        }
    }

    fn indexes(
        &mut self,
        definition: &TableDefinition,
        route: &Route,
        name: &str,
        actual: &[String],
    ) -> Result<()> {
        let target = route.target();
        let names = ColumnNames::new(&definition.table, target, &route.source_ordinals());
        let existing = self.file.map_or_else(|| Ok(Vec::new()), |file| indexes(file, name))?;
        for key in definition.details.keys.iter().filter(|key| key.kind != KeyKind::Primary) {
            let index = format!("{name}.{}", key.name);
            let object = Object {
                kind: Kind::Index,
                source: format!("{}.{}", definition.table.name, key.name),
                target: index.clone(),
            };
            let (columns, is_whole) = match index_columns(key, &names) {
                Ok(columns) => columns,
                Err(why) => {
                    self.plan.note(object, format!("is left out: {why}"));
                    continue;
                }
            };
            let is_there =
                |column: &String| actual.iter().any(|known| known.to_lowercase() == column.to_lowercase());
            if !actual.is_empty() && !columns.iter().all(is_there) {
                // The log has yet to bring the column.
                continue;
            }
            let ordinals: Option<Vec<u16>> = columns
                .iter()
                .map(|column| target.ordinal(column).and_then(|ordinal| u16::try_from(ordinal).ok()))
                .collect();
            if ordinals.as_deref() == target.key() {
                // The table is stored by it.
                self.plan.kept.push(object);
                continue;
            }
            let is_unique = key.kind == KeyKind::Unique && is_whole;
            if key.kind == KeyKind::Unique && !is_whole {
                self.plan.note(&object, "is not unique: SQLite does not index a part of a value");
            }
            if existing.iter().any(|(unique, indexed)| *unique >= is_unique && *indexed == columns) {
                self.plan.kept.push(object);
                continue;
            }
            let list: Vec<_> = columns.iter().map(|column| quote(column)).collect();
            let sql = format!(
                "CREATE {}INDEX {} ON {} ({})",
                if is_unique { "UNIQUE " } else { "" },
                quote(&index),
                quote(name),
                list.join(", ")
            );
            let statement = PlannedStatement::new(object, Stage::AfterLoad, sql);
            self.plan.statements.push(statement.of(&definition.table.name, &target.name));
        }
        Ok(())
    }
}

/// The columns of a key, and whether it is over the whole of them.
fn index_columns(key: &Key, names: &ColumnNames<'_>) -> Result<(Vec<String>, bool), String> {
    if !matches!(key.kind, KeyKind::Unique | KeyKind::Plain) {
        return Err("SQLite has no index of this kind".to_owned());
    }
    if key.condition.is_some() {
        return Err("it is over a part of the rows, by an expression of the source's dialect".to_owned());
    }
    let mut columns = Vec::new();
    let mut is_whole = true;
    for part in &key.parts {
        let Indexed::Column(column) = &part.of else {
            return Err("its expression is one of the source's dialect".to_owned());
        };
        is_whole &= part.prefix.is_none();
        let name = names.get(column).ok_or_else(|| format!("column {column} is not carried"))?;
        columns.push(name.to_owned());
    }
    if is_whole {
        columns.extend(names.added_to(key.kind).iter().map(|name| (*name).to_owned()));
    }
    Ok((columns, is_whole))
}

/// The indexes of a table: whether unique, and over which columns.
fn indexes(file: &Connection, name: &str) -> Result<Vec<(bool, Vec<String>)>> {
    let read = || -> rusqlite::Result<Vec<(bool, Vec<String>)>> {
        let mut list =
            file.prepare_cached("SELECT name, \"unique\" FROM pragma_index_list(?1) WHERE NOT partial")?;
        let list: Vec<(String, bool)> =
            list.query_map([name], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
        let mut indexes = Vec::with_capacity(list.len());
        for (index, unique) in list {
            let mut columns =
                file.prepare_cached("SELECT coalesce(name, '') FROM pragma_index_info(?1) ORDER BY seqno")?;
            let columns = columns.query_map([&index], |row| row.get(0))?.collect::<Result<_, _>>()?;
            indexes.push((unique, columns));
        }
        Ok(indexes)
    };
    read().map_err(failed)
}

/// Runs a statement of a plan; a table is entered into the registry together with it.
pub(super) fn execute(file: &Connection, tables: &mut Tables, statement: &PlannedStatement) -> Result<()> {
    let run = |sql: &str| file.execute_batch(sql).map_err(failed);
    run("SAVEPOINT slackwater_schema")?;
    let claimed = match &statement.target {
        Some(target) if statement.object.kind == Kind::Table => tables.claim(file, target),
        _ => Ok(()),
    };
    let created = claimed.and_then(|()| run(&statement.sql)).map_err(|error| error.on(&statement.object));
    if created.is_err() {
        run("ROLLBACK TO slackwater_schema")?;
    }
    run("RELEASE slackwater_schema")?;
    tables.forget();
    created
}
