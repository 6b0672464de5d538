//! Reading rows for comparison, with nothing but SELECT: every value as a copy has it, ranges that part a table whatever its key is, and
//! rows by their keys.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::sync::Arc;

use crate::{
    mysql::{
        copying::{Rows, copied, count, expect_same, login, open, root, shop},
        snapshot_reading::keys,
    },
    pairs::type_matrix::{load, tables},
};
use slackwater::{
    config::source::MysqlSource,
    sources::{
        Source,
        mysql::MysqlRows,
        rows::{Part, RowReader},
    },
};
use slackwater_decoders::{
    batch::Batch,
    event::Event,
    schema::Table,
    value::{Cell, Value},
};
use slackwater_testkit::{Flavor, Server, run_statements};

/// A reader with an account that may SELECT and nothing else.
fn reader(server: &Server) -> MysqlRows {
    server.exec("CREATE USER reader@'%'; GRANT SELECT ON shop.* TO reader@'%'").unwrap();
    let config = format!("hosts = ['127.0.0.1:{}']\nuser = 'reader'", server.port());
    let config: MysqlSource = toml::from_str(&config).unwrap();
    MysqlRows::new(config).unwrap()
}

async fn table(rows: &MysqlRows, name: &str) -> Arc<Table> {
    rows.tables(&[shop(name)]).await.unwrap().pop().expect("the table is there")
}

async fn scanned(rows: &MysqlRows, table: &Arc<Table>, part: &Part<'_>) -> Vec<Batch> {
    let mut scan = rows.scan(table, part).await.unwrap();
    let mut batches = Vec::new();
    while let Some(batch) = scan.next().await.unwrap_or_else(|error| panic!("{}: {error}", table.name)) {
        assert!(batch.summary().row_changes <= 4096, "{}", table.name);
        batches.push(batch);
    }
    assert!(scan.next().await.unwrap().is_none());
    batches
}

fn cells(batches: &[Batch]) -> Vec<&[Cell<'_>]> {
    let changes = batches.iter().flat_map(|batch| {
        let [Event::Rows(rows)] = batch.events() else { panic!("one event") };
        rows.changes
    });
    changes.map(|change| change.after().filter(|_| change.before().is_none()).expect("inserts")).collect()
}

fn key_of<'a>(table: &Table, row: &[Cell<'a>]) -> Vec<Value<'a>> {
    table.key().unwrap().iter().map(|place| row[usize::from(*place)].value().unwrap()).collect()
}

