//! MySQL and MariaDB.

pub(crate) mod apply;
mod data;
mod durability;
pub(crate) mod latency;
mod ours;
pub(crate) mod snapshot;
