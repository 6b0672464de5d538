//! Net effects on rows of one table, as statements of many rows.
//!
//! The next statement is encoded while the server executes the present one. Measured on MariaDB 10.11 and MySQL 9.7, rows of
//! 190 bytes and of 8: statements between 64 KiB and 1 MiB cost the server the same for a row; lists of row values
//! (`(a,b) IN ((1,2),…)`) cost a third of alternatives joined by OR; `REPLACE` and `ON DUPLICATE KEY UPDATE` of rows
//! that are there cost the same while the key is the only unique one, and `REPLACE` writes every index anew otherwise.

use std::mem;

use tracing::warn;

use super::{
    session::{Session, code, refused},
    statement::{RowStatement, STATEMENT_BYTES, needs_lenient_mode, too_long},
    tables::{ReadyTable, WriteForm},
};
use crate::{
    changes::{Image, NetChanges},
    error::{Error, Result},
};

/// Buffers for statements, kept from one to the next.
#[derive(Default)]
pub(super) struct NetWriter {
    running: Vec<u8>,
    next: Vec<u8>,
}

/// What a statement does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Delete,
    Write(WriteForm),
}

/// The statements for the changes of one table, one after the other.
struct Statements<'a, 'b> {
    table: &'a ReadyTable,
    row: RowStatement<'a, 'b>,
    /// What is to be done with which rows.
    parts: [(Form, &'a [Image<'b>]); 3],
    rows_limit: usize,
    bytes_limit: usize,
    /// Rows to be written that need statements of their own.
    alone: Vec<Image<'b>>,
}

impl NetWriter {
    /// Applies the changes: deletes, then inserts, then the other writes. While `converging`, rows take the place of others that
    /// have one of their unique values.
    pub(super) async fn apply(
        &mut self,
        session: &mut Session,
        table: &ReadyTable,
        net: &NetChanges<'_>,
        rows_limit: usize,
        converging: bool,
    ) -> Result<()> {
        let failed = |error: Error| error.on(format!("{} near {}", net.table.name, net.position));
        let rows = net.without_changes();
        let row = RowStatement::new(table, &rows, session.server).converging(converging);
        let (inserts, upserts) = match converging {
            true => (WriteForm::Replace, WriteForm::Replace),
            false => (WriteForm::Insert, table.rewrite),
        };
        let mut statements = Statements {
            table,
            row,
            parts: [
                (Form::Delete, &net.deletes),
                (Form::Write(inserts), &net.inserts),
                (Form::Write(upserts), &net.upserts),
            ],
            rows_limit,
            bytes_limit: STATEMENT_BYTES.min(session.max_packet.saturating_sub(4096)),
            alone: Vec::new(),
        };
        let mut form = statements.encode(&mut self.running)?;
        while let Some(present) = form {
            if self.running.len() > session.max_packet {
                return Err(failed(too_long(self.running.len())));
            }
            let (done, next) =
                tokio::join!(session.run_raw(&self.running), async { statements.encode(&mut self.next) });
            match (done, present) {
                (Ok(_), _) => {}
                (Err(error), Form::Write(tried)) if code(&error) == Some(1062) => {
                    self.write_over(session, table, tried).await.map_err(failed)?;
                }
                (Err(error), _) => return Err(failed(refused(error))),
            }
            form = next?;
            mem::swap(&mut self.running, &mut self.next);
        }
        for image in mem::take(&mut statements.alone) {
            statements.row.write_leniently(session, image).await?;
        }
        Ok(())
    }

    /// Writes the rows of the statement that a unique value was in the way of by a form that removes what has the value.
    async fn write_over(
        &mut self,
        session: &mut Session,
        table: &ReadyTable,
        tried: WriteForm,
    ) -> Result<()> {
        let form = if tried == WriteForm::Insert { table.write } else { WriteForm::Replace };
        warn!(
            table = %table.table.name,
            "rows that were to be added, or unique values of them, are at the destination already: they are written over"
        );
        let head: usize = table.head(tried).iter().map(|part| part.len()).sum();
        let rows_end = self.running.len() - table.tail(tried).len();
        let rows = self.running.get(head..rows_end).unwrap_or_default();
        let [verb, into] = table.head(form);
        let sql = [verb.as_bytes(), into.as_bytes(), rows, table.tail(form).as_bytes()].concat();
        if sql.len() > session.max_packet {
            return Err(too_long(sql.len()));
        }
        session.run(sql).await.map(drop)
    }
}

impl<'b> Statements<'_, 'b> {
    /// Encodes the next statement; `None` when there is none.
    fn encode(&mut self, out: &mut Vec<u8>) -> Result<Option<Form>> {
        out.clear();
        for (form, images) in &mut self.parts {
            let mut rows = 0;
            while let Some((image, rest)) = images.split_first() {
                if *form != Form::Delete && self.table.may_be_lenient && needs_lenient_mode(image) {
                    self.alone.push(image);
                    *images = rest;
                    continue;
                }
                let length = out.len();
                if rows == 0 {
                    push_head(out, self.table, *form);
                } else {
                    out.push(b',');
                }
                match form {
                    Form::Delete => self.row.push_key(out, image)?,
                    Form::Write(_) => self.row.push_values(out, image)?,
                }
                if rows > 0 && out.len() > self.bytes_limit {
                    // The first of the next statement.
                    out.truncate(length);
                    break;
                }
                *images = rest;
                rows += 1;
                if rows >= self.rows_limit {
                    break;
                }
            }
            if rows > 0 {
                match form {
                    Form::Delete => out.push(b')'),
                    Form::Write(write) => out.extend_from_slice(self.table.tail(*write).as_bytes()),
                }
                return Ok(Some(*form));
            }
        }
        Ok(None)
    }
}

fn push_head(out: &mut Vec<u8>, table: &ReadyTable, form: Form) {
    match form {
        Form::Delete => out.extend_from_slice(table.delete_head().as_bytes()),
        Form::Write(write) => {
            table.head(write).iter().for_each(|part| out.extend_from_slice(part.as_bytes()))
        }
    }
}
