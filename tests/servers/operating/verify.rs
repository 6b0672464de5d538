//! Real servers: what was changed at the destination behind the task's back is found row by row, and repaired; what the task itself wrote, or
//! is about to write, is no difference.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::Value;
use slackwater_testkit::{Flavor, PostgresServer, PostgresVersion, Server, Task};

use crate::river::{DATABASE, Destination, PATIENCE, PROGRAM, source_section};

/// Runs a statement at the destination.
type Statement<'a> = Box<dyn Fn(&str) + 'a>;

/// Rows of the numbered table: several ranges.
const ROWS: i64 = 12_000;

/// The exit code and the report of `verify`.
fn verify(task: &Task, arguments: &[&str]) -> (i32, Value) {
    let arguments = [&["verify", "--json", "--show-values"], arguments].concat();
    let output = task.command(&arguments).output().unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!(
            "{error}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )
    });
    (output.status.code().unwrap(), report)
}

/// What the report lists: table, kind, key, columns.
fn found(report: &Value) -> BTreeSet<String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut found = BTreeSet::new();
    for table in report["tables"].as_array().unwrap() {
        assert_eq!(table["error"], Value::Null, "{report:#}");
        assert_eq!(table["unsettled"], 0, "{report:#}");
        for difference in table["differences"].as_array().unwrap() {
            let key: Vec<String> =
                difference["key"].as_array().unwrap().iter().map(|column| text(&column[1])).collect();
            let columns: Vec<String> = difference["columns"]
                .as_array()
                .unwrap()
                .iter()
                .map(|column| text(&column["column"]))
                .collect();
            let mut line =
                format!("{} {} {}", text(&table["table"]), text(&difference["kind"]), key.join(","));
            if difference["kind"] == "changed" {
                line = format!("{line}: {}", columns.join(","));
            }
            found.insert(line);
        }
    }
    found
}

/// What is done to a destination, in its SQL, and what has to be found then.
struct Corruption {
    statements: Vec<String>,
    found: Vec<&'static str>,
}

/// `t` and `names` are the names of the two tables there; `bit` the expression of `b` with its last bit turned; `double` one of the next
/// double; `other_case` whether `KEY 7` can be written over `key 7`.
fn corruption(t: &str, names: &str, bit: &str, real: &str) -> Corruption {
    Corruption {
        statements: vec![
            format!("DELETE FROM {t} WHERE id IN (1, 6000, {ROWS})"),
            format!("INSERT INTO {t} (id, d, v, b) SELECT id - 100, d, v, b FROM {t} WHERE id = 2"),
            format!("INSERT INTO {t} (id, d, v, b) SELECT id + 20000, d, v, b FROM {t} WHERE id = 7"),
            format!("UPDATE {t} SET v = 'text 4096 ' WHERE id = 4096"),
            format!("UPDATE {t} SET v = 'TEXT 4097' WHERE id = 4097"),
            format!("UPDATE {t} SET b = {bit} WHERE id = 8192"),
            format!("UPDATE {t} SET d = {real} WHERE id = 8193"),
            format!("UPDATE {names} SET name = 'KEY 7' WHERE name = 'key 7'"),
            format!("DELETE FROM {names} WHERE name = 'key 9'"),
        ],
        found: vec![
            "missing 1",
            "missing 6000",
            "missing 12000",
            "extra -98",
            "extra 20007",
            "changed 4096: v",
            "changed 4097: v",
            "changed 8192: b",
            "changed 8193: d",
            "missing 'key 7'",
            "extra 'KEY 7'",
            "missing 'key 9'",
        ],
    }
}

impl Corruption {
    /// With the names of the tables, as the report has them.
    fn expected(&self, database: &str) -> BTreeSet<String> {
        let table = |line: &str| if line.contains('\'') { "names" } else { "t" };
        self.found.iter().map(|line| format!("{database}.{} {line}", table(line))).collect()
    }
}

