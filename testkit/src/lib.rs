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
//! PostgreSQL servers have a type of their own, [`PostgresServer`]: they share the way they are installed and started with the
//! others, and nothing of what is asked of them.
//!
//! ```no_run
//! use slackwater_testkit::{PostgresServer, PostgresVersion};
//!
//! # fn main() -> anyhow::Result<()> {
//! let primary = PostgresServer::builder(PostgresVersion::V18).set("work_mem", "64kB").start()?;
//! let standby = PostgresServer::builder(PostgresVersion::V18).start_standby_of(&primary)?;
//! primary.exec("CREATE TABLE orders (id int PRIMARY KEY)")?;
//! primary.kill_hard()?;
//! standby.promote()?;
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
pub mod network;
mod options;
mod ports;
mod postgresql;
mod replication;
mod scratch;
mod server;
mod sql;
mod task;
pub mod workload;

/// The client libraries that [`Server::conn`] and [`PostgresServer::client`] speak through.
pub use {mysql, postgres};

pub use flavor::Flavor;
pub use installation::installed;
pub use options::ServerBuilder;
pub use postgresql::{
    PostgresBuilder, PostgresServer, PostgresVersion, WalPosition, query_postgres, run_postgres,
};
pub use replication::BinlogPosition;
pub use server::Server;
pub use sql::{TextRow, query_rows, run_statements};
pub use task::Task;
