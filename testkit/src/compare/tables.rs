//! One table on two sides: the rows that only one has, and the values that differ, by their key.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};

use super::normal::Normal;
use super::side::{Side, Table};
use super::{Rows, shortened};
use crate::PostgresServer;

/// Differences that are told.
const SHOWN: usize = 5;

/// The rows of a table (`schema.table`) of a PostgreSQL database, sorted; the same for every version of the server.
///
/// # Errors
/// When the server cannot be asked.
pub fn postgres_rows(server: &PostgresServer, database: &str, table: &str) -> Result<Rows> {
    let side = Side::Postgres(server, database);
    let read = side.read(table)?;
    let normals = normals(&read, &read, false, table)?;
    let places: Vec<usize> = (0..read.columns.len()).collect();
    let mut rows = normal_rows(&read, &places, &normals);
    rows.sort();
    Ok(rows)
}

/// Fails with the first differences between a table and its copy, by key and column, unless they have the same columns and rows, by
/// the table of conversions in this crate's `compare/normal.rs`. Returns the number of rows.
///
/// # Errors
/// When they differ, or a side cannot be asked.
pub fn expect_same_table(
    (source, table): (Side<'_>, &str),
    (destination, copy): (Side<'_>, &str),
) -> Result<usize> {
    let (here, there) = (source.read(table)?, destination.read(copy)?);
    let to_postgres = matches!(destination, Side::Postgres(..)) && matches!(source, Side::Mysql(_));
    let normals = normals(&here, &there, to_postgres, copy)?;
    ensure!(
        here.columns.len() == there.columns.len(),
        "{copy} has {} columns and {table} has {}",
        there.columns.len(),
        here.columns.len()
    );
    let own: Vec<usize> = (0..here.columns.len()).collect();
    let others =
        here.columns.iter().map(|column| place_of(&there, &column.name, copy)).collect::<Result<Vec<_>>>()?;
    let (rows, copies) = (normal_rows(&here, &own, &normals), normal_rows(&there, &others, &normals));
    let count = rows.len();
    let names: Vec<&str> = here.columns.iter().map(|column| column.name.as_str()).collect();
    let differences = if here.key.is_empty() {
        differences_of_bags(rows, copies)
    } else {
        let key = here.key.iter().map(|name| place_of(&here, name, table)).collect::<Result<Vec<_>>>()?;
        differences_by_key(&names, &key, rows, copies)
    };
    if differences.is_empty() {
        return Ok(count);
    }
    let told =
        differences.iter().take(SHOWN).map(|difference| format!("\n  {difference}")).collect::<String>();
    bail!(
        "{copy} differs from {table} in {} places; {count} rows at the source, {} at the destination:{told}",
        differences.len(),
        there.rows.len()
    )
}

/// The same for several tables and their copies, at least one of which must have rows. Returns the rows of all.
///
/// # Errors
/// When one differs, a side cannot be asked, or there is nothing to compare.
pub fn expect_same_tables<S: AsRef<str>>(
    source: Side<'_>,
    destination: Side<'_>,
    tables: impl IntoIterator<Item = (S, S)>,
) -> Result<usize> {
    let mut rows = 0;
    for (table, copy) in tables {
        rows += expect_same_table((source, table.as_ref()), (destination, copy.as_ref()))?;
    }
    ensure!(rows > 0, "no table has a row: nothing was compared");
    Ok(rows)
}

fn place_of(table: &Table, name: &str, title: &str) -> Result<usize> {
    table
        .columns
        .iter()
        .position(|column| column.name == name)
        .with_context(|| format!("{title} has no column {name}"))
}

/// How the values of each of the source's columns are compared.
fn normals(source: &Table, destination: &Table, to_postgres: bool, title: &str) -> Result<Vec<Normal>> {
    source
        .columns
        .iter()
        .map(|column| {
            let kind = column.kind.context("a SQLite file is no source")?;
            let other = destination.columns.get(place_of(destination, &column.name, title)?);
            Ok(Normal::of(kind, other.and_then(|column| column.kind), to_postgres))
        })
        .collect()
}

/// The rows in their comparable form, with the columns of these places.
fn normal_rows(table: &Table, places: &[usize], normals: &[Normal]) -> Rows {
    let value = |row: &Vec<Option<String>>, place: usize, normal: &Normal| {
        let text = row.get(place)?.as_ref()?;
        normal.apply(table.columns.get(place).and_then(|column| column.kind), text)
    };
    let row = |row| places.iter().zip(normals).map(|(place, normal)| value(row, *place, normal)).collect();
    table.rows.iter().map(row).collect()
}

fn differences_by_key(names: &[&str], key: &[usize], source: Rows, destination: Rows) -> Vec<String> {
    let by_key = |rows: Rows| -> BTreeMap<Vec<Option<String>>, Vec<Vec<Option<String>>>> {
        let mut map: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for row in rows {
            let key = key.iter().map(|place| row.get(*place).cloned().flatten()).collect();
            map.entry(key).or_default().push(row);
        }
        map
    };
    let (here, mut there) = (by_key(source), by_key(destination));
    let title = |values: &[Option<String>]| {
        let named = key.iter().zip(values).map(|(place, value)| {
            format!("{} = {}", names.get(*place).copied().unwrap_or_default(), shown(value))
        });
        named.collect::<Vec<_>>().join(", ")
    };
    let mut differences = Vec::new();
    for (key, rows) in here {
        let Some(copies) = there.remove(&key) else {
            differences.push(format!("{}: only at the source", title(&key)));
            continue;
        };
        if rows.len() != copies.len() {
            differences.push(format!("{}: {} times at the destination", title(&key), copies.len()));
        }
        for (row, copy) in rows.iter().zip(&copies) {
            for (name, (value, other)) in names.iter().zip(row.iter().zip(copy)).filter(|(_, (a, b))| a != b)
            {
                let (value, other) = (shown(value), shown(other));
                differences.push(format!(
                    "{}: {name} is {value} at the source, {other} at the destination",
                    title(&key)
                ));
            }
        }
    }
    differences.extend(there.keys().map(|key| format!("{}: only at the destination", title(key))));
    differences
}

/// Rows without a key: as many of each on both sides.
fn differences_of_bags(source: Rows, destination: Rows) -> Vec<String> {
    let mut counts: BTreeMap<Vec<Option<String>>, (usize, usize)> = BTreeMap::new();
    for row in source {
        counts.entry(row).or_default().0 += 1;
    }
    for row in destination {
        counts.entry(row).or_default().1 += 1;
    }
    let differing = counts.into_iter().filter(|(_, (here, there))| here != there);
    differing
        .map(|(row, (here, there))| {
            let values: Vec<String> = row.iter().map(shown).collect();
            format!("({}): {here} times at the source, {there} times at the destination", values.join(", "))
        })
        .collect()
}

fn shown(value: &Option<String>) -> String {
    value.as_ref().map_or_else(|| "NULL".to_owned(), |text| shortened(&format!("{text:?}")))
}
