//! Changes of rows, one prepared statement for each kind of step of a table.
//!
//! A whole row is written by `INSERT OR REPLACE`: it takes the place of the row with its key, and of a row that holds one of its
//! other unique values. The latter exists only while an older part of the log is applied again, and then the log goes on
//! to bring that row to its final state. Foreign keys and recursive triggers are off, so that nothing follows from it.

use rusqlite::{CachedStatement, Connection, Statement, types::Value as Owned};
use slackwater_decoders::{
    event::{RowChange, Rows},
    value::{Cell, JsonDiff, Value},
};

use super::{
    dead_letter::{self, DeadLetters, Unstorable},
    defaults, failed,
    tables::{ReadyTable, Tables},
    values::{Scratch, stored},
};
use crate::{
    changes::{self, Image, NetChanges, Step, Steps, diverged, row_missing, whole_rows},
    error::{Error, Result},
};

/// How changes are applied.
pub(super) struct Mode<'a> {
    /// Whether a row to be changed may be missing: see [`Group::is_converging`](crate::changes::Group::is_converging).
    pub(super) converging: bool,
    /// Takes what the file refuses; `None`: that stops the task.
    pub(super) dead_letters: Option<&'a mut DeadLetters>,
}

/// Applies the changes of one event, in their order.
pub(super) fn rows(
    connection: &Connection,
    tables: &mut Tables,
    rows: &Rows<'_>,
    mode: Mode<'_>,
) -> Result<()> {
    if rows.changes.is_empty() {
        return Ok(());
    }
    let table = tables.ready(connection, &rows.table, &rows.position)?;
    let mut writer = Writer::new(connection, table, rows, mode);
    for (change, number) in rows.changes.iter().zip(0..) {
        let steps = changes::steps(rows, table.key.as_deref(), change)?;
        writer.change(change, Some(number), |writer| writer.steps(steps))?;
    }
    Ok(())
}

/// Applies net effects on rows with a key: what goes, what comes, what changes.
pub(super) fn net(
    connection: &Connection,
    tables: &mut Tables,
    net: &NetChanges<'_>,
    mode: Mode<'_>,
) -> Result<()> {
    let rows = net.without_changes();
    let table = tables.ready(connection, &rows.table, &rows.position)?;
    if table.key.is_none() {
        return Err(diverged(&rows, "changes were folded by the key of a table that has none"));
    }
    let mut writer = Writer::new(connection, table, &rows, mode);
    for row in &net.deletes {
        writer.change(&RowChange::Delete { before: row }, None, |writer| writer.delete(row).map(drop))?;
    }
    for row in &net.inserts {
        writer.change(&RowChange::Insert { after: row }, None, |writer| writer.write(row, &table.write))?;
    }
    for row in &net.upserts {
        // What the row was is not known any more.
        let change = RowChange::Update { before: &[], after: row };
        writer.change(&change, None, |writer| writer.write(row, &table.write))?;
    }
    for row in &net.updates {
        let change = RowChange::Update { before: &[], after: row };
        writer.change(&change, None, |writer| writer.update_by_key(row, row))?;
    }
    Ok(())
}

/// Writes rows of one table, each statement prepared once.
pub(super) struct Writer<'a, 'b> {
    connection: &'a Connection,
    table: &'a ReadyTable,
    rows: &'a Rows<'b>,
    mode: Mode<'a>,
    write: Option<CachedStatement<'a>>,
    delete: Option<CachedStatement<'a>>,
    scratch: Scratch,
}

impl<'a, 'b> Writer<'a, 'b> {
    /// A writer for `rows.table`; `rows` says where and when as well.
    pub(super) fn new(
        connection: &'a Connection,
        table: &'a ReadyTable,
        rows: &'a Rows<'b>,
        mode: Mode<'a>,
    ) -> Self {
        Writer { connection, table, rows, mode, write: None, delete: None, scratch: Scratch::default() }
    }

    /// Makes a change by `make`, or keeps it as a dead letter where that is wanted and the file refuses it.
    pub(super) fn change(
        &mut self,
        change: &RowChange<'_>,
        number: Option<u64>,
        make: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        let made = make(self);
        // A trigger in the file may have rolled the whole transaction back.
        let (Err(refusal), Some(letters), false) =
            (&made, self.mode.dead_letters.as_mut(), self.connection.is_autocommit())
        else {
            return made;
        };
        if !dead_letter::is_refusal(refusal) {
            return made;
        }
        letters.keep(self.connection, self.rows, change, number, refusal)
    }

