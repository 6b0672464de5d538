//! Patterns of object names.

use globset::{Glob, GlobMatcher};
use serde::Deserialize;

/// A pattern `database.table` with the globs `*`, `?`, `[…]` and `{a,b}` in both parts.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Pattern {
    database: Part,
    table: Part,
}

/// One side of the dot.
#[derive(Clone, Debug)]
enum Part {
    /// `*`
    Any,
    Glob(GlobMatcher),
}

impl Part {
    fn as_written(&self) -> &str {
        match self {
            Part::Any => "*",
            Part::Glob(glob) => glob.glob().glob(),
        }
    }

    fn matches(&self, name: &str) -> bool {
        match self {
            Part::Any => true,
            Part::Glob(glob) => glob.is_match(name),
        }
    }
}

/// A pattern that is none, and why.
#[derive(Debug, thiserror::Error)]
#[error("{pattern:?} is no object pattern: {why}")]
pub struct PatternError {
    pattern: String,
    why: String,
}

impl Pattern {
    /// `*.*`
    pub const ANY: Pattern = Pattern { database: Part::Any, table: Part::Any };

    /// Compiles `database.table`.
    ///
    /// # Errors
    /// When it is not of this form.
    pub fn compile(pattern: &str) -> Result<Self, PatternError> {
        let error = |why: &str| PatternError { pattern: pattern.to_owned(), why: why.to_owned() };
        let (database, table) = pattern
            .split_once('.')
            .ok_or_else(|| error("a pattern is database.table, such as \"shop.*\" or \"shop.order_?\""))?;
        if database.is_empty() || table.is_empty() {
            return Err(error("the database or the table is missing; \"*\" stands for any"));
        }
        let part = |part: &str| match part {
            "*" => Ok(Part::Any),
            glob => Glob::new(glob)
                .map(|glob| Part::Glob(glob.compile_matcher()))
                .map_err(|cause| error(&cause.kind().to_string())),
        };
        Ok(Pattern { database: part(database)?, table: part(table)? })
    }

    /// The part before the dot, as written.
    #[must_use]
    pub fn database(&self) -> &str {
        self.database.as_written()
    }

    /// The part behind the dot, as written.
    #[must_use]
    pub fn table(&self) -> &str {
        self.table.as_written()
    }

    /// Whether it matches tables of a database.
    #[must_use]
    pub fn matches_database(&self, database: &str) -> bool {
        self.database.matches(database)
    }

    /// Whether it matches a table.
    #[must_use]
    pub fn matches(&self, database: &str, table: &str) -> bool {
        self.database.matches(database) && self.table.matches(table)
    }
}

impl TryFrom<String> for Pattern {
    type Error = PatternError;

    fn try_from(pattern: String) -> Result<Self, PatternError> {
        Pattern::compile(&pattern)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.database() == other.database() && self.table() == other.table()
    }
}

impl Eq for Pattern {}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_without_a_table_is_refused() {
        assert_eq!(
            Pattern::compile("shop").unwrap_err().to_string(),
            r#""shop" is no object pattern: a pattern is database.table, such as "shop.*" or "shop.order_?""#
        );
    }
}
