//! Slackwater follows a database's own log until source and destination stand still relative to each other, and then
//! turns the traffic over.
//!
//! One task is one source, one destination, one TOML file, one process. The rooms, and the direction of the arrows:
//! `cli` → `service` → `cutover` → `verify`, `pipeline` → `sources`, `destinations`, `mapping`, `types`, `positions` → `config` and
//! the decoders. No source knows a destination, no destination a source.

pub mod changes;
pub mod cli;
pub mod config;
pub mod cutover;
pub mod destinations;
pub mod error;
pub mod mapping;
pub mod pipeline;
pub mod positions;
pub(crate) mod postgres_client;
pub mod service;
pub mod sources;
mod tls;
pub mod types;
pub mod verify;
