//! What the rules make of the tables that are at the source now, for the precheck.

use std::{collections::HashMap, sync::Arc};

use serde::Serialize;
use slackwater_decoders::schema::{Table, TableName};

use super::route::{Mapping, Route, collision};
use crate::{
    config::DestinationConfig,
    error::Error,
    sources::{Finding, Level},
};

/// What becomes of one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Preview {
    /// The table at the source, `database.table`.
    pub source: String,
    /// The table at the destination; `None` when the rules do not fit it.
    pub destination: Option<String>,
    /// What else the rules change, for people.
    pub changes: Vec<String>,
}

/// What a destination asks of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// MySQL and MariaDB: up to 64 characters; whether case counts is a setting of the server (`lower_case_table_names`).
    Mysql,
    /// SQLite: any length, case does not count.
    Sqlite,
    /// PostgreSQL: up to 63 bytes, case counts.
    Postgres,
}

impl From<&DestinationConfig> for Names {
    fn from(destination: &DestinationConfig) -> Self {
        match destination {
            DestinationConfig::Mysql(_) => Names::Mysql,
            DestinationConfig::Sqlite(_) => Names::Sqlite,
            DestinationConfig::Postgres(_) => Names::Postgres,
        }
    }
}

/// MySQL's longest name of a database, table or column, in characters (Reference Manual, "Identifier Length Limits").
const NAME_CHARACTERS: usize = 64;
/// PostgreSQL's longest name in bytes (documentation, "Identifiers and Key Words"): more is cut off, so that two names may become one.
const NAME_BYTES: usize = 63;

impl Names {
    /// Why a name cannot be used.
    fn refuse(self, name: &str) -> Option<&'static str> {
        let mysql = self == Names::Mysql;
        match name {
            "" => Some("is empty"),
            name if name.contains('\0') => Some("has a zero byte"),
            name if mysql && name.chars().count() > NAME_CHARACTERS => Some("is longer than 64 characters"),
            name if self == Names::Postgres && name.len() > NAME_BYTES => Some("is longer than 63 bytes"),
            name if mysql && name.ends_with(' ') => Some("ends with a space"),
            name if mysql && name.chars().any(|c| u32::from(c) > 0xFFFF) => {
                Some("has a character beyond U+FFFF")
            }
            _ => None,
        }
    }
}

impl Mapping {
    /// What the rules make of these tables, and what is wrong with it.
    #[must_use]
    pub fn preview(&self, tables: &[Arc<Table>], names: Names) -> (Vec<Preview>, Vec<Finding>) {
        let (mut previews, mut findings, mut routes) = (Vec::new(), Vec::new(), Vec::new());
        for table in tables.iter().filter(|table| self.selection.includes(&table.name)) {
            let (destination, changes) = match self.compile(table) {
                Ok(route) => {
                    let told = (Some(route.target().name.to_string()), changes(table, &route));
                    routes.push(route);
                    told
                }
                Err(error) => {
                    findings.push(Finding::unanswered("mapping.rule", &error));
                    (None, Vec::new())
                }
            };
            previews.push(Preview { source: table.name.to_string(), destination, changes });
        }
        previews.sort_by(|a, b| a.source.cmp(&b.source));
        findings.extend(illegal_names(&routes, names));
        findings.extend(collisions(&routes, names));
        findings.extend(routes.iter().filter_map(merged_keys));
        findings.extend(self.unused_rules(tables));
        if findings.is_empty() && !self.rules.is_identity() {
            findings.push(Finding::ok("mapping.rules", format!("the rules fit {} tables", routes.len())));
        }
        (previews, findings)
    }

    /// Whether a table has a filter: then every row image has to have the filter's columns.
    #[must_use]
    pub fn has_filters(&self) -> bool {
        self.rules.all().iter().any(|rule| rule.filter.is_some())
    }

    /// Those of the tables that are carried by a filter.
    #[must_use]
    pub fn filtered(&self, tables: &[Arc<Table>]) -> Vec<TableName> {
        let names = tables.iter().map(|table| &table.name);
        names
            .filter(|name| self.selection.includes(name) && self.rules.decide(name).filter.is_some())
            .cloned()
            .collect()
    }

    /// Rules that no table of now is under.
    fn unused_rules(&self, tables: &[Arc<Table>]) -> Vec<Finding> {
        let carried = |name: &TableName| self.selection.includes(name);
        let unused = self.rules.all().iter().enumerate().filter(|(_, rule)| {
            !tables.iter().any(|table| {
                carried(&table.name) && rule.tables.matches(&table.name.database, &table.name.table)
            })
        });
        unused
            .map(|(number, rule)| {
                Finding::warning(
                    "mapping.unused",
                    format!("{} matches no table that is carried", super::rules::Rules::shown(number, rule)),
                    "correct `match`, unless the tables come later",
                )
            })
            .collect()
    }
}

