//! Definitions of PostgreSQL at PostgreSQL.
