//! DDL as a logical message: what an event trigger at the source writes with `pg_logical_emit_message(true, 'slackwater:ddl', …)`.
//!
//! One JSON object a command, in a transactional message:
//!
//! ```json
//! {
//!   "tag": "ALTER TABLE",
//!   "statement": "ALTER TABLE shop.orders ADD note text",
//!   "tables": [{
//!     "oid": 16390, "schema": "shop", "name": "orders",
//!     "columns": [{
//!       "name": "id", "attnum": 1, "type_oid": 20, "typmod": -1, "type": "bigint", "not_null": true,
//!       "default": null, "generated": null, "identity": "a"
//!     }],
//!     "primary_key": [1],
//!     "unique": [{"name": "orders_code_key", "columns": [2], "partial": false}],
//!     "replica_identity": "d"
//!   }],
//!   "types": [{"oid": 16402, "schema": "shop", "name": "mood", "kind": {"enum": ["sad", "happy"]}}],
//!   "dropped": [{"oid": 16390, "schema": "shop", "name": "orders", "kind": "table"}]
//! }
//! ```
//!
//! * `tables`: each table that the command created or changed, once, as `pg_catalog` has it when the command ends
//!   (`pg_event_trigger_ddl_commands`, objects of `pg_class`, and the tables of changed columns, indexes and constraints). `columns` in
//!   the order of `attnum`, without dropped ones; `type` is `format_type(atttypid, atttypmod)` with `search_path = ''`; `default` is
//!   `pg_get_expr(adbin, adrelid)`; `generated` is `"s"` or `"v"` (`attgenerated`; the expression is then `default`), `identity` is `"a"` or `"d"`
//!   (`attidentity`); both may be missing, null or empty. `primary_key` and `unique` name columns by `attnum`, in key order; `partial`
//!   (may be missing) is true for an index with a condition or an expression.
//! * `types`: the types that columns of `tables` use and that are not built in, as [`CatalogType`] with
//!   its OID: `kind` is `{"enum": [labels]}`, `{"domain": {"base": oid, "typmod": -1}}`, `{"composite": [{"name", "type_oid", "typmod"}]}`,
//!   `{"array": {"element": oid}}`, `{"range": {"subtype": oid}}`, `{"multirange": {"range": oid}}` or `"base"`. May be missing; then
//!   the reader supplies them when a [`Need`](super::Need) asks for them.
//! * `dropped`: what `pg_event_trigger_dropped_objects` says of tables (`kind` is its `object_type`). `oid` may be missing. Other
//!   kinds may be there and are described in [`SchemaChange::Other`].
//!
//! Members that are not named here are passed over.

use std::sync::Arc;

use serde::Deserialize;

use super::{
    changes,
    definitions::{Definition, Definitions},
    types::{CatalogType, TypeCatalog, column_type},
};
use crate::{
    event::SchemaChange,
    schema::{Column, Generated, Index, Table, TableName, UniqueKey},
};

/// The prefix of logical messages that carry DDL.
pub const DDL_PREFIX: &str = "slackwater:ddl";
/// The prefix of logical messages that only move the log on.
pub const HEARTBEAT_PREFIX: &str = "slackwater:heartbeat";

/// Reads the definitions at the start of a stream: an object with the members `tables` and `types` as in a message, written by the
/// same query as the trigger's, so that both say the same in the same way. What is there is added.
///
/// # Errors
/// When it is not as documented above. The text names a place, and nothing of the content.
pub fn read_definitions(
    json: &[u8],
    types: &mut TypeCatalog,
    definitions: &mut Definitions,
) -> Result<(), String> {
    let catalog: Catalog = parse(json)?;
    for new in catalog.types {
        types.insert(new.oid, new.definition);
    }
    for table in &catalog.tables {
        let name = TableName::new(table.schema.as_str(), table.name.as_str());
        definitions.insert(table.definition(name, None, types));
    }
    Ok(())
}

fn parse<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, String> {
    // Of an error only the place: its text may hold pieces of the message.
    serde_json::from_slice(json).map_err(|error| {
        format!("{:?} error at line {}, column {}", error.classify(), error.line(), error.column())
    })
}

