//! How each column of a result set becomes a cell: the table's definition and what the server says of the result.

use std::{fmt, sync::Arc};

use super::ColumnDefinition;
use crate::{
    mysql::{charset::Charset, rows::wire::code},
    schema::{Column, ColumnType},
};

/// Collation 63: bytes.
const BINARY: u16 = 63;

/// How the value of one column is read.
#[derive(Clone, Debug)]
pub(super) enum Form {
    /// An integer in that many bytes of the protocol: 1, 2, 4 or 8.
    Integer {
        bytes: u8,
        unsigned: bool,
    },
    Float,
    Double,
    Decimal,
    /// Text that needs no conversion.
    Utf8,
    Text(Charset),
    /// Nobody knows the character set: text if the bytes are UTF-8.
    Undeclared,
    Binary,
    /// Addresses and UUIDs come as text.
    Uuid,
    Inet4,
    Inet6,
    Date,
    Time {
        precision: u8,
    },
    DateTime {
        precision: u8,
    },
    Timestamp {
        precision: u8,
    },
    Year,
    Bits {
        length: u16,
    },
    /// A number in that many bytes, as [`Integer`](Form::Integer).
    Enum {
        bytes: u8,
        members: Arc<[String]>,
    },
    Set {
        bytes: u8,
        members: Arc<[String]>,
    },
    /// The number, a colon, and the name or names, in UTF-8.
    NamedEnum,
    NamedSet,
    Geometry,
    Json,
    Vector,
}

/// A column of a result set that is not what the table's definition says: the definition is of another time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnfitColumn {
    /// The column's name; `None`: the number of columns is another one.
    pub column: Option<String>,
    /// The type code of the result.
    pub type_code: u8,
}

impl fmt::Display for UnfitColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.column {
            Some(column) => {
                write!(f, "column {column} comes as type {}, which its definition is not", self.type_code)
            }
            None => f.write_str("the result has another number of columns than the table"),
        }
    }
}

impl std::error::Error for UnfitColumn {}

impl Form {
    /// The form of a column; `None` when the result does not fit the definition.
    pub(super) fn of(column: &Column, result: &ColumnDefinition) -> Option<Self> {
        let is_string = matches!(
            result.type_code,
            code::VARCHAR
                | code::TINY_BLOB
                | code::MEDIUM_BLOB
                | code::LONG_BLOB
                | code::BLOB
                | code::VAR_STRING
                | code::STRING
        );
        Some(match (&column.column_type, result.type_code) {
            (ColumnType::Integer { bytes, unsigned }, type_code) if *unsigned == result.is_unsigned => {
                let sent = integer_bytes(type_code)?;
                // Three bytes are sent as four.
                if sent != (*bytes).max(1).next_power_of_two() {
                    return None;
                }
                Form::Integer { bytes: sent, unsigned: *unsigned }
            }
            (ColumnType::Float, code::FLOAT) => Form::Float,
            (ColumnType::Double, code::DOUBLE) => Form::Double,
            (ColumnType::Decimal { .. }, code::NEWDECIMAL) => Form::Decimal,
            (ColumnType::Date, code::DATE | code::NEWDATE) => Form::Date,
            (ColumnType::Time(precision), code::TIME | code::TIME2) => Form::Time { precision: *precision },
            (ColumnType::DateTime(precision), code::DATETIME | code::DATETIME2) => {
                Form::DateTime { precision: *precision }
            }
            (ColumnType::Timestamp(precision), code::TIMESTAMP | code::TIMESTAMP2) => {
                Form::Timestamp { precision: *precision }
            }
            // YEAR(2), of which tables of MySQL 5.5 may be left, does not tell 2000 from the year 0.
            (ColumnType::Year, code::YEAR) if column.declared.as_deref() != Some("year(2)") => Form::Year,
            (ColumnType::Bits(length), code::BIT) => Form::Bits { length: *length },
            (ColumnType::Enum(_), _) if is_string => Form::NamedEnum,
            (ColumnType::Set(_), _) if is_string => Form::NamedSet,
            // MariaDB chooses the width by the number of members.
            (ColumnType::Enum(members), type_code) => {
                Form::Enum { bytes: integer_bytes(type_code)?, members: members.as_slice().into() }
            }
            (ColumnType::Set(members), type_code) => {
                Form::Set { bytes: integer_bytes(type_code)?, members: members.as_slice().into() }
            }
            (ColumnType::Geometry(_), code::GEOMETRY) => Form::Geometry,
            (ColumnType::Json, code::JSON) => Form::Json,
            (ColumnType::Vector(_), code::VECTOR) => Form::Vector,
            // MariaDB's VECTOR is a VARBINARY, in its log as well.
            (ColumnType::Vector(_), _) if is_string => Form::Binary,
            (ColumnType::Uuid, _) if is_string => Form::Uuid,
            (ColumnType::Inet4, _) if is_string => Form::Inet4,
            (ColumnType::Inet6, _) if is_string => Form::Inet6,
            (ColumnType::Binary(_) | ColumnType::VarBinary(_) | ColumnType::Blob(_), _) if is_string => {
                Form::Binary
            }
            // MariaDB's JSON is a LONGTEXT.
            (ColumnType::Char(_) | ColumnType::VarChar(_) | ColumnType::Text(_) | ColumnType::Json, _)
                if is_string =>
            {
                Form::string(column, result.collation)
            }
            _ => return None,
        })
    }

    fn string(column: &Column, collation: u16) -> Self {
        let declared = || column.charset.as_deref().and_then(Charset::by_name);
        let sent = if collation == BINARY { None } else { Charset::by_collation(collation) };
        match sent.or_else(declared) {
            Some(charset) if charset.is_utf8() => Form::Utf8,
            Some(charset) if charset.is_binary() => Form::Binary,
            Some(charset) => Form::Text(charset),
            None => Form::Undeclared,
        }
    }
}

/// How many bytes an integer type takes in a row of the binary protocol.
fn integer_bytes(type_code: u8) -> Option<u8> {
    match type_code {
        code::TINY => Some(1),
        code::SHORT => Some(2),
        code::LONG | code::INT24 => Some(4),
        code::LONGLONG => Some(8),
        _ => None,
    }
}
