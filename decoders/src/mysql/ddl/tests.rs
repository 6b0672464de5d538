//! Statements as servers log them, after the grammars of the manuals and what schema-change tools issue.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use super::{
    Context, Statement, parse,
    statement::{AlterAction, DataType, KeyKind, ObjectName, OtherKind, Place, TextKind, Xid},
};
use crate::schema::ColumnType;

const ANSI_QUOTES: u64 = 1 << 2;
const NO_BACKSLASH_ESCAPES: u64 = 1 << 20;

fn mysql(statement: &str) -> Statement {
    parse(statement, &Context::mysql()).unwrap_or_else(|error| panic!("{statement}: {error}"))
}

fn mariadb(statement: &str) -> Statement {
    parse(statement, &Context::mariadb()).unwrap_or_else(|error| panic!("{statement}: {error}"))
}

fn name(name: &str) -> ObjectName {
    match name.split_once('.') {
        Some((database, name)) => ObjectName { database: Some(database.into()), name: name.into() },
        None => ObjectName { database: None, name: name.into() },
    }
}

/// The types of the columns of `CREATE TABLE t (…)`.
fn types(columns: &str, context: &Context) -> Vec<DataType> {
    match parse(&format!("CREATE TABLE t ({columns})"), context).expect("understood") {
        Statement::CreateTable(table) => table.columns.into_iter().map(|column| column.data_type).collect(),
        other => panic!("{other:?}"),
    }
}

fn actions(statement: &str) -> Vec<AlterAction> {
    match mysql(statement) {
        Statement::AlterTable(table) => table.actions,
        other => panic!("{other:?}"),
    }
}

#[test]
fn transactions() {
    let xid = |gtrid: &str, bqual: &str, format| Xid { gtrid: gtrid.into(), bqual: bqual.into(), format };
    let cases = [
        ("BEGIN", Statement::Begin),
        ("begin", Statement::Begin),
        ("BEGIN WORK", Statement::Begin),
        ("START TRANSACTION WITH CONSISTENT SNAPSHOT", Statement::Begin),
        ("START TRANSACTION /*!50605 READ ONLY */", Statement::Begin),
        ("COMMIT", Statement::Commit),
        ("COMMIT /* added by a proxy */", Statement::Commit),
        ("ROLLBACK", Statement::Rollback),
        ("ROLLBACK TO `a b`", Statement::RollbackTo("a b".into())),
        ("ROLLBACK WORK TO SAVEPOINT s", Statement::RollbackTo("s".into())),
        ("SAVEPOINT `s``1`", Statement::Savepoint("s`1".into())),
        ("RELEASE SAVEPOINT s", Statement::ReleaseSavepoint("s".into())),
        ("XA START X'61',X'62',1", Statement::XaStart(xid("a", "b", 1))),
        ("XA BEGIN 'a'", Statement::XaStart(xid("a", "", 1))),
        ("XA END X'61',X'',7", Statement::XaEnd(xid("a", "", 7))),
        ("XA PREPARE X'61',X'62',1", Statement::XaPrepare(xid("a", "b", 1))),
        ("XA COMMIT 0x61,0x62,1", Statement::XaCommit { xid: xid("a", "b", 1), one_phase: false }),
        ("XA COMMIT 'a' ONE PHASE", Statement::XaCommit { xid: xid("a", "", 1), one_phase: true }),
        ("XA ROLLBACK X'61',X'62',1", Statement::XaRollback(xid("a", "b", 1))),
    ];
    for (text, expected) in cases {
        assert_eq!(mysql(text), expected, "{text}");
    }
}

