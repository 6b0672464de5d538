//! What is measured, how often, and on which servers.

use std::{env, fmt, path::PathBuf};

use anyhow::{Context, Result, bail};
use slackwater_testkit::{Flavor, Server};

/// How often everything is measured (`SLACKWATER_BENCH_ROUNDS`, 3 unless set).
pub(crate) fn rounds() -> Result<u64> {
    number("SLACKWATER_BENCH_ROUNDS", 3)
}

/// A number from the environment.
pub(crate) fn number(variable: &str, default: u64) -> Result<u64> {
    match env::var(variable) {
        Ok(text) => text.parse().with_context(|| format!("{variable} is not a number: {text}")),
        Err(_) => Ok(default),
    }
}

/// Whether a contender takes part: by a part of its name in `SLACKWATER_BENCH_ONLY`.
pub(crate) fn takes_part(name: &str) -> bool {
    env::var("SLACKWATER_BENCH_ONLY").map_or(true, |part| name.contains(&part))
}

/// The daemon: the one built with this program, unless `SLACKWATER_PROGRAM` names another.
pub(crate) fn program() -> PathBuf {
    env::var_os("SLACKWATER_PROGRAM").map_or_else(|| env!("CARGO_BIN_EXE_slackwater").into(), PathBuf::from)
}

/// What a server does for a commit: `innodb_flush_log_at_trx_commit`, `sync_binlog`, and whether it writes a binlog at all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Durability {
    flush: u8,
    sync: u8,
    log: bool,
}

impl Durability {
    /// Those of `SLACKWATER_BENCH_DURABILITY`: a list such as `1/1,2/0,2/0-nolog`.
    pub(crate) fn all() -> Result<Vec<Self>> {
        let list = env::var("SLACKWATER_BENCH_DURABILITY").unwrap_or_else(|_| "2/0,1/1".to_owned());
        list.split(',').map(Self::parse).collect()
    }

    fn parse(text: &str) -> Result<Self> {
        let (pair, log) = match text.strip_suffix("-nolog") {
            Some(pair) => (pair, false),
            None => (text, true),
        };
        let Some((flush, sync)) = pair.split_once('/') else {
            bail!("SLACKWATER_BENCH_DURABILITY: {text} is not flush/sync, such as 1/1 or 2/0-nolog");
        };
        Ok(Durability { flush: flush.parse()?, sync: sync.parse()?, log })
    }

    /// A new server with these settings and room for the data in memory.
    pub(crate) fn server(self, flavor: Flavor, id: u32) -> Result<Server> {
        let mut builder = Server::builder(flavor).server_id(id).args([
            "--innodb-buffer-pool-size=1G",
            "--innodb-log-buffer-size=64M",
            "--innodb-flush-method=fsync",
            "--max-binlog-size=1G",
        ]);
        builder = builder
            .arg(format!("--innodb-flush-log-at-trx-commit={}", self.flush))
            .arg(format!("--sync-binlog={}", self.sync))
            .arg(match flavor {
                Flavor::Mysql97 => "--innodb-redo-log-capacity=1G",
                _ => "--innodb-log-file-size=1G",
            });
        if !self.log {
            builder = builder.arg("--skip-log-bin");
            if flavor.is_mariadb() {
                builder = builder.arg("--skip-log-slave-updates");
            } else {
                builder = builder.args(["--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"]);
            }
        }
        builder.start()
    }

    /// The server that the data comes from: what it costs to write there is not measured.
    pub(crate) fn source(flavor: Flavor) -> Result<Server> {
        Durability { flush: 2, sync: 0, log: true }.server(flavor, 1)
    }
}

impl fmt::Display for Durability {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "innodb_flush_log_at_trx_commit={}, sync_binlog={}, log_bin={}",
            self.flush,
            self.sync,
            if self.log { "ON" } else { "OFF" }
        )
    }
}
