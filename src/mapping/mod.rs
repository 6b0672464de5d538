//! Which objects of the source a task carries.

pub(crate) mod mysql_grants;

use globset::{Glob, GlobMatcher};
use slackwater_decoders::schema::TableName;

use crate::config::Objects;

/// The databases of MySQL and MariaDB that belong to the server, and the one that belongs to us.
const SYSTEM_DATABASES: [&str; 5] =
    ["mysql", "information_schema", "performance_schema", "sys", "slackwater"];

/// The rules of `[objects]`, compiled once. A table is carried when an `include` pattern matches it and no `exclude`
/// pattern does. The server's own databases are never carried.
#[derive(Clone, Debug)]
pub struct Selection {
    include: Vec<Pattern>,
    exclude: Vec<Pattern>,
}

/// A pattern `database.table`.
#[derive(Clone, Debug)]
pub struct Pattern {
    database: GlobMatcher,
    table: GlobMatcher,
}

/// A pattern that is none, and why.
#[derive(Debug, thiserror::Error)]
#[error("{pattern:?} is no object pattern: {why}")]
pub struct PatternError {
    /// The pattern as written.
    pub pattern: String,
    why: String,
}

impl Selection {
    /// Compiles the rules. No `include` at all means everything.
    ///
    /// # Errors
    /// For the first pattern that is not `database.table` with the globs `*`, `?`, `[…]` and `{a,b}`.
    pub fn compile(objects: &Objects) -> Result<Self, PatternError> {
        let rules = |patterns: &[String]| {
            patterns.iter().map(|pattern| Pattern::compile(pattern)).collect::<Result<Vec<_>, _>>()
        };
        let mut include = rules(&objects.include)?;
        if include.is_empty() {
            include.push(Pattern::compile("*.*")?);
        }
        Ok(Selection { include, exclude: rules(&objects.exclude)? })
    }

    /// Everything but the server's own databases.
    ///
    /// # Errors
    /// Never; the pattern `*.*` compiles.
    pub fn everything() -> Result<Self, PatternError> {
        Selection::compile(&Objects::default())
    }

    /// What is included; `*.*` where the task file names nothing.
    #[must_use]
    pub fn patterns(&self) -> &[Pattern] {
        &self.include
    }

    /// Whether the table is carried.
    #[must_use]
    pub fn includes(&self, table: &TableName) -> bool {
        let matches = |rule: &Pattern| rule.matches(&table.database, &table.table);
        !is_system(&table.database) && self.include.iter().any(matches) && !self.exclude.iter().any(matches)
    }

    /// Whether tables of the database can be carried: tells if a statement on the database as a whole matters.
    #[must_use]
    pub fn includes_database(&self, database: &str) -> bool {
        !is_system(database)
            && self.include.iter().any(|rule| rule.database.is_match(database))
            && !self.exclude.iter().any(|rule| rule.table() == "*" && rule.database.is_match(database))
    }
}

impl Pattern {
    /// Compiles `database.table`.
    ///
    /// # Errors
    /// When it is not of this form.
    pub(crate) fn compile(pattern: &str) -> Result<Self, PatternError> {
        let error = |why: &str| PatternError { pattern: pattern.to_owned(), why: why.to_owned() };
        let (database, table) = pattern
            .split_once('.')
            .ok_or_else(|| error("a pattern is database.table, such as \"shop.*\" or \"shop.order_?\""))?;
        if database.is_empty() || table.is_empty() {
            return Err(error("the database or the table is missing; \"*\" stands for any"));
        }
        let glob = |part: &str| {
            Glob::new(part)
                .map(|glob| glob.compile_matcher())
                .map_err(|cause| error(&cause.kind().to_string()))
        };
        Ok(Pattern { database: glob(database)?, table: glob(table)? })
    }

    /// The part before the dot, as written.
    #[must_use]
    pub fn database(&self) -> &str {
        self.database.glob().glob()
    }

    /// The part behind the dot, as written.
    #[must_use]
    pub fn table(&self) -> &str {
        self.table.glob().glob()
    }

    /// Whether it matches a table.
    #[must_use]
    pub fn matches(&self, database: &str, table: &str) -> bool {
        self.database.is_match(database) && self.table.is_match(table)
    }
}

fn is_system(database: &str) -> bool {
    SYSTEM_DATABASES.iter().any(|system| system.eq_ignore_ascii_case(database))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn selection(include: &[&str], exclude: &[&str]) -> Selection {
        let owned = |patterns: &[&str]| patterns.iter().map(|&pattern| pattern.to_owned()).collect();
        Selection::compile(&Objects { include: owned(include), exclude: owned(exclude) }).unwrap()
    }

    #[test]
    fn exclude_wins_over_include_and_system_databases_are_never_carried() {
        let selection = selection(&["shop.*", "crm_[0-9].{customer,address}"], &["*.tmp_*"]);
        let includes = |database, table| selection.includes(&TableName::new(database, table));
        assert!(includes("shop", "orders") && includes("crm_1", "address"));
        assert!(!includes("shop", "tmp_1") && !includes("crm_x", "address") && !includes("crm_1", "log"));
        assert!(selection.includes_database("shop") && !selection.includes_database("blog"));
        let everything = Selection::everything().unwrap();
        assert!(everything.includes(&TableName::new("shop", "a.b/c")));
        assert!(!everything.includes(&TableName::new("MySQL", "user")));
    }

    #[test]
    fn a_pattern_without_a_table_is_refused() {
        let error =
            Selection::compile(&Objects { include: vec!["shop".into()], exclude: vec![] }).unwrap_err();
        assert_eq!(
            error.to_string(),
            r#""shop" is no object pattern: a pattern is database.table, such as "shop.*" or "shop.order_?""#
        );
    }
}
