//! Decoders: the bytes of a database's own log in, one normalized change format out.
//!
//! Nothing here does I/O, waits, or reads a clock. A log module (such as [`mysql`]) turns the bytes of one log event
//! into [`event::Event`]s whose texts and binaries borrow those bytes; what had to be converted (another character
//! set, a decimal, a JSON document) lives in an arena that the caller provides and resets.
//!
//! The rooms:
//!
//! * [`value`], [`schema`], [`event`], [`position`]: the normalized format;
//! * [`arena`]: where decoded values live that the log's bytes do not hold as they are;
//! * [`batch`]: events together with the buffers they borrow from, to be sent between threads;
//! * [`envelope`]: the format's one public serialization, the Debezium envelope;
//! * [`mysql`]: the binlogs of MySQL and MariaDB;
//! * [`postgres`]: the logical replication stream of PostgreSQL.

pub mod arena;
pub mod batch;
pub mod envelope;
pub mod event;
pub mod mysql;
pub mod position;
pub mod postgres;
pub mod schema;
pub mod value;
