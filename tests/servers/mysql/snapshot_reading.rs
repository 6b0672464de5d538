//! Reading tables for a copy: the rows are complete whatever the key is, those without a key are exact, and what happens to a
//! table meanwhile is noticed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use crate::mysql::copying::{
    Rows, add, by_row, copied, expect_same, logged, login, open, resume, root, shop,
};
use slackwater::{
    config::{ByteSize, Objects, Start},
    error::Kind,
    mapping::Selection,
    sources::{
        Finding, Level, Plan, Source,
        snapshot::{CopyPoint, Read},
        throttle::{Limits, Throttle},
    },
};
use slackwater_testkit::{Flavor, Server, run_statements};

/// The declarations of keys, and values in any order. What only some servers have stands in [`keys`].
const KEYS: &[(&str, &str, &[&str])] = &[
    ("tiny", "k TINYINT PRIMARY KEY", &["-128", "127", "0", "-1"]),
    ("big", "k BIGINT PRIMARY KEY", &["-9223372036854775808", "9223372036854775807", "0"]),
    ("big_u", "k BIGINT UNSIGNED PRIMARY KEY", &["18446744073709551615", "9223372036854775808", "0", "1"]),
    (
        "exact",
        "k DECIMAL(30,10) PRIMARY KEY",
        &[
            "-99999999999999999999.9999999999",
            "0.0000000001",
            "0",
            "-1.5",
            "12345678901234567890.1234567890",
            "12345678901234567890.1234567891",
        ],
    ),
    ("single", "k FLOAT PRIMARY KEY", &["0.1", "1e-38", "-3.4e38", "16777216", "0.3", "0"]),
    (
        "double_k",
        "k DOUBLE PRIMARY KEY",
        &["0.1", "0.30000000000000004", "0.3", "-1.7976931348623157e308", "5e-324", "0"],
    ),
    (
        "day",
        "k DATE PRIMARY KEY",
        &["'0000-00-00'", "'2024-00-15'", "'2023-02-31'", "'2024-02-29'", "'9999-12-31'"],
    ),
    (
        "moment",
        "k DATETIME(6) PRIMARY KEY",
        &[
            "'0000-00-00'",
            "'2023-02-31 01:02:03.000001'",
            "'2024-01-02 03:04:05.678901'",
            "'2024-01-02 03:04:05.678902'",
        ],
    ),
    (
        "instant",
        "k TIMESTAMP(3) NOT NULL DEFAULT '2000-01-01', PRIMARY KEY (k)",
        &["0", "'1970-01-01 00:00:01'", "'2024-10-27 01:30:00.123'", "'2038-01-19 03:14:07.999'"],
    ),
    ("duration", "k TIME(6) PRIMARY KEY", &["'-838:59:59'", "'-00:00:00.000001'", "'0'", "'838:59:59'"]),
    ("year_k", "k YEAR PRIMARY KEY", &["1901", "'0000'", "2155", "2000", "1999"]),
    (
        "bits",
        "k BIT(64) PRIMARY KEY",
        &["b'0'", "18446744073709551615", "9007199254740993", "9007199254740992"],
    ),
    ("member", "k ENUM('z','a','m') PRIMARY KEY", &["1", "2", "3"]),
    ("bytes", "k BINARY(4) PRIMARY KEY", &["x'00'", "x'0000FF'", "x'FF'", "'abcd'", "x'01'"]),
    ("more_bytes", "k VARBINARY(9) PRIMARY KEY", &["''", "x'00'", "x'0000'", "x'FF5C27'", "'a'", "'A'"]),
    (
        "words",
        "k VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci PRIMARY KEY",
        &["''", "'a'", "'B'", "'b c'", "'Z'", "'\\\\'", "'it''s'", "'ä€'", "'日本'", "'😀'"],
    ),
    ("words3", "k VARCHAR(20) CHARACTER SET utf8 PRIMARY KEY", &["'a'", "'Ü'", "'ß'", "'日本'"]),
    (
        "latin",
        "k CHAR(9) CHARACTER SET latin1 COLLATE latin1_german1_ci PRIMARY KEY",
        &["'a'", "'ö'", "'p'", "'€'", "''"],
    ),
    ("two_bytes", "k VARCHAR(9) CHARACTER SET ucs2 PRIMARY KEY", &["'a'", "'Б'", "'日本'", "''"]),
    (
        "four_bytes",
        "k VARCHAR(9) CHARACTER SET utf32 COLLATE utf32_bin PRIMARY KEY",
        &["'a'", "'Б'", "'😀'", "''"],
    ),
    ("japanese", "k VARCHAR(9) CHARACTER SET sjis PRIMARY KEY", &["'a'", "'表'", "'ソ'", "'ｶ'"]),
    ("pair", "k VARCHAR(9), n INT, PRIMARY KEY (k, n)", &["'a', 1", "'a', -1", "'b', 0", "'', 5", "'b', 7"]),
    (
        "three",
        "k ENUM('z','a'), n DATE, w VARCHAR(5), PRIMARY KEY (w, k, n)",
        &["1, '0000-00-00', 'x'", "2, '0000-00-00', 'x'", "2, '2024-01-01', 'x'", "1, '2024-01-01', 'a'"],
    ),
    ("prefix", "k TEXT, PRIMARY KEY (k(3))", &["'abc'", "'abd and more'", "'ab'", "''"]),
    (
        "unique_k",
        "v INT, k INT NOT NULL, UNIQUE other (v), UNIQUE `the ``key` (k)",
        &["NULL, 5", "NULL, 4", "1, -3"],
    ),
];

