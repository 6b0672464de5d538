//! Real database servers for tests: installed once, started in a fraction of the time, gone afterwards.
//!
//! ```no_run
//! use slackwater_testkit::{Flavor, Server};
//!
//! # fn main() -> anyhow::Result<()> {
//! let server = Server::builder(Flavor::Mysql97).arg("--binlog-row-image=MINIMAL").start()?;
//! server.exec("CREATE DATABASE shop; CREATE TABLE shop.orders (id INT PRIMARY KEY)")?;
//! server.kill_hard()?;
//! server.restart()?;
//! assert_eq!(server.query_string("SELECT COUNT(*) FROM shop.orders")?.as_deref(), Some("0"));
//! # Ok(())
//! # }
//! ```
//!
//! The first start of a flavor runs `testkit/install-servers`, which takes ten to twenty
//! seconds; every later start copies an initialized data directory and takes one second or less on an
//! idle machine.
#![deny(unsafe_code, missing_docs)]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod flavor;
mod installation;
mod launcher;
mod options;
mod ports;
mod replication;
mod scratch;
mod server;
mod sql;
pub mod workload;

/// The client library that [`Server::conn`] speaks through.
pub use mysql;

pub use flavor::Flavor;
pub use options::ServerBuilder;
pub use replication::BinlogPosition;
pub use server::Server;
pub use sql::{TextRow, query_rows, run_statements};
