//! Several workers of the MySQL destination, against real servers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::{sync::Arc, time::Duration};

use crate::changes::{
    Change::{Delete, Insert, Update},
    *,
};
use crate::mysql::mysql_values::lines;
use slackwater::{
    changes::Job,
    config::destination::MysqlDestination,
    destinations::{Checkpoint, Completeness, Destination, Unfinished, mysql::Mysql},
    error::Kind,
};
use slackwater_decoders::{position::Position, schema::*};
use slackwater_testkit::{Flavor, Server, mysql::prelude::Queryable as _};

const FLAVORS: [Flavor; 2] = [Flavor::Mysql97, Flavor::Mariadb1011];
const ROWS: i64 = 400;

fn destination(server: &Server, workers: usize) -> Mysql {
    // Another test of this process may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let section = format!("host = '127.0.0.1:{}'\nuser = 'root'\nworkers = {workers}", server.port());
    Mysql::new("orders", toml::from_str::<MysqlDestination>(&section).unwrap())
}

/// Two columns of a key, one of another unique key, one more.
fn orders() -> Arc<Table> {
    let columns = vec![
        Column::new("shop", INT),
        text_column("number", 9, "utf8mb4_bin"),
        Column::new("u", INT),
        Column::new("n", INT),
    ];
    table("orders", columns, &[0, 1], &[2])
}

fn row(number: i64, n: i64) -> Row {
    let name: &'static str = format!("o{number}").leak();
    vec![int(number % 7), text(name), int(number), int(n)]
}

fn shown(number: i64, n: i64) -> String {
    format!("{}|o{number}|{number}|{n}", number % 7)
}

fn all(server: &Server) -> Vec<String> {
    lines(server, "SELECT * FROM shop.orders ORDER BY u")
}

/// All rows.
fn first_group(table: &Arc<Table>) -> Arc<slackwater::changes::Group> {
    let log: Vec<_> = (0..ROWS).map(|number| Insert(row(number, 0))).collect();
    parted(table, 10, &log, 4)
}

/// Changes of a third of the rows, deletes of a third, and as many new ones.
fn second_group(table: &Arc<Table>) -> Arc<slackwater::changes::Group> {
    let changes = (0..ROWS).filter_map(|number| match number % 3 {
        0 => Some(Update(row(number, 0), row(number, 1))),
        1 => Some(Delete(row(number, 0))),
        _ => None,
    });
    let added = (ROWS..ROWS + 100).map(|number| Insert(row(number, 1)));
    parted(table, 20, &changes.chain(added).collect::<Vec<_>>(), 4)
}

fn after_second() -> Vec<String> {
    let kept =
        (0..ROWS).filter(|number| number % 3 != 1).map(|number| shown(number, i64::from(number % 3 == 0)));
    kept.chain((ROWS..ROWS + 100).map(|number| shown(number, 1))).collect()
}

#[tokio::test]
async fn shares_commit_with_their_own_rows_of_the_checkpoint() {
    for flavor in FLAVORS {
        let server = Server::builder(flavor).start().unwrap();
        let mut destination = destination(&server, 4);
        assert_eq!((destination.open().await.unwrap(), destination.workers()), (None, 4));
        let converging = Completeness::Converging(Position::binlog("binlog.000001", 99, None));
        let start = Checkpoint { completeness: converging.clone(), ..checkpoint(0) };
        destination.store_checkpoint(&start).await.unwrap();
        assert_eq!(destination.open().await.unwrap(), Some(start.into()));
        let orders = orders();
        let first = first_group(&orders);
        assert!(first.shares().iter().all(|share| matches!(share.jobs[..], [Job::Net(_)])));
        let end = |sequence| Checkpoint { completeness: converging.clone(), ..checkpoint(sequence) };
        destination.apply(&first, Some(&end(1))).await.unwrap();
        assert_eq!(all(&server), (0..ROWS).map(|number| shown(number, 0)).collect::<Vec<_>>());
        destination.apply(&second_group(&orders), Some(&end(2))).await.unwrap();
        assert_eq!(all(&server), after_second());
        let rows = "SELECT worker, sequence FROM slackwater.slackwater_checkpoint";
        assert_eq!(lines(&server, rows), ["0|2", "1|2", "2|2", "3|2"]);
        assert_eq!(destination.open().await.unwrap(), Some(end(2).into()));
        // A group of one share touches one row.
        destination.apply(&changes(&orders, &[Delete(row(0, 1))]), Some(&checkpoint(3))).await.unwrap();
        assert_eq!(lines(&server, rows), ["0|3", "1|2", "2|2", "3|2"]);
        assert_eq!(destination.open().await.unwrap(), Some(checkpoint(3).into()));

        // Another run takes the task over: no worker of this one commits any more.
        let mut other = self::destination(&server, 1);
        other.open().await.unwrap();
        other.store_checkpoint(&Checkpoint { generation: 2, ..checkpoint(4) }).await.unwrap();
        let before = all(&server);
        let error = destination.apply(&second_group(&orders), Some(&checkpoint(4))).await.unwrap_err();
        assert!(error.kind() == Kind::Definite && error.to_string().contains("superseded"), "{error}");
        assert_eq!(all(&server), before);
    }
}

