//! PostgreSQL: its log, its tables, and what is written to it.

mod computed;
mod destination;
mod faults;
mod idle;
mod memory;
mod partitions;
pub(crate) mod postgres_server;
mod row_reading;
mod schema;
mod snapshot;
mod source;
mod values;
mod workers;
