//! Statements run on real servers, and what they logged applied to the catalog: both must have the same tables.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod follower;
mod observed;
mod random;
mod scripts;

use slackwater_testkit::Flavor;

use follower::Follower;

/// Runs the scripts for all servers and those for this one, then random changes to a table with rows.
fn differential(flavor: Flavor) {
    let mut follower = Follower::start(flavor);
    for script in scripts::of(flavor) {
        follower.run_script(script);
    }
    assert!(follower.differences.is_empty(), "{flavor}:\n{}", follower.differences.join("\n"));
    let seed = std::env::var("DDL_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_260_711);
    random::change(&mut follower, seed, 250);
    assert!(follower.differences.is_empty(), "{flavor}, seed {seed}:\n{}", follower.differences.join("\n"));
}

#[test]
fn mysql_9_7() {
    differential(Flavor::Mysql97);
}

#[test]
fn mysql_5_7() {
    differential(Flavor::Mysql57);
}

#[test]
fn mysql_5_6() {
    differential(Flavor::Mysql56);
}

#[test]
fn mariadb_10_11() {
    differential(Flavor::Mariadb1011);
}

#[test]
fn mariadb_11_8() {
    differential(Flavor::Mariadb118);
}
