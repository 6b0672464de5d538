//! The servers' settings, and tasks between two of them.

use std::{
    fmt, thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use slackwater_testkit::{PostgresServer, PostgresVersion};

use crate::settings;

/// The database at both ends.
pub(crate) const DATABASE: &str = "postgres";

/// Whether a server waits for the disk at commits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Durability {
    fsync: bool,
}

impl Durability {
    /// Those of `SLACKWATER_BENCH_FSYNC`: `off`, `on` or both.
    pub(crate) fn all() -> Vec<Self> {
        let list = settings::list("SLACKWATER_BENCH_FSYNC", "off,on");
        list.iter().map(|text| Durability { fsync: text == "on" }).collect()
    }

    /// Without waiting for the disk.
    pub(crate) fn off() -> Self {
        Durability { fsync: false }
    }

    /// A new server with room for the data in memory and the log on disk.
    pub(crate) fn server(self) -> Result<PostgresServer> {
        let builder = PostgresServer::builder(PostgresVersion::V18)
            .set("shared_buffers", "1GB")
            .set("max_wal_size", "8GB")
            .set("checkpoint_timeout", "1h")
            .set("wal_buffers", "64MB")
            .set("maintenance_work_mem", "256MB")
            .set("jit", "off");
        if self.fsync { builder.durable().start() } else { builder.start() }
    }

    /// The server that the data comes from: what it costs to write there is not measured.
    pub(crate) fn source() -> Result<PostgresServer> {
        Durability { fsync: false }.server()
    }
}

impl fmt::Display for Durability {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "fsync={}", if self.fsync { "on" } else { "off" })
    }
}

/// A task between two servers; `source` has further lines of that section.
pub(crate) fn task(from: &PostgresServer, destination: &PostgresServer, start: &str, source: &str) -> String {
    format!(
        "start = \"{start}\"\n{}{}[objects]\ninclude = [\"sbtest.*\"]\n",
        from.source_section(DATABASE, source),
        destination.destination_section(DATABASE, "")
    )
}

/// Drops a slot. The server notices after a moment that nobody reads it any more.
pub(crate) fn drop_slot(server: &PostgresServer, slot: &str) -> Result<()> {
    let sql = format!("SELECT 1 FROM pg_replication_slots WHERE slot_name = '{slot}' AND active");
    let deadline = Instant::now() + Duration::from_secs(60);
    while server.query_string(&sql)?.is_some() {
        ensure!(Instant::now() < deadline, "the slot {slot} is still being read");
        thread::sleep(Duration::from_millis(20));
    }
    server.exec(&format!("SELECT pg_drop_replication_slot('{slot}')"))
}
