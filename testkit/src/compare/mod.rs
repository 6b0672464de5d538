//! Whole tables, value by value: what a source has against what a destination has.
//!
//! Each column is asked for in a form that shows every difference: text as UTF-8, binaries in hexadecimal, floating point
//! numbers by their bits through the binary protocol, temporals and decimals with all digits.
//!
//! [`expect_same_table`] compares a table with its copy across databases, too.

mod normal;
mod side;
mod tables;

use std::path::Path;

use anyhow::{Context, Result, bail};
use mysql::{Value, prelude::Queryable};
use rusqlite::{Connection, OpenFlags, types::ValueRef};

use crate::Server;

pub use side::Side;
pub use tables::{expect_same_table, expect_same_tables, postgres_rows};

/// Rows of a table, each value in its comparable form, in the order of their values.
pub type Rows = Vec<Vec<Option<String>>>;

/// How a column is asked for and read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// As the server prints it.
    Printed,
    /// Text in UTF-8.
    Text,
    Hexadecimal,
    /// The bits of a number of double precision.
    Number,
    /// A BIT, YEAR or ZEROFILL column, as a number: YEAR prints 0 as 0000.
    Bits,
}

struct Column {
    name: String,
    form: Form,
}

/// The rows of a table (`database.table`) of a source.
///
/// # Errors
/// When the server cannot be asked.
pub fn source_rows(source: &Server, table: &str) -> Result<Rows> {
    let columns = columns(source, table)?;
    mysql_rows(source, table, &columns)
}

/// The rows of a table of a destination server, read as the source's columns are.
///
/// # Errors
/// When a server cannot be asked.
pub fn destination_rows(source: &Server, destination: &Server, table: &str) -> Result<Rows> {
    mysql_rows(destination, table, &columns(source, table)?)
}

/// The rows of a table of a SQLite file, read as the source's columns are.
///
/// # Errors
/// When the server or the file cannot be asked.
pub fn sqlite_rows(source: &Server, file: &Path, table: &str) -> Result<Rows> {
    let columns = columns(source, table)?;
    let (_, table) = split(table)?;
    let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let names: Vec<String> =
        columns.iter().map(|column| format!("\"{}\"", column.name.replace('"', "\"\""))).collect();
    let mut statement = connection
        .prepare(&format!("SELECT {} FROM \"{}\"", names.join(", "), table.replace('"', "\"\"")))
        .with_context(|| format!("table {table} of the SQLite file"))?;
    let mut found = statement.query([])?;
    let mut rows = Rows::new();
    while let Some(row) = found.next()? {
        let mut values = Vec::with_capacity(columns.len());
        for (place, column) in columns.iter().enumerate() {
            values.push(sqlite_value(row.get_ref(place)?, column)?);
        }
        rows.push(values);
    }
    rows.sort();
    Ok(rows)
}

fn sqlite_value(value: ValueRef<'_>, column: &Column) -> Result<Option<String>> {
    Ok(Some(match (value, column.form) {
        (ValueRef::Null, _) => return Ok(None),
        (ValueRef::Integer(number), Form::Number) => (number as f64).to_bits().to_string(),
        (ValueRef::Real(number), Form::Number) => number.to_bits().to_string(),
        (ValueRef::Integer(number), _) => number.to_string(),
        (ValueRef::Blob(bytes), Form::Hexadecimal) => hexadecimal(bytes),
        (ValueRef::Text(text), Form::Printed | Form::Text | Form::Bits) => String::from_utf8(text.to_vec())?,
        (value, form) => {
            bail!("column {} has {:?} where {form:?} is expected", column.name, value.data_type())
        }
    }))
}

fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |nibble: u8| char::from(DIGITS.get(usize::from(nibble)).copied().unwrap_or_default());
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Splits `database.table`.
fn split(table: &str) -> Result<(&str, &str)> {
    table.split_once('.').with_context(|| format!("{table} is not database.table"))
}

