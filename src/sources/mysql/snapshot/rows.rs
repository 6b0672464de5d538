//! Blocks cut from the rows of a SELECT as they arrive.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use slackwater_decoders::{
    batch::{Batch, Decoded},
    event::{Event, RowChange, Rows},
    mysql::resultset::{RowError, RowPlan},
    position::LogPosition,
    schema::Table,
};

use super::{
    bound::{self, Place},
    session::{Session, Sessions},
};
use crate::{
    error::{Error, Result},
    sources::{
        mysql::{
            connection::Version,
            response::ServerError,
            statement::{Limit, Received, RowBuffer, Selected},
        },
        throttle::Throttle,
    },
};

/// How long the server may be silent within a SELECT: it may sort a table before it sends the first row.
const SILENCE: Duration = Duration::from_secs(600);
/// How large the buffer of a table's first block is before it grows: most tables are small.
const FIRST_BUFFER: usize = 64 << 10;

/// A connection that reads rows, and what was received of the current query.
pub(in crate::sources::mysql) struct RowSource {
    pub(in crate::sources::mysql) session: Session,
    /// Where it comes from.
    pub(in crate::sources::mysql) sessions: Arc<Sessions>,
    block: Limit,
    throttle: Throttle,
    query: Option<Query>,
    buffer: RowBuffer,
}

struct Query {
    selected: Selected,
    plan: Arc<RowPlan>,
    progress: Progress,
    begun: Instant,
}

/// What a query brought.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::sources::mysql) struct Progress {
    pub(in crate::sources::mysql) rows: u64,
    pub(in crate::sources::mysql) bytes: u64,
    /// From asking to the last row, waiting for those who take the rows included.
    pub(in crate::sources::mysql) took: Duration,
}

/// Rows of a query that make a block, perhaps none, and whether they were its last.
pub(in crate::sources::mysql) struct Piece {
    pub(in crate::sources::mysql) rows: RowBuffer,
    pub(in crate::sources::mysql) plan: Arc<RowPlan>,
    /// The whole query, when it ended.
    pub(in crate::sources::mysql) ended: Option<Progress>,
}

/// Why a query failed.
pub(in crate::sources::mysql) enum Failure {
    /// The connection cannot be used any more.
    Lost(Error),
    /// The query did; others may follow.
    Refused(Error),
}

impl Failure {
    /// What went wrong, for those who do not go on.
    pub(in crate::sources::mysql) fn into_error(self) -> Error {
        match self {
            Failure::Lost(error) | Failure::Refused(error) => error,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Lost(error)
    }
}

impl From<ServerError> for Failure {
    fn from(error: ServerError) -> Self {
        Failure::Refused(error.into())
    }
}

impl RowSource {
    pub(in crate::sources::mysql) fn new(
        session: Session,
        sessions: Arc<Sessions>,
        block_bytes: usize,
        throttle: Throttle,
    ) -> Self {
        let buffer = RowBuffer::new(FIRST_BUFFER.min(block_bytes));
        let block = Limit { bytes: block_bytes, rows: usize::MAX };
        RowSource { session, sessions, block, throttle, query: None, buffer }
    }

    /// Sets how many rows a block has at most; without limit unless set.
    pub(in crate::sources::mysql) fn with_block_rows(mut self, rows: usize) -> Self {
        self.block.rows = rows;
        self
    }

    /// Leaves the connection, on which no transaction is open, to the next table.
    pub(in crate::sources::mysql) fn close(self) {
        if self.query.is_none() {
            self.sessions.keep(self.session);
        }
    }

    /// Whether a query is being read.
    pub(in crate::sources::mysql) fn is_reading(&self) -> bool {
        self.query.is_some()
    }

    /// Sends a SELECT of all columns of `table`.
    pub(in crate::sources::mysql) async fn ask(
        &mut self,
        statement: &str,
        table: &Arc<Table>,
    ) -> Result<(), Failure> {
        self.throttle.query().await;
        let begun = Instant::now();
        let selected = self.session.connection.select(statement, SILENCE).await??;
        match RowPlan::new(table, &selected.columns) {
            Ok(plan) => {
                let progress = Progress::default();
                self.query = Some(Query { selected, plan: Arc::new(plan), progress, begun });
                Ok(())
            }
            Err(unfit) => {
                self.drain(&selected).await?;
                Err(Failure::Refused(Error::from(unfit)))
            }
        }
    }

