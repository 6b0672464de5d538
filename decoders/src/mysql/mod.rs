//! The binlogs of MySQL 5.1 to 9.x and MariaDB 10 and 11.
//!
//! A reader cuts the log into pieces of whole events with [`framing`]; a [`Decoder`] turns each piece into events of the
//! normalized format. Inside, `events` reads everything but rows: the log's format and checksums, transactions' names,
//! statements, and what is compressed; `rows` reads how rows are stored and the rows themselves, with [`json`] and
//! [`charset`]; `transaction` knows where in the log and in a transaction the decoder stands; [`ddl`] understands
//! statements, and [`catalog`] keeps the definitions that they change.
//!
//! [`resultset`] reads the rows of a SELECT into the same cells, for the copy of tables that the log is followed from.

pub mod catalog;
pub mod charset;
pub mod ddl;
mod decoder;
pub mod error;
pub mod event_type;
mod events;
pub mod framing;
pub mod gtid;
pub mod json;
mod output;
pub mod reader;
pub mod resultset;
mod row_changes;
mod rows;
mod statement;
mod transaction;

pub use decoder::{Decoder, DecoderOptions};
