//! Loading copies of tables into MySQL and MariaDB.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::sync::Arc;

use crate::changes::{Change::Insert, *};
use crate::mysql::mysql_values::{Case, cases, lines};
use slackwater::{
    config::destination::MysqlDestination,
    destinations::{Destination, load::Loader, mysql::Mysql},
};
use slackwater_decoders::{event::Event, schema::*, value::*};
use slackwater_testkit::{Flavor, Server};

const FLAVORS: [Flavor; 2] = [Flavor::Mysql97, Flavor::Mariadb1011];

async fn opened(server: &Server) -> Mysql {
    // Another test of this process may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let section = format!("host = '127.0.0.1:{}'\nuser = 'root'", server.port());
    let mut destination = Mysql::new("orders", toml::from_str::<MysqlDestination>(&section).unwrap());
    destination.open().await.unwrap();
    destination
}

async fn load(
    loader: &mut dyn Loader,
    table: &Arc<Table>,
    rows: Vec<Row>,
    again: bool,
) -> slackwater::error::Result<()> {
    let batch = batch_of(table, 10, &rows.into_iter().map(Insert).collect::<Vec<_>>());
    let [Event::Rows(rows)] = batch.events() else { panic!("one event") };
    loader.load(rows, again).await
}

/// How often statements of that kind ran.
fn count(server: &Server, kind: &str) -> u64 {
    let found = lines(server, &format!("SHOW GLOBAL STATUS LIKE 'Com_{kind}'"));
    found[0].rsplit('|').next().unwrap().parse().unwrap()
}

/// What a file of text could get wrong.
fn special_cases() -> Vec<Case> {
    use ColumnType as T;
    const BYTES: &[u8] = &{
        let mut bytes = [0; 256];
        let mut place = 0;
        while place < 256 {
            bytes[place] = place as u8;
            place += 1;
        }
        bytes
    };
    const TYPED: Json<'_> = Json {
        text: "{\"d\": 1.50, \"t\": \"a\\tb\\\\n\"}",
        typed: &[TypedScalar { path: "$.d", value: Value::Decimal("1.50") }],
    };
    vec![
        (T::VarChar(40), Value::Text("\t\n\\\r\0\u{1a}'\",;\u{7f} "), "", ""),
        (T::VarChar(40), Value::Text("\\N"), "", ""),
        (T::VarChar(40), Value::Text("N"), "", ""),
        (T::VarChar(40), Value::Text("NULL"), "", ""),
        (T::VarChar(40), Value::Text(""), "", ""),
        (T::Char(40), Value::Text("\u{10FFFF}\u{FFFD}\u{2028}"), "", ""),
        (T::VarChar(40), Value::Null, "", ""),
        (T::Blob(65_535), Value::Binary(BYTES), "", ""),
        (T::Binary(4), Value::Binary(b"a\0"), "", ""),
        (T::VarBinary(40), Value::Null, "", ""),
        (T::Bits(9), Value::Null, "", ""),
        (T::Bits(9), Value::Bits(Bits { length: 9, bytes: &[1, 0x31] }), "", ""),
        (T::Json, Value::Json(&TYPED), "", ""),
        (T::Json, Value::Json(&Json { text: "[\"\\\\\", \"\\n\\t\u{1F600}\", 1.0]", typed: &[] }), "", ""),
        (T::Float, Value::Float(-0.0), "", ""),
        (T::Double, Value::Double(5e-324), "", ""),
        (
            T::Enum(vec!["2".into(), "1".into(), "a\tb\\".into()]),
            Value::Enum(Enum { index: 2, label: None }),
            "",
            "",
        ),
        (
            T::Enum(vec!["2".into(), "1".into(), "a\tb\\".into()]),
            Value::Enum(Enum { index: 3, label: None }),
            "",
            "",
        ),
        (T::Set(vec!["x".into(), "1".into()]), Value::Set(&Set { mask: 1, labels: None }), "", ""),
        (T::Vector(2), Value::Vector(&[0, 0, 0x80, 0x3f, 0x0a, 0, 0, 0x40]), "", ""),
        (T::Time(2), Value::Time(Time { micros: -10_000, precision: 2 }), "", ""),
    ]
}

