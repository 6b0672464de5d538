//! What a PostgreSQL server is started with.

use std::net::Ipv4Addr;

use super::{PostgresServer, PostgresVersion};

/// What every test server is started with; the builder's settings come after and win.
const DEFAULTS: &[(&str, &str)] = &[
    ("listen_addresses", "127.0.0.1"),
    ("wal_level", "logical"),
    ("max_replication_slots", "20"),
    ("max_wal_senders", "20"),
    ("max_prepared_transactions", "10"),
    // Several servers share a small machine.
    ("shared_buffers", "32MB"),
    ("max_connections", "60"),
    ("max_worker_processes", "16"),
    ("min_wal_size", "32MB"),
    ("max_wal_size", "256MB"),
    // A standby follows, and a dead client's slot is free again, without much waiting.
    ("wal_receiver_status_interval", "1s"),
    ("wal_retrieve_retry_interval", "200ms"),
    ("log_min_messages", "warning"),
];

/// Collects the options of a new server; made by [`PostgresServer::builder`].
#[derive(Debug, Clone)]
#[must_use = "a builder starts nothing before start()"]
pub struct PostgresBuilder {
    pub(super) version: PostgresVersion,
    pub(super) settings: Vec<(String, String)>,
    pub(super) durable: bool,
    pub(super) tls: bool,
    pub(super) password: Option<String>,
    /// Where it listens beside the loopback interface, and lets everybody in.
    pub(super) address: Option<Ipv4Addr>,
}

impl PostgresBuilder {
    pub(super) fn new(version: PostgresVersion) -> Self {
        Self { version, settings: Vec::new(), durable: false, tls: false, password: None, address: None }
    }

    /// Sets a configuration parameter, such as `logical_decoding_work_mem` to `64kB`. The last one of a name counts.
    pub fn set(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// Waits for the disk at commits (`fsync`), as for a measurement. Without it a killed server loses nothing either, since
    /// the operating system has its writes.
    pub fn durable(mut self) -> Self {
        self.durable = true;
        self
    }

    /// Offers TLS with a certificate for `localhost` and 127.0.0.1, signed by itself, see [`PostgresServer::certificate`].
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Asks everybody who comes by TCP for a password, by SCRAM-SHA-256; the account `postgres` has this one.
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// Listens at a further address of this machine, and lets everybody in who comes from its neighbours (`/30`).
    pub fn reachable_at(mut self, address: Ipv4Addr) -> Self {
        self.address = Some(address);
        self.set("listen_addresses", format!("127.0.0.1,{address}"))
    }

    /// Starts the server and waits until it answers; installs the version before if need be.
    ///
    /// # Errors
    ///
    /// When the version cannot be installed, or the server ends or does not answer within two minutes: the error has the last
    /// lines of its log.
    pub fn start(self) -> anyhow::Result<PostgresServer> {
        PostgresServer::start(self)
    }

    /// Starts the server as a hot standby that streams from `primary` through a physical slot of its own, which this makes.
    /// It has the primary's password and certificate.
    ///
    /// With `sync_replication_slots` set to `on` (17 and later) it also keeps the primary's failover slots.
    ///
    /// # Errors
    ///
    /// As [`PostgresBuilder::start`], or when the primary is of another version or cannot be copied.
    pub fn start_standby_of(self, primary: &PostgresServer) -> anyhow::Result<PostgresServer> {
        PostgresServer::start_standby(self, primary)
    }

    /// The settings in the order in which the server sees them, apart from those that name places and ports.
    pub(super) fn settings(&self) -> impl Iterator<Item = (&str, &str)> {
        let fsync = if self.durable { "on" } else { "off" };
        let tls = if self.tls { "on" } else { "off" };
        let own = self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        DEFAULTS.iter().copied().chain([("fsync", fsync), ("ssl", tls)]).chain(own)
    }
}
