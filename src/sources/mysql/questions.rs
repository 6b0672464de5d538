//! Questions to a server about its log. Each is one or a few statements over a [`Connection`].

use std::fmt::Write as _;

use slackwater_decoders::{
    mysql::gtid::{GtidSet, MariadbGtid, MariadbGtidPosition},
    position::{Executed, LogPosition, Position},
};

use super::connection::Connection;
use crate::{
    error::{Error, Result},
    sources::binlog,
};

/// Rows of SHOW BINLOG EVENTS to read at once.
const EVENTS_AT_ONCE: u64 = 10_000;
/// ER_UNKNOWN_SYSTEM_VARIABLE: MySQL before 5.6, MariaDB.
const UNKNOWN_VARIABLE: u16 = 1193;
/// Where the first event of a binlog file stands: behind the magic number.
pub(crate) const FIRST_EVENT: u64 = 4;

/// A binlog file that the server has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogFile {
    pub(crate) name: String,
    pub(crate) bytes: u64,
}

/// The end of the log now, with its transactions where every transaction has a GTID.
///
/// # Errors
/// The server's error (no log, no privilege), or a lost connection.
pub(crate) async fn end_of_log(connection: &mut Connection) -> Result<Position> {
    let statement = log_status(connection);
    let rows = connection.query(statement).await?;
    let row = rows.first().ok_or_else(|| {
        Error::definite("the server writes no binlog")
            .remedy("start it with log_bin (and log_replica_updates on a replica)")
    })?;
    let file = row.at(0).ok_or_else(|| wrong_answer(statement))?.to_owned();
    let offset = row.at(1).and_then(|text| text.parse().ok()).ok_or_else(|| wrong_answer(statement))?;
    let executed = if connection.version().mariadb {
        // Read after the offset: it may hold more than what lies before the offset, never less.
        let position = connection.query_text("SELECT @@GLOBAL.gtid_binlog_pos").await?.unwrap_or_default();
        Some(Executed::Mariadb(parse_mariadb(&position)?))
    } else if has_gtid_mode(connection).await? {
        Some(Executed::Mysql(parse_mysql(row.text("Executed_Gtid_Set").unwrap_or_default())?))
    } else {
        None
    };
    Ok(Position::binlog(file, offset, executed))
}

/// The statement that tells the end of the log: 8.2 brought the new name, 8.4 took the old one away.
fn log_status(connection: &Connection) -> &'static str {
    if connection.version().is_mysql(8, 2, 0) { "SHOW BINARY LOG STATUS" } else { "SHOW MASTER STATUS" }
}

/// The databases that alone are in the log (`binlog_do_db`), and those that are not (`binlog_ignore_db`).
///
/// # Errors
/// As [`end_of_log`].
pub(crate) async fn log_filter(connection: &mut Connection) -> Result<(Vec<String>, Vec<String>)> {
    let rows = connection.query(log_status(connection)).await?;
    let list = |name: &str| -> Vec<String> {
        let text = rows.first().and_then(|row| row.text(name)).unwrap_or_default();
        text.split(',').filter(|database| !database.is_empty()).map(str::to_owned).collect()
    };
    Ok((list("Binlog_Do_DB"), list("Binlog_Ignore_DB")))
}

/// The end of the log as a position to start from: offset and transactions tell the same place.
///
/// # Errors
/// As [`end_of_log`].
pub(crate) async fn now(connection: &mut Connection) -> Result<Position> {
    let end = end_of_log(connection).await?;
    if !connection.version().mariadb {
        return Ok(end);
    }
    let (file, offset) = binlog::place(&end.log)?;
    position_at(connection, file, offset).await
}

/// The oldest position that the server has.
///
/// # Errors
/// As [`end_of_log`].
pub(crate) async fn earliest(connection: &mut Connection) -> Result<Position> {
    let files = log_files(connection).await?;
    let first = files.into_iter().next().ok_or_else(|| Error::definite("the server has no binlog file"))?;
    position_at(connection, &first.name, FIRST_EVENT).await
}

