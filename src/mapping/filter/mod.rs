//! Row filters: an SQL condition, as MySQL and MariaDB would judge it for a row.
//!
//! The condition is parsed by `sqlparser`, checked against the table's columns and compiled; rows are judged here, because the log has
//! to be filtered where no server helps. What is accepted means the same as on the server; what cannot be known to is refused
//! when the filter is compiled, with the place:
//!
//! * Numbers: integers and exact decimals of up to 38 digits, with `+ - * DIV %`; `/` only on floating point, because the
//!   server rounds exact quotients. A result out of range stops the task as it stops the server's statement.
//! * Text compares by the column's collation. Under `_bin` collations everything works. Under case or accent insensitive ones
//!   there are `= <> <=> IN LIKE` with ASCII constants, exact for every text of the column, whatever characters it has:
//!   [`text`] has tables of the characters that each collation takes for ASCII ones. Order and constants that are not ASCII are
//!   refused there.
//! * Dates compare as dates, with constants of the form `'2024-12-31'` and `'2024-12-31 23:59:59'`; a TIMESTAMP is seen in UTC.
//!   Zero dates are values (`sql_mode` without `NO_ZERO_DATE`).
//! * A number is not compared with a text. ENUM is its member's name.
//! * Functions: LOWER UPPER LENGTH CHAR_LENGTH SUBSTRING COALESCE IFNULL ABS MOD CRC32 DATE YEAR.

mod compile;
mod functions;
mod moment;
mod node;
mod number;
mod syntax;
mod text;
mod types;

use std::fmt;

use slackwater_decoders::schema::Table;
use sqlparser::tokenizer::Location;

pub(super) use self::node::{Row, Stop};
use self::{compile::Compiler, node::Node, syntax::parse};

/// A condition for the rows of one version of a table.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    condition: Node,
    columns: Vec<usize>,
}

impl Filter {
    /// Checks what can be checked without a table.
    ///
    /// # Errors
    /// When it is no condition.
    pub(super) fn check(text: &str) -> Result<(), FilterError> {
        parse(text).map(drop)
    }

    /// Compiles a condition for a table.
    ///
    /// # Errors
    /// When it is no condition, names a column that there is not, or has something that would not mean exactly what it
    /// means on the server.
    pub(super) fn compile(text: &str, table: &Table) -> Result<Self, FilterError> {
        let expression = parse(text)?;
        let mut compiler = Compiler::new(table);
        let condition = compiler.condition(&expression)?;
        Ok(Filter { condition, columns: compiler.columns() })
    }

    /// The ordinals of the columns that it is about, in ascending order.
    pub(super) fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// Whether it lets a row through. NULL does not.
    ///
    /// # Errors
    /// When the image lacks a column, or a result is out of range.
    pub(super) fn accepts<'a>(&'a self, row: Row<'a>) -> Result<bool, Stop> {
        Ok(self.condition.truth(row)? == Some(true))
    }
}

/// What is wrong with a filter, and where.
#[derive(Debug)]
pub(super) struct FilterError {
    what: String,
    place: Option<Location>,
}

impl FilterError {
    fn new(what: impl Into<String>, place: impl Into<Option<Location>>) -> Self {
        // sqlparser gives what it made up the place 0.
        FilterError { what: what.into(), place: place.into().filter(|place| place.line > 0) }
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        match self.place {
            Some(Location { line: 1, column }) => write!(f, " (character {column} of the filter)"),
            Some(Location { line, column }) => write!(f, " (line {line}, character {column} of the filter)"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for FilterError {}

#[cfg(test)]
#[path = "filter_tests.rs"]
mod tests;
