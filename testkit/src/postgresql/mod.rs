//! PostgreSQL servers: starting, killing, standbys, statements.

mod options;
mod process;
mod server;
mod sql;
mod standby;
mod tls;
mod version;
mod wal;

pub use options::PostgresBuilder;
pub use server::PostgresServer;
pub use sql::{query_postgres, run_postgres};
pub use version::PostgresVersion;
pub use wal::WalPosition;
