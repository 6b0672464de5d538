//! The log that a slot makes the server keep: told by `status`, and a warning in the log from the operator's limit on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use slackwater_testkit::{PostgresServer, PostgresVersion, Task};

const PROGRAM: &str = env!("CARGO_BIN_EXE_slackwater");
const PATIENCE: Duration = Duration::from_secs(60);
/// `source.retained_log_limit`.
const LIMIT: u64 = 32 << 20;

#[test]
fn an_open_transaction_raises_the_alarm_and_its_end_ends_it() -> Result<()> {
    let source = PostgresServer::builder(PostgresVersion::V18).start()?;
    let destination = PostgresServer::builder(PostgresVersion::V18).start()?;
    for server in [&source, &destination] {
        server.exec("CREATE SCHEMA shop; CREATE TABLE shop.t (id int PRIMARY KEY)")?;
    }
    let directory = tempfile::tempdir()?;
    let toml = format!(
        "start = \"now\"\n{}{}[objects]\ninclude = [\"shop.*\"]\n",
        source.source_section("postgres", "slot = \"kept\"\nretained_log_limit = \"32MiB\""),
        destination.destination_section("postgres", "")
    );
    let mut task = Task::new(PROGRAM, directory.path(), &toml)?;
    task.start()?;
    task.wait_for_wal(source.end_of_log()?, PATIENCE)?;

    let mut client = source.client()?;
    client.batch_execute("BEGIN; INSERT INTO shop.t VALUES (1)")?;
    for _ in 0..4 {
        source.exec("SELECT pg_logical_emit_message(false, 'test', repeat('x', 16 * 1024 * 1024))")?;
    }
    source.exec("CHECKPOINT")?;
    task.wait_for_words("WARN", 1, PATIENCE)?;
    task.wait_for_words("more than source.retained_log_limit (32.0 MiB)", 1, PATIENCE)?;
    let deadline = Instant::now() + PATIENCE;
    let found = loop {
        let found = json(&task)?;
        if found["belongings"][0]["warning"].is_string() {
            break found;
        }
        ensure!(Instant::now() < deadline, "no warning in {found:#}");
        thread::sleep(Duration::from_millis(100));
    };
    let belongings = found["belongings"].as_array().context("no belongings")?;
    let of =
        |key: &str| belongings.iter().map(|one| one[key].as_str().unwrap_or_default()).collect::<Vec<_>>();
    assert_eq!(of("kind")[..2], ["replication slot", "event trigger"]);
    assert_eq!(*of("kind").last().unwrap(), "publication");
    assert_eq!((of("name")[0], of("state")[0]), ("kept", "active, reserved"));
    assert!(belongings[0]["retained_bytes"].as_u64() > Some(LIMIT), "{found:#}");
    let text = text(&task)?;
    for words in ["replication slot kept (active, reserved, keeps ", "  warning: it keeps ", "publication "] {
        assert!(text.contains(words), "{words:?} is not in\n{text}");
    }

    client.batch_execute("COMMIT")?;
    let deadline = Instant::now() + PATIENCE;
    while !task.log().contains("well again") {
        ensure!(Instant::now() < deadline, "the warning stays:\n{}", task.log());
        // As the server does by itself every 15 seconds.
        source.exec("CHECKPOINT")?;
        thread::sleep(Duration::from_secs(1));
    }
    assert_eq!(task.log().matches("retained_log_limit").count(), 1, "{}", task.log());

    // What is left behind by a task that does not run is told, until it is removed.
    task.stop()?;
    assert!(self::text(&task)?.contains("  left there   replication slot kept"));
    ensure!(task.command(&["release"]).status()?.success());
    assert!(!self::text(&task)?.contains("replication slot"));
    Ok(())
}

fn json(task: &Task) -> Result<Value> {
    Ok(serde_json::from_slice(&task.command(&["status", "--json"]).output()?.stdout)?)
}

fn text(task: &Task) -> Result<String> {
    Ok(String::from_utf8(task.command(&["status"]).output()?.stdout)?)
}
