//! Slackwater beside the tools that people use today, each on the same servers and data, in one run.
//!
//! ```sh
//! benches/compare/run                     # everything: about an hour
//! benches/compare/run apply latency       # parts of it
//! ```
//!
//! *snapshot*: 1,000,000 of sysbench's rows from MySQL 9.7 to MySQL 9.7, beside mydumper and myloader, and beside
//! `SELECT … INTO OUTFILE` with `LOAD DATA INFILE`, which is what the servers can do without a protocol between them.
//!
//! *apply*: a prepared log of MariaDB 10.11 with 500,000 inserts, 250,000 updates and 250,000 deletes, in single-row
//! transactions and in transactions of 100, beside a native replica with `slave_parallel_threads = 4` in optimistic mode.
//!
//! *latency*: the time from a commit at the source to its visibility at the destination, idle and under 2,000 changes/s,
//! beside the same native replica.
//!
//! Contenders take turns within a round, so that a busy machine slows all of them alike; each has a new destination
//! server with the same settings, and its rows are compared with the source's after the clock has stopped. The medians
//! count. Set in the environment: `SLACKWATER_BENCH_ROUNDS` (3), `SLACKWATER_BENCH_ROWS` and
//! `SLACKWATER_BENCH_CHANGES` (1,000,000), `SLACKWATER_BENCH_SECONDS` of each latency (20), `SLACKWATER_BENCH_DURABILITY` of the
//! destination (`2/0,1/1`: `innodb_flush_log_at_trx_commit` and `sync_binlog`; `-nolog` behind a pair switches its log off),
//! `SLACKWATER_BENCH_ONLY` (a part of a contender's name), and `SLACKWATER_PROGRAM` for a daemon built elsewhere.

mod apply;
mod data;
mod latency;
mod measure;
mod ours;
mod settings;
mod snapshot;

use anyhow::{Result, bail};

/// Measures and prints one of the comparisons.
type Part = fn() -> Result<()>;

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let parts: [(&str, Part); 3] =
        [("snapshot", snapshot::compare), ("apply", apply::compare), ("latency", latency::compare)];
    if let Some(unknown) = words.iter().find(|word| !parts.iter().any(|(name, _)| name == word)) {
        bail!("there is no comparison {unknown}: snapshot, apply and latency");
    }
    for (name, compare) in parts {
        if words.is_empty() || words.iter().any(|word| word == name) {
            compare()?;
        }
    }
    Ok(())
}
