//! Keys and foreign keys, as parts of CREATE TABLE and behind ADD.

use slackwater_decoders::schema::definition::{ForeignKey, Indexed, Key, KeyKind, KeyPart};

use super::{Translation, text};
use crate::{
    destinations::schema::ColumnNames,
    types::mysql::{quote_name, quote_text},
};

impl Translation {
    /// The definition of a key; `None` when the server cannot have it, which is said.
    pub(super) fn key(&self, key: &Key, names: &ColumnNames<'_>, notes: &mut Vec<String>) -> Option<String> {
        let carried = key.parts.iter().all(|part| match &part.of {
            Indexed::Column(name) => names.get(name).is_some(),
            Indexed::Expression(expression) => self.expression(expression, names).is_some(),
            Indexed::Period(_) => true,
        });
        if self.native && carried && !names.renamed && names.added_to(key.kind).is_empty() {
            return Some(key.native.clone());
        }
        self.key_from_parts(key, key.kind, names, notes)
    }

    /// The same, written from its parts, as a key of that kind.
    pub(super) fn key_from_parts(
        &self,
        key: &Key,
        kind: KeyKind,
        names: &ColumnNames<'_>,
        notes: &mut Vec<String>,
    ) -> Option<String> {
        let mut parts = Vec::with_capacity(key.parts.len());
        for part in &key.parts {
            match self.part(key, part, names) {
                Ok(part) => parts.push(part),
                Err(why) => {
                    notes.push(format!("index {} is left out: {why}", key.name));
                    return None;
                }
            }
        }
        parts.extend(names.added_to(key.kind).iter().map(|name| quote_name(name)));
        let word = match kind {
            KeyKind::Primary => "PRIMARY KEY".to_owned(),
            KeyKind::Unique => format!("UNIQUE KEY {}", quote_name(&key.name)),
            KeyKind::Plain => format!("KEY {}", quote_name(&key.name)),
            KeyKind::FullText => format!("FULLTEXT KEY {}", quote_name(&key.name)),
            KeyKind::Spatial => format!("SPATIAL KEY {}", quote_name(&key.name)),
            KeyKind::Vector if self.server.mariadb_since(11, 7) => {
                format!("VECTOR KEY {}", quote_name(&key.name))
            }
            KeyKind::Exclusion => {
                notes.push(format!(
                    "constraint {} is left out: {} has none of its kind",
                    key.name, self.server
                ));
                return None;
            }
            KeyKind::Vector => {
                notes.push(format!("index {} is left out: {} indexes no vectors", key.name, self.server));
                return None;
            }
        };
        let mut definition = format!("{word} ({})", parts.join(","));
        if let Some(method) = key.method.as_ref().filter(|method| !method.eq_ignore_ascii_case("RTREE")) {
            definition.push_str(&format!(" USING {method}"));
        }
        if let Some(comment) = &key.comment {
            definition.push_str(&format!(" COMMENT {}", quote_text(comment)));
        }
        self.key_attributes(key, &mut definition, notes);
        Some(definition)
    }

    fn key_attributes(&self, key: &Key, definition: &mut String, notes: &mut Vec<String>) {
        if !key.visible {
            if self.server.mysql_since(8) {
                definition.push_str(" INVISIBLE");
            } else if self.server.mariadb_since(10, 6) {
                definition.push_str(" IGNORED");
            } else {
                notes.push(format!("index {} is visible to the optimizer", key.name));
            }
        }
        match &key.parser {
            Some(parser) if !self.server.mariadb => {
                definition.push_str(&format!(" WITH PARSER {}", quote_name(parser)));
            }
            Some(parser) => {
                notes.push(format!("index {} has the usual parser and not {parser}", key.name));
            }
            None => {}
        }
    }

    fn part(&self, key: &Key, part: &KeyPart, names: &ColumnNames<'_>) -> Result<String, String> {
        let mut text = match &part.of {
            Indexed::Column(name) => {
                quote_name(names.get(name).ok_or_else(|| format!("column {name} is not carried"))?)
            }
            Indexed::Expression(expression) if self.server.mysql_since(8) => {
                let expression = text::with_collations(expression, self.server);
                let translated = self.expression(&expression, names);
                format!("({})", translated.ok_or("a column of its expression is not carried")?)
            }
            Indexed::Expression(_) => return Err(format!("{} indexes no expressions", self.server)),
            Indexed::Period(name) if self.native => format!("{} WITHOUT OVERLAPS", quote_name(name)),
            Indexed::Period(_) => return Err(format!("{} has no periods", self.server)),
        };
        if let Some(prefix) = part.prefix.filter(|_| key.kind != KeyKind::FullText) {
            text.push_str(&format!("({prefix})"));
        }
        // Before, both read the word and forget it.
        if part.descending && (self.server.mysql_since(8) || self.server.mariadb_since(10, 8)) {
            text.push_str(" DESC");
        }
        Ok(text)
    }

    /// The definition of a foreign key; `None` when a column of it is not carried. `references` is the quoted name of the
    /// table that it refers to.
    pub(super) fn foreign_key(
        key: &ForeignKey,
        names: &ColumnNames<'_>,
        references: &str,
        referenced: &ColumnNames<'_>,
    ) -> Option<String> {
        let list = |columns: &[String], names: &ColumnNames<'_>| {
            let columns: Option<Vec<_>> =
                columns.iter().map(|column| names.get(column).map(quote_name)).collect();
            columns.map(|columns| columns.join(","))
        };
        let mut definition = format!(
            "CONSTRAINT {} FOREIGN KEY ({}) REFERENCES {references} ({})",
            quote_name(&key.name),
            list(&key.columns, names)?,
            list(&key.referenced, referenced)?
        );
        if let Some(action) = &key.on_delete {
            definition.push_str(&format!(" ON DELETE {action}"));
        }
        if let Some(action) = &key.on_update {
            definition.push_str(&format!(" ON UPDATE {action}"));
        }
        Some(definition)
    }
}

/// Whether a key of the destination is what a key of the source becomes, apart from whether it is unique.
pub(super) fn has_same_parts(key: &Key, names: &ColumnNames<'_>, actual: &Key) -> bool {
    let added = names.added_to(key.kind);
    let behind = actual.parts.iter().skip(key.parts.len());
    key.parts.len() + added.len() == actual.parts.len()
        && added.iter().zip(behind).all(|(name, actual)| {
            matches!(&actual.of, Indexed::Column(found) if found.to_lowercase() == name.to_lowercase())
        })
        && key.parts.iter().zip(&actual.parts).all(|(wanted, actual)| match (&wanted.of, &actual.of) {
            (Indexed::Column(wanted_name), Indexed::Column(name)) => {
                let same =
                    names.get(wanted_name).is_some_and(|wanted| wanted.to_lowercase() == name.to_lowercase());
                same && (wanted.prefix == actual.prefix || key.kind == KeyKind::FullText)
            }
            // Each version spells an expression in its own way.
            (Indexed::Expression(_), Indexed::Expression(_)) | (Indexed::Period(_), Indexed::Period(_)) => {
                true
            }
            _ => false,
        })
}
