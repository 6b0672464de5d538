//! Statements for single rows, and the parts of statements for many.

use std::io::Write as _;

use slackwater_decoders::{
    event::Rows,
    value::{Cell, Value},
};

use super::{
    literal::{self, Unfit, Unwritable},
    session::{APPLY_MODE, Session, refusal},
    tables::{ReadyTable, WriteForm},
};
use crate::{
    changes::{self, Image, diverged, row_missing},
    error::{Error, Result},
    types::mysql::Server,
};

/// A statement is sent when it is that long, in bytes.
pub(super) const STATEMENT_BYTES: usize = 1 << 20;

/// The error of a statement that the server does not take.
pub(super) fn too_long(bytes: usize) -> Error {
    let wanted = bytes.next_power_of_two().min(1 << 30);
    Error::definite(format!(
        "a statement of {bytes} bytes is longer than the destination's max_allowed_packet"
    ))
    .remedy(format!("SET GLOBAL max_allowed_packet = {wanted};"))
}

/// Whether the row has a value that strict mode refuses ([`literal::needs_lenient_mode`]).
pub(super) fn needs_lenient_mode(row: Image<'_>) -> bool {
    row.iter().filter_map(|cell| cell.value()).any(literal::needs_lenient_mode)
}

/// Statements for the row of one change.
pub(super) struct RowStatement<'a, 'b> {
    table: &'a ReadyTable,
    rows: &'a Rows<'b>,
    server: Server,
    converging: bool,
}

impl<'a, 'b> RowStatement<'a, 'b> {
    pub(super) fn new(table: &'a ReadyTable, rows: &'a Rows<'b>, server: Server) -> Self {
        RowStatement { table, rows, server, converging: false }
    }

    /// Whether the row may be missing, and others may have its unique values.
    pub(super) fn converging(self, converging: bool) -> Self {
        RowStatement { converging, ..self }
    }

    /// The server they are for.
    pub(super) fn server(&self) -> Server {
        self.server
    }

    /// Appends the row in parentheses. A column that the image lacks takes its default.
    pub(super) fn push_values(&self, out: &mut Vec<u8>, row: Image<'_>) -> Result<()> {
        let mut before = b'(';
        for (ordinal, cell) in row.iter().enumerate().filter(|(ordinal, _)| self.writable(*ordinal)) {
            out.push(before);
            before = b',';
            match cell {
                Cell::Value(value) => self.literal(out, ordinal, *value)?,
                Cell::Absent | Cell::Unchanged => out.extend_from_slice(b"DEFAULT"),
            }
        }
        if before == b'(' {
            out.push(b'(');
        }
        out.push(b')');
        Ok(())
    }

    /// Appends the value of the key, in parentheses when it has several columns.
    pub(super) fn push_key(&self, out: &mut Vec<u8>, row: Image<'_>) -> Result<()> {
        let key = self.table.key.as_deref().unwrap_or_default();
        let several = key.len() > 1;
        for (place, ordinal) in key.iter().map(|ordinal| usize::from(*ordinal)).enumerate() {
            let value = row.get(ordinal).and_then(|cell| cell.value());
            let value = value
                .ok_or_else(|| diverged(self.rows, "the row image lacks a column of the table's key"))?;
            if several {
                out.push(if place == 0 { b'(' } else { b',' });
            }
            self.literal(out, ordinal, value)?;
        }
        if several {
            out.push(b')');
        }
        Ok(())
    }

