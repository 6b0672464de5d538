//! How fast the decoder reads a binlog, beside other readers of the same file, in one run.
//!
//! ```sh
//! cargo bench --bench decode
//! ```
//!
//! The first run captures two logs from a MySQL 9.7 of the test kit: about 1 GB of sysbench's table with inserts, updates and
//! deletes, and one of a table with twelve types of columns. Later runs find them in `SLACKWATER_BENCH_DIR` (a directory
//! of the build unless set). `SLACKWATER_BENCH_MB` sets the size of the first log (the second is a quarter of it), and
//! `SLACKWATER_BENCH_ROUNDS` how often everything is measured; the median counts. Contenders take turns within
//! a round, so that a busy machine slows all of them alike. Words on the command line select contenders by parts of their
//! names: `cargo bench --bench decode -- slackwater`.
#![allow(clippy::panic)]

mod capture;
mod contenders;
mod pieces;
mod probe;

use std::{
    env,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::Context;
use slackwater_testkit::{Flavor, Server};

// The daemon's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Reads a whole log and returns the number of row changes in it; 0 for those that do not count them.
type Contender<'a> = (&'static str, Box<dyn Fn(&Path) -> anyhow::Result<u64> + 'a>);

fn main() -> anyhow::Result<()> {
    let megabytes = number("SLACKWATER_BENCH_MB", 990)?;
    let rounds = number("SLACKWATER_BENCH_ROUNDS", 5)?;
    let directory = env::var_os("SLACKWATER_BENCH_DIR")
        .map_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).join("binlogs"), PathBuf::from);
    let sysbench = directory.join(format!("sysbench-{megabytes}.binlog"));
    let mixed = directory.join(format!("mixed-{}.binlog", megabytes / 4));
    capture::unless_there(&sysbench, megabytes << 20, capture::SYSBENCH)?;
    capture::unless_there(&mixed, megabytes << 18, capture::MIXED)?;

    // Only its tools are used from here on.
    let server = Server::builder(Flavor::Mysql97).start()?;
    server.stop()?;
    let mysqlbinlog = |log: &Path| contenders::mysqlbinlog(&server, log);
    compare(
        "sysbench's table (id, k, c char(120), pad char(60)), FULL metadata and images",
        &sysbench,
        rounds,
        &[
            ("slackwater", Box::new(contenders::slackwater)),
            ("slackwater, as batches", Box::new(contenders::slackwater_batches)),
            ("CRC only", Box::new(contenders::crc_only)),
            ("mysql_common 0.37", Box::new(contenders::mysql_common)),
            ("mysqlbinlog 9.7 -v", Box::new(mysqlbinlog)),
        ],
    )?;
    compare(
        "12 columns of 12 types, beside a probe that knows just these",
        &mixed,
        rounds,
        &[
            ("slackwater", Box::new(contenders::slackwater)),
            ("slackwater, as batches", Box::new(contenders::slackwater_batches)),
            ("probe", Box::new(probe::read)),
            ("CRC only", Box::new(contenders::crc_only)),
            ("mysql_common 0.37", Box::new(contenders::mysql_common)),
        ],
    )
}

fn number(variable: &str, default: u64) -> anyhow::Result<u64> {
    match env::var(variable) {
        Ok(text) => text.parse().with_context(|| format!("{variable} is not a number: {text}")),
        Err(_) => Ok(default),
    }
}

/// Measures all contenders on one log and prints a table. The first contender is what the others are compared with.
fn compare(title: &str, log: &Path, rounds: u64, contenders: &[Contender<'_>]) -> anyhow::Result<()> {
    let words: Vec<String> = env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let is_wanted =
        |(name, _): &&Contender<'_>| words.is_empty() || words.iter().any(|word| name.contains(word));
    let contenders: Vec<_> = contenders.iter().filter(is_wanted).collect();
    let bytes = log.metadata()?.len();
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); contenders.len()];
    let mut rows = 0;
    for _ in 0..rounds {
        for ((name, read), times) in contenders.iter().zip(&mut times) {
            let start = Instant::now();
            let counted = read(log).with_context(|| format!("{name} cannot read {}", log.display()))?;
            times.push(start.elapsed());
            anyhow::ensure!(
                counted == 0 || rows == 0 || counted == rows,
                "{name} found {counted} row changes, others {rows}"
            );
            rows = rows.max(counted);
        }
    }
    println!("\n{title}: {:.0} MB, {rows} row changes, median of {rounds}", bytes as f64 / 1e6);
    println!("{:<24} {:>9} {:>9} {:>12} {:>9} {:>9}", "", "seconds", "MB/s", "rows/s", "ns/row", "x time");
    let mut first = None;
    for ((name, _), times) in contenders.iter().zip(&mut times) {
        times.sort();
        let seconds = times.get(times.len() / 2).context("no rounds")?.as_secs_f64();
        let best = times.first().context("no rounds")?.as_secs_f64();
        let reference = *first.get_or_insert(seconds);
        println!(
            "{name:<24} {seconds:>9.3} {best:>9.3} {:>9.0} {:>12.0} {:>9.1} {:>9.2}",
            bytes as f64 / 1e6 / seconds,
            rows as f64 / seconds,
            seconds * 1e9 / rows as f64,
            seconds / reference
        );
    }
    Ok(())
}
