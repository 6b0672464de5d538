//! Slackwater beside the tools that people use today, each on the same servers and data, in one run.
//!
//! ```sh
//! benches/compare/run                            # everything: about two hours
//! benches/compare/run postgres                   # of one kind of servers
//! benches/compare/run mysql-apply mysql-latency  # parts of it
//! ```
//!
//! **MySQL and MariaDB**
//!
//! *mysql-snapshot*: 1,000,000 of sysbench's rows from MySQL 9.7 to MySQL 9.7, beside mydumper and myloader, and beside
//! `SELECT … INTO OUTFILE` with `LOAD DATA INFILE`, which is what the servers can do without a protocol between them.
//!
//! *mysql-apply*: a prepared log of MariaDB 10.11 with 500,000 inserts, 250,000 updates and 250,000 deletes, in single-row
//! transactions and in transactions of 100, beside a native replica with `slave_parallel_threads = 4` in optimistic mode.
//!
//! *mysql-latency*: the time from a commit at the source to its visibility at the destination, idle and under 2,000 changes/s,
//! beside the same native replica.
//!
//! **PostgreSQL** 18 to 18
//!
//! *postgres-snapshot*: the same rows, beside pgcopydb with four processes for tables, and beside
//! `psql -c 'COPY … TO STDOUT' | psql -c 'COPY … FROM STDIN'`, which is what one connection to each server can do.
//!
//! *postgres-apply*: the same log, which waits in a replication slot, beside a native subscription that catches up on it.
//!
//! *postgres-debezium*: the same log, which Debezium's embedded engine merely reads: its consumer counts the events and does nothing with
//! them. Beside it ours, once reading alone (no operation of its rows is carried) and once applying. The engine's own settings are as they
//! come.
//!
//! *postgres-latency*: the same, beside a native subscription.
//!
//! Contenders take turns within a round, so that a busy machine slows all of them alike; each has a new destination
//! server with the same settings, and its rows are compared with the source's after the clock has stopped. The medians
//! count. Set in the environment: `SLACKWATER_BENCH_ROUNDS` (3), `SLACKWATER_BENCH_ROWS` and
//! `SLACKWATER_BENCH_CHANGES` (1,000,000), `SLACKWATER_BENCH_SECONDS` of each latency (20), `SLACKWATER_BENCH_SIZES` of transactions
//! (`1,100`), `SLACKWATER_BENCH_ONLY` (a part of a contender's name), and `SLACKWATER_PROGRAM` for a daemon built elsewhere. The
//! destination's durability: of MySQL in `SLACKWATER_BENCH_DURABILITY` (`2/0,1/1`: `innodb_flush_log_at_trx_commit` and `sync_binlog`;
//! `-nolog` behind a pair switches its log off), of PostgreSQL in `SLACKWATER_BENCH_FSYNC` (`off,on`).

mod data;
mod latency;
mod measure;
mod mysql;
mod postgres;
mod settings;

use anyhow::{Result, bail};

/// Measures and prints one of the comparisons.
type Part = fn() -> Result<()>;

const PARTS: [(&str, Part); 7] = [
    ("mysql-snapshot", mysql::snapshot::compare),
    ("mysql-apply", mysql::apply::compare),
    ("mysql-latency", mysql::latency::compare),
    ("postgres-snapshot", postgres::snapshot::compare),
    ("postgres-apply", postgres::apply::compare),
    ("postgres-debezium", postgres::debezium::compare),
    ("postgres-latency", postgres::latency::compare),
];

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let is_named = |part: &str, word: &str| {
        part.strip_prefix(word).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    };
    if let Some(unknown) = words.iter().find(|word| !PARTS.iter().any(|(part, _)| is_named(part, word))) {
        let names: Vec<_> = PARTS.iter().map(|(name, _)| *name).collect();
        bail!("there is no comparison {unknown}: mysql, postgres, {}", names.join(", "));
    }
    for (name, compare) in PARTS {
        if words.is_empty() || words.iter().any(|word| is_named(name, word)) {
            compare()?;
        }
    }
    Ok(())
}
