//! `ALTER TABLE` and `ALTER DATABASE`.
//!
//! Source: MySQL reference manual, "ALTER TABLE Statement" and "ALTER TABLE Partition Operations"; MariaDB's
//! "ALTER TABLE".

use super::{
    ParseError, Statement, column, data_type, default, key, options,
    statement::{AlterAction, AlterTable, Charset, Place},
    tokens::{COMMA, Cursor, EQUALS, LEFT, RIGHT},
};

const PRIMARY: &str = "PRIMARY";

pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Option<Statement>, ParseError> {
    let start = cursor.place();
    if !cursor.accept("ALTER") {
        return Ok(None);
    }
    if cursor.accept_any(&["DATABASE", "SCHEMA"]) {
        return database(cursor).map(Some);
    }
    cursor.accept_any(&["ONLINE", "OFFLINE"]);
    cursor.accept("IGNORE");
    if cursor.accept("TABLE") {
        return table(cursor).map(|table| Some(Statement::AlterTable(table)));
    }
    cursor.back(start);
    Ok(None)
}

fn database(cursor: &mut Cursor<'_>) -> Result<Statement, ParseError> {
    let place = cursor.place();
    // Without a name, the options start at once.
    let mut unnamed = Charset::default();
    let starts_option = options::charset(cursor, &mut unnamed)?
        || ((cursor.is("ENCRYPTION") || cursor.is_all(&["READ", "ONLY"]))
            && cursor.peek_at(1).is_some_and(|token| !matches!(token, sqlparser::tokenizer::Token::Word(_))));
    cursor.back(place);
    let name = if starts_option { None } else { Some(cursor.identifier()?) };
    let charset = options::database(cursor)?;
    Ok(Statement::AlterDatabase { name, charset })
}

fn table(cursor: &mut Cursor<'_>) -> Result<AlterTable, ParseError> {
    let if_exists = cursor.accept_all(&["IF", "EXISTS"]);
    let name = cursor.object_name()?;
    while options::algorithm(cursor)? {
        cursor.accept_symbol(&COMMA);
    }
    let mut actions = Vec::new();
    while !cursor.at_statement_end() {
        action(cursor, &mut actions)?;
        cursor.accept_symbol(&COMMA);
    }
    Ok(AlterTable { name, if_exists, actions })
}

fn action(cursor: &mut Cursor<'_>, actions: &mut Vec<AlterAction>) -> Result<(), ParseError> {
    let readers = [partitions, adding, dropping, changing, renaming, altering, charsets, ignored];
    for reader in readers {
        let before = cursor.place();
        if reader(cursor, actions)? {
            return Ok(());
        }
        cursor.back(before);
    }
    Err(cursor.error("the action of ALTER TABLE is not known"))
}

fn other(actions: &mut Vec<AlterAction>, description: &str) {
    actions.push(AlterAction::Other(description.to_owned()));
}

/// `ADD`.
fn adding(cursor: &mut Cursor<'_>, actions: &mut Vec<AlterAction>) -> Result<bool, ParseError> {
    if !cursor.accept("ADD") {
        return Ok(false);
    }
    if cursor.accept_all(&["SYSTEM", "VERSIONING"]) {
        actions.push(AlterAction::SystemVersioning(true));
        return Ok(true);
    }
    let said_column = cursor.accept("COLUMN");
    let if_not_exists = (said_column || !key::starts(cursor)) && cursor.accept_all(&["IF", "NOT", "EXISTS"]);
    if cursor.accept_symbol(&LEFT) {
        add_list(cursor, if_not_exists, actions)?;
    } else if said_column || column::starts(cursor) {
        add_column(cursor, if_not_exists, actions)?;
    } else {
        add_key(cursor, actions)?;
    }
    Ok(true)
}

/// Columns and keys in parentheses.
fn add_list(
    cursor: &mut Cursor<'_>,
    if_not_exists: bool,
    actions: &mut Vec<AlterAction>,
) -> Result<(), ParseError> {
    loop {
        if column::starts(cursor) {
            add_column(cursor, if_not_exists, actions)?;
        } else {
            add_key(cursor, actions)?;
        }
        if !cursor.accept_symbol(&COMMA) {
            break;
        }
    }
    cursor.expect_symbol(&RIGHT)
}

