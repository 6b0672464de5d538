//! Statements that change definitions, by the event trigger and by comparing.

use slackwater_decoders::{event::SchemaChange, schema::TableName};
use slackwater_testkit::{PostgresServer, PostgresVersion};

use crate::postgres::source::follower::{Follower, runtime, source};

const STATEMENTS: [&str; 9] = [
    "INSERT INTO app.t VALUES (1, 'a', 10)",
    "ALTER TABLE app.t ADD extra text DEFAULT 'old'; INSERT INTO app.t VALUES (2, 'b', 20, 'new')",
    "ALTER TABLE app.t RENAME COLUMN name TO title; INSERT INTO app.t VALUES (3, 'c', 30, 'x')",
    "ALTER TABLE app.t DROP n; INSERT INTO app.t VALUES (4, 'd', 'x')",
    "ALTER TABLE app.t ALTER id TYPE bigint; INSERT INTO app.t VALUES (5000000000, 'e', 'x')",
    "ALTER TABLE app.t RENAME TO t2; INSERT INTO app.t2 VALUES (6, 'f', 'x')",
    // In the middle of a transaction, and one that is rolled back.
    "BEGIN; INSERT INTO app.t2 VALUES (7, 'g', 'x'); ALTER TABLE app.t2 ADD late int; INSERT INTO app.t2 VALUES (8, 'h', 'x', 1); COMMIT",
    "BEGIN; ALTER TABLE app.t2 ADD never int; INSERT INTO app.t2 VALUES (9, 'i', 'x', 1, 1); ROLLBACK",
    "DROP TABLE app.t2; CREATE TABLE app.t2 (id int PRIMARY KEY)",
];

fn columns(follower: &Follower, name: &str) -> Vec<String> {
    let table = TableName::new("app", name);
    let known = follower.history.catalog_at(&follower.resume);
    let table = known.iter().find(|known| known.name == table).expect("known");
    table.columns.iter().map(|column| column.name.clone()).collect()
}

#[test]
fn changed_definitions_are_followed_with_and_without_an_event_trigger() {
    let runtime = runtime();
    for (version, ddl) in [
        (PostgresVersion::V10, "compare"),
        (PostgresVersion::V14, "event-trigger"),
        (PostgresVersion::V15, "compare"),
        (PostgresVersion::V18, "event-trigger"),
    ] {
        let server = PostgresServer::builder(version).start().unwrap();
        server.exec("CREATE SCHEMA app; CREATE TABLE app.t (id int PRIMARY KEY, name text, n int)").unwrap();
        let source = source(&server, "ddl", &format!("ddl = '{ddl}'"));
        let mut followers = vec![(ddl, Follower::new(&runtime, &source).unwrap())];
        for (step, statement) in STATEMENTS.iter().enumerate() {
            let mut client = server.client().unwrap();
            for statement in statement.split("; ") {
                client.batch_execute(statement).unwrap();
            }
            for (ddl, follower) in &mut followers {
                follower.catch_up().unwrap_or_else(|error| panic!("{version} {ddl} {step}: {error}"));
                let expected: &[&str] = match step {
                    0 => &["id", "name", "n"],
                    1 => &["id", "name", "n", "extra"],
                    2 => &["id", "title", "n", "extra"],
                    3..=4 => &["id", "title", "extra"],
                    5 => &["id", "title", "extra"],
                    6..=7 => &["id", "title", "extra", "late"],
                    // Without a row, nothing tells of a table.
                    _ if *ddl == "compare" => &["id", "title", "extra", "late"],
                    _ => &["id"],
                };
                let name = if step < 5 { "t" } else { "t2" };
                assert_eq!(columns(follower, name), expected, "{version} {ddl} {step}");
            }
        }
        for (ddl, follower) in &followers {
            let inserts: Vec<_> = follower.lines.iter().filter(|line| line.contains(" + ")).collect();
            assert_eq!(inserts.len(), 8, "{version} {ddl}: {:#?}", follower.lines);
            // A renamed column is not a new one.
            let renamed = follower.changes.iter().any(|change| {
                matches!(change, SchemaChange::AlterTable { after, columns_from, .. }
                    if after.columns[1].name == "title" && columns_from.iter().all(Option::is_some))
            });
            assert!(renamed, "{version} {ddl}: {:#?}", follower.changes);
            let place = |text: &str| follower.lines.iter().position(|line| line.contains(text)).unwrap();
            let statements = &follower.lines[place("Int(7)")..place("Int(8)")];
            assert_eq!(statements.iter().filter(|line| line.starts_with("ddl")).count(), 1, "{statements:?}");
        }
    }
}

#[test]
fn a_new_table_is_carried_from_its_first_row_on() {
    let runtime = runtime();
    let server = PostgresServer::builder(PostgresVersion::V15).start().unwrap();
    server.exec("CREATE SCHEMA app; CREATE SCHEMA other; CREATE TABLE app.t (id int PRIMARY KEY)").unwrap();
    let source = source(&server, "new", "");
    let mut follower = Follower::new(&runtime, &source).unwrap();
    server
        .exec(
            "CREATE TYPE app.mood AS ENUM ('sad', 'happy'); CREATE TABLE app.n (id int PRIMARY KEY, m app.mood); \
             INSERT INTO app.n VALUES (1, 'happy'); CREATE TABLE app.keyless (id int); INSERT INTO app.keyless VALUES (1); \
             UPDATE app.keyless SET id = 2; CREATE TABLE other.t (id int); INSERT INTO other.t VALUES (1); UPDATE other.t SET id = 2",
        )
        .unwrap();
    follower.catch_up().unwrap();
    let rows: Vec<_> = follower.lines.iter().filter(|line| line.starts_with("app.")).collect();
    assert_eq!(rows.len(), 3, "{rows:?}");
    assert!(rows[0].contains("Enum") && rows[2].contains("Int(1) ->  Int(2)"), "{rows:?}");
}
