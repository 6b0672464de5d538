//! Keys and constraints.

use sqlparser::tokenizer::Token;

use super::{
    ParseError, default,
    statement::{KeyDefinition, KeyKind, KeyPart, KeyText},
    tokens::{COMMA, Cursor, EQUALS, LEFT, RIGHT},
};

/// Whether a key, constraint or period starts here.
pub(super) fn starts(cursor: &Cursor<'_>) -> bool {
    const WORDS: [&str; 9] =
        ["PRIMARY", "UNIQUE", "INDEX", "KEY", "FULLTEXT", "SPATIAL", "FOREIGN", "CONSTRAINT", "CHECK"];
    cursor.is_any(&WORDS) || cursor.is_all(&["PERIOD", "FOR"]) || starts_vector_key(cursor)
}

/// `VECTOR` starts a key only before `INDEX`, `KEY` or `(`: it is also a fine name for a column.
fn starts_vector_key(cursor: &Cursor<'_>) -> bool {
    cursor.is("VECTOR")
        && (cursor.is_at(1, "INDEX") || cursor.is_at(1, "KEY") || cursor.peek_at(1) == Some(&LEFT))
}

/// A key as read, with what only matters while reading.
pub(super) struct Read {
    /// The key; `None` for a check.
    pub(super) key: Option<KeyDefinition>,
    /// `IF NOT EXISTS` was said.
    pub(super) if_not_exists: bool,
}

/// Reads a key or constraint in a table's definition or behind ADD.
pub(super) fn definition(cursor: &mut Cursor<'_>) -> Result<Read, ParseError> {
    let none = Read { key: None, if_not_exists: false };
    if cursor.accept_all(&["PERIOD", "FOR"]) {
        let if_not_exists = cursor.accept_all(&["IF", "NOT", "EXISTS"]);
        let name = Some(cursor.identifier()?);
        let key = KeyDefinition { kind: KeyKind::Period, name, parts: parts(cursor)?, text: None };
        return Ok(Read { key: Some(key), if_not_exists });
    }
    let mut if_not_exists = false;
    let constraint = constraint_name(cursor, &mut if_not_exists)?;
    if cursor.accept("CHECK") {
        cursor.accept_all(&["IF", "NOT", "EXISTS"]);
        cursor.skip_parentheses()?;
        let _ = cursor.accept("ENFORCED") || cursor.accept_all(&["NOT", "ENFORCED"]);
        return Ok(none);
    }
    let start = cursor.place();
    let kind = kind(cursor)?;
    let words = cursor.since(start).to_owned();
    if_not_exists |= cursor.accept_all(&["IF", "NOT", "EXISTS"]);
    let name = name(cursor)?;
    let start = cursor.place();
    using(cursor)?;
    let parts = parts(cursor)?;
    options(cursor)?;
    // The index of a foreign key has the constraint's name.
    let name = if kind == KeyKind::Foreign { constraint.or(name) } else { name.or(constraint) };
    if kind == KeyKind::Foreign {
        references(cursor)?;
    }
    let text = Some(KeyText { kind: words, rest: cursor.since(start).to_owned() });
    Ok(Read { key: Some(KeyDefinition { kind, name, parts, text }), if_not_exists })
}

fn constraint_name(cursor: &mut Cursor<'_>, if_not_exists: &mut bool) -> Result<Option<String>, ParseError> {
    if !cursor.accept("CONSTRAINT") {
        return Ok(None);
    }
    *if_not_exists |= cursor.accept_all(&["IF", "NOT", "EXISTS"]);
    if cursor.is_any(&["PRIMARY", "UNIQUE", "FOREIGN", "CHECK"]) {
        return Ok(None);
    }
    // 5.x take the database's name before.
    cursor.object_name().map(|name| Some(name.name))
}

fn kind(cursor: &mut Cursor<'_>) -> Result<KeyKind, ParseError> {
    Ok(if cursor.accept_all(&["PRIMARY", "KEY"]) {
        KeyKind::Primary
    } else if cursor.accept("UNIQUE") {
        cursor.accept_any(&["INDEX", "KEY"]);
        KeyKind::Unique
    } else if cursor.accept_any(&["FULLTEXT", "SPATIAL", "VECTOR"]) {
        cursor.accept_any(&["INDEX", "KEY"]);
        KeyKind::Plain
    } else if cursor.accept_any(&["INDEX", "KEY"]) {
        KeyKind::Plain
    } else if cursor.accept_all(&["FOREIGN", "KEY"]) {
        KeyKind::Foreign
    } else {
        return Err(cursor.error("a key is expected"));
    })
}

