//! A source that moves to a promoted replica: followed by GTID, and refused where it lacks what was read already.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use crate::river::{Destination, PATIENCE, PROGRAM, load::Load, source_section};
use anyhow::{Context, Result, ensure};
use slackwater_testkit::{Flavor, Server, Task, workload::Workload};
use tempfile::TempDir;

/// Two servers, a task that knows both and follows the first, and a destination.
struct Topology {
    old: Arc<Server>,
    new: Arc<Server>,
    destination: Destination,
    task: Task,
    directory: TempDir,
}

impl Topology {
    /// The first server and its replica with the load's tables, and the task at the end of them.
    fn start(flavor: Flavor, workload: &mut Workload) -> Result<Self> {
        let old = Server::builder(flavor).server_id(1).start()?;
        let new = Server::builder(flavor).server_id(2).start()?;
        new.replica_of(&old)?;
        workload.setup(&mut old.conn()?)?;
        let destination = Destination::server(Flavor::Mysql97)?;
        let directory = tempfile::tempdir()?;
        let toml = source_section(&[&old, &new], "earliest") + &destination.section();
        let mut task = Task::new(PROGRAM, directory.path(), &toml)?;
        task.start()?;
        task.wait_for(&old.end_of_log()?, PATIENCE)?;
        Ok(Topology { old: Arc::new(old), new: Arc::new(new), destination, task, directory })
    }

    /// Waits until the task has everything that `server` has, which files and offsets of two servers do not tell.
    fn wait_for_transactions_of(&mut self, server: &Server) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let end = server.gtid_position()?;
        loop {
            let applied = self.task.status().and_then(|status| transactions(&status)).unwrap_or_default();
            // The sets are those of one server's log from its beginning: equal as text.
            if applied == end {
                return Ok(());
            }
            ensure!(self.task.is_running(), "the task ended:\n{}", self.task.log());
            ensure!(Instant::now() < deadline, "at {applied}, not at {end}:\n{}", self.task.log());
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The transactions of the position in a status, in the server's spelling.
fn transactions(status: &serde_json::Value) -> Option<String> {
    let executed = status.get("position")?.get("executed")?.as_object()?;
    Some(executed.values().next()?.as_str()?.replace('\n', ""))
}

fn follows_a_promoted_replica(flavor: Flavor) -> Result<()> {
    let mut workload = Workload::new(7).in_database("shop");
    let mut topology = Topology::start(flavor, &mut workload)?;
    let load = Load::start(&topology.old, workload);
    thread::sleep(Duration::from_secs(2));
    let workload = load.stop();
    topology.new.wait_for_replication(&topology.old, PATIENCE)?;
    topology.old.kill_hard()?;
    topology.new.promote()?;
    let load = Load::start(&topology.new, workload);
    thread::sleep(Duration::from_secs(2));
    let workload = load.stop();
    let new = Arc::clone(&topology.new);
    topology.wait_for_transactions_of(&new)?;
    topology.destination.expect_tables(&new, &workload.tables(&mut new.conn()?)?)?;
    // A restart finds the position on the new server, although the old one is named first.
    ensure!(topology.task.stop()?.success(), "{}", topology.task.log());
    topology.task.start()?;
    new.exec("CREATE TABLE shop.last (id INT PRIMARY KEY); INSERT INTO shop.last VALUES (1)")?;
    topology.wait_for_transactions_of(&new)?;
    topology.destination.expect_tables(&new, &["shop.last".to_owned()])
}

#[test]
fn a_promoted_mysql_replica_is_followed() -> Result<()> {
    follows_a_promoted_replica(Flavor::Mysql97)
}

#[test]
fn a_promoted_mariadb_replica_is_followed() -> Result<()> {
    follows_a_promoted_replica(Flavor::Mariadb1011)
}

/// The replica takes over without the last transactions, which the task has applied, and goes its own way.
fn refuses_a_replica_without_our_transactions(flavor: Flavor) -> Result<()> {
    let mut topology = Topology::start(flavor, &mut Workload::new(8).in_database("shop"))?;
    let (old, new) = (Arc::clone(&topology.old), Arc::clone(&topology.new));
    old.exec("CREATE TABLE shop.t (id INT PRIMARY KEY)")?;
    new.wait_for_replication(&old, PATIENCE)?;
    let common = old.gtid_position()?;
    new.promote()?;
    old.exec("INSERT INTO shop.t VALUES (1)")?;
    topology.wait_for_transactions_of(&old)?;
    old.kill_hard()?;
    new.exec("INSERT INTO shop.t VALUES (2)")?;
    topology.task.wait_for_words("does not have the transactions", 1, PATIENCE)?;
    let refusal = format!("the server does not have the transactions {}", last_transaction(&old, &common));
    topology.task.wait_for_words(&refusal, 1, PATIENCE)?;
    thread::sleep(Duration::from_secs(3));
    let status = topology.task.status().context("no status")?;
    assert_eq!(status.get("in_sync").and_then(serde_json::Value::as_bool), Some(false), "{status}");
    // Alone it is refused for good.
    ensure!(topology.task.stop()?.success(), "{}", topology.task.log());
    let alone = source_section(&[&new], "earliest") + &topology.destination.section();
    topology.task.rewrite(&alone)?;
    topology.task.start()?;
    assert_eq!(topology.task.wait(PATIENCE)?.code(), Some(1), "{}", topology.task.log());
    let log = topology.task.log();
    let last = log.get(log.rfind(&refusal).context("not refused")?..).unwrap_or_default();
    assert!(last.contains("what to do"), "{last}");
    // The old one is back: nothing was lost, and nothing of the other one got in.
    old.restart()?;
    let both = source_section(&[&old, &new], "earliest") + &topology.destination.section();
    topology.task.rewrite(&both)?;
    topology.task.start()?;
    old.exec("INSERT INTO shop.t VALUES (3)")?;
    topology.wait_for_transactions_of(&old)?;
    topology.destination.expect_tables(&old, &["shop.t".to_owned()])?;
    drop(topology.directory);
    Ok(())
}

/// The transaction behind a position of a server's own.
fn last_transaction(server: &Server, common: &str) -> String {
    let (before, number) = common.rsplit_once(['-', ':']).expect("a position ends in a number");
    let next: u64 = number.parse::<u64>().expect("a number") + 1;
    match server.flavor().is_mariadb() {
        true => format!("{before}-{next}"),
        false => format!("{}:{next}", before.split(':').next().expect("a UUID")),
    }
}

#[test]
fn a_mysql_replica_without_our_transactions_is_refused() -> Result<()> {
    refuses_a_replica_without_our_transactions(Flavor::Mysql97)
}

#[test]
fn a_mariadb_replica_without_our_transactions_is_refused() -> Result<()> {
    refuses_a_replica_without_our_transactions(Flavor::Mariadb1011)
}