fn columns(source: &Server, table: &str) -> Result<Vec<Column>> {
    let (database, name) = split(table)?;
    let sql = "SELECT column_name, data_type, column_type FROM information_schema.columns \
               WHERE table_schema = ? AND table_name = ? ORDER BY ordinal_position";
    let found: Vec<(String, String, String)> = source.conn()?.exec(sql, (database, name))?;
    if found.is_empty() {
        bail!("the source has no table {table}");
    }
    let form = |data_type: &str| match data_type {
        "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "enum" | "set" => Form::Text,
        "float" | "double" => Form::Number,
        "bit" | "year" => Form::Bits,
        "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" | "geometry" | "point"
        | "linestring" | "polygon" | "multipoint" | "multilinestring" | "multipolygon"
        | "geometrycollection" | "geomcollection" | "vector" => Form::Hexadecimal,
        _ => Form::Printed,
    };
    let column = |(name, data_type, declared): (String, String, String)| {
        // Zeros in front are how the source shows a number, not what it is.
        let form = if declared.contains("zerofill") { Form::Bits } else { form(&data_type) };
        Column { name, form }
    };
    Ok(found.into_iter().map(column).collect())
}

fn mysql_rows(server: &Server, table: &str, columns: &[Column]) -> Result<Rows> {
    let (database, name) = split(table)?;
    let quoted = |name: &str| format!("`{}`", name.replace('`', "``"));
    let expressions: Vec<String> = columns
        .iter()
        .map(|column| {
            let name = quoted(&column.name);
            match column.form {
                Form::Printed => format!("CAST({name} AS CHAR)"),
                Form::Text => format!("CAST(CONVERT({name} USING utf8mb4) AS BINARY)"),
                Form::Hexadecimal => format!("HEX({name})"),
                Form::Number => name,
                Form::Bits => format!("CAST({name} + 0 AS CHAR)"),
            }
        })
        .collect();
    let mut connection = server.conn()?;
    connection.query_drop("SET time_zone = '+00:00', NAMES utf8mb4")?;
    let sql = format!("SELECT {} FROM {}.{}", expressions.join(", "), quoted(database), quoted(name));
    // A prepared statement has the binary protocol: a text result rounds FLOAT to six digits.
    let found: Vec<mysql::Row> = connection.exec(sql, ()).with_context(|| format!("table {table}"))?;
    let mut rows = Rows::with_capacity(found.len());
    for row in found {
        rows.push(row.unwrap().into_iter().map(mysql_value).collect::<Result<_>>()?);
    }
    rows.sort();
    Ok(rows)
}

fn mysql_value(value: Value) -> Result<Option<String>> {
    Ok(Some(match value {
        Value::NULL => return Ok(None),
        Value::Bytes(bytes) => String::from_utf8(bytes)?,
        Value::Float(number) => f64::from(number).to_bits().to_string(),
        Value::Double(number) => number.to_bits().to_string(),
        Value::Int(number) => number.to_string(),
        Value::UInt(number) => number.to_string(),
        other => bail!("a value of an unexpected kind: {other:?}"),
    }))
}

/// Fails with the first differing rows, or values where both have as many rows.
///
/// # Errors
/// When they differ.
pub fn expect_equal(what: &str, source: &Rows, destination: &Rows) -> Result<()> {
    if source == destination {
        return Ok(());
    }
    let only = |these: &Rows, those: &Rows| -> Rows {
        these.iter().filter(|row| those.binary_search(row).is_err()).cloned().collect()
    };
    let (here, there) = (only(source, destination), only(destination, source));
    let first = |rows: &Rows| shortened(&format!("{:?}", rows.iter().take(3).collect::<Vec<_>>()));
    let mut text = format!(
        "{what} differs: the source has {} rows, the destination {}",
        source.len(),
        destination.len()
    );
    if here.len() == there.len() {
        for (here, there) in here.iter().zip(&there).take(3) {
            let differing = here.iter().zip(there).enumerate().filter(|(_, (here, there))| here != there);
            for (place, (here, there)) in differing.take(5) {
                text += &format!(
                    "\n  column {place}: {} at the source, {} at the destination",
                    shortened(&format!("{here:?}")),
                    shortened(&format!("{there:?}"))
                );
            }
        }
    } else {
        text += &format!(
            "\n  only at the source: {}\n  only at the destination: {}",
            first(&here),
            first(&there)
        );
    }
    bail!(text)
}

/// Enough of a long value to recognize it.
fn shortened(text: &str) -> String {
    const CHARACTERS: usize = 300;
    match text.char_indices().nth(CHARACTERS) {
        Some((end, _)) => format!("{}… ({} bytes)", &text.get(..end).unwrap_or_default(), text.len()),
        None => text.to_owned(),
    }
}
