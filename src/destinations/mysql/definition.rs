//! Definitions as statements, for tables and changes that the source's own statement cannot make here.

use slackwater_decoders::schema::{Column, Table};

use crate::types::{
    Mapped,
    mysql::{
        Server, column_type, known_collation,
        of_postgres::{default_of, table_types},
        quote_name,
    },
    postgres::is_of_postgres,
};

/// `CREATE TABLE` for a table as the source has it: columns, primary key, unique keys. Other indexes do not come with rows.
pub(super) fn create_statement(table: &Table, server: Server) -> String {
    let types = table_types(table, &[], server);
    let shown = table.columns.iter().zip(&types).filter(|(column, _)| !column.is_hidden());
    let mut parts: Vec<_> =
        shown.map(|(column, mapped)| definition(table, column, &mapped.declaration, server)).collect();
    parts.extend(key_definitions(table));
    let mut statement = format!(
        "CREATE TABLE {}.{} (\n  {}\n)",
        quote_name(&table.name.database),
        quote_name(&table.name.table),
        parts.join(",\n  ")
    );
    statement.push_str(" ENGINE=InnoDB");
    if let Some(collation) = &table.collation {
        let (collation, _) = known_collation(collation, server);
        statement.push_str(&format!(" COLLATE={collation}"));
    }
    statement
}

/// `ALTER TABLE` that brings the definition `before` to `after`, without the name. `None` when nothing differs.
pub(super) fn alter_statement(
    before: &Table,
    after: &Table,
    columns_from: &[Option<u16>],
    server: Server,
) -> Option<String> {
    let types = table_types(after, &[], server);
    let types_before = table_types(before, &[], server);
    let mut parts = Vec::new();
    for key in before.unique_keys.iter().filter(|key| !key.partial && !has_key(after, before, key)) {
        parts.push(format!("DROP KEY {}", quote_name(&key.name)));
    }
    let same_primary = names(before, &before.primary_key) == names(after, &after.primary_key);
    if !same_primary && !before.primary_key.is_empty() {
        parts.push("DROP PRIMARY KEY".to_owned());
    }
    let is_same = |old: &Column, column: &Column, from: Option<u16>, ordinal: usize| {
        let declared =
            |types: &[Mapped], place: usize| types.get(place).map(|mapped| mapped.declaration.clone());
        let before = from.and_then(|from| declared(&types_before, usize::from(from)));
        old == column && before == declared(&types, ordinal)
    };
    let gone =
        |(column, ordinal): &(&Column, u16)| !column.is_hidden() && !columns_from.contains(&Some(*ordinal));
    for (column, _) in before.columns.iter().zip(0_u16..).filter(gone) {
        parts.push(format!("DROP COLUMN {}", quote_name(&column.name)));
    }
    let mut previous: Option<&Column> = None;
    let shown =
        after.columns.iter().enumerate().zip(columns_from).filter(|((_, column), _)| !column.is_hidden());
    for ((ordinal, column), from) in shown {
        let place =
            previous.map_or("FIRST".to_owned(), |column| format!("AFTER {}", quote_name(&column.name)));
        let declared = types.get(ordinal).map_or("", |mapped| mapped.declaration.as_str());
        let definition = definition(after, column, declared, server);
        match from.and_then(|from| before.columns.get(usize::from(from))) {
            None => parts.push(format!("ADD COLUMN {definition} {place}")),
            Some(old) if !is_same(old, column, *from, ordinal) || from.map(usize::from) != Some(ordinal) => {
                parts.push(format!("CHANGE COLUMN {} {definition} {place}", quote_name(&old.name)));
            }
            Some(_) => {}
        }
        previous = Some(column);
    }
    if !same_primary && !after.primary_key.is_empty() {
        parts.push(format!("ADD PRIMARY KEY ({})", names(after, &after.primary_key)));
    }
    for key in after.unique_keys.iter().filter(|key| !key.partial && !has_key(before, after, key)) {
        parts.push(format!("ADD UNIQUE KEY {} ({})", quote_name(&key.name), names(after, &key.columns)));
    }
    let name = format!("{}.{}", quote_name(&before.name.database), quote_name(&before.name.table));
    (!parts.is_empty()).then(|| format!("ALTER TABLE {name} {}", parts.join(", ")))
}

/// Whether `table` has a unique key of that name over the same columns as `key` of `other` has.
fn has_key(table: &Table, other: &Table, key: &slackwater_decoders::schema::UniqueKey) -> bool {
    table
        .unique_keys
        .iter()
        .any(|own| own.name == key.name && names(table, &own.columns) == names(other, &key.columns))
}

fn names(table: &Table, ordinals: &[u16]) -> String {
    let names: Vec<_> = ordinals
        .iter()
        .filter_map(|ordinal| table.columns.get(usize::from(*ordinal)))
        .map(|column| quote_name(&column.name))
        .collect();
    names.join(",")
}

fn key_definitions(table: &Table) -> Vec<String> {
    let mut keys = Vec::new();
    if !table.primary_key.is_empty() {
        keys.push(format!("PRIMARY KEY ({})", names(table, &table.primary_key)));
    }
    for key in table.unique_keys.iter().filter(|key| !key.partial) {
        keys.push(format!("UNIQUE KEY {} ({})", quote_name(&key.name), names(table, &key.columns)));
    }
    keys
}

/// A column by itself, with the type that it has apart from keys.
pub(super) fn column_definition(table: &Table, column: &Column, server: Server) -> String {
    definition(table, column, &column_type(column, server).declaration, server)
}

fn definition(table: &Table, column: &Column, declared: &str, server: Server) -> String {
    let mut definition = format!("{} {declared}", quote_name(&column.name));
    if is_of_postgres(column) {
        // Its expression is PostgreSQL's: a plain column, which is written like any other.
        definition.push_str(if column.nullable { " NULL" } else { " NOT NULL" });
        let literal =
            column.default.as_deref().and_then(|default| default_of(column, default, declared, server));
        if let Some(literal) = literal.filter(|_| column.generated.is_none() && !column.auto_increment) {
            definition.push_str(&format!(" DEFAULT {literal}"));
        }
        return definition;
    }
    // The versions of rows that MariaDB keeps elsewhere are columns like any other.
    let is_version = |expression: &str| matches!(expression, "ROW START" | "ROW END");
    if let Some(generated) = &column.generated
        && !generated.expression.as_deref().is_some_and(is_version)
    {
        // Without its expression it becomes a plain column, which is written like any other.
        if let Some(expression) = &generated.expression {
            let kept = if generated.stored { "STORED" } else { "VIRTUAL" };
            definition.push_str(&format!(" GENERATED ALWAYS AS ({expression}) {kept}"));
        }
        return definition;
    }
    definition.push_str(if column.nullable { " NULL" } else { " NOT NULL" });
    // The server asks for a key that starts with such a column.
    let ordinal = table.ordinal(&column.name).and_then(|ordinal| u16::try_from(ordinal).ok());
    let leads = |key: &[u16]| key.first().copied() == ordinal;
    if column.auto_increment
        && (leads(&table.primary_key) || table.unique_keys.iter().any(|key| leads(&key.columns)))
    {
        definition.push_str(" AUTO_INCREMENT");
    } else if let Some(default) = &column.default {
        definition.push_str(&format!(" DEFAULT {default}"));
    }
    definition
}
