//! Several workers of the PostgreSQL destination, against real servers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::{sync::Arc, time::Duration};

use crate::changes::{
    Change::{Delete, Insert, Update},
    *,
};
use crate::postgres::postgres_server::{destination, lines, run, servers};
use slackwater::{
    changes::{Group, Job},
    destinations::{Checkpoint, Completeness, Destination, Unfinished},
    error::Kind,
};
use slackwater_decoders::{position::Position, schema::*};
use slackwater_testkit::PostgresServer;

const ROWS: i64 = 3_000;

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

fn all(server: &PostgresServer) -> Vec<String> {
    lines(server, "SELECT * FROM shop.orders ORDER BY u")
}

/// All rows: enough for COPY in each share.
fn first_group(table: &Arc<Table>) -> Arc<Group> {
    let log: Vec<_> = (0..ROWS).map(|number| Insert(row(number, 0))).collect();
    parted(table, 10, &log, 4)
}

/// Changes of a third of the rows, deletes of a third, and as many new ones.
fn second_group(table: &Arc<Table>) -> Arc<Group> {
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

#[tokio::test(flavor = "multi_thread")]
async fn shares_commit_with_their_own_rows_of_the_checkpoint() {
    for server in servers() {
        let mut destination = destination(&server, "workers = 4");
        assert_eq!((destination.open().await.unwrap(), destination.workers()), (None, 4));
        let converging = Completeness::Converging(Position::binlog("binlog.000001", 99, None));
        let start = Checkpoint { completeness: converging.clone(), ..checkpoint(0) };
        destination.store_checkpoint(&start).await.unwrap();
        drop(destination);
        let mut destination = super::postgres_server::destination(&server, "workers = 4");
        assert_eq!(destination.open().await.unwrap(), Some(start.into()));
        let orders = orders();
        let first = first_group(&orders);
        assert!(first.shares().iter().all(|share| matches!(share.jobs[..], [Job::Net(_)])));
        let end = |sequence| Checkpoint { completeness: converging.clone(), ..checkpoint(sequence) };
        destination.apply(&first, Some(&end(1))).await.unwrap();
        assert_eq!(all(&server), (0..ROWS).map(|number| shown(number, 0)).collect::<Vec<_>>());
        destination.apply(&second_group(&orders), Some(&end(2))).await.unwrap();
        assert_eq!(all(&server), after_second());
        let rows = "SELECT worker, sequence FROM slackwater.slackwater_checkpoint ORDER BY 1";
        assert_eq!(lines(&server, rows), ["0|2", "1|2", "2|2", "3|2"]);
        // Each worker's transactions are marked.
        let origins = "SELECT roname FROM pg_replication_origin ORDER BY 1";
        let names = [0, 1, 2, 3].map(|worker| format!("slackwater_orders_{worker}"));
        assert_eq!(lines(&server, origins), names);
        // A group of one share touches one row.
        destination.apply(&changes(&orders, &[Delete(row(0, 1))]), Some(&checkpoint(3))).await.unwrap();
        assert_eq!(lines(&server, rows), ["0|3", "1|2", "2|2", "3|2"]);

        // Another run takes the task over: no worker of this one commits any more.
        run(&server, "UPDATE slackwater.slackwater_checkpoint SET generation = 2");
        let before = all(&server);
        let error = destination.apply(&second_group(&orders), Some(&checkpoint(4))).await.unwrap_err();
        assert!(error.kind() == Kind::Definite && error.to_string().contains("superseded"), "{error}");
        assert_eq!(all(&server), before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_was_cut_off_between_its_commits_is_finished() {
    for server in servers() {
        let orders = orders();
        let mut killed = destination(&server, "workers = 4");
        killed.open().await.unwrap();
        killed.store_checkpoint(&checkpoint(0)).await.unwrap();
        killed.apply(&first_group(&orders), Some(&checkpoint(1))).await.unwrap();

        // A lock on one row keeps one worker from its commit.
        let mut other = tokio::task::block_in_place(|| server.client().unwrap());
        tokio::task::block_in_place(|| {
            other.batch_execute("BEGIN; SELECT * FROM shop.orders WHERE u = 3 FOR UPDATE").unwrap();
        });
        let group = second_group(&orders);
        let apply = tokio::spawn(async move { killed.apply(&group, Some(&checkpoint(2))).await });
        let committed = "SELECT count(*) FROM slackwater.slackwater_checkpoint WHERE sequence = 2";
        while lines(&server, committed) != ["3"] {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        apply.abort();
        assert!(apply.await.unwrap_err().is_cancelled());
        // All that it is to do was sent at once: the server would do it when the lock is given.
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'slackwater orders'";
        run(&server, end);
        let left = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'slackwater orders'";
        while lines(&server, left) != ["0"] {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tokio::task::block_in_place(|| drop(other));

        // The number of workers is another one now.
        let mut again = destination(&server, "workers = 2");
        let standing = again.open().await.unwrap().unwrap();
        assert_eq!(standing.checkpoint, checkpoint(1));
        assert_eq!(standing.unfinished, Some(Unfinished { end: checkpoint(2), workers: 4 }));
        // A process writes with a generation of its own.
        let raised = |sequence| Checkpoint { generation: 2, ..checkpoint(sequence) };
        // What is committed is not done again: a sign in one of its rows stays.
        run(&server, "UPDATE shop.orders SET n = 7 WHERE u = (SELECT min(u) FROM shop.orders WHERE n = 1)");
        again.apply(&second_group(&orders), Some(&raised(2))).await.unwrap();
        let mut expected = after_second();
        let found = all(&server);
        let sign = found.iter().position(|line| line.ends_with("|7")).expect("the sign");
        expected[sign] = found[sign].clone();
        assert_eq!(found, expected);

        // The next one is of two shares.
        let log: Vec<_> = (0..ROWS).map(|number| Update(row(number, 0), row(number, 5))).collect();
        again.apply(&parted(&orders, 30, &log, 2), Some(&raised(3))).await.unwrap();
        drop(again);
        let mut after = destination(&server, "workers = 2");
        assert_eq!(after.open().await.unwrap(), Some(raised(3).into()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_newer_than_the_log_become_one_state() {
    for server in servers() {
        let mut destination = destination(&server, "workers = 1");
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
        assert_eq!(lines(&server, "SELECT * FROM shop.t ORDER BY id"), ["8|10|1"]);
        let keyless_log = [Delete(row(1, 1, 1)), Update(row(2, 2, 2), row(3, 3, 3)), Delete(row(9, 9, 9))];
        destination.apply(&converging(&keyless, 30, &keyless_log), Some(&checkpoint(4))).await.unwrap();
        assert_eq!(lines(&server, "SELECT count(*) FROM shop.k"), ["0"]);
    }
}

/// An index over an expression, and one over some of the rows: their values cannot be told from the row.
#[tokio::test(flavor = "multi_thread")]
async fn unique_values_of_expressions_are_freed_while_rows_are_newer() {
    for server in servers() {
        let mut destination = destination(&server, "workers = 1");
        destination.open().await.unwrap();
        let keyed = table("t", vec![Column::new("id", INT), text_column("v", 9, "utf8mb4_bin")], &[0], &[]);
        run(&server, "CREATE SCHEMA shop; CREATE TABLE shop.t (id int PRIMARY KEY, v text)");
        run(&server, "CREATE UNIQUE INDEX ON shop.t (lower(v)) WHERE v <> 'free'");
        let row = |id, v| vec![int(id), text(v)];
        let copied = [Insert(row(1, "A")), Insert(row(2, "free")), Insert(row(3, "FREE"))];
        destination.apply(&changes(&keyed, &copied), Some(&checkpoint(1))).await.unwrap();
        let log = [Update(row(4, "x"), row(4, "a")), Update(row(5, "y"), row(5, "free"))];
        destination.apply(&converging(&keyed, 20, &log), Some(&checkpoint(2))).await.unwrap();
        assert_eq!(lines(&server, "SELECT * FROM shop.t ORDER BY id"), ["2|free", "3|FREE", "4|a", "5|free"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_there_already_are_written_over() {
    for server in servers() {
        let mut destination = destination(&server, "workers = 4");
        destination.open().await.unwrap();
        destination.store_checkpoint(&checkpoint(0)).await.unwrap();
        let orders = orders();
        let stray: Vec<_> = (0..10).map(|number| Insert(row(number, 3))).collect();
        destination.apply(&changes(&orders, &stray), Some(&checkpoint(1))).await.unwrap();
        destination.apply(&first_group(&orders), Some(&checkpoint(2))).await.unwrap();
        assert_eq!(all(&server), (0..ROWS).map(|number| shown(number, 0)).collect::<Vec<_>>());
    }
}
