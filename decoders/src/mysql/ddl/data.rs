//! Statements that change rows: in the log only with statement-based logging.

use super::{
    ParseError, Statement,
    statement::{Data, ObjectName},
    tokens::{COMMA, Cursor, DOT, LEFT},
};

const MODIFIERS: [&str; 9] = [
    "LOW_PRIORITY",
    "HIGH_PRIORITY",
    "DELAYED",
    "QUICK",
    "IGNORE",
    "CONCURRENT",
    "LOCAL",
    "INTO",
    "SQL_NO_CACHE",
];

pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Option<Statement>, ParseError> {
    let Some(verb) = cursor.keyword().or_else(|| cursor.is_symbol(&LEFT).then(|| "SELECT".into())) else {
        return Ok(None);
    };
    let tables = match verb.as_str() {
        "INSERT" | "REPLACE" => {
            cursor.skip_one()?;
            while cursor.accept_any(&MODIFIERS) {}
            vec![cursor.object_name()?]
        }
        "UPDATE" => {
            cursor.skip_one()?;
            while cursor.accept_any(&MODIFIERS) {}
            references(cursor, &["SET"])?
        }
        "DELETE" => {
            cursor.skip_one()?;
            while cursor.accept_any(&MODIFIERS) {}
            deleted(cursor)?
        }
        "LOAD" if cursor.is_at(1, "DATA") || cursor.is_at(1, "XML") => loaded(cursor)?,
        "CALL" | "DO" | "SELECT" | "WITH" | "VALUES" | "TABLE" | "HANDLER" | "IMPORT" | "EXECUTE" => {
            Vec::new()
        }
        _ => return Ok(None),
    };
    cursor.skip_all();
    Ok(Some(Statement::Data(Data { verb, tables })))
}

/// The tables of a list of table references, up to one of the keywords.
fn references(cursor: &mut Cursor<'_>, ends: &[&str]) -> Result<Vec<ObjectName>, ParseError> {
    let mut tables = Vec::new();
    let mut expected = true;
    while !cursor.at_statement_end() && !cursor.is_any(ends) {
        if expected && cursor.is_name() {
            tables.push(reference(cursor)?);
            expected = false;
            continue;
        }
        expected = cursor.is_symbol(&COMMA) || cursor.is_any(&["JOIN", "STRAIGHT_JOIN"]);
        cursor.skip_one()?;
    }
    Ok(tables)
}

/// `t`, `db.t`, and in a DELETE also `t.*` and `db.t.*`.
fn reference(cursor: &mut Cursor<'_>) -> Result<ObjectName, ParseError> {
    let mut names = vec![cursor.identifier()?];
    while cursor.accept_symbol(&DOT) {
        if cursor.is_name() {
            names.push(cursor.identifier()?);
        } else {
            cursor.skip_one()?;
        }
    }
    let name = names.pop().unwrap_or_default();
    Ok(ObjectName { database: names.pop(), name })
}

/// `DELETE FROM t`, `DELETE t1, t2 FROM references`, `DELETE FROM t1, t2 USING references`.
fn deleted(cursor: &mut Cursor<'_>) -> Result<Vec<ObjectName>, ParseError> {
    const ENDS: [&str; 6] = ["FROM", "USING", "WHERE", "ORDER", "LIMIT", "RETURNING"];
    cursor.accept("FROM");
    references(cursor, &ENDS)
}

/// `LOAD DATA … INTO TABLE t`.
fn loaded(cursor: &mut Cursor<'_>) -> Result<Vec<ObjectName>, ParseError> {
    while !cursor.accept_all(&["INTO", "TABLE"]) {
        cursor.skip_one()?;
    }
    Ok(vec![cursor.object_name()?])
}