fn add_column(
    cursor: &mut Cursor<'_>,
    if_not_exists: bool,
    actions: &mut Vec<AlterAction>,
) -> Result<(), ParseError> {
    let name = cursor.identifier()?;
    let definition = column::definition(cursor, name)?;
    let place = place(cursor)?;
    actions.push(AlterAction::AddColumn { definition, place, if_not_exists });
    Ok(())
}

fn add_key(cursor: &mut Cursor<'_>, actions: &mut Vec<AlterAction>) -> Result<(), ParseError> {
    let read = key::definition(cursor)?;
    match read.key {
        Some(key) => actions.push(AlterAction::AddKey { key, if_not_exists: read.if_not_exists }),
        None => other(actions, "ADD CONSTRAINT"),
    }
    Ok(())
}

/// `FIRST` or `AFTER column`.
fn place(cursor: &mut Cursor<'_>) -> Result<Place, ParseError> {
    if cursor.accept("FIRST") {
        return Ok(Place::First);
    }
    if cursor.accept("AFTER") { cursor.identifier().map(Place::After) } else { Ok(Place::Unsaid) }
}

/// `DROP`.
fn dropping(cursor: &mut Cursor<'_>, actions: &mut Vec<AlterAction>) -> Result<bool, ParseError> {
    if !cursor.accept("DROP") {
        return Ok(false);
    }
    if cursor.accept_all(&["SYSTEM", "VERSIONING"]) {
        actions.push(AlterAction::SystemVersioning(false));
    } else if cursor.accept_all(&["PRIMARY", "KEY"]) {
        actions.push(AlterAction::DropKey { name: PRIMARY.into(), if_exists: false });
    } else if cursor.accept_all(&["PERIOD", "FOR"]) {
        cursor.identifier()?;
        other(actions, "DROP PERIOD");
    } else if cursor.accept_all(&["FOREIGN", "KEY"]) || cursor.accept("CHECK") {
        cursor.accept_all(&["IF", "EXISTS"]);
        cursor.identifier()?;
        other(actions, "DROP FOREIGN KEY");
    } else if cursor.accept("CONSTRAINT") {
        cursor.accept_all(&["IF", "EXISTS"]);
        actions.push(AlterAction::DropConstraint { name: cursor.identifier()? });
    } else if cursor.accept_any(&["INDEX", "KEY"]) {
        let if_exists = cursor.accept_all(&["IF", "EXISTS"]);
        actions.push(AlterAction::DropKey { name: cursor.identifier()?, if_exists });
    } else {
        cursor.accept("COLUMN");
        let if_exists = cursor.accept_all(&["IF", "EXISTS"]);
        actions.push(AlterAction::DropColumn { name: cursor.identifier()?, if_exists });
        cursor.accept_any(&["RESTRICT", "CASCADE"]);
    }
    Ok(true)
}

/// `CHANGE` and `MODIFY`.
fn changing(cursor: &mut Cursor<'_>, actions: &mut Vec<AlterAction>) -> Result<bool, ParseError> {
    let modify = cursor.accept("MODIFY");
    if !modify && !cursor.accept("CHANGE") {
        return Ok(false);
    }
    cursor.accept("COLUMN");
    let if_exists = cursor.accept_all(&["IF", "EXISTS"]);
    let name = cursor.identifier()?;
    let new_name = if modify { name.clone() } else { cursor.identifier()? };
    let definition = column::definition(cursor, new_name)?;
    let place = place(cursor)?;
    actions.push(AlterAction::ChangeColumn { name, definition, place, if_exists });
    Ok(true)
}