#[derive(Debug, Deserialize)]
struct Catalog {
    #[serde(default)]
    tables: Vec<DdlTable>,
    #[serde(default)]
    types: Vec<DdlType>,
}

/// A command that changed the schema, as the trigger describes it.
#[derive(Debug, Deserialize)]
pub(super) struct Command {
    tag: String,
    #[serde(default)]
    pub(super) statement: String,
    #[serde(default)]
    tables: Vec<DdlTable>,
    #[serde(default)]
    types: Vec<DdlType>,
    #[serde(default)]
    dropped: Vec<Dropped>,
}

#[derive(Debug, Deserialize)]
struct DdlTable {
    oid: u32,
    schema: String,
    name: String,
    columns: Vec<DdlColumn>,
    #[serde(default)]
    primary_key: Vec<i16>,
    #[serde(default)]
    unique: Vec<DdlKey>,
}

#[derive(Debug, Deserialize)]
struct DdlColumn {
    name: String,
    attnum: i16,
    type_oid: u32,
    typmod: i32,
    #[serde(rename = "type")]
    declared: String,
    not_null: bool,
    #[serde(default)]
    default: Option<String>,
    #[serde(default)]
    generated: Option<String>,
    #[serde(default)]
    identity: Option<String>,
}

#[derive(Debug, Deserialize)]
struct DdlKey {
    name: String,
    columns: Vec<i16>,
    #[serde(default)]
    partial: bool,
}

#[derive(Debug, Deserialize)]
struct DdlType {
    oid: u32,
    #[serde(flatten)]
    definition: CatalogType,
}

#[derive(Debug, Deserialize)]
struct Dropped {
    #[serde(default)]
    oid: Option<u32>,
    schema: Option<String>,
    name: Option<String>,
    kind: String,
}

/// What a command did to the known definitions.
pub(super) struct Applied {
    pub(super) changes: Vec<SchemaChange>,
    /// The relations whose definitions are other ones now.
    pub(super) relations: Vec<u32>,
}

impl Command {
    /// Reads a message's content.
    pub(super) fn parse(content: &[u8]) -> Result<Self, String> {
        parse(content)
    }

    /// Takes the command's definitions over, and says what they change.
    pub(super) fn apply(
        &self,
        definitions: &mut Definitions,
        types: &mut TypeCatalog,
        selected: &dyn Fn(&TableName) -> bool,
    ) -> Applied {
        for new in &self.types {
            types.insert(new.oid, new.definition.clone());
        }
        let mut applied = Applied { changes: Vec::new(), relations: Vec::new() };
        for dropped in &self.dropped {
            applied.changes.push(dropped.apply(definitions));
        }
        for table in &self.tables {
            applied.relations.push(table.oid);
            applied.changes.push(self.apply_table(table, definitions, types, selected));
        }
        if applied.changes.is_empty() {
            applied.changes.push(SchemaChange::Other { description: self.tag.clone(), table: None });
        }
        applied
    }

    fn apply_table(
        &self,
        table: &DdlTable,
        definitions: &mut Definitions,
        types: &TypeCatalog,
        selected: &dyn Fn(&TableName) -> bool,
    ) -> SchemaChange {
        let former = definitions.get(table.oid).cloned();
        let name = TableName::new(table.schema.as_str(), table.name.as_str());
        let other = |name: &TableName| SchemaChange::Other {
            description: format!("{} {name}", self.tag),
            table: Some(name.clone()),
        };
        if !selected(&name) {
            return match definitions.remove(table.oid) {
                Some(former) => SchemaChange::RenameTable { from: former.table.name.clone(), to: name },
                None => other(&name),
            };
        }
        let definition = table.definition(name.clone(), former.as_deref(), types);
        let after = Arc::clone(&definition.table);
        definitions.insert(definition);
        match former {
            Some(former) => changes::compare(&former.table, &after).unwrap_or_else(|| other(&name)),
            None if self.tag.starts_with("ALTER") => {
                SchemaChange::RenamedIn { from: name.clone(), to: name, table: Some(after) }
            }
            None => SchemaChange::CreateTable { table: after, if_not_exists: false },
        }
    }
}

