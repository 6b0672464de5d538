//! Copies of tables show them exactly as they are at their start, and go on after an interruption where that is right.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

pub(crate) mod cells;
pub(crate) mod copying;
mod definitions;

use copying::{Copied, copied, exec, named, open, server, source};
use slackwater::sources::snapshot::{CopyPoint, Read, SnapshotSource};
use slackwater_testkit::{PostgresServer, PostgresVersion, run_postgres};

const VERSIONS: [PostgresVersion; 2] = [PostgresVersion::V10, PostgresVersion::V18];

fn selected(server: &PostgresServer, table: &str) -> Vec<Vec<Option<String>>> {
    server_rows(server, &format!("SELECT * FROM {table}"))
}

/// All readers show the database at one place of the log, whatever is written meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn rows_are_those_of_the_start() {
    for version in VERSIONS {
        let server = server(version);
        exec(
            &server,
            "CREATE TABLE a (id int PRIMARY KEY, v text); INSERT INTO a SELECT i, repeat('x', i % 50) FROM generate_series(1, 2000) i; \
             CREATE TABLE b (v int, w text); INSERT INTO b SELECT i % 7, NULL FROM generate_series(1, 2000) i; \
             CREATE TABLE \"Mixed Case\" (\"I d\" int PRIMARY KEY, \"select\" text, \"q\"\"q\" int); \
             INSERT INTO \"Mixed Case\" VALUES (1, 'a', 2); CREATE TABLE empty (id int); CREATE UNLOGGED TABLE u (id int)",
        );
        let source = source(&server);
        let then = [selected(&server, "a"), selected(&server, "b")];
        let mut a = open(&source, "a").await;
        let start = a.start().clone();
        let mut first = Copied::default();
        assert!(!first.read(&mut *a, 2).await);
        exec(
            &server,
            "UPDATE a SET v = 'new'; DELETE FROM a WHERE id % 3 = 0; INSERT INTO b SELECT 9 FROM generate_series(1, 500)",
        );
        exec(&server, "VACUUM a");
        first.read(&mut *a, usize::MAX).await;
        first.rows.sort();
        assert_eq!(first.rows, then[0], "{version}");
        assert!(a.is_resumable());
        let b = open(&source, "b").await;
        assert_eq!(b.start(), &start, "all tables have one start");
        assert!(!b.is_resumable());
        assert_eq!(copied(&source, "b").await, then[1], "{version}");
        let mixed = copied(&source, "Mixed Case").await;
        assert_eq!(mixed, [["1", "a", "2"].map(|text| Some(text.to_owned())).to_vec()]);
        assert!(copied(&source, "empty").await.is_empty());
        assert!(source.read_table(&named("missing"), None).await.unwrap().is_none());
        let names: Vec<String> =
            source.tables().await.unwrap().iter().map(|estimate| estimate.table.table.to_string()).collect();
        assert_eq!(names, ["Mixed Case", "a", "b", "empty"], "what is in no log is not copied");
    }
}

/// A partitioned table is one table, whatever its partitions' columns are in; one whose partitions change begins again.
#[tokio::test(flavor = "multi_thread")]
async fn partitions_are_read_as_their_table() {
    for version in VERSIONS {
        let server = server(version);
        exec(
            &server,
            "CREATE TABLE p (id int NOT NULL, day date NOT NULL, v text) PARTITION BY RANGE (day); \
             CREATE TABLE p1 PARTITION OF p FOR VALUES FROM ('2023-01-01') TO ('2024-01-01'); \
             CREATE TABLE p2 (gone int, v text, day date NOT NULL, id int NOT NULL); ALTER TABLE p2 DROP gone; \
             ALTER TABLE p ATTACH PARTITION p2 FOR VALUES FROM ('2024-01-01') TO ('2025-01-01'); \
             INSERT INTO p SELECT i, date '2023-01-01' + i % 700, repeat('x', i % 9) FROM generate_series(1, 2000) i",
        );
        let source = source(&server);
        let then = server_rows(&server, "SELECT id, v FROM p");
        let mut reader = open(&source, "p").await;
        let start = reader.start().clone();
        let mut copied = Copied::default();
        assert!(!copied.read(&mut *reader, 2).await);
        let point = copied.point(reader.table(), &start);
        exec(&server, "DELETE FROM p WHERE id > 1000");
        let mut again = source.read_table(&named("p"), Some(&point)).await.unwrap().unwrap();
        copied.read(&mut *reader, usize::MAX).await;
        let without_day = |rows: &[Vec<Option<String>>]| {
            let mut rows: Vec<_> = rows.iter().map(|row| vec![row[0].clone(), row[2].clone()]).collect();
            rows.sort();
            rows
        };
        assert_eq!(without_day(&copied.rows), then, "{version}");
        assert_eq!(again.start(), &start);
        exec(&server, "ALTER TABLE p DETACH PARTITION p1");
        let last = loop {
            match again.next().await.unwrap() {
                Read::Block(_) => {}
                last => break last,
            }
        };
        assert!(matches!(last, Read::Changed), "{version}");
        let names = source.tables().await.unwrap();
        assert_eq!(names.iter().filter(|estimate| &*estimate.table.table == "p2").count(), 0, "{version}");
    }
}

fn server_rows(server: &PostgresServer, question: &str) -> Vec<Vec<Option<String>>> {
    let mut rows = tokio::task::block_in_place(|| server.query_in("shop", question)).unwrap();
    rows.sort();
    rows
}

