//! The tables of the source that a destination is to have, by their names on both sides.

use std::{collections::HashSet, sync::Arc};

use slackwater_decoders::schema::{
    Table, TableName,
    definition::{Indexed, Key, KeyKind, TableDefinition, TableDetails},
};

use crate::{
    destinations::schema::{ColumnNames, Conflict, Kind, Object, SchemaPlan, Wanted},
    mapping::Route,
};

/// A table of the source with its name and columns at the destination.
pub(in crate::destinations) struct Carried<'a> {
    pub(in crate::destinations) definition: &'a TableDefinition,
    pub(in crate::destinations) target: &'a TableName,
    /// Its definition there, as far as rows are concerned.
    pub(in crate::destinations) table: &'a Table,
    pub(in crate::destinations) names: ColumnNames<'a>,
}

impl Carried<'_> {
    /// The table as an object of a plan.
    pub(in crate::destinations) fn object(&self) -> Object {
        Object {
            kind: Kind::Table,
            source: self.definition.table.name.to_string(),
            target: self.target.to_string(),
        }
    }

    /// The primary key, else the unique key that identifies a row; none for a keyless table.
    pub(in crate::destinations) fn identity(&self) -> Option<&Key> {
        identity(&self.definition.table, &self.definition.details)
    }

    /// A key or foreign key of the table.
    pub(in crate::destinations) fn part(&self, kind: Kind, name: &str) -> Object {
        Object {
            kind,
            source: format!("{}.{name}", self.definition.table.name),
            target: format!("{}.{name}", self.target),
        }
    }
}

/// The key of a definition that identifies a row.
pub(in crate::destinations) fn identity<'d>(table: &Table, details: &'d TableDetails) -> Option<&'d Key> {
    let of_kind = |kind: KeyKind| details.keys.iter().filter(move |key| key.kind == kind);
    let is_of_rows = |key: &&Key| key.condition.is_none() && is_key_of(key, table);
    of_kind(KeyKind::Primary).next().or_else(|| of_kind(KeyKind::Unique).find(is_of_rows))
}

/// Whether the key is over the columns that identify a row.
fn is_key_of(key: &Key, table: &Table) -> bool {
    let wanted = table.key().unwrap_or_default().iter();
    let wanted =
        wanted.map(|ordinal| table.columns.get(usize::from(*ordinal)).map(|column| column.name.as_str()));
    let parts = key.parts.iter().map(|part| match &part.of {
        Indexed::Column(name) if part.prefix.is_none() => Some(name.as_str()),
        _ => None,
    });
    wanted.eq(parts)
}

/// The ways of all tables that are carried. A rule that does not fit a table is a conflict of that table.
pub(in crate::destinations) fn routes<'a>(
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
pub(in crate::destinations) fn carried<'a>(
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
