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
    value::{Cell, Value},
};

use super::{
    literal::{self, Unfit},
    session::{APPLY_MODE, Session},
    tables::ReadyTable,
};
use crate::{
    changes::{self, Image, Step, diverged, row_missing},
    error::{Error, Result},
    types::mysql::Server,
};

/// A statement is sent when it is that long, in bytes.
const STATEMENT_BYTES: usize = 1 << 20;
/// All tables together gather at most that much, in bytes.
const GATHERED_BYTES: usize = 16 << 20;

/// What is gathered and not sent yet.
pub(super) struct Gathered {
    tables: HashMap<TableName, TableChanges>,
    bytes: usize,
    rows_limit: usize,
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
        Gathered { tables: HashMap::new(), bytes: 0, rows_limit: rows_limit as usize }
    }

    /// Forgets what is gathered: its transaction is rolled back.
    pub(super) fn clear(&mut self) {
        self.tables.clear();
        self.bytes = 0;
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
        let statement = RowStatement::new(table, rows, session);
        match step {
            Step::Insert(row) | Step::Upsert(row)
                if row.iter().filter_map(|cell| cell.value()).any(literal::needs_lenient_mode) =>
            {
                self.send_table(session, &rows.table.name).await?;
                statement.write_leniently(session, row).await
            }
            Step::Insert(row) | Step::Upsert(row) => {
                let key = matches!(step, Step::Upsert(_)).then(|| statement.key(row)).transpose()?;
                let values = statement.values(row)?;
                self.room(session, table, rows, values.len()).await?;
                let changes = self.changes(table, rows);
                changes.write(&values, key);
                self.bytes += values.len();
                Ok(())
            }
            Step::Delete(row) => {
                let key = statement.key(row)?;
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
            self.deletes.extend_from_slice(if self.single_key() { b"," } else { b" OR " });
        }
        self.deletes.extend_from_slice(key);
        self.delete_rows += 1;
    }

    fn single_key(&self) -> bool {
        self.table.key.as_ref().is_some_and(|key| key.len() == 1)
    }

    async fn send(self, session: &mut Session) -> Result<()> {
        let failed = |error: Error| error.on(format!("{} near {}", self.table.table.name, self.position));
        if self.delete_rows > 0 {
            let mut sql = format!("DELETE FROM {} WHERE ", self.table.name).into_bytes();
            let column = self
                .table
                .key
                .iter()
                .flatten()
                .next()
                .and_then(|ordinal| self.table.columns.get(usize::from(*ordinal)));
            if let (true, Some(column)) = (self.single_key(), column) {
                sql.extend_from_slice(format!("{column} IN (").as_bytes());
                sql.extend_from_slice(&self.deletes);
                sql.push(b')');
            } else {
                sql.extend_from_slice(&self.deletes);
            }
            session.run(sql).await.map_err(failed)?;
        }
        if self.write_rows > 0 {
            let mut sql = self.table.write_head.clone().into_bytes();
            sql.reserve(self.writes.len() + self.table.write_tail.len());
            sql.extend_from_slice(&self.writes);
            sql.extend_from_slice(self.table.write_tail.as_bytes());
            if sql.len() > session.max_packet {
                return Err(failed(too_long(sql.len())));
            }
            session.run(sql).await.map_err(failed)?;
        }
        Ok(())
    }
}

fn too_long(bytes: usize) -> Error {
    let wanted = bytes.next_power_of_two().min(1 << 30);
    Error::definite(format!(
        "a statement of {bytes} bytes is longer than the destination's max_allowed_packet"
    ))
    .remedy(format!("SET GLOBAL max_allowed_packet = {wanted};"))
}

/// Statements for the row of one change.
pub(super) struct RowStatement<'a, 'b> {
    table: &'a ReadyTable,
    rows: &'a Rows<'b>,
    session_server: Server,
}

impl<'a, 'b> RowStatement<'a, 'b> {
    pub(super) fn new(table: &'a ReadyTable, rows: &'a Rows<'b>, session: &Session) -> Self {
        RowStatement { table, rows, session_server: session.server }
    }

    /// The row in parentheses. A column that the image lacks takes its default.
    fn values(&self, row: Image<'_>) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(16 * row.len());
        for (ordinal, cell) in row.iter().enumerate().filter(|(ordinal, _)| self.writable(*ordinal)) {
            out.push(if out.is_empty() { b'(' } else { b',' });
            match cell {
                Cell::Value(value) => self.literal(&mut out, ordinal, *value)?,
                Cell::Absent | Cell::Unchanged => out.extend_from_slice(b"DEFAULT"),
            }
        }
        if out.is_empty() {
            out.push(b'(');
        }
        out.push(b')');
        Ok(out)
    }

