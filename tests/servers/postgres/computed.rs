//! Values that a source of PostgreSQL computes and its log does not have: generated columns, and those that a new column gives to the
//! rows that are there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use crate::river::{DATABASE, Destination, PATIENCE, PROGRAM};
use anyhow::{Result, ensure};
use slackwater_testkit::{
    Flavor, PostgresServer, PostgresVersion, Task,
    compare::{Side, expect_same_tables},
};
use tempfile::TempDir;

fn task(source: &PostgresServer, destination: &Destination, directory: &TempDir) -> Result<Task> {
    let toml = format!(
        "start = \"snapshot\"\n{}{}[objects]\ninclude = [\"shop.*\"]\n",
        source.source_section(DATABASE, "ddl = \"event-trigger\""),
        destination.section()
    );
    let mut task = Task::new(PROGRAM, directory.path(), &toml)?;
    task.start()?;
    task.wait_for_words("the destination has all that the source had here", 1, PATIENCE)?;
    Ok(task)
}

fn without_generated(destination: &Destination) -> Result<()> {
    let source = PostgresServer::builder(PostgresVersion::V15).start()?;
    source.exec(
        "CREATE SCHEMA shop; CREATE TABLE shop.t (id int PRIMARY KEY, n int, twice int GENERATED ALWAYS AS (n * 2) STORED, note text); \
         CREATE INDEX ON shop.t (twice); INSERT INTO shop.t VALUES (1, 10, DEFAULT, 'a'), (2, 20, DEFAULT, 'b'); \
         CREATE TABLE public.plain (id int PRIMARY KEY, n int, note text)",
    )?;
    let directory = tempfile::tempdir()?;
    let mut task = task(&source, destination, &directory)?;
    source.exec("UPDATE shop.t SET n = 30 WHERE id = 1; INSERT INTO shop.t VALUES (3, 40, DEFAULT, 'c')")?;
    source.exec("ALTER TABLE shop.t ADD COLUMN thrice int GENERATED ALWAYS AS (n * 3) STORED")?;
    source.exec("INSERT INTO shop.t VALUES (4, 50, DEFAULT, 'd')")?;
    source.exec("INSERT INTO public.plain SELECT id, n, note FROM shop.t")?;
    task.wait_for_wal(source.end_of_log()?, PATIENCE)?;
    let file = destination.file();
    let (side, name) = match (destination, &file) {
        (Destination::Server(server), _) => (Side::Mysql(server), "shop.t"),
        (_, file) => (Side::Sqlite(file.as_deref().expect("it is a file")), "t"),
    };
    expect_same_tables(Side::Postgres(&source, DATABASE), side, [("public.plain", name)]).map(drop)
}

#[test]
fn generated_columns_are_not_carried_to_sqlite() -> Result<()> {
    without_generated(&Destination::sqlite()?)
}

#[test]
fn generated_columns_are_not_carried_to_mariadb() -> Result<()> {
    without_generated(&Destination::server(Flavor::Mariadb1011)?)
}

#[test]
fn values_that_only_the_source_knows_are_not_made_up() -> Result<()> {
    let source = PostgresServer::builder(PostgresVersion::V15).start()?;
    source.exec(
        "CREATE SCHEMA shop; CREATE TABLE shop.t (id int PRIMARY KEY); CREATE TABLE shop.empty (id int PRIMARY KEY); \
         INSERT INTO shop.t VALUES (1), (2)",
    )?;
    let destination = Destination::postgres(PostgresVersion::V15)?;
    let directory = tempfile::tempdir()?;
    let mut task = task(&source, &destination, &directory)?;
    let Destination::Postgres(server, _) = &destination else { panic!("it is a server") };
    for statement in [
        "ALTER TABLE shop.empty ADD COLUMN made timestamptz DEFAULT clock_timestamp()",
        "INSERT INTO shop.empty VALUES (1)",
        "ALTER TABLE shop.t ADD COLUMN a text DEFAULT 'x', ADD COLUMN b int[] DEFAULT ARRAY[1, 2], ADD COLUMN c text DEFAULT upper('q')",
        "ALTER TABLE shop.t ADD COLUMN d text",
        "INSERT INTO shop.t VALUES (3)",
    ] {
        source.exec(statement)?;
    }
    task.wait_for_wal(source.end_of_log()?, PATIENCE)?;
    let tables = [("shop.t", "shop.t"), ("shop.empty", "shop.empty")];
    expect_same_tables(Side::Postgres(&source, DATABASE), Side::Postgres(server, DATABASE), tables)?;
    source.exec("ALTER TABLE shop.t ADD COLUMN lot double precision DEFAULT random()")?;
    let status = task.wait(PATIENCE)?;
    let log = task.log();
    ensure!(status.code() == Some(1) && log.contains("the column lot cannot be added"), "{log}");
    ensure!(log.contains("copy the table anew"), "{log}");
    Ok(())
}
