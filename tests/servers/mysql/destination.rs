//! The MySQL destination against real servers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::sync::Arc;

use crate::changes::{
    Change::{Delete, Insert, Update},
    *,
};
use crate::mysql::mysql_values::{lines, matrix};
use slackwater::{
    config::{OnRowError, destination::MysqlDestination},
    destinations::{Destination, mysql::Mysql},
    error::Kind,
};
use slackwater_decoders::{event::SchemaChange, schema::*, value::*};
use slackwater_testkit::{Flavor, Server};

const FLAVORS: [Flavor; 3] = [Flavor::Mysql97, Flavor::Mysql57, Flavor::Mariadb1011];

async fn opened(server: &Server) -> Mysql {
    // Another test of this process may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config: MysqlDestination =
        toml::from_str(&format!("host = '127.0.0.1:{}'\nuser = 'root'", server.port())).unwrap();
    let mut destination = Mysql::new("orders", config);
    destination.open().await.unwrap();
    destination
}

#[tokio::test]
async fn every_type_is_written_as_it_was() {
    for flavor in FLAVORS {
        let server = Server::builder(flavor).start().unwrap();
        let mut destination = opened(&server).await;
        let (keyed, row, cases) = matrix(&[0]);
        destination.apply(&changes(&keyed, &[Insert(row.clone())]), Some(&checkpoint(1))).await.unwrap();
        for (place, (column_type, _, expression, expected)) in cases.iter().enumerate() {
            // MariaDB prints no sign before a zero, whatever is stored.
            let expected = if *expected == "-0" && flavor.is_mariadb() { "0" } else { expected };
            let sql = format!("SELECT {} FROM shop.t", expression.replace('v', &format!("v{place}")));
            let found = lines(&server, &sql);
            assert_eq!(found, [expected], "{flavor:?} {column_type:?} {sql}");
        }
        // The same row without a key is found by all of its values.
        let (keyless, row, _) = matrix(&[]);
        let keyless = Arc::new(Table { name: TableName::new("shop", "keyless"), ..Table::clone(&keyless) });
        let nulls = row.iter().map(|_| Some(Value::Null)).collect::<Row>();
        let log = [
            Insert(row.clone()),
            Insert(nulls.clone()),
            Insert(row.clone()),
            Update(row.clone(), nulls.clone()),
            Update(nulls.clone(), row.clone()),
            Delete(nulls),
            Delete(row),
        ];
        destination
            .apply(&changes(&keyless, &log), Some(&checkpoint(2)))
            .await
            .unwrap_or_else(|error| panic!("{flavor:?} {error}"));
        assert_eq!(lines(&server, "SELECT COUNT(*), COUNT(id) FROM shop.keyless"), ["1|1"], "{flavor:?}");
        assert_eq!(
            lines(&server, "SELECT COUNT(*) FROM shop.keyless WHERE v5 = 0.10000000149011612e0"),
            ["1"],
            "{flavor:?}"
        );
    }
}

#[tokio::test]
async fn equal_rows_without_a_key_are_counted() {
    for flavor in FLAVORS {
        let server = Server::builder(flavor).start().unwrap();
        let mut destination = opened(&server).await;
        let table = table(
            "t",
            vec![text_column("a", 9, "latin1_swedish_ci"), text_column("b", 9, "utf8mb4_general_ci")],
            &[],
            &[],
        );
        let row = |a, b| vec![text(a), text(b)];
        let log = [
            Insert(row("é", "x")),
            Insert(row("é", "x")),
            Insert(row("e", "x")),
            Insert(row("É", "x")),
            Insert(row("é", "x ")),
            Delete(row("é", "x")),
            Update(row("é", "x "), row("z", "z")),
        ];
        destination.apply(&changes(&table, &log), Some(&checkpoint(1))).await.unwrap();
        let found =
            lines(&server, "SELECT CONVERT(a USING utf8mb4), b FROM shop.t ORDER BY CAST(a AS BINARY)");
        assert_eq!(found, ["e|x", "z|z", "É|x", "é|x"], "{flavor:?}");
        let error = destination
            .apply(&changes(&table, &[Delete(row("É", "X"))]), Some(&checkpoint(2)))
            .await
            .unwrap_err();
        assert!(!error.is_transient() && error.to_string().contains("shop.t"), "{error}");
        assert_eq!(destination.open().await.unwrap(), Some(checkpoint(1).into()));
    }
}

