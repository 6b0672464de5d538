//! Traffic is turned over under writers that never stop, back, and over again, with the daemon killed at every step: whatever a
//! server has acknowledged is at the other one exactly once, and the writers always get on at one side.
//!
//! `SLACKWATER_CUTOVER_RUNS=30` makes that many rounds for each pair, with a kill at every failpoint in turn; otherwise each pair
//! has one round without a kill and its share of the failpoints.

mod ends;
mod scenario;
mod writers;
mod zombies;

use std::env;

use anyhow::{Context as _, Result};

use self::{
    ends::Kind,
    scenario::{Outcome, Scenario},
};

/// Where the daemon is killed: both sides of each step, in the order in which an attempt comes to them.
const FAILPOINTS: [&str; 13] = [
    "cutover::fencing::before",
    "cutover::fencing::after",
    "cutover::draining::before",
    "cutover::draining::after",
    "cutover::verifying::before",
    "cutover::verifying::after",
    "cutover::switching::before",
    "cutover::switching::after",
    "cutover::hooks::before",
    "cutover::hooks::after",
    "cutover::reversing::before",
    "cutover::reversing::after",
    "cutover::done::before",
];

/// From here on the attempt is not taken back.
const FIRST_RESUMED: &str = "cutover::hooks::before";

/// One round there and back without a kill; then one turn with a kill at each of `failpoints`.
fn turned(source: Kind, destination: Kind, share: usize) -> Result<()> {
    let mut scenario = Scenario::start(source, destination)?;
    scenario.turn_over().context("the cutover")?;
    scenario.turn_over().context("the rollback")?;
    scenario.tell_downtimes("without a kill")?;
    let runs: Option<usize> = env::var("SLACKWATER_CUTOVER_RUNS").ok().and_then(|runs| runs.parse().ok());
    let failpoints: Vec<&str> = match runs {
        Some(runs) => FAILPOINTS.iter().copied().cycle().take(runs).collect(),
        None => FAILPOINTS.iter().copied().skip(share).step_by(4).collect(),
    };
    let resumed_from = FAILPOINTS.iter().position(|failpoint| *failpoint == FIRST_RESUMED);
    for failpoint in failpoints {
        let outcome =
            scenario.turn_over_killed(failpoint).with_context(|| format!("killed at {failpoint}"))?;
        println!("killed at {failpoint}, traffic from {:?}: {outcome:?}", scenario.traffic.side());
        let is_resumed = FAILPOINTS.iter().position(|one| *one == failpoint) >= resumed_from;
        let expected = if is_resumed { Outcome::Resumed } else { Outcome::RolledBack };
        assert_eq!(outcome, expected, "{failpoint}");
    }
    scenario.finish()
}

#[test]
fn mysql_to_mysql() -> Result<()> {
    turned(Kind::Mysql, Kind::Mysql, 0)
}

#[test]
fn mysql_to_postgres() -> Result<()> {
    turned(Kind::Mysql, Kind::Postgres, 1)
}

#[test]
fn postgres_to_postgres() -> Result<()> {
    turned(Kind::Postgres, Kind::Postgres, 2)
}

#[test]
fn postgres_to_mysql() -> Result<()> {
    turned(Kind::Postgres, Kind::Mysql, 3)
}
