//! Copying tables: reading their rows by COPY, as they are at one place of the log.
//!
//! # Why the copy is exact
//!
//! The command that creates a replication slot can export a snapshot: it shows what was committed before the slot's
//! start, and nothing else (`SnapBuildInitialSnapshot`, `src/backend/replication/logical/snapbuild.c`). All readers share the one of the task's own
//! slot, whose start is the position of the task: every row is as it was there, so that the log from there on brings no row to a
//! state that it had already. The [start](crate::sources::snapshot::TableReader::start) of each table is that position.
//!
//! A table that has changed since (its columns, its partitions, or its file: a statement that rewrites a table shows an empty one to older
//! snapshots), and every table that is begun when the exported snapshot is gone, gets another exact pair of a snapshot and a
//! position, from a temporary slot: what the log says of the table before that position is left out.
//!
//! A transaction is before a position when its commit is, whatever its first change is: so the start of a transaction, as the decoder
//! tells it, has to be the place of its commit.
//!
//! # The order of the rows
//!
//! Rows are read as they lie in the file (`ctid`), partition after partition, without an index: that is as fast as COPY of a whole
//! table, where the order of a key that the rows do not lie in takes five times as long even when everything is in memory. One COPY
//! reads 256 MiB of pages in a transaction of its own, so that a change of the definition waits for seconds and not
//! for the whole table; before PostgreSQL 14, which cannot begin in the middle of a table without reading all before, one
//! COPY reads a whole partition.
//!
//! # Going on after an interruption
//!
//! While the exported snapshot lives (a reader's connection was lost), reading on behind a `ctid` is exact: a row that the snapshot shows stays
//! where it is unless the file is rewritten, which is noticed.
//!
//! When it is gone (the task was killed, or the server was), a table with a key goes on behind the same place with a newer
//! snapshot S, if every change of it in the log has the whole row. A row that was not changed between the first snapshot and S lies where it lay: it was
//! read before, or it is read now. A row that was changed in between may have moved over the place in either direction: it may be missing, or of
//! any of its states. But its last change up to S is in the log behind the table's start, as a whole row or as a removal,
//! which makes the row what it was at S, whatever is there. (Unique values may be twice until then; the keys for them are
//! created when the log has made the rows one state.)
//!
//! The log does not have the whole row where a large value was not changed (TOAST) and the replica identity is not FULL: such a row,
//! if it moved over the place, would be without that value. So a table that has large values begins again after a kill, with a new exact
//! pair. Whether it has is asked of its TOAST table at S: a row that still exists there has its values there; one that does
//! not is removed by the log.
//!
//! # What it costs the source
//!
//! An exported snapshot holds back the removal of dead rows in the whole database (`backend_xmin`) until the last table is copied, and the slots keep the
//! log from their start on.
//!
//! Modules: `exported` snapshots and their positions; `shape` what a table is made of; `place` places in it; `plan` statements, and rows
//! as cells; `stream` blocks cut from a COPY; `reader` puts them together.

mod exported;
mod place;
pub(super) mod plan;
mod reader;
mod shape;
pub(super) mod stream;

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use slackwater_decoders::{position::Position, postgres::types::TypeCatalog, schema::TableName};

pub(super) use self::exported::ExportedSnapshot;
use self::{exported::Snapshots, reader::Reader};
use super::{
    Postgres,
    schema::{
        tables::{self, Which},
        types,
    },
};
use crate::{
    error::Result,
    positions::SchemaHistory,
    postgres_client::{Session, failed},
    sources::snapshot::{CopyPoint, SnapshotSource, TableEstimate, TableReader},
};

/// What readers expect of a session: plans that read in the order of the file, no row hidden by a policy (an error instead), no end to a
/// transaction but its own.
const SETTINGS: &str =
    "SET row_security = off; SET synchronize_seqscans = off; SET max_parallel_workers_per_gather = 0";

/// Sessions that are kept for the next table.
const IDLE_SESSIONS: usize = 16;

/// What the copies of a source's tables share.
#[derive(Default)]
pub(super) struct Copies {
    snapshots: Snapshots,
    idle: Arc<Idle>,
    /// The types as they were when the first table was read by the snapshot of that position.
    types: tokio::sync::Mutex<Option<(Position, Arc<TypeCatalog>)>>,
}

/// Sessions without an open transaction.
#[derive(Default)]
pub(super) struct Idle(Mutex<Vec<Arc<Session>>>);

impl Idle {
    /// One that works, as far as is known.
    pub(super) fn take(&self) -> Option<Arc<Session>> {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|session| !session.is_closed());
        idle.pop()
    }

    /// Keeps one for the next table.
    pub(super) fn keep(&self, session: Arc<Session>) {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_SESSIONS {
            idle.push(session);
        }
    }
}

impl Copies {
    /// Takes the snapshot that was exported with the task's own slot.
    pub(super) async fn share(&self, snapshot: ExportedSnapshot) {
        self.snapshots.set(snapshot).await;
    }

