//! Rules about tables that were changed between two runs of a task.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::time::Duration;

use crate::river::{Destination, PATIENCE, PROGRAM, source_section};
use anyhow::{Result, ensure};
use slackwater_testkit::{Flavor, Server, Task};

fn run_to_the_end(task: &mut Task, source: &Server) -> Result<()> {
    task.start()?;
    task.wait_for(&source.end_of_log()?, PATIENCE)?;
    ensure!(task.stop()?.success(), "{}", task.log());
    Ok(())
}

/// A log without names of columns: the new table's definition is in no part of it that the task reads.
#[test]
fn a_table_is_added_when_an_operator_says_so() -> Result<()> {
    let source = Server::builder(Flavor::Mysql97).arg("--binlog-row-metadata=MINIMAL").start()?;
    source.exec(
        "CREATE DATABASE shop; CREATE TABLE shop.a (id INT PRIMARY KEY); \
         CREATE TABLE shop.b (id INT PRIMARY KEY, v VARCHAR(20)); INSERT INTO shop.a VALUES (1)",
    )?;
    let destination = Destination::sqlite()?;
    let directory = tempfile::tempdir()?;
    let rules = |include: &str| {
        (source_section(&[&source], "snapshot") + &destination.section()).replace("\"shop.*\"", include)
    };
    let mut task = Task::new(PROGRAM, directory.path(), &rules("\"shop.a\""))?;
    task.start()?;
    task.wait_for(&source.end_of_log()?, PATIENCE)?;
    while task.status().is_none_or(|status| status["phase"] != "tailing") {
        ensure!(task.is_running(), "{}", task.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    ensure!(task.stop()?.success(), "{}", task.log());

    // In another layout they are the same.
    task.rewrite(&rules("\n  \"shop.a\", # the one\n"))?;
    source.exec("INSERT INTO shop.a VALUES (3)")?;
    run_to_the_end(&mut task, &source)?;

    task.rewrite(&rules("\"shop.b\", \"shop.a\""))?;
    task.start()?;
    ensure!(task.wait(PATIENCE)?.code() == Some(1), "{}", task.log());
    ensure!(task.log().contains("objects.include has \"shop.b\" in addition"), "{}", task.log());
    ensure!(task.log().contains("slackwater positions accept-rules"), "{}", task.log());
    let accepted = task.command(&["positions", "accept-rules"]).output()?;
    ensure!(accepted.status.success(), "{accepted:?}");
    source.exec("INSERT INTO shop.b VALUES (7, 'seven'); INSERT INTO shop.a VALUES (2)")?;
    run_to_the_end(&mut task, &source)?;
    destination.expect_tables(&source, &["shop.a".to_owned(), "shop.b".to_owned()])
}
