//! Tables as the source's snapshot reads them, and as its log has them, in a form to compare.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::{
    cmp::Ordering,
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use slackwater::{
    config::{ByteSize, source::MysqlSource},
    pipeline::queue::{MemoryQuota, Message, queue},
    positions::SchemaHistory,
    sources::{
        Source,
        mysql::Mysql,
        snapshot::{Block, CopyPoint, Read, TableReader},
    },
};
use slackwater_decoders::{
    event::{Event, RowChange},
    position::Position,
    schema::TableName,
    value::{Cell, Value},
};
use slackwater_testkit::{Flavor, Server};
use tokio::time::timeout;

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn login(server: &Server, user: &str) -> Mysql {
    let config = format!("hosts = ['127.0.0.1:{}']\nuser = '{user}'\nheartbeat = '200ms'", server.port());
    let config: MysqlSource = toml::from_str(&config).unwrap();
    Mysql::new("test", config, Arc::new(|_| true)).unwrap()
}

pub(crate) fn root(server: &Server) -> Mysql {
    login(server, "root")
}

pub(crate) fn shop(table: &str) -> TableName {
    TableName::new("shop", table)
}

/// Rows of a table as text, with how often each is there.
pub(crate) type Rows = BTreeMap<String, i64>;

/// The log's rows of every table between two positions, put together.
pub(crate) async fn logged(server: &Server, from: Position, fence: Position) -> HashMap<String, Rows> {
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
                    // A batch may go on behind the fence.
                    if rows.position.compare(&fence.log) != Some(Ordering::Less) {
                        continue;
                    }
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

pub(crate) fn count(rows: &mut Rows, row: &[Cell<'_>], flavor: Flavor, by: i64) {
    let text: Vec<String> = row.iter().map(|cell| shown(*cell, flavor)).collect();
    let row = text.join("\n    ");
    let times = rows.entry(row.clone()).or_default();
    *times += by;
    if *times == 0 {
        rows.remove(&row);
    }
}

/// A document whose whole numbers have no fraction, as MySQL 5.7 prints them.
fn without_point_zero(document: &str) -> String {
    [",", "]", "}"].iter().fold(format!("{document},"), |text, end| text.replace(&format!(".0{end}"), end))
}

/// A cell as text, but for what a SELECT does not tell of JSON: the types of scalars other than decimals that no double prints
/// like, and on 5.7 whether a number is 1 or 1.0.
pub(crate) fn shown(cell: Cell<'_>, flavor: Flavor) -> String {
    let Cell::Value(Value::Json(json)) = cell else { return format!("{cell:?}") };
    let is_told = |digits: &str| digits.parse().is_ok_and(|number: f64| number.to_string() != *digits);
    let decimals =
        json.typed.iter().filter(|it| matches!(it.value, Value::Decimal(digits) if is_told(digits)));
    let text = if flavor == Flavor::Mysql57 { without_point_zero(json.text) } else { json.text.to_owned() };
    format!("{text} {:?}", decimals.collect::<Vec<_>>())
}

/// A source whose blocks have one row each.
pub(crate) fn by_row(server: &Server) -> Mysql {
    root(server).with_block_size(ByteSize(1))
}

pub(crate) async fn resume(source: &Mysql, table: &str, point: &CopyPoint) -> Box<dyn TableReader> {
    let tables = source.snapshot().unwrap();
    tables.read_table(&shop(table), Some(point)).await.unwrap().expect("the table is there")
}

pub(crate) async fn open(source: &Mysql, table: &str) -> Box<dyn TableReader> {
    let tables = source.snapshot().unwrap();
    tables.read_table(&shop(table), None).await.unwrap().expect("the table is there")
}

/// Reads a table to its end.
pub(crate) async fn copied(reader: &mut dyn TableReader, flavor: Flavor) -> Rows {
    let mut rows = Rows::new();
    loop {
        match timeout(PATIENCE, reader.next()).await.expect("in time").unwrap() {
            Read::Block(block) => add(&mut rows, &block, flavor),
            Read::Finished => return rows,
            Read::Changed => panic!("the table did not change"),
        }
    }
}

pub(crate) fn add(rows: &mut Rows, block: &Block, flavor: Flavor) {
    let [Event::Rows(inserts)] = block.batch.events() else { panic!("one event") };
    for change in inserts.changes {
        let RowChange::Insert { after } = change else { panic!("{change:?}") };
        count(rows, after, flavor, 1);
    }
}

pub(crate) fn expect_same(what: &str, log: &Rows, copy: &Rows) {
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
