//! The keys of a table.

use super::CatalogError;
use crate::{
    mysql::ddl::statement::{KeyDefinition, KeyKind, KeyPart},
    schema::{Column, ColumnType, Index, Table, UniqueKey},
};

pub(super) const PRIMARY: &str = "PRIMARY";

/// Adds keys in their order and makes the primary key's columns NOT NULL.
pub(super) fn add_all(table: &mut Table, keys: &[KeyDefinition]) -> Result<(), CatalogError> {
    let resolved = keys.iter().map(|key| resolve(table, &key.parts)).collect::<Result<Vec<_>, _>>()?;
    let all = keys.iter().zip(&resolved);
    let (periods, keys): (Vec<_>, Vec<_>) = all.partition(|(key, _)| key.kind == KeyKind::Period);
    forget_served(table, &keys);
    for (number, &(key, parts)) in keys.iter().enumerate() {
        if key.kind != KeyKind::Foreign || !is_served(table, &keys, number, parts) {
            add(table, key, parts);
        }
    }
    not_null(&mut table.columns, &table.primary_key);
    for (_, parts) in periods {
        not_null(&mut table.columns, &parts.columns);
    }
    Ok(())
}

/// Adds a key.
fn add(table: &mut Table, key: &KeyDefinition, parts: &Parts) {
    let columns = parts.columns.clone();
    if key.kind == KeyKind::Primary && !parts.period {
        table.primary_key = columns;
        return;
    }
    let name = match (&key.name, key.kind) {
        (_, KeyKind::Primary) => PRIMARY.to_owned(),
        (Some(name), _) => name.clone(),
        (None, _) => free_name(table, parts.name.as_deref().unwrap_or("functional_index")),
    };
    match key.kind {
        KeyKind::Primary | KeyKind::Unique => {
            table.unique_keys.push(UniqueKey { name, columns, partial: parts.partial });
        }
        KeyKind::Plain | KeyKind::Foreign => {
            table.indexes.push(Index { name, columns, implied: key.kind == KeyKind::Foreign });
        }
        KeyKind::Period => {}
    }
}

/// Removes the indexes made for earlier foreign keys that one of the new keys serves, too.
fn forget_served(table: &mut Table, new: &[(&KeyDefinition, &Parts)]) {
    let serves = |index: &Index| {
        new.iter().any(|(key, parts)| {
            let longer = key.kind != KeyKind::Foreign || parts.columns.len() >= index.columns.len();
            longer && parts.columns.starts_with(&index.columns)
        })
    };
    table.indexes.retain(|index| !index.implied || !serves(index));
}

/// Whether a foreign key needs no index of its own: an existing key or another of the new ones starts with its columns.
fn is_served(table: &Table, new: &[(&KeyDefinition, &Parts)], number: usize, parts: &Parts) -> bool {
    let serves = |columns: &[u16]| columns.starts_with(&parts.columns);
    serves(&table.primary_key)
        || table.unique_keys.iter().any(|key| serves(&key.columns))
        || table.indexes.iter().any(|index| serves(&index.columns))
        || new.iter().enumerate().any(|(other, (key, other_parts))| {
            // Of two equal ones made for foreign keys, the later stays.
            let outranks = key.kind != KeyKind::Foreign
                || other_parts.columns.len() > parts.columns.len()
                || other > number;
            other != number && outranks && serves(&other_parts.columns)
        })
}

/// The parts of a key as found in the table.
struct Parts {
    columns: Vec<u16>,
    partial: bool,
    period: bool,
    /// What an unnamed key is named after.
    name: Option<String>,
}

fn resolve(table: &Table, parts: &[KeyPart]) -> Result<Parts, CatalogError> {
    let mut resolved = Parts { columns: Vec::new(), partial: false, period: false, name: None };
    for (number, part) in parts.iter().enumerate() {
        match part {
            KeyPart::Expression => resolved.partial = true,
            KeyPart::Period(_) => {
                resolved.partial = true;
                resolved.period = true;
            }
            KeyPart::Column { name, prefix } => {
                let (ordinal, column) = find(table, name)?;
                resolved.columns.push(ordinal);
                resolved.partial |= prefix.is_some_and(|prefix| is_prefix(column, prefix));
                if number == 0 {
                    resolved.name = Some(column.name.clone());
                }
            }
        }
    }
    Ok(resolved)
}

/// The column of that name with its ordinal.
pub(super) fn find<'a>(table: &'a Table, name: &str) -> Result<(u16, &'a Column), CatalogError> {
    let found = table.ordinal(name).and_then(|ordinal| {
        let column = table.columns.get(ordinal)?;
        Some((u16::try_from(ordinal).ok()?, column))
    });
    found.ok_or_else(|| CatalogError::NoColumn { table: table.name.clone(), column: name.to_owned() })
}

