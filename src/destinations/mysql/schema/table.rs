//! `CREATE TABLE` with what rows need: columns, conditions, options, and the key that identifies a row.

use slackwater_decoders::schema::{
    Table,
    definition::{Check, Indexed, Key, KeyKind, TableDetails},
};

use super::{super::definition::column_definition, Translation, column::Source, qualified, text};
use crate::{
    destinations::{
        carried::{Carried, identity},
        schema::{ColumnTypes, SchemaPlan},
    },
    types::mysql::{known_collation, quote_name},
};

/// What is about one machine and not about the table.
const OF_THE_MACHINE: [&str; 5] =
    ["DATA DIRECTORY", "INDEX DIRECTORY", "TABLESPACE", "STORAGE", "SECONDARY_ENGINE"];
/// Options that both dialects have, with the same meaning.
const COMMON: [&str; 8] = [
    "AUTO_INCREMENT",
    "COMMENT",
    "ROW_FORMAT",
    "KEY_BLOCK_SIZE",
    "STATS_PERSISTENT",
    "STATS_AUTO_RECALC",
    "STATS_SAMPLE_PAGES",
    "MAX_ROWS",
];

/// The keys that a table is created with.
pub(super) struct FirstKeys<'a> {
    /// The primary key, else the unique key that identifies a row; none for a keyless table.
    pub(super) identity: Option<&'a Key>,
    /// Another key, which numbering takes. It is created as one that is not unique: copied rows of different times may
    /// have the same number.
    pub(super) numbering: Option<&'a Key>,
}

impl<'a> FirstKeys<'a> {
    pub(super) fn of(table: &Table, details: &'a TableDetails) -> Self {
        let identity = identity(table, details);
        let numbered = table.columns.iter().find(|column| column.auto_increment);
        let leads = |key: &&Key, name: &str| {
            key.parts
                .first()
                .is_some_and(|part| matches!(&part.of, Indexed::Column(column) if column == name))
        };
        let numbering = numbered
            .filter(|column| !identity.is_some_and(|key| leads(&key, &column.name)))
            .and_then(|column| {
                let fits = |key: &&Key| matches!(key.kind, KeyKind::Unique | KeyKind::Plain);
                details.keys.iter().find(|key| fits(key) && leads(key, &column.name))
            });
        FirstKeys { identity, numbering }
    }

    pub(super) fn has_leading(&self, column: &str) -> bool {
        [self.identity, self.numbering].into_iter().flatten().any(|key| {
            key.parts.first().is_some_and(|part| matches!(&part.of, Indexed::Column(name) if name == column))
        })
    }
}

impl Translation {
    /// The statement that creates a table, under its name at the destination.
    pub(super) fn create_table(
        &self,
        carried: &Carried<'_>,
        types: &ColumnTypes,
        plan: &mut SchemaPlan,
    ) -> String {
        let (table, details) = (&carried.definition.table, &carried.definition.details);
        let mut notes = Vec::new();
        let first = FirstKeys::of(table, details);
        let mut parts = self.columns(carried, &first, types, plan, &mut notes);
        if let Some(key) = first.identity {
            match self.key(key, &carried.names, &mut notes) {
                Some(key) => parts.push(key),
                None => notes.push("has no key: a column of it is not carried".to_owned()),
            }
        }
        if let Some(key) = first.numbering {
            parts.extend(self.key_from_parts(key, KeyKind::Plain, &carried.names, &mut notes));
        }
        for check in &details.checks {
            match self.check(check, carried) {
                Some(check) => parts.push(check),
                None => notes.push(format!("rows are not held to CHECK ({})", check.expression)),
            }
        }
        if self.native {
            parts.extend(details.periods.iter().cloned());
        } else if !details.periods.is_empty() {
            notes.push("its periods are plain columns".to_owned());
        }
        let mut statement =
            format!("CREATE TABLE {} (\n  {}\n)", qualified(carried.target), parts.join(",\n  "));
        self.options(carried, &mut statement, &mut notes);
        for text in notes {
            plan.note(carried.object(), text);
        }
        statement
    }

