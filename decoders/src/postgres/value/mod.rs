//! Values of columns, in PostgreSQL's text and binary formats.
//!
//! The text format is what a type's output function prints in a session with `DateStyle = ISO`, `IntervalStyle = postgres`,
//! `extra_float_digits = 3`, `bytea_output = hex`, `TimeZone = UTC` and `client_encoding = UTF8`; the binary format is what its
//! send function sends (`src/backend/utils/adt/`). Both give the same [`Value`] for the same stored value. The one exception: before
//! PostgreSQL 12 floating point numbers inside of other types (arrays, points) are printed with more digits than they need,
//! and read from the binary format with as many as they need.
//!
//! `kind` says how a type is read, `text` and `temporal` read the text format, `binary` the binary one; what has a text only is printed
//! by `print` and, each for a family of types, `container`, `geometric`, `network`, `numeric` and `text_search`.

mod binary;
mod buffer;
mod container;
mod float;
mod geometric;
mod kind;
mod network;
mod numeric;
mod print;
mod temporal;
mod text;
mod text_search;

use std::{fmt, sync::Arc};

use self::kind::Kind;
use super::{
    reader::Malformed,
    types::{TypeCatalog, column_type},
};
use crate::{arena::Arena, value::Value};

/// How values of one column are read: resolved once from its type.
#[derive(Clone, Debug)]
pub struct Form {
    kind: Kind,
    has_binary: bool,
    type_name: Arc<str>,
}

/// Why a value could not be read. It never holds the value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ValueError {
    /// The bytes are not what the type's format demands.
    Malformed {
        /// The type, as the source spells it.
        type_name: Arc<str>,
        /// What is wrong.
        what: Malformed,
    },
    /// The type's binary format is not known, or does not say what the text says.
    NoBinary {
        /// The type, as the source spells it.
        type_name: Arc<str>,
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
    pub fn of(type_oid: u32, typmod: i32, types: &TypeCatalog) -> Self {
        let kind = Kind::of(type_oid, typmod, types);
        let type_name = column_type(type_oid, typmod, types).1.into();
        Form { has_binary: kind.has_binary(), kind, type_name }
    }

    /// Whether [`binary`](Self::binary) can read the type at all. It cannot where the format is not known (types of most extensions)
    /// or does not say what the text says: `money` depends on the server's `lc_monetary`, and `regclass` and its kin come as numbers.
    #[must_use]
    pub fn has_binary(&self) -> bool {
        self.has_binary
    }

    /// Reads a value in the text format.
    ///
    /// # Errors
    /// When the bytes are no value of the type.
    #[inline]
    pub fn text<'a>(&self, bytes: &'a [u8], arena: &Arena<'a>) -> Result<Value<'a>, ValueError> {
        text::read(&self.kind, bytes, arena).map_err(|what| self.malformed(what))
    }

    /// Reads a value in the binary format.
    ///
    /// # Errors
    /// When the bytes are no value of the type, or the type's binary format cannot be read.
    #[inline]
    pub fn binary<'a>(&self, bytes: &'a [u8], arena: &Arena<'a>) -> Result<Value<'a>, ValueError> {
        if !self.has_binary {
            return Err(ValueError::NoBinary { type_name: Arc::clone(&self.type_name) });
        }
        binary::read(&self.kind, bytes, arena).map_err(|what| self.malformed(what))
    }

    #[cold]
    fn malformed(&self, what: Malformed) -> ValueError {
        ValueError::Malformed { type_name: Arc::clone(&self.type_name), what }
    }
}
