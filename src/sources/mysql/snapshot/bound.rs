//! Places in a table's key, as SQL literals that say exactly the stored value.

use std::net::Ipv4Addr;

use slackwater_decoders::{
    schema::{Column, ColumnType, Table},
    value::{Cell, Enum, Inet6Text, UuidText, Value},
};

use crate::{
    error::{Error, Result},
    sources::{
        mysql::{connection::Version, questions::quoted},
        snapshot::Bound,
    },
};

/// The literals of a key's columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sources::mysql) struct Place(pub(in crate::sources::mysql) Vec<String>);

impl Place {
    /// The place in the form that is kept.
    pub(in crate::sources::mysql) fn to_bound(&self) -> Bound {
        Bound(serde_json::Value::from(self.0.clone()).to_string())
    }

    /// The place that was kept, of a key of that many columns.
    ///
    /// # Errors
    /// Definite when it is not one.
    pub(in crate::sources::mysql) fn from_bound(
        bound: &Bound,
        columns: usize,
        table: &Table,
    ) -> Result<Self> {
        let literals: Option<Vec<String>> = serde_json::from_str(&bound.0).ok();
        match literals.filter(|literals| literals.len() == columns) {
            Some(literals) => Ok(Place(literals)),
            None => Err(Error::definite("the stored place in the copy of the table is not of its key")
                .on(&table.name)
                .remedy("start the copy of the table anew")),
        }
    }
}

/// The literal of one column of a row: `cell` is its value, `raw` what the server sent of it.
///
/// Text stands as the stored bytes in the column's own character set: compared with the column, it takes on the column's collation,
/// and nothing is converted. `None` for what cannot stand in a key.
pub(in crate::sources::mysql) fn literal(
    column: &Column,
    cell: Cell<'_>,
    raw: &[u8],
    version: &Version,
) -> Option<String> {
    match (cell.value()?, &column.column_type) {
        (_, ColumnType::Uuid | ColumnType::Inet4 | ColumnType::Inet6) => {
            std::str::from_utf8(raw).ok().map(quoted)
        }
        (Value::Text(_), _) => {
            Some(format!("_{} x'{}'", introducer(column.charset.as_deref(), version), hex(raw)))
        }
        (Value::Binary(_), _) => Some(format!("x'{}'", hex(raw))),
        (value, _) => plain(value),
    }
}

/// The literal of a value for a comparison with a column, of which the server has said nothing: it may come from another database.
///
/// Text stands in UTF-8: the server converts it to the column's character set. `None` for what cannot stand in a key.
pub(in crate::sources::mysql) fn literal_of(column: &Column, value: Value<'_>) -> Option<String> {
    let is_text =
        matches!(column.column_type, ColumnType::Char(_) | ColumnType::VarChar(_) | ColumnType::Text(_));
    match (value, &column.column_type) {
        (Value::Uuid(uuid), ColumnType::Binary(_) | ColumnType::VarBinary(_)) => {
            Some(format!("x'{}'", hex(&uuid)))
        }
        (Value::Uuid(uuid), _) => Some(quoted(&UuidText(uuid).to_string())),
        (Value::Binary(bytes), ColumnType::Inet4) => {
            Some(quoted(&Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).to_string()))
        }
        (Value::Binary(bytes), ColumnType::Inet6) => {
            Some(quoted(&Inet6Text(<[u8; 16]>::try_from(bytes).ok()?).to_string()))
        }
        // What is stored has zero bytes at its end.
        (Value::Binary(bytes), ColumnType::Binary(length)) => {
            let zeros = usize::try_from(*length).unwrap_or_default().saturating_sub(bytes.len());
            Some(format!("x'{}{}'", hex(bytes), "00".repeat(zeros)))
        }
        (Value::Binary(bytes), _) => Some(format!("x'{}'", hex(bytes))),
        (Value::Text(text), _) if is_text => Some(format!("_utf8mb4 x'{}'", hex(text.as_bytes()))),
        (Value::Text(text), _) => Some(quoted(text)),
        (Value::Enum(Enum { label: Some(label), index: 1.. }), ColumnType::Enum(members)) => {
            // The other database may have its members in another order.
            let place = members.iter().position(|member| member == label)?;
            Some((place + 1).to_string())
        }
        (value, _) => plain(value),
    }
}

/// The literal of a value that is written alike for every column.
fn plain(value: Value<'_>) -> Option<String> {
    Some(match value {
        Value::Bool(truth) => u8::from(truth).to_string(),
        Value::Int(number) => number.to_string(),
        Value::UInt(number) => number.to_string(),
        // The exact value of a FLOAT, and the shortest digits that read back as the same DOUBLE.
        Value::Float(number) if number.is_finite() => format!("{:e}", f64::from(number)),
        Value::Double(number) if number.is_finite() => format!("{number:e}"),
        Value::Decimal(digits) if digits.ends_with(|last: char| last.is_ascii_digit()) => digits.to_owned(),
        Value::Date(date) => quoted(&date.to_string()),
        Value::Time(time) => quoted(&time.to_string()),
        Value::DateTime(moment) => quoted(&moment.to_string()),
        Value::Timestamp(instant) => quoted(&instant.to_string()),
        // The number 0 would be taken for the year 2000.
        Value::Year(0) => "'0000'".to_owned(),
        Value::Year(year) => year.to_string(),
        Value::Bits(bits) => bits.to_u64()?.to_string(),
        Value::Enum(member) => member.index.to_string(),
        Value::Set(members) => members.mask.to_string(),
        _ => return None,
    })
}

/// The name of a character set that the server's literals know. `utf8mb3` is the name of MySQL 8.0 and MariaDB 10.6, which mean, or
/// may mean, another one by `utf8`.
fn introducer<'a>(charset: Option<&'a str>, version: &Version) -> &'a str {
    let knows_utf8mb3 = version.is_mysql(8, 0, 0) || version.mariadb && version.numbers >= (10, 6, 0);
    match charset {
        Some("utf8mb3" | "utf8") => {
            if knows_utf8mb3 {
                "utf8mb3"
            } else {
                "utf8"
            }
        }
        Some(charset) => charset,
        None => "utf8mb4",
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().map_or('0', char::from);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
