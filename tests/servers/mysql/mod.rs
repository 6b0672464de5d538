//! MySQL and MariaDB: their log, their tables, and what is written to them.

mod charsets;
pub(crate) mod copying;
mod ddl_catalog;
mod destination;
mod failover;
mod files_source;
mod filter_semantics;
mod hidden_columns;
mod key_changes;
mod load;
pub(crate) mod mysql_values;
mod partial_json;
mod row_reading;
mod snapshot_cells;
pub(crate) mod snapshot_reading;
mod source;
mod transactional_ddl;
mod workers;
