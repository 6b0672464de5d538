//! Rows as the text that `LOAD DATA` reads: fields end with a tab, lines with a line feed, a backslash escapes (MySQL Reference
//! Manual, *LOAD DATA Statement*, "Field and Line Handling").
//!
//! The file is UTF-8 to the server, which converts it for columns of other character sets. What is no text comes as one: bits as a
//! number, bytes in hexadecimal digits, each read into a variable and converted by an expression.

use std::{fmt::Write as _, io::Write as _, mem, net::Ipv4Addr};

use slackwater_decoders::{
    schema::{Column, ColumnType},
    value::{Enum, Inet6Text, UuidText, Value},
};

use super::{
    literal::{self, Unfit},
    tables::ReadyTable,
};
use crate::{changes::Image, types::mysql::Server};

/// How the text of a column becomes its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// The server takes it as it would take a string.
    Text,
    /// A number, which would be taken for the bytes of its digits.
    Bits,
    /// Hexadecimal digits.
    Hex,
}

fn form(column: &Column) -> Form {
    match column.column_type {
        ColumnType::Bits(..=64) => Form::Bits,
        ColumnType::Bits(_)
        | ColumnType::Binary(_)
        | ColumnType::VarBinary(_)
        | ColumnType::Blob(_)
        | ColumnType::Geometry(_)
        | ColumnType::Vector(_) => Form::Hex,
        _ => Form::Text,
    }
}

/// `LOAD DATA LOCAL` for rows of the table as [`push_row`] writes them. With `replace` they take the place of rows that are there.
pub(super) fn statement(table: &ReadyTable, replace: bool) -> String {
    let (mut fields, mut sets) = (String::new(), String::new());
    let written = table.columns.iter().zip(&table.writable).zip(&table.table.columns).enumerate();
    for (ordinal, ((name, writable), column)) in written {
        if !writable {
            continue;
        }
        if !fields.is_empty() {
            fields.push(',');
        }
        let expression = match form(column) {
            Form::Text => {
                fields.push_str(name);
                continue;
            }
            Form::Bits => format!("CAST(@v{ordinal} AS UNSIGNED)"),
            Form::Hex => format!("UNHEX(@v{ordinal})"),
        };
        // Writing to memory cannot fail, here and below.
        let _ = write!(fields, "@v{ordinal}");
        let _ = write!(sets, "{} {name}={expression}", if sets.is_empty() { " SET" } else { "," });
    }
    format!(
        "LOAD DATA LOCAL INFILE 'rows' {}INTO TABLE {} CHARACTER SET utf8mb4 ({fields}){sets}",
        if replace { "REPLACE " } else { "" },
        table.name
    )
}

/// Appends a row. `false`: it has a value that only a literal can express.
pub(super) fn push_row(
    out: &mut Vec<u8>,
    table: &ReadyTable,
    row: Image<'_>,
    server: Server,
) -> Result<bool, Unfit> {
    let mut first = true;
    for ((cell, writable), column) in row.iter().zip(&table.writable).zip(&table.table.columns) {
        if !writable {
            continue;
        }
        // An empty first value is a field as well.
        if !mem::take(&mut first) {
            out.push(b'\t');
        }
        let Some(value) = cell.value() else { return Ok(false) };
        let taken = match form(column) {
            Form::Hex => push_hex(out, value),
            _ => push_text(out, column, value, server)?,
        };
        if !taken {
            return Ok(false);
        }
    }
    out.push(b'\n');
    Ok(true)
}

fn push_text(out: &mut Vec<u8>, column: &Column, value: Value<'_>, server: Server) -> Result<bool, Unfit> {
    match value {
        Value::Null => out.extend_from_slice(b"\\N"),
        Value::Bool(truth) => out.push(if truth { b'1' } else { b'0' }),
        Value::Int(number) => literal::integer(out, number),
        Value::UInt(number) => literal::integer(out, number),
        // The text "0" is the year 2000.
        Value::Year(year) => drop(write!(out, "{year:04}")),
        Value::Bits(bits) => match bits.to_u64() {
            Some(number) => literal::integer(out, number),
            None => return Ok(false),
        },
        Value::Float(number) => return Ok(push_real(out, f64::from(number))),
        Value::Double(number) => return Ok(push_real(out, number)),
        Value::Decimal(digits) => out.extend_from_slice(digits.as_bytes()),
        Value::Text(text) => escaped(out, literal::text_of(column, text)?),
        Value::Date(_) | Value::Time(_) | Value::DateTime(_) | Value::Timestamp(_) => {
            literal::temporal(out, value);
        }
        Value::Enum(Enum { index: 0, .. }) => return Ok(false),
        Value::Enum(member) => escaped(out, literal::member(column, member)?),
        Value::Set(set) => match set.labels {
            Some(labels) => escaped(out, labels),
            None => return Ok(false),
        },
        // Types of scalars that text cannot carry are made by functions.
        Value::Json(json) if server.mariadb || json.typed.is_empty() => escaped(out, json.text),
        Value::Uuid(bytes) => drop(write!(out, "{}", UuidText(bytes))),
        Value::Binary(bytes) => return Ok(push_address(out, column, bytes)),
        _ => return Ok(false),
    }
    Ok(true)
}

fn push_real(out: &mut Vec<u8>, number: f64) -> bool {
    // NaN and infinities are refused where literals are made.
    let _ = write!(out, "{number:e}");
    number.is_finite()
}

/// Addresses are bytes in the log; the server takes their text.
fn push_address(out: &mut Vec<u8>, column: &Column, bytes: &[u8]) -> bool {
    match (&column.column_type, <[u8; 4]>::try_from(bytes), <[u8; 16]>::try_from(bytes)) {
        (ColumnType::Inet4, Ok(address), _) => drop(write!(out, "{}", Ipv4Addr::from(address))),
        (ColumnType::Inet6, _, Ok(address)) => drop(write!(out, "{}", Inet6Text(address))),
        _ => return false,
    }
    true
}

fn push_hex(out: &mut Vec<u8>, value: Value<'_>) -> bool {
    match value {
        Value::Null => out.extend_from_slice(b"\\N"),
        Value::Binary(bytes) | Value::Vector(bytes) => literal::hex_digits(out, bytes),
        Value::Bits(bits) => literal::hex_digits(out, bits.bytes),
        Value::Geometry(geometry) => {
            literal::hex_digits(out, &geometry.srid.to_le_bytes());
            literal::hex_digits(out, geometry.wkb);
        }
        _ => return false,
    }
    true
}

fn escaped(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    while let Some(place) = memchr::memchr3(b'\t', b'\n', b'\\', rest) {
        let (plain, special) = rest.split_at(place);
        out.extend_from_slice(plain);
        let Some((byte, after)) = special.split_first() else { break };
        out.extend_from_slice(match byte {
            b'\t' => b"\\t",
            b'\n' => b"\\n",
            _ => b"\\\\",
        });
        rest = after;
    }
    out.extend_from_slice(rest);
}
