//! The SQLite destination: what a file holds after changes, replays and statements.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::{path::Path, sync::Arc};

use crate::changes::{
    Change::{Delete, Insert, Update},
    *,
};
use rusqlite::Connection;
use slackwater::{
    config::{OnRowError, destination::SqliteDestination},
    destinations::{Checkpoint, Completeness, Destination, load::Loader, sqlite::Sqlite},
    error::Result,
};
use slackwater_decoders::{
    batch::Batch,
    event::{Event, SchemaChange},
    schema::{Column, ColumnType, Table, TableName, UniqueKey},
    value::{Json, JsonDiff, JsonDiffOperation, JsonDiffStep, Value},
};

const BIG: ColumnType = ColumnType::Integer { bytes: 8, unsigned: true };

/// A table of these columns.
fn typed(name: &str, columns: &[(&str, ColumnType)], primary_key: &[u16], unique: &[u16]) -> Arc<Table> {
    table(
        name,
        columns.iter().map(|(name, kind)| Column::new(*name, kind.clone())).collect(),
        primary_key,
        unique,
    )
}

async fn opened(path: &Path) -> Sqlite {
    let mut destination = Sqlite::new("orders", SqliteDestination::at(path));
    destination.open().await.unwrap();
    destination
}

/// The rows of a query, each as SQLite prints its values with their storage classes.
fn query(path: &Path, sql: &str) -> Vec<String> {
    let connection = Connection::open(path).unwrap();
    let mut statement = connection.prepare(sql).unwrap();
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| {
        let cells: Vec<_> = (0..columns)
            .map(|place| match row.get_ref(place).unwrap() {
                rusqlite::types::ValueRef::Null => "NULL".to_owned(),
                rusqlite::types::ValueRef::Integer(number) => number.to_string(),
                rusqlite::types::ValueRef::Real(number) => format!("{number:?}"),
                rusqlite::types::ValueRef::Text(text) => format!("'{}'", String::from_utf8_lossy(text)),
                rusqlite::types::ValueRef::Blob(bytes) => format!("x{bytes:02x?}"),
            })
            .collect();
        Ok(cells.join("|"))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

#[tokio::test]
async fn values_that_sqlite_would_change_survive() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let table = typed(
        "t",
        &[
            ("id", BIG),
            ("d", ColumnType::Double),
            ("n", ColumnType::Decimal { precision: 65, scale: 2 }),
            ("s", ColumnType::VarChar(9)),
        ],
        &[0],
        &[],
    );
    let batch = changes(
        &table,
        &[
            Insert(vec![
                Some(Value::UInt(u64::MAX)),
                Some(Value::Double(-0.0)),
                Some(Value::Decimal("-12345678901234567890.10")),
                text("0123"),
            ]),
            Insert(vec![
                Some(Value::UInt(7)),
                Some(Value::Double(0.1)),
                Some(Value::Decimal("1.00")),
                text("1e5"),
            ]),
        ],
    );
    let mut destination = opened(&path).await;
    destination.apply(&batch, Some(&checkpoint(1))).await.unwrap();
    assert_eq!(
        query(&path, "SELECT * FROM t ORDER BY id"),
        ["7|0.1|'1.00'|'1e5'", "'18446744073709551615'|-0.0|'-12345678901234567890.10'|'0123'"]
    );
    destination
        .apply(
            &changes(&table, &[Delete(vec![Some(Value::UInt(u64::MAX)), None, None, None])]),
            Some(&checkpoint(2)),
        )
        .await
        .unwrap();
    assert_eq!(query(&path, "SELECT id FROM t"), ["7"]);
}

#[tokio::test]
async fn applying_a_log_again_from_its_start_ends_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let table = typed("t", &[("id", INT), ("u", INT), ("name", ColumnType::VarChar(9))], &[0], &[1]);
    // A unique value that wanders through a temporary one, a row that takes another's key, and one that goes.
    let log = [
        Insert(vec![int(1), int(10), text("a")]),
        Insert(vec![int(2), int(20), text("b")]),
        Insert(vec![int(3), int(30), text("c")]),
        Update(vec![int(1), int(10), text("a")], vec![int(1), int(-1), text("a")]),
        Update(vec![int(2), int(20), text("b")], vec![int(2), int(10), text("b")]),
        Update(vec![int(1), int(-1), text("a")], vec![int(1), int(20), text("a")]),
        Delete(vec![int(3), int(30), text("c")]),
        Update(vec![int(2), int(10), text("b")], vec![int(3), int(10), text("B")]),
    ];
    let expected = ["1|20|'a'", "3|10|'B'"];
    let mut destination = opened(&path).await;
    for pass in 1..=2 {
        destination.apply(&changes(&table, &log), Some(&checkpoint(pass))).await.unwrap();
        assert_eq!(query(&path, "SELECT * FROM t ORDER BY id"), expected, "pass {pass}");
    }
    // From every place in between, as well.
    for from in 0..log.len() {
        let passed = changes(&table, log.get(from..).unwrap());
        destination.apply(&passed, Some(&checkpoint(9))).await.unwrap();
        assert_eq!(query(&path, "SELECT * FROM t ORDER BY id"), expected, "from {from}");
    }
}

