//! Captures small binlogs with every kind of event that a server writes: `capture_kinds DIRECTORY` writes one file for each
//! server there. See the fixture's README.

use std::{fs, path::PathBuf};

use anyhow::Context;
use slackwater_testkit::{Flavor, Server};

fn main() -> anyhow::Result<()> {
    let directory: PathBuf = std::env::args().nth(1).context("usage: capture_kinds DIRECTORY")?.into();
    capture(
        &directory,
        Flavor::Mysql97,
        &["--binlog-row-metadata=FULL", "--binlog-rows-query-log-events=ON"],
        include_str!("mysql-9.7.sql"),
    )?;
    capture(
        &directory,
        Flavor::Mariadb118,
        &[
            "--binlog-row-metadata=FULL",
            "--log-bin-compress=ON",
            "--log-bin-compress-min-len=10",
            "--binlog-alter-two-phase=ON",
        ],
        include_str!("mariadb-11.8.sql"),
    )?;
    capture(&directory, Flavor::Mysql56, &["--log-bin-use-v1-row-events=ON"], include_str!("mysql-5.6.sql"))
}

fn capture(directory: &std::path::Path, flavor: Flavor, arguments: &[&str], sql: &str) -> anyhow::Result<()> {
    let server =
        Server::builder(flavor).args(["--default-time-zone=+00:00"]).args(arguments.to_vec()).start()?;
    server.exec(sql).with_context(|| flavor.name())?;
    let log = server.binlog_files()?.into_iter().next_back().context("no binlog")?;
    server.stop()?;
    let target = directory.join(format!("{}.binlog", flavor.name()));
    fs::copy(log, &target)?;
    println!("{}: {} bytes", target.display(), target.metadata()?.len());
    Ok(())
}
