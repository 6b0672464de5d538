//! How many rows one query reads.

use std::time::Duration;

/// How long a query may take: it keeps what it read from being purged, and a definition from being changed.
const QUERY_TIME: Duration = Duration::from_secs(1);
/// Bytes of rows that a query reads, for the case that the destination is slower than the server.
const QUERY_BYTES: u64 = 64 << 20;
/// The first query has to be short without anything known of the rows but an estimate.
const FIRST_ROWS: u64 = 10_000;
const MAX_ROWS: u64 = 10_000_000;
/// By how much a query may be longer than the one before.
const MAX_GROWTH: u64 = 8;

/// The number of rows for the next query.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    rows: u64,
}

impl Pace {
    /// For rows that the server estimates to have that many bytes each; 0 is not known.
    pub(super) fn new(row_bytes: u64) -> Self {
        Pace { rows: (QUERY_BYTES / row_bytes.max(1)).clamp(1, FIRST_ROWS) }
    }

    /// How many rows to ask for.
    pub(super) fn rows(self) -> u64 {
        self.rows
    }

    /// A query read so many rows and bytes in that time.
    pub(super) fn learn(&mut self, rows: u64, bytes: u64, took: Duration) {
        if rows == 0 {
            return;
        }
        let by_time = u128::from(rows) * QUERY_TIME.as_micros() / took.as_micros().max(1);
        let by_bytes = u128::from(rows) * u128::from(QUERY_BYTES) / u128::from(bytes.max(1));
        let wanted = u64::try_from(by_time.min(by_bytes)).unwrap_or(u64::MAX);
        self.rows = wanted.clamp(1, self.rows.saturating_mul(MAX_GROWTH).min(MAX_ROWS));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_takes_about_a_second_or_64_mib() {
        let mut pace = Pace::new(200);
        assert_eq!(pace.rows(), 10_000);
        pace.learn(10_000, 2_000_000, Duration::from_millis(10));
        assert_eq!(pace.rows(), 80_000, "at most eight times as many");
        pace.learn(80_000, 16_000_000, Duration::from_millis(100));
        assert_eq!(pace.rows(), (64 << 20) / 200);
        pace.learn(pace.rows(), pace.rows() * 200, Duration::from_secs(10));
        assert_eq!(pace.rows(), (64 << 20) / 200 / 10);
        assert_eq!(Pace::new(64 << 20).rows(), 1);
    }
}
