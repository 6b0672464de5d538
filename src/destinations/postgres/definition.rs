//! Definitions as statements, for tables and changes that the source's own statement cannot make here.

use slackwater_decoders::schema::{Column, Table, UniqueKey};

use super::{existing::qualified, schema::translated_default};
use crate::types::postgres::{column_type, is_of_postgres, quote_name, short_name};

/// `CREATE TABLE` for a table as the source has it: columns, primary key, unique keys. Other indexes do not come with rows.
pub(super) fn create_statement(table: &Table) -> String {
    let mut parts: Vec<_> = table
        .columns
        .iter()
        .filter(|column| !column.is_hidden())
        .map(|column| column_definition(column, !is_key(table, column)))
        .collect();
    if !table.primary_key.is_empty() {
        parts.push(format!("PRIMARY KEY ({})", names(table, &table.primary_key)));
    }
    for key in table.unique_keys.iter().filter(|key| !key.partial) {
        parts.push(unique_key(table, key));
    }
    format!("CREATE TABLE IF NOT EXISTS {} (\n  {}\n)", qualified(&table.name), parts.join(",\n  "))
}

/// A column behind `ADD COLUMN`: the rows that are there get the default.
pub(super) fn added_column(table: &Table, column: &Column) -> String {
    column_definition(column, !is_key(table, column))
}

/// Defaults and generated values come with the source's rows. MySQL's are written otherwise than here, so that those of constants alone
/// are carried.
fn column_definition(column: &Column, may_be_null: bool) -> String {
    let mut definition = format!("{} {}", quote_name(&column.name), column_type(column).declaration);
    if let Some(default) = default(column) {
        definition.push_str(&format!(" DEFAULT {default}"));
    }
    if !column.nullable || !may_be_null {
        definition.push_str(" NOT NULL");
    }
    definition
}

/// The default of a column as it can be said here.
pub(super) fn default(column: &Column) -> Option<String> {
    let default = column.default.as_deref().filter(|_| column.generated.is_none())?;
    if is_of_postgres(column) {
        // A sequence of the source is not there.
        return (!default.contains("nextval(")).then(|| default.to_owned());
    }
    translated_default(default, &column_type(column).declaration)
}

/// `UNIQUE (…)` with its name.
pub(super) fn unique_key(table: &Table, key: &UniqueKey) -> String {
    format!("CONSTRAINT {} UNIQUE ({})", quote_name(&key_name(table, &key.name)), names(table, &key.columns))
}

/// The name of a key here. Those of MySQL are unique in their table, those of PostgreSQL in their schema.
pub(super) fn key_name(table: &Table, key: &str) -> String {
    let of_table = &table.name.table;
    if table.columns.iter().any(is_of_postgres) || key.starts_with(&format!("{of_table}_")) {
        return short_name(key);
    }
    short_name(&format!("{of_table}_{key}"))
}

/// The quoted names of columns.
pub(super) fn names(table: &Table, ordinals: &[u16]) -> String {
    let names: Vec<_> = ordinals
        .iter()
        .filter_map(|ordinal| table.columns.get(usize::from(*ordinal)))
        .map(|column| quote_name(&column.name))
        .collect();
    names.join(",")
}

fn is_key(table: &Table, column: &Column) -> bool {
    let ordinal = table.ordinal(&column.name).and_then(|ordinal| u16::try_from(ordinal).ok());
    table.primary_key.iter().any(|part| Some(*part) == ordinal)
}
