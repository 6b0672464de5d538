//! The binlogs of MySQL 5.1 to 9.x and MariaDB 10 and 11.

pub mod catalog;
pub mod ddl;
pub mod gtid;
pub mod reader;
