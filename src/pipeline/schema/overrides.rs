//! What the operator wants otherwise than planned.

use std::collections::HashSet;

use slackwater_decoders::schema::{TableName, definition::Schema};

use crate::{
    config::Overrides,
    destinations::schema::{Kind, SchemaPlan},
};

/// Puts the operator's statements in the places of those that are planned, and takes out what is skipped: with a table also
/// what belongs to it.
pub(super) fn apply(overrides: &Overrides, plan: &mut SchemaPlan) {
    let skips = |name: &str| overrides.skip.iter().any(|skipped| skipped == name);
    let skips_table =
        |table: &Option<TableName>| table.as_ref().is_some_and(|table| skips(&format!("table {table}")));
    let mut skipped = Vec::new();
    plan.statements.retain(|statement| {
        let skip = skips(&statement.object.to_string()) || skips_table(&statement.table);
        if skip {
            skipped.push(statement.object.to_string());
        }
        !skip
    });
    plan.conflicts.retain(|conflict| !skips(&conflict.object.to_string()));
    for object in skipped {
        plan.note(object, "is skipped by the override file");
    }
    for statement in &mut plan.statements {
        if let Some(text) = overrides.statements.get(&statement.object.to_string()) {
            statement.sql.clone_from(text);
            statement.change = None;
            statement.overridden = true;
        }
    }
}

/// The tables that are skipped.
pub(super) fn skipped_tables(overrides: &Overrides, schema: &Schema) -> Vec<TableName> {
    let names = schema.tables.iter().map(|table| &table.table.name);
    names.filter(|name| overrides.skip.contains(&format!("table {name}"))).cloned().collect()
}

/// What the file names and the plan and the source do not have.
pub(super) fn unknown(overrides: &Overrides, schema: &Schema, plan: &SchemaPlan) -> Vec<String> {
    if overrides.is_empty() {
        return Vec::new();
    }
    let statements = plan.statements.iter().map(|statement| statement.object.to_string());
    let kept = plan.kept.iter().map(ToString::to_string);
    let conflicts = plan.conflicts.iter().map(|conflict| conflict.object.to_string());
    let mut objects: HashSet<String> = statements.chain(kept).chain(conflicts).collect();
    // What is skipped, and what belongs to it, is not in the plan any more.
    objects.extend(plan.notes.iter().map(|note| note.object.clone()));
    objects.extend(schema.tables.iter().map(|table| format!("{} {}", Kind::Table.word(), table.table.name)));
    let columns = |name: &&String| {
        !schema.tables.iter().any(|definition| {
            let table = &definition.table;
            name.strip_prefix(&format!("{}.", table.name))
                .is_some_and(|column| table.columns.iter().any(|known| known.name == column))
        })
    };
    let named = overrides.skip.iter().chain(overrides.statements.keys());
    named
        .filter(|name| !objects.contains(*name))
        .chain(overrides.columns.keys().filter(columns))
        .cloned()
        .collect()
}
