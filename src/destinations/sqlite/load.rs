//! Loading the rows of a copy.
//!
//! A loader has a connection of its own and writes a block a transaction. SQLite has one writer, so that more loaders would
//! wait for each other, and a loader waits while the task's own connection writes.

use std::time::Duration;

use async_trait::async_trait;
use rusqlite::Connection;
use slackwater_decoders::event::{RowChange, Rows};

use super::{
    apply::{Mode, Writer},
    blocking,
    dead_letter::DeadLetters,
    failed,
    tables::Tables,
};
use crate::{
    changes::diverged,
    destinations::load::Loader,
    error::{Error, Result},
};

/// How long a loader waits for the task's own connection, which may be making an index.
const PATIENCE: Duration = Duration::from_secs(60);

/// Writes blocks of rows.
pub(super) struct SqliteLoader {
    connection: Connection,
    tables: Tables,
    dead_letters: Option<DeadLetters>,
}

impl SqliteLoader {
    pub(super) fn new(
        connection: Connection,
        tables: Tables,
        dead_letters: Option<DeadLetters>,
    ) -> Result<Self> {
        connection.busy_timeout(PATIENCE).map_err(failed)?;
        Ok(SqliteLoader { connection, tables, dead_letters })
    }

    fn load(&mut self, rows: &Rows<'_>, again: bool) -> Result<()> {
        self.connection.execute_batch("BEGIN IMMEDIATE").map_err(failed)?;
        let written = self.write(rows, again);
        let ended = written.and_then(|()| self.connection.execute_batch("COMMIT").map_err(failed));
        if ended.is_ok() {
            self.dead_letters.iter_mut().for_each(DeadLetters::committed);
        } else {
            self.dead_letters.iter_mut().for_each(DeadLetters::rolled_back);
            self.tables.forget();
            if !self.connection.is_autocommit() {
                self.connection.execute_batch("ROLLBACK").map_err(failed)?;
            }
        }
        ended
    }

    /// A row that another block had with a unique value may have passed that value on before this block was read: the
    /// later one takes its place, and the log brings the other one back. So a table with unique keys besides its key
    /// is always written by replacing.
    fn write(&mut self, rows: &Rows<'_>, again: bool) -> Result<()> {
        let table = self.tables.ready(&self.connection, &rows.table, &rows.position)?;
        if again && table.key.is_none() {
            return Err(Error::definite("rows of a table without a key cannot be loaded a second time")
                .on(&rows.table.name)
                .remedy("empty the table and copy it from its beginning"));
        }
        let replaces = again || !table.sole_key;
        let sql = if replaces { &table.write } else { &table.insert };
        let mode = Mode { converging: true, dead_letters: self.dead_letters.as_mut() };
        let mut writer = Writer::new(&self.connection, table, rows, mode);
        for (change, number) in rows.changes.iter().zip(0..) {
            let RowChange::Insert { after } = change else {
                return Err(diverged(rows, "the rows of a copy are no inserts"));
            };
            writer.change(change, Some(number), |writer| writer.write(after, sql))?;
        }
        Ok(())
    }
}

#[async_trait]
impl Loader for SqliteLoader {
    async fn load(&mut self, rows: &Rows<'_>, again: bool) -> Result<()> {
        blocking(|| SqliteLoader::load(self, rows, again))
    }
}