#[tokio::test]
async fn applying_a_log_again_from_any_place_ends_the_same() {
    for flavor in FLAVORS {
        let server = Server::builder(flavor).start().unwrap();
        let mut destination = opened(&server).await;
        for (name, unique) in [("plain", &[][..]), ("unique", &[1][..])] {
            let table = table(
                name,
                vec![
                    text_column("id", 9, "utf8mb4_general_ci"),
                    Column::new("u", INT),
                    Column::new("n", INT),
                ],
                &[0],
                unique,
            );
            let row = |id, u, n| vec![text(id), int(u), int(n)];
            // A unique value that wanders through a temporary one, a key that changes in case alone, one that is taken over.
            let log = [
                Insert(row("a", 10, 0)),
                Insert(row("b", 20, 0)),
                Insert(row("c", 30, 0)),
                Update(row("a", 10, 0), row("a", -1, 0)),
                Update(row("b", 20, 0), row("b", 10, 0)),
                Update(row("a", -1, 0), row("a", 20, 0)),
                Delete(row("c", 30, 0)),
                Update(row("b", 10, 0), row("c", 10, 1)),
                Update(row("a", 20, 0), row("A", 20, 1)),
            ];
            let expected = ["A|20|1", "c|10|1"];
            destination.apply(&changes(&table, &log), Some(&checkpoint(1))).await.unwrap();
            for from in 0..log.len() {
                destination.apply(&changes(&table, &log[from..]), Some(&checkpoint(1))).await.unwrap();
                assert_eq!(
                    lines(&server, &format!("SELECT * FROM shop.`{name}` ORDER BY id")),
                    expected,
                    "{flavor:?} {name} from {from}"
                );
            }
        }
    }
}

#[tokio::test]
async fn data_and_checkpoint_appear_together_and_an_old_generation_cannot_write() {
    let server = Server::builder(Flavor::Mysql97).start().unwrap();
    let table = table("t", vec![Column::new("id", INT)], &[], &[]);
    let one = || changes(&table, &[Insert(vec![int(1)])]);
    let mut destination = opened(&server).await;
    destination.apply(&one(), None).await.unwrap();
    assert_eq!(lines(&server, "SELECT COUNT(*) FROM shop.t"), ["0"]);
    destination.apply(&one(), Some(&checkpoint(1))).await.unwrap();
    assert_eq!(lines(&server, "SELECT COUNT(*) FROM shop.t"), ["2"]);

    // The server dies inside of a transaction.
    destination.apply(&one(), None).await.unwrap();
    server.kill_hard().unwrap();
    let error = destination.apply(&one(), Some(&checkpoint(2))).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    server.restart().unwrap();
    assert_eq!(destination.open().await.unwrap(), Some(checkpoint(1).into()));
    assert_eq!(lines(&server, "SELECT COUNT(*) FROM shop.t"), ["2"]);

    destination
        .store_checkpoint(&slackwater::destinations::Checkpoint { generation: 2, ..checkpoint(3) })
        .await
        .unwrap();
    let error = destination.apply(&one(), Some(&checkpoint(4))).await.unwrap_err();
    assert!(!error.is_transient() && error.to_string().contains("superseded"), "{error}");
    destination.open().await.unwrap();
    assert_eq!(lines(&server, "SELECT COUNT(*) FROM shop.t"), ["2"]);
}