    /// The key: its literal when it is one column, else a condition in parentheses.
    fn key(&self, row: Image<'_>) -> Result<Vec<u8>> {
        let key = self.table.key.as_deref().unwrap_or_default();
        let mut out = Vec::with_capacity(16);
        for (place, ordinal) in key.iter().map(|ordinal| usize::from(*ordinal)).enumerate() {
            let value = row.get(ordinal).and_then(|cell| cell.value());
            let value = value
                .ok_or_else(|| diverged(self.rows, "the row image lacks a column of the table's key"))?;
            if key.len() > 1 {
                out.extend_from_slice(if place == 0 { b"(" } else { b" AND " });
                out.extend_from_slice(self.name(ordinal).as_bytes());
                out.push(b'=');
            }
            self.literal(&mut out, ordinal, value)?;
        }
        if key.len() > 1 {
            out.push(b')');
        }
        Ok(out)
    }

    /// The condition for the row with the key of `row`.
    fn by_key(&self, row: Image<'_>) -> Result<Vec<u8>> {
        let key = self.key(row)?;
        let mut out = Vec::with_capacity(key.len() + 16);
        if let Some([ordinal]) = self.table.key.as_deref() {
            out.extend_from_slice(self.name(usize::from(*ordinal)).as_bytes());
            out.push(b'=');
        }
        out.extend_from_slice(&key);
        Ok(out)
    }

