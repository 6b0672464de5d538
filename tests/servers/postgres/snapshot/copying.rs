//! Tables of a server, and copies of them as text.

use std::sync::Arc;

use slackwater::{
    config::{ByteSize, postgres::PostgresSource},
    sources::{
        postgres::Postgres,
        snapshot::{Bound, CopyPoint, Read, SnapshotSource, TableReader},
    },
};
use slackwater_decoders::{
    event::{Event, RowChange},
    position::Position,
    schema::{Table, TableName},
    value::{Cell, Value},
};
use slackwater_testkit::{PostgresServer, PostgresVersion};

/// A server with the database `shop`.
pub fn server(version: PostgresVersion) -> PostgresServer {
    let server = tokio::task::block_in_place(|| PostgresServer::builder(version).start()).unwrap();
    tokio::task::block_in_place(|| server.exec("CREATE DATABASE shop")).unwrap();
    server
}

/// Its database `shop` as a source with small blocks.
pub fn source(server: &PostgresServer) -> Postgres {
    let config: PostgresSource = toml::from_str(&format!(
        "hosts = ['127.0.0.1:{}']\ndatabase = 'shop'\nuser = 'postgres'\ntls = {{ mode = 'disabled' }}",
        server.port()
    ))
    .unwrap();
    Postgres::new("copy", config, Arc::new(|_| true)).unwrap().with_block_size(ByteSize(4096))
}

pub fn exec(server: &PostgresServer, sql: &str) {
    tokio::task::block_in_place(|| server.exec_in("shop", sql)).unwrap();
}

pub fn named(table: &str) -> TableName {
    TableName::new("public", table)
}

pub async fn open(source: &Postgres, table: &str) -> Box<dyn TableReader> {
    source.read_table(&named(table), None).await.unwrap().expect("the table is there")
}

/// What a copy has brought so far.
#[derive(Default)]
pub struct Copied {
    pub rows: Vec<Vec<Option<String>>>,
    pub after: Option<Bound>,
    pub blocks: usize,
}

impl Copied {
    pub fn point(&self, table: &Arc<Table>, start: &Position) -> CopyPoint {
        CopyPoint { table: Arc::clone(table), start: start.clone(), after: self.after.clone() }
    }

    /// Reads up to `blocks` further blocks. Whether that was all.
    pub async fn read(&mut self, reader: &mut dyn TableReader, blocks: usize) -> bool {
        for _ in 0..blocks {
            match reader.next().await.unwrap() {
                Read::Block(block) => {
                    self.blocks += 1;
                    self.after = block.end.clone();
                    self.rows.extend(rows(block.batch.events()));
                }
                Read::Finished => return true,
                Read::Changed => panic!("the table has not changed"),
            }
        }
        false
    }
}

/// All rows of a table by a new reader, sorted.
pub async fn copied(source: &Postgres, table: &str) -> Vec<Vec<Option<String>>> {
    let mut reader = open(source, table).await;
    let mut copied = Copied::default();
    copied.read(&mut *reader, usize::MAX).await;
    copied.rows.sort();
    copied.rows
}

fn rows(events: &[Event<'_>]) -> Vec<Vec<Option<String>>> {
    let mut rows = Vec::new();
    for event in events {
        let Event::Rows(event) = event else { continue };
        for change in event.changes {
            let RowChange::Insert { after } = change else { panic!("{change:?}") };
            rows.push(after.iter().map(text).collect());
        }
    }
    rows
}

/// A cell as PostgreSQL prints it, for the types that the tests select by.
pub fn text(cell: &Cell<'_>) -> Option<String> {
    let Cell::Value(value) = cell else { panic!("{cell:?}") };
    Some(match value {
        Value::Null => return None,
        Value::Bool(value) => if *value { "t" } else { "f" }.to_owned(),
        Value::Int(number) => number.to_string(),
        Value::UInt(number) => number.to_string(),
        Value::Decimal(text) | Value::Text(text) => (*text).to_owned(),
        Value::Json(json) => json.text.to_owned(),
        Value::Enum(member) => member.label.unwrap().to_owned(),
        other => format!("{other:?}"),
    })
}
