//! Whole migrations from PostgreSQL under a writing load and `kill -9`: definitions, copy and tail, equal row by row at
//! the end.
//!
//! `SLACKWATER_SEEDS` sets how many seeds each pair of databases goes through (1 unless set), `SLACKWATER_FIRST_SEED` the
//! first of them (1 unless set). The pairs that are not part of every run are ignored unless asked for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::env;

use super::postgres_migration::{Migration, expect_tables};
use crate::lives::{Phase, is_done};
use crate::river::Destination;
use anyhow::{Context as _, Result, ensure};
use slackwater_testkit::{Flavor, PostgresServer, PostgresVersion};

fn number(variable: &str) -> Result<u64> {
    env::var(variable).map_or(Ok(1), |text| text.parse().with_context(|| format!("{variable}: {text}")))
}

/// All seeds of a pair, one after the other.
fn seeds(mut one: impl FnMut(u64) -> Result<()>) -> Result<()> {
    let first = number("SLACKWATER_FIRST_SEED")?;
    (first..first + number("SLACKWATER_SEEDS")?)
        .try_for_each(|seed| one(seed).with_context(|| format!("seed {seed}")))
}

fn from_postgres(source: PostgresVersion, destination: impl Fn() -> Result<Destination>) -> Result<()> {
    seeds(|seed| {
        let server = PostgresServer::builder(source).start()?;
        let destination = destination()?;
        let mut migration = Migration::new(&server, &destination, seed)?;
        run(&mut migration, &server, &destination).map_err(|error| {
            let evidence = migration.evidence(&destination);
            error.context(evidence)
        })?;
        println!("seed {seed}, {} to {}: killed {:?}", server.version(), destination.name(), migration.kills);
        Ok(())
    })
}

fn run(migration: &mut Migration<'_>, source: &PostgresServer, destination: &Destination) -> Result<()> {
    let tables = migration.run()?;
    expect_tables(source, destination, &tables)?;
    ensure!(is_done(&migration.task));
    let killed = |phase| migration.kills.contains_key(&phase);
    ensure!(killed(Phase::Snapshot) && killed(Phase::Tailing), "{:?}", migration.kills);
    Ok(())
}

macro_rules! from_postgres {
    ($($(#[$attribute:meta])* $name:ident: $source:ident => $destination:expr;)*) => {$(
        #[test]
        $(#[$attribute])*
        fn $name() -> Result<()> {
            from_postgres(PostgresVersion::$source, || $destination)
        }
    )*};
}

from_postgres! {
    postgresql_10_to_18: V10 => Destination::postgres(PostgresVersion::V18);
    postgresql_15_to_15: V15 => Destination::postgres(PostgresVersion::V15);
    postgresql_18_to_18: V18 => Destination::postgres(PostgresVersion::V18);
    postgresql_18_to_mysql_97: V18 => Destination::server(Flavor::Mysql97);
    postgresql_15_to_sqlite: V15 => Destination::sqlite();
    #[ignore = "beside those of every run"]
    postgresql_10_to_15: V10 => Destination::postgres(PostgresVersion::V15);
    #[ignore = "beside those of every run"]
    postgresql_12_to_15: V12 => Destination::postgres(PostgresVersion::V15);
    #[ignore = "beside those of every run"]
    postgresql_12_to_18: V12 => Destination::postgres(PostgresVersion::V18);
    #[ignore = "beside those of every run"]
    postgresql_14_to_15: V14 => Destination::postgres(PostgresVersion::V15);
    #[ignore = "beside those of every run"]
    postgresql_14_to_18: V14 => Destination::postgres(PostgresVersion::V18);
    #[ignore = "beside those of every run"]
    postgresql_15_to_18: V15 => Destination::postgres(PostgresVersion::V18);
    #[ignore = "beside those of every run"]
    postgresql_16_to_15: V16 => Destination::postgres(PostgresVersion::V15);
    #[ignore = "beside those of every run"]
    postgresql_16_to_18: V16 => Destination::postgres(PostgresVersion::V18);
    #[ignore = "beside those of every run"]
    postgresql_17_to_15: V17 => Destination::postgres(PostgresVersion::V15);
    #[ignore = "beside those of every run"]
    postgresql_17_to_18: V17 => Destination::postgres(PostgresVersion::V18);
    #[ignore = "beside those of every run"]
    postgresql_18_to_15: V18 => Destination::postgres(PostgresVersion::V15);
    #[ignore = "beside those of every run"]
    postgresql_15_to_mysql_97: V15 => Destination::server(Flavor::Mysql97);
    #[ignore = "beside those of every run"]
    postgresql_18_to_mariadb_1011: V18 => Destination::server(Flavor::Mariadb1011);
}
