//! Statements that touch neither rows nor definitions of tables.

use super::{
    ParseError, Statement,
    statement::{ObjectName, Other, OtherKind},
    tokens::{Cursor, DOT},
};

/// A statement that is nothing but comments.
pub(super) fn comment() -> Statement {
    statement(OtherKind::Comment, "comment", None, None)
}

fn statement(
    kind: OtherKind,
    description: impl Into<String>,
    object: Option<ObjectName>,
    table: Option<ObjectName>,
) -> Statement {
    Statement::Other(Other { kind, description: description.into(), object, table })
}

pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Option<Statement>, ParseError> {
    let Some(verb) = cursor.keyword() else { return Ok(None) };
    let found = match verb.as_str() {
        "CREATE" | "ALTER" | "DROP" => object(cursor, &verb)?,
        "ANALYZE" | "OPTIMIZE" | "REPAIR" | "CHECK" | "CHECKSUM" => maintenance(cursor, &verb)?,
        _ => simple(cursor, &verb),
    };
    if found.is_some() {
        cursor.skip_all();
    }
    Ok(found)
}

/// Statements that are known by their first words.
fn simple(cursor: &Cursor<'_>, verb: &str) -> Option<Statement> {
    let second = cursor.peek_at(1).map(ToString::to_string).unwrap_or_default().to_ascii_uppercase();
    let kind = match (verb, second.as_str()) {
        ("GRANT" | "REVOKE", _) | ("RENAME", "USER") => OtherKind::Account,
        ("SET", "PASSWORD" | "ROLE") | ("SET", "DEFAULT") => OtherKind::Account,
        ("SET", "RESOURCE") => OtherKind::ServerObject,
        ("SET", _) => OtherKind::Variable,
        ("FLUSH" | "RESET" | "PURGE" | "CACHE" | "KILL" | "SHUTDOWN" | "LOCK" | "UNLOCK" | "USE", _) => {
            OtherKind::Maintenance
        }
        ("LOAD", "INDEX") | ("SHOW" | "EXPLAIN" | "DESCRIBE" | "DESC" | "BINLOG" | "CHANGE", _) => {
            OtherKind::Maintenance
        }
        ("INSTALL" | "UNINSTALL", _) => OtherKind::ServerObject,
        _ => return None,
    };
    Some(statement(kind, verb, None, None))
}

fn maintenance(cursor: &mut Cursor<'_>, verb: &str) -> Result<Option<Statement>, ParseError> {
    cursor.skip_one()?;
    cursor.accept_any(&["LOCAL", "NO_WRITE_TO_BINLOG"]);
    let described = cursor.accept_any(&["TABLE", "TABLES"]);
    let table = if described { Some(cursor.object_name()?) } else { None };
    Ok(Some(statement(OtherKind::Maintenance, verb, None, table)))
}

/// The kinds of objects by the keywords that name them.
const OBJECTS: [(&[&str], OtherKind); 26] = [
    (&["VIEW"], OtherKind::View),
    (&["TRIGGER"], OtherKind::Trigger),
    (&["PROCEDURE"], OtherKind::Routine),
    (&["FUNCTION"], OtherKind::Routine),
    (&["PACKAGE", "BODY"], OtherKind::Routine),
    (&["PACKAGE"], OtherKind::Routine),
    (&["EVENT"], OtherKind::Event),
    (&["USER"], OtherKind::Account),
    (&["ROLE"], OtherKind::Account),
    (&["SEQUENCE"], OtherKind::Sequence),
    (&["TEMPORARY", "SEQUENCE"], OtherKind::Sequence),
    (&["SERVER"], OtherKind::ServerObject),
    (&["UNDO", "TABLESPACE"], OtherKind::ServerObject),
    (&["TABLESPACE"], OtherKind::ServerObject),
    (&["LOGFILE", "GROUP"], OtherKind::ServerObject),
    (&["RESOURCE", "GROUP"], OtherKind::ServerObject),
    (&["SPATIAL", "REFERENCE", "SYSTEM"], OtherKind::ServerObject),
    (&["LIBRARY"], OtherKind::ServerObject),
    (&["INSTANCE"], OtherKind::ServerObject),
    (&["PREPARE"], OtherKind::Variable),
    (&["MATERIALIZED", "VIEW"], OtherKind::View),
    (&["JSON", "RELATIONAL", "DUALITY", "VIEW"], OtherKind::View),
    (&["JSON", "DUALITY", "VIEW"], OtherKind::View),
    (&["MASKING", "POLICY"], OtherKind::ServerObject),
    (&["CATALOG"], OtherKind::ServerObject),
    (&["AGGREGATE", "FUNCTION"], OtherKind::Routine),
];

fn object(cursor: &mut Cursor<'_>, verb: &str) -> Result<Option<Statement>, ParseError> {
    cursor.skip_one()?;
    skip_prefixes(cursor)?;
    let Some((words, kind)) = OBJECTS.iter().find(|(words, _)| cursor.is_all(words)) else { return Ok(None) };
    cursor.accept_all(words);
    let _ = cursor.accept_all(&["IF", "NOT", "EXISTS"]) || cursor.accept_all(&["IF", "EXISTS"]);
    let named = matches!(
        kind,
        OtherKind::View | OtherKind::Trigger | OtherKind::Routine | OtherKind::Event | OtherKind::Sequence
    );
    let object = if named && cursor.is_name() { Some(cursor.object_name()?) } else { None };
    let table =
        if *kind == OtherKind::Trigger && verb == "CREATE" { Some(trigger_table(cursor)?) } else { None };
    Ok(Some(statement(*kind, format!("{verb} {}", words.join(" ")), object, table)))
}

/// `OR REPLACE`, `ALGORITHM = x`, `DEFINER = account`, `SQL SECURITY x`.
fn skip_prefixes(cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
    loop {
        if cursor.accept_all(&["OR", "REPLACE"]) {
        } else if cursor.is("ALGORITHM") {
            for _ in 0..3 {
                cursor.skip_one()?;
            }
        } else if cursor.accept_all(&["SQL", "SECURITY"]) {
            cursor.skip_one()?;
        } else if cursor.is("DEFINER") {
            definer(cursor)?;
        } else {
            return Ok(());
        }
    }
}

/// `DEFINER = user@host`, `DEFINER = CURRENT_USER()`, `DEFINER = role`.
fn definer(cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
    cursor.skip_one()?;
    cursor.skip_one()?;
    if cursor.is_string() {
        cursor.string()?;
    } else {
        cursor.skip_one()?;
    }
    if cursor.is_symbol(&super::tokens::LEFT) {
        return cursor.skip_parentheses();
    }
    if !cursor.accept_symbol(&super::tokens::AT) {
        // "@localhost" without quotes is one token.
        return Ok(());
    }
    if cursor.is_string() {
        return cursor.string().map(drop);
    }
    cursor.skip_one()?;
    while cursor.accept_symbol(&DOT) {
        cursor.skip_one()?;
    }
    Ok(())
}

/// `… ON table FOR EACH ROW …`.
fn trigger_table(cursor: &mut Cursor<'_>) -> Result<ObjectName, ParseError> {
    while !cursor.accept("ON") {
        cursor.skip_one()?;
    }
    cursor.object_name()
}