    /// The condition for the row with the key of `row`.
    fn by_key(&self, row: Image<'_>) -> Result<Vec<u8>> {
        let mut out = format!("{}=", self.table.key_columns).into_bytes();
        self.push_key(&mut out, row)?;
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
                    let value = self.as_text(ordinal, value).unwrap_or(value);
                    literal::push_equal(&mut out, self.name(ordinal), column, value, self.server)
                        .map_err(|what| self.unfit(ordinal, what))?;
                }
            }
        }
        if out.is_empty() {
            out.push(b'1');
        }
        // Documents that are equal may be written differently (1 and 1.0): the one written the same is taken first.
        let mut order = " ORDER BY ";
        for (ordinal, cell) in row.iter().enumerate() {
            if let (Some(Value::Json(json)), false) = (cell.value(), self.server.mariadb) {
                out.extend_from_slice(format!("{order}CAST({} AS CHAR) = ", self.name(ordinal)).as_bytes());
                literal::quoted(&mut out, json.text);
                out.extend_from_slice(b" DESC");
                order = ", ";
            }
        }
        out.extend_from_slice(b" LIMIT 1");
        Ok(out)
    }

    /// Appends the value that `after` gives the column, which may hang on the present one.
    fn push_new_value(&self, out: &mut Vec<u8>, ordinal: usize, value: Value<'_>) -> Result<()> {
        match value {
            Value::JsonDiff(diff) => literal::push_json_diff(out, self.name(ordinal), diff, self.server)
                .map_err(|what| self.unfit(ordinal, what)),
            value => self.literal(out, ordinal, value),
        }
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
            self.push_new_value(&mut out, ordinal, value)?;
        }
        Ok((out.len() > start).then(|| {
            out.extend_from_slice(b" WHERE ");
            out
        }))
    }

    pub(super) async fn update_by_key(
        &self,
        session: &mut Session,
        before: Image<'_>,
        after: Image<'_>,
    ) -> Result<()> {
        match self.try_update_by_key(session, before, after).await {
            Ok(true) => Ok(()),
            Ok(false) => self.missing(),
            // Another row has a unique value that this one takes, and is to lose it later.
            Err(error) if self.converging && refusal(&error) == Some(1062) => {
                self.take_place(session, before, after).await
            }
            Err(error) => Err(error),
        }
    }

    /// Says that the row of a change is not there, where it has to be.
    fn missing(&self) -> Result<()> {
        if self.converging { Ok(()) } else { Err(row_missing(self.rows)) }
    }

    /// Writes what `after` tells into the row with the key of `before`, and removes rows that have its unique values.
    async fn take_place(&self, session: &mut Session, before: Image<'_>, after: Image<'_>) -> Result<()> {
        let [verb, into] = self.table.head(WriteForm::Replace);
        let mut sql = [verb, into.trim_end_matches(" VALUES ")].concat().into_bytes();
        let mut separator = " SELECT ";
        for (ordinal, cell) in after.iter().enumerate().filter(|(ordinal, _)| self.writable(*ordinal)) {
            sql.extend_from_slice(separator.as_bytes());
            separator = ",";
            match cell.value() {
                Some(value) => self.push_new_value(&mut sql, ordinal, value)?,
                None => sql.extend_from_slice(self.name(ordinal).as_bytes()),
            }
        }
        let _ = write!(sql, " FROM {} WHERE ", self.table.name);
        sql.extend_from_slice(&self.by_key(before)?);
        self.run(session, sql, after).await?;
        let key = self.table.key.as_deref().unwrap_or_default();
        if !changes::key_moves(key, before, after) {
            return Ok(());
        }
        let now: Vec<_> = before
            .iter()
            .zip(after)
            .map(|(before, after)| if after.value().is_some() { *after } else { *before })
            .collect();
        // Keys that differ in case alone are one row.
        let mut sql = format!("DELETE FROM {} WHERE ", self.table.name).into_bytes();
        sql.extend_from_slice(&self.by_key(before)?);
        sql.extend_from_slice(b" AND NOT ");
        sql.extend_from_slice(&self.by_key(&now)?);
        self.run(session, sql, &[]).await.map(drop)
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

    pub(super) async fn update_exact(
        &self,
        session: &mut Session,
        before: Image<'_>,
        after: Image<'_>,
    ) -> Result<()> {
        let Some(mut sql) = self.assignments(after)? else { return Ok(()) };
        sql.extend_from_slice(&self.equal_row(before)?);
        match self.run(session, sql, after).await? {
            0 => self.missing(),
            _ => Ok(()),
        }
    }

    pub(super) async fn delete_exact(&self, session: &mut Session, row: Image<'_>) -> Result<()> {
        let mut sql = format!("DELETE FROM {} WHERE ", self.table.name).into_bytes();
        sql.extend_from_slice(&self.equal_row(row)?);
        match self.run(session, sql, &[]).await? {
            0 => self.missing(),
            _ => Ok(()),
        }
    }

    /// Writes the row, whose key may be there, by a statement of its own.
    pub(super) async fn write_leniently(&self, session: &mut Session, row: Image<'_>) -> Result<()> {
        let form = if self.converging { WriteForm::Replace } else { self.table.write };
        let mut sql = self.table.head(form).concat().into_bytes();
        self.push_values(&mut sql, row)?;
        sql.extend_from_slice(self.table.tail(form).as_bytes());
        self.run(session, sql, row).await.map(drop)
    }

    /// Runs a statement that writes the cells of `written`. The error value of an ENUM is only taken outside of strict mode:
    /// then the warnings have to be for these columns, and for nothing else.
    async fn run(&self, session: &mut Session, sql: Vec<u8>, written: Image<'_>) -> Result<u64> {
        let failed = |error: Error| error.on(&self.rows.table.name).at(&self.rows.position);
        if sql.len() > session.max_packet {
            return Err(failed(too_long(sql.len())));
        }
        if !needs_lenient_mode(written) {
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
        let value = self.as_text(ordinal, value).unwrap_or(value);
        literal::push(out, column, value, self.server).map_err(|what| self.unfit(ordinal, what))
    }

    /// A number as the text of a column that is one.
    fn as_text<'v>(&self, ordinal: usize, value: Value<'v>) -> Option<Value<'v>> {
        match value {
            Value::Decimal(digits) if self.table.texts.get(ordinal) == Some(&true) => {
                Some(Value::Text(digits))
            }
            _ => None,
        }
    }

    /// An error about a value of that column.
    pub(super) fn unfit(&self, ordinal: usize, what: Unfit) -> Error {
        let column = self.rows.table.columns.get(ordinal).map_or("", |column| &column.name);
        Error::definite("a value has no form at the destination")
            .caused_by(Unwritable(what))
            .on(format!("{}, column {column}", self.rows.table.name))
            .at(&self.rows.position)
    }

    fn name(&self, ordinal: usize) -> &str {
        self.table.columns.get(ordinal).map_or("", String::as_str)
    }

    /// Whether the destination takes values for that column.
    pub(super) fn writable(&self, ordinal: usize) -> bool {
        self.table.writable.get(ordinal).copied().unwrap_or(false)
    }
}