#[tokio::test]
async fn equal_rows_without_a_key_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let table = typed("t", &[("rowid", ColumnType::VarChar(9)), ("d", ColumnType::Double)], &[], &[]);
    let row = |name, number| vec![text(name), Some(Value::Double(number))];
    let batch = changes(
        &table,
        &[
            Insert(row("a", 1.0)),
            Insert(row("a", 1.0)),
            Insert(row("A", 1.0)),
            Insert(row("a ", 1.0)),
            Insert(vec![Some(Value::Null), Some(Value::Double(0.0))]),
            Insert(vec![Some(Value::Null), Some(Value::Null)]),
            Delete(row("a", 1.0)),
            Update(row("A", 1.0), row("B", 2.0)),
            Delete(vec![Some(Value::Null), Some(Value::Null)]),
        ],
    );
    let mut destination = opened(&path).await;
    destination.apply(&batch, Some(&checkpoint(1))).await.unwrap();
    assert_eq!(query(&path, "SELECT * FROM t ORDER BY oid"), ["'a'|1.0", "'B'|2.0", "'a '|1.0", "NULL|0.0"]);
    let error = destination.apply(&changes(&table, &[Delete(row("x", 1.0))]), None).await.unwrap_err();
    assert!(!error.is_transient());
    assert!(
        error.to_string().contains("shop.t") && error.to_string().contains("binlog.000001:120"),
        "{error}"
    );
}

#[tokio::test]
async fn nothing_is_visible_before_the_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let table = typed("t", &[("id", INT)], &[], &[]);
    let mut destination = opened(&path).await;
    destination.apply(&changes(&table, &[Insert(vec![int(1)])]), Some(&checkpoint(1))).await.unwrap();
    destination.apply(&changes(&table, &[Insert(vec![int(2)])]), None).await.unwrap();
    assert_eq!(query(&path, "SELECT id FROM t"), ["1"]);
    // The process dies here; the next one starts from the checkpoint.
    drop(destination);
    let mut destination = Sqlite::new("orders", SqliteDestination::at(&path));
    assert_eq!(destination.open().await.unwrap(), Some(checkpoint(1).into()));
    destination.apply(&changes(&table, &[Insert(vec![int(2)])]), None).await.unwrap();
    destination.rollback().await.unwrap();
    destination.apply(&changes(&table, &[Insert(vec![int(2)])]), Some(&checkpoint(2))).await.unwrap();
    assert_eq!(query(&path, "SELECT id FROM t"), ["1", "2"]);
}

#[tokio::test]
async fn an_older_generation_cannot_write() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let table = typed("t", &[("id", INT)], &[], &[]);
    let mut destination = opened(&path).await;
    destination.store_checkpoint(&Checkpoint { generation: 2, ..checkpoint(5) }).await.unwrap();
    let error =
        destination.apply(&changes(&table, &[Insert(vec![int(1)])]), Some(&checkpoint(6))).await.unwrap_err();
    assert!(!error.is_transient() && error.to_string().contains("superseded"), "{error}");
    assert_eq!(destination.open().await.unwrap().unwrap().checkpoint.generation, 2);
    assert!(query(&path, "SELECT name FROM sqlite_master WHERE name = 't'").is_empty());
}