pub(crate) fn keys(flavor: Flavor) -> Vec<(&'static str, String, Vec<String>)> {
    let owned = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>();
    let mut keys: Vec<_> =
        KEYS.iter().map(|(name, columns, values)| (*name, format!("({columns})"), owned(values))).collect();
    let members: Vec<String> = (0..64).map(|member| format!("'m{member}'")).collect();
    let masks = ["0", "9007199254740993", "9007199254740992", "18446744073709551615", "1"];
    keys.push(("members", format!("(k SET({}) PRIMARY KEY)", members.join(",")), owned(&masks)));
    if flavor.is_mariadb() {
        let uuids = [
            "'00112233-4455-1677-8899-aabbccddeeff'",
            "'ff112233-4455-1077-8899-aabbccddeeff'",
            "'00112233-4455-4677-8899-aabbccddeeff'",
            "'00000000-0000-0000-0000-000000000000'",
        ];
        keys.push(("uuid_k", "(k UUID PRIMARY KEY)".to_owned(), owned(&uuids)));
        let addresses = ["'::'", "'::1'", "'2001:db8::ff00:42:8329'", "'::ffff:192.0.2.1'"];
        keys.push(("address", "(k INET6 PRIMARY KEY)".to_owned(), owned(&addresses)));
        keys.push((
            "address4",
            "(k INET4 PRIMARY KEY)".to_owned(),
            owned(&["'0.0.0.0'", "'192.0.2.1'", "'9.1.1.1'"]),
        ));
        let hashed = "(k TEXT NOT NULL, UNIQUE (k))".to_owned();
        keys.push(("hashed", hashed, owned(&["'b'", "'a'", "REPEAT('long', 2000)"])));
        let versions = "(k INT PRIMARY KEY, n INT) WITH SYSTEM VERSIONING";
        keys.push(("versioned", versions.to_owned(), owned(&["3, 1", "1, 1", "2, 1"])));
    }
    if flavor == Flavor::Mysql97 {
        let backwards = "(k INT, n INT, PRIMARY KEY (k DESC, n))";
        keys.push(("backwards", backwards.to_owned(), owned(&["1, 1", "1, 2", "0, 3", "-1, 4"])));
    }
    keys
}

