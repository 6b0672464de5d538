//! `[[mapping]]`: rules about names, columns, rows and operations.

use std::{collections::BTreeMap, fmt};

use regex::Regex;
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor, value::MapAccessDeserializer},
};

use super::pattern::Pattern;

/// One rule. Each aspect of a table is decided by the first rule of the file that matches the table and has that key.
/// `operations` are decided by the rule with the narrowest pattern instead, and by `objects.operations` where there is
/// none.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MappingRule {
    /// Which tables of the source.
    #[serde(rename = "match")]
    pub tables: Pattern,
    /// The name of the database at the destination.
    pub database: Option<Rename>,
    /// The name of the table at the destination.
    pub table: Option<Rename>,
    /// Whether database and table are written in lower or upper case, after they were renamed.
    pub case: Option<Case>,
    /// Which columns, and their names.
    pub columns: Option<Columns>,
    /// Columns that the destination has in addition, by name, behind those of the source.
    pub add: Option<BTreeMap<String, AddedColumn>>,
    /// Which rows: an SQL condition.
    pub filter: Option<String>,
    /// Which operations.
    pub operations: Option<Vec<Operation>>,
    /// Whether several tables may become this one.
    pub merge: Option<bool>,
}

/// How a name is made.
#[derive(Clone, Debug)]
pub enum Rename {
    /// A text with variables: `"${source.table}_archive"`.
    Template(Template),
    /// Every occurrence of the first text becomes the second.
    Replace(String, String),
    /// What a regular expression matches is replaced; `$1` and `${name}` are its groups.
    Regex(Regex, String),
    /// Parts at the ends that are removed, then parts that are added.
    Ends {
        /// Removed from the start, where it is there.
        strip_prefix: String,
        /// Removed from the end, where it is there.
        strip_suffix: String,
        /// Added to the start.
        prefix: String,
        /// Added to the end.
        suffix: String,
    },
}

impl PartialEq for Rename {
    fn eq(&self, other: &Self) -> bool {
        format!("{self:?}") == format!("{other:?}")
    }
}

impl Eq for Rename {}

/// The form with keys.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RenameKeys {
    replace: Option<(String, String)>,
    regex: Option<String>,
    with: Option<String>,
    strip_prefix: Option<String>,
    strip_suffix: Option<String>,
    prefix: Option<String>,
    suffix: Option<String>,
}

impl RenameKeys {
    fn compile(self) -> Result<Rename, String> {
        let ends = [&self.strip_prefix, &self.strip_suffix, &self.prefix, &self.suffix];
        let has_ends = ends.iter().any(|end| end.is_some());
        match (self.replace, self.regex, self.with) {
            (Some((from, to)), None, None) if !has_ends => {
                if from.is_empty() {
                    return Err("replace has an empty text to be replaced".to_owned());
                }
                Ok(Rename::Replace(from, to))
            }
            (None, Some(regex), Some(with)) if !has_ends => {
                let regex = Regex::new(&regex).map_err(|error| {
                    let why = error.to_string();
                    format!("{regex:?} is no regular expression: {}", why.lines().last().unwrap_or_default())
                })?;
                Ok(Rename::Regex(regex, with))
            }
            (None, None, None) if has_ends => Ok(Rename::Ends {
                strip_prefix: self.strip_prefix.unwrap_or_default(),
                strip_suffix: self.strip_suffix.unwrap_or_default(),
                prefix: self.prefix.unwrap_or_default(),
                suffix: self.suffix.unwrap_or_default(),
            }),
            _ => Err(
                "a name is made by one of: a text, `replace`, `regex` and `with`, or any of `strip_prefix`, \
                      `strip_suffix`, `prefix`, `suffix`"
                    .to_owned(),
            ),
        }
    }
}

impl<'de> Deserialize<'de> for Rename {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;

        impl<'de> Visitor<'de> for Written {
            type Value = Rename;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name such as \"${source.table}_archive\" or { replace = [\"old\", \"new\"] }")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Rename, E> {
                Template::parse(text).map(Rename::Template).map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Rename, A::Error> {
                RenameKeys::deserialize(MapAccessDeserializer::new(map))?.compile().map_err(A::Error::custom)
            }
        }

        deserializer.deserialize_any(Written)
    }
}

/// A text with the variables `${source.database}` and `${source.table}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Database,
    Table,
}

impl Template {
    /// Reads a text with variables.
    ///
    /// # Errors
    /// When it has a variable that there is not.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (mut pieces, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once("${") {
            let (name, behind) =
                after.split_once('}').ok_or_else(|| format!("a variable in {text:?} has no `}}`"))?;
            pieces.push(Piece::Text(before.to_owned()));
            pieces.push(match name {
                "source.database" => Piece::Database,
                "source.table" => Piece::Table,
                _ => {
                    let known = super::error::suggest(name, &["source.database", "source.table"]);
                    return Err(format!("unknown variable `{name}`: {known}"));
                }
            });
            rest = behind;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        pieces.retain(|piece| *piece != Piece::Text(String::new()));
        Ok(Template(pieces))
    }

    /// The text for a table.
    #[must_use]
    pub fn fill(&self, database: &str, table: &str) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Database => database.to_owned(),
            Piece::Table => table.to_owned(),
        };
        self.0.iter().map(piece).collect()
    }

    /// Whether the text is one name and nothing else.
    #[must_use]
    pub fn is_name(&self) -> bool {
        matches!(self.0.as_slice(), [Piece::Database | Piece::Table])
    }

    /// Whether the text is the same for all tables of a database.
    #[must_use]
    pub fn is_of_database(&self) -> bool {
        !self.0.contains(&Piece::Table)
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Template::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// Letters of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Case {
    /// Lower case.
    Lower,
    /// Upper case.
    Upper,
    /// As they are.
    Keep,
}

/// Which columns of a table, and their names. Names that the table does not have are passed over: a rule may be about many
/// tables.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Columns {
    /// Names of the columns that are carried; none for all.
    pub include: Vec<String>,
    /// Names of columns that are not, although `include` has them.
    pub exclude: Vec<String>,
    /// New names by name.
    pub rename: BTreeMap<String, String>,
}

/// A column that the destination has in addition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddedColumn {
    /// Its value in every row of a table.
    pub value: Template,
    /// Whether it is a part of the primary key and the unique keys, so that rows of different tables with the same key stay
    /// different rows.
    pub key: bool,
}

impl<'de> Deserialize<'de> for AddedColumn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;

        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Keys {
            value: Template,
            #[serde(default)]
            key: bool,
        }

        impl<'de> Visitor<'de> for Written {
            type Value = AddedColumn;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text such as \"${source.database}\", or { value = \"…\", key = true }")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<AddedColumn, E> {
                let value = Template::parse(text).map_err(E::custom)?;
                Ok(AddedColumn { value, key: false })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<AddedColumn, A::Error> {
                let Keys { value, key } = Keys::deserialize(MapAccessDeserializer::new(map))?;
                Ok(AddedColumn { value, key })
            }
        }

        deserializer.deserialize_any(Written)
    }
}

/// What happens to rows and tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// New rows.
    Insert,
    /// Changed rows.
    Update,
    /// Removed rows.
    Delete,
    /// All rows removed at once.
    Truncate,
    /// Statements that change the schema.
    Ddl,
}
