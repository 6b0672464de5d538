//! Statements of PostgreSQL that change definitions inside of a transaction, at MySQL, which commits around each: wherever the task
//! is cut off, each change of a row is applied once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::sync::Arc;

use crate::changes::{Change::Insert, *};
use crate::mysql::mysql_values::lines;
use slackwater::{
    changes::Group,
    config::destination::MysqlDestination,
    destinations::{Destination, mysql::Mysql},
    error::Error,
};
use slackwater_decoders::{
    batch::{Batch, Decoded},
    event::{Ddl, Event, Language, SchemaChange},
    schema::*,
};
use slackwater_testkit::{Flavor, Server};

fn column(name: &str, number: i16, column_type: ColumnType) -> Column {
    Column { number: Some(number), ..Column::new(name, column_type) }
}

/// A statement whose text is PostgreSQL's, or not in the log at all.
fn altered(
    text: &str,
    offset: u64,
    before: &Arc<Table>,
    after: &Arc<Table>,
    from: &[Option<u16>],
) -> Arc<Group> {
    let change = SchemaChange::AlterTable {
        before: Arc::clone(before),
        after: Arc::clone(after),
        columns_from: from.to_vec(),
    };
    let batch = Batch::decode(Vec::new(), |_, arena, events| {
        events.push(Event::Ddl(Ddl {
            statement: arena.text(text),
            database: "",
            position: at(offset),
            time_micros: 0,
            language: Language::Postgres,
            changes: vec![change],
        }));
        Ok::<_, Error>(Decoded::default())
    });
    group(batch.unwrap())
}

/// A transaction: rows, a column more, rows, another name for a column, rows. The table has no key.
fn transaction() -> Vec<Arc<Group>> {
    let first = table("notes", vec![column("a", 1, INT)], &[], &[]);
    let added =
        Column { default: Some("'x'::text".to_owned()), ..column("b", 2, ColumnType::Text(u32::MAX)) };
    let second = table("notes", vec![column("a", 1, INT), added.clone()], &[], &[]);
    let third = table("notes", vec![column("c", 1, INT), added], &[], &[]);
    vec![
        changes_at(&first, 10, &[Insert(vec![int(1)]), Insert(vec![int(1)])]),
        altered("ALTER TABLE notes ADD b text DEFAULT 'x'::text", 20, &first, &second, &[Some(0), None]),
        changes_at(&second, 30, &[Insert(vec![int(2), text("y")])]),
        altered("", 40, &second, &third, &[Some(0), Some(1)]),
        changes_at(&third, 50, &[Insert(vec![int(3), text("z")])]),
    ]
}

async fn apply(destination: &mut Mysql, groups: &[Arc<Group>], until: usize) {
    for (place, group) in groups.iter().enumerate().take(until) {
        let end = checkpoint(1);
        let end = (place + 1 == groups.len()).then_some(&end);
        destination.apply(group, end).await.unwrap();
    }
}

#[tokio::test]
async fn a_transaction_with_statements_is_applied_once_wherever_it_is_cut_off() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    for flavor in [Flavor::Mysql97, Flavor::Mariadb1011] {
        let server = Server::builder(flavor).start().unwrap();
        let section = format!("host = '127.0.0.1:{}'\nuser = 'root'", server.port());
        let groups = transaction();
        for cut in 0..groups.len() {
            for reconnects in [true, false] {
                server.exec("DROP DATABASE IF EXISTS shop; DROP DATABASE IF EXISTS slackwater; CREATE DATABASE shop; \
                     CREATE TABLE shop.notes (a INT)").unwrap();
                let config: MysqlDestination = toml::from_str(&section).unwrap();
                let mut destination = Mysql::new("notes", config);
                destination.open().await.unwrap();
                destination.store_checkpoint(&checkpoint(0)).await.unwrap();
                apply(&mut destination, &groups, cut).await;
                if reconnects {
                    assert_eq!(destination.open().await.unwrap(), Some(checkpoint(0).into()));
                } else {
                    destination.rollback().await.unwrap();
                }
                apply(&mut destination, &groups, groups.len()).await;
                assert_eq!(
                    lines(&server, "SELECT c, b FROM shop.notes ORDER BY c"),
                    ["1|x", "1|x", "2|y", "3|z"],
                    "{flavor}, cut off behind {cut} groups"
                );
                assert_eq!(destination.open().await.unwrap(), Some(checkpoint(1).into()));
            }
        }
    }
}
