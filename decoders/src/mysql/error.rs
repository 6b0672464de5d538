//! Why a binlog could not be decoded: always with the place, and where possible the table, the column and a remedy.

use std::fmt;

use crate::mysql::reader::Malformed;
use crate::{position::LogPosition, schema::TableName};

/// What stopped the decoder. It never holds row values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// What happened.
    pub reason: Reason,
    /// Where the event starts that could not be decoded.
    pub position: LogPosition,
    /// The table that the event is about.
    pub table: Option<TableName>,
    /// The column that could not be decoded.
    pub column: Option<Box<str>>,
}

/// The kinds of failure.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The bytes are not what the format demands.
    Malformed {
        /// The event's type.
        event: &'static str,
        /// What is wrong.
        what: Malformed,
    },
    /// The event's checksum does not fit its bytes.
    Checksum {
        /// What the event says.
        stored: u32,
        /// What its bytes give.
        computed: u32,
    },
    /// The log is encrypted.
    Encrypted,
    /// An event type that is not known and may not be passed over.
    UnknownEvent(u8),
    /// A column type that is not known.
    UnknownType(u8),
    /// The server says that the log is incomplete (INCIDENT).
    Incident(String),
    /// A statement was logged instead of the rows it changed.
    StatementFormat(&'static str),
    /// A statement that changes the schema and is not understood.
    Ddl(String),
    /// Rows of a table whose definition is not known.
    UnknownDefinition,
    /// The definition that is known does not fit the log.
    DefinitionMismatch(String),
    /// Something of the format that is not carried.
    Unsupported(&'static str),
    /// Rows of a table map that was not in the log.
    MissingTableMap(u64),
}

impl Reason {
    /// What the operator can do.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Reason::Malformed { .. } | Reason::Checksum { .. } => {
                "compare the file with the server's own (mysqlbinlog --verify-binlog-checksum), copy it again, and resume; \
                 if the server's copy is damaged too, start again with a new snapshot"
            }
            Reason::Encrypted => {
                "read the log from the server with a replication connection (source type \"mysql\"), which sends it \
                 decrypted, or turn binlog encryption off and start behind the encrypted files"
            }
            Reason::UnknownEvent(_) | Reason::UnknownType(_) | Reason::Unsupported(_) => {
                "nothing was skipped and the position is kept; report the server's version and this message"
            }
            Reason::Incident(_) => "changes are missing from this log: start again with a new snapshot",
            Reason::StatementFormat(_) => {
                "set binlog_format=ROW on the server, for all sessions, and start again behind this place with a new \
                 snapshot of the table"
            }
            Reason::Ddl(_) => {
                "make the same change at the destination by hand and resume behind this statement \
                 (slackwater positions import), or exclude the table"
            }
            Reason::UnknownDefinition => {
                "set binlog_row_metadata=FULL on the server (MySQL 8.0.1, MariaDB 10.5), or start at a place where the log \
                 holds the CREATE TABLE statement or the definition has not changed since"
            }
            Reason::DefinitionMismatch(_) => {
                "the table was changed in a way that the log does not show, or the start position is older than \
                 the known definition: start behind the change, or set binlog_row_metadata=FULL"
            }
            Reason::MissingTableMap(_) => "start at the beginning of a transaction",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Malformed { event, what } => write!(f, "the {event} event {what}"),
            Reason::Checksum { stored, computed } => {
                write!(f, "the event's checksum is {stored:08x}, its bytes give {computed:08x}")
            }
            Reason::Encrypted => f.write_str("the binlog is encrypted"),
            Reason::UnknownEvent(code) => {
                write!(f, "event type {code} is not known and must not be passed over")
            }
            Reason::UnknownType(code) => write!(f, "column type {code} is not known"),
            Reason::Incident(message) => write!(f, "the server reports lost events: {message}"),
            Reason::StatementFormat(what) => {
                write!(f, "{what} was logged as a statement, without the rows it changed")
            }
            Reason::Ddl(what) => write!(f, "a DDL statement is not understood: {what}"),
            Reason::UnknownDefinition => f.write_str("rows of a table whose definition is not known"),
            Reason::DefinitionMismatch(what) => {
                write!(f, "the known definition of the table does not fit its rows: {what}")
            }
            Reason::Unsupported(what) => f.write_str(what),
            Reason::MissingTableMap(id) => {
                write!(f, "rows of table map {id}, which is not in the log before them")
            }
        }
    }
}

impl DecodeError {
    /// Names the table.
    pub(super) fn in_table(self, table: &TableName) -> Self {
        DecodeError { table: Some(table.clone()), ..self }
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
