//! The logical replication stream of PostgreSQL: messages of `pgoutput` in, events out.
//!
//! Format: PostgreSQL documentation, "Logical Replication Message Formats" and "Streaming Replication Protocol".

pub mod lsn;
