//! Live rivers: each source on a server of its own into each destination, under a mixed load, equal at the end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::time::Duration;

use anyhow::Result;
use slackwater_testkit::{
    Flavor, Server, Task,
    compare::{destination_rows, expect_equal, source_rows, sqlite_rows},
    workload::Workload,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_slackwater");
const PATIENCE: Duration = Duration::from_secs(120);
const STEPS: usize = 400;

/// The options that make a source's log as hard to read as it can be, where the server has them.
fn source(flavor: Flavor) -> Result<Server> {
    let options: &[&str] = match flavor {
        Flavor::Mysql97 => &[
            "--binlog-transaction-compression=ON",
            "--binlog-row-value-options=PARTIAL_JSON",
            "--binlog-row-metadata=FULL",
        ],
        Flavor::Mysql57 | Flavor::Mysql56 => &[],
        Flavor::Mariadb1011 | Flavor::Mariadb118 => &[
            "--log-bin-compress=ON",
            "--log-bin-compress-min-len=10",
            "--binlog-row-metadata=FULL",
        ],
    };
    Server::builder(flavor).args(options.iter().copied()).start()
}

fn source_section(server: &Server) -> String {
    format!(
        "start = \"earliest\"\n[source]\ntype = \"mysql\"\nhosts = [\"127.0.0.1:{}\"]\nuser = \"root\"\npassword = \"\"\n\
         [objects]\ninclude = [\"shop.*\"]\n",
        server.port()
    )
}

fn destination_section(server: &Server) -> String {
    format!(
        "[destination]\ntype = \"mysql\"\nhost = \"127.0.0.1:{}\"\nuser = \"root\"\npassword = \"\"\n",
        server.port()
    )
}

/// Half of the load is there before the task starts, half comes while it runs.
fn river(flavor: Flavor, destination: Option<Flavor>) -> Result<()> {
    let source = source(flavor)?;
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("copy.db");
    let server = destination.map(|flavor| Server::builder(flavor).server_id(77).start()).transpose()?;
    let destination_toml = match &server {
        Some(server) => destination_section(server),
        None => format!("[destination]\ntype = \"sqlite\"\npath = {file:?}\n"),
    };
    let mut load = Workload::new(41).in_database("shop");
    let mut connection = source.conn()?;
    load.setup(&mut connection)?;
    for _ in 0..STEPS / 2 {
        load.step(&mut connection)?;
    }
    let toml = source_section(&source) + &destination_toml;
    let mut task = Task::new(PROGRAM, directory.path(), &toml)?;
    task.start()?;
    for _ in 0..STEPS / 2 {
        load.step(&mut connection)?;
    }
    task.wait_for(&source.end_of_log()?, PATIENCE)?;
    for table in load.tables(&mut connection)? {
        let expected = source_rows(&source, &table)?;
        let found = match &server {
            Some(server) => destination_rows(&source, server, &table)?,
            None => sqlite_rows(&source, &file, &table)?,
        };
        expect_equal(&format!("{flavor} table {table}"), &expected, &found)?;
    }
    assert!(task.stop()?.success(), "{}", task.log());
    Ok(())
}

macro_rules! rivers {
    ($($name:ident: $source:ident => $destination:expr;)*) => {$(
        #[test]
        fn $name() -> Result<()> {
            river(Flavor::$source, $destination)
        }
    )*};
}

rivers! {
    mysql_97_to_sqlite: Mysql97 => None;
    mysql_97_to_mysql_97: Mysql97 => Some(Flavor::Mysql97);
    mysql_97_to_mariadb_1011: Mysql97 => Some(Flavor::Mariadb1011);
    mysql_57_to_sqlite: Mysql57 => None;
    mysql_57_to_mysql_97: Mysql57 => Some(Flavor::Mysql97);
    mysql_57_to_mariadb_1011: Mysql57 => Some(Flavor::Mariadb1011);
    mysql_56_to_sqlite: Mysql56 => None;
    mysql_56_to_mysql_97: Mysql56 => Some(Flavor::Mysql97);
    mysql_56_to_mariadb_1011: Mysql56 => Some(Flavor::Mariadb1011);
    mariadb_1011_to_sqlite: Mariadb1011 => None;
    mariadb_1011_to_mysql_97: Mariadb1011 => Some(Flavor::Mysql97);
    mariadb_1011_to_mariadb_1011: Mariadb1011 => Some(Flavor::Mariadb1011);
    mariadb_118_to_sqlite: Mariadb118 => None;
    mariadb_118_to_mysql_97: Mariadb118 => Some(Flavor::Mysql97);
    mariadb_118_to_mariadb_1011: Mariadb118 => Some(Flavor::Mariadb1011);
}