#[tokio::test]
async fn a_small_group_is_one_packet_that_an_old_generation_cannot_commit() {
    for flavor in FLAVORS {
        let server = Server::builder(flavor).start().unwrap();
        let table = table("t", vec![Column::new("id", INT)], &[0], &[]);
        let one = |id| changes(&table, &[Insert(vec![int(id)])]);
        let mut destination = opened(&server).await;
        destination.apply(&one(1), Some(&checkpoint(1))).await.unwrap();
        // Statement by statement, the checkpoint is an UPDATE.
        let statements = "SHOW GLOBAL STATUS WHERE Variable_name IN ('Com_update', 'Com_rollback')";
        let before = lines(&server, statements);
        destination.apply(&one(2), Some(&checkpoint(2))).await.unwrap();
        assert_eq!(lines(&server, statements), before, "{flavor:?}");
        assert_eq!(lines(&server, "SELECT id FROM shop.t"), ["1", "2"]);
        // A row that is there already breaks the packet off.
        destination.apply(&one(2), Some(&checkpoint(3))).await.unwrap();
        assert_ne!(lines(&server, statements), before, "{flavor:?}");

        let mut other = opened(&server).await;
        let later = slackwater::destinations::Checkpoint { generation: 2, ..checkpoint(4) };
        other.store_checkpoint(&later).await.unwrap();
        let error = destination.apply(&one(3), Some(&checkpoint(4))).await.unwrap_err();
        assert!(!error.is_transient() && error.to_string().contains("superseded"), "{flavor:?} {error}");
        assert_eq!(lines(&server, "SELECT id FROM shop.t"), ["1", "2"], "{flavor:?}");
        assert_eq!(other.open().await.unwrap(), Some(later.into()), "{flavor:?}");
    }
}

#[tokio::test]
async fn definitions_are_carried_once() {
    for flavor in FLAVORS {
        let server = Server::builder(flavor).start().unwrap();
        let mut destination = opened(&server).await;
        let before = table("t", vec![Column::new("id", INT), Column::new("a", INT)], &[0], &[]);
        let create =
            "CREATE TABLE t (id INT NOT NULL PRIMARY KEY, a INT, s VARCHAR(9) COLLATE utf8mb4_0900_ai_ci)";
        let mut wide = Table::clone(&before);
        wide.columns.push(text_column("s", 9, "utf8mb4_0900_ai_ci"));
        let wide = Arc::new(wide);
        let created = statement(
            create,
            100,
            vec![SchemaChange::CreateTable { table: Arc::clone(&wide), if_not_exists: false }],
        );
        destination.apply(&created, Some(&checkpoint(1))).await.unwrap();
        destination
            .apply(&changes(&wide, &[Insert(vec![int(1), int(2), text("x")])]), Some(&checkpoint(2)))
            .await
            .unwrap();

        let mut after = Table::clone(&wide);
        after.columns.remove(1);
        after.columns.push(Column { nullable: false, ..Column::new("n", INT) });
        let altered = |offset| {
            let columns_from = vec![Some(0), Some(2), None];
            let change = SchemaChange::AlterTable {
                before: Arc::clone(&wide),
                after: Arc::new(after.clone()),
                columns_from,
            };
            statement("ALTER TABLE t DROP a, ADD n INT NOT NULL DEFAULT 7, ADD KEY (n)", offset, vec![change])
        };
        destination.apply(&altered(200), None).await.unwrap();
        // The task dies after the statement and before its checkpoint.
        assert_eq!(destination.open().await.unwrap(), Some(checkpoint(2).into()));
        // It comes again from another server, in whose log it stands elsewhere.
        destination.apply(&altered(7_200), Some(&checkpoint(3))).await.unwrap();
        assert_eq!(lines(&server, "SELECT * FROM shop.t"), ["1|x|7"], "{flavor:?}");
        assert_eq!(lines(&server, "SELECT pending IS NULL FROM slackwater.slackwater_checkpoint"), ["1"]);

        let name = |table: &str| TableName::new("shop", table);
        let rename = statement(
            "RENAME TABLE t TO t2",
            300,
            vec![SchemaChange::RenameTable { from: name("t"), to: name("t2") }],
        );
        destination.apply(&rename, None).await.unwrap();
        destination.open().await.unwrap();
        destination.apply(&rename, Some(&checkpoint(4))).await.unwrap();
        let drop =
            statement("DROP TABLE t2, other", 400, vec![SchemaChange::DropTable { table: name("t2") }]);
        destination.apply(&drop, Some(&checkpoint(5))).await.unwrap();
        assert!(lines(&server, "SHOW TABLES FROM shop").is_empty());
    }
}

