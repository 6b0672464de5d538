//! Patterns of object names.

use std::fmt;

use globset::{Glob, GlobMatcher};
use regex::Regex;
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};

/// A pattern of tables: `database.table` with the globs `*`, `?`, `[…]` and `{a,b}` in both parts, or a regular expression
/// over the whole of `database.table` (`{ regex = '^crm_\d+\.(customer|address)$' }`).
#[derive(Clone, Debug)]
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
    Regex(Regex),
}

impl Part {
    fn of_name(name: &str) -> Self {
        Glob::new(&globset::escape(name)).map_or(Part::Any, |glob| Part::Glob(glob.compile_matcher()))
    }

    fn as_written(&self) -> &str {
        match self {
            Part::Any => "*",
            Part::Glob(glob) => glob.glob().glob(),
            Part::Regex(regex) => regex.as_str(),
        }
    }

    /// As a glob; what a regular expression stands for no glob does, but `*` holds it.
    fn as_glob(&self) -> &str {
        match self {
            Part::Any | Part::Regex(_) => "*",
            Part::Glob(glob) => glob.glob().glob(),
        }
    }

    fn matches(&self, name: &str) -> bool {
        match self {
            Part::Any => true,
            Part::Glob(glob) => glob.is_match(name),
            Part::Regex(regex) => regex.is_match(name),
        }
    }

    /// 0 for any name, 1 for some, 2 for one.
    fn specificity(&self) -> u8 {
        match self {
            Part::Any => 0,
            Part::Glob(glob) if glob.glob().glob().contains(['*', '?', '[', '{', '\\']) => 1,
            Part::Glob(_) => 2,
            Part::Regex(_) => 1,
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

    /// The tables of one database.
    #[must_use]
    pub fn of_database(name: &str) -> Self {
        Pattern { database: Part::of_name(name), table: Part::Any }
    }

    /// One table.
    #[must_use]
    pub fn of_table(database: &str, table: &str) -> Self {
        Pattern { database: Part::of_name(database), table: Part::of_name(table) }
    }

    /// Whether a glob is a name, and matches nothing else.
    #[must_use]
    pub fn is_name(glob: &str) -> bool {
        !glob.contains(['*', '?', '[', ']', '{', '}', '\\'])
    }

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

    /// Compiles a regular expression over `database.table`. It has to match the whole name, and has one `\.` outside of groups:
    /// so that it is known which databases it is about.
    ///
    /// # Errors
    /// When it is not of this form.
    pub fn compile_regex(regex: &str) -> Result<Self, PatternError> {
        let error = |why: String| PatternError { pattern: regex.to_owned(), why };
        let bare = regex.strip_prefix('^').unwrap_or(regex);
        let bare = match bare.strip_suffix('$') {
            Some(rest) if !rest.ends_with('\\') => rest,
            _ => bare,
        };
        let (database, table) = split_at_dot(bare).ok_or_else(|| {
            let why = "between database and table stands one `\\.`, outside of groups: '^crm_\\d+\\.(customer|address)$'";
            error(why.to_owned())
        })?;
        let part = |part: &str| {
            Regex::new(&format!("^(?:{part})$"))
                .map(Part::Regex)
                .map_err(|cause| error(cause.to_string().lines().last().unwrap_or_default().to_owned()))
        };
        Ok(Pattern { database: part(database)?, table: part(table)? })
    }

    /// The part before the dot as a glob; `*` for a regular expression.
    #[must_use]
    pub fn database(&self) -> &str {
        self.database.as_glob()
    }

    /// The part behind the dot as a glob; `*` for a regular expression.
    #[must_use]
    pub fn table(&self) -> &str {
        self.table.as_glob()
    }

    /// Whether it matches tables of a database.
    #[must_use]
    pub fn matches_database(&self, database: &str) -> bool {
        self.database.matches(database)
    }

    /// Whether it matches whole databases: every table there.
    #[must_use]
    pub fn is_of_databases(&self) -> bool {
        matches!(self.table, Part::Any)
    }

    /// Whether it was written as a regular expression.
    #[must_use]
    pub fn is_regex(&self) -> bool {
        matches!((&self.database, &self.table), (Part::Regex(_), _) | (_, Part::Regex(_)))
    }

    /// A regular expression for `database.table` that PostgreSQL understands; `None` for one that was written as a regular
    /// expression, in a syntax that others may read otherwise.
    #[must_use]
    pub fn sql_regex(&self) -> Option<String> {
        let part = |part: &Part| match part {
            Part::Any => Some(".*".to_owned()),
            Part::Glob(glob) => {
                let regex = glob.glob().regex().trim_start_matches("(?-u)");
                Some(regex.trim_start_matches('^').trim_end_matches('$').to_owned())
            }
            Part::Regex(_) => None,
        };
        Some(format!("^(?:{})\\.(?:{})$", part(&self.database)?, part(&self.table)?))
    }

    /// Whether it matches every table.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        matches!((&self.database, &self.table), (Part::Any, Part::Any))
    }

    /// Whether it matches a table.
    #[must_use]
    pub fn matches(&self, database: &str, table: &str) -> bool {
        self.database.matches(database) && self.table.matches(table)
    }

    /// How narrow it is: one about tables is narrower than one about whole databases, one with a name than one with a glob or
    /// regular expression.
    #[must_use]
    pub fn specificity(&self) -> (u8, u8) {
        (self.table.specificity(), self.database.specificity())
    }
}

/// Splits at the one `\.` that stands outside of groups and classes.
fn split_at_dot(regex: &str) -> Option<(&str, &str)> {
    let (mut depth, mut class, mut found) = (0_u32, false, None);
    let mut characters = regex.char_indices();
    while let Some((place, c)) = characters.next() {
        match c {
            '\\' => {
                let (_, escaped) = characters.next()?;
                if escaped == '.' && depth == 0 && !class && found.replace(place).is_some() {
                    return None;
                }
            }
            '[' => class = true,
            ']' => class = false,
            '(' if !class => depth += 1,
            ')' if !class => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    let (database, table) = regex.split_at_checked(found?)?;
    Some((database, table.strip_prefix("\\.")?))
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.database.as_written(), self.table.as_written())
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        let of = |part: &Part| (matches!(part, Part::Regex(_)), part.as_written().to_owned());
        of(&self.database) == of(&other.database) && of(&self.table) == of(&other.table)
    }
}

impl Eq for Pattern {}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;

