//! The settings of a connection that reads tables.

use crate::{error::Result, sources::mysql::connection::Connection};

/// Sets the session so that values come as they are stored, and that queries are neither cut short nor broken off.
///
/// # Errors
/// The server's error, or a lost connection.
pub(super) async fn prepare(connection: &mut Connection) -> Result<()> {
    // Text comes in the character set of its column, instants in UTC. Dates that do not exist may stand in keys, and so in conditions. CHAR
    // values have no trailing spaces (PAD_CHAR_TO_FULL_LENGTH), as in the log. While the destination is slow we do not read.
    connection
        .query(
            "SET NAMES utf8mb4, character_set_results = NULL, time_zone = '+00:00', sql_mode = 'ALLOW_INVALID_DATES', \
             sql_quote_show_create = 1, sql_select_limit = 18446744073709551615, sql_big_selects = 1, \
             net_write_timeout = 3600, wait_timeout = 86400, autocommit = 1",
        )
        .await?;
    // A server whose default is READ UNCOMMITTED would show rows that are rolled back later, of which the log says nothing.
    connection.query("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ").await?;
    let version = connection.version().clone();
    if version.is_mysql(5, 7, 8) {
        connection.query("SET SESSION max_execution_time = 0").await?;
    } else if version.mariadb && version.numbers >= (10, 1, 1) {
        connection.query("SET SESSION max_statement_time = 0").await?;
    }
    if version.mariadb && version.numbers >= (10, 3, 4) {
        connection.query("SET SESSION system_versioning_asof = DEFAULT").await?;
    }
    Ok(())
}
