//! The schema phase where one side is PostgreSQL: what is created is read back from the catalogs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod from_mysql;
mod planning;
mod to_mysql;
mod to_postgres;
