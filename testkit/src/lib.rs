//! What tests stand on: real database servers, installed once and started in a fraction of a second, load for them, tasks
//! in processes of their own, and whole tables compared value by value.
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

pub mod compare;
mod flavor;
mod installation;
mod launcher;
mod options;
mod ports;
mod replication;
mod scratch;
mod server;
mod sql;
mod task;
pub mod workload;

/// The client library that [`Server::conn`] speaks through.
pub use mysql;

pub use flavor::Flavor;
pub use options::ServerBuilder;
pub use replication::BinlogPosition;
pub use server::Server;
pub use sql::{TextRow, query_rows, run_statements};
pub use task::Task;
