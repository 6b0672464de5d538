//! Online schema changes of a table while a task that carries this table alone follows the log: the table that takes its name was
//! filled under another one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod gh_ost;
mod writer;

use std::{process::Stdio, sync::Arc};

use crate::river::{Destination, PATIENCE, PROGRAM, source_section};
use anyhow::{Result, ensure};
use slackwater_testkit::{Flavor, Server, Task};
use writer::Writer;

const SCHEMA: &str = "\
    CREATE DATABASE shop; \
    CREATE TABLE shop.orders (id INT PRIMARY KEY, customer VARCHAR(40) NOT NULL, amount DECIMAL(9,2), \
      KEY by_customer (customer)) ENGINE=InnoDB; \
    CREATE TABLE shop.staging LIKE shop.orders";
const ROWS: u32 = 2000;
/// One change after the other, so that the names of the first are free again.
const CHANGES: [&str; 2] = [
    "ADD COLUMN note VARCHAR(20) NOT NULL DEFAULT 'none' AFTER id, MODIFY customer VARCHAR(64) NOT NULL",
    "DROP COLUMN note, MODIFY amount DECIMAL(11,3), ADD KEY by_amount (amount)",
];

/// Makes a change of `shop.orders`.
type Tool = fn(&Server, &Writer, &str) -> Result<()>;

fn pt_online_schema_change(server: &Server, _: &Writer, change: &str) -> Result<()> {
    let change = format!("--alter={change}");
    // Without replicas, and with small chunks, between which much is written.
    let arguments = [
        "--execute",
        "--recursion-method=none",
        "--chunk-size=200",
        "--chunk-time=0",
        "--sleep=0.02",
        &change,
    ];
    let output = server.pt_online_schema_change("shop.orders", &arguments)?.stdin(Stdio::null()).output()?;
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
    ensure!(output.status.success(), "pt-online-schema-change failed:\n{}", said.concat());
    Ok(())
}

fn follows(source: Flavor, destination: Option<Flavor>, tool: Tool) -> Result<()> {
    let source = Arc::new(Server::builder(source).start()?);
    let destination = destination.map_or_else(Destination::sqlite, Destination::server)?;
    source.exec(SCHEMA)?;
    let directory = tempfile::tempdir()?;
    let toml =
        source_section(&[&source], "earliest").replace("shop.*", "shop.orders") + &destination.section();
    let mut task = Task::new(PROGRAM, directory.path(), &toml)?;
    let writer = Writer::start(&source, ROWS)?;
    task.start()?;
    for change in CHANGES {
        tool(&source, &writer, change)?;
    }
    let written = writer.stop()?;
    ensure!(written > 200, "only {written} changes during the online changes");
    task.wait_for(&source.end_of_log()?, PATIENCE)?;
    destination.expect_tables(&source, &["shop.orders".to_owned()])?;
    assert_eq!(tables(&destination)?, ["orders"], "{}", task.log());
    assert!(task.stop()?.success(), "{}", task.log());
    match &destination {
        // MySQL's collations are other ones there: the statements are made from the definitions, without indexes.
        Destination::Server(server) if server.flavor().is_mariadb() => return Ok(()),
        Destination::Server(server) => {
            const INDEXES: &str = "SELECT DISTINCT index_name FROM information_schema.statistics \
                 WHERE table_schema = 'shop' AND table_name = 'orders' ORDER BY 1";
            assert_eq!(server.query(INDEXES)?, source.query(INDEXES)?);
        }
        Destination::Sqlite(_) | Destination::Postgres(..) => {}
    }
    assert!(!task.log().contains("WARN"), "{}", task.log());
    Ok(())
}

/// The names of the tables at the destination that are not the program's own.
fn tables(destination: &Destination) -> Result<Vec<String>> {
    match destination {
        Destination::Sqlite(_) => {
            let file = rusqlite::Connection::open(destination.file().unwrap())?;
            let mut names = file.prepare(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'slackwater%' ORDER BY 1",
            )?;
            Ok(names.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
        }
        Destination::Server(server) => {
            let names = server.query("SHOW TABLES IN shop")?.into_iter().flatten().flatten();
            Ok(names.map(|name| String::from_utf8_lossy(&name).into_owned()).collect())
        }
        Destination::Postgres(server, _) => {
            let names =
                server.query("SELECT tablename FROM pg_tables WHERE schemaname = 'shop' ORDER BY 1")?;
            Ok(names.into_iter().flatten().flatten().collect())
        }
    }
}

macro_rules! online_changes {
    ($($name:ident: $source:ident => $destination:expr, $tool:expr;)*) => {$(
        #[test]
        fn $name() -> Result<()> {
            follows(Flavor::$source, $destination, $tool)
        }
    )*};
}

online_changes! {
    pt_osc_mysql_57_to_sqlite: Mysql57 => None, pt_online_schema_change;
    pt_osc_mysql_97_to_mariadb_1011: Mysql97 => Some(Flavor::Mariadb1011), pt_online_schema_change;
    gh_ost_mysql_57_to_mysql_97: Mysql57 => Some(Flavor::Mysql97), gh_ost::change;
    gh_ost_mysql_97_to_sqlite: Mysql97 => None, gh_ost::change;
}

#[test]
fn a_table_that_was_not_carried_and_takes_the_name_stops_the_task() -> Result<()> {
    for destination in [Destination::sqlite()?, Destination::server(Flavor::Mysql97)?] {
        let source = Server::builder(Flavor::Mysql97).start()?;
        source.exec(SCHEMA)?;
        source.exec(
            "INSERT INTO shop.orders VALUES (1, 'a', 1); INSERT INTO shop.staging VALUES (2, 'b', 2)",
        )?;
        let directory = tempfile::tempdir()?;
        let toml =
            source_section(&[&source], "earliest").replace("shop.*", "shop.orders") + &destination.section();
        let mut task = Task::new(PROGRAM, directory.path(), &toml)?;
        task.start()?;
        task.wait_for(&source.end_of_log()?, PATIENCE)?;
        source.exec("RENAME TABLE shop.orders TO shop.former, shop.staging TO shop.orders")?;
        source.exec("INSERT INTO shop.orders VALUES (3, 'c', 3)")?;
        assert!(!task.wait(PATIENCE)?.success());
        let log = task.log();
        assert!(log.contains("shop.staging") && log.contains("not carried"), "{log}");
    }
    Ok(())
}
