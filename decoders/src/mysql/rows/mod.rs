//! Rows events: which tables they are of, how their columns are stored, and their images as cells.
//!
//! `table_map` and `wire` read what the log says of columns; `definition` completes it by what is known of the table, and
//! `hidden` knows the columns that no definition shows; `tables` keeps the result for the rows that follow. `image` reads
//! rows, `cell` their values, with `temporal` and `decimal`.

pub(in crate::mysql) mod cell;
pub(in crate::mysql) mod decimal;
pub(in crate::mysql) mod definition;
pub(in crate::mysql) mod hidden;
pub(in crate::mysql) mod image;
pub(in crate::mysql) mod table_map;
pub(in crate::mysql) mod tables;
pub(in crate::mysql) mod temporal;
pub(in crate::mysql) mod wire;
