//! The reader of one table: COPY after COPY, each in a transaction of its own.

use std::sync::Arc;

use async_trait::async_trait;
use slackwater_decoders::{
    position::Position,
    postgres::types::TypeCatalog,
    schema::{Table, TableName},
};

use super::{
    Idle,
    exported::ExportedSnapshot,
    place::{Place, RowId},
    plan::{From, RowPlan},
    shape::{Part, Shape},
    stream::{Piece, RowStream},
};
use crate::{
    error::{Error, Result},
    postgres_client::{Session, failed},
    sources::{
        postgres::Postgres,
        snapshot::{Block, CopyPoint, Read, TableReader},
        throttle::Throttle,
    },
};

/// How often the definition may change while the copy starts.
const STARTS: u32 = 10;
/// Pages that one COPY reads: 256 MiB.
const RANGE_PAGES: u32 = 32_768;
/// The first version that begins to read in the middle of a table without reading all before.
const TID_RANGES: u32 = 14;

pub(super) struct Reader {
    session: Arc<Session>,
    idle: Arc<Idle>,
    snapshot: Arc<ExportedSnapshot>,
    types: Arc<TypeCatalog>,
    shape: Shape,
    plan: RowPlan,
    start: Position,
    throttle: Throttle,
    block_bytes: usize,
    /// The part that is read.
    part: usize,
    from: From,
    range: Option<Range>,
    /// Whether the shape was seen to be the same since the last COPY.
    is_verified: bool,
    state: State,
}

/// A COPY that is being read.
struct Range {
    rows: RowStream,
    /// The page at which it ends; `None`: that of the part.
    end: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Reading,
    Finished,
    Changed,
}

impl Reader {
    /// Starts the copy of a table, or goes on with it. `None`: there is no such table (any more).
    ///
    /// # Errors
    /// When no snapshot is to be had, the server's refusal, or a lost connection.
    pub(super) async fn open(
        source: &Postgres,
        name: &TableName,
        resume: Option<&CopyPoint>,
    ) -> Result<Option<Self>> {
        let mut unfit = None;
        for _ in 0..STARTS {
            let snapshot = source.exact_snapshot(unfit.as_ref()).await?;
            let session = source.reading_session(&snapshot).await?;
            let types = source.types_at(&session, snapshot.position()).await?;
            let Some(now) = Shape::read(&session, name, &types).await? else { return Ok(None) };
            if begin(&session, &snapshot).await? {
                let then = Shape::read(&session, name, &types).await;
                session.batch_execute("ROLLBACK").await.map_err(unreadable)?;
                // A definition that was not understood then is another one than now.
                if then.is_ok_and(|then| then.as_ref() == Some(&now)) {
                    return Self::at(source, session, snapshot, types, now, resume).await.map(Some);
                }
            }
            unfit = Some(snapshot.position().clone());
        }
        Err(Error::transient("the definition of the table changes all the time").on(name))
    }

    async fn at(
        source: &Postgres,
        session: Arc<Session>,
        snapshot: Arc<ExportedSnapshot>,
        types: Arc<TypeCatalog>,
        shape: Shape,
        resume: Option<&CopyPoint>,
    ) -> Result<Self> {
        let plan = RowPlan::new(shape.table(), shape.types(), &types);
        let mut reader = Reader {
            session,
            idle: Arc::clone(&source.copies.idle),
            start: snapshot.position().clone(),
            snapshot,
            types,
            shape,
            plan,
            throttle: source.throttle.clone(),
            block_bytes: source.block_bytes,
            part: 0,
            from: From::Page(0),
            range: None,
            is_verified: true,
            state: State::Reading,
        };
        if let Some(point) = resume {
            reader.go_on(point).await?;
        }
        Ok(reader)
    }

    /// Goes on where an interrupted copy was, where that is right. Else the copy begins, with another start.
    async fn go_on(&mut self, point: &CopyPoint) -> Result<()> {
        if point.table != *self.shape.table() || !self.is_resumable() {
            return Ok(());
        }
        let is_exact = point.start == *self.snapshot.position();
        if !is_exact && !self.shape.has_whole_images(&self.session).await? {
            return Ok(());
        }
        let Some(bound) = &point.after else {
            self.start = point.start.clone();
            return Ok(());
        };
        let place = Place::from_bound(bound, self.shape.table())?;
        if place.parts != self.shape.fingerprint() {
            return Ok(());
        }
        self.start = point.start.clone();
        let found = self.shape.parts.iter().position(|part| part.oid == place.part);
        self.part = found.unwrap_or_default();
        let is_same_file = self.shape.parts.get(self.part).is_some_and(|part| part.file == place.file);
        // In a file that was written anew the rows lie elsewhere: all of it is read again.
        self.from = if is_same_file { From::Behind(place.row) } else { From::Page(0) };
        Ok(())
    }

