//! The logical replication stream of PostgreSQL: messages of `pgoutput` in, events out.
//!
//! A reader takes `CopyData` messages off a replication connection ([`copy`]) and looks at them with [`message`], which
//! says how to keep those of transactions that are not committed yet. A [`Decoder`] turns the others into events of the normalized format.
//! It knows tables by their [`definitions`]; [`relation`] is how the stream announces them, [`changes`] what became different, and [`ddl`]
//! the messages of an event trigger that tell it before. [`types`] and [`value`] read single values, also for the copy of tables that the
//! stream is followed from.
//!
//! Format: PostgreSQL documentation, "Logical Replication Message Formats" and "Streaming Replication Protocol".

pub mod changes;
pub mod copy;
pub mod ddl;
mod decoder;
pub mod definitions;
pub mod error;
pub mod lsn;
pub mod message;
mod output;
mod reader;
pub mod relation;
mod rows;
pub mod types;
pub mod value;

pub use decoder::{Decoder, DecoderOptions, Need, UnknownType};
pub use reader::Malformed;
