//! A server's own CREATE TABLE, read for all that it says: `SHOW CREATE TABLE` of MySQL and MariaDB.
//!
//! [`parse`](super::parse) reads the same statement for what decides how rows are read. What is here is for creating the
//! table elsewhere.

use super::{
    Context, ParseError, comments, default, key,
    tokens::{COMMA, Cursor, EQUALS, LEFT, RIGHT},
};
use crate::schema::{
    TableName,
    definition::{Check, ColumnDetails, ForeignKey, Indexed, Key, KeyKind, KeyPart, TableDetails},
};

/// Reads what `SHOW CREATE TABLE` shows of a table of the database `database`.
///
/// # Errors
/// What is not understood, and where.
pub fn table_details(statement: &str, database: &str, context: &Context) -> Result<TableDetails, ParseError> {
    let text = comments::expand(statement, context)?;
    let mut cursor = Cursor::new(&text, context)?;
    cursor.expect("CREATE")?;
    cursor.expect("TABLE")?;
    cursor.object_name()?;
    let mut details = TableDetails::default();
    cursor.expect_symbol(&LEFT)?;
    loop {
        element(&mut cursor, database, &mut details)?;
        if !cursor.accept_symbol(&COMMA) {
            break;
        }
    }
    cursor.expect_symbol(&RIGHT)?;
    options(&mut cursor, &mut details)?;
    Ok(details)
}

fn element(cursor: &mut Cursor<'_>, database: &str, details: &mut TableDetails) -> Result<(), ParseError> {
    if !key::starts(cursor) {
        details.columns.push(column(cursor)?);
        return Ok(());
    }
    let start = cursor.place();
    if cursor.accept_all(&["PERIOD", "FOR"]) {
        skip_element(cursor)?;
        details.periods.push(cursor.since(start).to_owned());
        return Ok(());
    }
    let mut name = None;
    if cursor.accept("CONSTRAINT") && !cursor.is_any(&["PRIMARY", "UNIQUE", "FOREIGN", "CHECK"]) {
        name = Some(cursor.identifier()?);
    }
    if cursor.accept("CHECK") {
        let expression = in_parentheses(cursor)?;
        let enforced = !cursor.accept_all(&["NOT", "ENFORCED"]);
        cursor.accept("ENFORCED");
        details.checks.push(Check { name, expression, enforced, native: None });
    } else if cursor.accept_all(&["FOREIGN", "KEY"]) {
        details.foreign_keys.push(foreign_key(cursor, name.unwrap_or_default(), database)?);
    } else {
        let mut key = index(cursor, name)?;
        key.native = without_gaps(cursor.since(start));
        details.keys.push(key);
    }
    Ok(())
}

/// The text without what opened comments leave: spaces outside of quotes are one each.
fn without_gaps(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let (mut quote, mut escaped) = (None, false);
    for c in text.chars() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some('\'' | '"') if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if matches!(c, '\'' | '"' | '`') => quote = Some(c),
            None if c == ' ' && kept.ends_with(' ') => continue,
            None => {}
        }
        kept.push(c);
    }
    kept.truncate(kept.trim_end().len());
    kept
}

/// Steps over the rest of an element.
fn skip_element(cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
    while !cursor.is_symbol(&COMMA) && !cursor.is_symbol(&RIGHT) {
        cursor.skip_one()?;
    }
    Ok(())
}

/// What the parentheses that start here hold.
fn in_parentheses(cursor: &mut Cursor<'_>) -> Result<String, ParseError> {
    let place = cursor.place();
    cursor.skip_parentheses()?;
    let text = cursor.since(place);
    Ok(text.strip_prefix('(').and_then(|text| text.strip_suffix(')')).unwrap_or(text).trim().to_owned())
}