impl Dropped {
    fn apply(&self, definitions: &mut Definitions) -> SchemaChange {
        let (schema, name) =
            (self.schema.as_deref().unwrap_or_default(), self.name.as_deref().unwrap_or_default());
        let table = TableName::new(schema, name);
        let other =
            || SchemaChange::Other { description: format!("DROP {} {table}", self.kind), table: None };
        if !matches!(self.kind.as_str(), "table" | "foreign table") {
            return other();
        }
        let oid = self.oid.or_else(|| definitions.named(&table).map(|definition| definition.oid));
        match oid.and_then(|oid| definitions.remove(oid)) {
            Some(former) => SchemaChange::DropTable { table: former.table.name.clone() },
            None => other(),
        }
    }
}

impl DdlTable {
    fn definition(&self, name: TableName, former: Option<&Definition>, types: &TypeCatalog) -> Definition {
        let before = former.map(|former| &*former.table);
        let columns: Vec<Column> = self.columns.iter().map(|column| column.column(before, types)).collect();
        let unique = self.unique.iter().map(|key| UniqueKey {
            name: key.name.clone(),
            columns: self.ordinals(&key.columns),
            partial: key.partial,
        });
        let table = Table {
            name,
            primary_key: self.ordinals(&self.primary_key),
            unique_keys: unique.collect(),
            indexes: before.map(|before| self.indexes(before)).unwrap_or_default(),
            collation: before.and_then(|before| before.collation.clone()),
            named: true,
            number: Some(self.oid),
            columns,
        };
        Definition { oid: self.oid, unpublished: self.unpublished(former), table: Arc::new(table) }
    }

    fn ordinals(&self, numbers: &[i16]) -> Vec<u16> {
        let ordinal = |number: &i16| self.columns.iter().position(|column| column.attnum == *number);
        numbers.iter().filter_map(ordinal).filter_map(|ordinal| u16::try_from(ordinal).ok()).collect()
    }

    /// Indexes are not in the message: those of the former definition whose columns are still there.
    fn indexes(&self, before: &Table) -> Vec<Index> {
        let number =
            |ordinal: &u16| before.columns.get(usize::from(*ordinal)).and_then(|column| column.number);
        let indexes = before.indexes.iter().filter_map(|index| {
            let numbers: Option<Vec<i16>> = index.columns.iter().map(number).collect();
            let columns = self.ordinals(&numbers?);
            (columns.len() == index.columns.len()).then(|| Index { columns, ..index.clone() })
        });
        indexes.collect()
    }

    /// The columns that a column list leaves out: those that it left out before, and new ones.
    fn unpublished(&self, former: Option<&Definition>) -> Vec<u16> {
        let Some(former) = former.filter(|former| !former.unpublished.is_empty()) else { return Vec::new() };
        let was_published = |attnum: i16| {
            former.table.columns.iter().zip(0_u16..).any(|(column, ordinal)| {
                column.number == Some(attnum) && !former.unpublished.contains(&ordinal)
            })
        };
        let columns = self.columns.iter().zip(0_u16..);
        columns.filter(|(column, _)| !was_published(column.attnum)).map(|(_, ordinal)| ordinal).collect()
    }
}

impl DdlColumn {
    fn column(&self, before: Option<&Table>, types: &TypeCatalog) -> Column {
        let former =
            before.and_then(|table| table.columns.iter().find(|column| column.number == Some(self.attnum)));
        let is_set = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
        let generated = is_set(&self.generated).then(|| Generated {
            expression: self.default.clone(),
            stored: self.generated.as_deref() == Some("s"),
        });
        let default = self.default.clone().filter(|_| generated.is_none());
        let is_sequence = default.as_deref().is_some_and(|default| default.starts_with("nextval("));
        Column {
            name: self.name.clone(),
            column_type: column_type(self.type_oid, self.typmod, types).0,
            nullable: !self.not_null,
            generated,
            auto_increment: is_set(&self.identity) || is_sequence,
            default,
            charset: former.and_then(|former| former.charset.clone()),
            collation: former.and_then(|former| former.collation.clone()),
            declared: Some(self.declared.clone()),
            number: Some(self.attnum),
        }
    }
}
