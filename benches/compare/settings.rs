//! What is measured, how often, and with which program.

use std::{env, path::PathBuf};

use anyhow::{Context, Result};

/// How often everything is measured (`SLACKWATER_BENCH_ROUNDS`, 3 unless set).
pub(crate) fn rounds() -> Result<u64> {
    number("SLACKWATER_BENCH_ROUNDS", 3)
}

/// A number from the environment.
pub(crate) fn number(variable: &str, default: u64) -> Result<u64> {
    match env::var(variable) {
        Ok(text) => text.parse().with_context(|| format!("{variable} is not a number: {text}")),
        Err(_) => Ok(default),
    }
}

/// The parts of a list in the environment, between commas.
pub(crate) fn list(variable: &str, default: &str) -> Vec<String> {
    let list = env::var(variable).unwrap_or_else(|_| default.to_owned());
    list.split(',').map(str::to_owned).collect()
}

/// Statements in each transaction of a log (`SLACKWATER_BENCH_SIZES`, 1 and 100 unless set).
pub(crate) fn sizes() -> Result<Vec<usize>> {
    let sizes = list("SLACKWATER_BENCH_SIZES", "1,100");
    sizes
        .iter()
        .map(|size| size.parse().with_context(|| format!("{size} is no number of statements")))
        .collect()
}

/// Whether a contender takes part: by a part of its name in `SLACKWATER_BENCH_ONLY`.
pub(crate) fn takes_part(name: &str) -> bool {
    env::var("SLACKWATER_BENCH_ONLY").map_or(true, |part| name.contains(&part))
}

/// The daemon: the one built with this program, unless `SLACKWATER_PROGRAM` names another.
pub(crate) fn program() -> PathBuf {
    env::var_os("SLACKWATER_PROGRAM").map_or_else(|| env!("CARGO_BIN_EXE_slackwater").into(), PathBuf::from)
}

/// Ends a task when the end of the log is applied.
pub(crate) const UNTIL_ZERO: &str = "[cutover]\nwhen = \"in-sync\"\nin_sync_for = \"0s\"\nfence = \"none\"\nafter = \"stop\"\npoll_interval = \"50ms\"\n";
