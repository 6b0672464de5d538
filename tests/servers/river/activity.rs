//! What servers are at, for the message of a test that gave up.

use slackwater_testkit::{PostgresServer, Server};

use super::DATABASE;

/// Sessions with their statements, and who waits for whom. What cannot be asked for is said instead.
pub(crate) fn of_mysql(server: &Server) -> String {
    let mut text = format!("{server}:\n");
    for sql in ["SHOW FULL PROCESSLIST", "SHOW ENGINE INNODB STATUS"] {
        let rows = server.query(sql).map(|rows| {
            let cell =
                |cell: Option<Vec<u8>>| of_transactions(&String::from_utf8_lossy(&cell.unwrap_or_default()));
            rows.into_iter().map(|row| row.into_iter().map(cell).collect()).collect()
        });
        append(&mut text, sql, rows);
    }
    text
}

/// The part of InnoDB's status that tells of transactions and their locks; another text as it is.
fn of_transactions(status: &str) -> String {
    let (start, end) = (status.find("LIST OF TRANSACTIONS"), status.find("FILE I/O"));
    match (start, end) {
        (Some(start), Some(end)) => status.get(start..end).unwrap_or(status).to_owned(),
        _ => status.to_owned(),
    }
}

/// The same of a PostgreSQL server.
pub(crate) fn of_postgres(server: &PostgresServer) -> String {
    let mut text = format!("{} on port {}:\n", server.version(), server.port());
    let sessions = "SELECT pid, pg_blocking_pids(pid), state, wait_event_type, wait_event, now() - state_change, query \
                    FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname IS NOT NULL";
    let slots = "SELECT slot_name, active_pid, restart_lsn, confirmed_flush_lsn, pg_current_wal_lsn() FROM pg_replication_slots";
    let locks = "SELECT pid, locktype, relation::regclass, mode, granted FROM pg_locks \
                 WHERE pid <> pg_backend_pid() ORDER BY granted, pid";
    for sql in [sessions, slots, locks] {
        let rows = server.query_in(DATABASE, sql).map(|rows| {
            rows.into_iter().map(|row| row.into_iter().map(Option::unwrap_or_default).collect()).collect()
        });
        append(&mut text, sql, rows);
    }
    text
}

fn append(text: &mut String, sql: &str, rows: anyhow::Result<Vec<Vec<String>>>) {
    text.push_str(&format!("{sql}:\n"));
    match rows {
        Ok(rows) => rows.iter().for_each(|row| text.push_str(&format!("  {}\n", row.join(" | ")))),
        Err(error) => text.push_str(&format!("  {error:#}\n")),
    }
}
