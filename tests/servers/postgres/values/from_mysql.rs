//! From MySQL 9.7 into PostgreSQL 18: the tables of the matrix of types.

use anyhow::{Context as _, Result};
use slackwater_testkit::{
    Flavor, PostgresServer, PostgresVersion, Server,
    compare::{Side, expect_same_table},
    mysql::Conn,
    run_statements,
};

use super::{copy, task};
use crate::{
    pairs::type_matrix::{
        load,
        tables::{self, Table},
    },
    river::{DATABASE, PATIENCE, source_section},
};

/// Writes each table twice: `copied_…` has its rows before the task, `followed_…` gets them behind the copy.
fn write(connection: &mut Conn, part: &str, tables: &[Table]) -> Result<()> {
    run_statements(connection, "SET SESSION sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'")?;
    for table in tables {
        let name = format!("{part}_{}", table.name);
        load::change(connection, &name, table).with_context(|| format!("change {name}"))?;
    }
    Ok(())
}

/// A TIME may be longer than a day.
fn overrides(tables: &[Table], parts: &[&str]) -> String {
    let mut types = "[columns]\n".to_owned();
    for part in parts {
        for table in tables {
            for column in table.columns.iter().filter(|column| column.declaration.starts_with("TIME(")) {
                types += &format!("\"shop.{part}_{}.{}\" = \"interval\"\n", table.name, column.name);
            }
        }
    }
    types
}

/// Takes from the source what no column of the destination can hold: dates that do not exist, zero bytes in text, and documents
/// with the character U+0000.
fn without_what_is_dropped(connection: &mut Conn, name: &str, table: &Table) -> Result<()> {
    for column in &table.columns {
        let kind = column.declaration.split(['(', ' ']).next().unwrap_or_default();
        let column = format!("`{}`", column.name.replace('`', "``"));
        let sql = match (table.name.as_str(), kind) {
            ("times", "DATE" | "DATETIME") => {
                format!(
                    "UPDATE {name} SET {column} = NULL WHERE CAST({column} AS CHAR) < '0001' OR CAST({column} AS CHAR) LIKE '2023-02-31%'"
                )
            }
            ("texts", "CHAR" | "VARCHAR" | "TINYTEXT" | "TEXT" | "MEDIUMTEXT" | "LONGTEXT") => {
                format!("UPDATE {name} SET {column} = REPLACE({column}, '\\0', '')")
            }
            ("documents", "JSON") => {
                let zero = r"%\\\\u0000%";
                format!("DELETE FROM {name} WHERE CAST({column} AS CHAR) LIKE '{zero}'")
            }
            _ => continue,
        };
        run_statements(connection, &sql)?;
    }
    Ok(())
}

/// What a value of the source, in hexadecimal digits, is at the destination as the server prints it.
type Written = fn(&str) -> String;

fn written_otherwise(table: &str) -> Option<Written> {
    match table {
        "geometries" => Some(extended_wkb),
        "vectors" => Some(elements),
        _ => None,
    }
}

/// SRID and WKB as PostGIS keeps them: the SRID stands behind the type, which has a flag for it, unless it is 0.
fn extended_wkb(digits: &str) -> String {
    let (srid, wkb) = digits.split_at(8);
    if srid == "00000000" {
        return format!("\\x{}", wkb.to_lowercase());
    }
    let (kind, rest) = wkb.split_at(8);
    format!("\\x{kind}20{srid}{}", &rest[2..]).to_lowercase()
}

/// Numbers of single precision in little-endian order, as bits; the text of the other side is read as such, too.
fn elements(digits: &str) -> String {
    digits.to_lowercase()
}

fn bits_of_elements(array: &str) -> String {
    let numbers = array.trim_matches(['{', '}']).split(',');
    let bytes = numbers.flat_map(|number| number.parse::<f32>().unwrap().to_le_bytes());
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

/// The differences of a table whose values have another form at the destination.
fn of_another_form(
    source: &Server,
    destination: &PostgresServer,
    name: &str,
    table: &Table,
    written: Written,
) -> Result<Vec<String>> {
    let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
    let hexadecimal: Vec<String> = names.iter().map(|name| format!("HEX(`{name}`)")).collect();
    let expected = source.query(&format!("SELECT id, {} FROM {name} ORDER BY id", hexadecimal.join(", ")))?;
    let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    let sql = format!("SELECT id, {} FROM {name} ORDER BY id", quoted.join(", "));
    let found = destination.query_in(DATABASE, &sql)?;
    assert!(!expected.is_empty() && expected.len() == found.len(), "{name}: {} rows", found.len());
    let mut different = Vec::new();
    for (expected, found) in expected.iter().zip(&found) {
        for ((expected, found), column) in expected.iter().zip(found).skip(1).zip(&names) {
            let expected = expected.as_ref().map(|digits| written(std::str::from_utf8(digits).unwrap()));
            let found = found.as_ref().map(|text| match table.name.as_str() {
                "vectors" => bits_of_elements(text),
                _ => text.clone(),
            });
            if expected != found {
                different.push(format!("{name}.{column}: {expected:.100?} and {found:.100?}"));
            }
        }
    }
    Ok(different)
}

#[test]
fn from_mysql_97_into_18() -> Result<()> {
    let source = Server::builder(Flavor::Mysql97).start()?;
    let destination = PostgresServer::builder(PostgresVersion::V18).start()?;
    let tables = tables::of(Flavor::Mysql97);
    let parts = ["copied", "followed"];
    source.exec("CREATE DATABASE shop")?;
    let mut connection = source.conn()?;
    run_statements(&mut connection, "SET SESSION sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'")?;
    for table in &tables {
        for part in parts {
            load::create(&mut connection, &format!("{part}_{}", table.name), table, true)?;
        }
    }
    write(&mut connection, "copied", &tables)?;
    let directory = tempfile::tempdir()?;
    let types = directory.path().join("types.toml");
    std::fs::write(&types, overrides(&tables, &parts))?;
    let sections = format!(
        "{}{}[schema]\noverrides = {types:?}\n",
        source_section(&[&source], "snapshot").replacen("start = \"snapshot\"\n", "", 1),
        destination.destination_section(DATABASE, "invalid_dates = \"drop\"\nzero_bytes = \"drop\"\n")
    );
    let mut task = task(directory.path(), &sections)?;
    copy(&mut task)?;
    write(&mut connection, "followed", &tables)?;
    task.wait_for(&source.end_of_log()?, PATIENCE)?;
    assert!(task.stop()?.success(), "{}", task.log());
    let mut different = Vec::new();
    for table in &tables {
        for part in parts {
            let name = format!("shop.{part}_{}", table.name);
            without_what_is_dropped(&mut connection, &name, table)?;
            if let Some(written) = written_otherwise(&table.name) {
                let found = of_another_form(&source, &destination, &name, table, written)?;
                different.extend(found);
                continue;
            }
            let compared = expect_same_table(
                (Side::Mysql(&source), &name),
                (Side::Postgres(&destination, DATABASE), &name),
            );
            different.extend(compared.err().map(|error| format!("{error:#}")));
        }
    }
    assert!(
        different.is_empty(),
        "{} tables differ:\n{}\n{}",
        different.len(),
        different.join("\n"),
        task.log()
    );
    Ok(())
}
