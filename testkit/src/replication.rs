//! The log's end and its GTIDs, and native replication between two servers.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail, ensure};

use crate::{Flavor, Server};

/// A place in the binlog: the byte offset in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BinlogPosition {
    /// The file's name without a directory.
    pub file: String,
    /// Bytes from the start of the file.
    pub offset: u64,
}

impl Server {
    /// Closes the current binlog file and opens the next one.
    ///
    /// # Errors
    ///
    /// When the server is not running.
    pub fn flush_logs(&self) -> anyhow::Result<()> {
        self.exec("FLUSH BINARY LOGS")
    }

    /// The binlog files that the server still has, oldest first.
    ///
    /// # Errors
    ///
    /// When the server is not running.
    pub fn binlog_files(&self) -> anyhow::Result<Vec<PathBuf>> {
        let rows = self.query("SHOW BINARY LOGS")?;
        rows.into_iter()
            .map(|row| {
                let name = row.into_iter().next().flatten().context("a binlog file has no name")?;
                Ok(self.binlog_dir().join(String::from_utf8(name)?))
            })
            .collect()
    }

    /// The end of the binlog: the offset after its last event.
    ///
    /// # Errors
    ///
    /// When the server is not running or writes no binlog.
    pub fn end_of_log(&self) -> anyhow::Result<BinlogPosition> {
        // MySQL 8.4 took the old statement away; the MySQL 5 and MariaDB servers know only that.
        let statement = match self.flavor() {
            Flavor::Mysql97 => "SHOW BINARY LOG STATUS",
            _ => "SHOW MASTER STATUS",
        };
        let row = self.query(statement)?.into_iter().next().context("the server writes no binlog")?;
        let mut texts = row.into_iter().flatten().map(String::from_utf8);
        let file = texts.next().context("no file name")??;
        let offset = texts.next().context("no offset")??.parse()?;
        Ok(BinlogPosition { file, offset })
    }

    /// All transactions in the log so far: MySQL's `gtid_executed` on one line, MariaDB's `gtid_binlog_pos`.
    ///
    /// # Errors
    ///
    /// When the server is not running.
    pub fn gtid_position(&self) -> anyhow::Result<String> {
        let variable = if self.flavor().is_mariadb() { "gtid_binlog_pos" } else { "gtid_executed" };
        let position = self.query_string(&format!("SELECT @@GLOBAL.{variable}"))?;
        Ok(position.unwrap_or_default().replace('\n', ""))
    }

    /// Makes this server a replica of `source`, by GTID, from the beginning of what it lacks.
    ///
    /// # Errors
    ///
    /// When the two are of different products or have the same server id, or a statement fails.
    pub fn replica_of(&self, source: &Server) -> anyhow::Result<()> {
        ensure!(
            self.flavor().is_mariadb() == source.flavor().is_mariadb(),
            "{self} cannot replicate from {source}: their GTIDs differ"
        );
        ensure!(self.server_id() != source.server_id(), "{self} and {source} have the same server id");
        let port = source.port();
        self.exec(&match self.flavor() {
            Flavor::Mysql97 => format!(
                "CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = {port}, \
                 SOURCE_USER = 'root', SOURCE_AUTO_POSITION = 1, SOURCE_CONNECT_RETRY = 1, \
                 GET_SOURCE_PUBLIC_KEY = 1; START REPLICA"
            ),
            Flavor::Mysql57 | Flavor::Mysql56 => format!(
                "CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {port}, MASTER_USER = 'root', \
                 MASTER_AUTO_POSITION = 1, MASTER_CONNECT_RETRY = 1; START SLAVE"
            ),
            Flavor::Mariadb1011 | Flavor::Mariadb118 => format!(
                "CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = {port}, MASTER_USER = 'root', \
                 MASTER_USE_GTID = slave_pos, MASTER_CONNECT_RETRY = 1; START SLAVE"
            ),
        })
    }

    /// Waits until this replica has applied all that `source` has in its log at the time of the call.
    ///
    /// # Errors
    ///
    /// After `timeout`, with the replica's own account of its state.
    pub fn wait_for_replication(&self, source: &Server, timeout: Duration) -> anyhow::Result<()> {
        let position = source.gtid_position()?;
        let seconds = timeout.as_secs().max(1);
        let (function, done) = match self.flavor() {
            Flavor::Mysql97 | Flavor::Mysql57 => ("WAIT_FOR_EXECUTED_GTID_SET", "0"),
            Flavor::Mysql56 => ("WAIT_UNTIL_SQL_THREAD_AFTER_GTIDS", "0 or more"),
            Flavor::Mariadb1011 | Flavor::Mariadb118 => ("MASTER_GTID_WAIT", "0"),
        };
        let result = self.query_string(&format!("SELECT {function}('{position}', {seconds})"))?;
        let applied = match (done, result.as_deref()) {
            ("0", Some("0")) => true,
            // 5.6 answers with the number of transactions it has waited for, or -1.
            ("0 or more", Some(count)) => !count.starts_with('-'),
            _ => false,
        };
        if !applied {
            bail!("{self} has not applied {position} after {timeout:?}: {}", self.replica_errors()?);
        }
        Ok(())
    }

    /// Ends replication for good: this server stands alone and keeps what it has applied.
    ///
    /// # Errors
    ///
    /// When a statement fails.
    pub fn promote(&self) -> anyhow::Result<()> {
        self.exec(match self.flavor() {
            Flavor::Mysql97 => "STOP REPLICA; RESET REPLICA ALL; SET GLOBAL read_only = OFF",
            _ => "STOP SLAVE; RESET SLAVE ALL; SET GLOBAL read_only = OFF",
        })
    }

    /// The `Last_…Error` columns of the replica's status that say something.
    fn replica_errors(&self) -> anyhow::Result<String> {
        use mysql::prelude::Queryable;

        let statement = match self.flavor() {
            Flavor::Mysql97 => "SHOW REPLICA STATUS",
            _ => "SHOW SLAVE STATUS",
        };
        let Some(status) = self.conn()?.query_first::<mysql::Row, _>(statement)? else {
            return Ok("it is not a replica".into());
        };
        let errors: Vec<String> = status
            .columns_ref()
            .iter()
            .enumerate()
            .filter(|(_, column)| column.name_str().ends_with("_Error"))
            .filter_map(|(index, column)| {
                let text: String = status.get_opt(index)?.ok()?;
                (!text.is_empty()).then(|| format!("{}: {text}", column.name_str()))
            })
            .collect();
        Ok(if errors.is_empty() { "it reports no error".into() } else { errors.join("; ") })
    }
}