/// A table that changed after the snapshot was taken has a later start, and one that changes while it is read says so.
#[tokio::test(flavor = "multi_thread")]
async fn changed_tables_are_noticed() {
    for version in VERSIONS {
        let server = server(version);
        exec(
            &server,
            "CREATE TABLE a (id int PRIMARY KEY, v text); INSERT INTO a SELECT i FROM generate_series(1, 2000) i",
        );
        for table in ["added", "rewritten", "truncated", "renamed"] {
            exec(
                &server,
                &format!("CREATE TABLE {table} (LIKE a INCLUDING ALL); INSERT INTO {table} SELECT * FROM a"),
            );
        }
        let source = source(&server);
        let start = open(&source, "a").await.start().clone();
        exec(
            &server,
            "ALTER TABLE added ADD n int DEFAULT 5; ALTER TABLE rewritten ALTER v TYPE int USING 7; TRUNCATE truncated; \
             INSERT INTO truncated VALUES (1); ALTER TABLE renamed RENAME v TO w; CREATE TABLE created AS SELECT 1 AS id",
        );
        for table in ["added", "rewritten", "truncated", "renamed", "created"] {
            let reader = open(&source, table).await;
            let lsn = |position: &slackwater_decoders::position::Position| position.log.lsn().unwrap();
            assert!(lsn(reader.start()) > lsn(&start), "{table}");
            assert_eq!(copied(&source, table).await, selected(&server, table), "{version} {table}");
        }
        let mut reader = open(&source, "a").await;
        let mut begun = Copied::default();
        begun.read(&mut *reader, 1).await;
        drop(reader);
        exec(&server, "ALTER TABLE a DROP COLUMN v");
        let mut reader = open(&source, "a").await;
        assert_ne!(reader.start(), &start);
        // Waits for the COPY that is open.
        let mut client = tokio::task::block_in_place(|| server.client_of("shop")).unwrap();
        let altered = std::thread::spawn(move || run_postgres(&mut client, "ALTER TABLE a ADD z int"));
        let last = loop {
            match reader.next().await.unwrap() {
                Read::Block(_) => {}
                last => break last,
            }
        };
        altered.join().unwrap().unwrap();
        assert!(matches!(last, Read::Changed | Read::Finished));
    }
}

/// Behind a kill (the source is another object, with another snapshot) a table with whole rows in the log goes on at its
/// place with its former start; others begin again, exactly.
#[tokio::test(flavor = "multi_thread")]
async fn copies_go_on_after_a_kill() {
    for version in VERSIONS {
        let server = server(version);
        exec(
            &server,
            "CREATE TABLE plain (id int PRIMARY KEY, v text); INSERT INTO plain SELECT i, 'x' FROM generate_series(1, 3000) i; \
             CREATE TABLE large (LIKE plain INCLUDING ALL); ALTER TABLE large ALTER v SET STORAGE EXTERNAL; \
             INSERT INTO large SELECT i, CASE i WHEN 5 THEN repeat('y', 9000) ELSE 'x' END FROM generate_series(1, 3000) i; \
             CREATE TABLE whole (LIKE large INCLUDING ALL); ALTER TABLE whole ALTER v SET STORAGE EXTERNAL, REPLICA IDENTITY FULL; \
             INSERT INTO whole SELECT * FROM large; CREATE TABLE keyless AS SELECT * FROM plain",
        );
        let points: Vec<(&str, CopyPoint, Copied)> = {
            let source = source(&server);
            let mut points = Vec::new();
            for table in ["plain", "large", "whole", "keyless"] {
                let mut reader = open(&source, table).await;
                let mut copied = Copied::default();
                assert!(!copied.read(&mut *reader, 3).await);
                let point = copied.point(reader.table(), reader.start());
                // A lost connection: the same snapshot, exactly behind the last block.
                let mut again = source.read_table(&named(table), Some(&point)).await.unwrap().unwrap();
                assert_eq!(again.start(), reader.start());
                if again.is_resumable() {
                    let mut rest = Copied::default();
                    rest.read(&mut *again, usize::MAX).await;
                    rest.rows.extend(copied.rows.clone());
                    rest.rows.sort();
                    assert_eq!(rest.rows, selected(&server, table), "{version} {table}");
                }
                points.push((table, point, copied));
            }
            points
        };
        for (table, ..) in &points {
            exec(&server, &format!("UPDATE {table} SET v = 'later' WHERE id = 2900"));
        }
        let source = source(&server);
        for (table, point, former) in points {
            let mut reader = source.read_table(&named(table), Some(&point)).await.unwrap().unwrap();
            let goes_on = matches!(table, "plain" | "whole");
            assert_eq!(reader.start() == &point.start, goes_on, "{version} {table}");
            let mut rest = Copied::default();
            rest.read(&mut *reader, usize::MAX).await;
            let now = selected(&server, table);
            if goes_on {
                // What was not changed is there once, in one of the two parts.
                let mut all: Vec<_> = rest.rows.iter().chain(&former.rows).cloned().collect();
                all.sort();
                all.dedup();
                let unchanged = |row: &&Vec<Option<String>>| row[0].as_deref() != Some("2900");
                let (all, now): (Vec<_>, Vec<_>) =
                    (all.iter().filter(unchanged).collect(), now.iter().filter(unchanged).collect());
                assert_eq!(all, now, "{version} {table}");
                assert!(rest.rows.len() < 3000, "{version} {table}: not from the beginning");
            } else {
                rest.rows.sort();
                assert_eq!(rest.rows, now, "{version} {table}");
            }
        }
    }
}