/// Each value in a table of its own, so that none decides the form of another one. They are loaded, and applied as changes of the
/// log are, which the tests of the destination compare with what the server has to say of them.
#[tokio::test]
async fn every_value_is_loaded_as_it_is_applied() {
    for flavor in FLAVORS {
        let server = Server::builder(flavor).arg("--performance-schema=OFF").start().unwrap();
        let mut destination = opened(&server).await;
        let mut cases = cases();
        cases.extend(special_cases());
        let text =
            [("latin1_swedish_ci", "é\t€"), ("utf8mb3_general_ci", "é\n"), ("sjis_japanese_ci", "ソ表\\")];
        let mut tables: Vec<(Column, Value<'static>)> = Vec::new();
        tables.extend(cases.iter().map(|(kind, value, ..)| (Column::new("v", kind.clone()), *value)));
        tables.extend(text.map(|(collation, text)| (text_column("v", 9, collation), Value::Text(text))));
        let rows = |value: Value<'static>| vec![vec![int(1), Some(value)], vec![int(2), Some(Value::Null)]];
        let named = |name: &str, column: &Column| {
            table(name, vec![Column::new("id", INT), column.clone()], &[0], &[])
        };
        for (place, (column, value)) in tables.iter().enumerate() {
            let log: Vec<_> = rows(*value).into_iter().map(Insert).collect();
            let applied = named(&format!("applied{place}"), column);
            destination.apply(&changes(&applied, &log), Some(&checkpoint(place as u64))).await.unwrap();
        }
        for form in ["file", "insert"] {
            server
                .exec(&format!("SET GLOBAL local_infile = {}", if form == "file" { "ON" } else { "OFF" }))
                .unwrap();
            let mut loader = destination.loader().await.unwrap();
            let (files, inserts) = (count(&server, "load"), count(&server, "insert"));
            for (place, (column, value)) in tables.iter().enumerate() {
                let loaded = named(&format!("{form}{place}"), column);
                load(&mut *loader, &loaded, rows(*value), false).await.unwrap();
                // Not known to be there: it is replaced.
                load(&mut *loader, &loaded, rows(*value), true).await.unwrap();
                let content = |name: &str| {
                    lines(
                        &server,
                        &format!("SELECT id, v, HEX(v), LENGTH(v) FROM shop.{name}{place} ORDER BY id"),
                    )
                };
                assert_eq!(content(form), content("applied"), "{flavor:?} {form} {column:?}");
            }
            // The error value of an ENUM, a typed scalar in a document, members without names: these need literals.
            let (files, inserts) = (count(&server, "load") - files, count(&server, "insert") - inserts);
            if form == "file" {
                assert!(
                    files >= 2 * (tables.len() as u64 - 3) && inserts <= 4,
                    "{flavor:?} {files} {inserts}"
                );
            } else {
                assert_eq!(files, 0);
            }
        }
    }
}

#[tokio::test]
async fn what_a_file_would_change_in_silence_is_an_error_or_a_replacement() {
    for flavor in FLAVORS {
        let server = Server::builder(flavor).start().unwrap();
        let mut destination = opened(&server).await;
        let mut loader = destination.loader().await.unwrap();
        server.exec("CREATE DATABASE shop").unwrap();
        // A value that is too long for the column there.
        server.exec("CREATE TABLE shop.t (id INT PRIMARY KEY, v VARCHAR(3), u INT UNIQUE)").unwrap();
        let columns = vec![Column::new("id", INT), text_column("v", 9, "utf8mb4_bin"), Column::new("u", INT)];
        let keyed = table("t", columns, &[0], &[2]);
        let row = |id, v, u| vec![int(id), text(v), int(u)];
        let error =
            load(&mut *loader, &keyed, vec![row(1, "a", 1), row(2, "wxyz", 2)], false).await.unwrap_err();
        assert!(!error.is_transient() && error.to_string().contains("shop.t"), "{error}");
        assert!(!error.to_string().contains("wxyz"), "{error}");
        assert!(lines(&server, "SELECT * FROM shop.t").is_empty());
        // Two rows that had the same unique value at different times of the copy.
        load(&mut *loader, &keyed, vec![row(1, "a", 7), row(2, "b", 7), row(3, "c", 8)], false)
            .await
            .unwrap();
        load(&mut *loader, &keyed, vec![row(3, "d", 8), row(4, "e", 9)], true).await.unwrap();
        assert_eq!(
            lines(&server, "SELECT * FROM shop.t ORDER BY id"),
            ["2|b|7", "3|d|8", "4|e|9"],
            "{flavor:?}"
        );
        // Rows that cannot be told apart are not loaded twice.
        let keyless = table("k", vec![Column::new("id", INT)], &[], &[]);
        load(&mut *loader, &keyless, vec![vec![int(1)], vec![int(1)]], false).await.unwrap();
        assert!(!load(&mut *loader, &keyless, vec![vec![int(1)]], true).await.unwrap_err().is_transient());
        assert_eq!(lines(&server, "SELECT COUNT(*) FROM shop.k"), ["2"]);

        // An empty first value is a field as well.
        let columns = vec![text_column("v", 9, "utf8mb4_bin"), Column::new("id", INT)];
        let led_by_text = table("first", columns, &[1], &[]);
        let rows = vec![vec![text(""), int(1)], vec![text("x"), int(2)], vec![text(""), int(3)]];
        let files = count(&server, "load");
        load(&mut *loader, &led_by_text, rows, false).await.unwrap();
        assert_eq!(lines(&server, "SELECT * FROM shop.first ORDER BY id"), ["|1", "x|2", "|3"]);
        assert_eq!(count(&server, "load"), files + 1, "{flavor:?}");

        server.exec("CREATE TABLE shop.child (id INT, FOREIGN KEY (id) REFERENCES shop.t (id))").unwrap();
        server.exec("INSERT INTO shop.child VALUES (2)").unwrap();
        destination.empty_table(&TableName::new("shop", "t")).await.unwrap();
        assert_eq!(
            lines(&server, "SELECT (SELECT COUNT(*) FROM shop.t), (SELECT COUNT(*) FROM shop.child)"),
            ["0|1"]
        );
    }
}

#[tokio::test]
async fn changes_of_the_log_go_as_a_file_that_is_taken_whole_or_not_at_all() {
    for flavor in FLAVORS {
        let server = Server::builder(flavor).start().unwrap();
        let mut destination = opened(&server).await;
        destination.store_checkpoint(&checkpoint(0)).await.unwrap();
        server.exec("CREATE DATABASE shop").unwrap();
        let columns =
            || vec![Column::new("id", INT), text_column("v", 9, "utf8mb4_bin"), Column::new("u", INT)];
        let row = |id| vec![int(id), text("abc"), int(id)];
        let log: Vec<_> = (0..700).map(|id| Insert(row(id))).collect();
        let all = |name: &str| lines(&server, &format!("SELECT * FROM shop.{name} ORDER BY id"));
        let expected: Vec<_> = (0..700).map(|id| format!("{id}|abc|{id}")).collect();

        let files = count(&server, "load");
        let new = table("new", columns(), &[0], &[2]);
        destination.apply(&changes(&new, &log), Some(&checkpoint(1))).await.unwrap();
        assert_eq!(all("new"), expected);
        assert_eq!(count(&server, "load"), files + 1, "{flavor:?}");

        // A row with a key of the file, and one with a unique value of it: the file's rows take their places.
        server.exec("CREATE TABLE shop.old (id INT PRIMARY KEY, v VARCHAR(9), u INT UNIQUE)").unwrap();
        server.exec("INSERT INTO shop.old VALUES (5, 'x', 1000), (2000, 'y', 300)").unwrap();
        let old = table("old", columns(), &[0], &[2]);
        destination.apply(&changes(&old, &log), Some(&checkpoint(2))).await.unwrap();
        assert_eq!(all("old"), expected);
        assert_eq!(count(&server, "load"), files + 2, "{flavor:?}");

        // A file would cut the values.
        server.exec("CREATE TABLE shop.short (id INT PRIMARY KEY, v VARCHAR(2), u INT)").unwrap();
        let short = table("short", columns(), &[0], &[]);
        let error = destination.apply(&changes(&short, &log), Some(&checkpoint(3))).await.unwrap_err();
        assert!(!error.is_transient() && error.to_string().contains("shop.short"), "{error}");
        assert!(!error.to_string().contains("abc"), "{error}");
        let standing = destination.open().await.unwrap().unwrap();
        assert_eq!(standing.checkpoint, checkpoint(2));
        assert!(all("short").is_empty());

        // A server that takes no files.
        server.exec("SET GLOBAL local_infile = OFF").unwrap();
        let none = table("none", columns(), &[0], &[2]);
        destination.apply(&changes(&none, &log), Some(&checkpoint(3))).await.unwrap();
        assert_eq!(all("none"), expected);
    }
}
