//! Definitions of PostgreSQL, told as a server of MySQL's kind would tell them.
//!
//! What comes out is planned like any definition of another dialect. The types are those of [`crate::types::mysql::of_postgres`]. Not
//! translated, and noted: conditions, expressions, partitions, and all objects that are no tables.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use slackwater_decoders::schema::{
    Column, ColumnType, Table, TableName,
    definition::{
        Dialect, ForeignKey, Indexed, Key, KeyKind, ObjectKind, Schema, TableDefinition, TableDetails,
    },
};

use crate::{
    destinations::schema::{ColumnTypes, Conflict, Kind, Loss, Object, SchemaPlan, Wanted, computed_loss},
    types::mysql::{
        Server,
        of_postgres::{INDEX_PREFIX, default_of, table_types},
        quote_text,
    },
};

/// Definitions in MySQL's words.
pub(super) struct Told {
    pub(super) schema: Schema,
    /// The types of all columns: those that the operator chose, and those of the type table.
    pub(super) types: ColumnTypes,
}

/// Tells the tables that the mapping carries; says in `plan` what is lost.
pub(super) fn told(wanted: &Wanted<'_>, server: Server, plan: &mut SchemaPlan) -> Told {
    let collation = binary_collation(server).to_owned();
    let database = |database: &slackwater_decoders::schema::definition::Database| {
        let (charset, collation) = ("utf8mb4".to_owned(), collation.clone());
        slackwater_decoders::schema::definition::Database { charset, collation, ..database.clone() }
    };
    let mut schema = Schema {
        // The other kind of server: no text of it serves as it is.
        dialect: if server.mariadb { Dialect::Mysql(5, 7, 0) } else { Dialect::Mariadb(10, 2, 0) },
        databases: wanted.schema.databases.iter().map(database).collect(),
        tables: Vec::new(),
        objects: Vec::new(),
        notes: wanted.schema.notes.clone(),
    };
    let mut types = HashMap::new();
    let referenced = referenced_keys(wanted.schema);
    for definition in &wanted.schema.tables {
        if !matches!(wanted.mapping.route(&definition.table), Ok(Some(_))) {
            // A rule that does not fit is said by whoever asks for the way of the table.
            schema.tables.push(definition.clone());
            continue;
        }
        if let Some(conflict) = same_in_lower_case(definition) {
            plan.conflicts.push(conflict);
            continue;
        }
        let teller = Teller { definition, server, notes: Vec::new() };
        let keys = referenced.get(&definition.table.name).cloned().unwrap_or_default();
        schema.tables.push(teller.tell(wanted, keys, &mut types, plan));
        if wanted.mapping.target_name(&definition.table.name).database.as_ref() == "public" {
            plan.note(
                object(&definition.table.name),
                "becomes a table of the database public; a rule gives it another one ([[mapping]], database)",
            );
        }
    }
    for stored in &wanted.schema.objects {
        let counts = match stored.kind {
            ObjectKind::Extension | ObjectKind::Type => false,
            ObjectKind::Sequence => stored.column.is_none(),
            _ => true,
        };
        if counts {
            let kind = Kind::Stored(stored.kind).word();
            plan.note(format!("{kind} {}", stored.name), "is not translated: create it by hand");
        }
    }
    Told { schema, types: types.into_iter().collect() }
}

fn object(name: &TableName) -> Object {
    Object { kind: Kind::Table, source: name.to_string(), target: name.to_string() }
}

/// The collation that compares text by its code points.
fn binary_collation(server: Server) -> &'static str {
    if server.mysql_since(8) {
        "utf8mb4_0900_bin"
    } else if server.mariadb_since(10, 2) {
        "utf8mb4_nopad_bin"
    } else {
        "utf8mb4_bin"
    }
}

/// Columns whose names are one for the server.
fn same_in_lower_case(definition: &TableDefinition) -> Option<Conflict> {
    let name = &definition.table.name;
    let mut seen = HashSet::new();
    let twice = definition.table.columns.iter().find(|column| !seen.insert(column.name.to_lowercase()))?;
    let what = format!(
        "its columns named like {} differ in case alone, which MySQL does not tell apart",
        twice.name
    );
    Some(Conflict { object: object(name), table: name.clone(), what })
}

