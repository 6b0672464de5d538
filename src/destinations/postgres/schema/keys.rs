//! Indexes, unique keys and foreign keys of tables.

use std::collections::HashMap;

use slackwater_decoders::schema::{
    TableName,
    definition::{ForeignKey, Indexed, Key, KeyKind},
};

use super::{Planner, qualified, same_set};
use crate::{
    destinations::{
        carried::Carried,
        schema::{ColumnNames, Conflict, Kind, PlannedStatement, Stage},
    },
    types::postgres::{quote_name, quote_text, short_name},
};

/// The columns of a key by their names here; `None` where it is over less than whole columns, or one is not carried.
pub(super) fn whole_columns(key: &Key, names: &ColumnNames<'_>) -> Option<Vec<String>> {
    let whole = |part: &slackwater_decoders::schema::definition::KeyPart| match &part.of {
        Indexed::Column(name) if part.prefix.is_none() => names.get(name).map(ToOwned::to_owned),
        _ => None,
    };
    key.parts.iter().map(whole).collect()
}

/// A list of quoted names.
pub(super) fn list<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    names.into_iter().map(quote_name).collect::<Vec<_>>().join(", ")
}

/// The columns that a key is over.
fn columns_of(key: &Key) -> impl Iterator<Item = &String> {
    key.parts.iter().filter_map(|part| match &part.of {
        Indexed::Column(name) => Some(name),
        Indexed::Expression(_) | Indexed::Period(_) => None,
    })
}

