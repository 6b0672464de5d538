//! What the log has and a definition does not show: MariaDB's hidden columns and sequences, keys chosen among several, and events
//! of more than 16 MB.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use crate::river::{Destination, PATIENCE, PROGRAM, source_section};
use anyhow::Result;
use slackwater_testkit::{Flavor, Server, Task};

const BOTH: &[Flavor] = &[Flavor::Mysql97, Flavor::Mariadb1011];

/// Carries what `create` and `change` do into SQLite and a server, with the definitions from the log and from the server.
fn carried(source: &Server, servers: &[Flavor], create: &str, change: &str, tables: &[&str]) -> Result<()> {
    source.exec("CREATE DATABASE shop")?;
    source.exec(create)?;
    let directories = tempfile::tempdir()?;
    let early = Destination::sqlite()?;
    let mut task = Task::new(
        PROGRAM,
        directories.path().join("now"),
        &(source_section(&[source], "now") + &early.section()),
    )?;
    task.start()?;
    task.wait_for(&source.end_of_log()?, PATIENCE)?;
    source.exec(change)?;
    let end = source.end_of_log()?;
    let tables: Vec<String> = tables.iter().map(|table| format!("shop.{table}")).collect();
    task.wait_for(&end, PATIENCE)?;
    early.expect_tables(source, &tables)?;
    assert!(task.stop()?.success(), "{}", task.log());
    let servers = servers.iter().map(|flavor| Destination::server(*flavor));
    for destination in std::iter::once(Destination::sqlite()).chain(servers) {
        let destination = destination?;
        let toml = source_section(&[source], "earliest") + &destination.section();
        let mut task = Task::new(PROGRAM, directories.path().join(destination.name()), &toml)?;
        task.start()?;
        task.wait_for(&end, PATIENCE)?;
        destination.expect_tables(source, &tables)?;
        assert!(task.stop()?.success(), "{}", task.log());
    }
    Ok(())
}

macro_rules! hidden {
    ($name:ident, $servers:expr, $create:expr, $change:expr, $tables:expr) => {
        #[test]
        fn $name() -> Result<()> {
            for metadata in ["NO_LOG", "FULL"] {
                for image in ["FULL", "MINIMAL"] {
                    let source = Server::builder(Flavor::Mariadb1011)
                        .args([
                            format!("--binlog-row-metadata={metadata}"),
                            format!("--binlog-row-image={image}"),
                        ])
                        .start()?;
                    carried(&source, $servers, $create, $change, $tables)
                        .map_err(|error| error.context(format!("{metadata} {image}")))?;
                }
            }
            Ok(())
        }
    };
}

hidden!(
    unique_long_text,
    // MySQL has no unique key over a TEXT: the statement is refused there.
    &[Flavor::Mariadb1011],
    "CREATE TABLE shop.t (id INT PRIMARY KEY, word TEXT, n INT, UNIQUE (word)); CREATE TABLE shop.u (word TEXT NOT NULL, n INT, UNIQUE (word))",
    "INSERT INTO shop.t VALUES (1, 'a', 1), (2, 'b', 2), (3, NULL, 3); UPDATE shop.t SET word = 'c' WHERE id = 1; DELETE FROM shop.t WHERE id = 2;
     INSERT INTO shop.u VALUES ('a', 1), ('b', 2), ('c', 3); UPDATE shop.u SET n = 9 WHERE word = 'a'; DELETE FROM shop.u WHERE word = 'b'",
    &["t", "u"]
);

hidden!(
    system_versioned,
    BOTH,
    "CREATE TABLE shop.t (id INT PRIMARY KEY, n INT) WITH SYSTEM VERSIONING; CREATE TABLE shop.u (id INT, n INT) WITH SYSTEM VERSIONING",
    "INSERT INTO shop.t VALUES (1, 1), (2, 2), (3, 3); UPDATE shop.t SET n = 9 WHERE id = 1; UPDATE shop.t SET n = 10 WHERE id = 1; DELETE FROM shop.t WHERE id = 2;
     INSERT INTO shop.u VALUES (1, 1), (2, 2), (3, 3); UPDATE shop.u SET n = 9 WHERE id = 1; DELETE FROM shop.u WHERE id = 2",
    &["t", "u"]
);