    /// The condition for the rows that equal `row`, and the choice of one.
    fn equal_row(&self, row: Image<'_>) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        for (ordinal, cell) in row.iter().enumerate().filter(|(ordinal, _)| self.writable(*ordinal)) {
            let (Some(value), Some(column)) = (cell.value(), self.rows.table.columns.get(ordinal)) else {
                continue;
            };
            if !out.is_empty() {
                out.extend_from_slice(b" AND ");
            }
            match value {
                Value::Text(text) if self.table.documents.get(ordinal) == Some(&true) => {
                    literal::push_equal_document(&mut out, self.name(ordinal), text);
                }
                value => {
                    literal::push_equal(&mut out, self.name(ordinal), column, value, self.session_server)
                        .map_err(|what| self.unfit(ordinal, what))?
                }
            }
        }
        if out.is_empty() {
            out.push(b'1');
        }
        // Documents that are equal may be written differently (1 and 1.0): the one written the same is taken first.
        let mut order = " ORDER BY ";
        for (ordinal, cell) in row.iter().enumerate() {
            if let (Some(Value::Json(json)), false) = (cell.value(), self.session_server.mariadb) {
                out.extend_from_slice(format!("{order}CAST({} AS CHAR) = ", self.name(ordinal)).as_bytes());
                literal::quoted(&mut out, json.text);
                out.extend_from_slice(b" DESC");
                order = ", ";
            }
        }
        out.extend_from_slice(b" LIMIT 1");
        Ok(out)
    }

    /// `UPDATE … SET` with what `after` tells, without a condition; `None` when it tells nothing.
    fn assignments(&self, after: Image<'_>) -> Result<Option<Vec<u8>>> {
        let mut out = format!("UPDATE {} SET ", self.table.name).into_bytes();
        let start = out.len();
        for (ordinal, cell) in after.iter().enumerate().filter(|(ordinal, _)| self.writable(*ordinal)) {
            let Some(value) = cell.value() else { continue };
            if out.len() > start {
                out.push(b',');
            }
            out.extend_from_slice(self.name(ordinal).as_bytes());
            out.push(b'=');
            match value {
                Value::JsonDiff(diff) => {
                    literal::push_json_diff(&mut out, self.name(ordinal), diff, self.session_server)
                        .map_err(|what| self.unfit(ordinal, what))?
                }
                value => self.literal(&mut out, ordinal, value)?,
            }
        }
        Ok((out.len() > start).then(|| {
            out.extend_from_slice(b" WHERE ");
            out
        }))
    }

    async fn update_by_key(&self, session: &mut Session, before: Image<'_>, after: Image<'_>) -> Result<()> {
        if self.try_update_by_key(session, before, after).await? {
            return Ok(());
        }
        Err(row_missing(self.rows))
    }

    /// Deletes the row with that key; `false` when there is none.
    pub(super) async fn delete_by_key(&self, session: &mut Session, before: Image<'_>) -> Result<bool> {
        let mut sql = format!("DELETE FROM {} WHERE ", self.table.name).into_bytes();
        sql.extend_from_slice(&self.by_key(before)?);
        Ok(self.run(session, sql, &[]).await? > 0)
    }

    /// Writes what `after` tells into the row with the key of `before`; `false` when there is none.
    pub(super) async fn try_update_by_key(
        &self,
        session: &mut Session,
        before: Image<'_>,
        after: Image<'_>,
    ) -> Result<bool> {
        let Some(head) = self.assignments(after)? else { return Ok(true) };
        let run = |condition: Vec<u8>| [head.as_slice(), condition.as_slice()].concat();
        if self.run(session, run(self.by_key(before)?), after).await? > 0 {
            return Ok(true);
        }
        // A replay may find the row under its new key already.
        let key = self.table.key.as_deref().unwrap_or_default();
        let whole =
            key.iter().all(|ordinal| matches!(after.get(usize::from(*ordinal)), Some(Cell::Value(_))));
        Ok(changes::key_moves(key, before, after)
            && whole
            && self.run(session, run(self.by_key(after)?), after).await? > 0)
    }

    async fn update_exact(&self, session: &mut Session, before: Image<'_>, after: Image<'_>) -> Result<()> {
        let Some(mut sql) = self.assignments(after)? else { return Ok(()) };
        sql.extend_from_slice(&self.equal_row(before)?);
        match self.run(session, sql, after).await? {
            0 => Err(row_missing(self.rows)),
            _ => Ok(()),
        }
    }

    async fn delete_exact(&self, session: &mut Session, row: Image<'_>) -> Result<()> {
        let mut sql = format!("DELETE FROM {} WHERE ", self.table.name).into_bytes();
        sql.extend_from_slice(&self.equal_row(row)?);
        match self.run(session, sql, &[]).await? {
            0 => Err(row_missing(self.rows)),
            _ => Ok(()),
        }
    }

    async fn write_leniently(&self, session: &mut Session, row: Image<'_>) -> Result<()> {
        let mut sql = self.table.write_head.clone().into_bytes();
        sql.extend_from_slice(&self.values(row)?);
        sql.extend_from_slice(self.table.write_tail.as_bytes());
        self.run(session, sql, row).await.map(drop)
    }

    /// Runs a statement that writes the cells of `written`. The error value of an ENUM is only taken outside of strict mode:
    /// then the warnings have to be for these columns, and for nothing else.
    async fn run(&self, session: &mut Session, sql: Vec<u8>, written: Image<'_>) -> Result<u64> {
        let failed = |error: Error| error.on(&self.rows.table.name).at(&self.rows.position);
        if sql.len() > session.max_packet {
            return Err(failed(too_long(sql.len())));
        }
        if !written.iter().filter_map(|cell| cell.value()).any(literal::needs_lenient_mode) {
            return session.run(sql).await.map_err(failed);
        }
        let lenient = APPLY_MODE.trim_start_matches("STRICT_ALL_TABLES,");
        session.run(format!("SET SESSION sql_mode = '{lenient}'")).await.map_err(failed)?;
        let affected = session.run(sql).await.map_err(failed)?;
        let warnings: Vec<(String, u16, String)> = session.rows("SHOW WARNINGS").await.map_err(failed)?;
        session.run(format!("SET SESSION sql_mode = '{APPLY_MODE}'")).await.map_err(failed)?;
        // 1265: data truncated for column '…'. 1287: VALUES() is deprecated.
        let expected = |message: &str| {
            written.iter().zip(&self.rows.table.columns).any(|(cell, column)| {
                cell.value().is_some_and(literal::needs_lenient_mode)
                    && message.contains(&format!("'{}'", column.name))
            })
        };
        if warnings.iter().all(|(_, code, message)| *code == 1287 || (*code == 1265 && expected(message))) {
            return Ok(affected);
        }
        Err(diverged(self.rows, "a value does not fit its column at the destination"))
    }

    fn literal(&self, out: &mut Vec<u8>, ordinal: usize, value: Value<'_>) -> Result<()> {
        let column = self.rows.table.columns.get(ordinal);
        let column = column
            .ok_or_else(|| diverged(self.rows, "a row image has more columns than the table's definition"))?;
        literal::push(out, column, value, self.session_server).map_err(|what| self.unfit(ordinal, what))
    }

    fn unfit(&self, ordinal: usize, what: Unfit) -> Error {
        let column = self.rows.table.columns.get(ordinal).map_or("", |column| &column.name);
        Error::definite(what).on(format!("{}, column {column}", self.rows.table.name)).at(&self.rows.position)
    }

    fn name(&self, ordinal: usize) -> &str {
        self.table.columns.get(ordinal).map_or("", String::as_str)
    }

    fn writable(&self, ordinal: usize) -> bool {
        self.table.writable.get(ordinal).copied().unwrap_or(false)
    }
}
