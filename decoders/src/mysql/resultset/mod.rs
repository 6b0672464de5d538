//! Rows as a SELECT returns them in the binary protocol, as the same cells that the binlog gives.
//!
//! A table is copied by SELECTs and followed by the log. Both have to give the same cells for the same row, or a destination
//! would hold two forms of one value. So the SELECT asks for what is stored, not for what is shown:
//!
//! * text comes in the character set of its column (`character_set_results = NULL`) and is decoded here, as from the log;
//! * ENUM and SET columns are selected as numbers (`CAST(c AS UNSIGNED)`): the place of a member and the mask of the members, which
//!   stay exact where two members look alike. Where the definition does not tell all members' names (servers show characters
//!   beyond U+FFFF as `?`), as number and name: `CONCAT(CAST(c AS UNSIGNED), ':', CONVERT(c USING utf8mb4))`;
//! * instants come in UTC (`time_zone = '+00:00'`);
//! * numbers come in their own form, and a geometry is the stored SRID and well-known binary.
//!
//! One thing a SELECT does not tell: which SQL type a scalar inside a JSON document has. See [`crate::mysql::json::from_text`].
//!
//! Formats: MySQL documentation, "Protocol::ColumnDefinition41", "Binary Protocol Resultset Row" and "Binary Protocol Value".
//! `definition` reads what the server says of a column, `form` combines it with the table's definition, `row` reads rows, and `cell`
//! with `temporal` their values.

mod cell;
mod definition;
mod form;
mod row;
mod temporal;
#[cfg(test)]
mod tests;

pub use definition::ColumnDefinition;
pub use form::UnfitColumn;
pub use row::{RowError, RowPlan};
