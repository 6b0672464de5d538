//! The tables of the source that the destination is to have.

use std::{collections::HashSet, sync::Arc};

use slackwater_decoders::schema::{Table, TableName, definition::TableDefinition};

use crate::{
    destinations::schema::{ColumnNames, Conflict, Kind, Object, SchemaPlan, Wanted},
    mapping::Route,
    types::mysql::quote_name,
};

/// A table of the source with its name and columns at the destination.
pub(super) struct Carried<'a> {
    pub(super) definition: &'a TableDefinition,
    pub(super) target: &'a TableName,
    /// Its definition there, as far as rows are concerned.
    pub(super) table: &'a Table,
    pub(super) names: ColumnNames<'a>,
}

impl Carried<'_> {
    pub(super) fn object(&self) -> Object {
        Object {
            kind: Kind::Table,
            source: self.definition.table.name.to_string(),
            target: self.target.to_string(),
        }
    }

    /// A key or foreign key of the table.
    pub(super) fn part(&self, kind: Kind, name: &str) -> Object {
        Object {
            kind,
            source: format!("{}.{name}", self.definition.table.name),
            target: format!("{}.{name}", self.target),
        }
    }

    /// The quoted name at the destination.
    pub(super) fn qualified(&self) -> String {
        qualified(self.target)
    }
}

/// A quoted, qualified name.
pub(super) fn qualified(table: &TableName) -> String {
    format!("{}.{}", quote_name(&table.database), quote_name(&table.table))
}

/// The ways of all tables that are carried. A rule that does not fit a table is a conflict of that table.
pub(super) fn routes<'a>(
    wanted: &Wanted<'a>,
    plan: &mut SchemaPlan,
) -> Vec<(&'a TableDefinition, Arc<Route>)> {
    let mut routes = Vec::with_capacity(wanted.schema.tables.len());
    for definition in &wanted.schema.tables {
        match wanted.mapping.route(&definition.table) {
            Ok(Some(route)) => routes.push((definition, route)),
            Ok(None) => {}
            Err(error) => {
                let name = &definition.table.name;
                let object = Object { kind: Kind::Table, source: name.to_string(), target: name.to_string() };
                plan.conflicts.push(Conflict { object, table: name.clone(), what: error.to_string() });
            }
        }
    }
    routes
}

/// The tables of those ways. Of several tables that become one, the first defines it.
pub(super) fn carried<'a>(
    routes: &'a [(&'a TableDefinition, Arc<Route>)],
    plan: &mut SchemaPlan,
) -> Vec<Carried<'a>> {
    let mut seen = HashSet::new();
    let mut tables = Vec::with_capacity(routes.len());
    for (definition, route) in routes {
        let target = route.target();
        let names = ColumnNames::new(&definition.table, target, &route.source_ordinals());
        let carried = Carried { definition, target: &target.name, table: target, names };
        if seen.insert(&target.name) {
            tables.push(carried);
        } else {
            plan.note(
                carried.object(),
                format!("becomes a part of {}, which another table defines", target.name),
            );
        }
    }
    tables
}
