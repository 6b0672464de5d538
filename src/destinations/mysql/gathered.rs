//! Changes of rows, gathered into statements of many rows.
//!
//! Within a transaction nobody sees the order in which different rows are written, only the order of the changes of one
//! row matters. So each table gathers keys to delete and rows to write, and its deletes run before its writes: a delete of
//! a key that is among the rows to write sends both first. Everything else (a partial image, a row of a table without
//! a key) sends what its table has gathered and then runs by itself.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use slackwater_decoders::{
    event::{RowChange, Rows},
    schema::TableName,
};

use super::{
    session::Session,
    statement::{RowStatement, STATEMENT_BYTES, needs_lenient_mode, too_long},
    tables::ReadyTable,
};
use crate::{
    changes::{self, Step},
    error::{Error, Result},
};

/// All tables together gather at most that much, in bytes.
const GATHERED_BYTES: usize = 16 << 20;

/// What is gathered and not sent yet.
pub(super) struct Gathered {
    tables: HashMap<TableName, TableChanges>,
    bytes: usize,
    rows_limit: usize,
    converging: bool,
}

/// What is gathered of one table.
struct TableChanges {
    table: Arc<ReadyTable>,
    position: String,
    writes: Vec<u8>,
    write_rows: usize,
    written_keys: HashSet<Vec<u8>>,
    deletes: Vec<u8>,
    delete_rows: usize,
}

impl Gathered {
    pub(super) fn new(rows_limit: u32) -> Self {
        Gathered { tables: HashMap::new(), bytes: 0, rows_limit: rows_limit as usize, converging: false }
    }

    /// Whether rows that are to be changed may be missing from here on (see [`crate::changes::Group::is_converging`]).
    pub(super) fn set_converging(&mut self, converging: bool) {
        self.converging = converging;
    }

    /// Forgets what is gathered: its transaction is rolled back.
    pub(super) fn clear(&mut self) {
        self.tables.clear();
        self.bytes = 0;
    }

    /// What [`set_converging`](Self::set_converging) said.
    pub(super) fn is_converging(&self) -> bool {
        self.converging
    }

    /// Takes the changes of one event.
    pub(super) async fn rows(
        &mut self,
        session: &mut Session,
        table: &Arc<ReadyTable>,
        rows: &Rows<'_>,
    ) -> Result<()> {
        if rows.unlogged_cascades && table.cascades && table.key.is_some() {
            return self.cascading_rows(session, table, rows).await;
        }
        for change in rows.changes {
            self.change(session, table, rows, change).await?;
        }
        Ok(())
    }

    pub(super) async fn change(
        &mut self,
        session: &mut Session,
        table: &Arc<ReadyTable>,
        rows: &Rows<'_>,
        change: &RowChange<'_>,
    ) -> Result<()> {
        for step in changes::steps(rows, table.key.as_deref(), change)?.into_iter().flatten() {
            self.step(session, table, rows, step).await?;
        }
        Ok(())
    }

    async fn step(
        &mut self,
        session: &mut Session,
        table: &Arc<ReadyTable>,
        rows: &Rows<'_>,
        step: Step<'_>,
    ) -> Result<()> {
        let statement = RowStatement::new(table, rows, session.server).converging(self.converging);
        match step {
            Step::Insert(row) | Step::Upsert(row) if needs_lenient_mode(row) => {
                self.send_table(session, &rows.table.name).await?;
                statement.write_leniently(session, row).await
            }
            Step::Insert(row) | Step::Upsert(row) => {
                let (mut key, mut values) = (Vec::new(), Vec::with_capacity(16 * row.len()));
                let keyed = matches!(step, Step::Upsert(_));
                if keyed {
                    statement.push_key(&mut key, row)?;
                }
                statement.push_values(&mut values, row)?;
                let key = keyed.then_some(key);
                self.room(session, table, rows, values.len()).await?;
                let changes = self.changes(table, rows);
                changes.write(&values, key);
                self.bytes += values.len();
                Ok(())
            }
            Step::Delete(row) => {
                let mut key = Vec::with_capacity(16);
                statement.push_key(&mut key, row)?;
                self.room(session, table, rows, key.len()).await?;
                if self.changes(table, rows).written_keys.contains(&key) {
                    self.send_table(session, &rows.table.name).await?;
                }
                let bytes = key.len();
                self.changes(table, rows).delete(&key);
                self.bytes += bytes;
                Ok(())
            }
            Step::Update { before, after } => {
                self.send_table(session, &rows.table.name).await?;
                statement.update_by_key(session, before, after).await
            }
            Step::UpdateExact { before, after } => {
                self.send_table(session, &rows.table.name).await?;
                statement.update_exact(session, before, after).await
            }
            Step::DeleteExact(row) => {
                self.send_table(session, &rows.table.name).await?;
                statement.delete_exact(session, row).await
            }
        }
    }

