//! Live rivers: each source on a server of its own into each destination, under a mixed load, equal at the end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use crate::river::{Destination, PATIENCE, PROGRAM, source_section};
use anyhow::Result;
use slackwater_testkit::{Flavor, Server, Task, workload::Workload};

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
        Flavor::Mariadb1011 | Flavor::Mariadb118 => {
            &["--log-bin-compress=ON", "--log-bin-compress-min-len=10", "--binlog-row-metadata=FULL"]
        }
    };
    Server::builder(flavor).args(options.iter().copied()).start()
}

/// Half of the load is there before the task starts, half comes while it runs.
fn river(flavor: Flavor, destination: Option<Flavor>) -> Result<()> {
    let source = source(flavor)?;
    let destination = match destination {
        Some(flavor) => Destination::server(flavor)?,
        None => Destination::sqlite()?,
    };
    let mut load = Workload::new(41).in_database("shop");
    let mut connection = source.conn()?;
    load.setup(&mut connection)?;
    for _ in 0..STEPS / 2 {
        load.step(&mut connection)?;
    }
    let directory = tempfile::tempdir()?;
    let toml = source_section(&[&source], "earliest") + &destination.section();
    let mut task = Task::new(PROGRAM, directory.path(), &toml)?;
    task.start()?;
    for _ in 0..STEPS / 2 {
        load.step(&mut connection)?;
    }
    task.wait_for(&source.end_of_log()?, PATIENCE)?;
    destination.expect_tables(&source, &load.tables(&mut connection)?)?;
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