/// The name, where there is one.
fn name(cursor: &mut Cursor<'_>) -> Result<Option<String>, ParseError> {
    let unnamed = cursor.is_symbol(&LEFT) || starts_using(cursor);
    if unnamed { Ok(None) } else { cursor.identifier().map(Some) }
}

/// `USING` and `TYPE` are no names when a kind of index follows.
fn starts_using(cursor: &Cursor<'_>) -> bool {
    cursor.is_any(&["USING", "TYPE"]) && ["BTREE", "HASH", "RTREE"].iter().any(|kind| cursor.is_at(1, kind))
}

fn using(cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
    if starts_using(cursor) {
        cursor.skip_one()?;
        cursor.skip_one()?;
    }
    Ok(())
}

/// The parts of a key in parentheses.
pub(super) fn parts(cursor: &mut Cursor<'_>) -> Result<Vec<KeyPart>, ParseError> {
    cursor.expect_symbol(&LEFT)?;
    let mut parts = Vec::new();
    loop {
        parts.push(part(cursor)?);
        cursor.accept_any(&["ASC", "DESC"]);
        if !cursor.accept_symbol(&COMMA) {
            break;
        }
    }
    cursor.expect_symbol(&RIGHT)?;
    Ok(parts)
}

fn part(cursor: &mut Cursor<'_>) -> Result<KeyPart, ParseError> {
    if cursor.is_symbol(&LEFT) {
        cursor.skip_parentheses()?;
        return Ok(KeyPart::Expression);
    }
    let name = cursor.identifier()?;
    if cursor.accept_all(&["WITHOUT", "OVERLAPS"]) {
        return Ok(KeyPart::Period(name));
    }
    let prefix = if cursor.is_symbol(&LEFT) { Some(cursor.number_in_parentheses()?) } else { None };
    Ok(KeyPart::Column { name, prefix })
}

/// What may follow a key's parts, except for REFERENCES.
pub(super) fn options(cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
    const WITH_VALUE: [&str; 7] = [
        "KEY_BLOCK_SIZE",
        "COMMENT",
        "ENGINE_ATTRIBUTE",
        "SECONDARY_ENGINE_ATTRIBUTE",
        "CLUSTERING",
        "M",
        "DISTANCE",
    ];
    loop {
        if starts_using(cursor) {
            using(cursor)?;
        } else if cursor.accept_all(&["WITH", "PARSER"]) {
            cursor.identifier()?;
        } else if cursor.accept_all(&["NOT", "IGNORED"])
            || cursor.accept_any(&["VISIBLE", "INVISIBLE", "IGNORED"])
        {
        } else if cursor.accept_any(&WITH_VALUE) {
            cursor.accept_symbol(&EQUALS);
            option_value(cursor)?;
        } else if cursor.context().mariadb && is_engine_option(cursor) {
            cursor.skip_one()?;
            cursor.skip_one()?;
            option_value(cursor)?;
        } else {
            return Ok(());
        }
    }
}

/// MariaDB's engines take options of their own, `name = value`.
fn is_engine_option(cursor: &Cursor<'_>) -> bool {
    matches!(cursor.peek(), Some(Token::Word(_)))
        && cursor.peek_at(1) == Some(&EQUALS)
        && !cursor.is_any(&["ALGORITHM", "LOCK"])
}

fn option_value(cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
    if cursor.is_string() { cursor.string().map(drop) } else { default::expression(cursor).map(drop) }
}

/// `REFERENCES table (columns) MATCH … ON DELETE … ON UPDATE …`.
pub(super) fn references(cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
    cursor.expect("REFERENCES")?;
    cursor.object_name()?;
    if cursor.is_symbol(&LEFT) {
        cursor.skip_parentheses()?;
    }
    loop {
        if cursor.accept("MATCH") {
            cursor.skip_one()?;
        } else if cursor.accept_all(&["ON", "DELETE"]) || cursor.accept_all(&["ON", "UPDATE"]) {
            let known = cursor.accept_any(&["RESTRICT", "CASCADE"])
                || cursor.accept_all(&["SET", "NULL"])
                || cursor.accept_all(&["SET", "DEFAULT"])
                || cursor.accept_all(&["NO", "ACTION"]);
            if !known {
                // "ON UPDATE CURRENT_TIMESTAMP" of a column that also references another table
                default::expression(cursor)?;
            }
        } else {
            return Ok(());
        }
    }
}
