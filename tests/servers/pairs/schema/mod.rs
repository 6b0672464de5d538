//! The schema phase between real servers: what it creates is compared with what the source has.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod observed;
mod phase;
mod scripts;

use std::process::Output;

use crate::river::{Destination, PROGRAM, source_section};
use anyhow::Result;
use observed::{expect_same, facts};
use serde_json::Value;
use slackwater_testkit::{Flavor, Server, Task};
use tempfile::TempDir;

/// A source with a schema, an empty destination, and a task between them.
struct Pair {
    source: Server,
    destination: Destination,
    task: Task,
    directory: TempDir,
}

impl Pair {
    fn new(source: Flavor, destination: Destination, script: &str) -> Result<Self> {
        let source = Server::builder(source).start()?;
        source.exec(script)?;
        let directory = tempfile::tempdir()?;
        let toml = source_section(&[&source], "now")
            + &destination.section()
            + "[schema]\noverrides = \"overrides.toml\"\n";
        std::fs::write(directory.path().join("overrides.toml"), "")?;
        let task = Task::new(PROGRAM, directory.path(), &toml)?;
        Ok(Pair { source, destination, task, directory })
    }

    fn server(&self) -> &Server {
        let Destination::Server(server) = &self.destination else { panic!("the destination is a file") };
        server
    }

    /// Runs `slackwater schema`; returns the exit code and the JSON document.
    fn schema(&self, arguments: &[&str]) -> Result<(i32, Value)> {
        let command_line: Vec<&str> = ["schema", "--json"].iter().chain(arguments).copied().collect();
        let Output { status, stdout, stderr } = self.task.command(&command_line).output()?;
        let text = String::from_utf8_lossy(&stdout);
        let document = serde_json::from_str(&text)
            .unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&stderr)));
        Ok((status.code().unwrap(), document))
    }

    /// Runs all stages and expects that nothing is refused and nothing is left.
    fn apply_all(&self) -> Result<()> {
        let (code, output) = self.schema(&["--apply", "--stage", "at-cutover"])?;
        assert_eq!(output["applied"]["failures"], serde_json::json!([]), "{output:#}");
        assert_eq!(output["plan"]["statements"], serde_json::json!([]), "a second plan is empty");
        assert_eq!(code, 0);
        Ok(())
    }

    fn carries(&self, stated: &[(&str, &str)]) -> Result<()> {
        self.apply_all()?;
        let what = format!("{} to {}", self.source.flavor(), self.destination.name());
        expect_same(&what, &facts(&self.source)?, &facts(self.server())?, stated);
        Ok(())
    }
}

fn text(cell: &Option<Vec<u8>>) -> String {
    String::from_utf8(cell.clone().unwrap()).unwrap()
}

#[test]
fn mysql_97_to_mysql_97_is_the_same_statement() -> Result<()> {
    let pair = Pair::new(
        Flavor::Mysql97,
        Destination::server(Flavor::Mysql97)?,
        &scripts::script(Flavor::Mysql97, false),
    )?;
    pair.carries(&[])?;
    let tables = "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'shop' AND TABLE_TYPE = 'BASE TABLE'";
    for row in pair.source.query(tables)? {
        let name = text(&row[0]).replace('`', "``");
        let shown = |server: &Server| -> Result<Vec<String>> {
            let rows = server.query(&format!("SHOW CREATE TABLE shop.`{name}`"))?;
            // Keys come in the order in which they were made; the character set is shown beside a collation where the column was
            // made with one.
            let without_charset = |line: &str| {
                let mut line = line.trim_end_matches(',').to_owned();
                for charset in ["utf8mb4", "latin1", "ascii"] {
                    line = line.replace(&format!(" CHARACTER SET {charset} COLLATE"), " COLLATE");
                }
                line
            };
            let mut lines: Vec<_> = text(&rows[0][1]).lines().map(without_charset).collect();
            lines.sort();
            Ok(lines)
        };
        let (theirs, ours) = (shown(&pair.source)?, shown(pair.server())?);
        let differing: Vec<_> = theirs.iter().filter(|line| !ours.contains(line)).collect();
        assert!(differing.is_empty(), "{name}: {differing:?} are missing in {ours:#?}");
    }
    Ok(())
}

#[test]
fn mysql_97_to_mariadb_1011() -> Result<()> {
    let script = scripts::script(Flavor::Mysql97, true);
    let pair = Pair::new(Flavor::Mysql97, Destination::server(Flavor::Mariadb1011)?, &script)?;
    pair.carries(&[
        ("check loose", "NOT ENFORCED is unknown: it would be enforced"),
        ("column modern.doc", "JSON is text"),
        ("column modern.name", "a collation of MySQL's own"),
        ("column modern.strict_sum", "a computed column cannot be NOT NULL"),
        ("column modern.v", "VECTOR came with 11.7"),
        ("key modern.lowered", "no index over an expression"),
    ])
}

