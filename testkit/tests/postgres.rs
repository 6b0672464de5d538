//! Every PostgreSQL server starts, survives a crash and a restart, and is followed by a standby that can be promoted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use slackwater_testkit::{PostgresServer, PostgresVersion};

/// Runs the check for every version and names the one that failed.
fn for_every_version(check: impl Fn(PostgresVersion) -> anyhow::Result<()>) -> anyhow::Result<()> {
    for version in PostgresVersion::ALL {
        let started = Instant::now();
        check(version).map_err(|error| error.context(version.name()))?;
        println!("{version}: {:?}", started.elapsed());
    }
    Ok(())
}

#[test]
fn committed_rows_survive_a_kill_and_a_restart() -> anyhow::Result<()> {
    for_every_version(|version| {
        let started = Instant::now();
        let server = PostgresServer::builder(version).set("work_mem", "5MB").start()?;
        println!("{version} answers after {:?}", started.elapsed());
        let number: u32 = server.query_string("SHOW server_version_num")?.unwrap().parse()?;
        assert_eq!(number / 10_000, version.number());
        assert_eq!(server.query_string("SHOW work_mem")?.as_deref(), Some("5MB"));
        assert_eq!(server.query_string("SHOW wal_level")?.as_deref(), Some("logical"));

        server.exec("CREATE DATABASE shop")?;
        server.exec_in(
            "shop",
            "CREATE TABLE t (id int PRIMARY KEY, a text); INSERT INTO t VALUES (1, '🌊'), (2, NULL)",
        )?;
        let expected =
            vec![vec![Some("1".to_owned()), Some("🌊".to_owned())], vec![Some("2".to_owned()), None]];
        assert_eq!(server.query_in("shop", "SELECT * FROM t ORDER BY id")?, expected);

        let (port, pid) = (server.port(), server.pid());
        let mut open = server.client_of("shop")?;
        server.kill_hard()?;
        assert!(!server.is_running());
        assert!(open.simple_query("SELECT 1").is_err());
        assert!(server.client().is_err());
        let restarted = Instant::now();
        server.restart()?;
        println!("{version} recovers in {:?}", restarted.elapsed());
        assert_eq!(server.port(), port);
        assert_ne!(server.pid(), pid);
        assert_eq!(server.query_in("shop", "SELECT * FROM t ORDER BY id")?, expected);

        server.restart_with(&[("work_mem", "6MB")])?;
        assert_eq!(server.query_string("SHOW work_mem")?.as_deref(), Some("6MB"));
        server.stop()?;
        assert!(!server.is_running());
        Ok(())
    })
}

#[test]
fn a_standby_follows_and_is_promoted() -> anyhow::Result<()> {
    for_every_version(|version| {
        let primary = PostgresServer::builder(version).start()?;
        primary.exec("CREATE TABLE t AS SELECT generate_series(1, 1000) AS id")?;
        let standby = PostgresServer::builder(version).start_standby_of(&primary)?;
        assert!(standby.is_standby()? && !primary.is_standby()?);
        primary.exec("INSERT INTO t VALUES (1001)")?;
        standby.wait_for_replication(&primary, Duration::from_secs(30))?;
        assert_eq!(standby.query_string("SELECT count(*) FROM t")?.as_deref(), Some("1001"));
        standby.exec("INSERT INTO t VALUES (1)").expect_err("it is read-only");

        primary.kill_hard()?;
        standby.promote()?;
        standby.exec("INSERT INTO t VALUES (1002)")?;
        let timeline = "SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)";
        assert_eq!(standby.query_string(timeline)?.as_deref(), Some("00000002"));
        Ok(())
    })
}

#[test]
fn failover_slots_are_kept_on_a_standby() -> anyhow::Result<()> {
    for version in [PostgresVersion::V17, PostgresVersion::V18] {
        let primary = PostgresServer::builder(version).start()?;
        let standby = PostgresServer::builder(version)
            .set("sync_replication_slots", "on")
            .start_standby_of(&primary)?;
        primary.exec("SELECT pg_create_logical_replication_slot('kept', 'pgoutput', false, false, true)")?;
        let synchronized =
            "SELECT synced AND NOT temporary FROM pg_replication_slots WHERE slot_name = 'kept'";
        let deadline = Instant::now() + Duration::from_secs(90);
        while standby.query_string(synchronized)?.as_deref() != Some("t") {
            assert!(
                Instant::now() < deadline,
                "{version}: {}",
                std::fs::read_to_string(standby.error_log())?
            );
            primary.exec("SELECT pg_log_standby_snapshot()")?;
            std::thread::sleep(Duration::from_millis(200));
        }
        primary.kill_hard()?;
        standby.promote()?;
        assert_eq!(standby.query_string(synchronized)?.as_deref(), Some("t"));
    }
    Ok(())
}

