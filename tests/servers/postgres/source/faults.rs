//! What happens when the task, the server, the slot or the log goes away.

use std::{
    thread,
    time::{Duration, Instant},
};

use slackwater::{
    config::Start,
    error::Kind,
    sources::{Level, Plan, Source},
};
use slackwater_decoders::schema::TableName;
use slackwater_testkit::{PostgresServer, PostgresVersion};

use crate::postgres::source::follower::{Follower, runtime, selection, source, sources};

const TABLE: &str = "CREATE SCHEMA app; CREATE TABLE app.t (id int PRIMARY KEY, v text)";

fn ids(lines: &[String]) -> Vec<i64> {
    let id = |line: &String| line.strip_prefix("app.t + Int(")?.split(')').next()?.parse().ok();
    lines.iter().filter_map(id).collect()
}

#[test]
fn a_task_that_starts_again_misses_nothing_and_repeats_nothing() {
    let runtime = runtime();
    for (version, more) in [
        (PostgresVersion::V10, ""),
        (PostgresVersion::V14, "format = 'binary'"),
        (PostgresVersion::V18, "two_phase = true"),
    ] {
        let server = PostgresServer::builder(version).set("logical_decoding_work_mem", "64kB");
        let server = if version < PostgresVersion::V14 { PostgresServer::builder(version) } else { server };
        let server = server.start().unwrap();
        server.exec(TABLE).unwrap();
        let source = source(&server, "again", more);
        let mut follower = Follower::new(&runtime, &source).unwrap();
        let mut client = server.client().unwrap();
        let mut lines = Vec::new();
        client.batch_execute("BEGIN; INSERT INTO app.t SELECT i, 'prepared' FROM generate_series(900, 909) i; PREPARE TRANSACTION 'p'").ok();
        for round in 0..6 {
            for row in 0..10 {
                client
                    .batch_execute(&format!(
                        "INSERT INTO app.t VALUES ({}, repeat('v', 3000))",
                        round * 10 + row
                    ))
                    .unwrap();
            }
            // Ends anywhere: with what was taken, which is stored, or, every other time, a while before the server is told.
            follower.until(|follower| ids(&follower.lines).len() >= if round == 0 { 5 } else { 10 }).unwrap();
            source.stored(&follower.resume);
            if round % 2 == 0 {
                thread::sleep(Duration::from_millis(400));
            }
            lines.append(&mut follower.lines);
            if round == 3 {
                server.stop().unwrap();
                server.restart().unwrap();
                client = server.client().unwrap();
            }
            let (resume, history) = follower.stop();
            let idle = Instant::now();
            while server
                .query_string(
                    "SELECT active::text FROM pg_replication_slots WHERE slot_name = 'slackwater_again'",
                )
                .unwrap()
                .as_deref()
                == Some("true")
            {
                assert!(idle.elapsed() < Duration::from_secs(20), "the slot is not released");
                thread::sleep(Duration::from_millis(20));
            }
            follower = Follower::resume(&runtime, &source, resume, history);
        }
        if server.query_string("SELECT count(*) FROM pg_prepared_xacts").unwrap().as_deref() == Some("1") {
            client.batch_execute("COMMIT PREPARED 'p'").unwrap();
        }
        follower.catch_up().unwrap();
        lines.append(&mut follower.lines);
        let expected: Vec<i64> = (0..60).chain(900..910).collect();
        assert_eq!(ids(&lines), expected, "{version}");
        // What a stored position lets go of is let go of, once the prepared transaction is stored as well.
        source.stored(&follower.resume);
        let since = Instant::now();
        let confirmed = format!(
            "SELECT (confirmed_flush_lsn >= '{}')::text FROM pg_replication_slots WHERE slot_name = 'slackwater_again'",
            follower.resume.log.lsn().unwrap()
        );
        while server.query_string(&confirmed).unwrap().as_deref() != Some("true") {
            assert!(since.elapsed() < Duration::from_secs(5), "{version}: not confirmed");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

// What was prepared keeps the slot back, so that a task which starts again passes over what it has: also the announcements there,
// which the server makes once in a stream.
#[test]
fn what_was_announced_in_what_is_passed_over_is_known() {
    let runtime = runtime();
    let server = PostgresServer::builder(PostgresVersion::V18).set("logical_decoding_work_mem", "64kB");
    let server = server.start().unwrap();
    server.exec("CREATE SCHEMA app; CREATE TYPE app.state AS ENUM ('new', 'old')").unwrap();
    for table in ["held", "t", "large"] {
        server.exec(&format!("CREATE TABLE app.{table} (id int PRIMARY KEY, s app.state, v text)")).unwrap();
    }
    let source = source(&server, "passed", "two_phase = true");
    let mut follower = Follower::new(&runtime, &source).unwrap();
    let mut client = server.client().unwrap();
    let rows = |table: &str, ids: std::ops::RangeInclusive<i32>| {
        let (first, last) = (ids.start(), ids.end());
        format!(
            "INSERT INTO app.{table} SELECT i, 'new', repeat(md5(i::text), 60) FROM generate_series({first}, {last}) i"
        )
    };
    client.batch_execute(&format!("BEGIN; {}; PREPARE TRANSACTION 'p'", rows("held", 1..=1))).unwrap();
    client.batch_execute(&rows("t", 1..=1)).unwrap();
    // It is sent before its end.
    client.batch_execute(&rows("large", 1..=200)).unwrap();
    follower.catch_up().unwrap();
    source.stored(&follower.resume);
    let mut lines = std::mem::take(&mut follower.lines);
    let (resume, history) = follower.stop();
    let active = "SELECT active::text FROM pg_replication_slots";
    let since = Instant::now();
    while server.query_string(active).unwrap().as_deref() == Some("true") {
        assert!(since.elapsed() < Duration::from_secs(20), "the slot is not released");
        thread::sleep(Duration::from_millis(20));
    }
    let mut follower = Follower::resume(&runtime, &source, resume, history);
    // Announced outside of a segment and needed inside of one, and the other way round.
    client.batch_execute(&rows("t", 2..=200)).unwrap();
    client.batch_execute(&rows("large", 201..=201)).unwrap();
    client.batch_execute("COMMIT PREPARED 'p'").unwrap();
    follower.catch_up().unwrap();
    lines.append(&mut follower.lines);
    let count = |table: &str| {
        let begin = format!("app.{table} + Int(");
        lines.iter().filter(|line| line.starts_with(&begin)).count()
    };
    assert_eq!([count("held"), count("t"), count("large")], [1, 200, 201]);
    let streamed = "SELECT (stream_txns >= 2)::text FROM pg_stat_replication_slots";
    assert_eq!(server.query_string(streamed).unwrap().as_deref(), Some("true"));
}

#[test]
fn what_cannot_go_on_says_why() {
    let runtime = runtime();
    let server = PostgresServer::builder(PostgresVersion::V18).start().unwrap();
    server.exec(TABLE).unwrap();
    let ours = source(&server, "gone", "");
    let mut follower = Follower::new(&runtime, &ours).unwrap();
    server.exec("INSERT INTO app.t VALUES (1, 'a')").unwrap();
    follower.catch_up().unwrap();
    // In use.
    let second = Follower::resume(&runtime, &ours, follower.resume.clone(), follower.history.clone());
    let error = second.end();
    assert!(error.kind() == Kind::Transient && error.to_string().contains("another connection"), "{error}");
    // Listed, and not released while it is read.
    let listed = runtime.block_on(ours.belongings()).unwrap();
    let kinds: Vec<_> = listed.iter().map(|belonging| belonging.kind.as_str()).collect();
    assert_eq!(kinds, ["replication slot", "event trigger", "event trigger", "function", "publication"]);
    assert!(runtime.block_on(ours.release()).is_err());
    // Another cluster.
    let other = PostgresServer::builder(PostgresVersion::V17).start().unwrap();
    other.exec(TABLE).unwrap();
    let elsewhere = source(&other, "gone", "");
    let error =
        Follower::resume(&runtime, &elsewhere, follower.resume.clone(), follower.history.clone()).end();
    assert!(error.kind() == Kind::Definite && error.to_string().contains("another cluster"), "{error}");
    // Read ahead by somebody else, as after a restore of the destination.
    let (resume, history) = follower.stop();
    wait_until_free(&server, "slackwater_gone");
    server.exec("INSERT INTO app.t VALUES (2, 'b')").unwrap();
    server
        .exec("SELECT pg_replication_slot_advance('slackwater_gone', pg_current_wal_insert_lsn())")
        .unwrap();
    let error = Follower::resume(&runtime, &ours, resume.clone(), history.clone()).end();
    assert!(
        error.kind() == Kind::Definite && error.to_string().contains("what lies between is lost"),
        "{error}"
    );
    // Dropped.
    server.exec("SELECT pg_drop_replication_slot('slackwater_gone')").unwrap();
    let error = Follower::resume(&runtime, &ours, resume, history).end();
    assert!(error.kind() == Kind::Definite && error.to_string().contains("slot is not there"), "{error}");
    assert!(error.to_string().contains("what to do"), "{error}");
    assert_eq!(runtime.block_on(ours.release()).unwrap().len(), 4);
    assert!(runtime.block_on(ours.belongings()).unwrap().is_empty());
}

fn wait_until_free(server: &PostgresServer, slot: &str) {
    let question = format!("SELECT active::text FROM pg_replication_slots WHERE slot_name = '{slot}'");
    let since = Instant::now();
    while server.query_string(&question).unwrap().as_deref() == Some("true") {
        assert!(since.elapsed() < Duration::from_secs(20), "the slot is not released");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_slot_that_kept_too_much_log_is_lost() {
    let runtime = runtime();
    let server = PostgresServer::builder(PostgresVersion::V15)
        .set("max_slot_wal_keep_size", "16MB")
        .set("max_wal_size", "48MB")
        .start()
        .unwrap();
    server.exec(TABLE).unwrap();
    let source = source(&server, "lost", "");
    let follower = Follower::new(&runtime, &source).unwrap();
    let (resume, history) = follower.stop();
    wait_until_free(&server, "slackwater_lost");
    server.exec("CREATE TABLE public.bulk (t text)").unwrap();
    for _ in 0..8 {
        server
            .exec("INSERT INTO public.bulk SELECT repeat(md5(i::text), 300) FROM generate_series(1, 4000) i")
            .unwrap();
        server.exec("SELECT pg_switch_wal()").unwrap();
        server.exec("CHECKPOINT").unwrap();
    }
    let error = Follower::resume(&runtime, &source, resume, history).end();
    assert!(
        error.kind() == Kind::Definite && error.to_string().contains("max_slot_wal_keep_size"),
        "{error}"
    );
}

#[test]
fn a_promoted_standby_is_followed_with_the_slot_and_explained_without() {
    let runtime = runtime();
    let primary = PostgresServer::builder(PostgresVersion::V18).start().unwrap();
    primary.exec(TABLE).unwrap();
    let standby = PostgresServer::builder(PostgresVersion::V18)
        .set("sync_replication_slots", "on")
        .start_standby_of(&primary)
        .unwrap();
    let with = sources(&[&primary, &standby], "kept", "failover = true");
    let without = sources(&[&primary, &standby], "bare", "");
    let mut kept = Follower::new(&runtime, &with).unwrap();
    let mut bare = Follower::new(&runtime, &without).unwrap();
    primary.exec("INSERT INTO app.t VALUES (1, 'a')").unwrap();
    for (source, follower) in [(&with, &mut kept), (&without, &mut bare)] {
        follower.catch_up().unwrap();
        source.stored(&follower.resume);
    }
    let synced = "SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'slackwater_kept' AND synced AND NOT temporary";
    let since = Instant::now();
    while standby.query_string(synced).unwrap().as_deref() != Some("1") {
        assert!(since.elapsed() < Duration::from_secs(60), "the slot is not on the standby");
        primary.exec("SELECT pg_log_standby_snapshot()").unwrap();
        kept.catch_up().unwrap();
        with.stored(&kept.resume);
        thread::sleep(Duration::from_millis(100));
    }
    // What is not replicated when the primary dies never was.
    standby.wait_for_replication(&primary, Duration::from_secs(20)).unwrap();
    primary.kill_hard().unwrap();
    standby.promote().unwrap();
    standby.exec("INSERT INTO app.t VALUES (2, 'b')").unwrap();
    kept.until(|_| false).unwrap_err();
    let mut lines = std::mem::take(&mut kept.lines);
    let (resume, history) = kept.stop();
    let mut again = Follower::resume(&runtime, &with, resume, history);
    again.catch_up().unwrap();
    lines.append(&mut again.lines);
    assert_eq!(ids(&lines), [1, 2]);
    bare.until(|_| false).unwrap_err();
    let (resume, history) = bare.stop();
    let error = Follower::resume(&runtime, &without, resume, history).end();
    assert!(error.kind() == Kind::Definite && error.to_string().contains("slot is not there"), "{error}");
}

#[test]
fn an_idle_source_beside_a_busy_database_keeps_no_log() {
    let runtime = runtime();
    let server = PostgresServer::builder(PostgresVersion::V14).start().unwrap();
    server.exec(TABLE).unwrap();
    server.exec("CREATE DATABASE busy").unwrap();
    server.exec_in("busy", "CREATE TABLE t (v text)").unwrap();
    let source = source(&server, "idle", "");
    let mut follower = Follower::new(&runtime, &source).unwrap();
    follower.catch_up().unwrap();
    let retained = || {
        let question = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), restart_lsn)::bigint FROM pg_replication_slots";
        server.query_string(question).unwrap().unwrap().parse::<u64>().unwrap()
    };
    let mut client = server.client_of("busy").unwrap();
    let (mut written, mut slowest) = (0, Duration::ZERO);
    for _ in 0..12 {
        client
            .batch_execute("INSERT INTO t SELECT repeat(md5(i::text), 100) FROM generate_series(1, 1500) i")
            .unwrap();
        written += 5 << 20;
        let since = Instant::now();
        follower.catch_up().unwrap();
        slowest = slowest.max(since.elapsed());
        source.stored(&follower.resume);
        // As the server's background writer does every 15 seconds.
        server.exec("CHECKPOINT").unwrap();
        thread::sleep(Duration::from_millis(250));
    }
    follower.catch_up().unwrap();
    source.stored(&follower.resume);
    thread::sleep(Duration::from_millis(500));
    eprintln!("written {written}, retained {}, slowest fence {slowest:?}", retained());
    assert!(retained() < written / 4, "{} of {written}", retained());
    assert!(slowest < Duration::from_millis(500), "{slowest:?}");
}

#[test]
fn the_precheck_names_what_would_go_wrong() {
    let runtime = runtime();
    let server = PostgresServer::builder(PostgresVersion::V18).set("wal_level", "replica").start().unwrap();
    server.exec(TABLE).unwrap();
    server
        .exec("CREATE TABLE app.keyless (v text); CREATE UNLOGGED TABLE app.un (id int PRIMARY KEY)")
        .unwrap();
    server.exec("CREATE ROLE reader LOGIN REPLICATION").unwrap();
    let filtered = std::cell::RefCell::new(Vec::new());
    let levels = |user: &str| {
        let source = sources(&[&server], "check", &format!("user = '{user}'"));
        let (selection, filtered) = (selection(), filtered.borrow());
        let plan = Plan { start: &Start::Snapshot, stored: None, selection: &selection, filtered: &filtered };
        let findings = runtime.block_on(source.check(&plan));
        findings.into_iter().filter(|finding| finding.level == Level::Error).collect::<Vec<_>>()
    };
    let errors = levels("postgres");
    let codes: Vec<_> = errors.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["postgres.wal_level", "postgres.replica_identity"], "{errors:#?}");
    assert_eq!(errors[1].repair.as_deref(), Some("ALTER TABLE \"app\".\"keyless\" REPLICA IDENTITY FULL;"));
    server.exec(errors[1].repair.as_deref().unwrap()).unwrap();
    // A filter judges the row before, too.
    filtered.borrow_mut().push(TableName::new("app", "t"));
    let filter = levels("postgres").pop().unwrap();
    assert_eq!((filter.code, filter.level), ("postgres.filter_identity", Level::Error));
    assert_eq!(filter.repair.as_deref(), Some("ALTER TABLE \"app\".\"t\" REPLICA IDENTITY FULL;"));
    server.exec(filter.repair.as_deref().unwrap()).unwrap();
    server.exec("ALTER SYSTEM SET wal_level = 'logical'").unwrap();
    let errors = levels("reader");
    let codes: Vec<_> = errors.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["postgres.wal_level", "postgres.select", "postgres.publication"], "{errors:#?}");
    for statement in errors[1].repair.as_deref().unwrap().lines() {
        server.exec(statement).unwrap();
    }
    assert!(!levels("reader").iter().any(|finding| finding.code == "postgres.select"));
}