#[tokio::test]
async fn a_partial_image_changes_what_it_has() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let table = typed("t", &[("id", INT), ("a", INT), ("b", INT)], &[0], &[]);
    let mut destination = opened(&path).await;
    let batch = changes(
        &table,
        &[
            Insert(vec![int(1), int(2), int(3)]),
            Insert(vec![int(5), None, int(6)]),
            Update(vec![int(1), None, None], vec![int(4), None, Some(Value::Null)]),
        ],
    );
    destination.apply(&batch, Some(&checkpoint(1))).await.unwrap();
    assert_eq!(query(&path, "SELECT * FROM t ORDER BY id"), ["4|2|NULL", "5|NULL|6"]);
    let gone = changes(&table, &[Update(vec![int(77), None, None], vec![None, int(1), None])]);
    assert!(!destination.apply(&gone, None).await.unwrap_err().is_transient());
}

#[tokio::test]
async fn a_changed_definition_takes_the_rows_along() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let before =
        typed("t", &[("id", INT), ("gone", INT), ("n", INT), ("d", ColumnType::DateTime(0))], &[0], &[]);
    let mut after = Table::clone(&before);
    after.columns = vec![
        Column { nullable: false, ..Column::new("added", ColumnType::Decimal { precision: 9, scale: 2 }) },
        Column::new("id", BIG),
        Column::new("number", ColumnType::VarChar(3)),
        Column::new("d", ColumnType::DateTime(3)),
    ];
    after.primary_key = vec![1];
    after.unique_keys = vec![UniqueKey { name: "u".into(), columns: vec![2], partial: false }];
    let alter = || {
        let columns_from = vec![None, Some(0), Some(2), Some(3)];
        statement(
            "",
            500,
            vec![SchemaChange::AlterTable {
                before: Arc::clone(&before),
                after: Arc::new(after.clone()),
                columns_from,
            }],
        )
    };
    let mut destination = opened(&path).await;
    let row = |id, n| Insert(vec![int(id), int(0), int(n), text("2024-02-29 12:00:00")]);
    destination.apply(&changes(&before, &[row(1, 123), row(2, 4567)]), Some(&checkpoint(1))).await.unwrap();
    Connection::open(&path).unwrap().execute_batch("CREATE INDEX mine ON t (d)").unwrap();

    let error = destination.apply(&alter(), Some(&checkpoint(2))).await.unwrap_err().to_string();
    assert!(error.contains("column n ") && error.contains("binlog.000001:500"), "{error}");
    destination.open().await.unwrap();
    destination
        .apply(&changes(&before, &[Delete(vec![int(2), None, None, None])]), Some(&checkpoint(2)))
        .await
        .unwrap();
    for pass in 3..=4 {
        destination.apply(&alter(), Some(&checkpoint(pass))).await.unwrap();
        assert_eq!(query(&path, "SELECT * FROM t"), ["'0.00'|1|'123'|'2024-02-29 12:00:00.000'"]);
    }
    assert_eq!(query(&path, "SELECT count(*) FROM sqlite_master WHERE name = 'mine'"), ["1"]);
}

#[tokio::test]
async fn tables_of_two_databases_are_not_mixed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let first = typed("t", &[("id", INT)], &[0], &[]);
    let second = Arc::new(Table { name: TableName::new("crm", "T"), ..Table::clone(&first) });
    let mut destination = opened(&path).await;
    destination.apply(&changes(&first, &[Insert(vec![int(1)])]), Some(&checkpoint(1))).await.unwrap();
    let error =
        destination.apply(&changes(&second, &[Insert(vec![int(2)])]), None).await.unwrap_err().to_string();
    assert!(
        error.contains("shop.t") && error.contains("crm.T") && error.contains("destination.name"),
        "{error}"
    );
    let config = SqliteDestination {
        name: "{database}_{table}".into(),
        ..SqliteDestination::at(dir.path().join("b.db"))
    };
    let mut destination = Sqlite::new("orders", config);
    destination.open().await.unwrap();
    for table in [&first, &second] {
        destination.apply(&changes(table, &[Insert(vec![int(2)])]), Some(&checkpoint(1))).await.unwrap();
    }
    assert_eq!(query(&dir.path().join("b.db"), "SELECT * FROM shop_t JOIN crm_t USING (id)"), ["2"]);
}

