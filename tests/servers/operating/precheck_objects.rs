//! `slackwater check` of a task that copies into databases of other names, with views and programs: accounts that are given what
//! it prints, and nothing more, create everything.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::collections::BTreeSet;

use crate::river::PROGRAM;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use slackwater_testkit::{Flavor, Server, Task};

const PASSWORD: &str = "s3cret";

/// What is to be repaired, of both sides: code and statements.
fn findings(task: &Task) -> Result<Vec<(String, String)>> {
    let output = task.command(&["check", "--json"]).output()?;
    let report: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    let text = |finding: &Value, name: &str| finding[name].as_str().map(str::to_owned);
    let all = ["source", "destination"].iter().flat_map(|side| report[side].as_array().unwrap());
    let findings = all.filter_map(|finding| Some((text(finding, "code")?, text(finding, "repair")?)));
    Ok(findings.collect())
}

fn everything_is_created(source: Flavor, destination: Flavor) -> Result<()> {
    let from = Server::builder(source).start()?;
    // As servers in production are, whose log is not for everyone to write.
    let to =
        Server::builder(destination).server_id(9).arg("--log-bin-trust-function-creators=OFF").start()?;
    from.exec(
        "CREATE DATABASE shop; USE shop; CREATE TABLE orders (id INT PRIMARY KEY, total INT); \
         CREATE VIEW paid AS SELECT id FROM orders WHERE total > 0; \
         CREATE TRIGGER positive BEFORE INSERT ON orders FOR EACH ROW SET NEW.total = ABS(NEW.total); \
         CREATE PROCEDURE forget() DELETE FROM orders WHERE total = 0; \
         CREATE FUNCTION twice(n INT) RETURNS INT DETERMINISTIC RETURN 2 * n; \
         CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY DO DELETE FROM shop.orders WHERE total = 0",
    )?;
    let directory = tempfile::tempdir()?;
    let toml = format!(
        "start = \"snapshot\"\n\
         [source]\ntype = \"mysql\"\nhosts = [\"127.0.0.1:{}\"]\nuser = \"tail\"\npassword = \"{PASSWORD}\"\n\
         [destination]\ntype = \"mysql\"\nhost = \"127.0.0.1:{}\"\nuser = \"apply\"\npassword = \"{PASSWORD}\"\n\
         [objects]\ninclude = [\"shop.*\"]\n[[mapping]]\nmatch = \"shop.*\"\ndatabase = \"archive\"\n",
        from.port(),
        to.port()
    );
    let task = Task::new(PROGRAM, directory.path(), &toml)?;
    let mut seen = BTreeSet::new();
    for _ in 0..4 {
        for (code, repair) in findings(&task)? {
            let is_of_accounts = ["account", "privileges", "objects", "select", "creators"];
            if is_of_accounts.iter().any(|word| code.ends_with(word)) {
                ensure!(!code.starts_with("destination.") || !repair.contains("`shop`"), "{code}: {repair}");
                let server = if code.starts_with("destination.") { &to } else { &from };
                server.exec(&repair.replace("<password>", PASSWORD)).with_context(|| repair.clone())?;
                seen.insert(code);
            }
        }
    }
    for code in ["mysql.copy_objects", "destination.objects", "destination.log_bin_trust_function_creators"] {
        ensure!(seen.contains(code), "{code} was not seen: {seen:?}");
    }
    let created = task.command(&["schema", "--apply", "--stage", "at-cutover"]).output()?;
    ensure!(created.status.success(), "{}", String::from_utf8_lossy(&created.stdout));
    let objects = "SELECT GROUP_CONCAT(name ORDER BY name) FROM (\
                     SELECT TABLE_NAME name FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'archive' \
                     UNION ALL SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = 'archive' \
                     UNION ALL SELECT ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = 'archive' \
                     UNION ALL SELECT EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = 'archive') objects";
    assert_eq!(to.query_string(objects)?.as_deref(), Some("forget,nightly,orders,paid,positive,twice"));
    Ok(())
}

#[test]
fn mysql_97_to_mysql_97() -> Result<()> {
    everything_is_created(Flavor::Mysql97, Flavor::Mysql97)
}

#[test]
fn mysql_57_to_mariadb_1011() -> Result<()> {
    everything_is_created(Flavor::Mysql57, Flavor::Mariadb1011)
}

#[test]
fn mariadb_1011_to_mysql_97() -> Result<()> {
    everything_is_created(Flavor::Mariadb1011, Flavor::Mysql97)
}
