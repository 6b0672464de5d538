//! Why a statement is not understood.

use thiserror::Error;

/// A statement that is not understood.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("at byte {offset} ({near}): {reason}")]
pub struct ParseError {
    /// Offset in bytes from the start of the statement.
    pub offset: usize,
    /// What stands there, shortened; the content of a string literal is left out.
    pub near: String,
    /// What is wrong with it.
    pub reason: String,
}