        impl<'de> Visitor<'de> for Written {
            type Value = Pattern;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a pattern such as \"shop.*\" or { regex = '^crm_\\d+\\.address$' }")
            }

            fn visit_str<E: serde::de::Error>(self, pattern: &str) -> Result<Pattern, E> {
                Pattern::compile(pattern).map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pattern, A::Error> {
                const KEYS: &[&str] = &["regex"];
                let mut pattern = None;
                while let Some(key) = map.next_key::<String>()? {
                    if key != "regex" {
                        return Err(A::Error::unknown_field(&key, KEYS));
                    }
                    let regex: String = map.next_value()?;
                    pattern = Some(Pattern::compile_regex(&regex).map_err(A::Error::custom)?);
                }
                pattern.ok_or_else(|| A::Error::missing_field("regex"))
            }
        }

        deserializer.deserialize_any(Written)
    }
}

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

    #[test]
    fn a_regular_expression_is_split_where_the_name_is() {
        let pattern = Pattern::compile_regex(r"^crm_\d+\.(customer|address)$").unwrap();
        assert!(pattern.matches("crm_12", "address") && pattern.matches_database("crm_1"));
        assert!(!pattern.matches("crm_12", "address2") && !pattern.matches("xcrm_1", "address"));
        assert!(Pattern::compile_regex(r"^crm_\d+$").is_err());
        assert!(Pattern::compile_regex(r"a[\.]b\.c").unwrap().matches("a.b", "c"));
        assert!(Pattern::compile_regex(r"a|b\.c").unwrap().matches("b", "c"));
    }

    #[test]
    fn what_names_a_table_is_narrower_than_what_names_a_database() {
        let mut patterns = ["*.orders", "shop.*", "*.*", "shop.orders", "shop.o*", "s*.*"]
            .map(|pattern| Pattern::compile(pattern).unwrap());
        patterns.sort_by_key(|pattern| std::cmp::Reverse(pattern.specificity()));
        let order: Vec<_> = patterns.iter().map(ToString::to_string).collect();
        assert_eq!(order, ["shop.orders", "*.orders", "shop.o*", "shop.*", "s*.*", "*.*"]);
    }
}
