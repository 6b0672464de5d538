//! The reader of a table without a key: all rows in one query, exactly as they are at the start.
//!
//! Its rows cannot be told apart, so that a change that is applied twice, or to a row that already has it, goes wrong. The rows come
//! from a consistent snapshot whose position is known exactly: MariaDB tells it; on MySQL the table is locked against changes for the
//! moment in which a second session reads the position and opens its snapshot. A table whose engine has no transactions stays locked
//! until its last row is read.
//!
//! While the rows are read a change of the table's definition waits at the source, and what it deletes is kept by the engine.

use std::sync::Arc;

use async_trait::async_trait;
use slackwater_decoders::{
    position::Position,
    schema::{Table, TableName},
};

use super::{
    Engine,
    definition::{Definition, Definitions, tells_change},
    query,
    rows::{self, Failure, Piece, RowSource},
    start::{self, LOCK_WAIT, Lock, WAITED},
};
use crate::{
    error::{Error, Result},
    sources::{
        mysql::{Mysql, catalog::qualified, connection::Connection, questions},
        snapshot::{Block, Read, TableReader},
    },
};

/// How often the definition may change while the copy starts.
const STARTS: u32 = 10;

pub(super) struct StreamReader {
    source: RowSource,
    definitions: Definitions,
    definition: Definition,
    start: Position,
    /// Keeps a table without transactions as it is.
    lock: Option<Lock>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Begun,
    Reading,
    Finished,
    Changed,
}

impl StreamReader {
    /// Starts the copy of a table. `None`: the table is gone.
    ///
    /// # Errors
    /// The server's error, a lost connection, or a lock that was not to be had.
    pub(super) async fn open(
        mut source: RowSource,
        definitions: Definitions,
        mysql: &Mysql,
    ) -> Result<Option<Self>> {
        for _ in 0..STARTS {
            let Some(definition) = definitions.read(&mut source.session.connection).await? else {
                return Ok(None);
            };
            let begun = begin(&mut source, &definitions, mysql).await;
            // Without the error: what went wrong may be that the table is another one, or gone.
            let is_same = match &begun {
                Err(error) if error.is_transient() || tells_change(error) => false,
                _ => definitions.is_still(&definition, &mut source.session.connection).await?,
            };
            match begun {
                Ok(Some((start, lock))) if is_same => {
                    let state = State::Begun;
                    return Ok(Some(StreamReader { source, definitions, definition, start, lock, state }));
                }
                Err(error) if is_same || error.is_transient() => return Err(error),
                _ => source.session.connection.query("ROLLBACK").await.map(drop)?,
            }
        }
        Err(Error::transient("the definition of the table changes all the time").on(definitions.name()))
    }

    async fn read_on(&mut self) -> Result<Read, Failure> {
        if self.state == State::Begun {
            let statement = query::all_rows(&self.definition.table, self.source.session.connection.version());
            self.source.ask(&statement, &self.definition.table).await?;
            self.state = State::Reading;
        }
        while self.state == State::Reading {
            let Piece { rows, plan, ended } = self.source.receive().await?;
            if ended.is_some() {
                self.state = State::Finished;
                self.end().await?;
            }
            if rows.count > 0 {
                let batch =
                    rows::batch(rows.bytes, rows.count, &plan, &self.start.log).map_err(rows::unreadable)?;
                return Ok(Read::Block(Block { batch, end: None }));
            }
        }
        Ok(if self.state == State::Changed { Read::Changed } else { Read::Finished })
    }

    /// Lets the table go.
    async fn end(&mut self) -> Result<()> {
        self.source.session.connection.query("COMMIT").await?;
        match self.lock.take() {
            Some(lock) => lock.release().await,
            None => Ok(()),
        }
    }

    async fn explain(&mut self, error: Error) -> Result<Read> {
        self.source.give_up().await?;
        let connection = &mut self.source.session.connection;
        if !tells_change(&error) && self.definitions.is_still(&self.definition, connection).await? {
            return Err(error.on(self.definitions.name()));
        }
        self.state = State::Changed;
        Ok(Read::Changed)
    }
}

/// Opens what the rows are read from, and its position in the log. The lock is to be kept where there is one. `None`: a change of the
/// definition was in the way.
async fn begin(
    source: &mut RowSource,
    definitions: &Definitions,
    mysql: &Mysql,
) -> Result<Option<(Position, Option<Lock>)>> {
    let table = definitions.name();
    let connection = &mut source.session.connection;
    let engine = Engine::of(connection, table).await?;
    if engine.is_transactional && connection.version().mariadb {
        let position = start::begin_snapshot(connection).await?;
        return Ok(hold(connection, table).await?.then_some((position, None)));
    }
    let lock = Lock::take(mysql, &source.session.address, table).await?;
    let position = questions::end_of_log(connection).await?;
    connection.query("START TRANSACTION WITH CONSISTENT SNAPSHOT").await?;
    let is_held = hold(connection, table).await?;
    if is_held && !engine.is_transactional {
        return Ok(Some((position, Some(lock))));
    }
    lock.release().await?;
    Ok(is_held.then_some((position, None)))
}

/// Has the transaction keep the definition of the table as it is until it ends. `false`: a change of the definition was in the way.
///
/// One that waits for our own lock makes us wait in turn, so that this must not last: the lock has to be given up, which lets the
/// change through.
async fn hold(connection: &mut Connection, table: &TableName) -> Result<bool> {
    connection.query("SET SESSION lock_wait_timeout = 1").await?;
    let held = connection.try_query(&format!("SELECT 1 FROM {} LIMIT 1", qualified(table))).await?;
    connection.query(&format!("SET SESSION lock_wait_timeout = {LOCK_WAIT}")).await?;
    match held {
        Ok(_) => Ok(true),
        Err(error) if error.code == WAITED => Ok(false),
        Err(error) => Err(Error::from(error).on(table)),
    }
}

#[async_trait]
impl TableReader for StreamReader {
    fn table(&self) -> &Arc<Table> {
        &self.definition.table
    }

    fn start(&self) -> &Position {
        &self.start
    }

    fn is_resumable(&self) -> bool {
        false
    }

    fn close(self: Box<Self>) {
        if self.state == State::Finished {
            self.source.close();
        }
    }

    async fn next(&mut self) -> Result<Read> {
        match self.read_on().await {
            Ok(read) => Ok(read),
            Err(Failure::Refused(error)) => self.explain(error).await,
            Err(Failure::Lost(error)) => Err(error.on(self.definitions.name())),
        }
    }
}
