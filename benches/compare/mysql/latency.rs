//! Latency on MariaDB, beside a native replica.

use std::time::Duration;

use anyhow::{Context, Result};
use slackwater_testkit::{
    Flavor, Server, Task,
    mysql::{Conn, Statement, prelude::Queryable as _},
    run_statements,
};
use tempfile::TempDir;

use super::{apply, durability::Durability, ours};
use crate::{
    latency::{self, Reader, River, Writer},
    settings,
};

const FLAVOR: Flavor = Flavor::Mariadb1011;
const PATIENCE: Duration = Duration::from_secs(60);

/// Measures with every durability.
pub(crate) fn compare() -> Result<()> {
    for durability in Durability::all()? {
        let start = |name: &str| Ok(Box::new(Pair::start(name, durability)?) as Box<dyn River>);
        latency::compare(&durability.to_string(), &["slackwater", "replica"], start)?;
    }
    Ok(())
}

/// Two servers, and what carries changes from one to the other.
struct Pair {
    source: Server,
    destination: Server,
    // In this order: the task ends before its directory goes.
    _task: Option<Task>,
    _directory: TempDir,
}

impl Pair {
    fn start(name: &str, durability: Durability) -> Result<Self> {
        let source = Durability::source(FLAVOR)?;
        let destination = durability.server(FLAVOR, 2)?;
        source.exec(&format!(
            "CREATE DATABASE sbtest; \
             CREATE TABLE sbtest.events (id INT PRIMARY KEY AUTO_INCREMENT, k INT NOT NULL, c CHAR(120) NOT NULL, KEY (k)); \
             CREATE TABLE sbtest.counters (id INT PRIMARY KEY, k INT NOT NULL, pad CHAR(60) NOT NULL, KEY (k)); \
             INSERT INTO sbtest.counters SELECT seq, 0, REPEAT('x', 60) FROM mysql.seq_1_to_{}",
            latency::UPDATED_ROWS
        ))?;
        let directory = tempfile::tempdir()?;
        let mut carrier = None;
        if name == "slackwater" {
            let toml = ours::task(&source, &destination, "earliest");
            let mut task = Task::new(settings::program(), directory.path(), &toml)?;
            task.start()?;
            task.wait_for(&source.end_of_log()?, PATIENCE)?;
            carrier = Some(task);
        } else {
            apply::prepare(&source, &destination)?;
            destination.exec("START SLAVE")?;
            destination.wait_for_replication(&source, PATIENCE)?;
        }
        Ok(Pair { source, destination, _task: carrier, _directory: directory })
    }
}

impl River for Pair {
    fn writer(&self) -> Result<Box<dyn Writer + Send>> {
        let mut conn = self.source.conn()?;
        let insert = conn.prep("INSERT INTO sbtest.events (k, c) VALUES (7, REPEAT('c', 119))")?;
        let update = conn.prep("UPDATE sbtest.counters SET k = k + 1 WHERE id = ?")?;
        Ok(Box::new(Source { conn, insert, update }))
    }

    fn reader(&self) -> Result<Box<dyn Reader + Send>> {
        let mut conn = self.destination.conn()?;
        // Each question sees what is committed.
        run_statements(&mut conn, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")?;
        let question = conn.prep("SELECT id FROM sbtest.events WHERE id > ? ORDER BY id")?;
        Ok(Box::new(Destination { conn, question }))
    }
}

struct Source {
    conn: Conn,
    insert: Statement,
    update: Statement,
}

impl Writer for Source {
    fn insert(&mut self) -> Result<u64> {
        self.conn.exec_drop(&self.insert, ())?;
        Some(self.conn.last_insert_id()).filter(|id| *id > 0).context("no key")
    }

    fn update(&mut self, id: u64) -> Result<()> {
        Ok(self.conn.exec_drop(&self.update, (id,))?)
    }
}

struct Destination {
    conn: Conn,
    question: Statement,
}

impl Reader for Destination {
    fn above(&mut self, low: u64) -> Result<Vec<u64>> {
        Ok(self.conn.exec(&self.question, (low,))?)
    }
}
