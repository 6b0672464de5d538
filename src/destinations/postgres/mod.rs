//! A PostgreSQL server.

pub mod schema;