#[tokio::test]
async fn a_group_that_was_cut_off_between_its_commits_is_finished() {
    for flavor in FLAVORS {
        let server = Server::builder(flavor).start().unwrap();
        let orders = orders();
        let mut killed = destination(&server, 4);
        killed.open().await.unwrap();
        killed.store_checkpoint(&checkpoint(0)).await.unwrap();
        killed.apply(&first_group(&orders), Some(&checkpoint(1))).await.unwrap();

        // A lock on one row keeps one worker from its commit.
        let mut other = server.conn().unwrap();
        other.query_drop("START TRANSACTION").unwrap();
        other.query_drop("SELECT * FROM shop.orders WHERE u = 3 FOR UPDATE").unwrap();
        let group = second_group(&orders);
        let apply = tokio::spawn(async move { killed.apply(&group, Some(&checkpoint(2))).await });
        let committed = "SELECT COUNT(*) FROM slackwater.slackwater_checkpoint WHERE sequence = 2";
        while lines(&server, committed) != ["3"] {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        apply.abort();
        assert!(apply.await.unwrap_err().is_cancelled());

        // The number of workers is another one now.
        let mut again = destination(&server, 2);
        let standing = again.open().await.unwrap().unwrap();
        assert_eq!(standing.checkpoint, checkpoint(1));
        assert_eq!(standing.unfinished, Some(Unfinished { end: checkpoint(2), workers: 4 }));
        let error = again.apply(&first_group(&orders), Some(&checkpoint(3))).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Definite, "{error}");
        again.open().await.unwrap();
        other.query_drop("ROLLBACK").unwrap();
        // A process writes with a generation of its own.
        let raised = |sequence| Checkpoint { generation: 2, ..checkpoint(sequence) };
        // What is committed is not done again: a sign in one of its rows stays.
        server.exec("UPDATE shop.orders SET n = 7 WHERE n = 1 ORDER BY u LIMIT 1").unwrap();
        again.apply(&second_group(&orders), Some(&raised(2))).await.unwrap();
        let mut expected = after_second();
        let found = all(&server);
        let sign = found.iter().position(|line| line.ends_with("|7")).expect("the sign");
        expected[sign] = found[sign].clone();
        assert_eq!(found, expected, "{flavor:?}");
        assert_eq!(again.open().await.unwrap(), Some(raised(2).into()));

        // The next one is of two shares.
        let log: Vec<_> = (0..ROWS).map(|number| Update(row(number, 0), row(number, 5))).collect();
        again.apply(&parted(&orders, 30, &log, 2), Some(&raised(3))).await.unwrap();
        assert_eq!(again.open().await.unwrap(), Some(raised(3).into()));
    }
}

