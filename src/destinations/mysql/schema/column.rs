//! Columns of a table to be created.

use slackwater_decoders::{
    mysql::ddl::{Literal, literal},
    schema::{Column, ColumnType, definition::ColumnDetails},
};

use super::{Translation, text};
use crate::{
    destinations::schema::{ColumnNames, Loss},
    types::mysql::{Server, column_type, quote_name, quote_text},
};

/// What a column is made from.
pub(super) struct Source<'a> {
    pub(super) column: &'a Column,
    pub(super) details: Option<&'a ColumnDetails>,
    pub(super) names: &'a ColumnNames<'a>,
    /// The type that the operator chose.
    pub(super) chosen: Option<&'a str>,
    /// Whether there is a key that starts with the column: numbering takes one.
    pub(super) leads_key: bool,
}

impl Translation {
    /// The definition of a column without its name; says what is lost.
    pub(super) fn column(
        &self,
        source: &Source<'_>,
        loss: &mut impl FnMut(&str, &str),
        note: &mut impl FnMut(String),
    ) -> String {
        if let Some(native) = self.native_column(source) {
            return native;
        }
        let column = source.column;
        let mut definition = self.declaration(source, loss);
        if self.computed(source, &mut definition, note) {
            self.attributes(source, &mut definition, note);
            return definition;
        }
        definition.push_str(if column.nullable { " NULL" } else { " NOT NULL" });
        if column.auto_increment {
            if source.leads_key {
                definition.push_str(" AUTO_INCREMENT");
            } else {
                note(format!("column {}: AUTO_INCREMENT is left out, no key starts with it", column.name));
            }
        } else if let Some(expression) = &column.default {
            match default(expression, &column.column_type, self.server) {
                Some(default) => {
                    let default = text::with_collations(&default, self.server).into_owned();
                    match self.expression(&default, source.names) {
                        Some(default) => definition.push_str(&format!(" DEFAULT {default}")),
                        None => note(format!(
                            "column {}: its default names a column that is not carried",
                            column.name
                        )),
                    }
                }
                None => note(format!(
                    "column {}: {} cannot have the default {expression}",
                    column.name, self.server
                )),
            }
        }
        if let Some(expression) = source.details.and_then(|details| details.on_update.as_ref()) {
            definition.push_str(&format!(" ON UPDATE {expression}"));
        }
        self.attributes(source, &mut definition, note);
        definition
    }

    /// The source's own text, where it means the same to the destination.
    fn native_column(&self, source: &Source<'_>) -> Option<String> {
        let is_text = source.column.charset.is_some() || source.column.collation.is_some();
        // What a character set without a collation means is another thing in another version.
        if !self.native || source.chosen.is_some() || (is_text && !self.same_collations) {
            return None;
        }
        let native = &source.details?.native;
        if source.names.renamed {
            // Names stand in expressions alone, and only there in backticks.
            return text::with_columns(native, |name| source.names.get(name));
        }
        Some(native.clone())
    }

    fn declaration(&self, source: &Source<'_>, loss: &mut impl FnMut(&str, &str)) -> String {
        if let Some(chosen) = source.chosen {
            return chosen.to_owned();
        }
        let column = source.column;
        let mapped = column_type(column, self.server);
        if let (ColumnType::Timestamp(fraction), true) = (&column.column_type, self.wider_timestamps) {
            if is_version(column) {
                loss("datetime(6)", "an instant becomes its date and time in UTC");
                return format!("datetime({fraction})");
            }
            loss(&mapped.declaration, "instants behind 2038-01-19 03:14:07 UTC do not fit");
        }
        if let Some(what) = mapped.loss {
            loss(&mapped.declaration, what);
        }
        let keeps_spelling = match &column.column_type {
            ColumnType::Integer { .. } | ColumnType::Float | ColumnType::Double => true,
            ColumnType::Decimal { .. } => mapped.loss.is_none(),
            _ => false,
        };
        // Display widths, ZEROFILL and digits of approximate numbers are in the spelling alone.
        match &column.declared {
            Some(declared) if keeps_spelling => declared.clone(),
            _ => mapped.declaration,
        }
    }

    /// Adds the expression of a computed column. What marks the versions of rows is a plain column here.
    fn computed(&self, source: &Source<'_>, definition: &mut String, note: &mut impl FnMut(String)) -> bool {
        let column = source.column;
        let Some(generated) = &column.generated else { return false };
        let Some(expression) = &generated.expression else { return false };
        if is_version(column) {
            return false;
        }
        let expression = text::with_collations(expression, self.server).into_owned();
        let Some(expression) = self.expression(&expression, source.names) else {
            note(format!(
                "column {}: becomes a plain column, its expression names a column that is not carried",
                column.name
            ));
            return false;
        };
        let kept = if generated.stored { "STORED" } else { "VIRTUAL" };
        definition.push_str(&format!(" GENERATED ALWAYS AS ({expression}) {kept}"));
        if !column.nullable && !self.server.mariadb {
            definition.push_str(" NOT NULL");
        } else if !column.nullable {
            note(format!("column {}: a computed column cannot be NOT NULL in MariaDB", column.name));
        }
        true
    }

