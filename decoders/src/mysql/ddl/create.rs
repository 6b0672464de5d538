//! `CREATE TABLE`, `CREATE INDEX`, `CREATE DATABASE`.

use super::{
    ParseError, Statement, column, key, options,
    statement::{Charset, CreateTable, KeyDefinition, KeyKind, ObjectName, Other, OtherKind},
    tokens::{COMMA, Cursor, LEFT, RIGHT},
};

pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Option<Statement>, ParseError> {
    let start = cursor.place();
    if !cursor.accept("CREATE") {
        return Ok(None);
    }
    let or_replace = cursor.accept_all(&["OR", "REPLACE"]);
    let temporary = cursor.accept("TEMPORARY");
    if cursor.accept("TABLE") {
        if temporary {
            return temporary_table(cursor).map(Some);
        }
        return table(cursor, or_replace).map(|table| Some(Statement::CreateTable(table)));
    }
    if cursor.accept_any(&["DATABASE", "SCHEMA"]) {
        return database(cursor, or_replace).map(Some);
    }
    if let Some(kind) = index_kind(cursor) {
        return index(cursor, kind, or_replace).map(Some);
    }
    cursor.back(start);
    Ok(None)
}

/// The rows of temporary tables are not in a row-based log.
fn temporary_table(cursor: &mut Cursor<'_>) -> Result<Statement, ParseError> {
    cursor.accept_all(&["IF", "NOT", "EXISTS"]);
    let object = cursor.object_name()?;
    cursor.skip_all();
    Ok(Statement::Other(Other {
        kind: OtherKind::TemporaryTable,
        description: "CREATE TEMPORARY TABLE".into(),
        object: Some(object),
        table: None,
    }))
}

fn table(cursor: &mut Cursor<'_>, or_replace: bool) -> Result<CreateTable, ParseError> {
    let if_not_exists = cursor.accept_all(&["IF", "NOT", "EXISTS"]);
    let name = cursor.object_name()?;
    let mut table = CreateTable {
        name,
        if_not_exists,
        or_replace,
        like: None,
        columns: Vec::new(),
        keys: Vec::new(),
        charset: Charset::default(),
        as_select: false,
        system_versioning: false,
    };
    if let Some(like) = like(cursor)? {
        table.like = Some(like);
        return Ok(table);
    }
    if cursor.is_symbol(&LEFT) && !options::starts_query(cursor) {
        elements(cursor, &mut table)?;
    }
    table_options(cursor, &mut table)?;
    if !cursor.at_statement_end() {
        if !options::starts_query(cursor) {
            return Err(cursor.error("the table option is not known"));
        }
        table.as_select = true;
        cursor.skip_all();
    }
    Ok(table)
}

/// `LIKE other` or `(LIKE other)`.
fn like(cursor: &mut Cursor<'_>) -> Result<Option<ObjectName>, ParseError> {
    if cursor.accept("LIKE") {
        return cursor.object_name().map(Some);
    }
    if cursor.is_symbol(&LEFT) && cursor.is_at(1, "LIKE") {
        cursor.expect_symbol(&LEFT)?;
        cursor.expect("LIKE")?;
        let name = cursor.object_name()?;
        cursor.expect_symbol(&RIGHT)?;
        return Ok(Some(name));
    }
    Ok(None)
}

/// Columns, keys and constraints in parentheses.
fn elements(cursor: &mut Cursor<'_>, table: &mut CreateTable) -> Result<(), ParseError> {
    cursor.expect_symbol(&LEFT)?;
    loop {
        if column::starts(cursor) {
            let name = cursor.identifier()?;
            let column = column::definition(cursor, name)?;
            // Keys are named in the order in which they are said.
            table.keys.extend(column.keys());
            table.columns.push(column);
        } else {
            table.keys.extend(key::definition(cursor)?.key);
        }
        if !cursor.accept_symbol(&COMMA) {
            break;
        }
    }
    cursor.expect_symbol(&RIGHT)
}

fn table_options(cursor: &mut Cursor<'_>, table: &mut CreateTable) -> Result<(), ParseError> {
    loop {
        let known = options::charset(cursor, &mut table.charset)?
            || options::table(cursor, &mut table.system_versioning)?
            || options::partition_by(cursor)?;
        if !known {
            return Ok(());
        }
        cursor.accept_symbol(&COMMA);
    }
}

/// The kind of index that `CREATE … INDEX` makes, if it is one.
fn index_kind(cursor: &mut Cursor<'_>) -> Option<KeyKind> {
    let place = cursor.place();
    cursor.accept_any(&["ONLINE", "OFFLINE"]);
    let kind = if cursor.accept("UNIQUE") { KeyKind::Unique } else { KeyKind::Plain };
    if kind == KeyKind::Plain {
        cursor.accept_any(&["FULLTEXT", "SPATIAL", "VECTOR"]);
    }
    if cursor.accept("INDEX") {
        return Some(kind);
    }
    cursor.back(place);
    None
}

fn index(cursor: &mut Cursor<'_>, kind: KeyKind, or_replace: bool) -> Result<Statement, ParseError> {
    let if_not_exists = cursor.accept_all(&["IF", "NOT", "EXISTS"]);
    let name = cursor.identifier()?;
    key::options(cursor)?;
    cursor.expect("ON")?;
    let table = cursor.object_name()?;
    let parts = key::parts(cursor)?;
    loop {
        key::options(cursor)?;
        if !options::algorithm(cursor)? {
            break;
        }
    }
    let key = KeyDefinition { kind, name: Some(name), parts, text: None };
    Ok(Statement::CreateIndex { table, key, if_not_exists, or_replace })
}

fn database(cursor: &mut Cursor<'_>, or_replace: bool) -> Result<Statement, ParseError> {
    let if_not_exists = cursor.accept_all(&["IF", "NOT", "EXISTS"]);
    let name = cursor.identifier()?;
    let charset = options::database(cursor)?;
    Ok(Statement::CreateDatabase { name, if_not_exists, or_replace, charset })
}