/// Compares, corrupts, compares, repairs, runs, compares. `catch_up` waits until the running task has applied everything.
fn expect_found_and_repaired(
    task: &mut Task,
    corruption: &Corruption,
    database: &str,
    corrupt: impl Fn(&str),
    catch_up: impl Fn(&mut Task),
) {
    task.start().unwrap();
    catch_up(task);
    assert_eq!(found(&verify(task, &[]).1), BTreeSet::new(), "beside the running task");
    task.stop().unwrap();
    let (code, report) = verify(task, &[]);
    assert_eq!((code, found(&report)), (0, BTreeSet::new()), "{report:#}");
    corruption.statements.iter().for_each(|statement| corrupt(statement));
    let (code, report) = verify(task, &[]);
    assert_eq!((code, found(&report)), (6, corruption.expected(database)), "{report:#}");
    let output = task.command(&["repair"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    task.start().unwrap();
    catch_up(task);
    task.stop().unwrap();
    let (code, report) = verify(task, &[]);
    assert_eq!((code, found(&report)), (0, BTreeSet::new()), "{report:#}\n{}", task.log());
}

fn mysql_source() -> Server {
    let server = Server::builder(Flavor::Mysql97).start().unwrap();
    server
        .exec(&format!(
            "CREATE DATABASE shop; SET cte_max_recursion_depth = 100000; \
             CREATE TABLE shop.t (id INT PRIMARY KEY, d DOUBLE, v VARCHAR(40), b BLOB); \
             INSERT INTO shop.t WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {ROWS}) \
             SELECT n, n / 7, CONCAT('text ', n), UNHEX('AABBCC00') FROM n; \
             CREATE TABLE shop.names (name VARCHAR(40) PRIMARY KEY, n INT); \
             INSERT INTO shop.names SELECT CONCAT('key ', id), id FROM shop.t WHERE id <= 500"
        ))
        .unwrap();
    server
}

fn from_mysql(source: &Server, destination: &Destination) {
    let directory = tempfile::tempdir().unwrap();
    let toml = source_section(&[source], "snapshot") + &destination.section();
    let mut task = Task::new(PROGRAM, directory.path(), &toml).unwrap();
    let (corruption, corrupt): (_, Statement<'_>) = match destination {
        Destination::Server(server) => {
            let corruption =
                corruption("shop.t", "shop.names", "UNHEX('AABBCC01')", "1.1704285714285713e3 + 2.3e-13");
            (corruption, Box::new(|sql| server.exec(sql).unwrap()))
        }
        Destination::Postgres(server, _) => {
            let corruption =
                corruption("shop.t", "shop.names", "'\\xaabbcc01'", "1170.4285714285713 + 2.3e-13");
            (corruption, Box::new(|sql| server.exec_in(DATABASE, sql).unwrap()))
        }
        Destination::Sqlite(_) => {
            let file = destination.file().unwrap();
            let corrupt = move |sql: &str| {
                rusqlite::Connection::open(&file).unwrap().execute(sql, ()).map(drop).unwrap();
            };
            (corruption("t", "names", "x'AABBCC01'", "d + 2.3e-13"), Box::new(corrupt))
        }
    };
    let end = source.end_of_log().unwrap();
    let catch_up = |task: &mut Task| {
        task.wait_for(&end, PATIENCE).unwrap();
        wait_for_tailing(task);
    };
    expect_found_and_repaired(&mut task, &corruption, "shop", corrupt, catch_up);
}

fn wait_for_tailing(task: &Task) {
    let deadline = std::time::Instant::now() + PATIENCE;
    while task.status().is_none_or(|status| status["phase"] != "tailing") {
        assert!(std::time::Instant::now() < deadline, "{}", task.log());
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn differences_of_a_copy_of_mysql_are_found_and_repaired() {
    let source = mysql_source();
    from_mysql(&source, &Destination::sqlite().unwrap());
    from_mysql(&source, &Destination::server(Flavor::Mysql97).unwrap());
    from_mysql(&source, &Destination::postgres(PostgresVersion::V18).unwrap());
}

fn postgres_source() -> PostgresServer {
    let server = PostgresServer::builder(PostgresVersion::V18).start().unwrap();
    server
        .exec(&format!(
            "CREATE SCHEMA app; CREATE TABLE app.t (id integer PRIMARY KEY, d double precision, v varchar(40), b bytea); \
             INSERT INTO app.t SELECT n, n / 7.0::float8, 'text ' || n, '\\xaabbcc00' FROM generate_series(1, {ROWS}) n; \
             CREATE TABLE app.names (name varchar(40) PRIMARY KEY, n integer); \
             INSERT INTO app.names SELECT 'key ' || n, n FROM generate_series(1, 500) n"
        ))
        .unwrap();
    server
}

#[test]
fn differences_of_a_copy_of_postgresql_are_found_and_repaired() {
    let source = postgres_source();
    for destination in
        [Destination::postgres(PostgresVersion::V18).unwrap(), Destination::server(Flavor::Mysql97).unwrap()]
    {
        let directory = tempfile::tempdir().unwrap();
        let name = destination.name().replace(|c: char| !c.is_ascii_alphanumeric(), "_").to_lowercase();
        let toml = format!(
            "start = \"snapshot\"\n{}{}[objects]\ninclude = [\"app.*\"]\n",
            source.source_section(
                DATABASE,
                &format!("slot = \"verify_{name}\"\npublication = \"verify_{name}\"")
            ),
            destination.section().split("[schema]").next().unwrap()
        );
        let mut task = Task::new(PROGRAM, directory.path(), &toml).unwrap();
        let (corruption, corrupt): (_, Statement<'_>) = match &destination {
            Destination::Postgres(server, _) => (
                corruption("app.t", "app.names", "'\\xaabbcc01'", "d + 2.3e-13"),
                Box::new(|sql| server.exec_in(DATABASE, sql).unwrap()),
            ),
            Destination::Server(server) => (
                corruption("app.t", "app.names", "UNHEX('AABBCC01')", "d + 2.3e-13"),
                Box::new(|sql| server.exec(sql).unwrap()),
            ),
            Destination::Sqlite(_) => unreachable!("not among them"),
        };
        let catch_up = |task: &mut Task| {
            task.wait_for_wal(source.end_of_log().unwrap(), PATIENCE).unwrap();
            wait_for_tailing(task);
        };
        expect_found_and_repaired(&mut task, &corruption, "app", corrupt, catch_up);
    }
}

/// Rows that change all the time, some of them to and fro between two states, and rows that come and go.
#[test]
fn a_busy_table_raises_no_false_alarm() {
    let source = Arc::new(mysql_source());
    let destination = Destination::postgres(PostgresVersion::V18).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let toml =
        source_section(&[&source], "snapshot") + &destination.section() + "[verify]\npatience = \"5s\"\n";
    let mut task = Task::new(PROGRAM, directory.path(), &toml).unwrap();
    task.start().unwrap();
    wait_for_tailing(&task);
    let done = Arc::new(AtomicBool::new(false));
    let writer = {
        let (source, done) = (Arc::clone(&source), Arc::clone(&done));
        thread::spawn(move || {
            let mut number = 0_u64;
            while !done.load(Ordering::Relaxed) {
                number += 1;
                let id = number * 7919 % 12_000;
                source
                    .exec(&format!(
                        "UPDATE shop.t SET v = 'changed {number}' WHERE id = {id}; \
                         UPDATE shop.t SET v = IF(v = 'to', 'fro', 'to') WHERE id IN (17, 9000); \
                         DELETE FROM shop.names WHERE n = {0}; INSERT INTO shop.names VALUES ('key {number} {0}', {0})",
                        number % 300
                    ))
                    .unwrap();
                thread::sleep(Duration::from_millis(2));
            }
        })
    };
    for depth in ["rows", "counts", "sample", "rows"] {
        let (code, report) = verify(&task, &["--depth", depth]);
        let differing: u64 = report["tables"]
            .as_array()
            .unwrap()
            .iter()
            .map(|table| {
                ["missing", "extra", "changed"].map(|kind| table[kind].as_u64().unwrap()).iter().sum::<u64>()
            })
            .sum();
        assert_eq!(differing, 0, "{report:#}");
        assert_ne!(code, 6, "{report:#}");
    }
    done.store(true, Ordering::Relaxed);
    writer.join().unwrap();
    let (code, report) = verify(&task, &[]);
    assert_eq!((code, found(&report)), (0, BTreeSet::new()), "{report:#}");
}
