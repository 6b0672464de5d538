//! Options of tables and databases, and partitions.

use super::{
    ParseError, data_type,
    statement::Charset,
    tokens::{COMMA, Cursor, EQUALS, LEFT},
};

/// Reads a character set or collation option, if one starts here: `[DEFAULT] CHARACTER SET [=] x`,
/// `[DEFAULT] COLLATE [=] x`.
pub(super) fn charset(cursor: &mut Cursor<'_>, charset: &mut Charset) -> Result<bool, ParseError> {
    let place = cursor.place();
    cursor.accept("DEFAULT");
    if cursor.accept_all(&["CHARACTER", "SET"])
        || cursor.accept_all(&["CHAR", "SET"])
        || cursor.accept("CHARSET")
    {
        cursor.accept_symbol(&EQUALS);
        charset.charset = Some(data_type::charset_name(cursor)?);
    } else if cursor.accept("COLLATE") {
        cursor.accept_symbol(&EQUALS);
        charset.collation = Some(data_type::charset_name(cursor)?);
    } else {
        cursor.back(place);
        return Ok(false);
    }
    Ok(true)
}

/// Steps over one table option, if one starts here. What it says about system versioning goes to the flag.
pub(super) fn table(cursor: &mut Cursor<'_>, system_versioning: &mut bool) -> Result<bool, ParseError> {
    if cursor.accept_all(&["WITH", "SYSTEM", "VERSIONING"]) {
        *system_versioning = true;
        return Ok(true);
    }
    if cursor.accept("UNION") {
        cursor.accept_symbol(&EQUALS);
        cursor.skip_parentheses()?;
        return Ok(true);
    }
    if cursor.accept_any(&["DATA", "INDEX"]) {
        cursor.expect("DIRECTORY")?;
    } else if cursor.accept_all(&["START", "TRANSACTION"]) {
        // MySQL 8.0.21 and later: the rows of CREATE TABLE … SELECT follow as row events.
        return Ok(true);
    } else if is_option(cursor) {
        cursor.skip_one()?;
    } else {
        return Ok(false);
    }
    cursor.accept_symbol(&EQUALS);
    if cursor.is_string() {
        cursor.string().map(drop)?
    } else {
        cursor.skip_one()?
    }
    Ok(true)
}

/// Whether an option with one value starts here. Without the equals sign, only known names are options.
fn is_option(cursor: &Cursor<'_>) -> bool {
    const OPTIONS: [&str; 39] = [
        "AUTOEXTEND_SIZE",
        "AUTO_INCREMENT",
        "AVG_ROW_LENGTH",
        "CHECKSUM",
        "COMMENT",
        "COMPRESSION",
        "CONNECTION",
        "DELAY_KEY_WRITE",
        "ENCRYPTED",
        "ENCRYPTION",
        "ENCRYPTION_KEY_ID",
        "ENGINE",
        "ENGINE_ATTRIBUTE",
        "INSERT_METHOD",
        "KEY_BLOCK_SIZE",
        "MAX_ROWS",
        "MIN_ROWS",
        "NODEGROUP",
        "PACK_KEYS",
        "PAGE_CHECKSUM",
        "PAGE_COMPRESSED",
        "PAGE_COMPRESSION_LEVEL",
        "PASSWORD",
        "RAID_CHUNKS",
        "RAID_CHUNKSIZE",
        "RAID_TYPE",
        "ROW_FORMAT",
        "SECONDARY_ENGINE",
        "SECONDARY_ENGINE_ATTRIBUTE",
        "SEQUENCE",
        "STATS_AUTO_RECALC",
        "STATS_PERSISTENT",
        "STATS_SAMPLE_PAGES",
        "STORAGE",
        "TABLESPACE",
        "TABLE_CHECKSUM",
        "TRANSACTIONAL",
        "TYPE",
        "ATOMIC_WRITES",
    ];
    // MariaDB shows options of engines with their names in backticks.
    cursor.is_any(&OPTIONS) || (cursor.is_name() && cursor.peek_at(1) == Some(&EQUALS))
}

/// Steps over `PARTITION BY …`, if it starts here: up to the end of the statement or a query.
pub(super) fn partition_by(cursor: &mut Cursor<'_>) -> Result<bool, ParseError> {
    if !cursor.accept_all(&["PARTITION", "BY"]) {
        return Ok(false);
    }
    while !cursor.at_statement_end() && !starts_query(cursor) {
        cursor.skip_one()?;
    }
    Ok(true)
}

/// Whether the query of CREATE TABLE … SELECT starts here.
pub(super) fn starts_query(cursor: &Cursor<'_>) -> bool {
    cursor.is_any(&["SELECT", "AS", "IGNORE", "REPLACE", "TABLE", "VALUES"])
        || (cursor.is_symbol(&LEFT) && (cursor.is_at(1, "SELECT") || cursor.is_at(1, "WITH")))
        || (cursor.is("WITH") && !cursor.is_at(1, "SYSTEM"))
        || (cursor.is_symbol(&LEFT) && cursor.peek_at(1) == Some(&LEFT) && cursor.is_at(2, "SELECT"))
}

/// Names of partitions, or `ALL`: then none.
pub(super) fn partition_names(cursor: &mut Cursor<'_>) -> Result<Vec<String>, ParseError> {
    if cursor.accept("ALL") {
        return Ok(Vec::new());
    }
    let mut names = vec![cursor.identifier()?];
    while cursor.accept_symbol(&COMMA) {
        names.push(cursor.identifier()?);
    }
    Ok(names)
}

/// Steps over `ALGORITHM [=] x`, `LOCK [=] x`, `WAIT n` and `NOWAIT`, if one starts here.
pub(super) fn algorithm(cursor: &mut Cursor<'_>) -> Result<bool, ParseError> {
    if cursor.accept("NOWAIT") {
        return Ok(true);
    }
    if !cursor.accept_any(&["ALGORITHM", "LOCK", "WAIT"]) {
        return Ok(false);
    }
    cursor.accept_symbol(&EQUALS);
    cursor.skip_one()?;
    Ok(true)
}

/// Reads the options of a database.
pub(super) fn database(cursor: &mut Cursor<'_>) -> Result<Charset, ParseError> {
    let mut read = Charset::default();
    while !cursor.at_statement_end() {
        if charset(cursor, &mut read)? {
            continue;
        }
        cursor.accept("DEFAULT");
        if cursor.accept_all(&["READ", "ONLY"]) || cursor.accept_any(&["ENCRYPTION", "COMMENT"]) {
            cursor.accept_symbol(&EQUALS);
            cursor.skip_one()?;
        } else if !cursor.accept_all(&["UPGRADE", "DATA", "DIRECTORY", "NAME"]) {
            return Err(cursor.error("the database option is not known"));
        }
    }
    Ok(read)
}