fn column(cursor: &mut Cursor<'_>) -> Result<ColumnDetails, ParseError> {
    let mut column = ColumnDetails { name: cursor.identifier()?, ..ColumnDetails::default() };
    let start = cursor.place();
    while !cursor.is_symbol(&COMMA) && !cursor.is_symbol(&RIGHT) {
        if cursor.accept("COMMENT") {
            column.comment = Some(cursor.string()?);
        } else if cursor.accept_all(&["ON", "UPDATE"]) {
            column.on_update = Some(default::expression(cursor)?);
        } else if cursor.accept("INVISIBLE") {
            column.invisible = true;
        } else if cursor.accept("COMPRESSED") {
            column.compressed = true;
        } else if cursor.accept_any(&["SRID", "REF_SYSTEM_ID"]) {
            cursor.accept_symbol(&EQUALS);
            column.srid = Some(cursor.number::<u32>()?.to_string());
        } else if cursor.accept("CHECK") {
            column.check = Some(in_parentheses(cursor)?);
        } else {
            cursor.skip_one()?;
        }
    }
    column.native = without_gaps(cursor.since(start));
    Ok(column)
}

fn index(cursor: &mut Cursor<'_>, constraint: Option<String>) -> Result<Key, ParseError> {
    let kind = if cursor.accept("PRIMARY") {
        KeyKind::Primary
    } else if cursor.accept("UNIQUE") {
        KeyKind::Unique
    } else if cursor.accept("FULLTEXT") {
        KeyKind::FullText
    } else if cursor.accept("SPATIAL") {
        KeyKind::Spatial
    } else if cursor.accept("VECTOR") {
        KeyKind::Vector
    } else {
        KeyKind::Plain
    };
    cursor.accept_any(&["KEY", "INDEX"]);
    let mut name = if kind == KeyKind::Primary { Some("PRIMARY".to_owned()) } else { constraint };
    if !cursor.is_symbol(&LEFT) {
        name = Some(cursor.identifier()?);
    }
    let mut key = Key {
        kind,
        name: name.unwrap_or_default(),
        parts: parts(cursor)?,
        visible: true,
        comment: None,
        method: None,
        parser: None,
        condition: None,
        native: String::new(),
    };
    while !cursor.is_symbol(&COMMA) && !cursor.is_symbol(&RIGHT) {
        if cursor.accept("COMMENT") {
            key.comment = Some(cursor.string()?);
        } else if cursor.accept("USING") {
            key.method = Some(cursor.identifier()?);
        } else if cursor.accept_all(&["WITH", "PARSER"]) {
            key.parser = Some(cursor.identifier()?);
        } else if cursor.accept_any(&["INVISIBLE", "IGNORED"]) {
            key.visible = false;
        } else {
            cursor.skip_one()?;
        }
    }
    Ok(key)
}

fn parts(cursor: &mut Cursor<'_>) -> Result<Vec<KeyPart>, ParseError> {
    cursor.expect_symbol(&LEFT)?;
    let mut parts = Vec::new();
    loop {
        let mut part = KeyPart { of: Indexed::Column(String::new()), prefix: None, descending: false };
        if cursor.is_symbol(&LEFT) {
            part.of = Indexed::Expression(in_parentheses(cursor)?);
        } else {
            let name = cursor.identifier()?;
            if cursor.accept_all(&["WITHOUT", "OVERLAPS"]) {
                part.of = Indexed::Period(name);
            } else {
                part.of = Indexed::Column(name);
                part.prefix =
                    if cursor.is_symbol(&LEFT) { Some(cursor.number_in_parentheses()?) } else { None };
            }
        }
        cursor.accept("ASC");
        part.descending = cursor.accept("DESC");
        parts.push(part);
        if !cursor.accept_symbol(&COMMA) {
            break;
        }
    }
    cursor.expect_symbol(&RIGHT)?;
    Ok(parts)
}

fn names(cursor: &mut Cursor<'_>) -> Result<Vec<String>, ParseError> {
    cursor.expect_symbol(&LEFT)?;
    let mut names = vec![cursor.identifier()?];
    while cursor.accept_symbol(&COMMA) {
        names.push(cursor.identifier()?);
    }
    cursor.expect_symbol(&RIGHT)?;
    Ok(names)
}