impl Planner<'_> {
    pub(super) fn keys(&mut self, table: &Carried<'_>) {
        let identity = table.identity().map(|key| &key.name);
        let wanted = table.definition.details.keys.iter();
        let wanted = wanted
            .filter(|key| key.kind != KeyKind::Primary && Some(&key.name) != identity)
            .collect::<Vec<_>>();
        for key in wanted {
            if columns_of(key).all(|column| self.has_column(table, column)) {
                self.key(table, key);
            }
        }
    }

    /// The name of a key here. Those of MySQL are unique in their table, those of PostgreSQL in their schema.
    pub(super) fn key_name(&self, table: &Carried<'_>, key: &Key) -> String {
        let of_table = &table.target.table;
        if self.native || key.name.starts_with(&format!("{of_table}_")) {
            return short_name(&key.name);
        }
        short_name(&format!("{of_table}_{}", key.name))
    }

    fn key(&mut self, table: &Carried<'_>, key: &Key) {
        let name = self.key_name(table, key);
        let object = table.part(Kind::Index, &key.name);
        if let Some(actual) = self.existing.table(table.target)
            && let Some(index) = actual.indexes.get(&name)
        {
            let wanted = whole_columns(key, &table.names).map(|mut columns| {
                columns.extend(table.names.added_to(key.kind).iter().map(|name| (*name).to_owned()));
                columns
            });
            let same =
                wanted.is_none_or(|wanted| index.columns.is_empty() || same_set(&wanted, &index.columns));
            if same && index.is_valid && (key.kind != KeyKind::Unique || index.is_unique) {
                self.plan.kept.push(object);
            } else {
                let what = if index.is_valid {
                    "an index of this name is there, over something else"
                } else {
                    "an index of this name is there that is not valid: drop it"
                };
                let table = table.definition.table.name.clone();
                self.plan.conflicts.push(Conflict { object, table, what: what.to_owned() });
            }
            return;
        }
        let created =
            if self.native { self.native_key(table, key) } else { self.translated_key(table, key, &name) };
        match created {
            Ok((mut sql, is_constraint)) => {
                if let Some(comment) = &key.comment {
                    let of = if is_constraint {
                        format!("CONSTRAINT {} ON {}", quote_name(&name), qualified(table.target))
                    } else {
                        format!("INDEX {}.{}", quote_name(&table.target.database), quote_name(&name))
                    };
                    sql.push_str(&format!(";\nCOMMENT ON {of} IS {}", quote_text(comment)));
                }
                let statement = PlannedStatement::new(object, Stage::AfterLoad, sql);
                self.plan.statements.push(statement.of(&table.definition.table.name, table.target));
            }
            Err(why) => self.plan.note(object, format!("is left out: {why}")),
        }
    }

    /// The statement for a key as the source writes it, and whether it is a constraint.
    pub(super) fn native_key(&self, table: &Carried<'_>, key: &Key) -> Result<(String, bool), String> {
        let added = table.names.added_to(key.kind);
        if !added.is_empty() {
            let columns = whole_columns(key, &table.names).ok_or(
                "the table is one of several that become one, and the key is not over whole columns",
            )?;
            let columns = list(columns.iter().map(String::as_str).chain(added.iter().copied()));
            let name = quote_name(&key.name);
            let sql =
                format!("ALTER TABLE {} ADD CONSTRAINT {name} UNIQUE ({columns})", qualified(table.target));
            return Ok((sql, true));
        }
        let native = self.here_of(&key.native, table).ok_or("a column of it is not carried")?;
        if native.starts_with("CREATE ") {
            // An index of a partitioned table is shown without those of its partitions, which come with it.
            return Ok((native.replacen(" ON ONLY ", " ON ", 1), false));
        }
        let name = quote_name(&key.name);
        Ok((format!("ALTER TABLE {} ADD CONSTRAINT {name} {native}", qualified(table.target)), true))
    }

    pub(super) fn foreign_keys(&mut self, table: &Carried<'_>, tables: &HashMap<&TableName, &Carried<'_>>) {
        for key in &table.definition.details.foreign_keys {
            let object = table.part(Kind::ForeignKey, &key.name);
            let Some(other) = tables.get(&key.references) else {
                self.plan.note(&object, format!("is left out: {} is not carried", key.references));
                continue;
            };
            let here = key.columns.iter().all(|column| self.has_column(table, column));
            if !here || !key.referenced.iter().all(|column| self.has_column(other, column)) {
                continue;
            }
            let name = short_name(&key.name);
            let Some(definition) = self.foreign_key(key, table, other) else {
                self.plan.note(&object, "is left out: a column of it is not carried");
                continue;
            };
            let is_held_to = !definition.ends_with(" NOT VALID");
            let head = format!("ALTER TABLE {}", qualified(table.target));
            let add = format!("{head} ADD CONSTRAINT {} {definition}", quote_name(&name));
            let validate = format!("{head} VALIDATE CONSTRAINT {}", quote_name(&name));
            let there =
                self.existing.table(table.target).and_then(|table| table.constraints.get(&name)).copied();
            let statements = match there {
                Some(is_valid) if is_valid || !is_held_to => {
                    self.plan.kept.push(object);
                    continue;
                }
                Some(_) => vec![(Stage::AtConsistency, validate)],
                None if self.native => vec![(Stage::AtConsistency, add)],
                None => {
                    vec![(Stage::AfterLoad, format!("{add} NOT VALID")), (Stage::AtConsistency, validate)]
                }
            };
            for (stage, sql) in statements {
                let statement = PlannedStatement::new(object.clone(), stage, sql);
                self.plan.statements.push(statement.of(&table.definition.table.name, table.target));
            }
        }
    }

    fn foreign_key(&self, key: &ForeignKey, table: &Carried<'_>, other: &Carried<'_>) -> Option<String> {
        let renamed = table.names.renamed || other.names.renamed;
        if let Some(native) = key.native.as_ref().filter(|_| !renamed) {
            let carried = key.columns.iter().all(|column| table.names.get(column).is_some())
                && key.referenced.iter().all(|column| other.names.get(column).is_some());
            return carried.then(|| self.here(native));
        }
        let columns = |columns: &[String], names: &ColumnNames<'_>| {
            let columns: Option<Vec<_>> = columns.iter().map(|column| names.get(column)).collect();
            columns.map(list)
        };
        let mut definition = format!(
            "FOREIGN KEY ({}) REFERENCES {} ({})",
            columns(&key.columns, &table.names)?,
            qualified(other.target),
            columns(&key.referenced, &other.names)?
        );
        for (word, action) in [("DELETE", &key.on_delete), ("UPDATE", &key.on_update)] {
            if let Some(action) = action {
                definition.push_str(&format!(" ON {word} {action}"));
            }
        }
        Some(definition)
    }
}
