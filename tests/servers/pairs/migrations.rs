//! Whole migrations under a writing load and `kill -9`: definitions, copy and tail, equal row by row at the end.
//!
//! `SLACKWATER_SEEDS` sets how many seeds each pair of databases goes through (1 unless set), `SLACKWATER_FIRST_SEED` the
//! first of them (1 unless set). A pair that is not part of every run is ignored unless asked for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::env;

use crate::lives::{Phase, is_done};
use crate::pairs::migration::{Migration, schema::expect_indexes};
use crate::river::Destination;
use anyhow::{Context as _, Result, ensure};
use slackwater_testkit::{Flavor, PostgresVersion, Server};

fn number(variable: &str) -> Result<u64> {
    env::var(variable).map_or(Ok(1), |text| text.parse().with_context(|| format!("{variable}: {text}")))
}

/// All seeds of a pair, one after the other on the same source.
fn migrate(source: Flavor, destination: impl Fn() -> Result<Destination>) -> Result<()> {
    let source = Server::builder(source).arg("--innodb-buffer-pool-size=256M").start()?;
    let first = number("SLACKWATER_FIRST_SEED")?;
    for seed in first..first + number("SLACKWATER_SEEDS")? {
        let destination = destination()?;
        one(&source, &destination, seed)
            .with_context(|| format!("seed {seed}, {} to {}", source.flavor(), destination.name()))?;
    }
    Ok(())
}

fn one(source: &Server, destination: &Destination, seed: u64) -> Result<()> {
    let mut migration = Migration::new(source, destination, seed)?;
    run(&mut migration, source, destination).map_err(|error| {
        let evidence = migration.evidence(destination);
        error.context(evidence)
    })?;
    println!("seed {seed}, {} to {}: killed {:?}", source.flavor(), destination.name(), migration.kills);
    Ok(())
}

fn run(migration: &mut Migration<'_>, source: &Server, destination: &Destination) -> Result<()> {
    let tables = migration.run()?;
    destination.expect_tables(source, &tables)?;
    if let Destination::Server(destination) = destination {
        expect_indexes(source, destination)?;
    }
    ensure!(is_done(&migration.task));
    let killed = |phase| migration.kills.contains_key(&phase);
    ensure!(killed(Phase::Snapshot) && killed(Phase::Tailing), "{:?}", migration.kills);
    Ok(())
}

macro_rules! migrations {
    ($($(#[$attribute:meta])* $name:ident: $source:ident => $destination:expr;)*) => {$(
        #[test]
        $(#[$attribute])*
        fn $name() -> Result<()> {
            migrate(Flavor::$source, || $destination)
        }
    )*};
}

migrations! {
    mysql_97_to_mariadb_1011: Mysql97 => Destination::server(Flavor::Mariadb1011);
    mysql_97_to_sqlite: Mysql97 => Destination::sqlite();
    mysql_97_to_postgresql_18: Mysql97 => Destination::postgres(PostgresVersion::V18);
    #[ignore = "beside those of every run"]
    mariadb_1011_to_postgresql_18: Mariadb1011 => Destination::postgres(PostgresVersion::V18);
    mysql_57_to_mysql_97: Mysql57 => Destination::server(Flavor::Mysql97);
    mysql_57_to_sqlite: Mysql57 => Destination::sqlite();
    mariadb_1011_to_mysql_97: Mariadb1011 => Destination::server(Flavor::Mysql97);
    mariadb_1011_to_sqlite: Mariadb1011 => Destination::sqlite();
}
