//! Which objects of the source a task carries, and what they become: names, columns, rows, operations.

mod at_destination;
mod ddl;
mod filter;
mod inverse;
pub(crate) mod mysql_grants;
mod online_change;
mod preview;
mod projection;
mod route;
mod rules;

use slackwater_decoders::schema::TableName;

pub use self::{
    inverse::{Inverse, InverseRule},
    preview::{Names, Preview},
    route::{Mapping, Route},
};
use crate::config::{Objects, Pattern};

/// The databases of MySQL and MariaDB that belong to the server, and the one that belongs to us.
const SYSTEM_DATABASES: [&str; 5] =
    ["mysql", "information_schema", "performance_schema", "sys", "slackwater"];

/// How the names of PostgreSQL's own schemas begin, and those of its temporary tables.
const SYSTEM_SCHEMAS: [&str; 3] = ["pg_catalog", "pg_toast", "pg_temp_"];

/// The rules of `[objects]`. A table is carried when an `include` pattern matches it and no `exclude` pattern does. The
/// server's own databases are never carried.
#[derive(Clone, Debug)]
pub struct Selection {
    include: Vec<Pattern>,
    exclude: Vec<Pattern>,
}

impl Selection {
    /// The rules of a task file. No `include` at all means everything.
    #[must_use]
    pub fn new(objects: &Objects) -> Self {
        let named = !objects.include.is_empty();
        let include = if named { objects.include.clone() } else { vec![Pattern::ANY] };
        Selection { include, exclude: objects.exclude.clone() }
    }

    /// What is included; `*.*` where the task file names nothing.
    #[must_use]
    pub fn patterns(&self) -> &[Pattern] {
        &self.include
    }

    /// What is included and what is excluded, as regular expressions for PostgreSQL; `None` where a pattern is none.
    #[must_use]
    pub fn sql_regexes(&self) -> Option<(Vec<String>, Vec<String>)> {
        let all = |patterns: &[Pattern]| patterns.iter().map(Pattern::sql_regex).collect::<Option<Vec<_>>>();
        Some((all(&self.include)?, all(&self.exclude)?))
    }

    /// Whether every table is carried but those of the server and our own.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.exclude.is_empty() && self.include.iter().any(Pattern::is_everything)
    }

    /// Whether the table is carried. One that a tool for online schema changes makes beside a table that is carried is carried as
    /// well, whatever the rules say of its name.
    #[must_use]
    pub fn includes(&self, table: &TableName) -> bool {
        self.names(table) || self.altered(table).next().is_some()
    }

    /// The tables that the rules name and that an online schema change would use the table for.
    pub(crate) fn altered(&self, table: &TableName) -> impl Iterator<Item = TableName> {
        online_change::altered_tables(table).filter(|altered| self.names(altered))
    }

    /// Whether the rules name the table.
    fn names(&self, table: &TableName) -> bool {
        let matches = |rule: &Pattern| rule.matches(&table.database, &table.table);
        !is_system(&table.database) && self.include.iter().any(matches) && !self.exclude.iter().any(matches)
    }

    /// Whether tables of the database can be carried: tells if a statement on the database as a whole matters.
    #[must_use]
    pub fn includes_database(&self, database: &str) -> bool {
        !is_system(database)
            && self.include.iter().any(|rule| rule.matches_database(database))
            && !self.exclude.iter().any(|rule| rule.is_of_databases() && rule.matches_database(database))
    }
}

fn is_system(database: &str) -> bool {
    SYSTEM_DATABASES.iter().any(|system| system.eq_ignore_ascii_case(database))
        || SYSTEM_SCHEMAS.iter().any(|prefix| database.starts_with(prefix))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn selection(include: &[&str], exclude: &[&str]) -> Selection {
        let compiled =
            |patterns: &[&str]| patterns.iter().map(|pattern| Pattern::compile(pattern).unwrap()).collect();
        Selection::new(&Objects { include: compiled(include), exclude: compiled(exclude), operations: None })
    }

    #[test]
    fn exclude_wins_over_include_and_system_databases_are_never_carried() {
        let selection = selection(&["shop.*", "crm_[0-9].{customer,address}"], &["*.tmp_*"]);
        let includes = |database, table| selection.includes(&TableName::new(database, table));
        assert!(includes("shop", "orders") && includes("crm_1", "address"));
        assert!(!includes("shop", "tmp_1") && !includes("crm_x", "address") && !includes("crm_1", "log"));
        assert!(selection.includes_database("shop") && !selection.includes_database("blog"));
        // The new and the old form of a table that is carried, as an online schema change names them.
        assert!(includes("crm_1", "_address_gho") && includes("crm_1", "__customer_new"));
        assert!(!includes("crm_1", "_log_gho") && !includes("crm_x", "_address_gho"));
        let everything = Selection::new(&Objects::default());
        assert!(everything.includes(&TableName::new("shop", "a.b/c")));
        assert!(!everything.includes(&TableName::new("MySQL", "user")));
        assert!(!everything.includes(&TableName::new("pg_toast_temp_3", "t")));
    }
}
