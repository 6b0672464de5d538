//! Blocks cut from the rows of a SELECT as they arrive.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use slackwater_decoders::{
    batch::{Batch, Decoded},
    event::{Event, Rows},
    mysql::resultset::{RowError, RowPlan},
    position::Position,
    schema::Table,
};

use super::session::{Session, Sessions};
use crate::{
    error::{Error, Result},
    sources::{
        mysql::{
            response::ServerError,
            statement::{Received, RowBuffer, Selected},
        },
        throttle::Throttle,
    },
};

/// How large the buffer of a table's first block is before it grows: most tables are small.
const FIRST_BUFFER: usize = 64 << 10;

/// A connection that reads rows, and what was received of the current query.
pub(super) struct RowSource {
    pub(super) session: Session,
    /// Where it comes from.
    pub(super) sessions: Arc<Sessions>,
    block_bytes: usize,
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
pub(super) struct Progress {
    pub(super) rows: u64,
    pub(super) bytes: u64,
    /// From asking to the last row, waiting for those who take the rows included.
    pub(super) took: Duration,
}

/// Rows of a query that make a block, perhaps none, and whether they were its last.
pub(super) struct Piece {
    pub(super) rows: RowBuffer,
    pub(super) plan: Arc<RowPlan>,
    /// The whole query, when it ended.
    pub(super) ended: Option<Progress>,
}

/// Why a query failed.
pub(super) enum Failure {
    /// The connection cannot be used any more.
    Lost(Error),
    /// The query did; others may follow.
    Refused(Error),
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
    pub(super) fn new(
        session: Session,
        sessions: Arc<Sessions>,
        block_bytes: usize,
        throttle: Throttle,
    ) -> Self {
        let buffer = RowBuffer::new(FIRST_BUFFER.min(block_bytes));
        RowSource { session, sessions, block_bytes, throttle, query: None, buffer }
    }

    /// Leaves the connection, on which no transaction is open, to the next table.
    pub(super) fn close(self) {
        if self.query.is_none() {
            self.sessions.keep(self.session);
        }
    }

    /// Whether a query is being read.
    pub(super) fn is_reading(&self) -> bool {
        self.query.is_some()
    }

    /// Sends a SELECT of all columns of `table`.
    pub(super) async fn ask(&mut self, statement: &str, table: &Arc<Table>) -> Result<(), Failure> {
        self.throttle.query().await;
        let begun = Instant::now();
        let selected = self.session.connection.select(statement).await??;
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
    pub(super) async fn receive(&mut self) -> Result<Piece, Failure> {
        let Some(query) = &mut self.query else {
            return Err(Failure::Lost(Error::definite("no query was sent")));
        };
        let received =
            self.session.connection.receive(&query.selected, &mut self.buffer, self.block_bytes).await?;
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
        let next = if is_end { FIRST_BUFFER } else { self.block_bytes + self.block_bytes / 8 };
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
    pub(super) async fn give_up(&mut self) -> Result<()> {
        match self.query.take() {
            Some(query) => self.drain(&query.selected).await,
            None => Ok(()),
        }
    }

    async fn drain(&mut self, selected: &Selected) -> Result<()> {
        loop {
            self.buffer = RowBuffer::new(FIRST_BUFFER);
            match self.session.connection.receive(selected, &mut self.buffer, FIRST_BUFFER).await? {
                Ok(Received::Rows) => {}
                Ok(Received::End) | Err(_) => break,
            }
        }
        self.buffer = RowBuffer::default();
        Ok(())
    }
}

/// A row that the copy cannot go on with.
pub(super) fn unreadable(error: RowError) -> Failure {
    Failure::Refused(
        Error::definite("a row cannot be read")
            .caused_by(error)
            .remedy("correct the value at the source, or leave the table out (objects.exclude)"),
    )
}

/// The rows as inserts at the start of the copy.
///
/// # Errors
/// When a row is not of the plan's form.
pub(super) fn batch(
    rows: Vec<u8>,
    count: usize,
    plan: &RowPlan,
    start: &Position,
) -> Result<Batch, RowError> {
    Batch::decode(rows, |rows, arena, events| {
        let changes = plan.decode(rows, count, arena)?;
        events.push(Event::Rows(Rows {
            table: Arc::clone(plan.table()),
            position: start.log.clone(),
            time_micros: 0,
            sequence: 0,
            unlogged_cascades: false,
            changes,
        }));
        Ok(Decoded { resume: None, row_changes: count as u64, time_micros: 0 })
    })
}
