//! PostgreSQL: its log, its tables, and what is written to it.

mod destination;
mod idle;
mod memory;
pub(crate) mod postgres_server;
mod schema;
mod snapshot;
mod source;
mod workers;