/// Goes through each table in steps of one row, each with a new reader behind the end of the block before.
async fn walks(flavor: Flavor) {
    let server = Server::builder(flavor).start().unwrap();
    server.exec("CREATE DATABASE shop").unwrap();
    let mut connection = server.conn().unwrap();
    run_statements(&mut connection, "SET SESSION sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'")
        .unwrap();
    let source = by_row(&server);
    for (name, columns, values) in keys(flavor) {
        let rows: Vec<String> = values.iter().map(|value| format!("({value})")).collect();
        run_statements(&mut connection, &format!("CREATE TABLE shop.`{name}` {columns}")).unwrap();
        run_statements(&mut connection, &format!("INSERT INTO shop.`{name}` VALUES {}", rows.join(",")))
            .unwrap();
        let mut reader = open(&source, name).await;
        let mut point =
            CopyPoint { table: Arc::clone(reader.table()), start: reader.start().clone(), after: None };
        let mut walked = Rows::new();
        // One more than there are rows.
        for step in 0..=values.len() {
            let read = reader.next().await.unwrap_or_else(|error| panic!("{flavor} {name}: {error}"));
            match read {
                Read::Block(block) => {
                    assert_eq!(block.batch.summary().row_changes, 1);
                    add(&mut walked, &block, flavor);
                    point.after = block.end;
                }
                Read::Finished => {
                    assert_eq!(step, values.len(), "{flavor} {name}: {:?}", point.after);
                    break;
                }
                Read::Changed => panic!("{flavor} {name}"),
            }
            reader = resume(&source, name, &point).await;
        }
        let whole = copied(&mut *open(&root(&server), name).await, flavor).await;
        assert_eq!(walked, whole, "{flavor} {name}");
        assert_eq!(walked.len(), values.len(), "{flavor} {name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_mysql() {
    for flavor in [Flavor::Mysql97, Flavor::Mysql57, Flavor::Mysql56] {
        walks(flavor).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_mariadb() {
    for flavor in [Flavor::Mariadb1011, Flavor::Mariadb118] {
        walks(flavor).await;
    }
}

/// While others write: a table without a key is copied exactly as the log has it at the start of the copy, with and without GTIDs, in
/// engines with transactions and without.
async fn exact(flavor: Flavor, options: &[&str]) {
    let server = Server::builder(flavor).args(options.iter().copied()).start().unwrap();
    server.exec("CREATE DATABASE shop").unwrap();
    let from = root(&server).start_position(&Start::Now).await.unwrap();
    server
        .exec("CREATE TABLE shop.t (n INT, word VARCHAR(20)); CREATE TABLE shop.m (n INT, word VARCHAR(20)) ENGINE=MyISAM")
        .unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..2)
        .map(|number| {
            let (mut connection, stop) = (server.conn().unwrap(), Arc::clone(&stop));
            std::thread::spawn(move || {
                let mut n = 0;
                while !stop.load(Ordering::Relaxed) {
                    n += 1;
                    let sql = format!(
                        "INSERT INTO shop.t VALUES ({n}, 'writer {number}'), ({n}, 'twice'); INSERT INTO shop.m VALUES ({n}, 'm{number}');
                         UPDATE shop.t SET n = n + 1 WHERE n = {n} LIMIT 1; DELETE FROM shop.t WHERE n < {n} - 300 LIMIT 3"
                    );
                    run_statements(&mut connection, &sql).unwrap();
                }
            })
        })
        .collect();
    let source = root(&server).with_block_size(ByteSize(1000));
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        for table in ["t", "m"] {
            let mut reader = open(&source, table).await;
            assert!(!reader.is_resumable());
            let start = reader.start().clone();
            let copy = copied(&mut *reader, flavor).await;
            let log = logged(&server, from.clone(), start.clone()).await;
            expect_same(&format!("{flavor} {table} at {start}"), &log[table], &copy);
        }
    }
    stop.store(true, Ordering::Relaxed);
    writers.into_iter().for_each(|writer| writer.join().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_without_keys_are_exact() {
    exact(Flavor::Mysql97, &[]).await;
    exact(Flavor::Mysql57, &["--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"]).await;
    exact(Flavor::Mysql56, &["--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"]).await;
    exact(Flavor::Mariadb1011, &[]).await;
    exact(Flavor::Mariadb118, &[]).await;
}

/// Without GTIDs the copy waits for a transaction that has changed the table: its rows may come into the log before its end.
#[tokio::test(flavor = "multi_thread")]
async fn open_transactions_are_waited_for() {
    for (flavor, gtids) in [(Flavor::Mysql56, false), (Flavor::Mysql97, false), (Flavor::Mysql97, true)] {
        let off = ["--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"];
        let server = Server::builder(flavor).args(if gtids { vec![] } else { off.to_vec() }).start().unwrap();
        server
            .exec(
                "CREATE DATABASE shop; CREATE TABLE shop.k (n INT PRIMARY KEY); CREATE TABLE shop.n (n INT)",
            )
            .unwrap();
        for (table, waits) in [("k", !gtids), ("n", true)] {
            let mut writer = server.conn().unwrap();
            run_statements(&mut writer, &format!("BEGIN; INSERT INTO shop.{table} VALUES (1)")).unwrap();
            let source = Arc::new(root(&server));
            let opening = tokio::spawn(async move { open(&source, table).await });
            tokio::time::sleep(Duration::from_millis(500)).await;
            assert_eq!(!opening.is_finished(), waits, "{flavor} {table}");
            run_statements(&mut writer, "COMMIT").unwrap();
            let mut reader = opening.await.unwrap();
            if waits {
                assert_eq!(copied(&mut *reader, flavor).await.len(), 1, "{flavor} {table}");
            }
        }
    }
}

/// Changes of the definition come all the time, each of which waits for the copy's locks and lets nobody past: neither waits for the
/// other for long, and a table that was truncated since the snapshot began is no failure.
#[tokio::test(flavor = "multi_thread")]
async fn changes_of_a_table_without_a_key_do_not_stop_its_copy() {
    for (flavor, engine) in [
        (Flavor::Mysql57, "InnoDB"),
        (Flavor::Mysql97, "InnoDB"),
        (Flavor::Mysql57, "MyISAM"),
        (Flavor::Mariadb1011, "InnoDB"),
    ] {
        let server = Server::builder(flavor).start().unwrap();
        server.exec(&format!("CREATE DATABASE shop; CREATE TABLE shop.n (n INT) ENGINE={engine}")).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let (mut connection, stopped) = (server.conn().unwrap(), Arc::clone(&stop));
        let writer = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let sql = "TRUNCATE TABLE shop.n; INSERT INTO shop.n VALUES (1), (2); \
                           ALTER TABLE shop.n ADD COLUMN m INT; ALTER TABLE shop.n DROP COLUMN m";
                run_statements(&mut connection, sql).unwrap();
                std::thread::sleep(Duration::from_millis(30));
            }
        });
        let source = root(&server);
        let tables = source.snapshot().unwrap();
        let until = Instant::now() + Duration::from_secs(5);
        let mut copies = 0;
        while Instant::now() < until {
            let table = shop("n");
            let reading = tables.read_table(&table, None);
            let reader = tokio::time::timeout(Duration::from_secs(20), reading).await;
            let reader = match reader.expect("no wait without an end") {
                Ok(reader) => reader,
                Err(error) if error.is_transient() => continue,
                Err(error) => panic!("{flavor} {engine}: {error}"),
            };
            let mut reader = reader.expect("the table is never gone");
            let end = loop {
                match reader.next().await.unwrap() {
                    Read::Block(_) => {}
                    end => break end,
                }
            };
            copies += usize::from(matches!(end, Read::Finished));
            reader.close();
        }
        stop.store(true, Ordering::Relaxed);
        writer.join().unwrap();
        assert!(copies > 0, "{flavor} {engine}: nothing was copied");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_definition_is_noticed() {
    for flavor in Flavor::ALL {
        let server = Server::builder(flavor).start().unwrap();
        server.exec("CREATE DATABASE shop").unwrap();
        let source = by_row(&server);
        for (change, noticed) in [
            ("ALTER TABLE shop.t ADD COLUMN extra INT", true),
            ("ALTER TABLE shop.t MODIFY word VARCHAR(90)", true),
            ("ALTER TABLE shop.t MODIFY id BIGINT AUTO_INCREMENT", true),
            ("DROP TABLE shop.t", true),
            ("RENAME TABLE shop.t TO shop.elsewhere", true),
            ("DROP DATABASE shop", true),
            ("INSERT INTO shop.t VALUES (1000, 'raises the next')", false),
        ] {
            let setup = "DROP DATABASE IF EXISTS shop; CREATE DATABASE shop;
                         CREATE TABLE shop.t (id INT AUTO_INCREMENT PRIMARY KEY, word VARCHAR(20));
                         INSERT INTO shop.t (word) VALUES ('a'), ('b'), ('c')";
            server.exec(setup).unwrap();
            let mut before = open(&source, "t").await;
            let mut within = open(&source, "t").await;
            let Read::Block(first) = within.next().await.unwrap() else { panic!("a block") };
            let point = CopyPoint {
                table: Arc::clone(within.table()),
                start: within.start().clone(),
                after: first.end,
            };
            while let Read::Block(_) = within.next().await.unwrap() {}
            server.exec(change).unwrap();
            let mut last = before.next().await.unwrap();
            while let Read::Block(_) = last {
                last = before.next().await.unwrap();
            }
            assert_eq!(matches!(last, Read::Changed), noticed, "{flavor}: {change}");
            let tables = source.snapshot().unwrap();
            match tables.read_table(&shop("t"), Some(&point)).await.unwrap() {
                Some(mut resumed) => {
                    let read = resumed.next().await.unwrap();
                    assert_eq!(matches!(read, Read::Changed), noticed, "{flavor}: {change}");
                }
                None => {
                    assert!(change.starts_with("DROP") || change.starts_with("RENAME"), "{flavor}: {change}")
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn estimates_privileges_and_limits() {
    let server = Server::builder(Flavor::Mysql97).start().unwrap();
    server
        .exec(
            "CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY, word LONGTEXT); CREATE TABLE shop.n (n INT);
             CREATE VIEW shop.v AS SELECT 1; INSERT INTO shop.t VALUES (1, REPEAT('x', 1000)), (2, REPEAT('y', 20000000)), (3, '');
             INSERT INTO shop.n VALUES (1); ANALYZE TABLE shop.t;
             CREATE USER reader@'%'; GRANT SELECT ON shop.* TO reader@'%'; GRANT REPLICATION CLIENT ON *.* TO reader@'%'",
        )
        .unwrap();
    let source = root(&server);
    let tables = source.snapshot().unwrap().tables().await.unwrap();
    let names: Vec<_> = tables.iter().map(|it| it.table.to_string()).collect();
    assert_eq!(names, ["shop.n", "shop.t"]);
    assert_eq!(tables[1].rows, 3);
    assert!(tables[1].bytes > 20_000_000, "{}", tables[1].bytes);

    // A row that is longer than a block and than a packet.
    let mut reader = open(&source, "t").await;
    let Read::Block(block) = reader.next().await.unwrap() else { panic!("a block") };
    assert_eq!(block.batch.summary().row_changes, 2);
    let rows = copied(&mut *open(&source, "t").await, Flavor::Mysql97).await;
    assert_eq!(rows.len(), 3);

    let reader = login(&server, "reader");
    copied(&mut *open(&reader, "t").await, Flavor::Mysql97).await;
    let tables = reader.snapshot().unwrap();
    let Err(error) = tables.read_table(&shop("n"), None).await else { panic!("not allowed") };
    assert_eq!(error.kind(), Kind::Definite);
    assert!(error.to_string().contains("LOCK TABLES"), "{error}");

    let throttle = Throttle::new(Limits { rows_per_second: 2, ..Limits::default() });
    let slow = root(&server).with_throttle(throttle.clone()).with_block_size(ByteSize(1));
    let started = Instant::now();
    assert_eq!(copied(&mut *open(&slow, "t").await, Flavor::Mysql97).await.len(), 3);
    assert!(started.elapsed() > Duration::from_millis(400));
    throttle.set(Limits::default());
}

/// What `check` says of a new task that begins with a copy, and that it is satisfied when that has been done.
#[tokio::test(flavor = "multi_thread")]
async fn the_precheck_of_a_copy() {
    let server = Server::builder(Flavor::Mysql97)
        .args(["--binlog-row-image=MINIMAL", "--binlog-row-value-options=PARTIAL_JSON"])
        .arg("--binlog-expire-logs-seconds=1")
        .start()
        .unwrap();
    server
        .exec(
            "CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY, v INT UNIQUE, w LONGTEXT); CREATE TABLE shop.n (n INT);
             INSERT INTO shop.t VALUES (1, 1, REPEAT('x', 25000000)); ANALYZE TABLE shop.t;
             CREATE USER reader@'%'; GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO reader@'%'; GRANT SELECT ON shop.* TO reader@'%'",
        )
        .unwrap();
    let objects: Objects = toml::from_str("include = ['shop.*']").unwrap();
    let selection = Selection::new(&objects);
    let found = async |start: &Start| {
        let plan = Plan { start, stored: None, selection: &selection, filtered: &[] };
        let findings = login(&server, "reader").check(&plan).await;
        findings.into_iter().filter(|it| it.code.starts_with("mysql.copy_")).collect::<Vec<Finding>>()
    };
    assert_eq!(found(&Start::Now).await, []);
    let findings = found(&Start::Snapshot).await;
    let levels: Vec<_> = findings.iter().map(|it| (it.code, it.level)).collect();
    let expected = [
        ("mysql.copy_privileges", Level::Error),
        ("mysql.copy_objects", Level::Warning),
        ("mysql.copy_row_image", Level::Warning),
        ("mysql.copy_partial_json", Level::Error),
        ("mysql.copy_retention", Level::Warning),
    ];
    assert_eq!(levels, expected, "{findings:#?}");
    assert!(findings[0].found.contains("shop.n"), "{findings:#?}");
    findings.iter().for_each(|it| server.exec(it.repair.as_ref().unwrap()).unwrap());
    let findings = found(&Start::Snapshot).await;
    assert!(findings.iter().all(|it| it.level == Level::Ok), "{findings:#?}");
}