    /// Takes the steps of one change: both of them or, when the second one is refused, none.
    fn steps(&mut self, steps: Steps<'_>) -> Result<()> {
        let [first, second] = steps;
        let both = first.is_some() && second.is_some() && self.mode.dead_letters.is_some();
        if both {
            self.connection.execute_batch("SAVEPOINT change").map_err(|error| self.failed(error))?;
        }
        let done = [first, second].into_iter().flatten().try_for_each(|step| self.step(step));
        if both && !self.connection.is_autocommit() {
            let back = if done.is_err() { "ROLLBACK TO change; " } else { "" };
            let end = format!("{back}RELEASE change");
            self.connection.execute_batch(&end).map_err(|error| self.failed(error))?;
        }
        done
    }

    fn step(&mut self, step: Step<'_>) -> Result<()> {
        match step {
            Step::Insert(row) | Step::Upsert(row) => self.write(row, &self.table.write),
            Step::Delete(row) => self.delete(row).map(drop),
            Step::DeleteExact(row) => match self.delete(row)? {
                0 => Err(row_missing(self.rows)),
                _ => Ok(()),
            },
            Step::Update { before, after } => self.update_by_key(before, after),
            Step::UpdateExact { before, after } => match self.update(before, before, after)? {
                0 => Err(row_missing(self.rows)),
                _ => Ok(()),
            },
        }
    }

    /// Writes a whole row by `sql`, always the same one for a writer.
    pub(super) fn write(&mut self, row: Image<'_>, sql: &str) -> Result<()> {
        // A parameter that nothing is bound to would be NULL.
        if row.len() != self.table.columns.len() {
            return Err(diverged(
                self.rows,
                "a row image has another number of columns than the table's definition",
            ));
        }
        let mut statement = match self.write.take() {
            Some(statement) => statement,
            None => self.prepare(sql)?,
        };
        for (place, cell) in row.iter().enumerate() {
            match cell {
                Cell::Value(value) => self.bind(&mut statement, place + 1, place, *value)?,
                Cell::Absent | Cell::Unchanged => self.bind_default(&mut statement, place)?,
            }
        }
        self.run(&mut statement)?;
        self.write = Some(statement);
        Ok(())
    }

    fn delete(&mut self, row: Image<'_>) -> Result<usize> {
        let mut statement = match self.delete.take() {
            Some(statement) => statement,
            None => self.prepare(&self.table.delete)?,
        };
        self.bind_condition(&mut statement, row)?;
        let removed = self.run(&mut statement)?;
        self.delete = Some(statement);
        Ok(removed)
    }

    /// A replay may find the row under its new key already.
    fn update_by_key(&mut self, before: Image<'_>, after: Image<'_>) -> Result<()> {
        let key = self.table.key.as_deref().unwrap_or_default();
        if self.update(before, before, after)? == 0 {
            let moved = changes::key_moves(key, before, after);
            let whole =
                key.iter().all(|ordinal| matches!(after.get(usize::from(*ordinal)), Some(Cell::Value(_))));
            let found = moved && whole && self.update(after, after, after)? > 0;
            if !found && !self.mode.converging {
                return Err(row_missing(self.rows));
            }
        }
        Ok(())
    }

