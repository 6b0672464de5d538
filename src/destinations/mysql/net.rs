//! Net effects on rows of one table, as statements of many rows.
//!
//! Rows go in the order of their keys, so that a page of the table is found once for all rows on it: MariaDB 10.11 takes 10 to 35 %
//! less time for them than in random order.
//!
//! Many rows to be added go as a file where the server takes one (`LOAD DATA LOCAL`), which costs MariaDB a sixth less than
//! `INSERT`. It turns errors into warnings, so that with any warning the rows are taken back and written by `INSERT`.
//!
//! The next statement is encoded while the server executes the present one. Measured on MariaDB 10.11 and MySQL 9.7, rows of
//! 190 bytes and of 8: statements between 64 KiB and 1 MiB cost the server the same for a row; lists of row values
//! (`(a,b) IN ((1,2),…)`) cost a third of alternatives joined by OR; `REPLACE` and `ON DUPLICATE KEY UPDATE` of rows
//! that are there cost the same while the key is the only unique one, and `REPLACE` writes every index anew otherwise.

use std::{collections::HashSet, mem};

use slackwater_decoders::schema::TableName;
use tracing::{debug, warn};

use super::{
    load_text,
    session::{Loaded, Session, code, refused},
    statement::{RowStatement, STATEMENT_BYTES, needs_lenient_mode, too_long},
    tables::{ReadyTable, WriteForm},
};
use crate::{
    changes::{Image, NetChanges, key_order},
    error::{Error, Result},
    types::mysql::Server,
};

/// So many changes go in a packet with the statements around them.
const FEW_ROWS: usize = 256;
/// The packet has that many bytes at most. A longer one is better encoded while the server executes what came before.
const FEW_BYTES: usize = 64 << 10;

/// With so many rows the ways to and from the server that a file takes are paid for.
const ROWS_OF_A_FILE: usize = 500;
/// Where a file's rows begin.
const FILE: &str = "slackwater_file";

/// Writes net changes.
#[derive(Default)]
pub(super) struct NetWriter {
    /// Buffers for statements, kept from one to the next.
    running: Vec<u8>,
    next: Vec<u8>,
    /// Whether rows never go as a file.
    no_files: bool,
    /// Tables whose rows the server has not taken from a file as they were.
    not_by_file: HashSet<TableName>,
}

/// What a statement does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Delete,
    Write(WriteForm),
    /// Adds rows from a file, which is the content of what is encoded.
    File,
}

/// The statements for the changes of one table, one after the other.
struct Statements<'a, 'b> {
    table: &'a ReadyTable,
    row: RowStatement<'a, 'b>,
    /// What is to be done with which rows that are left.
    parts: Vec<(Form, std::vec::IntoIter<Image<'b>>)>,
    /// The rows of the last file.
    in_file: Vec<Image<'b>>,
    rows_limit: usize,
    bytes_limit: usize,
    /// Rows to be written that need statements of their own.
    alone: Vec<Image<'b>>,
}

impl NetWriter {
    /// One that writes rows by statements that hold them.
    pub(super) fn without_files() -> Self {
        NetWriter { no_files: true, ..NetWriter::default() }
    }

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
        let bytes_limit = STATEMENT_BYTES.min(session.max_packet.saturating_sub(4096));
        let mut statements = Statements::new(table, row, net, converging, [rows_limit, bytes_limit]);
        if !self.no_files && !self.not_by_file.contains(&table.table.name) {
            statements.allow_files();
        }
        let mut form = statements.encode(&mut self.running)?;
        while let Some(present) = form {
            let in_file = mem::take(&mut statements.in_file);
            let (done, next) = tokio::join!(execute(session, table, present, &mut self.running), async {
                statements.encode(&mut self.next)
            });
            match (done, present) {
                (Ok(Done::Whole), _) => {}
                (Ok(Done::Not), _) => {
                    self.not_by_file.insert(table.table.name.clone());
                    statements.without_files(in_file);
                }
                (Ok(Done::TooLong), _) => return Err(failed(too_long(self.running.len()))),
                (Err(error), Form::Write(tried)) if code(&error) == Some(1062) => {
                    self.write_over(session, table, tried).await.map_err(failed)?;
                }
                (Err(error), _) => return Err(failed(refused(error))),
            }
            mem::swap(&mut self.running, &mut self.next);
            form = match next? {
                // What was not taken from a file has come back.
                None => statements.encode(&mut self.running)?,
                next => next,
            };
        }
        for image in mem::take(&mut statements.alone) {
            statements.row.write_leniently(session, image).await?;
        }
        for image in &net.updates {
            statements.row.update_by_key(session, image, image).await?;
        }
        Ok(())
    }

