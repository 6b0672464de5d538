//! Where in the log the copy of a table starts: everything that the log has up to there has to be visible to the reader.
//!
//! * MariaDB tells the position of a consistent snapshot (`START TRANSACTION WITH CONSISTENT SNAPSHOT`, the status variables
//!   `binlog_snapshot_file` and `binlog_snapshot_position`): exactly what is visible in it.
//! * MySQL with GTIDs: a transaction is added to `gtid_executed` after the storage engine committed it (`MYSQL_BIN_LOG::ordered_commit`,
//!   the commit stage). The file and offset beside it may lie further, so that the GTIDs have to decide.
//! * MySQL without GTIDs: the table is locked against changes for the moment in which the position is read. A transaction that changed it
//!   holds its locks until it is committed, so that there is none between its log and its rows.

use std::sync::Arc;

use slackwater_decoders::{position::Position, schema::TableName};

use super::{rows::RowSource, session::Sessions};
use crate::{
    error::{Error, Result},
    sources::mysql::{
        Mysql,
        catalog::qualified,
        connection::{Address, Connection},
        questions::{self, quoted},
        response::ServerError,
    },
};

/// Seconds that a lock may be waited for, during which changes of the table wait behind it.
pub(super) const LOCK_WAIT: u32 = 10;
/// ER_DBACCESS_DENIED_ERROR, ER_TABLEACCESS_DENIED_ERROR.
const DENIED: [u16; 2] = [1044, 1142];
/// ER_LOCK_WAIT_TIMEOUT.
pub(super) const WAITED: u16 = 1205;

/// What the server says of a table beside its definition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Engine {
    /// Whether its rows can be read in a consistent snapshot.
    pub(super) is_transactional: bool,
    /// Bytes of a row, estimated; 0 is not known.
    pub(super) row_bytes: u64,
}

impl Engine {
    /// Asks for the engine of a table.
    ///
    /// # Errors
    /// The server's error, or a lost connection.
    pub(super) async fn of(connection: &mut Connection, table: &TableName) -> Result<Self> {
        let statement = format!(
            "SELECT t.AVG_ROW_LENGTH, e.TRANSACTIONS FROM information_schema.TABLES t \
             LEFT JOIN information_schema.ENGINES e ON e.ENGINE = t.ENGINE \
             WHERE t.TABLE_SCHEMA = {} AND t.TABLE_NAME = {}",
            quoted(&table.database),
            quoted(&table.table)
        );
        let rows = connection.query(&statement).await?;
        let row = rows.first();
        Ok(Engine {
            is_transactional: row.and_then(|row| row.at(1)) == Some("YES"),
            row_bytes: row.and_then(|row| row.at(0)?.parse().ok()).unwrap_or_default(),
        })
    }
}

/// A position of which everything is visible to queries of `source` that follow.
///
/// # Errors
/// The server's error, a lost connection, or a lock that was not to be had.
pub(super) async fn settled(mysql: &Mysql, source: &mut RowSource, table: &TableName) -> Result<Position> {
    let connection = &mut source.session.connection;
    if connection.version().mariadb {
        let position = begin_snapshot(connection).await?;
        connection.query("COMMIT").await?;
        return Ok(position);
    }
    let end = questions::end_of_log(connection).await?;
    if end.executed.is_some() {
        return Ok(end);
    }
    let lock = Lock::take(mysql, &source.session.address, table).await?;
    let position = questions::end_of_log(connection).await?;
    lock.release().await?;
    Ok(position)
}

/// Begins a consistent snapshot on MariaDB and returns its position.
///
/// # Errors
/// The server's error, or a lost connection.
pub(super) async fn begin_snapshot(connection: &mut Connection) -> Result<Position> {
    connection.query("START TRANSACTION WITH CONSISTENT SNAPSHOT").await?;
    let rows = connection.query("SHOW STATUS LIKE 'binlog_snapshot_%'").await?;
    let value = |name: &str| {
        rows.iter().find(|row| row.at(0).is_some_and(|found| found.eq_ignore_ascii_case(name)))?.at(1)
    };
    let file = value("binlog_snapshot_file").filter(|file| !file.is_empty());
    let offset = value("binlog_snapshot_position").and_then(|offset| offset.parse().ok());
    let (Some(file), Some(offset)) = (file, offset) else {
        return Err(Error::definite("the server tells no position of a consistent snapshot")
            .remedy("start it with log_bin (and log_slave_updates on a replica)"));
    };
    questions::position_at(connection, file, offset).await
}

/// A table that nobody changes.
pub(super) struct Lock {
    connection: Connection,
    address: Address,
    sessions: Arc<Sessions>,
}

impl Lock {
    /// On the server at `address`: waits for those who change the table, and keeps others from doing so until the lock is released or dropped.
    ///
    /// # Errors
    /// Definite without the privilege LOCK TABLES; transient when the table is changed all the time.
    pub(super) async fn take(mysql: &Mysql, address: &Address, table: &TableName) -> Result<Self> {
        let (mut connection, is_new) = mysql.sessions.locking(&mysql.hosts, address).await?;
        if is_new {
            // Before 5.7, LOCK TABLES waits for transactions of others only by InnoDB's own locks, which it takes without autocommit.
            connection
                .query(&format!(
                    "SET SESSION lock_wait_timeout = {LOCK_WAIT}, innodb_lock_wait_timeout = {LOCK_WAIT}, \
                     innodb_table_locks = 1, autocommit = 0"
                ))
                .await?;
        }
        match connection.try_query(&format!("LOCK TABLES {} READ", qualified(table))).await? {
            Ok(_) => {
                let sessions = Arc::clone(&mysql.sessions);
                Ok(Lock { connection, address: address.clone(), sessions })
            }
            Err(error) => Err(refused(error, table)),
        }
    }

    /// Lets others change the table again.
    ///
    /// # Errors
    /// A lost connection.
    pub(super) async fn release(mut self) -> Result<()> {
        self.connection.query("UNLOCK TABLES").await?;
        self.sessions.keep_locking(self.connection, self.address);
        Ok(())
    }
}

fn refused(error: ServerError, table: &TableName) -> Error {
    if DENIED.contains(&error.code) {
        return Error::definite("the account may not lock the table for the moment in which its copy starts")
            .on(table)
            .caused_by(error)
            .remedy("GRANT LOCK TABLES, SELECT ON the table's database to the account");
    }
    if error.code == WAITED {
        return Error::transient(format!("the table could not be locked within {LOCK_WAIT} s"))
            .on(table)
            .caused_by(error)
            .remedy("end the transactions that have changed it and stay open");
    }
    Error::from(error).on(table)
}