    fn columns(
        &self,
        carried: &Carried<'_>,
        first: &FirstKeys<'_>,
        types: &ColumnTypes,
        plan: &mut SchemaPlan,
        notes: &mut Vec<String>,
    ) -> Vec<String> {
        let (table, details) = (&carried.definition.table, &carried.definition.details);
        let mut definitions = Vec::new();
        for (place, column) in table.columns.iter().enumerate().filter(|(_, column)| !column.is_hidden()) {
            let Some(name) = carried.names.get(&column.name) else { continue };
            // In order, so that the details are at hand for wide tables as well.
            let details = details.columns.get(place).filter(|details| details.name == column.name);
            let source = Source {
                column,
                details: details.or_else(|| carried.definition.details.column(&column.name)),
                names: &carried.names,
                chosen: types.get(&table.name, &column.name),
                leads_key: first.has_leading(&column.name),
            };
            let mut loss = |to: &str, what: &str| {
                plan.losses.push(Translation::loss(&table.name, column, to, what));
            };
            let definition = self.column(&source, &mut loss, &mut |note| notes.push(note));
            definitions.push(format!("{} {definition}", quote_name(name)));
        }
        let added = carried.names.added.iter();
        definitions.extend(added.map(|column| column_definition(carried.table, column, self.server)));
        definitions
    }

    fn check(&self, check: &Check, carried: &Carried<'_>) -> Option<String> {
        // MariaDB has no conditions that rows are not held to.
        if !self.knows_checks() || (!check.enforced && self.server.mariadb) {
            return None;
        }
        let expression = text::with_collations(&check.expression, self.server);
        let expression = self.expression(&expression, &carried.names)?;
        let name =
            check.name.as_ref().map_or_else(String::new, |name| format!("CONSTRAINT {} ", quote_name(name)));
        let enforced = if check.enforced { "" } else { " NOT ENFORCED" };
        Some(format!("{name}CHECK ({expression}){enforced}"))
    }

    fn options(&self, carried: &Carried<'_>, statement: &mut String, notes: &mut Vec<String>) {
        let (table, details) = (&carried.definition.table, &carried.definition.details);
        let engine = details.option("ENGINE").unwrap_or("InnoDB");
        if !self.native && !engine.eq_ignore_ascii_case("InnoDB") {
            notes.push(format!("its engine is InnoDB and not {engine}"));
        }
        statement.push_str(&format!(" ENGINE={}", if self.native { engine } else { "InnoDB" }));
        for (name, value) in &details.options {
            match name.as_str() {
                "ENGINE" | "DEFAULT CHARSET" | "DEFAULT CHARACTER SET" | "CHARSET" | "COLLATE" => {}
                name if OF_THE_MACHINE.contains(&name) || !(self.native || COMMON.contains(&name)) => {
                    notes.push(format!("the option {name}={value} is left out"));
                }
                name => statement.push_str(&format!(" {name}={value}")),
            }
        }
        if let Some(collation) = &table.collation {
            let (known, exact) = known_collation(collation, self.server);
            let charset = known.split('_').next().unwrap_or(&known);
            statement.push_str(&format!(" DEFAULT CHARSET={charset} COLLATE={known}"));
            if !exact {
                notes.push(format!("its collation is {known}, the nearest to {collation}"));
            }
        }
        if details.system_versioned {
            if self.native {
                statement.push_str(" WITH SYSTEM VERSIONING");
                notes.push("old versions of its rows are not copied".to_owned());
            } else {
                notes.push("has the current versions of its rows alone".to_owned());
            }
        }
        self.partitions(carried, engine, statement, notes);
    }

    fn partitions(
        &self,
        carried: &Carried<'_>,
        engine: &str,
        statement: &mut String,
        notes: &mut Vec<String>,
    ) {
        let Some(partitions) = &carried.definition.details.partitions else { return };
        let of_versions = partitions.to_ascii_uppercase().contains("SYSTEM_TIME");
        let known = self.native || (!of_versions && engine.eq_ignore_ascii_case("InnoDB"));
        if known && !carried.names.renamed {
            statement.push('\n');
            statement.push_str(partitions);
        } else {
            notes.push(format!("is not partitioned ({partitions})"));
        }
    }
}