    fn changes(&mut self, table: &Arc<ReadyTable>, rows: &Rows<'_>) -> &mut TableChanges {
        self.tables.entry(rows.table.name.clone()).or_insert_with(|| TableChanges {
            table: Arc::clone(table),
            position: rows.position.to_string(),
            writes: Vec::new(),
            write_rows: 0,
            written_keys: HashSet::new(),
            deletes: Vec::new(),
            delete_rows: 0,
        })
    }

    /// Sends what has to go before `bytes` more of that table are gathered.
    async fn room(
        &mut self,
        session: &mut Session,
        table: &Arc<ReadyTable>,
        rows: &Rows<'_>,
        bytes: usize,
    ) -> Result<()> {
        if self.bytes + bytes > GATHERED_BYTES {
            return self.send_all(session).await;
        }
        let limit = STATEMENT_BYTES.min(session.max_packet.saturating_sub(4096));
        let full = self.tables.get(&rows.table.name).is_some_and(|changes| {
            !Arc::ptr_eq(&changes.table, table)
                || changes.write_rows.max(changes.delete_rows) >= self.rows_limit
                || changes.writes.len().max(changes.deletes.len()) + bytes > limit
        });
        if full { self.send_table(session, &rows.table.name).await } else { Ok(()) }
    }

    async fn send_table(&mut self, session: &mut Session, table: &TableName) -> Result<()> {
        match self.tables.remove(table) {
            Some(changes) => {
                self.bytes = self.bytes.saturating_sub(changes.writes.len() + changes.deletes.len());
                changes.send(session).await
            }
            None => Ok(()),
        }
    }

    /// Sends everything.
    pub(super) async fn send_all(&mut self, session: &mut Session) -> Result<()> {
        self.bytes = 0;
        for (_, changes) in self.tables.drain() {
            changes.send(session).await?;
        }
        Ok(())
    }
}

impl TableChanges {
    fn write(&mut self, values: &[u8], key: Option<Vec<u8>>) {
        if self.write_rows > 0 {
            self.writes.push(b',');
        }
        self.writes.extend_from_slice(values);
        self.write_rows += 1;
        self.written_keys.extend(key);
    }

    fn delete(&mut self, key: &[u8]) {
        if self.delete_rows > 0 {
            self.deletes.push(b',');
        }
        self.deletes.extend_from_slice(key);
        self.delete_rows += 1;
    }

    async fn send(self, session: &mut Session) -> Result<()> {
        let failed = |error: Error| error.on(format!("{} near {}", self.table.table.name, self.position));
        if self.delete_rows > 0 {
            let mut sql = self.table.delete_head().into_bytes();
            sql.extend_from_slice(&self.deletes);
            sql.push(b')');
            session.run(sql).await.map_err(failed)?;
        }
        if self.write_rows > 0 {
            let mut sql = self.table.head(self.table.write).concat().into_bytes();
            sql.extend_from_slice(&self.writes);
            sql.extend_from_slice(self.table.tail(self.table.write).as_bytes());
            if sql.len() > session.max_packet {
                return Err(failed(too_long(sql.len())));
            }
            session.run(sql).await.map_err(failed)?;
        }
        Ok(())
    }
}
