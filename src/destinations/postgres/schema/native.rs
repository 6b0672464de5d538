//! Tables of a PostgreSQL source, as it writes them.

use slackwater_decoders::schema::{
    Column, TableName,
    definition::{ColumnDetails, Key, ObjectKind, PartitionTable},
};

use super::{Planner, keys::list, qualified, text::qualified_names};
use crate::{
    destinations::{
        carried::Carried,
        schema::{Kind, Object, PlannedStatement, Stage},
    },
    types::postgres::{column_type, quote_name, quote_text},
};

impl Planner<'_> {
    /// The statements that create a table with its partitions and what is said about it, as one text: it happens whole or not at
    /// all.
    pub(super) fn native_table(&mut self, table: &Carried<'_>) -> String {
        let details = &table.definition.details;
        let mut notes = Vec::new();
        let mut parts = self.native_columns(table, &mut notes);
        let mut behind = Vec::new();
        if let Some(key) = table.identity() {
            match self.native_key(table, key) {
                // A constraint stands in the table, an index behind it.
                Ok((sql, true)) => {
                    let at = sql.find(" ADD CONSTRAINT ").map_or(0, |place| place + " ADD ".len());
                    let constraint = sql.get(at..).unwrap_or_default();
                    parts.push(self.free_constraint(table, key, constraint, &mut notes).to_owned());
                }
                Ok((sql, false)) => behind.push(sql),
                Err(why) => notes.push(format!("has no key: {why}")),
            }
        }
        for check in &details.checks {
            let text = check.native.clone().unwrap_or_else(|| format!("CHECK ({})", check.expression));
            let Some(text) = self.here_of(&text, table) else {
                notes.push(format!(
                    "rows are not held to CHECK ({}): a column of it is not carried",
                    check.expression
                ));
                continue;
            };
            let name = check.name.as_ref();
            let name = name.map_or_else(String::new, |name| format!("CONSTRAINT {} ", quote_name(name)));
            if text.ends_with("NOT VALID") {
                behind.push(format!("ALTER TABLE {} ADD {name}{text}", qualified(table.target)));
            } else {
                parts.push(format!("{name}{text}"));
            }
        }
        let mut statements = vec![self.create(table, &parts, &mut notes)];
        statements.append(&mut behind);
        for partition in &details.partition_tables {
            let name = self.partition_name(table, &partition.name);
            statements.extend(self.partition(table, partition, &name));
            for key in partition.constraints.iter().filter(|constraint| is_foreign_key(constraint)) {
                notes.push(format!("partition {}: {key} is left to you", partition.name));
            }
        }
        statements.extend(self.attributes(table, &mut notes));
        for text in notes {
            self.plan.note(table.object(), text);
        }
        statements.join(";\n")
    }

    /// The constraint of a key, without its name where that is taken. Indexes keep their names when their table is renamed, so that the
    /// table of the former name, which is here until the log brings the statement, has an index of the same name.
    fn free_constraint<'c>(
        &self,
        table: &Carried<'_>,
        key: &Key,
        constraint: &'c str,
        notes: &mut Vec<String>,
    ) -> &'c str {
        let named = format!("CONSTRAINT {} ", quote_name(&key.name));
        match constraint.strip_prefix(&named) {
            Some(unnamed) if self.existing.has_index_of_another(table.target, &key.name) => {
                notes.push(format!(
                    "key {}: gets another name, another table has an index of this one",
                    key.name
                ));
                unnamed
            }
            _ => constraint,
        }
    }

    /// The identity of a column, without the name of its sequence where that is taken: for the same reason.
    fn free_identity(&self, native: String) -> String {
        const NAMED: &str = "SEQUENCE NAME ";
        let named = native.find(NAMED).and_then(|start| {
            let name = start + NAMED.len();
            let end = name + native.get(name..)?.find(" START WITH ")? + 1;
            let (schema, sequence) = qualified_names(native.get(name..end)?).into_iter().next()?;
            Some((start, end, TableName::new(schema, sequence)))
        });
        match named {
            Some((start, end, sequence)) if self.existing.has_object(ObjectKind::Sequence, &sequence) => {
                let (before, behind) = (native.get(..start), native.get(end..));
                format!("{}{}", before.unwrap_or_default(), behind.unwrap_or_default())
            }
            _ => native,
        }
    }

    fn native_columns(&mut self, table: &Carried<'_>, notes: &mut Vec<String>) -> Vec<String> {
        let source = &table.definition.table;
        let mut parts = Vec::with_capacity(source.columns.len());
        for column in &source.columns {
            let Some(name) = table.names.get(&column.name) else { continue };
            let details = table.definition.details.columns.iter().find(|details| details.name == column.name);
            let definition = match (self.wanted.types.get(&source.name, &column.name), details) {
                (Some(chosen), _) => self.column_of_parts(column, chosen),
                (None, Some(details)) => self.native_column(table, column, details, notes),
                (None, None) => self.column_of_parts(column, &column_type(column).declaration),
            };
            parts.push(format!("{} {definition}", quote_name(name)));
        }
        parts.extend(table.names.added.iter().map(|column| self.added_column(column)));
        parts
    }

    /// What stands behind the name of a column.
    fn native_column(
        &self,
        table: &Carried<'_>,
        column: &Column,
        details: &ColumnDetails,
        notes: &mut Vec<String>,
    ) -> String {
        let mut native = self.here(&details.native);
        // Methods of compression came with PostgreSQL 14.
        if self.existing.major < 14
            && let Some((before, behind)) = native.split_once(" COMPRESSION ")
        {
            let rest = behind.split_once(' ').map_or("", |(_, rest)| rest);
            native = format!("{before} {rest}").trim_end().to_owned();
        }
        if let Some(place) = native.find(" GENERATED ALWAYS AS (") {
            let (plain, computed) = native.split_at(place);
            match self.here_of(computed, table) {
                Some(computed) => native = format!("{plain}{computed}"),
                None => {
                    notes.push(format!(
                        "column {}: becomes a plain column, its expression names a column that is not carried",
                        column.name
                    ));
                    native = plain.to_owned();
                }
            }
        }
        match &details.identity {
            Some(identity) if !native.contains(" AS IDENTITY") => {
                self.free_identity(format!("{native} {}", self.here(identity)))
            }
            Some(_) => self.free_identity(native),
            None => native,
        }
    }

    /// A column with a type that is not the source's.
    fn column_of_parts(&self, column: &Column, declared: &str) -> String {
        let mut definition = self.here(declared);
        if let Some(default) = column.default.as_ref().filter(|_| column.generated.is_none()) {
            definition.push_str(&format!(" DEFAULT {}", self.here(default)));
        }
        if !column.nullable {
            definition.push_str(" NOT NULL");
        }
        definition
    }

    fn create(&self, table: &Carried<'_>, parts: &[String], notes: &mut Vec<String>) -> String {
        let details = &table.definition.details;
        let unlogged = if details.option("UNLOGGED").is_some() { "UNLOGGED " } else { "" };
        let mut sql =
            format!("CREATE {unlogged}TABLE {} (\n  {}\n)", qualified(table.target), parts.join(",\n  "));
        if let Some(parents) = details.option("INHERITS") {
            sql.push_str(&format!(" INHERITS ({})", self.here(parents)));
        }
        if let Some(partitions) = &details.partitions {
            match self.here_of(partitions, table) {
                Some(partitions) => sql.push_str(&format!("\n{partitions}")),
                None => notes.push(format!("is not partitioned ({partitions}): a column is not carried")),
            }
        }
        // Access methods came with PostgreSQL 12.
        if let Some(method) = details.option("ACCESS METHOD").filter(|_| self.existing.major >= 12) {
            sql.push_str(&format!("\nUSING {method}"));
        }
        if let Some(options) = details.option("WITH") {
            sql.push_str(&format!("\nWITH ({options})"));
        }
        if let Some(of) = details.option("OF") {
            notes.push(format!("is a table of its own and not one of the type {of}"));
        }
        if let Some(space) = details.option("TABLESPACE") {
            notes.push(format!("is in the database's tablespace and not in {space}"));
        }
        if let Some(security) = details.option("ROW SECURITY") {
            notes.push(format!("row security ({security}) and its policies are left to you"));
        }
        sql
    }

    /// Statements for a partition: `CREATE TABLE … PARTITION OF …` and what it has in addition.
    fn partition(&self, table: &Carried<'_>, partition: &PartitionTable, name: &TableName) -> Vec<String> {
        let of = if partition.of == table.definition.table.name {
            table.target.clone()
        } else {
            self.partition_name(table, &partition.of)
        };
        let native = self.here_of(&partition.native, table).unwrap_or_else(|| self.here(&partition.native));
        let bounds = native.split(" TABLESPACE ").next().unwrap_or(&native);
        let mut statements =
            vec![format!("CREATE TABLE {} PARTITION OF {} {bounds}", qualified(name), qualified(&of))];
        for key in &partition.keys {
            let Some(native) = self.here_of(&key.native, table) else { continue };
            statements.push(if native.starts_with("CREATE ") {
                native.replacen(" ON ONLY ", " ON ", 1)
            } else {
                format!("ALTER TABLE {} ADD CONSTRAINT {} {native}", qualified(name), quote_name(&key.name))
            });
        }
        // Foreign keys of a partition alone hold it to rows that may not be there yet.
        let checks = partition.constraints.iter().filter(|constraint| !is_foreign_key(constraint));
        let checks = checks.filter_map(|constraint| self.here_of(constraint, table));
        statements
            .extend(checks.map(|constraint| format!("ALTER TABLE {} ADD {constraint}", qualified(name))));
        statements
    }

    /// Partitions that a table that is there lacks.
    pub(super) fn missing_partitions(&mut self, table: &Carried<'_>) {
        for partition in &table.definition.details.partition_tables {
            let name = self.partition_name(table, &partition.name);
            let object =
                Object { kind: Kind::Table, source: partition.name.to_string(), target: name.to_string() };
            if self.existing.table(&name).is_some() {
                self.plan.kept.push(object);
                continue;
            }
            let sql = self.partition(table, partition, &name).join(";\n");
            self.plan.statements.push(PlannedStatement::new(object, Stage::Tables, sql));
        }
    }

    /// Comments, storage, what sequences belong to, and how rows are identified in the log.
    fn attributes(&self, table: &Carried<'_>, notes: &mut Vec<String>) -> Vec<String> {
        let details = &table.definition.details;
        let name = qualified(table.target);
        let mut statements = Vec::new();
        if let Some(comment) = details.option("COMMENT") {
            statements.push(format!("COMMENT ON TABLE {name} IS {}", quote_text(comment)));
        }
        for column in &details.columns {
            let Some(target) = table.names.get(&column.name) else { continue };
            let target = quote_name(target);
            if let Some(comment) = &column.comment {
                statements.push(format!("COMMENT ON COLUMN {name}.{target} IS {}", quote_text(comment)));
            }
            if let Some(storage) = &column.storage {
                statements.push(format!("ALTER TABLE {name} ALTER COLUMN {target} SET STORAGE {storage}"));
            }
        }
        match details.option("REPLICA IDENTITY") {
            Some(identity @ ("FULL" | "NOTHING")) => {
                statements.push(format!("ALTER TABLE {name} REPLICA IDENTITY {identity}"));
            }
            Some(other) => notes.push(format!("its replica identity is the usual one and not {other}")),
            None => {}
        }
        let sequences = self.wanted.schema.objects.iter().filter(|object| {
            object.kind == ObjectKind::Sequence && object.table.as_ref() == Some(&table.definition.table.name)
        });
        for sequence in sequences {
            let column = sequence.column.as_ref().and_then(|column| table.names.get(column));
            if let Some(column) = column {
                let sequence = self.renamed.get(&sequence.name).unwrap_or(&sequence.name);
                statements.push(format!(
                    "ALTER SEQUENCE {} OWNED BY {name}.{}",
                    qualified(sequence),
                    list([column])
                ));
            }
        }
        statements
    }
}

/// Whether the text of a constraint, with its name in front, is that of a foreign key.
fn is_foreign_key(constraint: &str) -> bool {
    constraint.contains(" FOREIGN KEY ")
}
