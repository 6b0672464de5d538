//! PostgreSQL: its log, its tables, and what is written to it.

mod computed;
mod concurrent_ddl;
mod destination;
mod encryption;
mod faults;
mod forms;
mod idle;
mod memory;
mod network;
mod partitions;
pub(crate) mod postgres_server;
mod retained;
mod row_reading;
mod schema;
mod snapshot;
mod source;
mod values;
mod workers;