#[test]
fn a_slot_holds_the_log_until_its_client_confirms() -> anyhow::Result<()> {
    let server = PostgresServer::builder(PostgresVersion::V18).start()?;
    assert_eq!(server.confirmed("held")?, None);
    server.exec("SELECT pg_create_logical_replication_slot('held', 'test_decoding')")?;
    let before = server.end_of_log()?;
    server.exec("CREATE TABLE t AS SELECT generate_series(1, 10000)")?;
    let end = server.end_of_log()?;
    assert!(end > before && server.retained("held")? > 100_000);
    server.wait_for_confirmation("held", end, Duration::from_millis(50)).expect_err("nobody has confirmed");
    server.query("SELECT count(*) FROM pg_logical_slot_get_changes('held', NULL, NULL)")?;
    server.wait_for_confirmation("held", end, Duration::from_secs(10))
}

#[test]
fn a_frozen_server_answers_nobody_until_it_is_thawed() -> anyhow::Result<()> {
    let server = PostgresServer::builder(PostgresVersion::V18).start()?;
    let mut client = server.client()?;
    server.freeze()?;
    let waiting = std::thread::spawn(move || client.simple_query("SELECT 1").map(|_| Instant::now()));
    std::thread::sleep(Duration::from_millis(300));
    let thawed = Instant::now();
    assert!(!waiting.is_finished());
    server.thaw()?;
    assert!(waiting.join().expect("no panic")? > thawed);
    Ok(())
}

#[test]
fn a_password_is_asked_for_and_a_certificate_is_shown() -> anyhow::Result<()> {
    for version in [PostgresVersion::V10, PostgresVersion::V18] {
        let server = PostgresServer::builder(version).password("ebb & 'flow'").tls().start()?;
        assert_eq!(server.query_string("SHOW ssl")?.as_deref(), Some("on"));
        let verifier = "SELECT rolpassword LIKE 'SCRAM-SHA-256$%' FROM pg_authid WHERE rolname = 'postgres'";
        assert_eq!(server.query_string(verifier)?.as_deref(), Some("t"));
        let wrong = server.config("postgres").password("wrong").connect(slackwater_testkit::postgres::NoTls);
        assert!(wrong.is_err());
        let output = server
            .client_tool("psql")?
            .args(["-Atc", "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"])
            .env("PGSSLMODE", "verify-full")
            .env("PGSSLROOTCERT", server.certificate())
            .output()?;
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "t\n",
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let standby = PostgresServer::builder(version).start_standby_of(&server)?;
        assert!(standby.is_standby()? && standby.offers_tls());
    }
    Ok(())
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let error = PostgresServer::builder(PostgresVersion::V18)
        .set("no_such_setting", "1")
        .start()
        .expect_err("it must not start");
    assert!(format!("{error:#}").contains("no_such_setting"), "{error:#}");
}

/// Runs itself as a second process, which starts a server and dies without a chance to clean up.
#[test]
fn a_killed_test_leaves_no_server_behind() -> anyhow::Result<()> {
    const ROLE: &str = "SLACKWATER_TESTKIT_DIES";
    if std::env::var_os(ROLE).is_some() {
        let server = PostgresServer::builder(PostgresVersion::V15).start()?;
        println!("server pid {}", server.pid().expect("it runs"));
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL)?;
        unreachable!("SIGKILL cannot be survived");
    }
    let output = Command::new(std::env::current_exe()?)
        .args(["--exact", "a_killed_test_leaves_no_server_behind", "--nocapture"])
        .env(ROLE, "1")
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    let pid = text.lines().find_map(|line| line.split_once("server pid ")).map(|(_, pid)| pid.trim());
    let process =
        Path::new("/proc").join(pid.ok_or_else(|| anyhow::anyhow!("no server was started: {text}"))?);
    let deadline = Instant::now() + Duration::from_secs(10);
    while process.join("exe").read_link().is_ok() {
        assert!(Instant::now() < deadline, "the server outlived the test");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
