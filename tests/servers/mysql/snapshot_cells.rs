//! The cells of a copied row are those that the log gives for the same row, for every type of every server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(dead_code)]

use crate::mysql::copying::{copied, expect_same, logged, open, root};
use crate::pairs::type_matrix::{
    charsets, load,
    tables::{self, Table},
};
use slackwater::{config::Start, sources::Source};
use slackwater_testkit::{Flavor, Server, run_statements};

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
