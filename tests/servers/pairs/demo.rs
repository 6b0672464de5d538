//! The first command's river without the shell around it: captured logs of a shop, and of Sakila, into SQLite.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{fs, path::Path, time::Duration};

use crate::river::PROGRAM;
use anyhow::{Context, Result};
use rusqlite::Connection;
use slackwater_testkit::Task;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(300);

/// A copy, for as long as it is looked at.
struct Copy {
    connection: Connection,
    _directory: TempDir,
}

/// Replays a directory of files to its end and cuts over; returns the copy and what the cutover command saw.
fn replay(files: &Path, databases: &str, follow: bool) -> Result<(Copy, String)> {
    let directory = tempfile::tempdir()?;
    let (copy, outcome) = (directory.path().join("copy.db"), directory.path().join("outcome"));
    let command = format!(
        "echo $SLACKWATER_TASK $SLACKWATER_FILE $SLACKWATER_OFFSET $SLACKWATER_ROWS >> {}",
        outcome.display()
    );
    let toml = format!(
        "start = \"earliest\"\n[source]\ntype = \"mysql-files\"\ndirectory = {files:?}\nfollow = {follow}\n\
         [destination]\ntype = \"sqlite\"\npath = {copy:?}\n[objects]\ninclude = [\"{databases}\"]\n\
         [cutover]\ncommand = [\"sh\", \"-c\", {command:?}]\nwhen = \"in-sync\"\nin_sync_for = \"0s\"\npoll_interval = \"100ms\"\nafter = \"stop\"\n"
    );
    let mut task = Task::new(PROGRAM, directory.path(), &toml)?;
    task.start()?;
    let status = task.wait(PATIENCE)?;
    assert!(status.success(), "{}", task.log());
    let outcome = fs::read_to_string(outcome).context("the cutover command did not run")?;
    let connection = Connection::open(copy)?;
    Ok((Copy { connection, _directory: directory }, outcome))
}

fn fixtures(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

#[test]
fn the_shop_has_the_rows_and_sums_that_its_server_had() -> Result<()> {
    let shop = fixtures("mysql-9.7-shop");
    let (copy, outcome) = replay(&shop, "shop.*", true)?;
    let expected = fs::read_to_string(shop.join("expected.tsv"))?;
    for line in expected.lines().skip(1) {
        let [table, rows, column, sum] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let sql = format!("SELECT count(*), round(sum({column}), 2) FROM {table}");
        let found: (i64, f64) = copy.connection.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        assert_eq!(found.0, rows.parse::<i64>()?, "{table}");
        assert!((found.1 - sum.parse::<f64>()?).abs() < 0.001, "{table}: {} is not {sum}", found.1);
    }
    // Once, behind the last file, which ends by naming the next one.
    assert_eq!(outcome.lines().count(), 1, "{outcome}");
    assert!(outcome.starts_with("test binlog.000005 4 "), "{outcome}");
    assert!(outcome.trim_end().ends_with(" 399632"), "{outcome}");
    Ok(())
}

/// Row counts of MySQL's documentation of the Sakila sample database, by the names of its CREATE TABLE statements.
#[test]
fn sakila_has_its_rows() -> Result<()> {
    let directory = tempfile::tempdir()?;
    fs::copy(fixtures("mysql/mysql-bin.sakila.gz"), directory.path().join("mysql-bin.000001.gz"))?;
    let (copy, _) = replay(directory.path(), "sakila.*", false)?;
    let count = |table: &str| -> Result<i64> {
        Ok(copy.connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?)
    };
    let expected = [
        ("actor", 200),
        ("address", 603),
        ("category", 16),
        ("city", 600),
        ("country", 109),
        ("customer", 599),
        ("film", 1000),
        ("film_actor", 5462),
        ("film_category", 1000),
        ("film_text", 1000),
        ("inventory", 4581),
        ("language", 6),
        ("payment", 16049),
        ("rental", 16044),
        ("staff", 2),
        ("store", 2),
    ];
    for (table, rows) in expected {
        assert_eq!(count(table)?, rows, "{table}");
    }
    let film: (String, String, String) = copy.connection.query_row(
        "SELECT title, rental_rate, special_features FROM film WHERE film_id = 1",
        [],
        |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
    )?;
    assert_eq!(film, ("ACADEMY DINOSAUR".into(), "0.99".into(), "Deleted Scenes,Behind the Scenes".into()));
    Ok(())
}
