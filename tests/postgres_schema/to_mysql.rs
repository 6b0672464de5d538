//! Definitions of PostgreSQL at MySQL and MariaDB.
