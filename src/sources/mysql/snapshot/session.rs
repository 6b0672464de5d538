//! Connections that read tables: their settings, and those that wait for the next table. Connecting, and asking what is the same for
//! all tables, takes longer than reading a small table does.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use slackwater_decoders::{mysql::catalog::Catalog, schema::TableName};

use super::start::LOCK_WAIT;
use crate::{
    error::Result,
    sources::{
        mysql::{
            catalog,
            connection::{Address, Connection},
            hosts::Hosts,
        },
        snapshot::TableEstimate,
    },
};

/// A connection that waited longer is asked whether it still works.
const FRESH: Duration = Duration::from_secs(5);

/// A connection that reads tables.
pub(in crate::sources::mysql) struct Session {
    pub(in crate::sources::mysql) connection: Connection,
    /// Where it leads to.
    pub(in crate::sources::mysql) address: Address,
    /// A catalog with the settings of the server and the defaults of its databases, without tables. (The server's own statements
    /// say what a table has of the defaults.)
    pub(in crate::sources::mysql) empty: Arc<Catalog>,
}

impl Session {
    /// Prepares a new connection.
    ///
    /// # Errors
    /// The server's error, or a lost connection.
    pub(in crate::sources::mysql) async fn new(
        (mut connection, address): (Connection, Address),
    ) -> Result<Self> {
        prepare(&mut connection).await?;
        let empty = Arc::new(catalog::without_tables(&mut connection).await?);
        Ok(Session { connection, address, empty })
    }
}

/// What the readers of several tables share: the connections that wait for a table, and estimates.
#[derive(Default)]
pub(in crate::sources::mysql) struct Sessions {
    reading: Idle<Session>,
    /// Connections that lock tables.
    locking: Idle<(Connection, Address)>,
    /// Bytes of a row of each table, as estimated when the tables were listed.
    row_bytes: Mutex<HashMap<TableName, u64>>,
}

impl Sessions {
    /// A connection that reads tables of the server that is read now.
    ///
    /// # Errors
    /// As [`Hosts::connect`].
    pub(in crate::sources::mysql) async fn reading(&self, hosts: &Hosts) -> Result<Session> {
        while let Some((mut session, since)) = self.reading.take() {
            let is_current = hosts.current() == Some(&session.address);
            if is_current && works(&mut session.connection, since).await {
                return Ok(session);
            }
        }
        Session::new(hosts.connect().await?).await
    }

    /// Keeps a connection without a transaction and without an answer on its way.
    pub(in crate::sources::mysql) fn keep(&self, session: Session) {
        self.reading.put(session);
    }

    /// A connection to that server that locks tables, and whether it is a new one.
    ///
    /// # Errors
    /// As [`Hosts::connect_to`].
    pub(in crate::sources::mysql) async fn locking(
        &self,
        hosts: &Hosts,
        address: &Address,
    ) -> Result<(Connection, bool)> {
        while let Some(((mut connection, leads_to), since)) = self.locking.take() {
            if leads_to == *address && works(&mut connection, since).await {
                return Ok((connection, false));
            }
        }
        Ok((hosts.connect_to(address).await?, true))
    }

    /// Keeps a connection without locks.
    pub(in crate::sources::mysql) fn keep_locking(&self, connection: Connection, address: Address) {
        self.locking.put((connection, address));
    }

    /// Keeps what is estimated of the rows of tables.
    pub(in crate::sources::mysql) fn estimated(&self, tables: &[TableEstimate]) {
        let bytes = |table: &TableEstimate| (table.table.clone(), table.bytes / table.rows.max(1));
        *lock(&self.row_bytes) = tables.iter().map(bytes).collect();
    }

    /// Bytes of a row of that table, where they were estimated.
    pub(in crate::sources::mysql) fn row_bytes(&self, table: &TableName) -> Option<u64> {
        lock(&self.row_bytes).get(table).copied()
    }

    /// Closes all connections, and forgets the estimates.
    pub(in crate::sources::mysql) fn close(&self) {
        self.reading.clear();
        self.locking.clear();
        *lock(&self.row_bytes) = HashMap::new();
    }
}

/// Whether a connection that waited since `since` can be used.
async fn works(connection: &mut Connection, since: Instant) -> bool {
    since.elapsed() < FRESH || connection.ping().await.is_ok()
}

/// Connections that wait, and since when.
struct Idle<T>(Mutex<Vec<(T, Instant)>>);

impl<T> Default for Idle<T> {
    fn default() -> Self {
        Idle(Mutex::default())
    }
}

impl<T> Idle<T> {
    fn take(&self) -> Option<(T, Instant)> {
        lock(&self.0).pop()
    }

    fn put(&self, connection: T) {
        lock(&self.0).push((connection, Instant::now()));
    }

    fn clear(&self) {
        lock(&self.0).clear();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sets the session so that values come as they are stored, and that queries are neither cut short nor broken off.
///
/// # Errors
/// The server's error, or a lost connection.
async fn prepare(connection: &mut Connection) -> Result<()> {
    // Text comes in the character set of its column, instants in UTC. Dates that do not exist may stand in keys, and so in conditions. CHAR
    // values have no trailing spaces (PAD_CHAR_TO_FULL_LENGTH), as in the log. While the destination is slow we do not read.
    connection
        .query(&format!(
            "SET NAMES utf8mb4, character_set_results = NULL, time_zone = '+00:00', sql_mode = 'ALLOW_INVALID_DATES', \
             sql_quote_show_create = 1, sql_select_limit = 18446744073709551615, sql_big_selects = 1, \
             net_write_timeout = 3600, wait_timeout = 86400, lock_wait_timeout = {LOCK_WAIT}, autocommit = 1",
        ))
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
