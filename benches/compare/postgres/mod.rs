//! PostgreSQL.

pub(crate) mod apply;
mod data;
pub(crate) mod debezium;
pub(crate) mod latency;
mod servers;
pub(crate) mod snapshot;
mod subscription;