/// For each table the columns that foreign keys of others refer to.
fn referenced_keys(schema: &Schema) -> HashMap<TableName, Vec<Vec<u16>>> {
    let mut keys: HashMap<TableName, Vec<Vec<u16>>> = HashMap::new();
    for key in schema.tables.iter().flat_map(|table| &table.details.foreign_keys) {
        let Some(other) = schema.tables.iter().find(|other| other.table.name == key.references) else {
            continue;
        };
        keys.entry(key.references.clone()).or_default().push(ordinals(&other.table, &key.referenced));
    }
    keys
}

fn ordinals(table: &Table, names: &[String]) -> Vec<u16> {
    let ordinal = |name: &String| {
        let place = table.columns.iter().position(|column| column.name == *name)?;
        u16::try_from(place).ok()
    };
    names.iter().filter_map(ordinal).collect()
}

/// One table.
struct Teller<'a> {
    definition: &'a TableDefinition,
    server: Server,
    notes: Vec<String>,
}

impl Teller<'_> {
    fn tell(
        mut self,
        wanted: &Wanted<'_>,
        mut keys: Vec<Vec<u16>>,
        types: &mut HashMap<String, String>,
        plan: &mut SchemaPlan,
    ) -> TableDefinition {
        let (table, details) = (&self.definition.table, &self.definition.details);
        keys.extend(details.foreign_keys.iter().map(|key| ordinals(table, &key.columns)));
        let mut declared = Vec::with_capacity(table.columns.len());
        for (column, mapped) in table.columns.iter().zip(table_types(table, &keys, self.server)) {
            let chosen = wanted.types.get(&table.name, &column.name);
            if column.generated.is_some() {
                plan.losses.push(computed_loss(&table.name, column));
            } else if let Some(what) = mapped.loss.filter(|_| chosen.is_none()) {
                plan.losses.push(Loss {
                    table: table.name.clone(),
                    column: column.name.clone(),
                    from: column.declared.clone().unwrap_or_default(),
                    to: mapped.declaration.clone(),
                    what: what.to_owned(),
                });
            }
            let declaration = chosen.map_or(mapped.declaration, ToOwned::to_owned);
            types.insert(format!("{}.{}", table.name, column.name), declaration.clone());
            declared.push(declaration);
        }
        let keys: Vec<_> = details.keys.iter().filter_map(|key| self.key(key, &declared)).collect();
        let numbered = self.numbered(&keys);
        let columns = table.columns.iter().zip(&declared);
        let columns =
            columns.map(|(column, declared)| self.column(column, declared, numbered.as_deref())).collect();
        let told =
            Table { columns, collation: Some(binary_collation(self.server).to_owned()), ..(**table).clone() };
        let details = self.details(keys);
        for text in self.notes {
            plan.note(object(&table.name), text);
        }
        TableDefinition { table: Arc::new(told), details }
    }

    /// The one column that the server numbers: it has to lead a key.
    fn numbered(&mut self, keys: &[Key]) -> Option<String> {
        let leads = |name: &str| {
            let first = |key: &Key| key.parts.first().map(|part| part.of.clone());
            keys.iter().any(|key| first(key) == Some(Indexed::Column(name.to_owned())))
        };
        let numbered = self.definition.table.columns.iter().filter(|column| column.auto_increment);
        let (fit, rest): (Vec<_>, Vec<_>) = numbered.partition(|column| leads(&column.name));
        for column in fit.iter().skip(1).chain(&rest) {
            self.notes.push(format!(
                "column {}: is not numbered, a table has one such column, which leads a key",
                column.name
            ));
        }
        fit.first().map(|column| column.name.clone())
    }

    fn column(&mut self, column: &Column, declared: &str, numbered: Option<&str>) -> Column {
        let is_numbered = numbered == Some(column.name.as_str());
        let mut told = Column { auto_increment: is_numbered, ..column.clone() };
        told.default = None;
        let of_its_own = |_: &&String| !column.auto_increment && column.generated.is_none();
        if let Some(default) = column.default.as_ref().filter(of_its_own) {
            told.default = default_of(column, default, declared, self.server);
            if told.default.is_none() {
                self.notes.push(format!("column {}: its default {default} is left out", column.name));
            }
        }
        // The type is chosen; what it is made of decides how a default is written.
        if declared.starts_with("longtext")
            || declared.starts_with("mediumtext")
            || declared.starts_with("text")
        {
            told.column_type = ColumnType::Text(u32::MAX);
        }
        told.collation = None;
        told
    }

    /// A key in MySQL's words; `None` for one that is left out, which is said.
    fn key(&mut self, key: &Key, declared: &[String]) -> Option<Key> {
        let left_out = |notes: &mut Vec<String>, why: &str| {
            notes.push(format!("index {} is left out: {why}", key.name));
            None
        };
        if key.kind == KeyKind::Exclusion {
            return left_out(&mut self.notes, "MySQL has no constraint of its kind");
        }
        if !matches!(key.method.as_deref(), None | Some("btree" | "hash")) {
            return left_out(&mut self.notes, "MySQL has no index of its kind");
        }
        if key.condition.is_some() {
            return left_out(&mut self.notes, "MySQL has no index of a part of the rows");
        }
        let mut parts = key.parts.clone();
        for part in &mut parts {
            let Indexed::Column(name) = &part.of else {
                return left_out(&mut self.notes, "its expression is not translated");
            };
            let place = self.definition.table.columns.iter().position(|column| column.name == *name);
            let declared = place.and_then(|place| declared.get(place)).map_or("", String::as_str);
            if declared.starts_with("json") {
                return left_out(&mut self.notes, "MySQL indexes no whole documents");
            }
            if key.kind == KeyKind::Plain && needs_prefix(declared) {
                part.prefix = Some(INDEX_PREFIX);
                self.notes.push(format!("index {} is over the start of column {name}", key.name));
            }
        }
        if key.native.contains("NULLS NOT DISTINCT") {
            self.notes.push(format!("index {} takes any number of rows with NULL", key.name));
        }
        let name = if key.kind == KeyKind::Primary { "PRIMARY".to_owned() } else { key.name.clone() };
        Some(Key { name, parts, method: None, native: String::new(), ..key.clone() })
    }

    fn foreign_key(&mut self, key: &ForeignKey) -> ForeignKey {
        let mut action = |action: &Option<String>| match action.as_deref() {
            Some(set) if set.starts_with("SET DEFAULT") => {
                self.notes.push(format!("foreign key {}: InnoDB has no SET DEFAULT", key.name));
                None
            }
            Some(set) if set.starts_with("SET NULL") => Some("SET NULL".to_owned()),
            other => other.map(ToOwned::to_owned),
        };
        let (on_delete, on_update) = (action(&key.on_delete), action(&key.on_update));
        ForeignKey { on_delete, on_update, native: None, ..key.clone() }
    }

    fn details(&mut self, keys: Vec<Key>) -> TableDetails {
        let details = &self.definition.details;
        for check in &details.checks {
            self.notes
                .push(format!("rows are not held to CHECK ({}): it is not translated", check.expression));
        }
        if let Some(partitions) = &details.partitions {
            self.notes.push(format!("is not partitioned ({partitions})"));
        }
        if let Some(parents) = details.option("INHERITS") {
            self.notes.push(format!("is a table by itself, and its rows are not rows of {parents}"));
        }
        let comment = details.option("COMMENT").map(|comment| ("COMMENT".to_owned(), quote_text(comment)));
        let columns = details.columns.iter().map(|column| {
            let (name, comment) = (column.name.clone(), column.comment.clone());
            slackwater_decoders::schema::definition::ColumnDetails { name, comment, ..Default::default() }
        });
        let columns = columns.collect();
        let foreign_keys = details.foreign_keys.iter().map(|key| self.foreign_key(key)).collect();
        TableDetails {
            columns,
            keys,
            foreign_keys,
            options: comment.into_iter().collect(),
            ..Default::default()
        }
    }
}

/// Whether an index takes no more than the start of a column.
fn needs_prefix(declared: &str) -> bool {
    let length = || declared.split(['(', ')']).nth(1).and_then(|length| length.parse::<u32>().ok());
    match declared.split([' ', '(']).next().unwrap_or_default() {
        "text" | "mediumtext" | "longtext" | "longblob" => true,
        "varchar" => length().is_some_and(|length| length > 768),
        "varbinary" => length().is_some_and(|length| length > 3_072),
        _ => false,
    }
}
