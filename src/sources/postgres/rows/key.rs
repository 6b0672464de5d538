//! Keys as literals of a statement, and conditions on them.
//!
//! A literal has no type of its own: the server reads it as the type of the column that it is compared with, without the column's length
//! or scale, so that nothing is cut or rounded.

use std::net::{Ipv4Addr, Ipv6Addr};

use slackwater_decoders::{
    schema::{Column, ColumnType, Table},
    value::{Bits, UuidText, Value},
};

use crate::{
    error::{Error, Result},
    postgres_client::{literal, quoted},
};

/// The literals of a key's columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place(Vec<String>);

impl Place {
    /// A place of the table's key; values may come from another database.
    ///
    /// # Errors
    /// Definite when a value can stand in no key.
    pub(super) fn new(table: &Table, key: &[u16], values: &[Value<'_>]) -> Result<Self> {
        if values.len() != key.len() {
            return Err(
                Error::definite("a key has another number of columns than the table's").on(&table.name)
            );
        }
        let columns = key.iter().filter_map(|ordinal| table.columns.get(usize::from(*ordinal)));
        let place = columns.zip(values).map(|(column, value)| {
            let text = text_of(column, *value).filter(|text| !text.contains('\0'));
            text.map(|text| literal(&text)).ok_or_else(|| {
                Error::definite(format!("a value cannot stand in the key's column {}", column.name))
                    .on(&table.name)
            })
        });
        place.collect::<Result<_>>().map(Place)
    }

    /// Bytes in a statement.
    pub(super) fn bytes(&self) -> usize {
        self.0.iter().map(|literal| literal.len() + 32).sum()
    }

    fn list(&self) -> String {
        format!("({})", self.0.join(", "))
    }
}

/// The key's columns: `"a", "b"`.
pub(super) fn columns(table: &Table, key: &[u16]) -> String {
    let columns = key.iter().filter_map(|ordinal| table.columns.get(usize::from(*ordinal)));
    columns.map(|column| quoted(&column.name)).collect::<Vec<_>>().join(", ")
}

/// The condition for the rows behind a place, up to and with another; nothing for all.
pub(super) fn between(columns: &str, after: Option<&Place>, to: Option<&Place>) -> String {
    let bound = |sign: &str, place: &Place| format!("({columns}) {sign} {}", place.list());
    let bounds = [after.map(|place| bound(">", place)), to.map(|place| bound("<=", place))];
    let bounds: Vec<String> = bounds.into_iter().flatten().collect();
    if bounds.is_empty() { String::new() } else { format!(" WHERE {}", bounds.join(" AND ")) }
}

/// The condition for the rows with these keys.
pub(super) fn among(columns: &str, keys: &[Place]) -> String {
    let keys: Vec<String> = keys.iter().map(Place::list).collect();
    format!(" WHERE ({columns}) IN ({})", keys.join(", "))
}

/// A value as the text that the type of the column reads; `None` for what cannot stand in a key.
fn text_of(column: &Column, value: Value<'_>) -> Option<String> {
    Some(match (value, &column.column_type) {
        (Value::Bool(truth), _) => truth.to_string(),
        (Value::Int(number), ColumnType::Boolean) => (number != 0).to_string(),
        (Value::Int(number), _) => number.to_string(),
        (Value::UInt(number), _) => number.to_string(),
        (Value::Year(year), _) => year.to_string(),
        // Digits that read back as the same number, `NaN`; infinities are `inf`.
        (Value::Float(number), _) => number.to_string().replace("inf", "Infinity"),
        (Value::Double(number), _) => number.to_string().replace("inf", "Infinity"),
        (Value::Decimal(digits), _) => digits.to_owned(),
        (Value::Text(text), _) => text.to_owned(),
        (Value::Binary(bytes), ColumnType::Uuid) => UuidText(bytes.try_into().ok()?).to_string(),
        (Value::Binary(bytes), ColumnType::Native(name)) if name == "inet" => address(bytes)?,
        (Value::Binary(bytes), _) => hex(bytes),
        (Value::Date(date), _) => date.to_string(),
        (Value::Time(time), _) => time.to_string(),
        (Value::DateTime(moment), _) => moment.to_string(),
        // A column without a zone passes over it.
        (Value::Timestamp(instant), _) => format!("{instant}+00"),
        (Value::Bits(bits), column_type) => bit_string(bits, column_type)?,
        (Value::Enum(member), _) => member.label?.to_owned(),
        (Value::Set(members), _) => members.labels?.to_owned(),
        (Value::Uuid(uuid), _) => UuidText(uuid).to_string(),
        _ => return None,
    })
}

fn address(bytes: &[u8]) -> Option<String> {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(bytes).to_string());
    }
    Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).to_string())
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(2 + 2 * bytes.len());
    text.push_str("\\x");
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn bit_string(bits: Bits<'_>, column_type: &ColumnType) -> Option<String> {
    match column_type {
        ColumnType::Boolean => Some((bits.to_u64()? != 0).to_string()),
        ColumnType::Integer { .. } | ColumnType::Decimal { .. } => Some(bits.to_u64()?.to_string()),
        ColumnType::Blob(_) => Some(hex(bits.bytes)),
        _ => {
            let padding = (bits.bytes.len() * 8).checked_sub(usize::from(bits.length))?;
            let all =
                bits.bytes.iter().flat_map(|byte| (0..8).rev().map(move |place| byte >> place & 1 == 1));
            Some(all.skip(padding).map(|bit| if bit { '1' } else { '0' }).collect())
        }
    }
}
