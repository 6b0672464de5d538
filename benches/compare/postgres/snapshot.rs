//! A copy of a million of sysbench's rows: ours, pgcopydb, and the limit: one connection to each server and a pipe between.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use slackwater_testkit::{PostgresServer, Task};

use super::{
    data,
    servers::{self, DATABASE, Durability},
};
use crate::{
    data::TABLE,
    measure::{self, Race, Round, Usage, Way},
    settings,
};

/// Measures with every durability.
pub(crate) fn compare() -> Result<()> {
    let rows = settings::number("SLACKWATER_BENCH_ROWS", 1_000_000)?;
    let source = Durability::source()?;
    println!("writing {rows} rows");
    data::rows(&source, rows)?;
    for durability in Durability::all() {
        let ways: [(&str, Way<PostgresServer>); 3] =
            [("COPY | COPY", pipe), ("slackwater", slackwater), ("pgcopydb", pgcopydb)];
        Race {
            title: format!("snapshot; {durability}"),
            rows,
            source: &source,
            fresh: &|| durability.server(),
            expect_same: data::expect_same,
        }
        .run(&ways)?;
    }
    Ok(())
}

/// From the start of the process to its end, which follows when the log behind the copy is applied.
fn slackwater(source: &PostgresServer, destination: &PostgresServer) -> Result<Round> {
    let directory = tempfile::tempdir()?;
    let toml = servers::task(source, destination, "snapshot", "slot = \"bench\"") + settings::UNTIL_ZERO;
    let task = Task::new(settings::program(), directory.path(), &toml)?;
    let round = measure::round(source, destination, || measure::run(task.command(&["run"])))?;
    servers::drop_slot(source, "bench")?;
    Ok(round)
}

/// The table with its key, the rows, and the second index.
fn pipe(source: &PostgresServer, destination: &PostgresServer) -> Result<Round> {
    let psql = |server: &PostgresServer, sql: String| -> Result<Command> {
        let mut command = server.client_tool("psql")?;
        command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", &sql]);
        Ok(command)
    };
    let mut write = psql(source, format!("COPY {TABLE} TO STDOUT"))?;
    let mut read = psql(destination, format!("COPY {TABLE} FROM STDIN"))?;
    measure::round(source, destination, || {
        destination.exec(data::CREATE_TABLE)?;
        let mut write = write.stdout(Stdio::piped()).spawn()?;
        let rows = write.stdout.take().context("no pipe")?;
        let read = read.stdin(rows).status()?;
        ensure!(write.wait()?.success() && read.success(), "psql failed");
        destination.exec(data::CREATE_INDEX)?;
        Ok(Usage::default())
    })
}

/// Four processes for tables, in parts without which one table is one process's, and four for indexes.
fn pgcopydb(source: &PostgresServer, destination: &PostgresServer) -> Result<Round> {
    let directory = tempfile::tempdir()?;
    let mut command = Command::new("pgcopydb");
    command.args(["clone", "--table-jobs", "4", "--index-jobs", "4", "--split-tables-larger-than", "50MB"]);
    command.args(["--no-acl", "--no-owner", "--skip-extensions", "--dir"]).arg(directory.path().join("work"));
    command.args(["--source", &source.url(DATABASE), "--target", &destination.url(DATABASE)]);
    measure::round(source, destination, || measure::run(command))
}
