//! Encrypted connections with a password: both ends, and the replication connection.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::time::Duration;

use anyhow::Result;
use slackwater_testkit::{PostgresServer, PostgresVersion, Task};

const PROGRAM: &str = env!("CARGO_BIN_EXE_slackwater");
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn every_connection_is_encrypted_and_logs_in_by_scram() -> Result<()> {
    let server = || PostgresServer::builder(PostgresVersion::V18).password("ebb & 'flow'").tls().start();
    // Whoever comes by TCP has to know the password: pg_hba.conf says scram-sha-256.
    let (source, destination) = (server()?, server()?);
    for server in [&source, &destination] {
        server.exec("CREATE SCHEMA shop; CREATE TABLE shop.t (id int PRIMARY KEY)")?;
    }
    let tls = |server: &PostgresServer, mode: &str| {
        format!("tls = {{ mode = \"{mode}\", ca = {:?} }}", server.certificate())
    };
    let directory = tempfile::tempdir()?;
    let toml = |authority: &PostgresServer| {
        format!(
            "start = \"now\"\n{}{}[objects]\ninclude = [\"shop.*\"]\n",
            source.source_section(
                "postgres",
                &format!("slot = \"safe\"\n{}", tls(authority, "verify-identity"))
            ),
            destination.destination_section("postgres", &tls(&destination, "verify-identity"))
        )
    };
    let mut task = Task::new(PROGRAM, directory.path(), &toml(&source))?;
    task.start()?;
    task.wait_for_wal(source.end_of_log()?, PATIENCE)?;
    source.exec("INSERT INTO shop.t VALUES (1)")?;
    task.wait_for_wal(source.end_of_log()?, PATIENCE)?;
    assert_eq!(destination.query_string("SELECT id FROM shop.t")?.as_deref(), Some("1"));
    let encrypted = "SELECT bool_and(ssl)::text || ' ' || count(*) FROM pg_stat_ssl JOIN ";
    let replication = source.query_string(&format!("{encrypted} pg_stat_replication USING (pid)"))?;
    assert_eq!(replication.as_deref(), Some("true 1"));
    for server in [&source, &destination] {
        let others = "pg_stat_activity USING (pid) WHERE application_name LIKE 'slackwater%'";
        let found = server.query_string(&format!("{encrypted} {others}"))?.unwrap_or_default();
        assert!(found.starts_with("true "), "{found}");
    }
    task.stop()?;

    // Another server's certificate is not this one's.
    task.rewrite(&toml(&destination))?;
    task.start()?;
    task.wait(PATIENCE)?;
    let log = task.log();
    let last = &log[log.rfind("slackwater: ").unwrap_or_default()..];
    assert!(last.contains("certificate"), "{log}");
    // Nor is another password.
    task.rewrite(&toml(&source).replace("ebb & 'flow'", "ebb"))?;
    task.start()?;
    task.wait(PATIENCE)?;
    let log = task.log();
    let last = &log[log.rfind("slackwater: ").unwrap_or_default()..];
    assert!(last.contains("password") && !last.contains("ebb"), "{log}");
    Ok(())
}