/// A place in a file with the transactions before it, where every transaction has a GTID.
///
/// # Errors
/// Definite when the server does not have the place; else as [`end_of_log`].
pub(crate) async fn position_at(connection: &mut Connection, file: &str, offset: u64) -> Result<Position> {
    let position = Position::binlog(file, offset, None);
    has_place(connection, &position.log).await?;
    let executed = if connection.version().mariadb {
        let statement = format!("SELECT BINLOG_GTID_POS({}, {offset})", quoted(file));
        let gtids = connection.query_text(&statement).await?;
        gtids.map(|gtids| parse_mariadb(&gtids).map(Executed::Mariadb)).transpose()?
    } else if has_gtid_mode(connection).await? {
        Some(Executed::Mysql(transactions_before(connection, file, offset).await?))
    } else {
        None
    };
    Ok(Position { executed, ..position })
}

/// Where to start behind a set of transactions. The place in the log is the oldest one: the server finds the right one.
///
/// # Errors
/// Definite when the text is no set of this server's kind, or the server has no GTIDs; else as [`end_of_log`].
pub(crate) async fn position_behind(connection: &mut Connection, gtids: &str) -> Result<Position> {
    let executed = if connection.version().mariadb {
        Executed::Mariadb(parse_mariadb(gtids)?)
    } else if has_gtid_mode(connection).await? {
        Executed::Mysql(parse_mysql(gtids)?)
    } else {
        return Err(Error::definite("the server does not write GTIDs")
            .remedy("start at a file and offset, or set gtid_mode = ON on the server"));
    };
    Ok(Position { executed: Some(executed), ..earliest(connection).await? })
}

