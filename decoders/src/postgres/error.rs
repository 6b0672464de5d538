//! Why a message could not be decoded: always with the place, and where possible the table, the column and a remedy.

use std::fmt;

use super::{reader::Malformed, value::ValueError};
use crate::{position::LogPosition, schema::TableName};

/// What stopped the decoder. It never holds row values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// What happened.
    pub reason: Reason,
    /// The place of the message that could not be decoded: inside of a transaction that of its commit.
    pub position: LogPosition,
    /// The table that the message is about.
    pub table: Option<TableName>,
    /// The column that could not be decoded.
    pub column: Option<Box<str>>,
}

/// The kinds of failure.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The bytes are not what the protocol demands.
    Malformed {
        /// The message's name.
        message: &'static str,
        /// What is wrong.
        what: Malformed,
    },
    /// A message type that is not known and may not be passed over.
    UnknownMessage(u8),
    /// A message where the protocol has no place for it.
    OutOfPlace {
        /// The message's name.
        message: &'static str,
        /// Where it came.
        what: &'static str,
    },
    /// Rows of a relation that no message announced.
    UnannouncedRelation(u32),
    /// A value of a column could not be read.
    Value(ValueError),
    /// The message of the DDL trigger is not what that trigger writes.
    DdlMessage(String),
}

impl Reason {
    /// What the operator can do.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Reason::Malformed { .. } | Reason::OutOfPlace { .. } | Reason::UnannouncedRelation(_) => {
                "resume: the server sends everything behind the confirmed position again; if it happens again, report \
                 the server's version and this message"
            }
            Reason::UnknownMessage(_) => {
                "nothing was skipped and the position is kept; report the server's version and this message"
            }
            Reason::Value(error) => error.remedy(),
            Reason::DdlMessage(_) => {
                "the event trigger of this task was changed or is of another version: drop it and let the task create \
                 it again, then resume"
            }
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Malformed { message, what } => write!(f, "the {message} message {what}"),
            Reason::UnknownMessage(code) => {
                write!(f, "message type 0x{code:02x} is not known and must not be passed over")
            }
            Reason::OutOfPlace { message, what } => write!(f, "a {message} message came {what}"),
            Reason::UnannouncedRelation(oid) => {
                write!(f, "rows of relation {oid}, which no message announced before them")
            }
            Reason::Value(error) => error.fmt(f),
            Reason::DdlMessage(what) => write!(f, "a DDL message is not understood: {what}"),
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.reason)?;
        match (&self.table, &self.column) {
            (Some(table), Some(column)) => write!(f, " [{table}, column {column}]")?,
            (Some(table), None) => write!(f, " [{table}]")?,
            _ => {}
        }
        write!(f, " at {}", self.position)
    }
}

impl std::error::Error for DecodeError {}
