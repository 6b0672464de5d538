//! A copy of a million of sysbench's rows: ours, mydumper and myloader, and the limit: one file, written and read by the
//! servers themselves.

use std::process::Command;

use anyhow::{Result, ensure};
use slackwater_testkit::{Flavor, Server, Task};

use super::{data, durability::Durability, ours};
use crate::{
    data::TABLE,
    measure::{self, Race, Round, Usage, Way},
    settings,
};

const FLAVOR: Flavor = Flavor::Mysql97;

/// Measures with every durability.
pub(crate) fn compare() -> Result<()> {
    let rows = settings::number("SLACKWATER_BENCH_ROWS", 1_000_000)?;
    let source = Durability::source(FLAVOR)?;
    println!("writing {rows} rows");
    data::rows(&source, rows)?;
    for durability in Durability::all()? {
        let ways: [(&str, Way<Server>); 3] =
            [("OUTFILE + LOAD DATA", file), ("slackwater", slackwater), ("mydumper + myloader", mydumper)];
        Race {
            title: format!("snapshot; {durability}"),
            rows,
            source: &source,
            fresh: &|| durability.server(FLAVOR, 2),
            expect_same: data::expect_same,
        }
        .run(&ways)?;
    }
    Ok(())
}

/// From the start of the process to its end, which follows when the log behind the copy is applied.
fn slackwater(source: &Server, destination: &Server) -> Result<Round> {
    let directory = tempfile::tempdir()?;
    let toml = ours::task(source, destination, "snapshot") + settings::UNTIL_ZERO;
    let task = Task::new(settings::program(), directory.path(), &toml)?;
    measure::round(source, destination, || measure::run(task.command(&["run"])))
}

/// Four threads each, in pieces of rows, without which one table is one thread's. The destination's log, where it writes
/// one, has the rows as it has those of the others (`-e`).
fn mydumper(source: &Server, destination: &Server) -> Result<Round> {
    let directory = tempfile::tempdir()?;
    let dump = directory.path().join("dump");
    let connect = |program: &str, server: &Server| {
        let mut command = Command::new(program);
        command.args(["-h", "127.0.0.1", "-u", "root", "-t", "4", "-P"]).arg(server.port().to_string());
        command
    };
    let mut write = connect("mydumper", source);
    write.args(["-B", "sbtest", "--trx-consistency-only", "-r", "100000", "-o"]).arg(&dump);
    let mut read = connect("myloader", destination);
    read.args(["-e", "-d"]).arg(&dump);
    measure::round(source, destination, || Ok(measure::run(write)?.then(measure::run(read)?)))
}

/// What the servers can do by themselves, on one machine: no protocol, no statements.
fn file(source: &Server, destination: &Server) -> Result<Round> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("rows");
    let create = source.query("SHOW CREATE TABLE sbtest.sbtest1")?;
    let create = create.into_iter().flatten().flatten().nth(1).unwrap_or_default();
    let create = String::from_utf8(create)?;
    ensure!(create.starts_with("CREATE TABLE"), "no definition of the table");
    measure::round(source, destination, || {
        source.exec(&format!("SELECT * INTO OUTFILE {file:?} FROM {}", TABLE))?;
        destination.exec(&format!(
            "CREATE DATABASE sbtest; USE sbtest; {create}; LOAD DATA INFILE {file:?} INTO TABLE {}",
            TABLE
        ))?;
        Ok(Usage::default())
    })
}