#[tokio::test]
async fn names_can_be_swapped_and_databases_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let (a, b) = (typed("a", &[("id", INT)], &[0], &[]), typed("b", &[("id", INT)], &[0], &[]));
    let mut destination = opened(&path).await;
    for (table, id) in [(&a, 1), (&b, 2)] {
        destination.apply(&changes(table, &[Insert(vec![int(id)])]), Some(&checkpoint(1))).await.unwrap();
    }
    let name = |table: &str| TableName::new("shop", table);
    let rename = |from, to| SchemaChange::RenameTable { from: name(from), to: name(to) };
    let swap = statement("", 500, vec![rename("a", "tmp"), rename("b", "a"), rename("tmp", "b")]);
    destination.apply(&swap, Some(&checkpoint(2))).await.unwrap();
    assert_eq!(query(&path, "SELECT a.id, b.id FROM a, b"), ["2|1"]);
    destination
        .apply(
            &statement("", 500, vec![SchemaChange::DropDatabase { database: "shop".into() }]),
            Some(&checkpoint(3)),
        )
        .await
        .unwrap();
    assert_eq!(query(&path, "SELECT count(*) FROM sqlite_master WHERE name IN ('a', 'b')"), ["0"]);
}

#[tokio::test]
async fn a_partial_document_is_applied_to_the_one_in_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let table = typed("t", &[("id", INT), ("j", ColumnType::Json)], &[0], &[]);
    const STEPS: &[JsonDiffStep<'_>] = &[JsonDiffStep {
        operation: JsonDiffOperation::Replace,
        path: "$.a[0]",
        value: Some(&Json { text: "\"x'\"", typed: &[] }),
    }];
    const BEFORE: Json<'_> = Json { text: "{\"a\": [1, 18446744073709551615], \"d\": 1.50}", typed: &[] };
    let log = [
        Insert(vec![int(1), Some(Value::Json(&BEFORE))]),
        Update(vec![int(1), None], vec![None, Some(Value::JsonDiff(&JsonDiff { steps: STEPS }))]),
    ];
    let mut destination = opened(&path).await;
    destination.apply(&changes(&table, &log), Some(&checkpoint(1))).await.unwrap();
    assert_eq!(query(&path, "SELECT * FROM t"), ["1|'{\"a\": [\"x'\", 18446744073709551615], \"d\": 1.50}'"]);
}

async fn load(loader: &mut Box<dyn Loader>, block: &Batch, again: bool) -> Result<()> {
    let [Event::Rows(rows)] = block.events() else { panic!("a block is one event of rows") };
    loader.load(rows, again).await
}

#[tokio::test]
async fn the_checkpoint_says_how_complete_the_file_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    // The table as the version before had it.
    Connection::open(&path)
        .unwrap()
        .execute_batch(
            "CREATE TABLE slackwater_checkpoint (
                 task TEXT PRIMARY KEY, generation INTEGER NOT NULL, sequence INTEGER NOT NULL,
                 position TEXT NOT NULL, updated_at TEXT NOT NULL) WITHOUT ROWID",
        )
        .unwrap();
    let position = serde_json::to_string(&checkpoint(1).position).unwrap();
    Connection::open(&path)
        .unwrap()
        .execute("INSERT INTO slackwater_checkpoint VALUES ('orders', 1, 1, ?1, '')", [position])
        .unwrap();
    let mut destination = Sqlite::new("orders", SqliteDestination::at(&path));
    assert_eq!(destination.open().await.unwrap(), Some(checkpoint(1).into()));
    let end = checkpoint(77).position;
    for completeness in [Completeness::Copying, Completeness::Converging(end), Completeness::Complete] {
        let stored = Checkpoint { completeness, ..checkpoint(2) };
        destination.store_checkpoint(&stored).await.unwrap();
        assert_eq!(destination.open().await.unwrap(), Some(stored.into()));
    }
}

