//! Which PostgreSQL servers there are, and how each differs.

use std::fmt;

/// A major version of PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PostgresVersion {
    /// PostgreSQL 10: the oldest with logical replication in the core, protocol version 1.
    V10,
    /// PostgreSQL 12: the settings of recovery are settings of the server.
    V12,
    /// PostgreSQL 14: transactions in progress are streamed (protocol version 2), values come in binary.
    V14,
    /// PostgreSQL 15: prepared transactions (version 3), row filters, column lists.
    V15,
    /// PostgreSQL 16: parallel aborts (version 4), origins, decoding on a standby.
    V16,
    /// PostgreSQL 17: failover slots.
    V17,
    /// PostgreSQL 18.
    V18,
}

impl PostgresVersion {
    /// Every version, oldest first.
    pub const ALL: [PostgresVersion; 7] =
        [Self::V10, Self::V12, Self::V14, Self::V15, Self::V16, Self::V17, Self::V18];

    /// The name that `install-servers` knows it by, such as `postgresql-18`.
    pub fn name(self) -> &'static str {
        match self {
            Self::V10 => "postgresql-10",
            Self::V12 => "postgresql-12",
            Self::V14 => "postgresql-14",
            Self::V15 => "postgresql-15",
            Self::V16 => "postgresql-16",
            Self::V17 => "postgresql-17",
            Self::V18 => "postgresql-18",
        }
    }

    /// The number, 10 to 18.
    pub fn number(self) -> u32 {
        match self {
            Self::V10 => 10,
            Self::V12 => 12,
            Self::V14 => 14,
            Self::V15 => 15,
            Self::V16 => 16,
            Self::V17 => 17,
            Self::V18 => 18,
        }
    }

    /// The highest version of the logical replication protocol that `pgoutput` speaks.
    pub fn protocol(self) -> u8 {
        match self {
            Self::V10 | Self::V12 => 1,
            Self::V14 => 2,
            Self::V15 => 3,
            Self::V16 | Self::V17 | Self::V18 => 4,
        }
    }
}

impl fmt::Display for PostgresVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
