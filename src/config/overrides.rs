//! The override file: what the operator wants created otherwise than planned.
//!
//! ```toml
//! # Objects that are not created.
//! skip = ["trigger shop.audit", "index shop.orders.by_note"]
//!
//! # Types of columns of the source, as the destination spells them.
//! [columns]
//! "shop.orders.amount" = "decimal(30,2)"
//!
//! # Statements that are run instead of the planned ones.
//! [statements]
//! "view shop.recent" = "CREATE VIEW shop.recent AS SELECT …"
//! ```

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::error::{ConfigError, suggest};

/// The words that names of objects start with.
const KINDS: [&str; 14] = [
    "database",
    "table",
    "index",
    "foreign key",
    "check",
    "extension",
    "type",
    "sequence",
    "view",
    "materialized view",
    "trigger",
    "function",
    "procedure",
    "event",
];

/// What an override file says. Objects are named as the plan names them (`table shop.orders`,
/// `index shop.orders.by_day`), after the source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Overrides {
    /// Objects that are not created.
    pub skip: Vec<String>,
    /// Types by `database.table.column`.
    pub columns: BTreeMap<String, String>,
    /// Statements by object.
    pub statements: BTreeMap<String, String>,
    /// The file.
    #[serde(skip)]
    pub file: Option<PathBuf>,
}

impl Overrides {
    /// Reads and checks an override file.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(file)
            .map_err(|error| ConfigError::of_file(file, format!("cannot read the override file: {error}")))?;
        Self::parse(file, &text)
    }

    /// Reads and checks the text of an override file; `file` is for messages.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn parse(file: &Path, text: &str) -> Result<Self, ConfigError> {
        let overrides: Overrides =
            toml::from_str(text).map_err(|error| ConfigError::from_toml(file, text, "", &error))?;
        for (name, statement) in &overrides.statements {
            check_object(file, text, name)?;
            if statement.trim().is_empty() {
                return Err(ConfigError::at_value(file, text, name, format!("{name} has no statement"))
                    .hint(format!("to leave the object out, write skip = [{name:?}]")));
            }
        }
        for name in &overrides.skip {
            check_object(file, text, name)?;
        }
        for (column, column_type) in &overrides.columns {
            if column.split('.').count() < 3 || column_type.trim().is_empty() {
                let message = format!("{column} = {column_type:?} is no type of a column");
                return Err(ConfigError::at_value(file, text, column, message)
                    .hint("write \"database.table.column\" = \"type\""));
            }
        }
        Ok(Overrides { file: Some(file.to_owned()), ..overrides })
    }

    /// Whether nothing is overridden.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.skip.is_empty() && self.columns.is_empty() && self.statements.is_empty()
    }
}

fn check_object(file: &Path, text: &str, name: &str) -> Result<(), ConfigError> {
    if KINDS.iter().any(|kind| name.strip_prefix(kind).is_some_and(|rest| rest.starts_with(' '))) {
        return Ok(());
    }
    let word = name.split(' ').next().unwrap_or_default();
    let hint = format!("an object is named as in \"table shop.orders\"; {}", suggest(word, &KINDS));
    Err(ConfigError::at_value(file, text, name, format!("{name:?} names no object")).hint(hint))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn parse(text: &str) -> Result<Overrides, ConfigError> {
        Overrides::parse(Path::new("o.toml"), text)
    }

    #[test]
    fn a_file_is_read() {
        let text = "skip = ['trigger shop.t']\n[columns]\n'shop.o.a' = 'decimal(30,2)'\n[statements]\n'foreign key shop.o.f' = 'SELECT 1'\n";
        let overrides = parse(text).unwrap();
        assert_eq!(overrides.columns.get("shop.o.a").map(String::as_str), Some("decimal(30,2)"));
        assert!(overrides.statements.contains_key("foreign key shop.o.f") && !overrides.is_empty());
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        let error = parse("skip = [\n  'tabel shop.orders',\n]\n").unwrap_err().to_string();
        assert!(error.contains("o.toml:2:4") && error.contains("did you mean `table`?"), "{error}");
        let error = parse("[columns]\n'orders.amount' = 'int'\n").unwrap_err().to_string();
        assert!(error.contains("o.toml:2:2") && error.contains("database.table.column"), "{error}");
        let error = parse("[statement]\n").unwrap_err().to_string();
        assert!(error.contains("did you mean `statements`?"), "{error}");
    }
}
