//! Views, triggers, routines, events and sequences.

use std::sync::Arc;

use slackwater_decoders::schema::{
    Table, TableName,
    definition::{ObjectKind, StoredObject},
};

use super::{Planner, qualified, text};
use crate::{
    destinations::schema::{Kind, Object, PlannedStatement, Stage},
    types::mysql::quote_name,
};

/// SQL modes that MariaDB alone has. Source: MariaDB documentation, "SQL Mode".
const OF_MARIADB: [&str; 4] =
    ["EMPTY_STRING_IS_NULL", "SIMULTANEOUS_ASSIGNMENT", "TIME_ROUND_FRACTIONAL", "IGNORE_BAD_TABLE_OPTIONS"];
/// SQL modes that MySQL 8.0 removed. Source: MySQL 8.0 release notes, 8.0.11.
const REMOVED: [&str; 11] = [
    "DB2",
    "MAXDB",
    "MSSQL",
    "MYSQL323",
    "MYSQL40",
    "ORACLE",
    "POSTGRESQL",
    "NO_FIELD_OPTIONS",
    "NO_KEY_OPTIONS",
    "NO_TABLE_OPTIONS",
    "NO_AUTO_CREATE_USER",
];

impl Planner<'_> {
    /// Sequences, which defaults of tables name, or all others.
    pub(super) fn objects(&mut self, sequences: bool) {
        let is_wanted = |object: &&StoredObject| (object.kind == ObjectKind::Sequence) == sequences;
        let mut objects: Vec<_> = self.wanted.schema.objects.iter().filter(is_wanted).collect();
        objects.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
        for object in objects {
            self.object(object);
        }
    }

    fn object(&mut self, stored: &StoredObject) {
        let Some(target) = self.object_name(stored) else { return };
        let object = Object {
            kind: Kind::Stored(stored.kind),
            source: stored.name.to_string(),
            target: target.to_string(),
        };
        if stored.kind == ObjectKind::Sequence && !self.translation.server.mariadb {
            self.plan.note(&object, "MySQL has no sequences");
            return;
        }
        if self.existing.has_object(stored.kind, &target) {
            self.plan.kept.push(object);
            return;
        }
        let (statement, had_definer) = text::without_definer(&stored.statement);
        let Some((before, behind)) = text::around_name(&statement, object.kind.word()) else {
            self.plan.note(&object, "its statement names it in no known way: create it by hand");
            return;
        };
        let stage = match stored.kind {
            ObjectKind::Sequence => Stage::Tables,
            ObjectKind::View => Stage::AfterLoad,
            _ => Stage::AtCutover,
        };
        if had_definer {
            self.plan.note(&object, "its definer is the account of the destination");
        }
        if self.renames_tables && stage == Stage::AtCutover {
            self.plan.note(&object, "its text may name tables as the source does");
        }
        let mut behind = self.with_tables(&behind);
        if stored.kind == ObjectKind::View {
            behind = text::with_collations(&behind, self.translation.server).into_owned();
        }
        let mut planned =
            PlannedStatement::new(object, stage, format!("{before}{}{behind}", qualified(&target)));
        planned.database = Some(target.database.to_string());
        planned.sql_mode = (stored.kind != ObjectKind::View && stored.kind != ObjectKind::Sequence)
            .then(|| self.sql_mode(&stored.sql_mode));
        self.plan.statements.push(planned);
    }

    /// The object's name at the destination: what the rules make of a table of its name, or its table's database.
    pub(super) fn object_name(&self, stored: &StoredObject) -> Option<TableName> {
        if let Some(table) = &stored.table {
            let target = self.targets.get(table)?;
            return Some(TableName::new(Arc::clone(&target.database), Arc::clone(&stored.name.table)));
        }
        let standing_in = Arc::new(Table {
            name: stored.name.clone(),
            columns: Vec::new(),
            primary_key: Vec::new(),
            unique_keys: Vec::new(),
            indexes: Vec::new(),
            collation: None,
            named: true,
            number: None,
        });
        match self.wanted.mapping.route(&standing_in) {
            Ok(Some(route)) => Some(route.target().name.clone()),
            Ok(None) => None,
            // A rule about columns does not fit an object without columns.
            Err(_) => Some(self.wanted.mapping.target_name(&stored.name)),
        }
    }

    /// The text with the tables' names at the destination.
    fn with_tables(&self, text: &str) -> String {
        if !self.renames_tables {
            return text.to_owned();
        }
        text::with_tables(text, |database, table| {
            let target = self.targets.get(&TableName::new(database, table))?;
            Some((target.database.to_string(), target.table.to_string()))
        })
    }

    /// The modes that the server knows.
    fn sql_mode(&self, source: &str) -> String {
        let server = self.translation.server;
        let unknown = |mode: &str| {
            (server.mysql_since(8) && REMOVED.contains(&mode))
                || (!server.mariadb && OF_MARIADB.contains(&mode))
        };
        source.split(',').filter(|mode| !mode.is_empty() && !unknown(mode)).collect::<Vec<_>>().join(",")
    }

    /// The statement that creates a database.
    pub(super) fn create_database(name: &str, collation: Option<&str>) -> String {
        let collation = collation.map_or_else(String::new, |collation| format!(" COLLATE {collation}"));
        format!("CREATE DATABASE IF NOT EXISTS {}{collation}", quote_name(name))
    }
}
