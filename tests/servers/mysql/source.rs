//! The source `mysql` against real servers: logging in, reading the log from every kind of position, and what happens when
//! server or log go away.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use slackwater::{
    config::{ByteSize, Start, source::MysqlSource},
    error::{Error, Kind},
    pipeline::queue::{MemoryQuota, Message, queue},
    positions::SchemaHistory,
    sources::{Source, mysql::Mysql},
};
use slackwater_decoders::{event::Event, position::Position};
use slackwater_testkit::{Flavor, Server};
use tokio::{task::JoinHandle, time::timeout};

const PATIENCE: Duration = Duration::from_secs(60);

fn source(text: &str) -> Mysql {
    let config: MysqlSource = toml::from_str(text).unwrap();
    Mysql::new("test", config, Arc::new(|_| true)).unwrap()
}

fn root(server: &Server) -> Mysql {
    source(&format!("hosts = ['127.0.0.1:{}']\nuser = 'root'\nheartbeat = '200ms'", server.port()))
}

/// A running tail, and what came out of it.
struct Tail {
    task: JoinHandle<Result<(), Error>>,
    messages: tokio::sync::mpsc::Receiver<Message>,
    rows: u64,
    resume: Option<Position>,
}

impl Tail {
    fn start(source: Arc<Mysql>, from: Position) -> Self {
        let (out, messages) = queue(MemoryQuota::new(64 << 20));
        let task = tokio::spawn(async move {
            // As after a reconnection: the history is there.
            let history = SchemaHistory::in_memory();
            source.tail(from, &history, &out).await
        });
        Tail { task, messages, rows: 0, resume: None }
    }

    /// Takes batches until `done`; the error of the tail when it ends before.
    async fn until(&mut self, mut done: impl FnMut(u64, Option<&Position>) -> bool) -> Result<(), Error> {
        let deadline = Instant::now() + PATIENCE;
        while !done(self.rows, self.resume.as_ref()) {
            let left = deadline.saturating_duration_since(Instant::now());
            match timeout(left, self.messages.recv()).await.expect("in time") {
                Some(Message::Batch(batch, _)) => {
                    self.rows += batch.summary().row_changes;
                    if let Some(resume) = &batch.summary().resume {
                        self.resume = Some(resume.clone());
                    }
                }
                Some(Message::Rewind) => {}
                None => return (&mut self.task).await.unwrap(),
            }
        }
        Ok(())
    }

    /// Waits for the tail to end by itself.
    async fn end(mut self) -> Error {
        self.until(|_, _| false).await.expect_err("ends with an error")
    }
}

async fn rows_from(source: Mysql, from: Position, fence: Position) -> u64 {
    let source = Arc::new(source);
    let mut tail = Tail::start(Arc::clone(&source), from);
    tail.until(|_, resume| resume.is_some_and(|resume| source.reached(resume, &fence))).await.unwrap();
    tail.rows
}