    /// Appends the statements for a few changes, each with a semicolon behind it. `false`: there are more than go in a packet with others, or
    /// values that take more than a statement.
    pub(super) fn push_few(
        out: &mut Vec<u8>,
        server: Server,
        table: &ReadyTable,
        net: &NetChanges<'_>,
        converging: bool,
    ) -> Result<bool> {
        let rows = net.deletes.len() + net.inserts.len() + net.upserts.len();
        if rows > FEW_ROWS || !net.updates.is_empty() {
            return Ok(false);
        }
        let rows = net.without_changes();
        let row = RowStatement::new(table, &rows, server).converging(converging);
        let mut statements = Statements::new(table, row, net, converging, [FEW_ROWS, usize::MAX]);
        let mut statement = Vec::new();
        while statements.encode(&mut statement)?.is_some() {
            out.extend_from_slice(&statement);
            out.push(b';');
            if out.len() > FEW_BYTES {
                return Ok(false);
            }
        }
        Ok(statements.alone.is_empty())
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

impl<'a, 'b> Statements<'a, 'b> {
    /// `limits` of a statement: rows and bytes.
    fn new(
        table: &'a ReadyTable,
        row: RowStatement<'a, 'b>,
        net: &NetChanges<'b>,
        converging: bool,
        [rows_limit, bytes_limit]: [usize; 2],
    ) -> Self {
        let (inserts, upserts) = match converging {
            true => (WriteForm::Replace, WriteForm::Replace),
            false => (WriteForm::Insert, table.rewrite),
        };
        let parts = [
            (Form::Delete, &net.deletes),
            (Form::Write(inserts), &net.inserts),
            (Form::Write(upserts), &net.upserts),
        ];
        let parts = parts.map(|(form, images)| (form, in_order_of_keys(table, images).into_iter()));
        Statements {
            table,
            row,
            parts: parts.into(),
            in_file: Vec::new(),
            rows_limit,
            bytes_limit,
            alone: Vec::new(),
        }
    }

    /// Lets many rows that are to be added go as a file.
    fn allow_files(&mut self) {
        for (form, images) in &mut self.parts {
            if *form == Form::Write(WriteForm::Insert) && images.len() >= ROWS_OF_A_FILE {
                *form = Form::File;
            }
        }
    }

    /// Lets no rows go as a file any more, nor those that were in one.
    fn without_files(&mut self, in_file: Vec<Image<'b>>) {
        for (form, _) in &mut self.parts {
            if *form == Form::File {
                *form = Form::Write(WriteForm::Insert);
            }
        }
        self.parts.push((Form::Write(WriteForm::Insert), in_file.into_iter()));
    }

    /// Encodes the next statement; `None` when there is none.
    fn encode(&mut self, out: &mut Vec<u8>) -> Result<Option<Form>> {
        out.clear();
        while let Some(&(present, _)) = self.parts.first() {
            let rows = match present {
                Form::File => self.encode_file(out),
                _ => self.encode_rows(out, present)?,
            };
            if rows > 0 {
                return Ok(Some(present));
            }
            match self.parts.first_mut() {
                // A row that no file can have.
                Some((form @ Form::File, images)) if images.len() > 0 => {
                    *form = Form::Write(WriteForm::Insert);
                }
                _ => drop(self.parts.remove(0)),
            }
        }
        Ok(None)
    }

    /// The next row of the first part. Rows that need statements of their own are put aside.
    fn next_row(&mut self, form: Form) -> Option<Image<'b>> {
        let (_, images) = self.parts.first_mut()?;
        while let Some(&image) = images.as_slice().first() {
            if form == Form::Delete || !self.table.may_be_lenient || !needs_lenient_mode(image) {
                return Some(image);
            }
            self.alone.push(image);
            images.next();
        }
        None
    }

    /// The row is encoded.
    fn advance(&mut self) {
        if let Some((_, images)) = self.parts.first_mut() {
            images.next();
        }
    }

    /// Encodes rows of the first part as a statement; returns how many.
    fn encode_rows(&mut self, out: &mut Vec<u8>, form: Form) -> Result<usize> {
        let mut rows = 0;
        while rows < self.rows_limit
            && let Some(image) = self.next_row(form)
        {
            let length = out.len();
            if rows == 0 {
                push_head(out, self.table, form);
            } else {
                out.push(b',');
            }
            match form {
                Form::Delete => self.row.push_key(out, image)?,
                _ => self.row.push_values(out, image)?,
            }
            if rows > 0 && out.len() > self.bytes_limit {
                // The first of the next statement.
                out.truncate(length);
                break;
            }
            self.advance();
            rows += 1;
        }
        match form {
            Form::Delete if rows > 0 => out.push(b')'),
            Form::Write(write) if rows > 0 => out.extend_from_slice(self.table.tail(write).as_bytes()),
            _ => {}
        }
        Ok(rows)
    }

    /// Encodes rows of the first part as the content of a file, up to one that no file can have; returns how many.
    fn encode_file(&mut self, out: &mut Vec<u8>) -> usize {
        self.in_file.clear();
        while let Some(image) = self.next_row(Form::File) {
            let length = out.len();
            // A value that cannot be expressed at all is told by the literal.
            let taken = load_text::push_row(out, self.table, image, self.row.server()).unwrap_or(false);
            if !taken || !self.in_file.is_empty() && out.len() > self.bytes_limit {
                out.truncate(length);
                break;
            }
            self.advance();
            self.in_file.push(image);
        }
        self.in_file.len()
    }
}

/// The rows in the order of their keys, as far as that can be told without the collation of a text.
fn in_order_of_keys<'b>(table: &ReadyTable, images: &[Image<'b>]) -> Vec<Image<'b>> {
    let mut images = images.to_vec();
    let key = table.key.as_deref().unwrap_or_default();
    images.sort_unstable_by(|one, other| key_order(one, other, key));
    images
}

