//! What foreign keys do to other tables is not in the log of most servers, and has to happen at the destination all the same.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use crate::river::{Destination, PATIENCE, PROGRAM, source_section};
use anyhow::Result;
use slackwater_testkit::{Flavor, Server, Task};

const SCHEMA: &str = "\
    CREATE DATABASE shop; \
    CREATE TABLE shop.parents (id INT PRIMARY KEY, code INT NOT NULL UNIQUE, v INT) ENGINE=InnoDB; \
    CREATE TABLE shop.cascading (id INT PRIMARY KEY, parent INT, \
      FOREIGN KEY (parent) REFERENCES shop.parents (id) ON DELETE CASCADE ON UPDATE CASCADE) ENGINE=InnoDB; \
    CREATE TABLE shop.loosened (id INT PRIMARY KEY, code INT, \
      FOREIGN KEY (code) REFERENCES shop.parents (code) ON DELETE SET NULL ON UPDATE SET NULL) ENGINE=InnoDB; \
    CREATE TABLE shop.grandchildren (id INT PRIMARY KEY, child INT, \
      FOREIGN KEY (child) REFERENCES shop.cascading (id) ON DELETE CASCADE) ENGINE=InnoDB; \
    INSERT INTO shop.parents VALUES (1,10,0),(2,20,0),(3,30,0),(4,40,0),(5,50,0); \
    INSERT INTO shop.cascading VALUES (1,1),(2,1),(3,2),(4,3),(5,4),(6,5); \
    INSERT INTO shop.loosened VALUES (1,10),(2,20),(3,30),(4,40),(5,50); \
    INSERT INTO shop.grandchildren VALUES (1,1),(2,2),(3,3),(4,4),(5,6)";

/// Deletes and key changes, plain changes of a parent that must not touch its children, and a session without foreign keys.
const CHANGES: &str = "\
    DELETE FROM shop.parents WHERE id = 1; \
    UPDATE shop.parents SET id = 22 WHERE id = 2; \
    UPDATE shop.parents SET code = 33 WHERE id = 3; \
    UPDATE shop.parents SET v = 1; \
    BEGIN; INSERT INTO shop.parents VALUES (6,60,0); INSERT INTO shop.cascading VALUES (7,6); DELETE FROM shop.parents WHERE id = 6; COMMIT; \
    SET SESSION foreign_key_checks = 0; DELETE FROM shop.parents WHERE id = 5";

fn follows(source: Flavor, destination: Flavor) -> Result<()> {
    let source = Server::builder(source).start()?;
    let destination = Destination::server(destination)?;
    source.exec(SCHEMA)?;
    source.exec(CHANGES)?;
    let directory = tempfile::tempdir()?;
    let toml = source_section(&[&source], "earliest") + &destination.section();
    let mut task = Task::new(PROGRAM, directory.path(), &toml)?;
    task.start()?;
    task.wait_for(&source.end_of_log()?, PATIENCE)?;
    let tables = ["parents", "cascading", "loosened", "grandchildren"].map(|table| format!("shop.{table}"));
    destination.expect_tables(&source, &tables)
}

#[test]
fn mysql_57_to_mysql_97() -> Result<()> {
    follows(Flavor::Mysql57, Flavor::Mysql97)
}

#[test]
fn mariadb_1011_to_mariadb_1011() -> Result<()> {
    follows(Flavor::Mariadb1011, Flavor::Mariadb1011)
}

#[test]
fn mysql_97_to_mysql_97() -> Result<()> {
    follows(Flavor::Mysql97, Flavor::Mysql97)
}
