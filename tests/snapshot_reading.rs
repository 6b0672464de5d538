//! Reading tables for a copy: the cells are those that the log gives, the rows are complete whatever the key is, and what
//! happens to a table meanwhile is noticed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(dead_code)]

mod type_matrix;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use slackwater::{
    config::{ByteSize, Start, source::MysqlSource},
    error::{Kind, Result},
    pipeline::queue::{MemoryQuota, Message, queue},
    positions::SchemaHistory,
    sources::{
        Source,
        mysql::Mysql,
        snapshot::{CopyPoint, Read, TableReader},
        throttle::{Limits, Throttle},
    },
};
use slackwater_decoders::{
    event::{Event, RowChange},
    position::Position,
    schema::TableName,
    value::{Cell, Value},
};
use slackwater_testkit::{Flavor, Server, run_statements};
use tokio::time::timeout;
use type_matrix::{
    charsets,
    exceptions::without_point_zero,
    load,
    tables::{self, Table},
};

const PATIENCE: Duration = Duration::from_secs(60);

fn login(server: &Server, user: &str) -> Mysql {
    let config = format!("hosts = ['127.0.0.1:{}']\nuser = '{user}'\nheartbeat = '200ms'", server.port());
    let config: MysqlSource = toml::from_str(&config).unwrap();
    Mysql::new("test", config, Arc::new(|_| true)).unwrap()
}

fn root(server: &Server) -> Mysql {
    login(server, "root")
}

fn shop(table: &str) -> TableName {
    TableName::new("shop", table)
}

/// Rows of a table as text, with how often each is there.
type Rows = BTreeMap<String, i64>;

/// The log's rows of every table between two positions, put together.
async fn logged(server: &Server, from: Position, fence: Position) -> HashMap<String, Rows> {
    let source = Arc::new(root(server));
    let (out, mut messages) = queue(MemoryQuota::new(64 << 20));
    let tail = {
        let source = Arc::clone(&source);
        tokio::spawn(async move { source.tail(from, &SchemaHistory::in_memory(), &out).await })
    };
    let mut tables: HashMap<String, Rows> = HashMap::new();
    loop {
        match timeout(PATIENCE, messages.recv()).await.expect("in time") {
            Some(Message::Batch(batch, _)) => {
                for event in batch.events() {
                    let Event::Rows(rows) = event else { continue };
                    let table = tables.entry(rows.table.name.table.to_string()).or_default();
                    for change in rows.changes {
                        change.before().iter().for_each(|row| count(table, row, server.flavor(), -1));
                        change.after().iter().for_each(|row| count(table, row, server.flavor(), 1));
                    }
                }
                if batch.summary().resume.as_ref().is_some_and(|resume| source.reached(resume, &fence)) {
                    break;
                }
            }
            Some(Message::Rewind) => {}
            None => panic!("the tail ended: {:?}", tail.await),
        }
    }
    tail.abort();
    tables
}

