//! Values of columns, in PostgreSQL's text and binary formats.
//!
//! The text format is what a type's output function prints in a session with `DateStyle = ISO`, `IntervalStyle = postgres`,
//! `extra_float_digits = 3`, `bytea_output = hex`, `TimeZone = UTC` and `client_encoding = UTF8`; the binary format is what its
//! send function sends (`src/backend/utils/adt/`). Both give the same [`Value`] for the same stored value. The one exception: before
//! PostgreSQL 12 floating point numbers inside of other types (arrays, points) are printed with more digits than they need,
//! and read from the binary format with as many as they need.

use std::fmt;

use super::{reader::Malformed, types::TypeCatalog};
use crate::{arena::Arena, value::Value};

/// How values of one column are read: resolved once from its type.
#[derive(Clone, Debug)]
pub struct Form {
    _type_oid: u32,
}

/// Why a value could not be read. It never holds the value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ValueError {
    /// The bytes are not what the type's format demands.
    Malformed {
        /// The type, as the source spells it.
        type_name: Box<str>,
        /// What is wrong.
        what: Malformed,
    },
    /// The type's binary format is not known, or does not say what the text says.
    NoBinary {
        /// The type, as the source spells it.
        type_name: Box<str>,
    },
}

impl ValueError {
    /// What the operator can do.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            ValueError::Malformed { .. } => {
                "nothing was skipped and the position is kept; report the server's version, the column's type and this \
                 message"
            }
            ValueError::NoBinary { .. } => "set format = \"text\" for this source",
        }
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ValueError::Malformed { type_name, what } => write!(f, "a value of type {type_name} {what}"),
            ValueError::NoBinary { type_name } => {
                write!(f, "values of type {type_name} cannot be read from the binary format")
            }
        }
    }
}

impl std::error::Error for ValueError {}

impl Form {
    /// The form of values of a type.
    #[must_use]
    pub fn of(type_oid: u32, _typmod: i32, _types: &TypeCatalog) -> Self {
        Form { _type_oid: type_oid }
    }

    /// Whether [`binary`](Self::binary) can read the type at all.
    #[must_use]
    pub fn has_binary(&self) -> bool {
        false
    }

    /// Reads a value in the text format.
    ///
    /// # Errors
    /// When the bytes are no value of the type.
    pub fn text<'a>(&self, _bytes: &'a [u8], _arena: &Arena<'a>) -> Result<Value<'a>, ValueError> {
        Err(ValueError::NoBinary { type_name: "".into() })
    }

    /// Reads a value in the binary format.
    ///
    /// # Errors
    /// When the bytes are no value of the type, or the type's binary format cannot be read.
    pub fn binary<'a>(&self, _bytes: &'a [u8], _arena: &Arena<'a>) -> Result<Value<'a>, ValueError> {
        Err(ValueError::NoBinary { type_name: "".into() })
    }
}
