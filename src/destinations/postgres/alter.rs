//! The statements that bring a table from one definition to another.

use std::collections::HashSet;

use slackwater_decoders::{
    schema::{Column, ColumnType, Table, TableName, UniqueKey},
    value::Timestamp,
};

use super::{
    definition::{added_column, default, key_name, names, unique_key},
    existing::qualified,
    session::Session,
};
use crate::{
    error::Result,
    types::postgres::{column_type, is_of_postgres, quote_name},
};

/// One statement.
pub(super) struct Step {
    pub(super) sql: String,
    /// It adds or removes a key, which may be there or gone already.
    pub(super) is_of_key: bool,
    /// Rows depend on it.
    pub(super) is_needed: bool,
    /// The name and the columns of the unique key that it adds.
    pub(super) unique_key: Option<(String, Vec<String>)>,
}

/// Whether the table has a unique key of that name over these columns.
pub(super) async fn has_unique_key(
    session: &mut Session,
    table: &TableName,
    (name, columns): &(String, Vec<String>),
) -> Result<bool> {
    let rows = session
        .query(
            "SELECT a.attname::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
             CROSS JOIN unnest(i.indkey::int2[]) WITH ORDINALITY AS k (number, place) \
             JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number \
             WHERE i.indrelid = to_regclass($1) AND c.relname = $2::text AND i.indisunique AND i.indpred IS NULL ORDER BY k.place",
            &[&qualified(table), name],
        )
        .await?;
    Ok(rows.iter().map(|row| row.get::<_, String>(0)).eq(columns.iter().cloned()))
}

/// The name of a table's primary key.
pub(super) async fn primary_key_name(session: &mut Session, table: &TableName) -> Result<Option<String>> {
    let rows = session
        .query(
            "SELECT conname::text FROM pg_constraint WHERE contype = 'p' AND conrelid = to_regclass($1)",
            &[&qualified(table)],
        )
        .await?;
    Ok(rows.first().map(|row| row.get(0)))
}

/// The statements for a table that keeps its name. `time_micros`: when the source's statement ran.
pub(super) fn steps(
    before: &Table,
    after: &Table,
    columns_from: &[Option<u16>],
    primary_key: Option<&str>,
    time_micros: i64,
) -> Vec<Step> {
    let mut steps = Steps { table: qualified(&before.name), steps: Vec::new() };
    let same_primary = names(before, &before.primary_key) == names(after, &after.primary_key);
    steps.drop_keys(before, after);
    if let Some(name) = primary_key.filter(|_| !same_primary) {
        steps.alter(format!("DROP CONSTRAINT {}", quote_name(name)));
    }
    let gone = |ordinal: &u16| !columns_from.contains(&Some(*ordinal));
    for (column, _) in before.columns.iter().zip(0_u16..).filter(|(_, ordinal)| gone(ordinal)) {
        if !column.is_hidden() {
            steps.alter(format!("DROP COLUMN {} CASCADE", quote_name(&column.name)));
        }
    }
    let kept: Vec<(&Column, &Column)> = after
        .columns
        .iter()
        .zip(columns_from)
        .filter_map(|(column, from)| Some((before.columns.get(usize::from((*from)?))?, column)))
        .collect();
    steps.rename(before, &kept);
    kept.iter().for_each(|(old, new)| steps.change(old, new));
    for (column, _) in after.columns.iter().zip(columns_from).filter(|(_, from)| from.is_none()) {
        if !column.is_hidden() {
            steps.add(after, column, time_micros);
        }
    }
    if !same_primary && !after.primary_key.is_empty() {
        steps.alter(format!("ADD PRIMARY KEY ({})", names(after, &after.primary_key)));
    }
    steps.add_keys(before, after);
    steps.steps
}

struct Steps {
    /// Qualified and quoted.
    table: String,
    steps: Vec<Step>,
}

impl Steps {
    fn push(&mut self, sql: String, is_of_key: bool, is_needed: bool) {
        self.steps.push(Step { sql, is_of_key, is_needed, unique_key: None });
    }

    fn alter(&mut self, action: String) {
        let sql = format!("ALTER TABLE {} {action}", self.table);
        self.push(sql, false, true);
    }

    fn drop_keys(&mut self, before: &Table, after: &Table) {
        let schema = quote_name(&before.name.database);
        for key in before.unique_keys.iter().filter(|key| !has_key(after, before, key)) {
            let name = quote_name(&key_name(before, &key.name));
            let sql = format!("ALTER TABLE {} DROP CONSTRAINT IF EXISTS {name}", self.table);
            self.push(format!("{sql}; DROP INDEX IF EXISTS {schema}.{name}"), true, true);
        }
        let lost = before.indexes.iter().filter(|index| !index.implied);
        for index in lost.filter(|index| !has_index(after, before, &index.name, &index.columns)) {
            let name = quote_name(&key_name(before, &index.name));
            self.push(format!("DROP INDEX IF EXISTS {schema}.{name}"), true, false);
        }
    }