/// `RENAME`.
fn renaming(cursor: &mut Cursor<'_>, actions: &mut Vec<AlterAction>) -> Result<bool, ParseError> {
    if !cursor.accept("RENAME") {
        return Ok(false);
    }
    if cursor.accept("COLUMN") {
        let if_exists = cursor.accept_all(&["IF", "EXISTS"]);
        let from = cursor.identifier()?;
        cursor.expect("TO")?;
        actions.push(AlterAction::RenameColumn { from, to: cursor.identifier()?, if_exists });
    } else if cursor.accept_any(&["INDEX", "KEY"]) {
        let if_exists = cursor.accept_all(&["IF", "EXISTS"]);
        let from = cursor.identifier()?;
        cursor.expect("TO")?;
        actions.push(AlterAction::RenameKey { from, to: cursor.identifier()?, if_exists });
    } else {
        let _ = cursor.accept_any(&["TO", "AS"]) || cursor.accept_symbol(&EQUALS);
        actions.push(AlterAction::Rename(cursor.object_name()?));
    }
    Ok(true)
}

/// `ALTER`: of a column, an index or a constraint.
fn altering(cursor: &mut Cursor<'_>, actions: &mut Vec<AlterAction>) -> Result<bool, ParseError> {
    if !cursor.accept("ALTER") {
        return Ok(false);
    }
    if cursor.accept_any(&["INDEX", "KEY", "CHECK", "CONSTRAINT"]) {
        cursor.accept_all(&["IF", "EXISTS"]);
        cursor.identifier()?;
        cursor.accept("NOT");
        if !cursor.accept_any(&["VISIBLE", "INVISIBLE", "IGNORED", "ENFORCED"]) {
            return Err(cursor.error("VISIBLE, INVISIBLE, IGNORED or ENFORCED is expected"));
        }
        other(actions, "ALTER INDEX");
        return Ok(true);
    }
    cursor.accept("COLUMN");
    cursor.accept_all(&["IF", "EXISTS"]);
    let column = cursor.identifier()?;
    if cursor.accept_all(&["DROP", "DEFAULT"]) {
        actions.push(AlterAction::SetDefault { column, default: None });
        return Ok(true);
    }
    cursor.expect("SET")?;
    if cursor.accept_any(&["VISIBLE", "INVISIBLE"]) {
        other(actions, "ALTER COLUMN SET VISIBLE");
        return Ok(true);
    }
    cursor.expect("DEFAULT")?;
    actions.push(AlterAction::SetDefault { column, default: Some(default::expression(cursor)?) });
    Ok(true)
}

/// `CONVERT TO CHARACTER SET` and the default character set. Both parts of a default are one action.
fn charsets(cursor: &mut Cursor<'_>, actions: &mut Vec<AlterAction>) -> Result<bool, ParseError> {
    let mut charset = Charset::default();
    if cursor.accept_all(&["CONVERT", "TO"]) {
        if !options::charset(cursor, &mut charset)? {
            return Err(cursor.error("CHARACTER SET is expected"));
        }
        if cursor.accept("COLLATE") {
            cursor.accept_symbol(&EQUALS);
            charset.collation = Some(data_type::charset_name(cursor)?);
        }
        actions.push(AlterAction::ConvertCharset(charset));
        return Ok(true);
    }
    let mut found = false;
    while options::charset(cursor, &mut charset)? {
        found = true;
    }
    if found {
        actions.push(AlterAction::DefaultCharset(charset));
    }
    Ok(found)
}

/// Actions and options that touch neither rows nor columns.
fn ignored(cursor: &mut Cursor<'_>, actions: &mut Vec<AlterAction>) -> Result<bool, ParseError> {
    const PLAIN: [&[&str]; 10] = [
        &["FORCE"],
        &["ENABLE", "KEYS"],
        &["DISABLE", "KEYS"],
        &["WITH", "VALIDATION"],
        &["WITHOUT", "VALIDATION"],
        &["SECONDARY_LOAD"],
        &["SECONDARY_UNLOAD"],
        &["REMOVE", "PARTITIONING"],
        &["UPGRADE", "PARTITIONING"],
        &["NOWAIT"],
    ];
    if let Some(words) = PLAIN.iter().find(|words| cursor.is_all(words)) {
        cursor.accept_all(words);
        other(actions, &words.join(" "));
        return Ok(true);
    }
    if cursor.accept_all(&["ORDER", "BY"]) {
        order_by(cursor)?;
        other(actions, "ORDER BY");
        return Ok(true);
    }
    let mut system_versioning = false;
    if options::algorithm(cursor)? || options::table(cursor, &mut system_versioning)? {
        other(actions, "table option");
        return Ok(true);
    }
    if options::partition_by(cursor)? {
        other(actions, "PARTITION BY");
        return Ok(true);
    }
    Ok(false)
}