#[tokio::test]
async fn blocks_are_loaded_once_and_replaced_when_that_is_not_known() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let table = typed("t", &[("id", INT), ("n", INT)], &[0], &[]);
    let mut destination = opened(&path).await;
    let mut loader = destination.loader().await.unwrap();
    let first = block(&table, &[vec![int(1), int(10)], vec![int(2), int(20)]]);
    load(&mut loader, &first, false).await.unwrap();
    // The block is committed, and the other connection can write meanwhile.
    assert_eq!(query(&path, "SELECT * FROM t"), ["1|10", "2|20"]);
    let copying = Checkpoint { completeness: Completeness::Copying, ..checkpoint(1) };
    destination.store_checkpoint(&copying).await.unwrap();
    // A block that is there already is no block to be loaded: nothing of it arrives.
    let second = block(&table, &[vec![int(3), int(30)], vec![int(2), int(21)]]);
    let error = load(&mut loader, &second, false).await.unwrap_err();
    assert!(!error.is_transient() && error.to_string().contains("shop.t"), "{error}");
    assert_eq!(query(&path, "SELECT * FROM t"), ["1|10", "2|20"]);
    load(&mut loader, &second, true).await.unwrap();
    assert_eq!(query(&path, "SELECT * FROM t"), ["1|10", "2|21", "3|30"]);
    destination.empty_table(&table.name).await.unwrap();
    assert_eq!(query(&path, "SELECT count(*) FROM t"), ["0"]);
    load(&mut loader, &first, false).await.unwrap();
    destination.empty_table(&TableName::new("shop", "not_there")).await.unwrap();

    let keyless = typed("k", &[("n", INT)], &[], &[]);
    let rows = block(&keyless, &[vec![int(1)], vec![int(1)]]);
    load(&mut loader, &rows, false).await.unwrap();
    assert!(!load(&mut loader, &rows, true).await.unwrap_err().is_transient());
    assert_eq!(query(&path, "SELECT count(*) FROM k"), ["2"]);
}

#[tokio::test]
async fn unique_indexes_go_with_the_source_s_keys_and_others_stay() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let columns = [("id", INT), ("u", INT), ("s", ColumnType::VarChar(9))];
    let (with_key, without_key) = (typed("t", &columns, &[0], &[1]), typed("t", &columns, &[0], &[]));
    let mut destination = opened(&path).await;
    let mut loader = destination.loader().await.unwrap();
    load(&mut loader, &block(&without_key, &[vec![int(1), int(4), text("a")]]), false).await.unwrap();
    Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE UNIQUE INDEX \"t.u\" ON t (U); CREATE INDEX \"t.by_s\" ON t (s)")
        .unwrap();
    let alter = SchemaChange::AlterTable {
        before: with_key,
        after: without_key,
        columns_from: vec![Some(0), Some(1), Some(2)],
    };
    destination.apply(&statement("", 500, vec![alter]), Some(&checkpoint(1))).await.unwrap();
    let indexes = "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = 't' ORDER BY name";
    assert_eq!(query(&path, indexes), ["'t.by_s'"]);
    assert_eq!(query(&path, "SELECT * FROM t"), ["1|4|'a'"]);
}

#[tokio::test]
async fn a_unique_value_that_moves_between_two_blocks_is_no_obstacle() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let table = typed("t", &[("id", INT), ("u", INT)], &[0], &[1]);
    let mut destination = opened(&path).await;
    let mut loader = destination.loader().await.unwrap();
    // The source: 1 gave its 5 up for 4 behind its block, and 2 took it before its own.
    for row in [vec![int(1), int(5)], vec![int(2), int(5)]] {
        load(&mut loader, &block(&table, &[row]), false).await.unwrap();
    }
    let log = [
        Update(vec![int(1), int(5)], vec![int(1), int(4)]),
        Update(vec![int(2), int(3)], vec![int(2), int(5)]),
    ];
    destination.apply(&changes(&table, &log), Some(&checkpoint(1))).await.unwrap();
    assert_eq!(query(&path, "SELECT * FROM t ORDER BY id"), ["1|4", "2|5"]);
}

