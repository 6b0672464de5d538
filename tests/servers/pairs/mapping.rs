//! Rules through the whole river: names, columns, rows, operations, and many tables to one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::river::{Destination, PATIENCE, PROGRAM};
use anyhow::Result;
use slackwater_testkit::{Flavor, Server, Task};

const RULES: &str = r#"
[objects]
include = ["shop_?.*", "plain.*"]

[[mapping]]
match = "shop_*.orders"
database = { regex = "^shop_.$", with = "all_shops" }
columns = { exclude = ["card"], rename = { ref = "reference" } }
add = { source_shop = { value = "${source.database}", key = true } }
filter = "region = 'eu' AND amount >= 10"
merge = true

[[mapping]]
match = "shop_1.log"
table = "${source.table}_archive"
operations = ["insert", "ddl"]
"#;

const SCHEMA: &str = "
CREATE DATABASE shop_1; CREATE DATABASE shop_2; CREATE DATABASE plain;
CREATE TABLE shop_1.orders (id INT PRIMARY KEY, region VARCHAR(8), amount DECIMAL(8,2), card VARCHAR(20), ref INT, UNIQUE (ref));
CREATE TABLE shop_2.orders LIKE shop_1.orders;
CREATE TABLE shop_1.log (id INT PRIMARY KEY, what VARCHAR(20));
CREATE TABLE plain.t (id INT PRIMARY KEY, v INT);
";

const CHANGES: &str = "
INSERT INTO shop_1.orders VALUES (1, 'EU', 10, 'secret', 1), (2, 'us', 50, 'secret', 2), (3, 'eu', 9.99, 'secret', 3), (4, 'eu', 99, 'secret', 4), (5, NULL, 99, 'secret', 5);
INSERT INTO shop_2.orders VALUES (1, 'eu', 20, 'secret', 1), (4, 'us', 1, 'secret', 4);
UPDATE shop_1.orders SET region = 'eu' WHERE id = 2;
UPDATE shop_1.orders SET amount = 1 WHERE id = 4;
UPDATE shop_1.orders SET amount = amount + 1, card = 'other' WHERE id IN (1, 3);
DELETE FROM shop_2.orders WHERE id = 4;
UPDATE shop_2.orders SET id = 7 WHERE id = 1;
INSERT INTO shop_1.log VALUES (1, 'a'), (2, 'b');
UPDATE shop_1.log SET what = 'changed' WHERE id = 1;
DELETE FROM shop_1.log WHERE id = 2;
TRUNCATE shop_1.log;
ALTER TABLE shop_1.log ADD COLUMN more INT;
INSERT INTO shop_1.log VALUES (3, 'c', 30);
INSERT INTO plain.t VALUES (1, 1);
";

/// All rows that the destination has to have, a line each.
const ORDERS: &str = "1 EU 11.00 1 shop_1\n2 eu 50.00 2 shop_1\n3 eu 10.99 3 shop_1\n7 eu 20.00 1 shop_2";
const LOG: &str = "1 a NULL\n2 b NULL\n3 c 30";

fn task(source: &Server, destination: &Destination, directory: &std::path::Path) -> Result<Task> {
    let toml = format!(
        "start = \"earliest\"\n[source]\ntype = \"mysql\"\nhosts = [\"127.0.0.1:{}\"]\nuser = \"root\"\npassword = \"\"\n{}{RULES}",
        source.port(),
        destination.section()
    );
    Task::new(PROGRAM, directory, &toml)
}

fn lines(destination: &Destination, database: &str, table: &str, order: &str) -> Result<String> {
    match destination {
        Destination::Server(server) => {
            let rows = slackwater_testkit::query_rows(
                &mut server.conn()?,
                &format!("SELECT * FROM `{database}`.`{table}` ORDER BY {order}"),
            )?;
            let cell = |cell: &Option<Vec<u8>>| {
                cell.as_ref().map_or("NULL".to_owned(), |text| String::from_utf8_lossy(text).into_owned())
            };
            let line = |row: &Vec<Option<Vec<u8>>>| row.iter().map(cell).collect::<Vec<_>>().join(" ");
            Ok(rows.iter().map(line).collect::<Vec<_>>().join("\n"))
        }
        Destination::Postgres(..) => unreachable!("these rules are about names of MySQL and SQLite"),
        Destination::Sqlite(_) => {
            let connection = rusqlite::Connection::open(destination.file().unwrap())?;
            let name: String = connection.query_row(
                "SELECT name FROM slackwater_table WHERE source_database = ?1 AND source_table = ?2",
                [database, table],
                |row| row.get(0),
            )?;
            let mut statement = connection.prepare(&format!("SELECT * FROM \"{name}\" ORDER BY {order}"))?;
            let columns = statement.column_count();
            let rows = statement.query_map([], |row| {
                let cells: Vec<String> = (0..columns)
                    .map(|place| match row.get_ref(place).unwrap() {
                        rusqlite::types::ValueRef::Null => "NULL".to_owned(),
                        rusqlite::types::ValueRef::Integer(number) => number.to_string(),
                        rusqlite::types::ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
                        other => panic!("{other:?}"),
                    })
                    .collect();
                Ok(cells.join(" "))
            })?;
            Ok(rows.collect::<rusqlite::Result<Vec<_>>>()?.join("\n"))
        }
    }
}

