//! PostgreSQL servers as destinations.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use slackwater::{config::postgres::PostgresDestination, destinations::postgres::Postgres};
use slackwater_testkit::{PostgresServer, PostgresVersion};

/// The oldest that is installed everywhere, and the newest.
pub(crate) fn servers() -> impl Iterator<Item = PostgresServer> {
    [PostgresVersion::V15, PostgresVersion::V18]
        .into_iter()
        .map(|version| tokio::task::block_in_place(|| PostgresServer::builder(version).start().unwrap()))
}

/// The destination of a task `orders`, with further settings.
pub(crate) fn destination(server: &PostgresServer, settings: &str) -> Postgres {
    // Another test of this process may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let section =
        format!("host = '127.0.0.1:{}'\nuser = 'postgres'\ndatabase = 'postgres'\n{settings}", server.port());
    Postgres::new("orders", toml::from_str::<PostgresDestination>(&section).unwrap())
}

/// Runs statements.
pub(crate) fn run(server: &PostgresServer, sql: &str) {
    tokio::task::block_in_place(|| server.exec(sql).unwrap());
}

/// The rows of a query, with their values joined by a bar.
pub(crate) fn lines(server: &PostgresServer, sql: &str) -> Vec<String> {
    let rows = tokio::task::block_in_place(|| server.query(sql).unwrap());
    let cell = |cell: Option<String>| cell.unwrap_or("NULL".to_owned());
    rows.into_iter().map(|row| row.into_iter().map(cell).collect::<Vec<_>>().join("|")).collect()
}