    async fn read_on(&mut self) -> Result<Read> {
        while self.state == State::Reading {
            let Some(part) = self.shape.parts.get(self.part).cloned() else {
                if self.is_same().await? {
                    self.state = State::Finished;
                    self.idle.keep(Arc::clone(&self.session));
                }
                break;
            };
            let mut range = match self.range.take() {
                Some(range) => range,
                None if self.is_same().await? => self.ask(&part).await?,
                None => break,
            };
            let piece = range.rows.receive(self.block_bytes, usize::MAX).await?;
            self.throttle.rows(piece.count as u64, piece.rows.len() as u64).await;
            if piece.ended {
                self.session.batch_execute("COMMIT").await.map_err(unreadable)?;
                self.is_verified = false;
                self.move_behind(range.end);
            } else {
                self.range = Some(range);
            }
            if piece.count > 0 {
                return Ok(Read::Block(self.block(piece, &part)?));
            }
        }
        Ok(if self.state == State::Changed { Read::Changed } else { Read::Finished })
    }

    /// Sends the next COPY.
    async fn ask(&mut self, part: &Part) -> Result<Range> {
        self.throttle.query().await;
        let end = self.end_of_range(part).await?;
        if !begin(&self.session, &self.snapshot).await? {
            return Err(Error::disconnected("the snapshot that the table is read by is gone"));
        }
        let statement = self.plan.statement(part, self.from, end);
        let rows = self.session.copy_out(&statement).await.map_err(unreadable)?;
        Ok(Range { rows: RowStream::new(rows), end })
    }

    /// The page at which the next COPY ends; `None`: where the part ends.
    async fn end_of_range(&self, part: &Part) -> Result<Option<u32>> {
        if self.session.major() < TID_RANGES {
            return Ok(None);
        }
        let first = match self.from {
            From::Page(page) => page,
            From::Behind(RowId { page, .. }) => page,
        };
        let question = format!("SELECT pg_relation_size({}) / current_setting('block_size')::int8", part.oid);
        let pages = u32::try_from(self.session.one_number(&question).await?).unwrap_or(u32::MAX);
        let end = first.saturating_add(RANGE_PAGES);
        Ok((end < pages).then_some(end))
    }

    fn move_behind(&mut self, end: Option<u32>) {
        match end {
            Some(page) => self.from = From::Page(page),
            None => {
                self.part += 1;
                self.from = From::Page(0);
            }
        }
    }

    fn block(&self, piece: Piece, part: &Part) -> Result<Block> {
        let parts = self.shape.fingerprint();
        let place = piece.last.map(|row| Place { part: part.oid, file: part.file, row, parts });
        let batch = self.plan.batch(piece.rows, piece.count, &self.start.log)?;
        Ok(Block { batch, end: place.filter(|_| self.is_resumable()).map(Place::to_bound) })
    }

    /// Whether the table is what it was when the copy began. Outside of a transaction.
    async fn is_same(&mut self) -> Result<bool> {
        if !self.is_verified {
            let name = &self.shape.table().name;
            let now = Shape::read(&self.session, name, &self.types).await?;
            if now.as_ref() != Some(&self.shape) {
                self.state = State::Changed;
                return Ok(false);
            }
            self.is_verified = true;
        }
        Ok(true)
    }

    /// Looks whether a COPY failed because the table is another one now.
    async fn explain(&mut self, error: Error) -> Result<Read> {
        self.range = None;
        self.session.batch_execute("ROLLBACK").await.map_err(unreadable)?;
        self.is_verified = false;
        if self.is_same().await? {
            return Err(error.on(&self.shape.table().name));
        }
        Ok(Read::Changed)
    }
}

/// Begins a transaction that reads by the snapshot. `false`: there is no such snapshot any more.
pub(super) async fn begin(session: &Session, snapshot: &ExportedSnapshot) -> Result<bool> {
    let statement = format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT {}",
        crate::postgres_client::literal(snapshot.name())
    );
    let Err(error) = session.batch_execute(&statement).await else { return Ok(true) };
    if error.as_db_error().is_none() {
        return Err(unreadable(error));
    }
    session.batch_execute("ROLLBACK").await.map_err(unreadable)?;
    Ok(false)
}

fn unreadable(error: tokio_postgres::Error) -> Error {
    failed("cannot read the table", error)
}

#[async_trait]
impl TableReader for Reader {
    fn table(&self) -> &Arc<Table> {
        self.shape.table()
    }

    fn start(&self) -> &Position {
        &self.start
    }

    fn is_resumable(&self) -> bool {
        self.shape.table().key().is_some()
    }

    async fn next(&mut self) -> Result<Read> {
        match self.read_on().await {
            Ok(read) => Ok(read),
            Err(error) if error.is_transient() => Err(error.on(&self.shape.table().name)),
            Err(error) => self.explain(error).await,
        }
    }
}
