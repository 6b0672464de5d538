//! Changes of rows of one table, and the ways to make them.
//!
//! First all statements are sent without waiting. When the server refuses one, the transaction is taken back and made again with
//! care: each statement behind a savepoint, with what has to go first where a unique value is in the way, and, where refused rows are
//! kept apart, in halves until the row is found.

use std::{collections::HashMap, sync::Arc};

use slackwater_decoders::{
    event::RowChange,
    value::{Cell, Value},
};
use tracing::warn;

use super::{
    dead_letter::{DeadLetters, is_refusal},
    session::{CARDINALITY_VIOLATION, Call, Session, UNIQUE_VIOLATION, code},
    statement::Statements,
};
use crate::{
    changes::{Image, NetChanges, key_order},
    error::{Error, Result},
};

/// A statement has so many rows at most.
const STATEMENT_ROWS: usize = 5_000;
/// And so many bytes, as far as that can be told beforehand.
const STATEMENT_BYTES: usize = 512 << 10;

/// Where a statement stands before it is tried.
const MARK: &str = "slackwater_rows";

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Delete,
    /// Rows that are not there.
    Insert,
    /// Rows that may be there, with their unique values or without them.
    Upsert,
    /// The same, in the place of other rows that have one of their unique values.
    Replace,
    /// What is told of rows that are there.
    Update,
    /// The same, in the place of other rows.
    UpdateOver,
}

/// Rows to be written alike.
#[derive(Clone, Debug)]
pub(super) struct Part<'b> {
    pub(super) form: Form,
    pub(super) images: Vec<Image<'b>>,
    /// What the source did with them, for dead letters.
    change: Form,
}

/// Writes rows of one table.
pub(super) struct Writer<'a, 'b> {
    pub(super) session: &'a mut Session,
    pub(super) statements: Statements<'a, 'b>,
    /// The table's name and a place in the log.
    pub(super) object: Arc<str>,
}

impl<'b> Part<'b> {
    pub(super) fn new(form: Form, images: Vec<Image<'b>>) -> Self {
        Part { form, images, change: form }
    }

    /// Rows of a copy, which the source has as rows that come.
    pub(super) fn inserted(form: Form, images: Vec<Image<'b>>) -> Self {
        Part { form, images, change: Form::Insert }
    }

    fn with(&self, form: Form) -> Self {
        Part { form, images: self.images.clone(), change: self.change }
    }

    /// Two halves of it.
    fn halves(&self) -> [Self; 2] {
        let (first, second) = self.images.split_at(self.images.len() / 2);
        [first, second].map(|half| Part { images: half.to_vec(), ..*self })
    }

    fn row_changes(&self) -> impl Iterator<Item = RowChange<'b>> {
        let change = self.change;
        self.images.iter().map(move |image| match change {
            Form::Delete => RowChange::Delete { before: image },
            Form::Insert => RowChange::Insert { after: image },
            _ => RowChange::Update { before: &[], after: image },
        })
    }
}

/// What is to be written for net effects, in this order; without the rows to be added unless `inserts`.
pub(super) fn parts<'b>(net: &NetChanges<'b>, converging: bool, inserts: bool) -> Vec<Part<'b>> {
    let key = net.table.key().unwrap_or_default();
    let forms = match converging {
        false => [Form::Delete, Form::Insert, Form::Upsert, Form::Update],
        true => [Form::Delete, Form::Replace, Form::Replace, Form::UpdateOver],
    };
    let changes = [Form::Delete, Form::Insert, Form::Upsert, Form::Update];
    let mut parts = Vec::new();
    let nothing = Vec::new();
    let inserts = if inserts { &net.inserts } else { &nothing };
    let lists = [&net.deletes, inserts, &net.upserts, &net.updates];
    for ((form, change), images) in forms.into_iter().zip(changes).zip(lists) {
        // A page of an index is found once for all rows on it.
        let mut images = images.clone();
        images.sort_unstable_by(|one, other| key_order(one, other, key));
        for alike in alike(&images, form) {
            parts.extend(chunks(&alike).map(|chunk| Part { form, images: chunk.to_vec(), change }));
        }
    }
    parts
}

/// The rows that have the same columns, each kind in their order.
pub(super) fn alike<'b>(images: &[Image<'b>], form: Form) -> Vec<Vec<Image<'b>>> {
    let told = |cell: &Cell<'_>| matches!(cell, Cell::Value(_));
    if form == Form::Delete || images.iter().all(|image| image.iter().all(told)) {
        return vec![images.to_vec()];
    }
    let mut kinds: Vec<Vec<Image<'b>>> = Vec::new();
    let mut places: HashMap<Vec<bool>, usize> = HashMap::new();
    for image in images {
        let place = *places.entry(image.iter().map(told).collect()).or_insert(kinds.len());
        match kinds.get_mut(place) {
            Some(kind) => kind.push(image),
            None => kinds.push(vec![image]),
        }
    }
    kinds
}

/// The rows of one statement each.
pub(super) fn chunks<'s, 'b>(images: &'s [Image<'b>]) -> impl Iterator<Item = &'s [Image<'b>]> {
    let mut left = images;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |image: &&Image<'_>| {
            bytes += size(image);
            bytes <= STATEMENT_BYTES
        };
        let rows = left.iter().take(STATEMENT_ROWS).take_while(fits).count().max(1);
        let (chunk, rest) = left.split_at_checked(rows)?;
        left = rest;
        Some(chunk)
    })
}