fn rules_are_followed(destination: &Destination) -> Result<()> {
    let source = Server::builder(Flavor::Mysql97).start()?;
    let directory = tempfile::tempdir()?;
    source.exec(SCHEMA)?;
    let mut task = task(&source, destination, directory.path())?;
    source.exec(CHANGES)?;
    task.start()?;
    task.wait_for(&source.end_of_log()?, PATIENCE)?;
    assert_eq!(lines(destination, "all_shops", "orders", "source_shop, id")?, ORDERS, "{}", task.log());
    assert_eq!(lines(destination, "shop_1", "log_archive", "id")?, LOG);
    assert_eq!(lines(destination, "plain", "t", "id")?, "1 1");
    // A statement on a column that the filter reads changes which rows it means.
    source.exec("ALTER TABLE shop_1.orders MODIFY amount BIGINT")?;
    assert!(!task.wait(PATIENCE)?.success());
    let log = task.log();
    assert!(log.contains("changes the column amount, which the filter of [[mapping]] 1"), "{log}");
    assert!(!log.contains("secret"));
    Ok(())
}

#[test]
fn rules_are_followed_to_mariadb() -> Result<()> {
    rules_are_followed(&Destination::server(Flavor::Mariadb1011)?)
}

#[test]
fn rules_are_followed_to_sqlite() -> Result<()> {
    rules_are_followed(&Destination::sqlite()?)
}

/// What is copied is under the same rules: several tables become one, whose keys tell their rows apart.
fn copies_follow_the_rules(destination: &Destination) -> Result<()> {
    let source = Server::builder(Flavor::Mysql97).start()?;
    let directory = tempfile::tempdir()?;
    source.exec(SCHEMA)?;
    source.exec(
        "INSERT INTO shop_1.orders VALUES (1, 'EU', 10, 'secret', 1), (2, 'us', 50, 'secret', 2), (4, 'eu', 99, 'secret', 4); \
         INSERT INTO shop_2.orders VALUES (1, 'eu', 20, 'secret', 1), (4, 'us', 1, 'secret', 4), (5, 'eu', 50, 'secret', 2)",
    )?;
    let mut task = task(&source, destination, directory.path())?;
    let toml = std::fs::read_to_string(task.file())?;
    std::fs::write(task.file(), toml.replace("\"earliest\"", "\"snapshot\""))?;
    task.start()?;
    let deadline = Instant::now() + PATIENCE;
    while task.status().is_none_or(|status| status["phase"] != "tailing") {
        assert!(task.is_running() && Instant::now() < deadline, "{}", task.log());
        thread::sleep(Duration::from_millis(50));
    }
    assert!(!task.log().contains(" WARN "), "{}", task.log());
    let copied = "1 EU 10.00 1 shop_1\n1 eu 20.00 1 shop_2\n4 eu 99.00 4 shop_1\n5 eu 50.00 2 shop_2";
    assert_eq!(lines(destination, "all_shops", "orders", "id, source_shop")?, copied);
    // Found by the whole key.
    source.exec(
        "UPDATE shop_2.orders SET amount = 21, ref = 9 WHERE id = 1; DELETE FROM shop_1.orders WHERE id = 4",
    )?;
    task.wait_for(&source.end_of_log()?, PATIENCE)?;
    let changed = "1 EU 10.00 1 shop_1\n1 eu 21.00 9 shop_2\n5 eu 50.00 2 shop_2";
    assert_eq!(lines(destination, "all_shops", "orders", "id, source_shop")?, changed);
    if let Destination::Server(server) = destination {
        let keys = "SELECT GROUP_CONCAT(INDEX_NAME, '.', COLUMN_NAME ORDER BY NON_UNIQUE, INDEX_NAME, SEQ_IN_INDEX) \
                    FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = 'all_shops' AND NON_UNIQUE = 0";
        let expected = "PRIMARY.id,PRIMARY.source_shop,ref.reference,ref.source_shop";
        assert_eq!(server.query_string(keys)?.as_deref(), Some(expected));
    }
    Ok(())
}

#[test]
fn copies_follow_the_rules_to_mariadb() -> Result<()> {
    copies_follow_the_rules(&Destination::server(Flavor::Mariadb1011)?)
}

#[test]
fn copies_follow_the_rules_to_sqlite() -> Result<()> {
    copies_follow_the_rules(&Destination::sqlite()?)
}

/// `slackwater check` says what becomes of each table, and what cannot be.
#[test]
fn the_precheck_shows_what_becomes_of_each_table() -> Result<()> {
    let source = Server::builder(Flavor::Mysql97).arg("--binlog-row-image=MINIMAL").start()?;
    source.exec(SCHEMA)?;
    source.exec("CREATE TABLE shop_2.log LIKE shop_1.log; CREATE TABLE shop_2.LOG LIKE shop_1.log")?;
    let destination = Destination::sqlite()?;
    let directory = tempfile::tempdir()?;
    let task = task(&source, &destination, directory.path())?;
    let output = task.command(&["check", "--json"]).output()?;
    let report: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let object = |source: &str| {
        let objects = report["objects"].as_array().unwrap();
        objects.iter().find(|object| object["source"] == source).unwrap().clone()
    };
    assert_eq!(object("shop_1.log")["destination"], "shop_1.log_archive");
    let orders = object("shop_2.orders");
    assert_eq!(orders["destination"], "all_shops.orders");
    let changes: Vec<_> =
        orders["changes"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    assert_eq!(
        changes,
        [
            "column ref is called reference",
            "column source_shop is added: 'shop_2'",
            "column card is left out",
            "rows by the filter of [[mapping]] 1 (match = \"shop_*.orders\")"
        ]
    );
    let codes: Vec<_> = report["mapping"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["code"].as_str().unwrap())
        .collect();
    assert_eq!(codes, ["mapping.case", "mapping.row_image"], "{report:#}");
    // The same without `merge` is a collision.
    let text = std::fs::read_to_string(task.file())?.replace("merge = true\n", "");
    std::fs::write(task.file(), text.replace("amount >= 10", "amonut >= 10"))?;
    let output = task.command(&["check"]).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.contains("the table shop_1.orders has no column amonut (character 19 of the filter)"),
        "{text}"
    );
    Ok(())
}