/// Whether a key over so much of a column's start leaves some of it out.
fn is_prefix(column: &Column, prefix: u32) -> bool {
    match column.column_type {
        ColumnType::Char(length)
        | ColumnType::VarChar(length)
        | ColumnType::Binary(length)
        | ColumnType::VarBinary(length) => prefix < length,
        _ => true,
    }
}

/// Whether there is a key of that name. Names of keys compare without regard to case.
pub(super) fn exists(table: &Table, name: &str) -> bool {
    let same = |other: &str| other.to_lowercase() == name.to_lowercase();
    (same(PRIMARY) && !table.primary_key.is_empty())
        || table.unique_keys.iter().any(|key| same(&key.name))
        || table.indexes.iter().any(|index| same(&index.name))
}

/// The name that the server gives an unnamed key: after its first column, with a number when that is taken.
fn free_name(table: &Table, base: &str) -> String {
    let free = |name: &String| !exists(table, name) && !name.eq_ignore_ascii_case(PRIMARY);
    let numbered = (2..=100u32).map(|number| format!("{base}_{number}"));
    std::iter::once(base.to_owned()).chain(numbered).find(free).unwrap_or_else(|| base.to_owned())
}

/// Removes the key of that name, if there is one.
pub(super) fn remove(table: &mut Table, name: &str) {
    remove_unique(table, name);
    table.indexes.retain(|index| index.name.to_lowercase() != name.to_lowercase());
}

/// Removes the unique or primary key of that name, if there is one. A foreign key of that name leaves its index behind.
pub(super) fn remove_unique(table: &mut Table, name: &str) {
    if name.eq_ignore_ascii_case(PRIMARY) {
        table.primary_key.clear();
    }
    table.unique_keys.retain(|key| key.name.to_lowercase() != name.to_lowercase());
}

/// Gives a key another name.
pub(super) fn rename(table: &mut Table, from: &str, to: &str) {
    let unique = table.unique_keys.iter_mut().map(|key| &mut key.name);
    let plain = table.indexes.iter_mut().map(|index| &mut index.name);
    if let Some(name) = unique.chain(plain).find(|name| name.to_lowercase() == from.to_lowercase()) {
        to.clone_into(name);
    }
}

/// The column that takes over the keys of a column.
#[derive(Clone, Copy)]
pub(super) struct Successor {
    /// Its ordinal.
    pub(super) ordinal: u16,
    /// Whether the keys may cover only a prefix of it.
    pub(super) prefix: bool,
}

/// Whether a key can cover a prefix of columns of that type.
pub(super) fn can_have_prefix(column_type: &ColumnType) -> bool {
    matches!(
        column_type,
        ColumnType::Char(_)
            | ColumnType::VarChar(_)
            | ColumnType::Text(_)
            | ColumnType::Binary(_)
            | ColumnType::VarBinary(_)
            | ColumnType::Blob(_)
    )
}

/// Moves the keys to other ordinals: `new` has the successor of each old ordinal, or `None` for a dropped column, which
/// leaves its keys. A key without columns goes.
pub(super) fn renumber(table: &mut Table, new: &[Option<Successor>]) {
    let successors = |columns: &[u16]| -> Vec<Successor> {
        columns.iter().filter_map(|&old| new.get(usize::from(old)).copied().flatten()).collect()
    };
    let ordinals = |successors: &[Successor]| successors.iter().map(|successor| successor.ordinal).collect();
    table.primary_key = ordinals(&successors(&table.primary_key));
    table.unique_keys.retain_mut(|key| {
        // A key over expressions alone has no columns to lose.
        let had_columns = !key.columns.is_empty();
        let successors = successors(&key.columns);
        key.columns = ordinals(&successors);
        key.partial |= successors.iter().any(|successor| successor.prefix);
        !(had_columns && key.columns.is_empty())
    });
    table.indexes.retain_mut(|index| {
        let had_columns = !index.columns.is_empty();
        index.columns = ordinals(&successors(&index.columns));
        !(had_columns && index.columns.is_empty())
    });
}

/// The columns of primary keys and periods are NOT NULL, and stay so when these go.
fn not_null(columns: &mut [Column], ordinals: &[u16]) {
    for &ordinal in ordinals {
        if let Some(column) = columns.get_mut(usize::from(ordinal)) {
            column.nullable = false;
        }
    }
}

/// Whether a key said with IF NOT EXISTS is there already: by its name, or that of its first column.
pub(super) fn is_there(table: &Table, key: &KeyDefinition) -> bool {
    match key.kind {
        KeyKind::Primary => return exists(table, PRIMARY),
        KeyKind::Period => return false,
        KeyKind::Unique | KeyKind::Plain | KeyKind::Foreign => {}
    }
    let first = key.parts.iter().find_map(|part| match part {
        KeyPart::Column { name, .. } => Some(name),
        _ => None,
    });
    key.name.as_ref().or(first).is_some_and(|name| exists(table, name))
}
