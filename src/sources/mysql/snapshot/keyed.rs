//! The reader of a table with a key: bounded queries, each behind the last row of the one before.

use std::sync::Arc;

use async_trait::async_trait;
use slackwater_decoders::{mysql::resultset::RowPlan, position::Position, schema::Table};

use super::{
    Engine,
    bound::Place,
    definition::{Definition, Definitions, tells_change},
    query::KeyQuery,
    rows::{self, Failure, Piece, RowSource},
    start,
};
use crate::{
    error::{Error, Result},
    sources::{
        mysql::{Mysql, statement::RowBuffer},
        pace::Pace,
        snapshot::{Block, CopyPoint, Read, TableReader},
    },
};

/// How often the definition may change while the copy starts.
const STARTS: u32 = 10;

pub(super) struct KeyedReader {
    source: RowSource,
    definitions: Definitions,
    definition: Definition,
    start: Position,
    key: Vec<u16>,
    query: KeyQuery,
    /// The last row of the last block.
    after: Option<Place>,
    pace: Pace,
    /// How many rows the current query was asked for.
    asked: u64,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Reading,
    /// The last query brought fewer rows than asked for.
    Finished,
    Changed,
}

impl KeyedReader {
    /// Starts the copy of a table, or goes on with it. `None`: the table is gone.
    ///
    /// # Errors
    /// The server's error, or a lost connection.
    pub(super) async fn open(
        mut source: RowSource,
        definitions: Definitions,
        mut definition: Definition,
        resume: Option<&CopyPoint>,
        mysql: &Mysql,
    ) -> Result<Option<Self>> {
        let mut state = State::Reading;
        let start = match resume {
            Some(point) => {
                if point.table != definition.table {
                    state = State::Changed;
                }
                point.start.clone()
            }
            None => match started(&mut source, &definitions, &mut definition, mysql).await? {
                Some(start) => start,
                None => return Ok(None),
            },
        };
        let table = &definition.table;
        let key = table.key().unwrap_or_default().to_vec();
        if key.is_empty() && state == State::Reading {
            // The key went away while the copy started.
            state = State::Changed;
        }
        let after = match resume.and_then(|point| point.after.as_ref()).filter(|_| state == State::Reading) {
            Some(bound) => Some(Place::from_bound(bound, key.len(), table)?),
            None => None,
        };
        let row_bytes = match source.sessions.row_bytes(&table.name) {
            Some(bytes) => bytes,
            None => Engine::of(&mut source.session.connection, &table.name).await?.row_bytes,
        };
        let query = KeyQuery::new(table, &key, source.session.connection.version());
        let pace = Pace::new(row_bytes);
        let reader =
            KeyedReader { source, definitions, definition, start, key, query, after, pace, asked: 0, state };
        Ok(Some(reader))
    }

    async fn read_on(&mut self) -> Result<Read, Failure> {
        while self.state == State::Reading {
            if !self.source.is_reading() {
                self.asked = self.pace.rows();
                let statement = self.query.statement(self.after.as_ref(), None, self.asked);
                self.source.ask(&statement, &self.definition.table).await?;
            }
            let Piece { rows, plan, ended } = self.source.receive().await?;
            let block = if rows.count > 0 { Some(self.block(rows, &plan)?) } else { None };
            if let Some(query) = ended {
                self.pace.learn(query.rows, query.bytes, query.took);
                if !self.definitions.is_still(&self.definition, &mut self.source.session.connection).await? {
                    self.state = State::Changed;
                    break;
                }
                if query.rows < self.asked {
                    self.state = State::Finished;
                }
            }
            if let Some(block) = block {
                return Ok(Read::Block(block));
            }
        }
        Ok(if self.state == State::Changed { Read::Changed } else { Read::Finished })
    }

    fn block(&mut self, rows: RowBuffer, plan: &RowPlan) -> Result<Block, Failure> {
        let last = rows.last_row().to_vec();
        let batch = rows::batch(rows.bytes, rows.count, plan, &self.start.log).map_err(rows::unreadable)?;
        let version = self.source.session.connection.version();
        let place = rows::end(&batch, &last, plan, &self.key, version)?;
        let end = Some(place.to_bound());
        self.after = Some(place);
        Ok(Block { batch, end })
    }

    /// Looks whether a query failed because the definition is another one now.
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

/// A start with the same definition before and after it. `None`: the table is gone.
async fn started(
    source: &mut RowSource,
    definitions: &Definitions,
    definition: &mut Definition,
    mysql: &Mysql,
) -> Result<Option<Position>> {
    for _ in 0..STARTS {
        let start = start::settled(mysql, source, definitions.name()).await?;
        let connection = &mut source.session.connection;
        if definitions.is_still(definition, connection).await? {
            return Ok(Some(start));
        }
        let Some(now) = definitions.read(connection).await? else { return Ok(None) };
        *definition = now;
    }
    Err(Error::transient("the definition of the table changes all the time").on(definitions.name()))
}

#[async_trait]
impl TableReader for KeyedReader {
    fn table(&self) -> &Arc<Table> {
        &self.definition.table
    }

    fn start(&self) -> &Position {
        &self.start
    }

    fn is_resumable(&self) -> bool {
        true
    }

    fn close(self: Box<Self>) {
        self.source.close();
    }

    async fn next(&mut self) -> Result<Read> {
        match self.read_on().await {
            Ok(read) => Ok(read),
            Err(Failure::Refused(error)) => self.explain(error).await,
            Err(Failure::Lost(error)) => Err(error.on(self.definitions.name())),
        }
    }
}