#[tokio::test(flavor = "multi_thread")]
async fn every_server_is_read_by_file_and_by_transactions() {
    for flavor in Flavor::ALL {
        let server = Server::builder(flavor).start().unwrap();
        let from = root(&server).start_position(&Start::Now).await.unwrap();
        server.exec("CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY, v VARCHAR(20))").unwrap();
        server.exec("INSERT INTO shop.t VALUES (1,'a'); INSERT INTO shop.t VALUES (2,'b')").unwrap();
        server.flush_logs().unwrap();
        let middle = root(&server).start_position(&Start::Now).await.unwrap();
        server.exec("INSERT INTO shop.t VALUES (3,'c')").unwrap();
        let fence = root(&server).end_of_log().await.unwrap();
        eprintln!("{flavor}: {from} .. {fence}");
        assert!(fence.executed.is_some(), "{flavor}");

        let by_file = |position: &Position| Position { executed: None, ..position.clone() };
        for (start, count) in [(&from, 3), (&middle, 1)] {
            let rows = rows_from(root(&server), by_file(start), by_file(&fence)).await;
            assert_eq!(rows, count, "{flavor} by file");
            let rows = rows_from(root(&server), start.clone(), by_file(&fence)).await;
            assert_eq!(rows, count, "{flavor} by GTID");
        }
        // The positions that are derived from a place: the transactions before it.
        let (file, offset) = middle.log.binlog().unwrap();
        let start = Start::Binlog { file: file.to_string(), offset };
        assert_eq!(root(&server).start_position(&start).await.unwrap(), middle, "{flavor}");
        let earliest = root(&server).start_position(&Start::Earliest).await.unwrap();
        assert!(
            from.executed.as_ref().unwrap().contains_all(earliest.executed.as_ref().unwrap()),
            "{flavor}"
        );
        let behind = root(&server).bytes_behind(&from, &fence).await.unwrap();
        let inserted: u64 = 3;
        assert!(behind > inserted * 100, "{flavor}: {behind}");
        assert!(!root(&server).reached(&middle, &fence));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_definitions_comes_alone_with_its_transaction() {
    let without_gtids: &[&str] = &["--enforce-gtid-consistency=OFF", "--gtid-mode=OFF"];
    for (flavor, options) in [
        (Flavor::Mysql97, &["--binlog-transaction-compression=ON"] as &[&str]),
        (Flavor::Mysql57, without_gtids),
        (Flavor::Mariadb1011, &["--log-bin-compress=ON"]),
    ] {
        let server = Server::builder(flavor).args(options.iter().copied()).start().unwrap();
        let from = root(&server).start_position(&Start::Now).await.unwrap();
        server.exec("CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY)").unwrap();
        server
            .exec("BEGIN; INSERT INTO shop.t VALUES (1); SAVEPOINT s; INSERT INTO shop.t VALUES (2); COMMIT")
            .unwrap();
        server.exec("INSERT INTO shop.t VALUES (3); CREATE TABLE shop.copy SELECT * FROM shop.t").unwrap();
        server.exec("INSERT INTO shop.t VALUES (4); ALTER TABLE shop.t ADD n INT; INSERT INTO shop.t VALUES (5, 5)").unwrap();
        let source = Arc::new(root(&server));
        let fence = source.end_of_log().await.unwrap();
        let mut tail = Tail::start(Arc::clone(&source), from);
        let (mut statements, mut rows, mut together) = (0, 0, 0);
        while !tail.resume.as_ref().is_some_and(|resume| source.reached(resume, &fence)) {
            let Some(Message::Batch(batch, _)) = timeout(PATIENCE, tail.messages.recv()).await.unwrap()
            else {
                panic!("the log is read in one go")
            };
            tail.resume = batch.summary().resume.clone();
            rows += batch.summary().row_changes;
            let is_statement = |event: &Event<'_>| matches!(event, Event::Ddl(_));
            let Some(place) = batch.events().iter().position(is_statement) else { continue };
            statements += 1;
            let (before, from) = batch.events().split_at(place);
            assert!(
                !before.iter().any(|event| matches!(event, Event::Rows(_) | Event::Commit(_))),
                "{flavor}"
            );
            let others = from.iter().skip(1);
            let commits = others.clone().filter(|event| matches!(event, Event::Commit(_))).count();
            together += batch.summary().row_changes;
            assert!(commits <= 1 && !others.clone().any(is_statement), "{flavor}");
        }
        // Where the log has CREATE TABLE … SELECT as one transaction, its rows come with it.
        let of_copy = if flavor == Flavor::Mysql57 { 0 } else { 3 };
        assert_eq!((statements, rows, together), (4, 8, of_copy), "{flavor}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_transaction_comes_in_batches_of_the_size_that_was_set() {
    const BATCH: u64 = 64 << 10;
    let server = Server::builder(Flavor::Mariadb1011).start().unwrap();
    server.exec("CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY, v TEXT)").unwrap();
    let from = root(&server).start_position(&Start::Now).await.unwrap();
    let rows: String =
        (0..100).map(|id| format!("INSERT INTO shop.t VALUES ({id}, REPEAT('x', 10000));")).collect();
    server.exec(&format!("BEGIN; {rows} COMMIT")).unwrap();
    let source = Arc::new(root(&server).with_batch_size(ByteSize(BATCH)));
    let mut tail = Tail::start(source, from);
    let mut counts = Vec::new();
    while counts.iter().sum::<u64>() < 100 {
        let Some(Message::Batch(batch, _)) = timeout(PATIENCE, tail.messages.recv()).await.unwrap() else {
            panic!("the log is read in one go")
        };
        counts.push(batch.summary().row_changes);
    }
    assert!(counts.iter().all(|rows| *rows <= 8) && counts.len() < 30, "{counts:?}");
}

/// Reads one row through a new tail with this account and encryption.
async fn reads_with(server: &Server, settings: &str) -> Result<(), Error> {
    let text = format!("hosts = ['127.0.0.1:{}']\nheartbeat = '200ms'\n{settings}", server.port());
    let from = source(&text).start_position(&Start::Now).await?;
    server.exec("INSERT INTO shop.t VALUES (DEFAULT)").unwrap();
    let mut tail = Tail::start(Arc::new(source(&text)), from);
    tail.until(|rows, _| rows > 0).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_authentication_method_logs_in_plain_and_encrypted() {
    let cases = [
        (Flavor::Mysql97, "IDENTIFIED WITH caching_sha2_password BY 'wörd'"),
        (Flavor::Mysql57, "IDENTIFIED WITH mysql_native_password BY 'wörd'"),
        (Flavor::Mysql56, "IDENTIFIED BY 'wörd'"),
        (Flavor::Mariadb118, "IDENTIFIED VIA mysql_native_password USING PASSWORD('wörd')"),
        (Flavor::Mariadb1011, "IDENTIFIED VIA ed25519 USING PASSWORD('wörd')"),
    ];
    for (flavor, identified) in cases {
        let mut builder = Server::builder(flavor);
        if flavor == Flavor::Mariadb1011 {
            builder = builder.arg("--plugin-load-add=auth_ed25519");
        }
        let server = builder.start().unwrap();
        server.exec("CREATE DATABASE shop; CREATE TABLE shop.t (id INT AUTO_INCREMENT PRIMARY KEY)").unwrap();
        server.exec(&format!("CREATE USER repl@'%' {identified}")).unwrap();
        let monitor = if flavor.is_mariadb() { ", BINLOG MONITOR" } else { "" };
        server
            .exec(&format!("GRANT REPLICATION SLAVE, REPLICATION CLIENT{monitor} ON *.* TO repl@'%'"))
            .unwrap();
        // Where the log has no full metadata, definitions are read from the server.
        server.exec("GRANT SELECT ON shop.* TO repl@'%'").unwrap();
        let account = "user = 'repl'\npassword = 'wörd'\n";
        // A server that has not seen the password asks for it in full: encrypted with its public key here.
        reads_with(&server, &format!("{account}tls.mode = 'disabled'")).await.unwrap();
        reads_with(&server, &format!("{account}tls.mode = 'disabled'")).await.unwrap();
        reads_with(&server, &format!("{account}tls.mode = 'preferred'")).await.unwrap();
        if flavor == Flavor::Mysql97 {
            server.exec("FLUSH PRIVILEGES").unwrap();
            reads_with(&server, &format!("{account}tls.mode = 'required'")).await.unwrap();
            let ca = server.data_dir().join("ca.pem");
            reads_with(&server, &format!("{account}tls.mode = 'verify-ca'\ntls.ca = '{}'", ca.display()))
                .await
                .unwrap();
            let wrong_name = reads_with(
                &server,
                &format!("{account}tls.mode = 'verify-identity'\ntls.ca = '{}'", ca.display()),
            )
            .await
            .expect_err("the certificate names no host");
            assert!(!wrong_name.is_transient(), "{wrong_name}");
            let other = server.data_dir().join("client-cert.pem");
            let unknown = reads_with(
                &server,
                &format!("{account}tls.mode = 'verify-ca'\ntls.ca = '{}'", other.display()),
            )
            .await
            .expect_err("signed by another authority");
            assert!(!unknown.is_transient(), "{unknown}");
        }
        let refused = reads_with(&server, "user = 'repl'\npassword = 'wrong'").await.expect_err("refused");
        assert!(!refused.is_transient() && !refused.to_string().contains("wrong"), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purged_log_is_a_definite_error_that_names_what_is_left() {
    for flavor in Flavor::ALL {
        let server = Server::builder(flavor).start().unwrap();
        let from = root(&server).start_position(&Start::Now).await.unwrap();
        server.exec("CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY)").unwrap();
        server.exec("INSERT INTO shop.t VALUES (1)").unwrap();
        server.flush_logs().unwrap();
        server.exec("INSERT INTO shop.t VALUES (2)").unwrap();
        server.flush_logs().unwrap();
        let left = server.binlog_files().unwrap().pop().unwrap();
        let left = left.file_name().unwrap().to_str().unwrap().to_owned();
        // MariaDB purges no file before its background thread has written that it is not needed for recovery.
        let deadline = Instant::now() + PATIENCE;
        while server.binlog_files().unwrap().len() > 1 {
            server.exec(&format!("PURGE BINARY LOGS TO '{left}'")).unwrap();
            assert!(Instant::now() < deadline, "{flavor} does not purge");
        }
        for position in [from.clone(), Position { executed: None, ..from.clone() }] {
            let error = Tail::start(Arc::new(root(&server)), position).end().await;
            assert!(!error.is_transient() && error.to_string().contains(&left), "{flavor}: {error}");
        }
        let beyond = Position { executed: None, ..Position::binlog(left.as_str(), 1 << 30, None) };
        let error = Tail::start(Arc::new(root(&server)), beyond).end().await;
        assert!(!error.is_transient(), "{flavor}: {error}");
        let inside = Position::binlog(left.as_str(), 5, None);
        let error = Tail::start(Arc::new(root(&server)), inside).end().await;
        assert!(!error.is_transient(), "{flavor}: {error}");
        eprintln!("{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_server_is_noticed_and_read_on_from_the_last_position() {
    for flavor in [Flavor::Mysql97, Flavor::Mysql56, Flavor::Mariadb118] {
        let server = Server::builder(flavor).start().unwrap();
        server.exec("CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY)").unwrap();
        let source = Arc::new(root(&server));
        let from = source.start_position(&Start::Now).await.unwrap();
        let mut tail = Tail::start(Arc::clone(&source), from);
        server.exec("INSERT INTO shop.t VALUES (1)").unwrap();
        tail.until(|rows, _| rows == 1).await.unwrap();
        let fence = source.end_of_log().await.unwrap();
        tail.until(|_, resume| {
            resume.is_some_and(|resume| source.reached(resume, &Position { executed: None, ..fence.clone() }))
        })
        .await
        .unwrap();
        let resume = tail.resume.clone().unwrap();
        server.kill_hard().unwrap();
        let error = tail.end().await;
        assert!(error.is_transient(), "{flavor}: {error}");
        assert!(source.end_of_log().await.expect_err("down").is_transient());
        server.restart().unwrap();
        server.exec("INSERT INTO shop.t VALUES (2)").unwrap();
        let mut tail = Tail::start(Arc::clone(&source), resume);
        tail.until(|rows, _| rows == 1).await.unwrap();
        server.stop().unwrap();
        let error = tail.end().await;
        assert!(error.is_transient(), "{flavor}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_server_is_noticed_within_seconds() {
    let server = Server::builder(Flavor::Mysql97).start().unwrap();
    let source = Arc::new(root(&server));
    let from = source.start_position(&Start::Now).await.unwrap();
    let mut tail = Tail::start(Arc::clone(&source), from);
    tail.until(|_, resume| resume.is_some()).await.unwrap();
    let signal = |name: &str| {
        let pid = server.pid().unwrap().to_string();
        assert!(std::process::Command::new("kill").args([name, &pid]).status().unwrap().success());
    };
    signal("-STOP");
    let start = Instant::now();
    let error = tail.end().await;
    signal("-CONT");
    assert!(
        error.is_transient() && start.elapsed() < Duration::from_secs(5),
        "{error} after {:?}",
        start.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_reader_with_the_same_identity_is_told() {
    let server = Server::builder(Flavor::Mysql97).start().unwrap();
    let first = Arc::new(root(&server));
    let from = first.start_position(&Start::Now).await.unwrap();
    let mut tail = Tail::start(Arc::clone(&first), from.clone());
    tail.until(|_, resume| resume.is_some()).await.unwrap();
    let mut second = Tail::start(Arc::new(root(&server)), from);
    second.until(|_, resume| resume.is_some()).await.unwrap();
    let error = tail.end().await;
    assert!(!error.is_transient() && error.to_string().contains("server_id"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_longer_than_a_packet_arrive_whole() {
    for flavor in [Flavor::Mysql97, Flavor::Mariadb1011] {
        let server = Server::builder(flavor).start().unwrap();
        server.exec("CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY, b LONGBLOB)").unwrap();
        let from = root(&server).start_position(&Start::Now).await.unwrap();
        // 40 MiB: three packets. Random, so that nothing compresses it.
        server.exec("SET SESSION max_recursive_iterations = 1").ok();
        server.exec("INSERT INTO shop.t VALUES (1, REPEAT(UUID(), 40 << 20 >> 5)), (2, 'x')").unwrap();
        server.exec("INSERT INTO shop.t VALUES (3, 'y')").unwrap();
        let fence = root(&server).end_of_log().await.unwrap();
        let by_file = |position: &Position| Position { executed: None, ..position.clone() };
        let rows = rows_from(root(&server), by_file(&from), by_file(&fence)).await;
        assert!(rows >= 2, "{flavor}: {rows}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tagged_transactions_behind_the_position_are_not_sent_again() {
    let server = Server::builder(Flavor::Mysql97).start().unwrap();
    server.exec("CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY)").unwrap();
    let from = root(&server).start_position(&Start::Earliest).await.unwrap();
    server
        .exec(
            "SET gtid_next = 'AUTOMATIC:audit'; INSERT INTO shop.t VALUES (1); INSERT INTO shop.t VALUES (2)",
        )
        .unwrap();
    server.exec("INSERT INTO shop.t VALUES (3)").unwrap();
    let middle = root(&server).start_position(&Start::Now).await.unwrap();
    assert!(middle.executed.as_ref().unwrap().to_string().contains(":audit:1-2"), "{middle}");
    server.exec("SET gtid_next = 'AUTOMATIC:audit'; INSERT INTO shop.t VALUES (4)").unwrap();
    let fence = Position { executed: None, ..root(&server).end_of_log().await.unwrap() };
    assert_eq!(rows_from(root(&server), from, fence.clone()).await, 4);
    assert_eq!(rows_from(root(&server), middle.clone(), fence.clone()).await, 1);
    // The same set from its text, and from a place in the file.
    let gtids = Start::Gtid(middle.executed.as_ref().unwrap().to_string());
    let behind = root(&server).start_position(&gtids).await.unwrap();
    assert_eq!(rows_from(root(&server), behind, fence).await, 1);
    let (file, offset) = middle.log.binlog().unwrap();
    let start = Start::Binlog { file: file.to_string(), offset };
    assert_eq!(root(&server).start_position(&start).await.unwrap(), middle);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promoted_replica_takes_over_unless_it_lacks_transactions() {
    for flavor in [Flavor::Mysql97, Flavor::Mysql57, Flavor::Mariadb1011] {
        let old = Server::builder(flavor).server_id(1).start().unwrap();
        let new = Server::builder(flavor).server_id(2).start().unwrap();
        new.replica_of(&old).unwrap();
        old.exec(
            "CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY); INSERT INTO shop.t VALUES (1)",
        )
        .unwrap();
        let text = format!(
            "hosts = ['127.0.0.1:{}', '127.0.0.1:{}']\nuser = 'root'\nheartbeat = '200ms'",
            old.port(),
            new.port()
        );
        let both = Arc::new(source(&text));
        let read = both.start_position(&Start::Now).await.unwrap();
        old.exec("INSERT INTO shop.t VALUES (2)").unwrap();
        new.wait_for_replication(&old, PATIENCE).unwrap();
        // What only the old server has: a position behind it cannot go on at the new one.
        new.exec(if flavor == Flavor::Mysql97 { "STOP REPLICA" } else { "STOP SLAVE" }).unwrap();
        old.exec("INSERT INTO shop.t VALUES (3)").unwrap();
        let ahead = both.start_position(&Start::Now).await.unwrap();
        old.kill_hard().unwrap();
        new.promote().unwrap();
        new.exec("INSERT INTO shop.t VALUES (4)").unwrap();

        let mut tail = Tail::start(Arc::clone(&both), read);
        tail.until(|rows, _| rows == 2).await.unwrap();
        let only_new = source(&format!("hosts = ['127.0.0.1:{}']\nuser = 'root'", new.port()));
        let error = Tail::start(Arc::new(only_new), ahead.clone()).end().await;
        assert!(!error.is_transient() && error.to_string().contains("has read already"), "{flavor}: {error}");
        eprintln!("{error}");
        // While the old one may come back, it is worth waiting.
        let error = Tail::start(Arc::clone(&both), ahead).end().await;
        assert_eq!(error.kind(), Kind::Disconnected, "{flavor}: {error}");
    }
}