fn foreign_key(cursor: &mut Cursor<'_>, name: String, database: &str) -> Result<ForeignKey, ParseError> {
    let columns = names(cursor)?;
    cursor.expect("REFERENCES")?;
    let table = cursor.object_name()?;
    let mut key = ForeignKey {
        name,
        columns,
        references: TableName::new(table.database.unwrap_or_else(|| database.to_owned()), table.name),
        referenced: names(cursor)?,
        on_delete: None,
        on_update: None,
        native: None,
    };
    while cursor.accept("ON") {
        let delete = cursor.accept("DELETE");
        if !delete {
            cursor.expect("UPDATE")?;
        }
        let place = cursor.place();
        if !cursor.accept_any(&["SET", "NO"]) {
            cursor.expect_any(&["CASCADE", "RESTRICT"])?;
        } else {
            cursor.expect_any(&["NULL", "DEFAULT", "ACTION"])?;
        }
        let action = Some(cursor.since(place).to_owned());
        *(if delete { &mut key.on_delete } else { &mut key.on_update }) = action;
    }
    Ok(key)
}

fn options(cursor: &mut Cursor<'_>, details: &mut TableDetails) -> Result<(), ParseError> {
    while !cursor.at_statement_end() {
        let start = cursor.place();
        if cursor.is_all(&["PARTITION", "BY"]) {
            cursor.skip_all();
            details.partitions = Some(cursor.since(start).trim_end().to_owned());
            return Ok(());
        }
        if cursor.accept_all(&["WITH", "SYSTEM", "VERSIONING"]) {
            details.system_versioned = true;
            continue;
        }
        if cursor.accept_any(&["TABLESPACE", "STORAGE"]) {
            let name = cursor.since(start).to_ascii_uppercase();
            let place = cursor.place();
            cursor.skip_one()?;
            details.options.push((name, cursor.since(place).to_owned()));
            continue;
        }
        let mut words = Vec::new();
        while !cursor.is_symbol(&EQUALS) {
            words.push(cursor.identifier()?.to_ascii_uppercase());
        }
        cursor.expect_symbol(&EQUALS)?;
        let place = cursor.place();
        if cursor.is_string() {
            cursor.string()?;
        } else {
            cursor.skip_one()?;
        }
        details.options.push((words.join(" "), cursor.since(place).to_owned()));
        cursor.accept_symbol(&COMMA);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;

    /// As MySQL 9.7 shows it.
    const MYSQL: &str = "CREATE TABLE `t` (
  `id` int NOT NULL AUTO_INCREMENT,
  `s` varchar(20) COLLATE utf8mb4_bin DEFAULT 'a /* b */  , c' COMMENT 'it''s  ) hard',
  `i` int DEFAULT '7' /*!80023 INVISIBLE */,
  `p` point NOT NULL /*!80003 SRID 4326 */,
  `u` timestamp NULL DEFAULT NULL ON UPDATE CURRENT_TIMESTAMP,
  `g` int GENERATED ALWAYS AS ((`i` + 1)) VIRTUAL,
  PRIMARY KEY (`id`),
  UNIQUE KEY `s` (`s`(5) DESC,`i`) USING BTREE COMMENT 'five',
  KEY `e` ((lower(`s`))) /*!80000 INVISIBLE */,
  FULLTEXT KEY `f` (`s`) /*!50100 WITH PARSER `ngram` */ ,
  CONSTRAINT `up` FOREIGN KEY (`i`) REFERENCES `other`.`u` (`id`, `j`) ON DELETE SET NULL ON UPDATE CASCADE,
  CONSTRAINT `c` CHECK ((`i` > 0)) /*!80016 NOT ENFORCED */
) ENGINE=InnoDB AUTO_INCREMENT=12 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_ai_ci COMMENT='x = ''y'''
/*!50100 PARTITION BY RANGE (`id`)
(PARTITION p0 VALUES LESS THAN (10) ENGINE = InnoDB) */";

    #[test]
    fn mysql_is_read_with_its_executable_comments() {
        let context = Context { version: 90_704, ..Context::mysql() };
        let details = table_details(MYSQL, "shop", &context).unwrap();
        let columns = &details.columns;
        assert_eq!(columns[1].comment.as_deref(), Some("it's  ) hard"));
        assert_eq!(
            columns[1].native,
            "varchar(20) COLLATE utf8mb4_bin DEFAULT 'a /* b */  , c' COMMENT 'it''s  ) hard'"
        );
        assert_eq!((columns[2].invisible, columns[2].native.as_str()), (true, "int DEFAULT '7' INVISIBLE"));
        assert_eq!(columns[3].srid.as_deref(), Some("4326"));
        assert_eq!(columns[4].on_update.as_deref(), Some("CURRENT_TIMESTAMP"));
        let unique = &details.keys[1];
        assert_eq!((unique.kind, unique.name.as_str()), (KeyKind::Unique, "s"));
        assert_eq!((unique.parts[0].prefix, unique.parts[0].descending), (Some(5), true));
        assert_eq!((unique.method.as_deref(), unique.comment.as_deref()), (Some("BTREE"), Some("five")));
        assert_eq!(details.keys[2].parts[0].of, Indexed::Expression("lower(`s`)".to_owned()));
        assert!(!details.keys[2].visible);
        assert_eq!(details.keys[3].parser.as_deref(), Some("ngram"));
        let foreign = &details.foreign_keys[0];
        assert_eq!((foreign.references.clone(), foreign.referenced.len()), (TableName::new("other", "u"), 2));
        assert_eq!(foreign.on_delete.as_deref(), Some("SET NULL"));
        assert!(!details.checks[0].enforced && details.checks[0].expression == "(`i` > 0)");
        assert_eq!(
            (details.option("AUTO_INCREMENT"), details.option("COMMENT")),
            (Some("12"), Some("'x = ''y'''"))
        );
        assert!(details.partitions.unwrap().ends_with("ENGINE = InnoDB)"));
    }

    #[test]
    fn mariadb_is_read_with_periods_and_versions() {
        let statement = "CREATE TABLE `t` (\n  `id` int(11) NOT NULL,\n  `c` varchar(9) /*M!100301 COMPRESSED*/ DEFAULT NULL,\n  \
             `j` longtext DEFAULT NULL CHECK (json_valid(`j`)),\n  `a` date NOT NULL,\n  `b` date NOT NULL,\n  \
             UNIQUE KEY `u` (`id`,`p` WITHOUT OVERLAPS),\n  KEY `k` (`c`) IGNORED,\n  PERIOD FOR `p` (`a`, `b`)\n) \
             ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin `PAGE_COMPRESSED`=1 WITH SYSTEM VERSIONING";
        let context = Context { version: 110_802, ..Context::mariadb() };
        let details = table_details(statement, "shop", &context).unwrap();
        assert!(details.columns[1].compressed);
        assert_eq!(details.columns[2].check.as_deref(), Some("json_valid(`j`)"));
        assert_eq!(details.keys[0].parts[1].of, Indexed::Period("p".to_owned()));
        assert!(!details.keys[1].visible && details.system_versioned);
        assert_eq!(details.periods, ["PERIOD FOR `p` (`a`, `b`)"]);
        assert_eq!(details.option("PAGE_COMPRESSED"), Some("1"));
    }

    #[test]
    fn what_is_no_definition_is_refused() {
        for statement in [
            "",
            "CREATE TABLE t",
            "CREATE TABLE t (a int",
            "CREATE VIEW v AS SELECT 1",
            "CREATE TABLE t (a int) X",
        ] {
            assert!(table_details(statement, "shop", &Context::mysql()).is_err(), "{statement}");
        }
    }
}
