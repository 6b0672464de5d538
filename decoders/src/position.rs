//! Positions in a source's log.
//!
//! A [`LogPosition`] names a place for people and for ordering within one server's log. A [`Position`] is what a task
//! resumes from: it also knows the transactions that lie behind it, so that it holds on another server of the same
//! replication topology.

use std::{cmp::Ordering, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    mysql::gtid::{Gtid, GtidSet, MariadbGtid, MariadbGtidPosition},
    postgres::lsn::Lsn,
};

/// A place in a log.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum LogPosition {
    /// A byte offset in a binlog file.
    Binlog {
        /// The file's name without a directory.
        file: Arc<str>,
        /// The offset in bytes from the start of the file.
        offset: u64,
    },
    /// A place in the write-ahead log of a PostgreSQL cluster.
    Wal {
        /// The identifier of the cluster, which its standbys share (`system_identifier` of `IDENTIFY_SYSTEM`).
        system: u64,
        /// The timeline that was followed up to the place. Each promotion of a standby begins another one.
        timeline: u32,
        /// The place. It means the same on all timelines that branch off behind it.
        lsn: Lsn,
    },
}

impl LogPosition {
    /// The order of two places of the same log, or `None` when they are not of one log.
    ///
    /// Binlog files of one server have a common base name and are numbered; the number orders them, also past the
    /// point where it needs another digit.
    ///
    /// Log sequence numbers of one cluster and its standbys have one order.
    #[must_use]
    pub fn compare(&self, other: &Self) -> Option<Ordering> {
        let (file_a, a, file_b, b) = match (self, other) {
            (
                LogPosition::Wal { system: of_a, lsn: a, .. },
                LogPosition::Wal { system: of_b, lsn: b, .. },
            ) => {
                return (of_a == of_b).then(|| a.cmp(b));
            }
            (
                LogPosition::Binlog { file: file_a, offset: a },
                LogPosition::Binlog { file: file_b, offset: b },
            ) => (file_a, a, file_b, b),
            _ => return None,
        };
        if file_a == file_b {
            return Some(a.cmp(b));
        }
        let ((base_a, number_a), (base_b, number_b)) = (binlog_number(file_a)?, binlog_number(file_b)?);
        (base_a == base_b).then(|| number_a.cmp(&number_b).then(a.cmp(b)))
    }

    /// File and offset of a place in a binlog; `None` for one of another log.
    #[must_use]
    pub fn binlog(&self) -> Option<(&Arc<str>, u64)> {
        match self {
            LogPosition::Binlog { file, offset } => Some((file, *offset)),
            LogPosition::Wal { .. } => None,
        }
    }

    /// The log sequence number of a place in a write-ahead log; `None` for one of another log.
    #[must_use]
    pub fn lsn(&self) -> Option<Lsn> {
        match self {
            LogPosition::Wal { lsn, .. } => Some(*lsn),
            LogPosition::Binlog { .. } => None,
        }
    }
}

impl fmt::Display for LogPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LogPosition::Binlog { file, offset } => write!(f, "{file}:{offset}"),
            LogPosition::Wal { timeline, lsn, .. } => write!(f, "{lsn} (timeline {timeline})"),
        }
    }
}

/// Splits `binlog.000012` into base name and number.
#[must_use]
pub fn binlog_number(file: &str) -> Option<(&str, u64)> {
    let (base, number) = file.rsplit_once('.')?;
    Some((base, number.parse().ok()?))
}

/// The source's own name for a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TransactionId {
    /// MySQL GTID.
    Mysql(Gtid),
    /// MariaDB GTID.
    Mariadb(MariadbGtid),
    /// PostgreSQL's 32-bit transaction id, which comes again after four billion others.
    Postgres(u32),
}

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TransactionId::Mysql(gtid) => gtid.fmt(f),
            TransactionId::Mariadb(gtid) => gtid.fmt(f),
            TransactionId::Postgres(xid) => xid.fmt(f),
        }
    }
}

/// Where a task resumes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The place in the log of the server that was read.
    pub log: LogPosition,
    /// The transactions up to that place, where the source numbers them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executed: Option<Executed>,
}

impl Position {
    /// A place in a binlog, with the transactions before it when they are known.
    #[must_use]
    pub fn binlog(file: impl Into<Arc<str>>, offset: u64, executed: Option<Executed>) -> Self {
        Position { log: LogPosition::Binlog { file: file.into(), offset }, executed }
    }

    /// A place in a write-ahead log.
    #[must_use]
    pub fn wal(system: u64, timeline: u32, lsn: Lsn) -> Self {
        Position { log: LogPosition::Wal { system, timeline, lsn }, executed: None }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.executed {
            Some(executed) => write!(f, "{} (gtid {executed})", self.log),
            None => self.log.fmt(f),
        }
    }
}

/// The transactions that lie before a position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Executed {
    /// MySQL: sets of numbers for each source.
    Mysql(GtidSet),
    /// MariaDB: the last transaction of each replication domain.
    Mariadb(MariadbGtidPosition),
}

impl Executed {
    /// Adds a transaction. A transaction of the other dialect is not added.
    pub fn add(&mut self, transaction: &TransactionId) {
        match (self, transaction) {
            (Executed::Mysql(set), TransactionId::Mysql(gtid)) => set.add(gtid),
            (Executed::Mariadb(position), TransactionId::Mariadb(gtid)) => position.add(*gtid),
            _ => {}
        }
    }

    /// Whether the transaction is among these ones. `false` across dialects.
    #[must_use]
    pub fn contains(&self, transaction: &TransactionId) -> bool {
        match (self, transaction) {
            (Executed::Mysql(set), TransactionId::Mysql(gtid)) => set.contains(gtid),
            (Executed::Mariadb(position), TransactionId::Mariadb(gtid)) => position.contains(gtid),
            _ => false,
        }
    }

    /// Whether every transaction of `other` is among these ones. `false` across dialects.
    #[must_use]
    pub fn contains_all(&self, other: &Self) -> bool {
        match (self, other) {
            (Executed::Mysql(a), Executed::Mysql(b)) => a.contains_all(b),
            (Executed::Mariadb(a), Executed::Mariadb(b)) => a.contains_all(b),
            _ => false,
        }
    }
}

impl fmt::Display for Executed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Executed::Mysql(set) => set.fmt(f),
            Executed::Mariadb(position) => position.fmt(f),
        }
    }
}

impl FromStr for Executed {
    type Err = crate::mysql::gtid::GtidParseError;

    /// Reads either dialect's text: MySQL's has UUIDs with colons, MariaDB's numbers with dashes.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains(':') || text.trim().is_empty() {
            text.parse().map(Executed::Mysql)
        } else {
            text.parse().map(Executed::Mariadb)
        }
    }
}
