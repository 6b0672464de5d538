//! One load, received in every form that a server's protocol has, through the daemon: the same tables at the end of each.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::fmt;

use anyhow::{Result, ensure};
use slackwater_testkit::{
    PostgresServer, PostgresVersion, Task,
    compare::{Side, expect_same_tables},
    workload::PostgresWorkload,
};
use tempfile::TempDir;

use crate::river::{DATABASE, PATIENCE, PROGRAM};

const STEPS: u32 = 100;

/// A form of the protocol.
#[derive(Clone, Copy)]
struct Form {
    protocol: u8,
    format: &'static str,
    two_phase: bool,
}

impl Form {
    /// All that the version has.
    fn all(version: PostgresVersion) -> Vec<Form> {
        let of = |protocol| {
            ["text", "binary"].into_iter().flat_map(move |format| {
                let two_phase: &[bool] = if protocol < 3 { &[false] } else { &[false, true] };
                two_phase.iter().map(move |two_phase| Form { protocol, format, two_phase: *two_phase })
            })
        };
        (1..=version.protocol()).flat_map(of).collect()
    }
}

impl fmt::Display for Form {
    /// The name of its slot and of its database at the destination.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let two_phase = if self.two_phase { "_two_phase" } else { "" };
        write!(f, "protocol_{}_{}{two_phase}", self.protocol, self.format)
    }
}

fn every_form(version: PostgresVersion) -> Result<()> {
    let source = PostgresServer::builder(version).set("logical_decoding_work_mem", "64kB").start()?;
    let destination = PostgresServer::builder(PostgresVersion::V18).set("max_connections", "200").start()?;
    let mut workload =
        PostgresWorkload::new(41).in_schema("shop").ddl_per_thousand(0).large_rows(1000).two_phase();
    let mut client = source.client_of(DATABASE)?;
    workload.setup(&mut client)?;
    let mut tasks = Vec::new();
    for form in Form::all(version) {
        destination.exec(&format!("CREATE DATABASE {form}"))?;
        let directory = tempfile::tempdir()?;
        let mut task = Task::new(PROGRAM, directory.path(), &toml(&source, &destination, form))?;
        task.start()?;
        tasks.push((form, task, directory));
    }
    for (_, task, _) in &tasks {
        task.wait_for_words("the destination has all that the source had here", 1, PATIENCE)?;
    }
    for _ in 0..STEPS {
        workload.step(&mut client)?;
    }
    let tables = workload.tables(&mut client)?;
    for running in tasks {
        expect_equal(&source, &destination, running, &tables)?;
    }
    Ok(())
}

fn toml(source: &PostgresServer, destination: &PostgresServer, form: Form) -> String {
    let Form { protocol, format, two_phase } = form;
    // An event trigger for each task would write into the others' logs.
    let of_source = format!(
        "slot = \"{form}\"\npublication = \"{form}\"\nprotocol = {protocol}\nformat = \"{format}\"\n\
         two_phase = {two_phase}\nddl = \"compare\""
    );
    format!(
        "name = \"{form}\"\nstart = \"snapshot\"\n{}{}[objects]\ninclude = [\"shop.*\"]\n[snapshot]\nreaders = 1\n",
        source.source_section(DATABASE, &of_source),
        destination.destination_section(&form.to_string(), "workers = 2")
    )
}

fn expect_equal(
    source: &PostgresServer,
    destination: &PostgresServer,
    (form, mut task, _directory): (Form, Task, TempDir),
    tables: &[String],
) -> Result<()> {
    task.wait_for_wal(source.end_of_log()?, PATIENCE)?;
    let database = form.to_string();
    let pairs = tables.iter().map(|table| (table.as_str(), table.as_str()));
    expect_same_tables(Side::Postgres(source, DATABASE), Side::Postgres(destination, &database), pairs)?;
    ensure!(task.stop()?.success(), "{form}: {}", task.log());
    // What the server did, by its own account: protocol 1 has no transactions in progress.
    let question =
        format!("SELECT stream_txns > 0 FROM pg_stat_replication_slots WHERE slot_name = '{form}'");
    let streamed = source.query_string(&question)?;
    let expected = if form.protocol == 1 { "f" } else { "t" };
    ensure!(
        streamed.as_deref() == Some(expected),
        "{form}: transactions in progress were sent: {streamed:?}"
    );
    Ok(())
}

#[test]
fn every_form_of_the_protocol_ends_in_the_same_tables_15() -> Result<()> {
    every_form(PostgresVersion::V15)
}

#[test]
fn every_form_of_the_protocol_ends_in_the_same_tables_18() -> Result<()> {
    every_form(PostgresVersion::V18)
}
