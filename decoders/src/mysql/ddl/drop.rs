//! `DROP TABLE`, `DROP INDEX`, `DROP DATABASE`, `RENAME TABLE`, `TRUNCATE`.

use super::{
    ParseError, Statement, options,
    tokens::{COMMA, Cursor},
};

pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Option<Statement>, ParseError> {
    if cursor.is("DROP") {
        return drop(cursor);
    }
    if cursor.is_all(&["RENAME", "TABLE"]) || cursor.is_all(&["RENAME", "TABLES"]) {
        return rename(cursor).map(Some);
    }
    if cursor.accept("TRUNCATE") {
        cursor.accept("TABLE");
        let table = cursor.object_name()?;
        options::algorithm(cursor)?;
        return Ok(Some(Statement::Truncate(table)));
    }
    Ok(None)
}

fn drop(cursor: &mut Cursor<'_>) -> Result<Option<Statement>, ParseError> {
    let start = cursor.place();
    cursor.expect("DROP")?;
    if cursor.accept_any(&["DATABASE", "SCHEMA"]) {
        let if_exists = cursor.accept_all(&["IF", "EXISTS"]);
        return Ok(Some(Statement::DropDatabase { name: cursor.identifier()?, if_exists }));
    }
    let temporary = cursor.accept("TEMPORARY");
    if cursor.accept_any(&["TABLE", "TABLES"]) {
        return tables(cursor, temporary).map(Some);
    }
    cursor.accept_any(&["ONLINE", "OFFLINE"]);
    if cursor.accept("INDEX") {
        return index(cursor).map(Some);
    }
    cursor.back(start);
    Ok(None)
}

fn tables(cursor: &mut Cursor<'_>, temporary: bool) -> Result<Statement, ParseError> {
    let if_exists = cursor.accept_all(&["IF", "EXISTS"]);
    let tables = cursor.object_names()?;
    cursor.accept_any(&["RESTRICT", "CASCADE"]);
    options::algorithm(cursor)?;
    Ok(Statement::DropTable { tables, if_exists, temporary })
}

fn index(cursor: &mut Cursor<'_>) -> Result<Statement, ParseError> {
    let if_exists = cursor.accept_all(&["IF", "EXISTS"]);
    let name = cursor.identifier()?;
    cursor.expect("ON")?;
    let table = cursor.object_name()?;
    while options::algorithm(cursor)? {}
    Ok(Statement::DropIndex { table, name, if_exists })
}

fn rename(cursor: &mut Cursor<'_>) -> Result<Statement, ParseError> {
    cursor.expect("RENAME")?;
    cursor.accept_any(&["TABLE", "TABLES"]);
    cursor.accept_all(&["IF", "EXISTS"]);
    let mut pairs = Vec::new();
    loop {
        let from = cursor.object_name()?;
        while options::algorithm(cursor)? {}
        cursor.expect("TO")?;
        pairs.push((from, cursor.object_name()?));
        if !cursor.accept_symbol(&COMMA) {
            return Ok(Statement::RenameTable { pairs });
        }
    }
}