fn order_by(cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
    loop {
        cursor.object_name()?;
        cursor.accept_any(&["ASC", "DESC"]);
        // A comma may also lead to the next action: another column is a name before a comma, an order or the end.
        let another = cursor.is_symbol(&COMMA)
            && (cursor.peek_at(2).is_none_or(|token| *token == COMMA)
                || cursor.is_at(2, "ASC")
                || cursor.is_at(2, "DESC"));
        if !another {
            return Ok(());
        }
        cursor.expect_symbol(&COMMA)?;
    }
}

/// Partitions and tablespaces.
fn partitions(cursor: &mut Cursor<'_>, actions: &mut Vec<AlterAction>) -> Result<bool, ParseError> {
    // Those that move no rows out of the table.
    for words in [["ADD", "PARTITION"], ["REORGANIZE", "PARTITION"], ["COALESCE", "PARTITION"]] {
        if cursor.accept_all(&words) {
            while !cursor.at_statement_end() {
                cursor.skip_one()?;
            }
            other(actions, &words.join(" "));
            return Ok(true);
        }
    }
    for verb in ["ANALYZE", "CHECK", "OPTIMIZE", "REBUILD", "REPAIR"] {
        if cursor.accept_all(&[verb, "PARTITION"]) {
            skip_local(cursor);
            options::partition_names(cursor)?;
            cursor.accept_any(&["QUICK", "EXTENDED", "USE_FRM", "FAST", "MEDIUM", "CHANGED"]);
            other(actions, &format!("{verb} PARTITION"));
            return Ok(true);
        }
    }
    moving_rows(cursor, actions)
}

fn skip_local(cursor: &mut Cursor<'_>) {
    cursor.accept_any(&["LOCAL", "NO_WRITE_TO_BINLOG"]);
}

/// What removes or brings rows that the log does not have.
fn moving_rows(cursor: &mut Cursor<'_>, actions: &mut Vec<AlterAction>) -> Result<bool, ParseError> {
    let mut other = None;
    let mut partitions = Vec::new();
    let operation = if cursor.accept_all(&["DROP", "PARTITION"]) {
        cursor.accept_all(&["IF", "EXISTS"]);
        partitions = options::partition_names(cursor)?;
        "DROP PARTITION"
    } else if cursor.accept_all(&["TRUNCATE", "PARTITION"]) {
        partitions = options::partition_names(cursor)?;
        "TRUNCATE PARTITION"
    } else if cursor.accept_all(&["EXCHANGE", "PARTITION"]) {
        partitions.push(cursor.identifier()?);
        cursor.expect("WITH")?;
        cursor.expect("TABLE")?;
        other = Some(cursor.object_name()?);
        let _ = cursor.accept_all(&["WITH", "VALIDATION"]) || cursor.accept_all(&["WITHOUT", "VALIDATION"]);
        "EXCHANGE PARTITION"
    } else if cursor.accept_all(&["CONVERT", "PARTITION"]) {
        partitions.push(cursor.identifier()?);
        cursor.expect("TO")?;
        cursor.expect("TABLE")?;
        other = Some(cursor.object_name()?);
        "CONVERT PARTITION"
    } else if cursor.accept_all(&["CONVERT", "TABLE"]) {
        other = Some(cursor.object_name()?);
        cursor.expect("TO")?;
        while !cursor.at_statement_end() {
            cursor.skip_one()?;
        }
        "CONVERT TABLE"
    } else if cursor.accept_all(&["DISCARD", "PARTITION"]) || cursor.accept_all(&["IMPORT", "PARTITION"]) {
        partitions = options::partition_names(cursor)?;
        cursor.expect("TABLESPACE")?;
        "IMPORT TABLESPACE"
    } else if cursor.accept_all(&["DISCARD", "TABLESPACE"]) || cursor.accept_all(&["IMPORT", "TABLESPACE"]) {
        "IMPORT TABLESPACE"
    } else {
        return Ok(false);
    };
    actions.push(AlterAction::Rows { operation: operation.into(), partitions, other });
    Ok(true)
}
