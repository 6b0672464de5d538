//! Keys that come to a table when it is at the destination already and its copy has not begun: no part of the log that is applied has them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::{
    pairs::migration::schema::expect_indexes,
    river::{Destination, PATIENCE, PROGRAM, source_section},
};
use anyhow::{Result, ensure};
use slackwater_testkit::{Flavor, Server, Task, run_statements};

#[test]
fn keys_that_come_before_the_copy_of_their_table_are_created() -> Result<()> {
    let source = Server::builder(Flavor::Mysql97).start()?;
    source.exec(
        "CREATE DATABASE shop; CREATE TABLE shop.large (id INT PRIMARY KEY, v LONGTEXT); \
         INSERT INTO shop.large VALUES (1, REPEAT('x', 4000000)); ANALYZE TABLE shop.large; \
         CREATE TABLE shop.small (id INT PRIMARY KEY, n INT, v INT); INSERT INTO shop.small VALUES (1, 1, 1)",
    )?;
    let destination = Destination::server(Flavor::Mysql97)?;
    let Destination::Server(server) = &destination else { panic!("it is a server") };
    let directory = tempfile::tempdir()?;
    let toml = source_section(&[&source], "snapshot") + &destination.section() + "[snapshot]\nreaders = 1\n";
    let mut task = Task::new(PROGRAM, directory.path(), &toml)?;
    // The one reader waits for the large table.
    let mut other = source.conn()?;
    run_statements(&mut other, "LOCK TABLES shop.large WRITE")?;
    task.start()?;
    let waiting =
        "SELECT COUNT(*) FROM information_schema.processlist WHERE state LIKE 'Waiting for table%lock'";
    let deadline = Instant::now() + PATIENCE;
    while source.query_string(waiting)?.as_deref() != Some("1") {
        ensure!(task.is_running() && Instant::now() < deadline, "nobody waits:\n{}", task.log());
        thread::sleep(Duration::from_millis(20));
    }
    let made =
        server.query_string("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'shop'")?;
    ensure!(made.as_deref() == Some("2"), "{}", task.log());
    source.exec("ALTER TABLE shop.small ADD KEY by_v (v), ADD UNIQUE KEY one_n (n)")?;
    run_statements(&mut other, "UNLOCK TABLES")?;
    task.wait_for_words("the destination has all that the source had here", 1, PATIENCE)?;
    destination.expect_tables(&source, &["shop.large".to_owned(), "shop.small".to_owned()])?;
    expect_indexes(&source, server)
}
