//! Whole tasks between two databases.

mod demo;
mod faults;
mod foreign_keys;
mod keys_before_copy;
mod kills;
mod mapping;
mod memory;
pub(crate) mod migration;
mod migrations;
mod online_schema_change;
pub(crate) mod postgres_migration;
mod postgres_migrations;
mod rivers;
mod scale;
mod schema;
mod sqlite_destination;
mod sqlite_rows;
pub(crate) mod type_matrix;
mod types;
