//! Places in the write-ahead log, and the slots that hold it.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::PostgresServer;

/// A byte offset in the write-ahead log, as PostgreSQL prints it: `16/B374D848`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WalPosition(pub u64);

impl fmt::Display for WalPosition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:X}/{:X}", self.0 >> 32, self.0 & 0xFFFF_FFFF)
    }
}

impl FromStr for WalPosition {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (upper, lower) = text.split_once('/').with_context(|| format!("{text} is no WAL position"))?;
        let half = |digits| u32::from_str_radix(digits, 16).map(u64::from);
        Ok(Self((half(upper)? << 32) | half(lower)?))
    }
}

impl PostgresServer {
    /// Where the log ends: behind everything that was committed before the call.
    ///
    /// # Errors
    ///
    /// When the server is not running or is a standby.
    pub fn end_of_log(&self) -> anyhow::Result<WalPosition> {
        // What is inserted and not flushed is of transactions that have not committed.
        self.query_string("SELECT pg_current_wal_flush_lsn()")?.context("no position")?.parse()
    }

    /// Up to where the client of a logical slot has confirmed; `None` when there is no such slot.
    ///
    /// # Errors
    ///
    /// When the server is not running.
    pub fn confirmed(&self, slot: &str) -> anyhow::Result<Option<WalPosition>> {
        let sql = format!("SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '{slot}'");
        self.query_string(&sql)?.as_deref().map(str::parse).transpose()
    }

    /// Bytes of log that the server keeps for a slot.
    ///
    /// # Errors
    ///
    /// When the server is not running, is a standby, or there is no such slot.
    pub fn retained(&self, slot: &str) -> anyhow::Result<u64> {
        let sql = format!(
            "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint FROM pg_replication_slots WHERE slot_name = '{slot}'"
        );
        let bytes = self.query_string(&sql)?.with_context(|| format!("{self} has no slot {slot}"))?;
        Ok(bytes.parse()?)
    }

    /// Waits until the client of a logical slot has confirmed everything up to `end`.
    ///
    /// # Errors
    ///
    /// After `timeout`, or when there is no such slot.
    pub fn wait_for_confirmation(
        &self,
        slot: &str,
        end: WalPosition,
        timeout: Duration,
    ) -> anyhow::Result<()> {
        let deadline = Instant::now() + timeout;
        loop {
            let confirmed = self.confirmed(slot)?.with_context(|| format!("{self} has no slot {slot}"))?;
            if confirmed >= end {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("{slot} is confirmed up to {confirmed} and not {end} after {timeout:?}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_read_as_they_are_printed() {
        for (text, value) in [("0/0", 0), ("16/B374D848", 0x16_B374_D848), ("FFFFFFFF/FFFFFFFF", u64::MAX)] {
            assert_eq!(text.parse::<WalPosition>().unwrap(), WalPosition(value));
            assert_eq!(WalPosition(value).to_string(), text);
        }
        assert!("binlog.000001:4".parse::<WalPosition>().is_err());
    }
}