#[test]
fn mariadb_118_to_mysql_97() -> Result<()> {
    let script = scripts::script(Flavor::Mariadb118, true);
    let pair = Pair::new(Flavor::Mariadb118, Destination::server(Flavor::Mysql97)?, &script)?;
    pair.carries(&[
        ("check doc", "MySQL names the condition of a column by itself"),
        ("check modern_chk_1", "this is the one of doc"),
        ("check modern_chk_2", "this is the one of positive"),
        ("check positive", "as that of doc"),
        ("check p", "a condition of the period"),
        ("column modern.address", "an address is text"),
        ("column modern.id", "a UUID is text"),
        ("column modern.name", "a collation of MariaDB's own"),
        ("column modern.near", "an address is text"),
        ("column modern.packed", "columns are not compressed one by one"),
        ("column versioned_openly.e", "row versions are not kept, and the last instant is behind 2038"),
        ("column versioned_openly.s", "as e"),
        ("default modern.n", "no sequences"),
        ("key modern.v", "no index over vectors"),
        ("key periods.u", "no periods"),
    ])
}

#[test]
fn mysql_57_to_mysql_97() -> Result<()> {
    let script = scripts::script(Flavor::Mysql57, true);
    Pair::new(Flavor::Mysql57, Destination::server(Flavor::Mysql97)?, &script)?.carries(&[])
}

/// Tables with their columns, and the indexes over whole columns, with whether they are unique.
#[test]
fn each_to_sqlite() -> Result<()> {
    for flavor in [Flavor::Mysql97, Flavor::Mariadb118, Flavor::Mysql57] {
        let pair = Pair::new(flavor, Destination::sqlite()?, &scripts::script(flavor, true))?;
        pair.apply_all()?;
        let file = rusqlite::Connection::open(pair.destination.file().unwrap())?;
        let tables = "SELECT TABLE_NAME, GROUP_CONCAT(COLUMN_NAME ORDER BY ORDINAL_POSITION SEPARATOR '|') FROM information_schema.COLUMNS \
                      JOIN information_schema.TABLES USING (TABLE_SCHEMA, TABLE_NAME) \
                      WHERE TABLE_SCHEMA = 'shop' AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') GROUP BY TABLE_NAME";
        let rows = pair.source.query(tables)?;
        assert!(rows.len() >= 10);
        for row in rows {
            let (table, columns) = (text(&row[0]), text(&row[1]));
            let actual: String = file.query_row(
                "SELECT group_concat(name, '|') FROM (SELECT name FROM pragma_table_info(?1) ORDER BY cid)",
                [&table],
                |row| row.get(0),
            )?;
            // The log has the columns of row versions that MariaDB hides.
            let shown = actual.strip_suffix("|row_start|row_end").unwrap_or(&actual);
            assert_eq!(shown, columns, "{flavor}: {table}");
        }
        let index = |name: &str| -> Option<bool> {
            file.query_row(
                "SELECT sql LIKE 'CREATE UNIQUE%' FROM sqlite_master WHERE type = 'index' AND name = ?1",
                [name],
                |row| row.get(0),
            )
            .ok()
        };
        assert_eq!(index("customers.code"), Some(true));
        assert_eq!(index("customers.named"), Some(false), "over the whole column");
        assert_eq!(index("customers.words"), None, "no index of words");
        assert_eq!(index("orders.number"), Some(true));
    }
    Ok(())
}

#[test]
fn printing_touches_neither_side() -> Result<()> {
    let pair = Pair::new(
        Flavor::Mysql97,
        Destination::server(Flavor::Mysql97)?,
        &scripts::script(Flavor::Mysql97, false),
    )?;
    let before = (pair.source.end_of_log()?, pair.server().end_of_log()?);
    let (code, output) = pair.schema(&[])?;
    assert_eq!(code, 0);
    assert!(output["plan"]["statements"].as_array().unwrap().len() > 40);
    assert_eq!((pair.source.end_of_log()?, pair.server().end_of_log()?), before);
    assert_eq!(pair.server().query_string("SHOW DATABASES LIKE 'slackwater'")?, None);

    let file = Pair::new(Flavor::Mysql57, Destination::sqlite()?, &scripts::script(Flavor::Mysql57, false))?;
    let (code, _) = file.schema(&[])?;
    assert_eq!((code, file.destination.file().unwrap().exists()), (0, false));
    Ok(())
}

