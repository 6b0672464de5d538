//! The binlogs of MySQL 5.1 to 9.x and MariaDB 10 and 11.
//!
//! A reader cuts the log into pieces of whole events with [`framing`]; a [`Decoder`] turns each piece into events of the
//! normalized format. Inside, [`framing`] knows headers, `format` checksums and post-headers, `gtid_event` and
//! `transaction` where one transaction ends and the next begins, `payload` what is compressed; `table_map` and
//! `definition` say how rows are stored, `rows` and `cell` read them with `temporal`, `decimal`, [`json`] and
//! [`charset`]; `query` and [`ddl`] read statements, and [`catalog`] keeps the definitions that they change.

pub mod catalog;
mod cell;
pub mod charset;
pub mod ddl;
mod decimal;
mod decoder;
mod definition;
pub mod error;
pub mod event_type;
mod format;
pub mod framing;
pub mod gtid;
mod gtid_event;
mod hidden;
pub mod json;
mod output;
mod payload;
mod query;
pub mod reader;
mod row_changes;
mod rows;
mod statement;
mod table_map;
mod tables;
mod temporal;
mod transaction;
mod wire;

pub use decoder::{Decoder, DecoderOptions};