fn count(rows: &mut Rows, row: &[Cell<'_>], flavor: Flavor, by: i64) {
    let text: Vec<String> = row.iter().map(|cell| shown(*cell, flavor)).collect();
    let row = text.join("\n    ");
    let times = rows.entry(row.clone()).or_default();
    *times += by;
    if *times == 0 {
        rows.remove(&row);
    }
}

/// A cell as text, but for what a SELECT does not tell of JSON: the types of scalars other than decimals that no double prints
/// like, and on 5.7 whether a number is 1 or 1.0.
fn shown(cell: Cell<'_>, flavor: Flavor) -> String {
    let Cell::Value(Value::Json(json)) = cell else { return format!("{cell:?}") };
    let is_told = |digits: &str| digits.parse().is_ok_and(|number: f64| number.to_string() != *digits);
    let decimals =
        json.typed.iter().filter(|it| matches!(it.value, Value::Decimal(digits) if is_told(digits)));
    let text = if flavor == Flavor::Mysql57 { without_point_zero(json.text) } else { json.text.to_owned() };
    format!("{text} {:?}", decimals.collect::<Vec<_>>())
}

async fn open(source: &Mysql, table: &str) -> Box<dyn TableReader> {
    let tables = source.snapshot().unwrap();
    tables.read_table(&shop(table), None).await.unwrap().expect("the table is there")
}

/// Reads a table to its end.
async fn copied(reader: &mut dyn TableReader, flavor: Flavor) -> Rows {
    let mut rows = Rows::new();
    loop {
        match timeout(PATIENCE, reader.next()).await.expect("in time").unwrap() {
            Read::Block(block) => {
                for event in block.batch.events() {
                    let Event::Rows(inserts) = event else { panic!("{event:?}") };
                    for change in inserts.changes {
                        let RowChange::Insert { after } = change else { panic!("{change:?}") };
                        count(&mut rows, after, flavor, 1);
                    }
                }
            }
            Read::Finished => return rows,
            Read::Changed => panic!("the table did not change"),
        }
    }
}

fn expect_same(what: &str, log: &Rows, copy: &Rows) {
    let differ = |(row, times): &(&String, &i64), other: &Rows| other.get(*row) != Some(*times);
    let only = |rows: &Rows, other: &Rows| {
        rows.iter().filter(|row| differ(row, other)).map(|(row, _)| row.clone()).collect::<Vec<_>>()
    };
    let (log_only, copy_only) = (only(log, copy), only(copy, log));
    if log_only.is_empty() && copy_only.is_empty() {
        return;
    }
    let mut lines = String::new();
    // Sorted alike, they mostly differ in one cell.
    for (log, copy) in log_only.iter().zip(&copy_only).take(3) {
        for (log, copy) in log.split("\n    ").zip(copy.split("\n    ")).filter(|(log, copy)| log != copy) {
            let short = |text: &str| text.chars().take(300).collect::<String>();
            lines += &format!("  log:  {}\n  copy: {}\n", short(log), short(copy));
        }
    }
    panic!("{what}: {} rows of the log, {} of the copy differ\n{lines}", log_only.len(), copy_only.len());
}

/// Every type with its boundary values, with a key and without: the copy has the cells that the log has.
async fn same_cells(flavor: Flavor) {
    let mut builder = Server::builder(flavor).arg("--max-allowed-packet=128M");
    if flavor.is_mysql_5() {
        builder = builder.arg("--innodb-log-file-size=256M");
    }
    if !flavor.is_mysql_5() {
        builder = builder.arg("--binlog-row-metadata=FULL");
    }
    let server = builder.start().unwrap();
    let from = root(&server).start_position(&Start::Now).await.unwrap();
    server.exec("CREATE DATABASE shop").unwrap();
    let mut matrix: Vec<(String, Table, bool)> = Vec::new();
    for table in tables::of(flavor) {
        matrix.push((format!("{}_key", table.name), table.clone(), true));
        matrix.push((format!("{}_nokey", table.name), table, false));
    }
    for table in charsets::tables(&server).unwrap() {
        matrix.push((table.name.clone(), table, true));
    }
    let mut connection = server.conn().unwrap();
    run_statements(&mut connection, "SET SESSION sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'")
        .unwrap();
    for (name, table, keyed) in &matrix {
        load::create(&mut connection, name, table, *keyed).unwrap();
        load::change(&mut connection, name, table).unwrap();
    }
    let source = root(&server);
    let fence = source.end_of_log().await.unwrap();
    let logged = logged(&server, from, fence).await;
    let mut failures = Vec::new();
    for (name, _, keyed) in &matrix {
        let mut reader = open(&source, name).await;
        assert_eq!(reader.is_resumable(), *keyed);
        let copy = copied(&mut *reader, flavor).await;
        let compared = std::panic::catch_unwind(|| expect_same(name, &logged[name], &copy));
        failures.extend(compared.err().map(|_| name.clone()));
    }
    assert!(failures.is_empty(), "{flavor}: {failures:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn cells_of_mysql_97() {
    same_cells(Flavor::Mysql97).await;
}
#[tokio::test(flavor = "multi_thread")]
async fn cells_of_mysql_57() {
    same_cells(Flavor::Mysql57).await;
}
#[tokio::test(flavor = "multi_thread")]
async fn cells_of_mysql_56() {
    same_cells(Flavor::Mysql56).await;
}
#[tokio::test(flavor = "multi_thread")]
async fn cells_of_mariadb_1011() {
    same_cells(Flavor::Mariadb1011).await;
}
#[tokio::test(flavor = "multi_thread")]
async fn cells_of_mariadb_118() {
    same_cells(Flavor::Mariadb118).await;
}
