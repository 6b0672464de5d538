//! What a server's refusals mean: whether trying again can help, and what may be told of them.

use std::fmt;

use tokio_postgres::error::DbError;

use crate::error::{Error, Kind};

/// What a server refused, without what may quote rows: neither details, nor the text about a value that is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerError {
    /// The five characters of the SQLSTATE (documentation, "PostgreSQL Error Codes").
    pub(crate) code: String,
    /// The server's text.
    message: String,
    /// What the server advises.
    hint: Option<String>,
}

impl ServerError {
    /// A refusal by its fields.
    pub(crate) fn new(code: &str, message: &str, hint: Option<&str>) -> Self {
        ServerError {
            code: code.to_owned(),
            message: message.to_owned(),
            hint: hint.filter(|hint| !hint.is_empty()).map(str::to_owned),
        }
    }

    /// Whether trying again can help.
    pub(crate) fn kind(&self) -> Kind {
        match self.code.as_str() {
            // The server, or our connection, goes away: stopped, crashed, still starting.
            "57P01" | "57P02" | "57P03" | "57P05" | "25P03" => Kind::Disconnected,
            // Cancelled; a lock is held; an object is in use; a standby answers where a primary was.
            "57014" | "55P03" | "55006" | "25006" => Kind::Transient,
            code => match code.get(..2) {
                // The connection; a conflict with others; no resources (connections, memory, space); an I/O error.
                Some("08") => Kind::Disconnected,
                Some("40" | "53" | "58") => Kind::Transient,
                _ => Kind::Definite,
            },
        }
    }

    /// The server's text; nothing where it may quote values.
    pub(crate) fn message(&self) -> Option<&str> {
        // Class 22: a value cannot be converted or stored.
        (!self.code.starts_with("22")).then_some(self.message.as_str())
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.message() {
            Some(message) => write!(f, "{message} (SQLSTATE {})", self.code)?,
            None => write!(f, "a value is refused (SQLSTATE {})", self.code)?,
        }
        match &self.hint {
            Some(hint) if !self.code.starts_with("22") => write!(f, "; {hint}"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for ServerError {}

impl From<&DbError> for ServerError {
    fn from(error: &DbError) -> Self {
        ServerError::new(error.code().code(), error.message(), error.hint())
    }
}

/// What the server refused, where it did.
pub(crate) fn server_error(error: &tokio_postgres::Error) -> Option<ServerError> {
    error.as_db_error().map(ServerError::from)
}

/// An error of the driver while `what` was done (`"cannot read the tables"`).
pub(crate) fn failed(what: impl Into<String>, error: tokio_postgres::Error) -> Error {
    match server_error(&error) {
        Some(refusal) => refused(what, refusal),
        // The driver's own errors of values name columns and types alone.
        None if error.is_closed() || is_io(&error) => Error::disconnected(what).caused_by(error),
        None => Error::definite(what).caused_by(error),
    }
}

/// A refusal of the server while `what` was done.
pub(crate) fn refused(what: impl Into<String>, refusal: ServerError) -> Error {
    Error::of_kind(refusal.kind(), what).caused_by(refusal)
}

fn is_io(error: &tokio_postgres::Error) -> bool {
    std::error::Error::source(error).is_some_and(|cause| cause.is::<std::io::Error>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_not_told() {
        let refusal = ServerError::new("22P02", "invalid input syntax for type integer: \"secret\"", None);
        assert_eq!(refusal.to_string(), "a value is refused (SQLSTATE 22P02)");
        let refusal = ServerError::new("42P01", "relation \"a\" does not exist", Some(""));
        assert_eq!(refusal.to_string(), "relation \"a\" does not exist (SQLSTATE 42P01)");
    }

    // https://www.postgresql.org/docs/current/errcodes-appendix.html
    #[test]
    fn what_may_pass_is_told_from_what_cannot() {
        for (code, kind) in [
            ("57P01", Kind::Disconnected),
            ("08006", Kind::Disconnected),
            ("40P01", Kind::Transient),
            ("53300", Kind::Transient),
            ("55006", Kind::Transient),
            ("28P01", Kind::Definite),
            ("42704", Kind::Definite),
        ] {
            assert_eq!(ServerError::new(code, "", None).kind(), kind, "{code}");
        }
    }
}