/// Whether every transaction of a MySQL server has a GTID.
///
/// # Errors
/// As [`end_of_log`].
pub(crate) async fn has_gtid_mode(connection: &mut Connection) -> Result<bool> {
    // Asked for each table of a copy: far cheaper for the server than SHOW VARIABLES.
    match connection.try_query("SELECT @@GLOBAL.gtid_mode").await? {
        Ok(rows) => Ok(rows.first().and_then(|row| row.at(0)) == Some("ON")),
        Err(error) if error.code == UNKNOWN_VARIABLE => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// A global variable; `None` when this version does not have it.
///
/// # Errors
/// A lost connection.
pub(crate) async fn variable(connection: &mut Connection, name: &str) -> Result<Option<String>> {
    let rows = connection.query(&format!("SHOW GLOBAL VARIABLES LIKE '{name}'")).await?;
    Ok(rows.first().and_then(|row| row.at(1)).map(str::to_owned))
}

/// The binlog files, oldest first.
///
/// # Errors
/// As [`end_of_log`].
pub(crate) async fn log_files(connection: &mut Connection) -> Result<Vec<LogFile>> {
    let rows = connection.query("SHOW BINARY LOGS").await?;
    let file = |row: super::response::Row<'_>| {
        Some(LogFile { name: row.at(0)?.to_owned(), bytes: row.at(1)?.parse().ok()? })
    };
    rows.iter().map(|row| file(row).ok_or_else(|| wrong_answer("SHOW BINARY LOGS"))).collect()
}

/// Makes sure that the server can send its log from a position on.
///
/// # Errors
/// Definite when it cannot: what is missing, and what it still has. Else as [`end_of_log`].
pub(crate) async fn can_serve(connection: &mut Connection, from: &Position) -> Result<()> {
    match &from.executed {
        Some(Executed::Mysql(set)) => can_serve_mysql(connection, set, &from.log).await,
        Some(Executed::Mariadb(gtids)) if gtids.iter().next().is_some() => {
            can_serve_mariadb(connection, gtids, &from.log).await
        }
        Some(Executed::Mariadb(_)) | None => has_place(connection, &from.log).await,
    }
}

async fn can_serve_mysql(connection: &mut Connection, set: &GtidSet, log: &LogPosition) -> Result<()> {
    if connection.version().mariadb {
        return Err(Error::definite("the position is of a MySQL server, and this is MariaDB").at(log));
    }
    let statement = format!(
        "SELECT GTID_SUBTRACT('{set}', @@GLOBAL.gtid_executed), GTID_SUBTRACT(@@GLOBAL.gtid_purged, '{set}')"
    );
    let rows = connection.query(&statement).await?;
    let row = rows.first().ok_or_else(|| wrong_answer("GTID_SUBTRACT"))?;
    let (unknown, purged) = (row.at(0).unwrap_or_default(), row.at(1).unwrap_or_default());
    if !unknown.is_empty() {
        return Err(ahead(&one_line(unknown), log));
    }
    if !purged.is_empty() {
        return Err(gone(&one_line(purged), log, &log_files(connection).await?));
    }
    Ok(())
}

async fn can_serve_mariadb(
    connection: &mut Connection,
    gtids: &MariadbGtidPosition,
    log: &LogPosition,
) -> Result<()> {
    if !connection.version().mariadb {
        return Err(Error::definite("the position is of a MariaDB server, and this is MySQL").at(log));
    }
    let rows = connection.query("SELECT @@GLOBAL.gtid_binlog_state, @@GLOBAL.gtid_slave_pos").await?;
    let row = rows.first().ok_or_else(|| wrong_answer("gtid_binlog_state"))?;
    let last_logged = last_of_each_server(row.at(0).unwrap_or_default())?;
    let replicated = parse_mariadb(row.at(1).unwrap_or_default())?;
    let unknown = not_among(gtids, &last_logged, &replicated);
    if unknown.iter().next().is_some() {
        return Err(ahead(&unknown.to_string(), log));
    }
    let files = log_files(connection).await?;
    let Some(first) = files.first() else { return Err(gone("all", log, &files)) };
    let statement = format!("SELECT BINLOG_GTID_POS({}, {FIRST_EVENT})", quoted(&first.name));
    let start = parse_mariadb(&connection.query_text(&statement).await?.unwrap_or_default())?;
    if gtids.contains_all(&start) {
        Ok(())
    } else {
        Err(gone(&format!("behind {gtids} up to {}", difference(&start, gtids)), log, &files))
    }
}

/// Reads `gtid_binlog_state`: for each domain and each server that ever wrote to it the last transaction.
fn last_of_each_server(state: &str) -> Result<Vec<MariadbGtid>> {
    let mut last = Vec::new();
    for gtid in state.split(',') {
        last.extend(parse_mariadb(gtid)?.iter());
    }
    Ok(last)
}

/// The transactions of a position that a server does not have. Its last number of the domain does not tell: after a failover
/// another server gives the same numbers to other transactions. What the server has replicated without logging it
/// counts where it is exactly the position's (MariaDB, `check_slave_start_position`).
fn not_among(
    position: &MariadbGtidPosition,
    last_logged: &[MariadbGtid],
    replicated: &MariadbGtidPosition,
) -> MariadbGtidPosition {
    let mut unknown = MariadbGtidPosition::default();
    for gtid in position.iter() {
        let is_logged = last_logged.iter().any(|last| {
            (last.domain, last.server) == (gtid.domain, gtid.server) && last.number >= gtid.number
        });
        if !is_logged && replicated.iter().all(|last| last != gtid) {
            unknown.add(gtid);
        }
    }
    unknown
}

/// The transactions of `a` that `b` has not reached.
fn difference(a: &MariadbGtidPosition, b: &MariadbGtidPosition) -> String {
    let mut missing = MariadbGtidPosition::default();
    for gtid in a.iter() {
        if b.iter().all(|other| other.domain != gtid.domain || other.number < gtid.number) {
            missing.add(gtid);
        }
    }
    missing.to_string()
}

fn ahead(missing: &str, log: &LogPosition) -> Error {
    Error::definite(format!("the server does not have the transactions {missing}, which the task has read already"))
        .at(log)
        .remedy(
            "if it is a replica that is behind, wait; if it took over without them, they exist at the destination alone: \
             compare, and start the task anew",
        )
}

fn gone(missing: &str, log: &LogPosition, files: &[LogFile]) -> Error {
    Error::definite(format!("the server has purged the transactions {missing}; {}", what_it_has(files))).at(log).remedy(
        "the changes are lost for this task: start it anew, and keep the log longer (binlog_expire_logs_seconds)",
    )
}

/// Makes sure that a file and offset are in the server's log.
async fn has_place(connection: &mut Connection, log: &LogPosition) -> Result<()> {
    let (file, offset) = binlog::place(log)?;
    let files = log_files(connection).await?;
    match files.iter().find(|candidate| candidate.name == **file) {
        Some(found) if offset <= found.bytes => Ok(()),
        Some(found) => Err(Error::definite(format!("the file ends at {}, before the position", found.bytes))
            .at(log)
            .remedy("the server lost the end of its log in a crash, or is another one: compare, and start the task anew")),
        None => Err(Error::definite(format!("the server does not have the file; {}", what_it_has(&files)))
            .at(log)
            .remedy(
                "purged changes are lost for this task: start it anew, and keep the log longer (binlog_expire_logs_seconds)",
            )),
    }
}

fn what_it_has(files: &[LogFile]) -> String {
    match files {
        [] => "it has no binlog file".to_owned(),
        [only] => format!("it has {}", only.name),
        [first, .., last] => format!("it has {} to {}", first.name, last.name),
    }
}

/// Bytes of log between two places of this server; `None` when they are not of its log.
///
/// # Errors
/// As [`end_of_log`].
pub(crate) async fn bytes_between(
    connection: &mut Connection,
    from: &LogPosition,
    to: &LogPosition,
) -> Result<Option<u64>> {
    let ((first, start), (last, end)) = (binlog::place(from)?, binlog::place(to)?);
    if first == last {
        return Ok(Some(end.saturating_sub(start)));
    }
    Ok(sum_of_bytes(&log_files(connection).await?, (first, start), (last, end)))
}

/// The same over a list of files.
pub(crate) fn sum_of_bytes(files: &[LogFile], from: (&str, u64), to: (&str, u64)) -> Option<u64> {
    let place = |name: &str| files.iter().position(|file| file.name == name);
    let (first, last) = (place(from.0)?, place(to.0)?);
    if first > last {
        return Some(0);
    }
    let whole: u64 = files.get(first..last)?.iter().map(|file| file.bytes).sum();
    Some((whole + to.1).saturating_sub(from.1))
}

/// The transactions of MySQL that lie before an offset of a file: those before the file, which it begins with, and those in it.
async fn transactions_before(connection: &mut Connection, file: &str, offset: u64) -> Result<GtidSet> {
    if offset <= FIRST_EVENT {
        let statement = format!("SHOW BINLOG EVENTS IN {} LIMIT 3", quoted(file));
        let rows = connection.query(&statement).await?;
        let previous = rows.iter().find(|row| row.text("Event_type") == Some("Previous_gtids"));
        return parse_mysql(previous.and_then(|row| row.text("Info")).unwrap_or_default());
    }
    let mut set = String::new();
    let mut next = FIRST_EVENT;
    loop {
        let statement = format!("SHOW BINLOG EVENTS IN {} FROM {next} LIMIT {EVENTS_AT_ONCE}", quoted(file));
        let rows = connection.query(&statement).await?;
        let before = next;
        for row in rows.iter() {
            let pos: u64 = row.text("Pos").and_then(|text| text.parse().ok()).unwrap_or(u64::MAX);
            if pos >= offset {
                return parse_mysql(&set);
            }
            let info = row.text("Info").unwrap_or_default();
            if row.text("Event_type") == Some("Previous_gtids") {
                let _ = write!(set, "{info},");
            } else if let Some(gtid) = gtid_next(info) {
                let _ = write!(set, "{gtid},");
            }
            next = row.text("End_log_pos").and_then(|text| text.parse().ok()).unwrap_or(next);
        }
        if next == before {
            return parse_mysql(&set);
        }
    }
}

/// The GTID in the description of a GTID event; `None` for other events and anonymous transactions.
fn gtid_next(info: &str) -> Option<&str> {
    let gtid = info.strip_prefix("SET @@SESSION.GTID_NEXT= '")?.strip_suffix('\'')?;
    gtid.contains(':').then_some(gtid)
}

fn parse_mysql(text: &str) -> Result<GtidSet> {
    text.parse().map_err(|error| Error::definite("not a set of GTIDs").caused_by(error))
}

fn parse_mariadb(text: &str) -> Result<MariadbGtidPosition> {
    text.parse().map_err(|error| Error::definite("not a GTID position").caused_by(error))
}

fn wrong_answer(statement: &str) -> Error {
    Error::definite("the server's answer is not understood").on(statement)
}

/// A set without the line ends that the server puts into it.
fn one_line(set: &str) -> String {
    set.replace('\n', "")
}

/// A string literal. Names of files and tables come from the server or the task file and may hold anything.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// Whether `applied` has passed `fence`: by transactions where both have them, else by their place in one server's log.
pub(crate) fn reached(applied: &Position, fence: &Position) -> bool {
    match (&applied.executed, &fence.executed) {
        // An empty MariaDB position says nothing about where in the log it is.
        (Some(ours), Some(theirs)) => ours.contains_all(theirs),
        _ => applied.log.compare(&fence.log).is_some_and(|order| order.is_ge()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn bytes_over_several_files() {
        let file = |name: &str, bytes| LogFile { name: name.to_owned(), bytes };
        let files = [file("b.000001", 100), file("b.000002", 200), file("b.000003", 50)];
        assert_eq!(sum_of_bytes(&files, ("b.000001", 40), ("b.000003", 50)), Some(60 + 200 + 50));
        assert_eq!(sum_of_bytes(&files, ("b.000002", 40), ("b.000002", 50)), Some(10));
        assert_eq!(sum_of_bytes(&files, ("b.000003", 4), ("b.000002", 50)), Some(0));
        assert_eq!(sum_of_bytes(&files, ("b.000009", 4), ("b.000002", 50)), None);
    }

    #[test]
    fn a_fence_is_passed_by_transactions_or_by_place() {
        let at = |offset, gtids: Option<&str>| {
            Position::binlog("b.000001", offset, gtids.map(|gtids| gtids.parse().unwrap()))
        };
        let uuid = "00010203-0405-0607-0809-0a0b0c0d0e0f";
        let (five, six) = (format!("{uuid}:1-5"), format!("{uuid}:1-6"));
        assert!(reached(&at(10, None), &at(10, None)) && !reached(&at(9, None), &at(10, None)));
        // Another server's file: only the transactions count.
        let elsewhere = Position::binlog("other.000007", 4, Some(six.parse().unwrap()));
        assert!(reached(&elsewhere, &at(900, Some(&five))));
        assert!(!reached(&at(900, Some(&five)), &elsewhere));
        assert!(!reached(&Position::binlog("other.000007", 4, None), &at(10, None)));
    }

    #[test]
    fn missing_transactions_of_mariadb_are_told_by_domain() {
        let position = |text: &str| text.parse::<MariadbGtidPosition>().unwrap();
        assert_eq!(difference(&position("0-1-9,1-1-3,2-1-1"), &position("0-2-8,1-1-3")), "0-1-9,2-1-1");
        let state = last_of_each_server("0-1-8,0-2-12,1-1-3").unwrap();
        // Server 2 has passed the number 9, with transactions of its own.
        let missing = |ours: &str, replicated: &str| {
            not_among(&position(ours), &state, &position(replicated)).to_string()
        };
        assert_eq!(missing("0-1-9,1-1-3", ""), "0-1-9");
        assert_eq!(missing("0-1-8,1-1-2", ""), "");
        assert_eq!(missing("0-1-9", "0-1-9"), "");
    }
}
