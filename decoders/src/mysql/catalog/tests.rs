//! What the comparison with real servers (`tests/servers/mysql/ddl_catalog` of the daemon) cannot see.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use super::{Catalog, NameCase, Settings, Snapshot};
use crate::{
    event::SchemaChange,
    mysql::ddl::{Context, parse},
    schema::TableName,
};

const COLLATION: Option<&str> = Some("utf8mb4_general_ci");

fn run(catalog: &mut Catalog, statement: &str) -> Vec<SchemaChange> {
    let context = Context { mariadb: catalog.settings().mariadb, ..Context::mysql() };
    catalog.apply(&parse(statement, &context).expect(statement), "d", COLLATION).expect(statement)
}

fn names(catalog: &Catalog, table: &str) -> Vec<String> {
    let table = catalog.get(&TableName::new("d", table)).expect("table");
    table.columns.iter().map(|column| column.name.clone()).collect()
}

/// As MariaDB 10.11 writes them into table map events.
#[test]
fn row_versions_stay_behind_all_other_columns() {
    let mut catalog = Catalog::new(Settings { mariadb: true, ..Settings::default() });
    run(&mut catalog, "CREATE TABLE sv (a INT PRIMARY KEY) WITH SYSTEM VERSIONING");
    assert_eq!(names(&catalog, "sv"), ["a", "row_start", "row_end"]);
    run(&mut catalog, "ALTER TABLE sv ADD b INT");
    run(&mut catalog, "ALTER TABLE sv ADD c INT AFTER a");
    assert_eq!(names(&catalog, "sv"), ["a", "c", "b", "row_start", "row_end"]);
    run(&mut catalog, "ALTER TABLE sv DROP SYSTEM VERSIONING");
    assert_eq!(names(&catalog, "sv"), ["a", "c", "b"]);
    run(&mut catalog, "CREATE TABLE p (a INT)");
    run(&mut catalog, "ALTER TABLE p ADD SYSTEM VERSIONING, ADD z INT");
    assert_eq!(names(&catalog, "p"), ["a", "z", "row_start", "row_end"]);
}

#[test]
fn columns_tell_where_they_come_from() {
    let mut catalog = Catalog::default();
    run(&mut catalog, "CREATE TABLE t (a INT, b INT, c INT, d INT)");
    let change = "ALTER TABLE t DROP a, ADD a INT FIRST, RENAME COLUMN b TO c, RENAME COLUMN c TO b, MODIFY d INT AFTER a";
    let changes = run(&mut catalog, change);
    let [SchemaChange::AlterTable { columns_from, .. }] = changes.as_slice() else { panic!("{changes:?}") };
    assert_eq!(names(&catalog, "t"), ["a", "d", "c", "b"]);
    assert_eq!(*columns_from, [None, Some(3), Some(1), Some(2)]);
}

#[test]
fn what_is_not_known_is_said_to_be_unknown() {
    let mut catalog = Catalog::default();
    let unknown = |changes: Vec<SchemaChange>| matches!(changes.as_slice(), [SchemaChange::Unknown { .. }]);
    assert!(unknown(run(&mut catalog, "ALTER TABLE t ADD a INT")));
    assert!(unknown(run(&mut catalog, "CREATE TABLE t LIKE other.t")));
    assert!(unknown(run(&mut catalog, "CREATE TABLE t AS SELECT 1")));
    let renamed = run(&mut catalog, "RENAME TABLE t TO u");
    assert!(matches!(renamed.as_slice(), [SchemaChange::RenameTable { .. }]));
    assert!(run(&mut catalog, "TRUNCATE u").is_empty(), "no definition is concerned");
    assert!(catalog.is_empty());
}

#[test]
fn a_statement_that_does_not_fit_changes_nothing() {
    let mut catalog = Catalog::default();
    run(&mut catalog, "CREATE TABLE t (a INT)");
    let before = catalog.snapshot();
    for text in ["ALTER TABLE t DROP b", "ALTER TABLE t ADD a INT", "CREATE UNIQUE INDEX i ON t (b)"] {
        let statement = parse(text, &Context::mysql()).expect(text);
        assert!(catalog.apply(&statement, "d", COLLATION).is_err(), "{text}");
        assert_eq!(catalog.snapshot(), before);
    }
}

#[test]
fn names_compare_as_the_server_is_set() {
    let found = |name_case| {
        let mut catalog = Catalog::new(Settings { name_case, ..Settings::default() });
        run(&mut catalog, "CREATE TABLE D.Tab (a INT)");
        catalog.get(&TableName::new("d", "tab")).map(|table| table.name.to_string())
    };
    assert_eq!(found(NameCase::Exact), None);
    assert_eq!(found(NameCase::Lowered).as_deref(), Some("d.tab"));
    assert_eq!(found(NameCase::Folded).as_deref(), Some("D.Tab"));
}

#[test]
fn a_snapshot_is_the_whole_catalog() {
    let mut catalog = Catalog::default();
    run(&mut catalog, "CREATE DATABASE d CHARACTER SET latin1");
    run(&mut catalog, "CREATE TABLE t (a INT PRIMARY KEY, b VARCHAR(5) UNIQUE, KEY (b))");
    let kept = serde_json::to_string(&catalog.snapshot()).expect("JSON");
    let snapshot: Snapshot = serde_json::from_str(&kept).expect("a snapshot");
    let mut restored = Catalog::from_snapshot(Settings::default(), snapshot);
    assert_eq!(restored.snapshot(), catalog.snapshot());
    run(&mut restored, "CREATE TABLE u (a VARCHAR(5))");
    let table = restored.get(&TableName::new("d", "u")).expect("table");
    assert_eq!(table.columns[0].charset.as_deref(), Some("latin1"));
}