#[tokio::test]
async fn partial_documents_and_images_are_applied() {
    for flavor in FLAVORS {
        let server = Server::builder(flavor).start().unwrap();
        let mut destination = opened(&server).await;
        let table = table(
            "t",
            vec![Column::new("id", INT), Column::new("j", ColumnType::Json), Column::new("n", INT)],
            &[0],
            &[],
        );
        const TYPED: Json<'_> = Json {
            text: "{\"a\": [1, 2], \"d\": 1.50}",
            typed: &[TypedScalar { path: "$.d", value: Value::Decimal("1.50") }],
        };
        const STEPS: &[JsonDiffStep<'_>] = &[
            JsonDiffStep {
                operation: JsonDiffOperation::Replace,
                path: "$.a[0]",
                value: Some(&Json { text: "\"x'\"", typed: &[] }),
            },
            JsonDiffStep {
                operation: JsonDiffOperation::Insert,
                path: "$.a[1]",
                value: Some(&Json { text: "{}", typed: &[] }),
            },
            JsonDiffStep {
                operation: JsonDiffOperation::Insert,
                path: "$.n",
                value: Some(&Json { text: "null", typed: &[] }),
            },
            JsonDiffStep { operation: JsonDiffOperation::Remove, path: "$.d", value: None },
        ];
        destination
            .apply(
                &changes(&table, &[Insert(vec![int(1), Some(Value::Json(&TYPED)), int(5)])]),
                Some(&checkpoint(1)),
            )
            .await
            .unwrap();
        if !flavor.is_mariadb() {
            assert_eq!(
                lines(&server, "SELECT j, JSON_TYPE(j->'$.d') FROM shop.t"),
                ["{\"a\": [1, 2], \"d\": 1.50}|DECIMAL"],
                "{flavor:?}"
            );
        }
        let partial = [Update(
            vec![int(1), None, None],
            vec![None, Some(Value::JsonDiff(&JsonDiff { steps: STEPS })), None],
        )];
        destination.apply(&changes(&table, &partial), Some(&checkpoint(2))).await.unwrap();
        assert_eq!(
            lines(&server, "SELECT * FROM shop.t"),
            ["1|{\"a\": [\"x'\", {}, 2], \"n\": null}|5"],
            "{flavor:?}"
        );
        // The same values again still find the row.
        let same = [Update(vec![int(1), None, None], vec![None, None, int(5)])];
        destination.apply(&changes(&table, &same), Some(&checkpoint(3))).await.unwrap();
        let gone = [Update(vec![int(9), None, None], vec![None, None, int(5)])];
        assert!(
            !destination
                .apply(&changes(&table, &gone), Some(&checkpoint(4)))
                .await
                .unwrap_err()
                .is_transient()
        );
    }
}