hidden!(
    sequences,
    BOTH,
    "CREATE SEQUENCE shop.s START WITH 5 CACHE 2; CREATE TABLE shop.t (id INT PRIMARY KEY, n INT)",
    "INSERT INTO shop.t VALUES (NEXT VALUE FOR shop.s, 1), (NEXT VALUE FOR shop.s, 2), (NEXT VALUE FOR shop.s, 3); SELECT NEXT VALUE FOR shop.s; SELECT SETVAL(shop.s, 100); CREATE SEQUENCE shop.z; SELECT NEXT VALUE FOR shop.z;
     DROP SEQUENCE shop.z; INSERT INTO shop.t VALUES (50, 5)",
    &["t"]
);

/// Which of several unique keys a MINIMAL image has.
#[test]
fn the_key_of_a_minimal_image() -> Result<()> {
    for flavor in Flavor::ALL {
        let source = Server::builder(flavor).arg("--binlog-row-image=MINIMAL").start()?;
        carried(
            &source,
            BOTH,
            "CREATE TABLE shop.two (a INT NOT NULL, b INT NOT NULL, c INT, d INT, UNIQUE (c), UNIQUE (b), UNIQUE (a));
             CREATE TABLE shop.part (a VARCHAR(50) NOT NULL, b INT NOT NULL, c INT, UNIQUE pre (a(3)), UNIQUE whole (b));
             CREATE TABLE shop.nullable (a INT, b INT, UNIQUE (a))",
            "INSERT INTO shop.two VALUES (1, 11, 21, 31), (2, 12, NULL, 32), (3, 13, NULL, 33); UPDATE shop.two SET d = 9 WHERE a = 1;
             UPDATE shop.two SET a = 8 WHERE b = 12; DELETE FROM shop.two WHERE a = 3;
             INSERT INTO shop.part VALUES ('abcd', 1, 1), ('bcde', 2, 2), ('x', 3, 3); UPDATE shop.part SET c = 9 WHERE b = 1; DELETE FROM shop.part WHERE b = 3;
             INSERT INTO shop.nullable VALUES (1, 1), (NULL, 2), (NULL, 2), (3, 3); UPDATE shop.nullable SET b = 9 WHERE a = 1; DELETE FROM shop.nullable WHERE a = 3",
            &["two", "part", "nullable"],
        )?;
    }
    Ok(())
}

/// Values that make an event longer than three length bytes can say.
#[test]
fn events_of_more_than_16_mb() -> Result<()> {
    for (flavor, options) in [
        (Flavor::Mysql97, vec!["--binlog-transaction-compression=ON"]),
        (Flavor::Mysql57, vec!["--innodb-log-file-size=256M"]),
        (Flavor::Mysql56, vec!["--innodb-log-file-size=256M"]),
        (Flavor::Mariadb1011, vec!["--log-bin-compress=ON"]),
        (Flavor::Mariadb118, vec![]),
    ] {
        let source = Server::builder(flavor).args(options).start()?;
        carried(
            &source,
            BOTH,
            "CREATE TABLE shop.t (id INT PRIMARY KEY, words LONGTEXT, bytes LONGBLOB)",
            "INSERT INTO shop.t VALUES (1, REPEAT('ä', 524288), NULL), (2, '', ''); INSERT INTO shop.t VALUES (3, REPEAT('y', 17825792), 'b');
             UPDATE shop.t SET bytes = REPEAT(x'00FF', 8912896) WHERE id = 2; UPDATE shop.t SET id = 30 WHERE id = 3",
            &["t"],
        )?;
    }
    Ok(())
}
