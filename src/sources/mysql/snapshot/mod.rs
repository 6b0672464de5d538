//! Copying tables: reading their rows with SELECTs while others write.
//!
//! A table with a key is read in the order of the key by bounded queries: each goes on behind the last row of the one before,
//! `WHERE key > last ORDER BY key LIMIT n`, so that no transaction stays open for long, and a copy that was interrupted goes on where the
//! destination's last block ends. Where rows lie thick or thin in the key's range does not matter: a query ends after a number
//! of rows, never at a place that was guessed. `n` follows from how long the last query took ([`Pace`](crate::sources::pace::Pace)).
//!
//! The rows are torn between the queries, which the log repairs, if one thing holds: what the log has up to the table's
//! [start](crate::sources::snapshot::TableReader::start) is in every row that is read. `start` sees to that. The end of the log that a
//! server tells may be behind transactions that it shows: between writing a transaction to its log and making it visible lies
//! a moment, and with semi-synchronous replication seconds.
//!
//! A table without a key is read in one stream, exactly as it is at its start (`stream`).
//!
//! Modules: `session` connections and their settings; `definition` the table's definition, and whether it changed; `start` positions;
//! `query` statements and `bound` places in a key; `rows` blocks from rows; `keyed` and `stream` the two readers.

pub(super) mod bound;
pub(super) mod definition;
mod keyed;
pub(super) mod query;
pub(super) mod rows;
pub(super) mod session;
mod start;
mod stream;

use std::sync::Arc;

use async_trait::async_trait;
use slackwater_decoders::schema::TableName;

pub(super) use self::session::Sessions;
use self::{
    definition::Definitions, keyed::KeyedReader, rows::RowSource, session::Session, start::Engine,
    stream::StreamReader,
};
use super::{Mysql, catalog, connection::Connection};
use crate::{
    error::Result,
    sources::snapshot::{CopyPoint, SnapshotSource, TableEstimate, TableReader},
};

/// Bytes of rows that a block has at most unless set otherwise, but for a row that is longer.
pub(super) const BLOCK_BYTES: usize = 2 << 20;

#[async_trait]
impl SnapshotSource for Mysql {
    async fn tables(&self) -> Result<Vec<TableEstimate>> {
        let mut control = self.hosts.control().await?;
        let tables = estimates(&mut control.connection).await;
        let mut tables = control.keep(tables)?;
        tables.retain(|estimate| (self.selected)(&estimate.table));
        self.sessions.estimated(&tables);
        Ok(tables)
    }

    async fn read_table(
        &self,
        table: &TableName,
        resume: Option<&CopyPoint>,
    ) -> Result<Option<Box<dyn TableReader>>> {
        let mut session = match resume {
            // The rows have to hold what lies before the start: of several servers, not each may.
            Some(point) if self.hosts.addresses().len() > 1 => {
                Session::new(self.hosts.connect_for(&point.start).await?).await?
            }
            _ => self.sessions.reading(&self.hosts).await?,
        };
        let definitions = Definitions::new(table, Arc::clone(&session.empty));
        let Some(definition) = definitions.read(&mut session.connection).await? else {
            self.sessions.keep(session);
            return Ok(None);
        };
        let sessions = Arc::clone(&self.sessions);
        let source = RowSource::new(session, sessions, self.block_bytes, self.throttle.clone());
        if definition.table.key().is_some() {
            let reader = KeyedReader::open(source, definitions, definition, resume, self).await?;
            return Ok(reader.map(|reader| Box::new(reader) as Box<dyn TableReader>));
        }
        let reader = StreamReader::open(source, definitions, self).await?;
        Ok(reader.map(|reader| Box::new(reader) as Box<dyn TableReader>))
    }

    fn all_read(&self) {
        self.sessions.close();
    }
}

/// All tables with what the server estimates of them, in one question.
///
/// # Errors
/// The server's error, or a lost connection.
pub(super) async fn estimates(connection: &mut Connection) -> Result<Vec<TableEstimate>> {
    if connection.version().is_mysql(8, 0, 0) {
        connection.query("SET SESSION information_schema_stats_expiry = 0").await?;
    }
    let rows = connection
        .query(&format!(
            "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_ROWS, DATA_LENGTH FROM information_schema.TABLES \
             WHERE TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') AND TABLE_SCHEMA NOT IN ({})",
            catalog::SYSTEM
        ))
        .await?;
    let number = |text: Option<&str>| text.and_then(|text| text.parse().ok()).unwrap_or_default();
    Ok(rows
        .iter()
        .filter_map(|row| {
            Some(TableEstimate {
                table: TableName::new(row.at(0)?, row.at(1)?),
                rows: number(row.at(2)),
                bytes: number(row.at(3)),
            })
        })
        .collect())
}