#[test]
fn row_changes_by_statement_are_named() {
    let cases: [(&str, &str, &[&str]); 18] = [
        ("INSERT INTO t VALUES (1, 'it''s')", "INSERT", &["t"]),
        ("insert low_priority ignore d.t (a) select 1 from u", "INSERT", &["d.t"]),
        ("REPLACE DELAYED `d`.`t` SET a = 1", "REPLACE", &["d.t"]),
        ("UPDATE t SET a = 1 WHERE b = 2", "UPDATE", &["t"]),
        ("UPDATE IGNORE t AS x JOIN d.u y ON x.a = y.a SET x.b = 1", "UPDATE", &["t", "d.u"]),
        ("UPDATE t, u SET t.a = u.a", "UPDATE", &["t", "u"]),
        ("DELETE FROM t WHERE a = 1 LIMIT 3", "DELETE", &["t"]),
        ("DELETE QUICK t1, d.t2.* FROM t1 JOIN d.t2", "DELETE", &["t1", "d.t2"]),
        ("DELETE FROM t1, t2 USING t1 JOIN t2", "DELETE", &["t1", "t2"]),
        ("LOAD DATA LOCAL INFILE '/tmp/x' REPLACE INTO TABLE d.t FIELDS TERMINATED BY ','", "LOAD", &["d.t"]),
        ("LOAD XML INFILE 'x' INTO TABLE t", "LOAD", &["t"]),
        ("CALL p(1, 'x')", "CALL", &[]),
        ("DO f()", "DO", &[]),
        ("SELECT `d`.`f`(1)", "SELECT", &[]),
        ("WITH x AS (SELECT 1) DELETE FROM t", "WITH", &[]),
        ("(SELECT 1)", "SELECT", &[]),
        ("IMPORT TABLE FROM 'x.sdi'", "IMPORT", &[]),
        ("/* rows: 5 */ INSERT INTO t SELECT * FROM u # end", "INSERT", &["t"]),
    ];
    for (text, verb, tables) in cases {
        let Statement::Data(data) = mysql(text) else { panic!("{text}") };
        assert_eq!(data.verb, verb, "{text}");
        assert_eq!(data.tables, tables.iter().map(|table| name(table)).collect::<Vec<_>>(), "{text}");
    }
}

#[test]
fn what_touches_no_table_is_passed_over() {
    use OtherKind::{Account, Comment, Event, Maintenance, Routine, Sequence, ServerObject, TemporaryTable};
    use OtherKind::{Trigger, Variable, View};
    let cases = [
        ("# Dummy event replacing event type 160 that slave cannot handle.", Comment),
        ("/* only this */", Comment),
        (
            "CREATE ALGORITHM=UNDEFINED DEFINER=`root`@`localhost` SQL SECURITY DEFINER VIEW `v` AS select 1",
            View,
        ),
        ("CREATE OR REPLACE VIEW v AS (SELECT ')' AS a)", View),
        ("ALTER DEFINER='root'@'%' VIEW v AS SELECT 1", View),
        ("DROP VIEW IF EXISTS v, w CASCADE", View),
        (
            "CREATE DEFINER=`a`@`b` TRIGGER `d`.`tr` AFTER UPDATE ON `d`.`t` FOR EACH ROW BEGIN SET @a = 1; END",
            Trigger,
        ),
        ("CREATE TRIGGER IF NOT EXISTS tr BEFORE INSERT ON t FOR EACH ROW SET @a = 1", Trigger),
        ("DROP TRIGGER IF EXISTS d.tr", Trigger),
        ("CREATE DEFINER=root@localhost PROCEDURE `p`() BEGIN DROP TABLE t; END", Routine),
        ("CREATE DEFINER=CURRENT_USER() FUNCTION f() RETURNS INT RETURN 1", Routine),
        ("CREATE AGGREGATE FUNCTION f RETURNS INTEGER SONAME 'x.so'", Routine),
        ("ALTER PROCEDURE p COMMENT 'x'", Routine),
        ("DROP FUNCTION IF EXISTS d.f", Routine),
        ("CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO DELETE FROM t", Event),
        ("ALTER DEFINER=`a`@`b` EVENT e DISABLE", Event),
        ("DROP EVENT e", Event),
        ("CREATE USER 'u'@'%' IDENTIFIED WITH 'mysql_native_password' AS '*ABC' REQUIRE NONE", Account),
        ("ALTER USER IF EXISTS u PASSWORD EXPIRE", Account),
        ("DROP USER u@localhost", Account),
        ("CREATE ROLE r", Account),
        ("GRANT ALL PRIVILEGES ON *.* TO 'u'@'%' WITH GRANT OPTION", Account),
        ("REVOKE INSERT ON d.t FROM u", Account),
        ("RENAME USER a TO b", Account),
        ("SET PASSWORD FOR 'u'@'%'='*ABC'", Account),
        ("SET DEFAULT ROLE ALL TO u", Account),
        ("SET @a = 1", Variable),
        ("ANALYZE TABLE d.t", Maintenance),
        ("OPTIMIZE NO_WRITE_TO_BINLOG TABLE t, u", Maintenance),
        ("REPAIR TABLE t QUICK", Maintenance),
        ("FLUSH PRIVILEGES", Maintenance),
        ("FLUSH LOCAL TABLES t WITH READ LOCK", Maintenance),
        ("CREATE TABLESPACE ts ADD DATAFILE 'ts.ibd' ENGINE = InnoDB", ServerObject),
        ("CREATE UNDO TABLESPACE u ADD DATAFILE 'u.ibu'", ServerObject),
        ("CREATE LOGFILE GROUP lg ADD UNDOFILE 'u.dat' ENGINE NDB", ServerObject),
        ("CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (HOST 'x')", ServerObject),
        ("CREATE RESOURCE GROUP rg TYPE = USER", ServerObject),
        ("CREATE OR REPLACE SPATIAL REFERENCE SYSTEM 4120 NAME 'x'", ServerObject),
        ("INSTALL PLUGIN p SONAME 'p.so'", ServerObject),
        ("CREATE TEMPORARY TABLE tmp SELECT * FROM t", TemporaryTable),
        ("CREATE TEMPORARY TABLE IF NOT EXISTS d.tmp (a INT, b NO_SUCH_TYPE)", TemporaryTable),
        ("CREATE SEQUENCE IF NOT EXISTS s START WITH 5", Sequence),
        ("ALTER SEQUENCE s RESTART 7", Sequence),
        ("DROP SEQUENCE s", Sequence),
    ];
    for (text, kind) in cases {
        let Statement::Other(other) = mysql(text) else { panic!("{text}: {:?}", mysql(text)) };
        assert_eq!(other.kind, kind, "{text}");
    }
    let Statement::Other(trigger) = mysql("CREATE TRIGGER d.tr AFTER DELETE ON e.t FOR EACH ROW SET @a=1")
    else {
        panic!("no trigger")
    };
    assert_eq!((trigger.object, trigger.table), (Some(name("d.tr")), Some(name("e.t"))));
}

