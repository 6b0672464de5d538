//! Column definitions.
//!
//! Source: `column_definition` in the MySQL reference manual, "CREATE TABLE Statement", and in MariaDB's "CREATE TABLE".

use sqlparser::tokenizer::Token;

use super::{
    ParseError, data_type, default, key,
    statement::{ColumnDefinition, ColumnKeys, DataType},
    tokens::{COMMA, Cursor, EQUALS, LEFT, RIGHT},
};
use crate::schema::ColumnType;

/// Reads what follows a column's name.
pub(super) fn definition(cursor: &mut Cursor<'_>, name: String) -> Result<ColumnDefinition, ParseError> {
    let (data_type, serial) = data_type::read(cursor)?;
    let context = cursor.context();
    let timestamp = matches!(data_type, DataType::Plain { column_type: ColumnType::Timestamp(_), .. });
    let mut column = ColumnDefinition {
        name,
        data_type,
        nullable: !timestamp || context.explicit_defaults_for_timestamp,
        generated: None,
        auto_increment: false,
        default: None,
        collation: None,
        key: ColumnKeys::default(),
    };
    if serial {
        be_serial(&mut column);
    }
    while !at_end(cursor) {
        attribute(cursor, &mut column)?;
    }
    Ok(column)
}

fn be_serial(column: &mut ColumnDefinition) {
    column.nullable = false;
    column.auto_increment = true;
    column.key.unique = true;
}

/// Whether what comes next is no longer about the column.
fn at_end(cursor: &Cursor<'_>) -> bool {
    cursor.at_statement_end()
        || cursor.is_symbol(&COMMA)
        || cursor.is_symbol(&RIGHT)
        || cursor.is("FIRST")
        || cursor.is("AFTER")
        // ALTER TABLE … PARTITION BY / REMOVE PARTITIONING without a comma before
        || cursor.is_all(&["PARTITION", "BY"])
        || cursor.is_all(&["REMOVE", "PARTITIONING"])
}

fn attribute(cursor: &mut Cursor<'_>, column: &mut ColumnDefinition) -> Result<(), ParseError> {
    if value_attribute(cursor, column)? || key_attribute(cursor, column)? || ignored_attribute(cursor)? {
        return Ok(());
    }
    // MariaDB's engines take attributes of their own.
    if cursor.context().mariadb && cursor.keyword().is_some() && cursor.peek_at(1) == Some(&EQUALS) {
        cursor.skip_one()?;
        cursor.skip_one()?;
        return cursor.skip_one();
    }
    Err(cursor.error("the column attribute is not known"))
}

/// Attributes that decide about the column's values.
fn value_attribute(cursor: &mut Cursor<'_>, column: &mut ColumnDefinition) -> Result<bool, ParseError> {
    if cursor.accept_all(&["NOT", "NULL"]) {
        column.nullable = false;
    } else if cursor.accept("NULL") {
        column.nullable = true;
    } else if cursor.accept_all(&["SERIAL", "DEFAULT", "VALUE"]) {
        be_serial(column);
    } else if cursor.accept("DEFAULT") {
        column.default = Some(default::expression(cursor)?);
    } else if cursor.accept("AUTO_INCREMENT") {
        column.auto_increment = true;
        column.nullable = false;
    } else if cursor.accept("COLLATE") {
        cursor.accept_symbol(&EQUALS);
        column.collation = Some(data_type::charset_name(cursor)?);
    } else if cursor.is_all(&["GENERATED", "ALWAYS", "AS"]) || cursor.is("AS") {
        generated(cursor, column)?;
    } else if cursor.is_any(&["CHARACTER", "CHARSET"]) {
        late_charset(cursor, column)?;
    } else {
        return Ok(false);
    }
    Ok(true)
}

/// MariaDB takes the character set behind other attributes, too.
fn late_charset(cursor: &mut Cursor<'_>, column: &mut ColumnDefinition) -> Result<(), ParseError> {
    if !cursor.accept_all(&["CHARACTER", "SET"]) {
        cursor.expect("CHARSET")?;
    }
    let name = data_type::charset_name(cursor)?;
    match &mut column.data_type {
        DataType::Text { charset, .. } => charset.charset = Some(name),
        DataType::Plain { .. } => return Err(cursor.error("a character set for a type without one")),
    }
    Ok(())
}