    /// What says nothing about values.
    fn attributes(&self, source: &Source<'_>, definition: &mut String, note: &mut impl FnMut(String)) {
        let Some(details) = source.details else { return };
        let name = &source.column.name;
        if details.invisible {
            let column = source.column;
            let needs_default = self.server.mariadb
                && !column.nullable
                && column.default.is_none()
                && column.generated.is_none()
                && !column.auto_increment;
            if self.knows_invisible() && !needs_default {
                definition.push_str(" INVISIBLE");
            } else {
                note(format!("column {name}: is visible, {} cannot hide it", self.server));
            }
        }
        if let Some(srid) = &details.srid {
            if self.server.mysql_since(8) {
                definition.push_str(&format!(" SRID {srid}"));
            } else {
                note(format!("column {name}: is not held to the reference system {srid}"));
            }
        }
        if details.compressed {
            if self.server.mariadb_since(10, 3) {
                definition.push_str(" COMPRESSED");
            } else {
                note(format!("column {name}: its values are not compressed one by one"));
            }
        }
        if let Some(comment) = &details.comment {
            definition.push_str(&format!(" COMMENT {}", quote_text(comment)));
        }
        if let Some(check) = &details.check {
            let translated = self.expression(&text::with_collations(check, self.server), source.names);
            match translated.filter(|_| self.knows_checks()) {
                Some(check) => definition.push_str(&format!(" CHECK ({check})")),
                None => note(format!("column {name}: is not held to CHECK ({check})")),
            }
        }
    }

    /// An expression of the source with the columns' names at the destination; `None` when it names one that is not carried.
    pub(super) fn expression(&self, expression: &str, names: &ColumnNames<'_>) -> Option<String> {
        text::with_columns(expression, |name| names.get(name))
    }
}

/// Whether the column tells when a version of a row began or ended.
fn is_version(column: &Column) -> bool {
    let expression = column.generated.as_ref().and_then(|generated| generated.expression.as_deref());
    matches!(expression, Some("ROW START" | "ROW END"))
}

/// A default as the server takes it; `None` when it takes none.
///
/// MySQL from 8.0.13 on takes expressions in parentheses, and for long texts, documents and geometries nothing else;
/// before, it takes none but CURRENT_TIMESTAMP. MariaDB takes both as they are.
fn default(expression: &str, column_type: &ColumnType, server: Server) -> Option<String> {
    let lower = expression.to_ascii_lowercase();
    if lower.contains("nextval(") || lower.contains("next value for") {
        return None;
    }
    let is_long = matches!(
        column_type,
        ColumnType::Text(_) | ColumnType::Blob(_) | ColumnType::Json | ColumnType::Geometry(_)
    );
    let is_now = lower.starts_with("current_timestamp")
        && matches!(column_type, ColumnType::DateTime(_) | ColumnType::Timestamp(_));
    let plain = match literal(expression) {
        Some(Literal::Null) => return Some("NULL".to_owned()),
        Some(_) => !is_long,
        None => is_now,
    };
    if plain || server.mariadb {
        return Some(expression.to_owned());
    }
    let enclosed =
        if expression.starts_with('(') { expression.to_owned() } else { format!("({expression})") };
    server.mysql_since(8).then_some(enclosed)
}

impl Translation {
    /// The line of the lossy report for a column.
    pub(super) fn loss(
        table: &slackwater_decoders::schema::TableName,
        column: &Column,
        to: &str,
        what: &str,
    ) -> Loss {
        Loss {
            table: table.clone(),
            column: column.name.clone(),
            from: column.declared.clone().unwrap_or_else(|| quote_name(&column.name)),
            to: to.to_owned(),
            what: what.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_spelled_as_the_server_takes_them() {
        let (new, old) = (Server::parse("9.7.1"), Server::parse("5.7.44"));
        let mariadb = Server::parse("10.11.6-MariaDB");
        let text = ColumnType::Text(65535);
        let of = |expression, column_type: &ColumnType, server| default(expression, column_type, server);
        assert_eq!(of("'x'", &text, new).as_deref(), Some("('x')"));
        assert_eq!(of("'x'", &text, mariadb).as_deref(), Some("'x'"));
        assert_eq!(of("'x'", &text, old), None);
        assert_eq!(of("NULL", &text, old).as_deref(), Some("NULL"));
        assert_eq!(of("uuid()", &ColumnType::Char(36), new).as_deref(), Some("(uuid())"));
        assert_eq!(of("uuid()", &ColumnType::Char(36), old), None);
        assert_eq!(of("(now() + 1)", &ColumnType::DateTime(0), new).as_deref(), Some("(now() + 1)"));
        assert_eq!(
            of("current_timestamp(3)", &ColumnType::DateTime(3), old).as_deref(),
            Some("current_timestamp(3)")
        );
        assert_eq!(of("nextval(`s`.`q`)", &ColumnType::Float, mariadb), None);
    }
}