#[test]
fn online_schema_change_tools() {
    assert_eq!(
        mysql("rename /* gh-ost */ table `d`.`t` to `d`.`_t_del`, `d`.`_t_gho` to `d`.`t`"),
        Statement::RenameTable {
            pairs: vec![(name("d.t"), name("d._t_del")), (name("d._t_gho"), name("d.t"))]
        }
    );
    let Statement::CreateTable(ghost) = mysql("create /* gh-ost */ table `d`.`_t_gho` like `d`.`t`") else {
        panic!("no table")
    };
    assert_eq!((ghost.name, ghost.like), (name("d._t_gho"), Some(name("d.t"))));
    assert_eq!(
        mysql("DROP TABLE IF EXISTS `_t_old` /* generated by server */"),
        Statement::DropTable { tables: vec![name("_t_old")], if_exists: true, temporary: false }
    );
    assert_eq!(mysql("TRUNCATE TABLE `d`.`t`"), Statement::Truncate(name("d.t")));
}

#[test]
fn the_sql_mode_decides_about_quotes_and_backslashes() {
    let column = |text: &str, mode| {
        let context = Context::mysql().with_sql_mode(mode);
        match parse(text, &context).expect(text) {
            Statement::CreateTable(table) => (table.name.name, table.columns[0].name.clone()),
            other => panic!("{other:?}"),
        }
    };
    let pair = |table: &str, column: &str| (table.to_owned(), column.to_owned());
    assert_eq!(column(r#"CREATE TABLE "a\""" ("c""d" INT)"#, ANSI_QUOTES), pair(r#"a\""#, r#"c"d"#));
    assert_eq!(column(r"CREATE TABLE t (a INT COMMENT '\')", NO_BACKSLASH_ESCAPES), pair("t", "a"));
    assert_eq!(column(r"CREATE TABLE t (a INT COMMENT '\', b INT')", 0), pair("t", "a"));
    assert!(parse(r"CREATE TABLE t (a INT COMMENT '\')", &Context::mysql()).is_err());
    assert!(parse(r#"CREATE TABLE "t" (a INT)"#, &Context::mysql()).is_err());
}

#[test]
fn executable_comments_are_part_of_the_statement() {
    let columns = |text: &str, context: Context| match parse(text, &context).expect(text) {
        Statement::CreateTable(table) => table.columns.len(),
        other => panic!("{other:?}"),
    };
    let text = "CREATE TABLE t (a INT /*!40000 , b INT /* inner */ */ /*!99999 , c INT */ /*! , d INT */ /* , e INT */)";
    assert_eq!(columns(text, Context::mysql()), 4);
    assert_eq!(columns(text, Context { version: 80_036, ..Context::mysql() }), 3);
    let text = "CREATE TABLE t (a INT /*M!100100 , b INT */ /*!50701 , c INT */ /*M!999999 , d INT */)";
    assert_eq!(columns(text, Context { version: 101_106, ..Context::mariadb() }), 2);
    assert_eq!(columns(text, Context { version: 90_700, ..Context::mysql() }), 2);
    assert_eq!(columns("CREATE TABLE t (a INT COMMENT '/*! , b INT */ # -- ')", Context::mysql()), 1);
    assert_eq!(columns("CREATE TABLE t (a INT -- , b INT\n, c INT DEFAULT 5--1\n)", Context::mysql()), 2);
}

#[test]
fn partitions_that_take_rows_along_are_told() {
    let rows = |text: &str| {
        actions(text).into_iter().find_map(|action| match action {
            AlterAction::Rows { operation, partitions, other } => Some((operation, partitions, other)),
            _ => None,
        })
    };
    let some = |operation: &str, partitions: &[&str], other: Option<&str>| {
        let partitions = partitions.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        Some((operation.to_owned(), partitions, other.map(name)))
    };
    assert_eq!(rows("ALTER TABLE t DROP PARTITION p0, p1"), some("DROP PARTITION", &["p0", "p1"], None));
    assert_eq!(rows("ALTER TABLE t TRUNCATE PARTITION ALL"), some("TRUNCATE PARTITION", &[], None));
    assert_eq!(
        rows("ALTER TABLE t EXCHANGE PARTITION p WITH TABLE d.u WITHOUT VALIDATION"),
        some("EXCHANGE PARTITION", &["p"], Some("d.u"))
    );
    assert_eq!(rows("ALTER TABLE t IMPORT TABLESPACE"), some("IMPORT TABLESPACE", &[], None));
    for harmless in [
        "ALTER TABLE t ADD PARTITION (PARTITION p3 VALUES IN (1, 2))",
        "ALTER TABLE t ADD PARTITION PARTITIONS 4",
        "ALTER TABLE t REORGANIZE PARTITION p0, p1 INTO (PARTITION p VALUES LESS THAN MAXVALUE)",
        "ALTER TABLE t REMOVE PARTITIONING",
        "ALTER TABLE t PARTITION BY LIST COLUMNS (a) (PARTITION p VALUES IN ('x'))",
        "ALTER TABLE t ANALYZE PARTITION p0",
    ] {
        assert_eq!(rows(harmless), None, "{harmless}");
    }
}

#[test]
fn actions_keep_their_order() {
    let text = "ALTER TABLE d.t ADD COLUMN IF NOT EXISTS a INT FIRST, DROP COLUMN IF EXISTS b, CHANGE c d INT AFTER `e f`, \
                ADD UNIQUE KEY k (a(3)), ALTER d SET DEFAULT (uuid()), RENAME COLUMN g TO h, DROP PRIMARY KEY, \
                DROP FOREIGN KEY fk, RENAME TO u, ENGINE InnoDB, ALGORITHM = INPLACE, LOCK = NONE";
    let Statement::AlterTable(table) = mariadb(text) else { panic!("no ALTER TABLE") };
    assert_eq!(table.name, name("d.t"));
    assert!(matches!(
        &table.actions[0],
        AlterAction::AddColumn { place: Place::First, if_not_exists: true, .. }
    ));
    assert!(matches!(&table.actions[1], AlterAction::DropColumn { if_exists: true, .. }));
    assert!(
        matches!(&table.actions[2], AlterAction::ChangeColumn { place: Place::After(after), .. } if after == "e f")
    );
    assert!(matches!(&table.actions[3], AlterAction::AddKey { key, .. } if key.kind == KeyKind::Unique));
    assert!(
        matches!(&table.actions[4], AlterAction::SetDefault { default: Some(text), .. } if text == "(uuid())")
    );
    assert!(matches!(&table.actions[5], AlterAction::RenameColumn { .. }));
    assert!(matches!(&table.actions[6], AlterAction::DropKey { name, .. } if name == "PRIMARY"));
    assert!(
        table.actions[7..]
            .iter()
            .all(|action| matches!(action, AlterAction::Other(_) | AlterAction::Rename(_)))
    );
}

#[test]
fn types_that_depend_on_the_mode_or_the_server() {
    let plain = |data_type: &DataType| match data_type {
        DataType::Plain { column_type, .. } => Some(column_type.clone()),
        DataType::Text { .. } => None,
    };
    let first = |columns: &str, context: Context| plain(&types(columns, &context)[0]);
    assert_eq!(first("a REAL", Context::mysql()), Some(ColumnType::Double));
    assert_eq!(first("a REAL", Context::mysql().with_sql_mode(1)), Some(ColumnType::Float));
    assert_eq!(first("a DATE", Context::mariadb().with_sql_mode(1 << 9)), Some(ColumnType::DateTime(0)));
    assert_eq!(
        first("a TIMESTAMP(3)", Context::mysql().with_sql_mode(1 << 12)),
        Some(ColumnType::DateTime(3))
    );
    assert_eq!(first("a JSON", Context::mysql()), Some(ColumnType::Json));
    let json = types("a JSON", &Context::mariadb());
    assert!(matches!(&json[0], DataType::Text { kind: TextKind::Text(u32::MAX), .. }));
    let timestamp = |explicit_defaults_for_timestamp| {
        let context = Context { explicit_defaults_for_timestamp, ..Context::mysql() };
        match parse("CREATE TABLE t (a TIMESTAMP)", &context).expect("understood") {
            Statement::CreateTable(table) => table.columns[0].nullable,
            other => panic!("{other:?}"),
        }
    };
    assert!(timestamp(true));
    assert!(!timestamp(false));
    let names = types(r"a ENUM('it''s', 'a\nb', 'c\%', 'd  ', 0x65), b SET('x', 'ä')", &Context::mysql());
    let expected = ["it's", "a\nb", "c\\%", "d", "e"].map(str::to_owned).to_vec();
    assert!(matches!(&names[0], DataType::Text { kind: TextKind::Enum(names), .. } if *names == expected));
}

#[test]
fn what_is_not_understood_is_an_error_with_its_place() {
    let cases = [
        ("CREATE TABLE t (a INT, b NOSUCHTYPE)", "NOSUCHTYPE"),
        ("CREATE TABLE t (a INT WIBBLE)", "WIBBLE"),
        ("CREATE TABLE t (a INT) WIBBLE", "WIBBLE"),
        ("ALTER TABLE t WIBBLE COLUMN a", "WIBBLE"),
        ("ALTER TABLE t ADD a ENUM('x', 5)", "5)"),
        ("DROP TABLE t WIBBLE", "WIBBLE"),
        ("WIBBLE TABLE t", "WIBBLE"),
        ("CREATE DATABASE d WIBBLE", "WIBBLE"),
        ("RENAME TABLE a INTO b", "INTO"),
        ("CREATE TABLE t (a INT", ""),
        ("XA WIBBLE 'a'", "WIBBLE"),
    ];
    for (text, at) in cases {
        let error = parse(text, &Context::mysql()).expect_err(text);
        let expected = if at.is_empty() { text.len() } else { text.find(at).expect(at) };
        assert_eq!(error.offset, expected, "{text}: {error}");
    }
    let secret = parse("CREATE DATABASE d 'secret'", &Context::mysql()).expect_err("not understood");
    assert!(!secret.to_string().contains("secret"));
    let shifted = "/* ü */ CREATE TABLE `ü` (a INT,\n b NOSUCHTYPE)";
    let error = parse(shifted, &Context::mysql()).expect_err("not understood");
    assert_eq!(error.offset, shifted.find("NOSUCHTYPE").unwrap());
}

mod properties {
    use proptest::prelude::*;

    use crate::mysql::ddl::{Context, parse};

    proptest! {
        /// Whatever a log holds, the parser answers.
        #[test]
        fn any_text_is_answered(words in prop::collection::vec(
            prop_oneof![
                "[ -~\n]{0,6}",
                Just("CREATE TABLE t (".to_owned()),
                Just("ALTER TABLE t ADD ".to_owned()),
                Just("a INT".to_owned()),
                Just(",".to_owned()),
                Just(")".to_owned()),
                Just("/*!40000 ".to_owned()),
                Just("*/".to_owned()),
                Just("ü".to_owned()),
                Just("'".to_owned()),
            ], 0..12), mode in any::<u64>(), mariadb in any::<bool>()) {
            let context = Context { sql_mode: mode, mariadb, ..Context::mysql() };
            let text = words.concat();
            if let Err(error) = parse(&text, &context) {
                prop_assert!(error.offset <= text.len());
            }
        }
    }
}

/// Found by the property: a string without an end inside of a comment that is expanded.
#[test]
fn the_place_of_an_error_is_in_the_statement() {
    let text = "'' ' /*!40000  '\\";
    let error = parse(text, &Context::mysql()).expect_err("it is no statement");
    assert!(error.offset <= text.len(), "{error}");
}