    /// Sets what `after` tells in the row that `place` identifies; returns how many rows there were.
    fn update(&mut self, place: Image<'_>, before: Image<'_>, after: Image<'_>) -> Result<usize> {
        let (columns, rows) = (&self.table.columns, self.rows);
        let known: Vec<(usize, Value<'_>)> =
            after.iter().enumerate().filter_map(|(ordinal, cell)| Some((ordinal, cell.value()?))).collect();
        let first = self.condition_parameters();
        let sets: Vec<_> = known
            .iter()
            .enumerate()
            .filter_map(|(number, (ordinal, _))| {
                Some(format!("{} = ?{}", columns.get(*ordinal)?, first + number + 1))
            })
            .collect();
        if sets.is_empty() {
            return Ok(1);
        }
        let sql = format!(
            "UPDATE OR REPLACE {} SET {} WHERE {}",
            self.table.name,
            sets.join(", "),
            self.table.condition
        );
        let mut documents = Vec::new();
        for (ordinal, value) in &known {
            if let Value::JsonDiff(diff) = value {
                match self.changed_document(*ordinal, before, diff)? {
                    Some(document) => documents.push((*ordinal, document)),
                    None if self.mode.converging => return Ok(0),
                    None => return Err(row_missing(self.rows)),
                }
            }
        }
        let mut statement = self.prepare(&sql)?;
        self.bind_condition(&mut statement, place)?;
        for (number, (ordinal, value)) in known.iter().enumerate() {
            let parameter = first + number + 1;
            match documents.iter().find(|(document, _)| document == ordinal) {
                Some((_, text)) => {
                    statement.raw_bind_parameter(parameter, text).map_err(|error| self.failed(error))?;
                }
                None => self.bind(&mut statement, parameter, *ordinal, *value)?,
            }
        }
        statement.raw_execute().map_err(|error| failed(error).on(&rows.table.name).at(&rows.position))
    }

    /// The document in the file with the changes applied to it; `None`: there is no such row.
    fn changed_document(
        &mut self,
        ordinal: usize,
        key: Image<'_>,
        diff: &JsonDiff<'_>,
    ) -> Result<Option<String>> {
        let column = self.table.columns.get(ordinal).map_or("NULL", String::as_str);
        let sql = format!("SELECT {column} FROM {} WHERE {}", self.table.name, self.table.condition);
        let mut statement = self.prepare(&sql)?;
        self.bind_condition(&mut statement, key)?;
        let current: Option<Option<String>> = {
            let mut found = statement.raw_query();
            match found.next().map_err(|error| self.failed(error))? {
                Some(row) => Some(row.get(0).map_err(|error| self.failed(error))?),
                None => None,
            }
        };
        match current {
            None => Ok(None),
            Some(None) => Err(diverged(self.rows, "a JSON document changes in a row that has none")),
            Some(Some(text)) => {
                slackwater_decoders::mysql::json::apply_to_text(&text, diff).map(Some).map_err(|error| {
                    diverged(self.rows, "a change to a JSON document cannot be applied").caused_by(error)
                })
            }
        }
    }

    /// How many parameters the condition numbers.
    fn condition_parameters(&self) -> usize {
        self.table.key.as_ref().map_or(self.table.columns.len(), Vec::len)
    }

    fn bind_condition(&mut self, statement: &mut Statement<'_>, row: Image<'_>) -> Result<()> {
        match &self.table.key {
            Some(key) => {
                for (place, ordinal) in key.iter().map(|ordinal| usize::from(*ordinal)).enumerate() {
                    let value = row.get(ordinal).and_then(|cell| cell.value());
                    let value = value.ok_or_else(|| {
                        diverged(self.rows, "the row image lacks a column of the table's key")
                    })?;
                    self.bind(statement, place + 1, ordinal, value)?;
                }
            }
            None => {
                let columns = row.iter().zip(&self.table.table.columns).enumerate();
                for (place, (cell, _)) in columns.filter(|(_, (_, column))| column.generated.is_none()) {
                    let value = cell.value().unwrap_or(Value::Null);
                    self.bind(statement, place + 1, place, value)?;
                }
            }
        }
        Ok(())
    }

    fn bind(
        &mut self,
        statement: &mut Statement<'_>,
        parameter: usize,
        ordinal: usize,
        value: Value<'_>,
    ) -> Result<()> {
        let Some(column) = self.rows.table.columns.get(ordinal) else {
            return Err(diverged(self.rows, "a row image has more columns than the table's definition"));
        };
        let value =
            stored(column, value, &mut self.scratch).map_err(|what| unfit(self.rows, &column.name, what))?;
        statement
            .raw_bind_parameter(parameter, value)
            .map_err(|error| failed(error).on(&self.rows.table.name).at(&self.rows.position))
    }

    fn bind_default(&self, statement: &mut Statement<'_>, place: usize) -> Result<()> {
        let Some(column) = self.rows.table.columns.get(place) else { return Ok(()) };
        // The value of a computed column that the log does not have cannot be told, and nothing is lost without it.
        let value = match &column.generated {
            Some(_) => Owned::Null,
            None => defaults::initial_value(column, self.rows.time_micros)
                .map_err(|what| unfit(self.rows, &column.name, what).remedy(whole_rows(self.rows)))?,
        };
        statement.raw_bind_parameter(place + 1, value).map_err(|error| self.failed(error))
    }

    fn prepare(&self, sql: &str) -> Result<CachedStatement<'a>> {
        self.connection.prepare_cached(sql).map_err(|error| self.failed(error))
    }

    fn run(&self, statement: &mut Statement<'_>) -> Result<usize> {
        statement.raw_execute().map_err(|error| self.failed(error))
    }

    fn failed(&self, error: rusqlite::Error) -> Error {
        failed(error).on(&self.rows.table.name).at(&self.rows.position)
    }
}

/// A column that cannot be written, and why. Says nothing of the value.
fn unfit(rows: &Rows<'_>, column: &str, what: &'static str) -> Error {
    Error::definite("a value has no form in the file")
        .on(format!("{}, column {column}", rows.table.name))
        .at(&rows.position)
        .caused_by(Unstorable(what))
}