/// MariaDB has no `uuid_to_bin`: the table is refused, everything else is created, and the override file repairs it.
#[test]
fn a_refused_statement_is_overridden_and_tried_again() -> Result<()> {
    let script = scripts::script(Flavor::Mysql97, false);
    let pair = Pair::new(Flavor::Mysql97, Destination::server(Flavor::Mariadb1011)?, &script)?;
    let overrides = pair.directory.path().join("overrides.toml");
    std::fs::write(
        &overrides,
        "skip = ['view shop.a_second']\n[columns]\n'shop.orders.total' = 'bigint unsigned'\n",
    )?;
    let (code, output) = pair.schema(&["--apply"])?;
    let failures = output["applied"]["failures"].as_array().unwrap();
    assert_eq!((code, failures.len()), (3, 1), "{failures:#?}");
    assert_eq!(failures[0]["object"]["source"], "shop.modern");
    assert!(failures[0]["sql"].as_str().unwrap().contains("uuid_to_bin"));
    assert!(
        failures[0]["error"].as_str().unwrap().contains("1064")
            || failures[0]["error"].as_str().unwrap().contains("ERROR")
    );
    let total = "SELECT COLUMN_TYPE FROM information_schema.COLUMNS WHERE TABLE_NAME = 'orders' AND COLUMN_NAME = 'total'";
    assert_eq!(pair.server().query_string(total)?.as_deref(), Some("bigint(20) unsigned"));

    let mut text = std::fs::read_to_string(&overrides)?;
    text += "[statements]\n'table shop.modern' = 'CREATE TABLE shop.modern (id BINARY(16) PRIMARY KEY, doc TEXT, secret INT, txt TEXT, \
             name VARCHAR(50), v BLOB, spot POINT NOT NULL)'\n";
    std::fs::write(&overrides, text)?;
    let (code, output) = pair.schema(&["--apply"])?;
    assert_eq!((code, &output["applied"]["failures"]), (0, &serde_json::json!([])), "{output:#}");
    let keys =
        "SELECT COUNT(DISTINCT INDEX_NAME) FROM information_schema.STATISTICS WHERE TABLE_NAME = 'modern'";
    assert_eq!(
        pair.server().query_string(keys)?.as_deref(),
        Some("5"),
        "PRIMARY, backwards, hidden, spot, grams"
    );
    let views = "SELECT GROUP_CONCAT(TABLE_NAME) FROM information_schema.VIEWS WHERE TABLE_SCHEMA = 'shop'";
    assert_eq!(pair.server().query_string(views)?.as_deref(), Some("z_first"));
    let ledger: Value =
        serde_json::from_slice(&std::fs::read(pair.task.state_directory().join("schema.json"))?)?;
    let record = &ledger["objects"]["table shop.modern"];
    assert_eq!((&record["attempts"], &record["error"]), (&serde_json::json!(2), &Value::Null));
    Ok(())
}

/// A duplicate keeps back the unique key alone, is not named in the message, and a table in the way is left as it is.
#[test]
fn duplicates_and_tables_in_the_way_are_reported() -> Result<()> {
    let script = "CREATE DATABASE shop; \
        CREATE TABLE shop.t (id INT PRIMARY KEY, u VARCHAR(20), v INT, UNIQUE KEY u (u), KEY v (v)); \
        CREATE TABLE shop.other (id INT PRIMARY KEY, v INT)";
    let pair = Pair::new(Flavor::Mysql57, Destination::server(Flavor::Mysql97)?, script)?;
    pair.server().exec("CREATE DATABASE shop; CREATE TABLE shop.other (id INT PRIMARY KEY, w INT)")?;
    pair.schema(&["--apply", "--stage", "tables"])?;
    pair.server().exec("INSERT INTO shop.t VALUES (1,'secret',1),(2,'secret',2)")?;
    let (code, output) = pair.schema(&["--apply"])?;
    let failures = output["applied"]["failures"].as_array().unwrap();
    let sources: Vec<_> =
        failures.iter().map(|failure| failure["object"]["source"].as_str().unwrap()).collect();
    assert_eq!((code, sources), (3, vec!["shop.other", "shop.t.u"]), "{output:#}");
    assert!(
        failures[0]["error"]
            .as_str()
            .unwrap()
            .contains("no column v; the table at the destination has also the column w")
    );
    assert!(!failures[1]["error"].as_str().unwrap().contains("secret"), "{failures:#?}");
    let keys = "SELECT GROUP_CONCAT(DISTINCT INDEX_NAME ORDER BY 1) FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = 'shop' AND TABLE_NAME = 't'";
    assert_eq!(pair.server().query_string(keys)?.as_deref(), Some("PRIMARY,v"));

    pair.server().exec("DELETE FROM shop.t WHERE id = 2; DROP TABLE shop.other")?;
    let (code, output) = pair.schema(&["--apply"])?;
    assert_eq!((code, &output["plan"]["statements"]), (0, &serde_json::json!([])), "{output:#}");
    assert_eq!(pair.server().query_string(keys)?.as_deref(), Some("PRIMARY,u,v"));
    Ok(())
}