#[tokio::test]
async fn a_wrong_account_is_refused_for_good_and_a_server_that_is_down_may_come_back() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let server = Server::builder(Flavor::Mysql97).start().unwrap();
    server.exec("CREATE USER plain IDENTIFIED WITH sha256_password BY 'secret'").unwrap();
    let failure = async |account: &str| {
        let text = format!("host = '127.0.0.1:{}'\n{account}", server.port());
        let mut destination = Mysql::new("orders", toml::from_str::<MysqlDestination>(&text).unwrap());
        destination.open().await.unwrap_err()
    };
    let no_file = "user = 'root'\ntls = { mode = 'verify-ca', ca = '/nowhere.pem' }";
    let other_authority = format!(
        "user = 'root'\ntls = {{ mode = 'verify-ca', ca = '{}' }}",
        server.data_dir().join("server-cert.pem").display()
    );
    for account in ["user = 'nobody'", "user = 'plain'\npassword = 'secret'", no_file, &other_authority] {
        let error = failure(account).await;
        assert_eq!(error.kind(), Kind::Definite, "{account}: {error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    server.stop().unwrap();
    let error = failure("user = 'root'").await;
    assert_eq!(error.kind(), Kind::Disconnected, "{error}");
}

#[tokio::test]
async fn refused_changes_become_dead_letters_in_the_same_transaction() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    for flavor in [Flavor::Mysql97, Flavor::Mariadb1011] {
        let server = Server::builder(flavor).start().unwrap();
        // The operator's own table, which takes less than the source's.
        server
            .exec(
                "CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY, n TINYINT UNSIGNED NOT NULL)",
            )
            .unwrap();
        let toml = format!("host = '127.0.0.1:{}'\nuser = 'root'", server.port());
        let config: MysqlDestination = toml::from_str(&toml).unwrap();
        let table = table("t", vec![Column::new("id", INT), Column::new("n", INT)], &[0], &[]);
        let log = [
            Insert(vec![int(1), int(10)]),
            Insert(vec![int(2), int(4711)]),
            Insert(vec![int(3), Some(Value::Null)]),
            Insert(vec![int(5), int(50)]),
        ];
        let mut destination = Mysql::new("orders", config.clone());
        destination.open().await.unwrap();
        let error = destination.apply(&changes(&table, &log), Some(&checkpoint(1))).await.unwrap_err();
        assert!(!error.is_transient() && !error.to_string().contains("4711"), "{error}");

        let mut destination = Mysql::new("orders", config).with_row_errors(OnRowError::DeadLetter);
        destination.open().await.unwrap();
        for pass in 1..=2 {
            // The second half goes on with the transaction of the first.
            destination.apply(&changes(&table, &log), None).await.unwrap();
            let moved = [Update(vec![int(1), int(10)], vec![int(4), int(-1)])];
            destination.apply(&changes(&table, &moved), Some(&checkpoint(pass))).await.unwrap();
            assert_eq!(destination.dead_letters(), 3, "pass {pass}");
        }
        let letters = lines(
            &server,
            "SELECT task, `database`, `table`, `key`, operation, position, error LIKE '%ERROR%', JSON_EXTRACT(`change`, '$.after.n') \
             FROM slackwater.slackwater_dead_letter ORDER BY JSON_EXTRACT(`change`, '$.after.id')",
        );
        let letter = |key, after| format!("orders|shop|t|{{\"id\":{key}}}|c|binlog.000001:120|1|{after}");
        assert_eq!(letters[..2], [letter(2, "4711"), letter(3, "null")], "{flavor}");
        assert_eq!(letters.len(), 3);
        assert_eq!(lines(&server, "SELECT id FROM shop.t WHERE id IN (2, 3, 4)").len(), 0);
        assert_eq!(lines(&server, "SELECT * FROM shop.t WHERE id = 5"), ["5|50"]);

        let mut loader = destination.loader().await.unwrap();
        let rows = block(&table, &[vec![int(6), int(600)], vec![int(7), int(70)]]);
        let [slackwater_decoders::event::Event::Rows(rows)] = rows.events() else { panic!() };
        loader.load(rows, false).await.unwrap();
        assert_eq!(destination.dead_letters(), 4);
        assert_eq!(lines(&server, "SELECT * FROM shop.t WHERE id > 5"), ["7|70"]);
    }
}
