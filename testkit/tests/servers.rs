//! Every server starts, survives a crash and a restart, and replicates.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use slackwater_testkit::workload::Workload;
use slackwater_testkit::{Flavor, Server};

/// Runs the check for every flavor and names the one that failed.
fn for_every_flavor(check: impl Fn(Flavor) -> anyhow::Result<()>) -> anyhow::Result<()> {
    for flavor in Flavor::ALL {
        let started = Instant::now();
        check(flavor).map_err(|error| error.context(flavor.name()))?;
        println!("{flavor}: {:?}", started.elapsed());
    }
    Ok(())
}

/// Length of the newest binlog file and the offset that the server tells, in the same moment: MariaDB writes a checkpoint
/// event by itself, some time after a rotation.
fn length_and_end(server: &Server, file: &Path) -> anyhow::Result<(u64, u64)> {
    let mut pair = (0, 1);
    for _ in 0..100 {
        pair = (file.metadata()?.len(), server.end_of_log()?.offset);
        if pair.0 == pair.1 {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(pair)
}

#[test]
fn committed_rows_survive_a_kill_and_a_restart() -> anyhow::Result<()> {
    for_every_flavor(|flavor| {
        let started = Instant::now();
        let server = Server::builder(flavor).start()?;
        println!("{flavor} answers after {:?}", started.elapsed());
        server.exec("CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY, a TEXT); INSERT INTO shop.t VALUES (1, '🌊'), (2, NULL)")?;
        let expected = vec![vec![Some(b"1".to_vec()), Some("🌊".into())], vec![Some(b"2".to_vec()), None]];
        assert_eq!(server.sorted_rows("shop.t")?, expected);

        let (port, pid) = (server.port(), server.pid());
        server.kill_hard()?;
        assert!(!server.is_running());
        assert!(server.conn().is_err());
        let restarted = Instant::now();
        server.restart()?;
        println!("{flavor} recovers in {:?}", restarted.elapsed());
        assert_eq!(server.port(), port);
        assert_ne!(server.pid(), pid);
        assert_eq!(server.sorted_rows("shop.t")?, expected);

        server.restart_with(&["--read-only=ON"])?;
        assert_eq!(server.query_string("SELECT @@read_only")?.as_deref(), Some("1"));
        server.stop()?;
        assert!(!server.is_running());
        Ok(())
    })
}

#[test]
fn the_log_has_whole_rows_and_the_flavors_own_tool_reads_it() -> anyhow::Result<()> {
    for_every_flavor(|flavor| {
        let server = Server::builder(flavor).server_id(7).start()?;
        let variables =
            "SELECT @@binlog_format, @@binlog_row_image, @@server_id, @@character_set_server, @@local_infile";
        let values: Vec<String> = server
            .query(variables)?
            .into_iter()
            .flatten()
            .flatten()
            .map(String::from_utf8)
            .collect::<Result<_, _>>()?;
        assert_eq!(values, ["ROW", "FULL", "7", "utf8mb4", "1"]);

        server.exec("CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY, a INT)")?;
        server.flush_logs()?;
        server.exec("INSERT INTO shop.t VALUES (1, 2); UPDATE shop.t SET a = 3")?;
        let end = server.end_of_log()?;
        let files = server.binlog_files()?;
        let last = files.last().expect("there is a binlog file");
        assert_eq!(last.file_name().and_then(|name| name.to_str()), Some(end.file.as_str()));
        let (length, end) = length_and_end(&server, last)?;
        assert_eq!(length, end);
        assert!(!server.gtid_position()?.is_empty());

        let output = server.client(&["mysqlbinlog", "--verbose"])?.arg(last).output()?;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            text.contains(
                "### UPDATE `shop`.`t`\n### WHERE\n###   @1=1\n###   @2=2\n### SET\n###   @1=1\n###   @2=3"
            ),
            "{text}"
        );

        let output = server
            .client(&["mysql"])?
            .args(server.connection_arguments())
            .args(["-Ne", "SELECT a FROM shop.t"])
            .output()?;
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "3\n",
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    })
}

#[test]
fn servers_of_one_template_have_uuids_of_their_own() -> anyhow::Result<()> {
    let uuid = |server: &Server| server.query_string("SELECT @@server_uuid");
    for flavor in [Flavor::Mysql97, Flavor::Mysql57, Flavor::Mysql56] {
        let (one, two) = (Server::builder(flavor).start()?, Server::builder(flavor).start()?);
        assert_ne!(uuid(&one)?, uuid(&two)?, "{flavor}");
    }
    let chosen = "5ea7c1de-0000-4000-8000-000000000001";
    let server = Server::builder(Flavor::Mysql97).server_uuid(chosen).start()?;
    assert_eq!(uuid(&server)?.as_deref(), Some(chosen));
    Ok(())
}

#[test]
fn a_replica_follows_the_workload_and_is_promoted() -> anyhow::Result<()> {
    for_every_flavor(|flavor| {
        let source = Server::builder(flavor).server_id(1).start()?;
        let replica = Server::builder(flavor).server_id(2).start()?;
        replica.replica_of(&source)?;

        let mut conn = source.conn()?;
        let mut workload = Workload::new(7);
        workload.setup(&mut conn)?;
        for step in 0..300 {
            workload.step(&mut conn).map_err(|error| error.context(format!("step {step}")))?;
        }
        replica.wait_for_replication(&source, Duration::from_secs(60))?;
        for table in workload.tables(&mut conn)? {
            assert!(source.sorted_rows(&table)? == replica.sorted_rows(&table)?, "{flavor}: {table} differs");
        }

        replica.promote()?;
        assert_eq!(replica.gtid_position()?, source.gtid_position()?);
        replica.exec("CREATE DATABASE written_after_the_promotion")?;
        Ok(())
    })
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let error =
        Server::builder(Flavor::Mysql57).arg("--no-such-option").start().expect_err("it must not start");
    assert!(format!("{error:#}").contains("no-such-option"), "{error:#}");
}

/// Runs itself as a second process, which starts a server and dies without a chance to clean up.
#[test]
fn a_killed_test_leaves_no_server_behind() -> anyhow::Result<()> {
    const ROLE: &str = "SLACKWATER_TESTKIT_DIES";
    if std::env::var_os(ROLE).is_some() {
        // On another thread than the one that goes on, as in a test binary with a shared server.
        let server =
            std::thread::spawn(|| Server::builder(Flavor::Mysql57).start()).join().expect("no panic")?;
        server.exec("SELECT 1")?;
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