#[tokio::test]
async fn a_share_is_done_again_when_a_lock_is_not_given_in_time() {
    for flavor in FLAVORS {
        let server = Server::builder(flavor).arg("--innodb-lock-wait-timeout=1").start().unwrap();
        let orders = orders();
        let mut destination = destination(&server, 4);
        destination.open().await.unwrap();
        destination.store_checkpoint(&checkpoint(0)).await.unwrap();
        destination.apply(&first_group(&orders), Some(&checkpoint(1))).await.unwrap();
        let mut other = server.conn().unwrap();
        other.query_drop("START TRANSACTION").unwrap();
        other.query_drop("SELECT * FROM shop.orders WHERE u = 3 FOR UPDATE").unwrap();
        let release = tokio::task::spawn_blocking(move || {
            std::thread::sleep(Duration::from_millis(1_500));
            other.query_drop("ROLLBACK").unwrap();
        });
        destination.apply(&second_group(&orders), Some(&checkpoint(2))).await.unwrap();
        release.await.unwrap();
        assert_eq!(all(&server), after_second(), "{flavor:?}");
    }
}

#[tokio::test]
async fn rows_that_are_newer_than_the_log_become_one_state() {
    for flavor in FLAVORS {
        let server = Server::builder(flavor).start().unwrap();
        let mut destination = destination(&server, 1);
        destination.open().await.unwrap();
        let columns = vec![Column::new("id", INT), Column::new("u", INT), Column::new("n", INT)];
        let keyed = table("t", columns.clone(), &[0], &[1]);
        let keyless = table("k", columns, &[], &[]);
        let row = |id, u, n| vec![int(id), int(u), int(n)];
        let copied = [Insert(row(1, 20, 0)), Insert(row(2, 10, 0))];
        destination.apply(&changes(&keyed, &copied), Some(&checkpoint(1))).await.unwrap();
        destination.apply(&changes(&keyless, &[Insert(row(9, 9, 9))]), Some(&checkpoint(2))).await.unwrap();
        let partial = |before: [Option<i64>; 3], after: [Option<i64>; 3]| {
            let cells =
                |row: [Option<i64>; 3]| row.into_iter().map(|cell| cell.and_then(int)).collect::<Row>();
            Update(cells(before), cells(after))
        };
        let log = [
            // A row that is gone in the copy already, and one that is there already.
            Delete(row(5, 50, 0)),
            Insert(row(1, 1, 1)),
            Update(row(6, 60, 0), row(6, 60, 1)),
            // 10 is at row 2 in the copy, where it comes later in the log.
            partial([Some(1), None, None], [None, Some(10), None]),
            partial([Some(7), None, None], [None, Some(70), None]),
            // The key moves as well.
            partial([Some(6), None, None], [Some(8), Some(10), None]),
        ];
        for change in log {
            destination.apply(&converging(&keyed, 20, &[change]), Some(&checkpoint(3))).await.unwrap();
        }
        assert_eq!(lines(&server, "SELECT * FROM shop.t ORDER BY id"), ["8|10|1"], "{flavor:?}");
        let keyless_log = [Delete(row(1, 1, 1)), Update(row(2, 2, 2), row(3, 3, 3)), Delete(row(9, 9, 9))];
        destination.apply(&converging(&keyless, 30, &keyless_log), Some(&checkpoint(4))).await.unwrap();
        assert_eq!(lines(&server, "SELECT COUNT(*) FROM shop.k"), ["0"]);
    }
}

#[tokio::test]
async fn rows_that_are_there_already_are_written_over() {
    for flavor in FLAVORS {
        let server = Server::builder(flavor).start().unwrap();
        let mut destination = destination(&server, 4);
        destination.open().await.unwrap();
        destination.store_checkpoint(&checkpoint(0)).await.unwrap();
        let orders = orders();
        let stray: Vec<_> = (0..10).map(|number| Insert(row(number, 3))).collect();
        destination.apply(&changes(&orders, &stray), Some(&checkpoint(1))).await.unwrap();
        destination.apply(&first_group(&orders), Some(&checkpoint(2))).await.unwrap();
        assert_eq!(all(&server), (0..ROWS).map(|number| shown(number, 0)).collect::<Vec<_>>(), "{flavor:?}");
    }
}
