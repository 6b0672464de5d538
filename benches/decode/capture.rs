//! Captures the logs that are measured, from a real server.

use std::{fmt::Write, fs, path::Path};

use anyhow::Context;
use slackwater_testkit::{
    Flavor, Server,
    mysql::{Conn, prelude::Queryable},
    run_statements,
};

/// A server closes its log file here, whatever it is asked for.
const LARGEST_FILE: u64 = 1 << 30;

/// Writes one round of load, 5 to 15 MB of log.
type Load = fn(&mut Conn, &mut Random) -> anyhow::Result<()>;

/// Captures a log of `bytes` bytes, or a little more, unless the file is there.
pub(crate) fn unless_there(file: &Path, bytes: u64, (schema, load): (&str, Load)) -> anyhow::Result<()> {
    if file.exists() {
        return Ok(());
    }
    anyhow::ensure!(
        bytes < LARGEST_FILE - (32 << 20),
        "a binlog file has at most 1 GiB: ask for 990 MB or less"
    );
    fs::create_dir_all(file.parent().context("no directory")?)?;
    println!("capturing {}", file.display());
    let server = Server::builder(Flavor::Mysql97)
        .args(["--binlog-row-metadata=FULL", "--max-binlog-size=1G", "--binlog-cache-size=8M"])
        .start()?;
    let mut conn = server.conn()?;
    run_statements(&mut conn, schema)?;
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    while server.end_of_log()?.offset < bytes {
        load(&mut conn, &mut random)?;
    }
    let log = server.binlog_files()?.into_iter().next_back().context("no binlog")?;
    server.stop()?;
    let unfinished = file.with_extension("part");
    fs::copy(log, &unfinished)?;
    fs::rename(unfinished, file)?;
    Ok(())
}

/// The table and the writes of sysbench's `oltp_read_write`: its rows, its four statements a transaction, and beside them
/// statements of many rows.
pub(crate) const SYSBENCH: (&str, Load) = (
    "CREATE DATABASE sbtest;
     CREATE TABLE sbtest.sbtest1 (
         id INTEGER NOT NULL AUTO_INCREMENT, k INTEGER NOT NULL DEFAULT '0', c CHAR(120) NOT NULL DEFAULT '',
         pad CHAR(60) NOT NULL DEFAULT '', PRIMARY KEY (id), KEY k_1 (k))",
    sysbench,
);

fn sysbench(conn: &mut Conn, random: &mut Random) -> anyhow::Result<()> {
    const TABLE: &str = "sbtest.sbtest1";
    for _ in 0..10 {
        let row = |random: &mut Random| {
            format!("({}, '{}', '{}')", random.below(500_000), random.groups(10), random.groups(5))
        };
        insert(conn, &format!("{TABLE} (k, c, pad)"), 2000, || row(random))?;
    }
    let last: u64 = conn.query_first(format!("SELECT MAX(id) FROM {TABLE}"))?.context("no rows")?;
    let first = last.saturating_sub(20_000);
    conn.query_drop(format!("UPDATE {TABLE} SET k = k + 1 WHERE id BETWEEN {first} AND {}", first + 6000))?;
    conn.query_drop(format!("DELETE FROM {TABLE} WHERE id BETWEEN {} AND {}", first + 18_000, last))?;
    for _ in 0..20 {
        let mut transactions = String::new();
        for _ in 0..100 {
            let [a, b, c] = [0; 3].map(|_| first + random.below(18_000));
            write!(
                transactions,
                "BEGIN; UPDATE {TABLE} SET k = k + 1 WHERE id = {a};
                 UPDATE {TABLE} SET c = '{}' WHERE id = {b}; DELETE FROM {TABLE} WHERE id = {c};
                 INSERT INTO {TABLE} (id, k, c, pad) VALUES ({c}, {}, '{}', '{}'); COMMIT;",
                random.groups(10),
                random.below(500_000),
                random.groups(10),
                random.groups(5)
            )?;
        }
        run_statements(conn, &transactions)?;
    }
    Ok(())
}

/// A table with columns of twelve types, some of them NULL in one row of sixteen.
pub(crate) const MIXED: (&str, Load) = (
    "CREATE DATABASE bench;
     CREATE TABLE bench.mixed (
         id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, big BIGINT, count INT UNSIGNED, name VARCHAR(100), code CHAR(20),
         price DECIMAL(12, 2), made DATETIME(6), changed TIMESTAMP, ratio DOUBLE, day DATE,
         state ENUM('new', 'paid', 'sent', 'closed'), data BLOB)",
    mixed,
);

fn mixed(conn: &mut Conn, random: &mut Random) -> anyhow::Result<()> {
    const TABLE: &str = "bench.mixed";
    const COLUMNS: &str = "big, count, name, code, price, made, changed, ratio, day, state, data";
    for _ in 0..20 {
        insert(conn, &format!("{TABLE} ({COLUMNS})"), 2000, || mixed_row(random))?;
    }
    let last: u64 = conn.query_first(format!("SELECT MAX(id) FROM {TABLE}"))?.context("no rows")?;
    let first = last.saturating_sub(40_000);
    conn.query_drop(format!(
        "UPDATE {TABLE} SET count = count + 1, changed = NOW() WHERE id BETWEEN {first} AND {}",
        first + 15_000
    ))?;
    conn.query_drop(format!("DELETE FROM {TABLE} WHERE id BETWEEN {} AND {last}", first + 30_000))?;
    Ok(())
}

fn mixed_row(random: &mut Random) -> String {
    let (day, second) = (random.below(28) + 1, random.below(60));
    let time = format!("2026-{:02}-{day:02} {:02}:30:{second:02}", random.below(12) + 1, random.below(24));
    let name = if random.below(16) == 0 {
        "NULL".to_owned()
    } else {
        format!("'Große Straße {}'", random.groups(2))
    };
    let data = if random.below(16) == 0 { "NULL".to_owned() } else { format!("'{}'", random.groups(4)) };
    format!(
        "({}, {}, {name}, 'C{}', {}.{:02}, '{time}.{:06}', '{time}', {}e-3, '2026-02-{day:02}', {}, {data})",
        random.below(1 << 62),
        random.below(1 << 32),
        random.groups(1),
        random.below(1_000_000),
        random.below(100),
        random.below(1_000_000),
        random.below(1 << 40),
        random.below(4) + 1
    )
}

/// Inserts `count` rows in one statement.
fn insert(conn: &mut Conn, into: &str, count: usize, mut row: impl FnMut() -> String) -> anyhow::Result<()> {
    let rows: Vec<String> = (0..count).map(|_| row()).collect();
    Ok(conn.query_drop(format!("INSERT INTO {into} VALUES {}", rows.join(", ")))?)
}

/// Numbers that are the same in every run (xorshift64*).
pub(crate) struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Sysbench's texts: groups of eleven digits with dashes between.
    fn groups(&mut self, count: usize) -> String {
        let groups: Vec<String> =
            (0..count).map(|_| format!("{:011}", self.below(100_000_000_000))).collect();
        groups.join("-")
    }
}
