//! Who writes behind the fence, and who is in its way.

use super::{super::connection::Connection, privileged};
use crate::{
    error::{Error, Result},
    sources::fencing::Writer,
};

/// What may write although the server is closed: to every account, or to those without the privilege alone.
///
/// # Errors
/// The server's error, or a lost connection.
pub(super) async fn behind(connection: &mut Connection, is_for_all: bool) -> Result<Vec<Writer>> {
    let mut writers = prepared(connection).await?;
    if !is_for_all {
        writers.extend(privileged::sessions(connection).await?);
        writers.extend(privileged::events(connection).await?);
    }
    Ok(writers)
}

/// Distributed transactions that are prepared.
async fn prepared(connection: &mut Connection) -> Result<Vec<Writer>> {
    let rows = connection.query("XA RECOVER").await?;
    // MariaDB refuses their commit (error 1290); then they are open when the fence is gone.
    let why = match connection.version().mariadb {
        true => "is prepared: it can be committed when the fence is lowered",
        false => "is prepared: it can be committed behind the fence",
    };
    let writer = |data: &str| Writer {
        id: format!("prepared transaction {data}"),
        user: String::new(),
        host: String::new(),
        database: String::new(),
        why: why.to_owned(),
    };
    Ok(rows.iter().map(|row| writer(row.text("data").unwrap_or_default())).collect())
}

/// Makes sure that the server takes its changes from its clients and not from another server: replication goes past every fence.
///
/// # Errors
/// Definite when it replicates; else the server's error, or a lost connection.
pub(super) async fn is_no_replica(connection: &mut Connection) -> Result<()> {
    let statement = match connection.version() {
        version if version.is_mysql(8, 0, 22) => "SHOW REPLICA STATUS",
        version if version.mariadb => "SHOW ALL SLAVES STATUS",
        _ => "SHOW SLAVE STATUS",
    };
    let rows = connection.query(statement).await?;
    let applies = |row: super::super::response::Row<'_>| {
        row.text("Replica_SQL_Running").or_else(|| row.text("Slave_SQL_Running")) != Some("No")
    };
    let Some(row) = rows.iter().find(|row| applies(*row)) else { return Ok(()) };
    let host = row.text("Source_Host").or_else(|| row.text("Master_Host")).unwrap_or_default();
    Err(Error::definite(format!(
        "the server is a replica of {host}: who writes does so there, and replication goes past read_only"
    ))
    .remedy(
        "name the server that is written to in source.hosts, or close that one by a command (cutover.fence = \"command\")",
    ))
}

/// The sessions that keep the fence from being raised, as far as the server tells.
///
/// # Errors
/// A lost connection.
pub(super) async fn in_the_way(connection: &mut Connection) -> Result<Vec<Writer>> {
    // What a statement that writes, and LOCK TABLES, hold (Performance Schema, "The metadata_locks Table"); switched off by
    // default in MySQL 5.7, and absent in MariaDB before 10.5.
    let locks = "SELECT DISTINCT t.PROCESSLIST_ID, t.PROCESSLIST_USER, t.PROCESSLIST_HOST, t.PROCESSLIST_DB, \
           IF(t.PROCESSLIST_COMMAND = 'Sleep', 'has locked tables', 'a statement is running') \
         FROM performance_schema.metadata_locks m JOIN performance_schema.threads t ON t.THREAD_ID = m.OWNER_THREAD_ID \
         WHERE m.OBJECT_TYPE IN ('GLOBAL', 'COMMIT') AND m.LOCK_STATUS = 'GRANTED' AND t.PROCESSLIST_ID <> CONNECTION_ID()";
    let mut found = listed(connection, locks).await?;
    if found.is_empty() {
        let running = format!(
            "SELECT ID, USER, SUBSTRING_INDEX(HOST, ':', 1), DB, 'a statement is running' FROM information_schema.PROCESSLIST \
             WHERE ID <> CONNECTION_ID() AND COMMAND NOT IN ('Sleep', 'Daemon') AND COMMAND NOT LIKE 'Binlog Dump%' \
             AND USER <> 'system user' AND TIME >= {}",
            super::RAISING
        );
        found = listed(connection, &running).await?;
    }
    Ok(found)
}

/// Sessions by a question for connection, user, host, database and what they do; none when it is refused.
pub(super) async fn listed(connection: &mut Connection, question: &str) -> Result<Vec<Writer>> {
    let Ok(rows) = connection.try_query(question).await? else { return Ok(Vec::new()) };
    let text = |cell: Option<&str>| cell.unwrap_or_default().to_owned();
    let writer = |row: super::super::response::Row<'_>| Writer {
        id: format!("connection {}", row.at(0).unwrap_or("?")),
        user: text(row.at(1)),
        host: text(row.at(2)),
        database: text(row.at(3)),
        why: text(row.at(4)),
    };
    Ok(rows.iter().map(writer).collect())
}