    fn add_keys(&mut self, before: &Table, after: &Table) {
        for key in after.unique_keys.iter().filter(|key| !key.partial && !has_key(before, after, key)) {
            let sql = format!("ALTER TABLE {} ADD {}", self.table, unique_key(after, key));
            let columns = key.columns.iter().filter_map(|ordinal| after.columns.get(usize::from(*ordinal)));
            let columns = columns.map(|column| column.name.clone()).collect();
            let unique_key = Some((key_name(after, &key.name), columns));
            self.steps.push(Step { sql, is_of_key: true, is_needed: true, unique_key });
        }
        let new = after.indexes.iter().filter(|index| !index.implied && !index.columns.is_empty());
        for index in new.filter(|index| !has_index(before, after, &index.name, &index.columns)) {
            let name = quote_name(&key_name(after, &index.name));
            let columns = names(after, &index.columns);
            let sql = format!("CREATE INDEX IF NOT EXISTS {name} ON {} ({columns})", self.table);
            self.push(sql, true, false);
        }
    }

    /// A name that another column has at present is taken in two steps.
    fn rename(&mut self, before: &Table, kept: &[(&Column, &Column)]) {
        let taken: HashSet<_> = before.columns.iter().map(|column| column.name.as_str()).collect();
        let mut later = Vec::new();
        let renamed = kept.iter().filter(|(old, new)| old.name != new.name && !new.is_hidden());
        for (number, (old, new)) in renamed.enumerate() {
            let name = match taken.contains(new.name.as_str()) {
                false => quote_name(&new.name),
                true => {
                    let between = quote_name(&format!("slackwater_{number}"));
                    later.push(format!("RENAME COLUMN {between} TO {}", quote_name(&new.name)));
                    between
                }
            };
            self.alter(format!("RENAME COLUMN {} TO {name}", quote_name(&old.name)));
        }
        later.into_iter().for_each(|action| self.alter(action));
    }

    fn change(&mut self, old: &Column, new: &Column) {
        if new.is_hidden() || new.generated.is_some() {
            return;
        }
        let name = quote_name(&new.name);
        let (from, to) = (column_type(old).declaration, column_type(new).declaration);
        let had_default = default(old).is_some();
        if from != to {
            if had_default {
                self.alter(format!("ALTER COLUMN {name} DROP DEFAULT"));
            }
            // Numbers become truth values, and the other way round, by way of an integer.
            let by = if from == "boolean" || to == "boolean" { "::int" } else { "" };
            self.alter(format!("ALTER COLUMN {name} TYPE {to} USING {name}{by}::{to}"));
        }
        if old.nullable != new.nullable {
            let action = if new.nullable { "DROP" } else { "SET" };
            self.alter(format!("ALTER COLUMN {name} {action} NOT NULL"));
        }
        match default(new) {
            Some(value) if default(old).as_ref() != Some(&value) || from != to => {
                self.alter(format!("ALTER COLUMN {name} SET DEFAULT {value}"));
            }
            None if had_default && from == to => self.alter(format!("ALTER COLUMN {name} DROP DEFAULT")),
            _ => {}
        }
    }

    /// The rows that are there get what the source's got.
    fn add(&mut self, table: &Table, column: &Column, time_micros: i64) {
        let name = quote_name(&column.name);
        let own = default(column);
        let is_clock = own.as_deref().is_some_and(|own| {
            let own = own.to_ascii_lowercase();
            own.starts_with("current_timestamp")
                || own.starts_with("now(")
                || own.starts_with("localtimestamp")
        });
        let at_first = match &own {
            Some(_) if is_clock => Some(format!("'{}+00'", Timestamp { micros: time_micros, precision: 6 })),
            None if !column.nullable && column.generated.is_none() && !is_of_postgres(column) => {
                implicit(column).map(str::to_owned)
            }
            _ => None,
        };
        let Some(at_first) = at_first else {
            return self.alter(format!("ADD COLUMN {}", added_column(table, column)));
        };
        let plain = Column { default: None, ..column.clone() };
        let definition = added_column(table, &plain);
        self.alter(format!("ADD COLUMN {definition} DEFAULT {at_first}"));
        self.alter(match own {
            Some(own) => format!("ALTER COLUMN {name} SET DEFAULT {own}"),
            None => format!("ALTER COLUMN {name} DROP DEFAULT"),
        });
    }
}

/// What MySQL puts into the rows that are there when a column may not be NULL and has no default (manual, *Data Type Default
/// Values*). A zero date does not exist here.
fn implicit(column: &Column) -> Option<&'static str> {
    Some(match &column.column_type {
        ColumnType::Boolean | ColumnType::Bits(1) => "false",
        ColumnType::Integer { .. }
        | ColumnType::Float
        | ColumnType::Double
        | ColumnType::Decimal { .. }
        | ColumnType::Year => "0",
        ColumnType::Char(_) | ColumnType::VarChar(_) | ColumnType::Text(_) | ColumnType::Set(_) => "''",
        ColumnType::VarBinary(_) | ColumnType::Blob(_) => "''::bytea",
        ColumnType::Json => "'null'",
        ColumnType::Time(_) => "'00:00:00'",
        ColumnType::Uuid => "'00000000-0000-0000-0000-000000000000'",
        _ => return None,
    })
}

/// Whether `table` has a unique key of that name over the same columns as `key` of `other` has.
fn has_key(table: &Table, other: &Table, key: &UniqueKey) -> bool {
    table
        .unique_keys
        .iter()
        .any(|own| own.name == key.name && names(table, &own.columns) == names(other, &key.columns))
}

fn has_index(table: &Table, other: &Table, name: &str, columns: &[u16]) -> bool {
    table.indexes.iter().any(|own| own.name == name && names(table, &own.columns) == names(other, columns))
}