/// What became of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Done {
    Whole,
    /// Nothing is done: the server does not take the rows from a file as they are.
    Not,
    TooLong,
}

/// Runs what is encoded. Of a file it takes the buffer.
async fn execute(
    session: &mut Session,
    table: &ReadyTable,
    form: Form,
    encoded: &mut Vec<u8>,
) -> mysql_async::Result<Done> {
    if form != Form::File {
        if encoded.len() > session.max_packet {
            return Ok(Done::TooLong);
        }
        return session.run_raw(&*encoded).await.map(|_| Done::Whole);
    }
    session.run_raw(format!("SAVEPOINT {FILE}")).await?;
    let loaded = session.load(load_text::statement(table, false), mem::take(encoded)).await?;
    if loaded == Loaded::AsItIs {
        return Ok(Done::Whole);
    }
    debug!(table = %table.table.name, ?loaded, "the rows are not taken from a file as they are");
    session.run_raw(format!("ROLLBACK TO SAVEPOINT {FILE}")).await?;
    Ok(Done::Not)
}

fn push_head(out: &mut Vec<u8>, table: &ReadyTable, form: Form) {
    match form {
        Form::Delete => out.extend_from_slice(table.delete_head().as_bytes()),
        // The statement stands beside the content.
        Form::File => {}
        Form::Write(write) => {
            table.head(write).iter().for_each(|part| out.extend_from_slice(part.as_bytes()))
        }
    }
}
