//! The binlogs of MySQL 5.1 to 9.x and MariaDB 10 and 11.

pub mod charset;
pub mod decimal;
pub mod gtid;
pub mod json;
pub mod reader;
