//! Sysbench's rows and a log of changes to them, as statements that both kinds of servers take. The same in every run.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use rand::{RngExt as _, SeedableRng as _, rngs::ChaCha8Rng};

/// The table of sysbench's OLTP load: `id`, `k`, `c` of 120 and `pad` of 60 characters.
pub(crate) const TABLE: &str = "sbtest.sbtest1";

/// Statements that are sent at once.
const STATEMENTS: usize = 200;

/// Fills the table, whose ids count by themselves, by the statements that `run` gets.
pub(crate) fn rows(count: u64, mut run: impl FnMut(&str) -> Result<()>) -> Result<()> {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut written = 0;
    while written < count {
        let batch = (count - written).min(2_000);
        let rows: Vec<String> = (0..batch).map(|_| format!("({})", values(&mut random))).collect();
        run(&format!("INSERT INTO {TABLE} (k, c, pad) VALUES {}", rows.join(",")))?;
        written += batch;
    }
    Ok(())
}

/// Writes `changes` to the table: a half inserts, a quarter updates and a quarter deletes of random rows, mixed, in transactions
/// of `size` statements.
pub(crate) fn log(changes: u64, size: usize, mut run: impl FnMut(&str) -> Result<()>) -> Result<()> {
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let (mut live, mut next, mut done) = (Vec::new(), 0_u32, 0);
    while done < changes {
        let mut sql = String::new();
        for number in 0..STATEMENTS {
            if number % size == 0 {
                sql += "BEGIN;";
            }
            let kind = random.random_range(0..4);
            if live.is_empty() || kind < 2 {
                next += 1;
                write!(sql, "INSERT INTO {TABLE} VALUES ({next},{});", values(&mut random))?;
                live.push(next);
            } else {
                let place = random.random_range(0..live.len());
                if kind == 2 {
                    let id = live.get(place).context("a live row")?;
                    let (k, c) = (random.random_range(0..500_000), groups(&mut random, 10));
                    write!(sql, "UPDATE {TABLE} SET k={k},c='{c}' WHERE id={id};")?;
                } else {
                    write!(sql, "DELETE FROM {TABLE} WHERE id={};", live.swap_remove(place))?;
                }
            }
            if (number + 1) % size == 0 {
                sql += "COMMIT;";
            }
        }
        run(&sql)?;
        done += STATEMENTS as u64;
    }
    Ok(())
}

/// The columns of a row behind its id.
fn values(random: &mut ChaCha8Rng) -> String {
    format!("{},'{}','{}'", random.random_range(0..500_000), groups(random, 10), groups(random, 5))
}

/// Sysbench's texts: groups of eleven digits with dashes between.
fn groups(random: &mut ChaCha8Rng, count: usize) -> String {
    let groups: Vec<String> =
        (0..count).map(|_| format!("{:011}", random.random_range(0..100_000_000_000_u64))).collect();
    groups.join("-")
}