    /// Records the definitions as the shared snapshot shows them, which is how they were at its position: statements that came since are in the
    /// log behind it. `false`: no snapshot shows that position.
    pub(super) async fn definitions_at(
        &self,
        source: &Postgres,
        at: &Position,
        history: &SchemaHistory,
    ) -> Result<bool> {
        let Some(snapshot) = self.snapshots.at(at).await else { return Ok(false) };
        let session = source.reading_session(&snapshot).await?;
        if !reader::begin(&session, &snapshot).await? {
            return Ok(false);
        }
        source.record_definitions(&session, at, history).await?;
        session
            .batch_execute("ROLLBACK")
            .await
            .map_err(|error| failed("cannot end the reading of the definitions", error))?;
        self.idle.keep(session);
        Ok(true)
    }

    /// All tables are copied: lets the snapshot go, which holds back the removal of dead rows at the source.
    pub(super) async fn end(&self) {
        self.snapshots.clear().await;
    }
}

#[async_trait]
impl SnapshotSource for Postgres {
    async fn tables(&self) -> Result<Vec<TableEstimate>> {
        let mut control = self.hosts.control().await?;
        let tables = self.estimates(&mut control.session).await;
        control.keep(tables)
    }

    async fn read_table(
        &self,
        table: &TableName,
        resume: Option<&CopyPoint>,
    ) -> Result<Option<Box<dyn TableReader>>> {
        let reader = Reader::open(self, table, resume).await?;
        Ok(reader.map(|reader| Box::new(reader) as Box<dyn TableReader>))
    }
}

/// Sets what readers expect of a session.
///
/// # Errors
/// The server's refusal, or a lost connection.
pub(super) async fn prepare(session: &Session) -> Result<()> {
    session.batch_execute(SETTINGS).await.map_err(|error| failed("cannot set up the session", error))?;
    if session.major() >= 17 {
        let unlimited = session.batch_execute("SET transaction_timeout = 0").await;
        unlimited.map_err(|error| failed("cannot set up the session", error))?;
    }
    Ok(())
}

impl Postgres {
    /// A session for reading rows from the server that has the snapshot.
    async fn reading_session(&self, snapshot: &ExportedSnapshot) -> Result<Arc<Session>> {
        while let Some(session) = self.copies.idle.take() {
            if session.address() == snapshot.address() {
                return Ok(session);
            }
        }
        let session = self.hosts.connect_to(snapshot.address()).await?;
        prepare(&session).await?;
        Ok(Arc::new(session))
    }

    /// The tables whose rows are in the log, with what the server estimates of them.
    async fn estimates(&self, session: &mut Session) -> Result<Vec<TableEstimate>> {
        // The columns do not matter here.
        let tables = tables::read(session, &TypeCatalog::new(), Which::Selected(&self.selected)).await?;
        let oids: Vec<u32> = tables.iter().map(|table| table.oid).collect();
        let question = "WITH RECURSIVE part AS (SELECT oid AS root, oid AS leaf FROM unnest($1::oid[]) AS oid \
               UNION ALL SELECT part.root, i.inhrelid FROM part JOIN pg_inherits i ON i.inhparent = part.leaf \
                 JOIN pg_class c ON c.oid = i.inhrelid AND c.relispartition) \
             SELECT part.root, sum(greatest(c.reltuples, 0))::int8, sum(pg_table_size(c.oid))::int8 \
             FROM part JOIN pg_class c ON c.oid = part.leaf WHERE c.relkind = 'r' GROUP BY part.root";
        let unreadable = |error| failed("cannot read the sizes of the tables", error);
        let rows = session.query(question, &[&oids]).await.map_err(unreadable)?;
        let mut sizes = std::collections::HashMap::new();
        for row in rows {
            let (oid, rows, bytes): (u32, i64, Option<i64>) = (
                row.try_get(0).map_err(unreadable)?,
                row.try_get(1).map_err(unreadable)?,
                row.try_get(2).map_err(unreadable)?,
            );
            sizes.insert(oid, (rows.max(0) as u64, bytes.unwrap_or_default().max(0) as u64));
        }
        let estimate = |table: &tables::CatalogTable| {
            let (rows, bytes) = sizes.get(&table.oid).copied().unwrap_or_default();
            TableEstimate { table: table.table.name.clone(), rows, bytes }
        };
        Ok(tables.iter().filter(|table| !table.is_unlogged).map(estimate).collect())
    }

    /// A snapshot that is exact at its position; one that is not `than`, where that is given.
    async fn exact_snapshot(&self, than: Option<&Position>) -> Result<Arc<ExportedSnapshot>> {
        self.copies.snapshots.exact(&self.hosts, than).await
    }

    /// The position of a new snapshot, which all readers share from now on: a copy can begin there.
    pub(super) async fn fresh_start(&self) -> Result<Position> {
        self.copies.end().await;
        Ok(self.exact_snapshot(None).await?.position().clone())
    }

    /// The types as of now, once for each snapshot.
    async fn types_at(&self, session: &Session, position: &Position) -> Result<Arc<TypeCatalog>> {
        let mut known = self.copies.types.lock().await;
        if let Some((_, types)) = known.as_ref().filter(|(at, _)| at == position) {
            return Ok(Arc::clone(types));
        }
        let types = Arc::new(types::read(session).await?);
        *known = Some((position.clone(), Arc::clone(&types)));
        Ok(types)
    }
}