/// What the rules change about a table beside its name.
fn changes(table: &Table, route: &Route) -> Vec<String> {
    let mut told = Vec::new();
    let target = route.target();
    if let Some(projection) = route.projection() {
        let sources = projection.cells().iter().zip(&target.columns);
        let mut kept = Vec::new();
        for (cell, column) in sources {
            match cell {
                super::projection::From::Source(ordinal) => {
                    kept.push(*ordinal);
                    let old = table.columns.get(*ordinal).filter(|old| old.name != column.name);
                    told.extend(old.map(|old| format!("column {} is called {}", old.name, column.name)));
                }
                super::projection::From::Constant(value) => {
                    told.push(format!("column {} is added: '{value}'", column.name));
                }
            }
        }
        let left_out = table.columns.iter().enumerate().filter(|(ordinal, _)| !kept.contains(ordinal));
        told.extend(left_out.map(|(_, column)| format!("column {} is left out", column.name)));
    }
    if !route.filter_columns().is_empty() || !route.filter_rule().is_empty() {
        told.push(format!("rows by the filter of {}", route.filter_rule()));
    }
    if let Some(operations) = route.left_out_operations() {
        told.push(format!("without {operations}"));
    }
    told
}

fn illegal_names(routes: &[Route], names: Names) -> Vec<Finding> {
    let mut findings = Vec::new();
    for route in routes {
        let target = route.target();
        let all = [&*target.name.database, &*target.name.table]
            .into_iter()
            .chain(target.columns.iter().map(|column| column.name.as_str()));
        for (name, why) in all.filter_map(|name| names.refuse(name).map(|why| (name, why))) {
            findings.push(Finding::error(
                "mapping.name",
                format!("{} becomes {}, where the name {name:?} {why}", route.source(), target.name),
                "give it another name under [[mapping]]",
            ));
        }
    }
    findings
}

/// Tables that become one although no rule says so, or that may where case does not count.
fn collisions(routes: &[Route], names: Names) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut exact: HashMap<TableName, &Route> = HashMap::new();
    let mut folded: HashMap<(String, String), &Route> = HashMap::new();
    for route in routes {
        let target = &route.target().name;
        if let Some(other) = exact.get(target) {
            if !(route.is_merged() && other.is_merged()) {
                let error: Error = collision(route.source(), other.source(), target);
                findings.push(Finding::unanswered("mapping.collision", &error));
            } else if !same_shape(route.target(), other.target()) {
                findings.push(Finding::error(
                    "mapping.merge",
                    format!("{} and {} both become {target}, with different columns or keys", other.source(), route.source()),
                    "make their definitions equal, or carry the columns that they have in common (columns.include)",
                ));
            }
            continue;
        }
        exact.insert(target.clone(), route);
        let key = (target.database.to_lowercase(), target.table.to_lowercase());
        if let Some(other) = folded.insert(key, route) {
            let found = format!(
                "{} becomes {target}, and {} becomes {}: the names differ in case only",
                route.source(),
                other.source(),
                other.target().name
            );
            if names == Names::Postgres {
                continue;
            }
            let level = if names == Names::Sqlite { Level::Error } else { Level::Warning };
            let repair = match names {
                Names::Sqlite => "give one another name under [[mapping]]",
                _ => {
                    "give one another name under [[mapping]], unless lower_case_table_names = 0 at the destination"
                }
            };
            findings.push(Finding { code: "mapping.case", level, found, repair: Some(repair.to_owned()) });
        }
    }
    findings
}

/// Whether rows of both fit one table.
fn same_shape(a: &Table, b: &Table) -> bool {
    let columns = |table: &Table| {
        table
            .columns
            .iter()
            .map(|column| (column.name.to_lowercase(), column.column_type.clone()))
            .collect::<Vec<_>>()
    };
    columns(a) == columns(b) && a.primary_key == b.primary_key
}

/// Rows of different tables with the same key are one row, unless an added column tells them apart.
fn merged_keys(route: &Route) -> Option<Finding> {
    let target = route.target();
    let added = |ordinal: &u16| {
        let cell = route.projection().and_then(|projection| projection.cells().get(usize::from(*ordinal)));
        matches!(cell, Some(super::projection::From::Constant(_)))
    };
    if !route.is_merged() || target.key().is_none_or(|key| key.iter().any(added)) {
        return None;
    }
    Some(Finding::warning(
        "mapping.merge_key",
        format!(
            "{} becomes {} with others: rows of different tables with the same key overwrite each other",
            route.source(),
            target.name
        ),
        "add a column that tells them apart: add = { source_database = { value = \"${source.database}\", key = true } }, unless \
         no key is in two tables",
    ))
}
