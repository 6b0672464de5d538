//! Places in a table's key, as SQL literals that say exactly the stored value.

use slackwater_decoders::{
    schema::{Column, ColumnType, Table},
    value::{Cell, Value},
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
pub(super) struct Place(pub(super) Vec<String>);

impl Place {
    /// The place in the form that is kept.
    pub(super) fn to_bound(&self) -> Bound {
        Bound(serde_json::Value::from(self.0.clone()).to_string())
    }

    /// The place that was kept, of a key of that many columns.
    ///
    /// # Errors
    /// Definite when it is not one.
    pub(super) fn from_bound(bound: &Bound, columns: usize, table: &Table) -> Result<Self> {
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
pub(super) fn literal(column: &Column, cell: Cell<'_>, raw: &[u8], version: &Version) -> Option<String> {
    let in_words = || std::str::from_utf8(raw).ok().map(quoted);
    match (cell.value()?, &column.column_type) {
        (_, ColumnType::Uuid | ColumnType::Inet4 | ColumnType::Inet6) => in_words(),
        (Value::Int(number), _) => Some(number.to_string()),
        (Value::UInt(number), _) => Some(number.to_string()),
        // The exact value of a FLOAT, and the shortest digits that read back as the same DOUBLE.
        (Value::Float(number), _) => Some(format!("{:e}", f64::from(number))),
        (Value::Double(number), _) => Some(format!("{number:e}")),
        (Value::Decimal(digits), _) => Some(digits.to_owned()),
        (Value::Text(_), _) => {
            Some(format!("_{} x'{}'", introducer(column.charset.as_deref(), version), hex(raw)))
        }
        (Value::Binary(_), _) => Some(format!("x'{}'", hex(raw))),
        (Value::Date(date), _) => Some(quoted(&date.to_string())),
        (Value::Time(time), _) => Some(quoted(&time.to_string())),
        (Value::DateTime(moment), _) => Some(quoted(&moment.to_string())),
        (Value::Timestamp(instant), _) => Some(quoted(&instant.to_string())),
        // The number 0 would be taken for the year 2000.
        (Value::Year(0), _) => Some("'0000'".to_owned()),
        (Value::Year(year), _) => Some(year.to_string()),
        (Value::Bits(bits), _) => bits.to_u64().map(|bits| bits.to_string()),
        (Value::Enum(member), _) => Some(member.index.to_string()),
        (Value::Set(members), _) => Some(members.mask.to_string()),
        _ => None,
    }
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