    /// Reads on in the current query until a block is full or the query ends.
    pub(in crate::sources::mysql) async fn receive(&mut self) -> Result<Piece, Failure> {
        let Some(query) = &mut self.query else {
            return Err(Failure::Lost(Error::definite("no query was sent")));
        };
        let received = self.session.connection.receive(&query.selected, &mut self.buffer, self.block).await?;
        let received = match received {
            Ok(received) => received,
            Err(error) => {
                self.query = None;
                self.buffer = RowBuffer::default();
                return Err(error.into());
            }
        };
        let is_end = received == Received::End;
        // The next buffer has room for a block and the row that goes over its end.
        let next = if is_end { FIRST_BUFFER } else { self.block.bytes + self.block.bytes / 8 };
        let mut rows = std::mem::replace(&mut self.buffer, RowBuffer::new(next));
        if rows.bytes.len() < rows.bytes.capacity() / 2 {
            rows.bytes.shrink_to_fit();
        }
        let (count, bytes) = (rows.count as u64, rows.bytes.len() as u64);
        query.progress.rows += count;
        query.progress.bytes += bytes;
        query.progress.took = query.begun.elapsed();
        let plan = Arc::clone(&query.plan);
        let ended = is_end.then_some(query.progress);
        if is_end {
            self.query = None;
        }
        self.throttle.rows(count, bytes).await;
        Ok(Piece { rows, plan, ended })
    }

    /// Gives the rest of the current query up.
    pub(in crate::sources::mysql) async fn give_up(&mut self) -> Result<()> {
        match self.query.take() {
            Some(query) => self.drain(&query.selected).await,
            None => Ok(()),
        }
    }

    async fn drain(&mut self, selected: &Selected) -> Result<()> {
        let limit = Limit { bytes: FIRST_BUFFER, rows: usize::MAX };
        loop {
            self.buffer = RowBuffer::new(FIRST_BUFFER);
            match self.session.connection.receive(selected, &mut self.buffer, limit).await? {
                Ok(Received::Rows) => {}
                Ok(Received::End) | Err(_) => break,
            }
        }
        self.buffer = RowBuffer::default();
        Ok(())
    }
}

/// The place of the last of the rows that `batch` was made of, in the order of the key.
///
/// # Errors
/// When the row cannot be read, or has a value that stands in no key.
pub(in crate::sources::mysql) fn end(
    batch: &Batch,
    last: &[u8],
    plan: &RowPlan,
    key: &[u16],
    version: &Version,
) -> Result<Place, Failure> {
    let cells = batch.events().iter().find_map(|event| match event {
        Event::Rows(rows) => rows.changes.last().and_then(RowChange::after),
        _ => None,
    });
    let literal = |ordinal: &u16| {
        let raw = plan.raw(last, *ordinal).map_err(unreadable)?.unwrap_or_default();
        let place = usize::from(*ordinal);
        let column = plan.table().columns.get(place);
        let literal = column
            .zip(cells.and_then(|cells| cells.get(place)))
            .and_then(|(column, cell)| bound::literal(column, *cell, raw, version));
        literal
            .ok_or_else(|| Failure::Refused(Error::definite("the table's key cannot be read in its order")))
    };
    key.iter().map(literal).collect::<Result<_, _>>().map(Place)
}

/// A row that the copy cannot go on with.
pub(in crate::sources::mysql) fn unreadable(error: RowError) -> Failure {
    Failure::Refused(
        Error::definite("a row cannot be read")
            .caused_by(error)
            .remedy("correct the value at the source, or leave the table out (objects.exclude)"),
    )
}

/// The rows as inserts at that place of the log.
///
/// # Errors
/// When a row is not of the plan's form.
pub(in crate::sources::mysql) fn batch(
    rows: Vec<u8>,
    count: usize,
    plan: &RowPlan,
    at: &LogPosition,
) -> Result<Batch, RowError> {
    Batch::decode(rows, |rows, arena, events| {
        let changes = plan.decode(rows, count, arena)?;
        events.push(Event::Rows(Rows {
            table: Arc::clone(plan.table()),
            position: at.clone(),
            time_micros: 0,
            sequence: 0,
            unlogged_cascades: false,
            changes,
        }));
        Ok(Decoded { resume: None, row_changes: count as u64, time_micros: 0 })
    })
}
