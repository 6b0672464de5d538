//! Extensions, types, sequences, routines, views, triggers and rules.

use std::sync::Arc;

use slackwater_decoders::schema::{
    Table, TableName,
    definition::{ObjectKind, StoredObject},
};

use super::{Planner, qualified, text};
use crate::{
    destinations::schema::{Kind, Object, PlannedStatement, Stage},
    types::postgres::{quote_name, quote_text},
};

/// An object of the source that the destination is to have.
pub(super) struct Wanted<'a> {
    pub(super) stored: &'a StoredObject,
    /// Its name here.
    pub(super) target: TableName,
}

impl Wanted<'_> {
    fn object(&self) -> Object {
        Object {
            kind: Kind::Stored(self.stored.kind),
            source: self.stored.name.to_string(),
            target: self.target.to_string(),
        }
    }
}

impl<'a> Planner<'a> {
    /// The objects that are selected, and those that tables or other objects need. Those of MySQL are noted.
    pub(super) fn objects(&mut self) -> Vec<Wanted<'a>> {
        let stored: &'a [StoredObject] = &self.wanted.schema.objects;
        if !self.native {
            for object in stored {
                if self.selected(&object.name).is_some() {
                    let name = format!("{} {}", Kind::Stored(object.kind).word(), object.name);
                    self.plan.note(name, "is not translated: create it by hand");
                }
            }
            return Vec::new();
        }
        let wanted: Vec<_> = stored
            .iter()
            .filter_map(|stored| Some(Wanted { stored, target: self.object_target(stored)? }))
            .collect();
        for object in &wanted {
            let (source, target) = (base(&object.stored.name), base(&object.target));
            if source != target {
                self.renamed.insert(source, target);
            }
        }
        wanted
    }

    fn object_target(&self, object: &StoredObject) -> Option<TableName> {
        if object.kind == ObjectKind::Extension {
            return Some(TableName::new(
                self.wanted.mapping.target_name(&object.name).database,
                Arc::clone(&object.name.table),
            ));
        }
        if let Some(table) = &object.table {
            let definition = self.wanted.schema.tables.iter().find(|other| other.table.name == *table)?;
            let route = self.wanted.mapping.route(&definition.table).ok().flatten()?;
            return Some(TableName::new(
                Arc::clone(&route.target().name.database),
                Arc::clone(&object.name.table),
            ));
        }
        // What is not selected is there because something selected is made of it.
        Some(self.selected(&object.name).unwrap_or_else(|| object.name.clone()))
    }

    /// What the rules make of an object of that name; `None` when it is not selected.
    fn selected(&self, name: &TableName) -> Option<TableName> {
        let standing_in = Arc::new(Table {
            name: name.clone(),
            columns: Vec::new(),
            primary_key: Vec::new(),
            unique_keys: Vec::new(),
            indexes: Vec::new(),
            collation: None,
            named: true,
            number: None,
        });
        match self.wanted.mapping.route(&standing_in) {
            Ok(route) => route.map(|route| route.target().name.clone()),
            // A rule about columns does not fit an object without columns.
            Err(_) => Some(name.clone()),
        }
    }

    pub(super) fn before_tables(&mut self, objects: &[Wanted<'_>]) {
        for object in objects {
            match object.stored.kind {
                ObjectKind::Extension => self.extension(object),
                ObjectKind::Type | ObjectKind::Sequence => self.object(object, Stage::Tables),
                ObjectKind::Function | ObjectKind::Procedure if !self.is_of_tables(object.stored) => {
                    self.object(object, Stage::Tables);
                }
                _ => {}
            }
        }
    }

    pub(super) fn behind_tables(&mut self, objects: &[Wanted<'_>]) {
        for object in objects {
            match object.stored.kind {
                ObjectKind::View => self.object(object, Stage::AfterLoad),
                ObjectKind::MaterializedView => self.materialized_view(object),
                ObjectKind::Function | ObjectKind::Procedure if self.is_of_tables(object.stored) => {
                    self.object(object, Stage::AfterLoad);
                }
                ObjectKind::Trigger => self.trigger(object),
                _ => {}
            }
        }
    }

    /// Whether a routine can only be created behind the tables: it takes or returns their rows, or is compiled when it is created.
    fn is_of_tables(&self, routine: &StoredObject) -> bool {
        let head = routine.statement.split("\nAS ").next().unwrap_or_default();
        let names = text::qualified_names(head);
        let is_relation = |(schema, name): &(String, String)| {
            let name = TableName::new(schema.as_str(), name.as_str());
            self.wanted.schema.tables.iter().any(|table| table.table.name == name)
                || self.wanted.schema.objects.iter().any(|object| {
                    matches!(object.kind, ObjectKind::View | ObjectKind::MaterializedView)
                        && object.name == name
                })
        };
        routine.statement.contains("BEGIN ATOMIC") || names.iter().any(is_relation)
    }

    fn extension(&mut self, wanted: &Wanted<'_>) {
        let name = &*wanted.stored.name.table;
        let object = wanted.object();
        if self.existing.has_object(ObjectKind::Extension, &wanted.stored.name) {
            self.plan.kept.push(object);
            return;
        }
        match self.existing.available_extension(name) {
            None if !self.existing.lacks_extension(name) => {}
            None => self.plan.note(
                &object,
                "is not installed on the destination's machine: install its package before anything is created",
            ),
            Some(version) => {
                let of_source = wanted.stored.statement.split(" VERSION ").nth(1).unwrap_or_default();
                let of_source = of_source.trim_matches('\'');
                if !of_source.is_empty() && of_source != version {
                    let text = format!("will have the version {version}; the source has {of_source}");
                    self.plan.note(&object, text);
                }
            }
        }
        let schema = quote_name(&wanted.target.database);
        let sql = format!("CREATE EXTENSION IF NOT EXISTS {} WITH SCHEMA {schema}", quote_name(name));
        self.plan.statements.push(PlannedStatement::new(object, Stage::Tables, sql));
    }

    fn object(&mut self, wanted: &Wanted<'_>, stage: Stage) {
        let object = wanted.object();
        if self.existing.has_object(wanted.stored.kind, &wanted.target) {
            self.plan.kept.push(object);
            return;
        }
        let is_query = matches!(wanted.stored.kind, ObjectKind::View | ObjectKind::MaterializedView);
        let mut sql = if is_query {
            self.query_here(&wanted.stored.statement)
        } else {
            self.here(&wanted.stored.statement)
        };
        if matches!(wanted.stored.kind, ObjectKind::Function | ObjectKind::Procedure)
            && self.renamed.iter().any(|(source, target)| source != target)
        {
            self.plan.note(&object, "its text may name tables as the source does");
        }
        if let Some(comment) = &wanted.stored.comment {
            let word = Kind::Stored(wanted.stored.kind).word().to_uppercase();
            let name = named(&wanted.target);
            let word = if is_domain(&sql) { "DOMAIN" } else { word.as_str() };
            sql.push_str(&format!(";\nCOMMENT ON {word} {name} IS {}", quote_text(comment)));
        }
        let mut statement = PlannedStatement::new(object, stage, sql);
        statement.database = Some(wanted.target.database.to_string());
        self.plan.statements.push(statement);
    }

    /// Created without contents, which it gets when the tables are complete.
    fn materialized_view(&mut self, wanted: &Wanted<'_>) {
        self.object(wanted, Stage::AfterLoad);
        let is_there = self.existing.has_object(wanted.stored.kind, &wanted.target);
        if is_there && !self.existing.is_empty_view(&wanted.target) {
            return;
        }
        if is_there {
            self.plan.kept.pop();
        }
        let sql = format!("REFRESH MATERIALIZED VIEW {}", qualified(&wanted.target));
        self.plan.statements.push(PlannedStatement::new(wanted.object(), Stage::AtCutover, sql));
    }

    /// A trigger or a rule.
    fn trigger(&mut self, wanted: &Wanted<'_>) {
        let Some(table) = &wanted.stored.table else { return };
        let target = self.renamed.get(table).unwrap_or(table).clone();
        let object = wanted.object();
        let name = trigger_name(wanted.stored);
        if self.existing.has_trigger(&target, &name) {
            self.plan.kept.push(object);
            return;
        }
        let sql = self.here(&wanted.stored.statement);
        let statement = PlannedStatement::new(object, Stage::AtCutover, sql);
        self.plan.statements.push(statement.of(table, &target));
    }
}

/// The name behind `CREATE … TRIGGER` or `CREATE … RULE`.
fn trigger_name(stored: &StoredObject) -> String {
    let pieces = text::pieces(&stored.statement);
    let mut behind = pieces.iter().skip_while(|piece| {
        !matches!(piece, text::Piece::Word(word) if word.eq_ignore_ascii_case("trigger") || word.eq_ignore_ascii_case("rule"))
    });
    behind.next();
    behind.find_map(|piece| piece.name()).unwrap_or_else(|| stored.name.table.to_string())
}

fn is_domain(statement: &str) -> bool {
    statement.starts_with("CREATE DOMAIN")
}

/// The name without the types of arguments.
fn base(name: &TableName) -> TableName {
    let plain = name.table.split('(').next().unwrap_or_default();
    TableName::new(Arc::clone(&name.database), plain)
}

/// The quoted name, with the types of arguments as they are.
fn named(name: &TableName) -> String {
    let plain = base(name);
    let arguments = name.table.get(plain.table.len()..).unwrap_or_default();
    format!("{}{arguments}", qualified(&plain))
}
