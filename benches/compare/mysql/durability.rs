//! The servers' settings.

use std::fmt;

use anyhow::{Result, bail};
use slackwater_testkit::{Flavor, Server};

use crate::settings;

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
        let list = settings::list("SLACKWATER_BENCH_DURABILITY", "2/0,1/1");
        list.iter().map(|text| Self::parse(text)).collect()
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
