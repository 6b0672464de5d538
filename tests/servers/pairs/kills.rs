//! `kill -9` at random moments of a mixed load: after every restart nothing is lost and nothing is there twice.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use crate::river::{Destination, PATIENCE, PROGRAM, source_section};
use anyhow::{Result, ensure};
use rand::{RngExt as _, SeedableRng as _, rngs::ChaCha8Rng};
use slackwater_testkit::{Flavor, Server, Task, workload::Workload};

/// Kills of one test.
const KILLS: usize = 100;
/// Transactions and statements before the task first starts, so that kills hit it while it catches up, too.
const BACKLOG: usize = 1_500;

/// The load goes on all the time; the task lives for a random while, again and again.
fn killed(source: &Server, destination: &Destination, seed: u64) -> Result<()> {
    let mut load = Workload::new(seed).in_database("shop");
    let mut connection = source.conn()?;
    load.setup(&mut connection)?;
    for _ in 0..BACKLOG {
        load.step(&mut connection)?;
    }
    let directory = tempfile::tempdir()?;
    let toml = source_section(&[source], "earliest") + &destination.section();
    let mut task = Task::new(PROGRAM, directory.path(), &toml)?;
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let done = AtomicBool::new(false);
    let (load, mut task) = thread::scope(|scope| -> Result<_> {
        let writer = scope.spawn(|| -> Result<Workload> {
            while !done.load(Ordering::Relaxed) {
                load.step(&mut connection)?;
                thread::sleep(Duration::from_millis(1));
            }
            Ok(load)
        });
        let killing = (0..KILLS).try_for_each(|_| {
            task.start()?;
            thread::sleep(Duration::from_millis(random.random_range(20..700)));
            // No panic: the load would go on and never be joined.
            ensure!(task.is_running(), "the task ended by itself:\n{}", task.log());
            task.kill()
        });
        done.store(true, Ordering::Relaxed);
        let load = writer.join().expect("the load does not panic")?;
        killing.map(|()| (load, task))
    })?;
    task.start()?;
    task.wait_for(&source.end_of_log()?, PATIENCE)?;
    let tables = load.tables(&mut source.conn()?)?;
    destination.expect_tables(source, &tables)
}

#[test]
fn mysql_97_into_sqlite() -> Result<()> {
    let source = Server::builder(Flavor::Mysql97).arg("--binlog-row-metadata=FULL").start()?;
    killed(&source, &Destination::sqlite()?, 97)
}

#[test]
fn mariadb_1011_without_metadata_into_mysql_97() -> Result<()> {
    let source = Server::builder(Flavor::Mariadb1011).arg("--binlog-row-metadata=NO_LOG").start()?;
    killed(&source, &Destination::server(Flavor::Mysql97)?, 1011)
}