fn generated(cursor: &mut Cursor<'_>, column: &mut ColumnDefinition) -> Result<(), ParseError> {
    cursor.accept_all(&["GENERATED", "ALWAYS"]);
    cursor.expect("AS")?;
    if cursor.accept("ROW") {
        // MariaDB: the start or end of a row version, written by the server.
        let end = if cursor.accept("START") { "ROW START" } else { "ROW END" };
        if end == "ROW END" {
            cursor.expect("END")?;
        }
        cursor.accept_any(&["INVISIBLE", "HIDDEN"]);
        column.generated = Some((end.into(), true));
        column.nullable = false;
        return Ok(());
    }
    let place = cursor.place();
    cursor.skip_parentheses()?;
    let text = cursor.since(place);
    let expression = text.strip_prefix('(').and_then(|text| text.strip_suffix(')')).unwrap_or(text);
    let stored = cursor.accept_any(&["STORED", "PERSISTENT"]);
    if !stored {
        cursor.accept("VIRTUAL");
    }
    column.generated = Some((expression.trim().to_owned(), stored));
    Ok(())
}

fn key_attribute(cursor: &mut Cursor<'_>, column: &mut ColumnDefinition) -> Result<bool, ParseError> {
    if cursor.accept("UNIQUE") {
        cursor.accept("KEY");
        column.key.unique = true;
    } else if cursor.accept("PRIMARY") {
        cursor.accept("KEY");
        column.key.primary = true;
    } else if cursor.accept("KEY") {
        column.key.primary = true;
    } else {
        return Ok(false);
    }
    Ok(true)
}

/// Attributes that do not change how a row is read.
fn ignored_attribute(cursor: &mut Cursor<'_>) -> Result<bool, ParseError> {
    const FLAGS: [&[&str]; 8] = [
        &["VISIBLE"],
        &["INVISIBLE"],
        &["NOT", "SECONDARY"],
        &["WITH", "SYSTEM", "VERSIONING"],
        &["WITHOUT", "SYSTEM", "VERSIONING"],
        &["ENFORCED"],
        &["NOT", "ENFORCED"],
        &["VIRTUAL"],
    ];
    const WITH_VALUE: [&str; 9] = [
        "COMMENT",
        "COLUMN_FORMAT",
        "STORAGE",
        "ENGINE_ATTRIBUTE",
        "SECONDARY_ENGINE_ATTRIBUTE",
        "SRID",
        "REF_SYSTEM_ID",
        "ENCRYPTED",
        "ENCRYPTION_KEY_ID",
    ];
    if FLAGS.iter().any(|flag| cursor.accept_all(flag)) {
        return Ok(true);
    }
    if cursor.accept_any(&WITH_VALUE) {
        cursor.accept_symbol(&EQUALS);
        if cursor.is_string() { cursor.string().map(drop)? } else { cursor.skip_one()? }
    } else if cursor.accept_all(&["ON", "UPDATE"]) {
        default::expression(cursor)?;
    } else if cursor.accept("COMPRESSED") {
        if cursor.accept_symbol(&EQUALS) {
            cursor.skip_one()?;
        }
    } else if cursor.accept("CONSTRAINT") {
        if !cursor.is("CHECK") {
            cursor.identifier()?;
        }
    } else if cursor.accept("CHECK") {
        cursor.skip_parentheses()?;
    } else if cursor.is("REFERENCES") {
        key::references(cursor)?;
    } else {
        return Ok(false);
    }
    Ok(true)
}

/// Whether the next tokens start a column and not a key: a quoted name, or a word that starts no key.
pub(super) fn starts(cursor: &Cursor<'_>) -> bool {
    matches!(cursor.peek(), Some(Token::Word(_))) && !key::starts(cursor) && !cursor.is_symbol(&LEFT)
}
