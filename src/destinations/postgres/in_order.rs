//! Changes of rows one by one, in their order: tables without a key, changes of documents, changes whose images lack what would
//! let them be folded, changes with consequences that are not in the log.

use std::{slice, sync::Arc};

use slackwater_decoders::{
    arena::ArenaPool,
    event::{RowChange, Rows},
    mysql::json,
    value::{Cell, Json, JsonDiff, Value},
};

use super::{
    dead_letter::{DeadLetters, is_refusal},
    session::{Session, UNIQUE_VIOLATION, code},
    statement::Statements,
    write::{Form, Part, Writer, alike, chunks, end_mark, mark},
};
use crate::{
    changes::{self, Image, Step, diverged},
    error::Result,
};

/// Where a change stands before it is tried.
const MARK: &str = "slackwater_change";

/// Applies the changes of one event.
pub(super) struct InOrder<'a, 'b> {
    pub(super) session: &'a mut Session,
    pub(super) statements: Statements<'a, 'b>,
    pub(super) object: Arc<str>,
}

impl<'b> InOrder<'_, 'b> {
    /// Sends the changes, which are refused together or not at all.
    pub(super) async fn send(&mut self) -> Result<()> {
        let rows = self.statements.rows;
        let mut added: Vec<Image<'b>> = Vec::new();
        for change in rows.changes {
            for step in
                changes::steps(rows, self.statements.table.key.as_deref(), change)?.into_iter().flatten()
            {
                if let Step::Insert(row) = step {
                    added.push(row);
                    continue;
                }
                self.send_added(&mut added).await?;
                self.send_step(step).await?;
            }
        }
        self.send_added(&mut added).await
    }

    /// Makes the changes one after the other, with what has to go first where a unique value is in the way. Returns how many are
    /// kept as dead letters.
    pub(super) async fn carefully(&mut self, dead_letters: Option<&DeadLetters>) -> Result<u64> {
        let rows = self.statements.rows;
        let mut letters = 0;
        for (change, number) in rows.changes.iter().zip(0..) {
            mark(self.session, MARK).await?;
            let mut made = self.make(change, false).await;
            let is_taken = |error| code(error).as_deref() == Some(UNIQUE_VIOLATION);
            if self.statements.table.key.is_some() && made.as_ref().is_err_and(is_taken) {
                // Ends the mark in any case.
                let _ = end_mark(self.session, MARK, made).await;
                mark(self.session, MARK).await?;
                made = self.make(change, true).await;
            }
            match (end_mark(self.session, MARK, made).await, dead_letters) {
                (Err(refusal), Some(to)) if is_refusal(&refusal) => {
                    letters += to.keep(self.session, rows, change, Some(number), &refusal).await?;
                }
                (made, _) => made?,
            }
        }
        Ok(letters)
    }

    async fn make(&mut self, change: &RowChange<'b>, over: bool) -> Result<()> {
        let rows = self.statements.rows;
        for step in changes::steps(rows, self.statements.table.key.as_deref(), change)?.into_iter().flatten()
        {
            if over {
                self.clear_way(step).await?;
            }
            self.send_step(step).await?;
        }
        self.session.settle().await
    }

    /// Removes what is in the way of a step in a table with a key.
    async fn clear_way(&mut self, step: Step<'b>) -> Result<()> {
        let (before, after) = match step {
            Step::Upsert(row) => (row, row),
            Step::Update { before, after } => (before, after),
            _ => return Ok(()),
        };
        let key = self.statements.table.key.as_deref().unwrap_or_default();
        if changes::key_moves(key, before, after) {
            let call = self.statements.delete(&[after])?;
            self.session.send(call, &self.object).await?;
        }
        self.writer().clear_way(before, after).await
    }

    fn writer(&mut self) -> Writer<'_, 'b> {
        let object = Arc::clone(&self.object);
        Writer { session: self.session, statements: self.statements, object }
    }

    async fn send_added(&mut self, added: &mut Vec<Image<'b>>) -> Result<()> {
        for alike in alike(added, Form::Insert) {
            for chunk in chunks(&alike) {
                self.writer().send(&Part::new(Form::Insert, chunk.to_vec())).await?;
            }
        }
        added.clear();
        Ok(())
    }

    async fn send_step(&mut self, step: Step<'b>) -> Result<()> {
        let form = if self.statements.converging { Form::Replace } else { Form::Upsert };
        let part = match step {
            Step::Insert(row) => Part::new(Form::Insert, vec![row]),
            Step::Upsert(row) => Part::new(form, vec![row]),
            Step::Delete(row) => Part::new(Form::Delete, vec![row]),
            Step::Update { before, after } => return self.send_update(before, after).await,
            Step::UpdateExact { before, after } => {
                let call = self.statements.update_exact(before, after)?;
                return self.session.send(call, &self.object).await;
            }
            Step::DeleteExact(row) => {
                let call = self.statements.delete_exact(row)?;
                return self.session.send(call, &self.object).await;
            }
        };
        self.writer().send(&part).await
    }

    async fn send_update(&mut self, before: Image<'b>, after: Image<'b>) -> Result<()> {
        let diff = |cell: &Cell<'b>| matches!(cell, Cell::Value(Value::JsonDiff(_)));
        if after.iter().any(diff) {
            return self.change_documents(before, after).await;
        }
        let call = self.statements.update_one(before, after)?;
        self.session.send(call, &self.object).await?;
        let key = self.statements.table.key.as_deref().unwrap_or_default();
        let told = |ordinal: &u16| matches!(after.get(usize::from(*ordinal)), Some(Cell::Value(_)));
        if self.statements.converging && changes::key_moves(key, before, after) && key.iter().all(told) {
            // It may have been copied under its new key.
            let call = self.statements.update_one(after, after)?;
            self.session.send(call, &self.object).await?;
        }
        Ok(())
    }

    /// Writes documents of which the log has the changes alone: each is read, changed and written.
    async fn change_documents(&mut self, before: Image<'b>, after: Image<'b>) -> Result<()> {
        let mut texts = Vec::with_capacity(after.len());
        for (ordinal, cell) in after.iter().enumerate() {
            texts.push(match cell {
                Cell::Value(Value::JsonDiff(diff)) => match self.document(ordinal, before, diff).await? {
                    Some(text) => Some(text),
                    None if self.statements.converging => return Ok(()),
                    None => return Err(self.statements.missing()),
                },
                _ => None,
            });
        }
        let pool = ArenaPool::new();
        let arena = pool.arena();
        let cells = after.iter().zip(&texts).map(|(cell, text)| match text {
            Some(text) => Cell::Value(Value::Json(arena.value(Json { text, typed: &[] }))),
            None => *cell,
        });
        let whole: Vec<Cell<'_>> = cells.collect();
        // The document lives no longer than this.
        let statements: Statements<'_, '_> = self.statements;
        let call = statements.update_one(before, &whole)?;
        self.session.send(call, &self.object).await
    }

    /// The document at the destination with the changes applied to it; `None`: there is no such row.
    async fn document(
        &mut self,
        ordinal: usize,
        key: Image<'b>,
        diff: &JsonDiff<'_>,
    ) -> Result<Option<String>> {
        let rows = self.statements.rows;
        let call = self.statements.document(ordinal, key)?;
        let parameters: Vec<_> =
            call.parameters.iter().map(|raw| raw as &(dyn tokio_postgres::types::ToSql + Sync)).collect();
        let found = self.session.query(&call.sql, &parameters).await?;
        match found.first().map(|row| row.get::<_, Option<String>>(0)) {
            None => Ok(None),
            Some(None) => Err(diverged(rows, "a JSON document changes in a row that has none")),
            Some(Some(text)) => json::apply_to_text(&text, diff).map(Some).map_err(|error| {
                diverged(rows, "a change to a JSON document cannot be applied").caused_by(error)
            }),
        }
    }

    /// Applies the changes of an event whose consequences are not in the log: the destination's foreign keys have to carry them
    /// out, as they did at the source.
    pub(super) async fn cascading(&mut self) -> Result<()> {
        let rows = self.statements.rows;
        for change in rows.changes {
            self.session.settle().await?;
            let call = match *change {
                RowChange::Delete { before } => Some(self.statements.delete(&[before])?),
                RowChange::Update { before, after } => Some(self.statements.update_one(before, after)?),
                RowChange::Insert { .. } => None,
            };
            let mut found = 0;
            if let Some(call) = call {
                self.set_role("origin").await?;
                found = self.session.call(call).await?;
                self.set_role("replica").await?;
            }
            if found > 0 {
                continue;
            }
            // A replay: the row is not there in its state before the change, and its children are not either.
            let one = Rows { changes: slice::from_ref(change), ..rows.clone() };
            let statements = Statements { rows: &one, ..self.statements };
            let object = Arc::clone(&self.object);
            InOrder { session: self.session, statements, object }.send().await?;
        }
        Ok(())
    }

    /// Foreign keys are carried out in the role `origin` alone.
    async fn set_role(&mut self, role: &str) -> Result<()> {
        match self.session.is_replica {
            true => self.session.run(&format!("SET LOCAL session_replication_role = {role}")).await,
            false => Ok(()),
        }
    }
}