#[tokio::test]
async fn the_write_ahead_log_stays_small_during_a_load() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let table = typed("t", &[("id", INT), ("s", ColumnType::Blob(1 << 20))], &[0], &[]);
    let mut destination = opened(&path).await;
    let mut loader = destination.loader().await.unwrap();
    const BYTES: &[u8] = &[7; 1 << 20];
    for number in 0..40 {
        let rows: Vec<_> =
            (0..2).map(|row| vec![int(number * 2 + row), Some(Value::Binary(BYTES))]).collect();
        load(&mut loader, &block(&table, &rows), false).await.unwrap();
    }
    let log = std::fs::metadata(dir.path().join("a.db-wal")).unwrap().len();
    assert!(log < 32 << 20, "{log} bytes for 80 MiB of rows");
}

/// The operator's own table, which takes less than the source's.
async fn strict(path: &Path, on_row_error: OnRowError) -> Sqlite {
    Connection::open(path)
        .unwrap()
        .execute_batch(
            "CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, n INTEGER CHECK (n < 100)) STRICT",
        )
        .unwrap();
    let mut destination = Sqlite::new("orders", SqliteDestination::at(path)).with_row_errors(on_row_error);
    destination.open().await.unwrap();
    destination
}

#[tokio::test]
async fn a_refused_change_stops_the_task_or_becomes_a_dead_letter() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let table = typed("t", &[("id", INT), ("n", INT)], &[0], &[]);
    let log = [
        Insert(vec![int(1), int(10)]),
        Insert(vec![int(2), int(4711)]),
        Insert(vec![int(3), text("x")]),
        Insert(vec![int(5), int(50)]),
    ];
    let mut destination = strict(&path, OnRowError::Stop).await;
    let error = destination.apply(&changes(&table, &log), Some(&checkpoint(1))).await.unwrap_err();
    assert!(!error.is_transient() && !error.to_string().contains("4711"), "{error}");
    assert!(query(&path, "SELECT name FROM sqlite_master WHERE name = 'slackwater_dead_letter'").is_empty());
    drop(destination);

    let mut destination = strict(&path, OnRowError::DeadLetter).await;
    // What is rolled back leaves no letter.
    destination.apply(&changes(&table, &log), None).await.unwrap();
    destination.rollback().await.unwrap();
    assert_eq!(destination.dead_letters(), 0);
    for pass in 1..=2 {
        destination.apply(&changes(&table, &log), Some(&checkpoint(pass))).await.unwrap();
        assert_eq!(
            query(&path, "SELECT * FROM t ORDER BY id"),
            ["1|10", "5|50"],
            "the key stays with its row"
        );
        assert_eq!(destination.dead_letters(), 2, "pass {pass}");
    }
    let letters = query(
        &path,
        r#"SELECT task, database, "table", key, operation, position, change ->> '$.after.n',
                  change ->> '$.op', change ->> '$.source.pos', error LIKE '%onstraint%'
           FROM slackwater_dead_letter ORDER BY id"#,
    );
    let letter = |key, after| {
        format!("'orders'|'shop'|'t'|'{{\"id\":{key}}}'|'c'|'binlog.000001:120'|{after}|'c'|120|1")
    };
    assert_eq!(letters, [letter(2, "4711"), letter(3, "'x'")]);
    // The number lives as long as the letters.
    let mut again = strict(&path, OnRowError::DeadLetter).await;
    assert_eq!(again.dead_letters(), 2);
    let mut loader = again.loader().await.unwrap();
    let rows = block(&table, &[vec![int(6), int(600)], vec![int(7), int(70)]]);
    load(&mut loader, &rows, false).await.unwrap();
    assert_eq!(again.dead_letters(), 3);
    assert!(!load(&mut loader, &rows, false).await.unwrap_err().is_transient(), "7 is there already");
    assert_eq!(again.dead_letters(), 3);
}