/// About how many bytes a row has on the wire.
pub(super) fn size(image: &[Cell<'_>]) -> usize {
    let of = |cell: &Cell<'_>| match cell {
        Cell::Value(Value::Text(text) | Value::Decimal(text)) => text.len(),
        Cell::Value(Value::Binary(bytes) | Value::Vector(bytes)) => bytes.len(),
        Cell::Value(Value::Json(document)) => document.text.len(),
        Cell::Value(Value::Geometry(geometry)) => geometry.wkb.len(),
        _ => 8,
    };
    image.iter().map(|cell| 4 + of(cell)).sum()
}

impl<'b> Writer<'_, 'b> {
    /// Sends the statements of a part. What becomes of them is told later.
    pub(super) async fn send(&mut self, part: &Part<'b>) -> Result<()> {
        for call in self.calls(part)? {
            self.session.send(call, &self.object).await?;
        }
        Ok(())
    }

    fn calls(&self, part: &Part<'b>) -> Result<Vec<Call>> {
        let (statements, images) = (&self.statements, part.images.as_slice());
        if images.is_empty() {
            return Ok(Vec::new());
        }
        let mut calls = Vec::new();
        if matches!(part.form, Form::Replace | Form::UpdateOver) {
            for index in &statements.table.other_unique {
                calls.extend(statements.make_way(index, images)?);
            }
        }
        match part.form {
            Form::Delete => calls.push(statements.delete(images)?),
            Form::Insert => calls.push(statements.insert(images, false)?),
            // What ON CONFLICT does not take: a key that is checked at the end of the transaction.
            Form::Upsert | Form::Replace if !statements.table.is_arbiter => {
                if statements.table.key.is_some() {
                    calls.push(statements.delete(images)?);
                }
                calls.push(statements.insert(images, false)?);
            }
            Form::Upsert | Form::Replace => calls.push(statements.insert(images, true)?),
            Form::Update | Form::UpdateOver => calls.push(statements.update(images)?),
        }
        Ok(calls)
    }

    /// Writes a part with care. Returns how many rows are kept as dead letters.
    pub(super) async fn carefully(
        &mut self,
        part: Part<'b>,
        dead_letters: Option<&DeadLetters>,
    ) -> Result<u64> {
        let mut letters = 0;
        let mut left = vec![part];
        while let Some(part) = left.pop() {
            let Err(error) = self.behind_mark(&part, false).await else { continue };
            let refusal = code(&error);
            let is_taken = refusal.as_deref() == Some(UNIQUE_VIOLATION);
            let is_twice = refusal.as_deref() == Some(CARDINALITY_VIOLATION);
            let kept = dead_letters.filter(|_| is_refusal(&error));
            match part.form {
                Form::Insert | Form::Upsert if is_taken && self.statements.table.key.is_some() => {
                    warn!(
                        table = %self.statements.rows.table.name,
                        "rows that were to be added, or unique values of them, are at the destination already: they are written over"
                    );
                    left.push(part.with(Form::Replace));
                }
                _ if part.images.len() > 1 && (is_taken || is_twice || kept.is_some()) => {
                    let [first, second] = part.halves();
                    left.extend([second, first]);
                }
                Form::Replace | Form::UpdateOver if is_taken => {
                    if let Err(error) = self.behind_mark(&part, true).await {
                        letters += self.keep(&part, error, dead_letters).await?;
                    }
                }
                _ => letters += self.keep(&part, error, dead_letters).await?,
            }
        }
        Ok(letters)
    }

    /// Keeps the one row of a part that is refused.
    async fn keep(&mut self, part: &Part<'b>, error: Error, to: Option<&DeadLetters>) -> Result<u64> {
        let Some(dead_letters) = to.filter(|_| is_refusal(&error)) else { return Err(error) };
        let mut letters = 0;
        for change in part.row_changes() {
            letters += dead_letters.keep(self.session, self.statements.rows, &change, None, &error).await?;
        }
        Ok(letters)
    }

    /// Writes a part; when it is refused, nothing of it is left. `alone`: for one row, whatever is in its way goes first.
    async fn behind_mark(&mut self, part: &Part<'b>, alone: bool) -> Result<()> {
        mark(self.session, MARK).await?;
        let written = self.written(part, alone).await;
        end_mark(self.session, MARK, written).await
    }

    async fn written(&mut self, part: &Part<'b>, alone: bool) -> Result<()> {
        if alone {
            for image in &part.images {
                self.clear_way(image, image).await?;
            }
        }
        self.send(part).await?;
        self.session.settle().await
    }

    /// Removes every row that is in the way of `after`, but for that with the key of `before`.
    pub(super) async fn clear_way(&mut self, before: Image<'b>, after: Image<'b>) -> Result<()> {
        for index in &self.statements.table.other_unique {
            let call = self.statements.make_way_for_one(index, before, after);
            self.session.send(call?, &self.object).await?;
        }
        Ok(())
    }
}

/// Marks where changes begin that may be taken back.
pub(super) async fn mark(session: &mut Session, name: &str) -> Result<()> {
    session.run(&format!("SAVEPOINT {name}")).await
}

/// Takes back what was done behind the mark when that failed and the connection is there.
pub(super) async fn end_mark(session: &mut Session, name: &str, done: Result<()>) -> Result<()> {
    match done {
        Ok(()) => session.run(&format!("RELEASE SAVEPOINT {name}")).await,
        Err(error) if error.is_transient() => Err(error),
        Err(error) => {
            session.forget_sent();
            session.run(&format!("ROLLBACK TO SAVEPOINT {name}; RELEASE SAVEPOINT {name}")).await?;
            Err(error)
        }
    }
}