fn of_keys(table: &Table, rows: &[&[Cell<'_>]]) -> Vec<String> {
    rows.iter().map(|row| format!("{:?}", key_of(table, row))).collect()
}

fn prepared(server: &Server) -> slackwater_testkit::mysql::Conn {
    server.exec("CREATE DATABASE shop").unwrap();
    let mut connection = server.conn().unwrap();
    run_statements(&mut connection, "SET SESSION sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'")
        .unwrap();
    connection
}

/// Every table parted behind each of its rows, and each row looked up.
async fn parts(flavor: Flavor) {
    let server = Server::builder(flavor).start().unwrap();
    let mut connection = prepared(&server);
    let reader = reader(&server);
    for (name, columns, values) in keys(flavor) {
        let rows: Vec<String> = values.iter().map(|value| format!("({value})")).collect();
        let sql = format!(
            "CREATE TABLE shop.`{name}` {columns}; INSERT INTO shop.`{name}` VALUES {}",
            rows.join(",")
        );
        run_statements(&mut connection, &sql).unwrap();
        let table = table(&reader, name).await;
        assert_eq!(reader.count(&table.name).await.unwrap(), values.len() as u64, "{flavor} {name}");
        let whole = scanned(&reader, &table, &Part::Range { after: None, to: None }).await;
        let whole = cells(&whole);
        assert_eq!(whole.len(), values.len(), "{flavor} {name}");
        assert_eq!(whole[0].len(), table.columns.len());
        let keys: Vec<Vec<Value<'_>>> = whole.iter().map(|row| key_of(&table, row)).collect();
        for place in 0..keys.len() {
            let after = place.checked_sub(1).map(|before| keys[before].as_slice());
            let to = Some(keys[place].as_slice());
            for (part, expected) in [
                (Part::Range { after, to }, &whole[place..=place]),
                (Part::Range { after, to: None }, &whole[place..]),
                (Part::Range { after: None, to }, &whole[..=place]),
                (Part::Range { after: to, to }, &whole[..0]),
            ] {
                let found = scanned(&reader, &table, &part).await;
                let found = of_keys(&table, &cells(&found));
                assert_eq!(found, of_keys(&table, expected), "{flavor} {name} {part:?}");
            }
            let found = [reader.rows(&table, &keys[place..=place]).await.unwrap()];
            assert_eq!(of_keys(&table, &cells(&found)), of_keys(&table, &whole[place..=place]), "{flavor}");
        }
        let found = [reader.rows(&table, &keys[1..]).await.unwrap()];
        let mut found = of_keys(&table, &cells(&found));
        let mut expected = of_keys(&table, &whole[1..]);
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{flavor} {name}");
    }
    text(flavor, &reader).await;
}

/// A text key is the one that the server takes for equal. What its character set does not have is not there, and hides no other.
async fn text(flavor: Flavor, reader: &MysqlRows) {
    let words = table(reader, "words").await;
    let found = [reader.rows(&words, &[vec![Value::Text("A")], vec![Value::Text("c")]]).await.unwrap()];
    assert_eq!(of_keys(&words, &cells(&found)), [r#"[Text("a")]"#], "{flavor}");
    let latin = table(reader, "latin").await;
    let keys = ["😀", "ö", "表"].map(|key| vec![Value::Text(key)]);
    let found = [reader.rows(&latin, &keys).await.unwrap()];
    assert_eq!(of_keys(&latin, &cells(&found)), [r#"[Text("ö")]"#], "{flavor}");
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_and_keys_of_mysql() {
    for flavor in [Flavor::Mysql97, Flavor::Mysql57, Flavor::Mysql56] {
        parts(flavor).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_and_keys_of_mariadb() {
    for flavor in [Flavor::Mariadb1011, Flavor::Mariadb118] {
        parts(flavor).await;
    }
}

/// Every type with its boundary values is read as a copy has it.
#[tokio::test(flavor = "multi_thread")]
async fn values_are_those_of_a_copy() {
    for flavor in [Flavor::Mysql97, Flavor::Mysql56, Flavor::Mariadb118] {
        let mut builder = Server::builder(flavor).arg("--max-allowed-packet=128M");
        if flavor.is_mysql_5() {
            builder = builder.arg("--innodb-log-file-size=256M");
        }
        let server = builder.start().unwrap();
        let mut connection = prepared(&server);
        let reader = reader(&server);
        for (place, matrix) in tables::of(flavor).into_iter().enumerate() {
            let keyed = place % 2 == 0;
            load::create(&mut connection, &matrix.name, &matrix, keyed).unwrap();
            load::change(&mut connection, &matrix.name, &matrix).unwrap();
            let copy = copied(&mut *open(&root(&server), &matrix.name).await, flavor).await;
            let table = table(&reader, &matrix.name).await;
            assert_eq!(table.key().is_some(), keyed);
            let batches = scanned(&reader, &table, &Part::All).await;
            let mut rows = Rows::new();
            cells(&batches).iter().for_each(|row| count(&mut rows, row, flavor, 1));
            expect_same(&format!("{flavor} {}", matrix.name), &copy, &rows);
            assert_eq!(reader.count(&table.name).await.unwrap(), copy.values().sum::<i64>() as u64);
        }
    }
}

/// Many rows, a row of 64 MiB, no rows, and names that are no tables.
#[tokio::test(flavor = "multi_thread")]
async fn large_and_empty_tables() {
    let server = Server::builder(Flavor::Mysql97).arg("--max-allowed-packet=128M").start().unwrap();
    let mut connection = prepared(&server);
    run_statements(
        &mut connection,
        "CREATE TABLE shop.many (a INT, b VARCHAR(9), n INT, PRIMARY KEY (a, b));
         SET SESSION cte_max_recursion_depth = 100000;
         INSERT INTO shop.many WITH RECURSIVE s (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s WHERE n < 29999)
           SELECT n DIV 100, CONCAT('k', n % 100), n FROM s;
         CREATE TABLE shop.large (id INT PRIMARY KEY, v LONGBLOB);
         INSERT INTO shop.large VALUES (1, 'a'), (2, REPEAT('x', 67108864)), (3, NULL);
         CREATE TABLE shop.empty_k (id INT PRIMARY KEY); CREATE TABLE shop.empty_n (id INT)",
    )
    .unwrap();
    let reader = reader(&server);
    let many = table(&reader, "many").await;
    let whole = scanned(&reader, &many, &Part::All).await;
    assert_eq!(cells(&whole).len(), 30_000);
    let keys: Vec<Vec<Value<'_>>> = cells(&whole).iter().map(|row| key_of(&many, row)).collect();
    let found = [reader.rows(&many, &keys[10_000..15_000]).await.unwrap()];
    assert_eq!(cells(&found).len(), 5_000);
    let part = Part::Range { after: Some(&keys[9_999]), to: Some(&keys[24_999]) };
    let found = scanned(&reader, &many, &part).await;
    assert_eq!(of_keys(&many, &cells(&found)), of_keys(&many, &cells(&whole)[10_000..25_000]));

    let large = table(&reader, "large").await;
    let lengths = |batches: &[Batch]| -> Vec<usize> {
        let length = |row: &&[Cell<'_>]| match row[1].value() {
            Some(Value::Binary(bytes)) => bytes.len(),
            _ => 0,
        };
        cells(batches).iter().map(length).collect()
    };
    assert_eq!(lengths(&scanned(&reader, &large, &Part::All).await), [1, 64 << 20, 0]);
    assert_eq!(lengths(&[reader.rows(&large, &[vec![Value::Int(2)]]).await.unwrap()]), [64 << 20]);

    for name in ["empty_k", "empty_n"] {
        let empty = table(&reader, name).await;
        assert!(scanned(&reader, &empty, &Part::All).await.is_empty());
        assert_eq!(reader.count(&empty.name).await.unwrap(), 0);
    }
    let none = reader.rows(&table(&reader, "empty_k").await, &[]).await.unwrap();
    assert!(matches!(none.events(), [Event::Rows(rows)] if rows.changes.is_empty()));
    let found = reader.tables(&[shop("absent"), shop("empty_k")]).await.unwrap();
    assert_eq!(found.iter().map(|table| &*table.name.table).collect::<Vec<_>>(), ["empty_k"]);
    let error = reader.count(&shop("absent")).await.unwrap_err();
    assert!(error.to_string().contains("shop.absent"), "{error}");
    // The account could not have copied a table: that takes the place of its log.
    let copying = login(&server, "reader");
    assert!(copying.end_of_log().await.is_err());
}
