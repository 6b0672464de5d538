//! Reading rows for comparison: the snapshot's COPY, without a slot and the privileges that one takes.
//!
//! Ranges are read in the order of the key by bounded queries, so that no snapshot is held for long; all rows of a table in one query, in
//! the order of its files. A partitioned table is read as one. `key`: places in a key, which may be values of another database.

mod key;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use async_trait::async_trait;
use slackwater_decoders::{
    batch::Batch,
    event::{Event, RowChange},
    position::LogPosition,
    postgres::{lsn::Lsn, types::TypeCatalog},
    schema::{Table, TableName},
    value::Value,
};

use self::key::Place;
use super::{
    hosts::Hosts,
    schema::{
        tables::{self, CatalogTable, Which},
        types,
    },
    snapshot::{
        Idle,
        plan::RowPlan,
        prepare,
        stream::{Piece, RowStream},
    },
};
use crate::{
    config::postgres::PostgresSource,
    error::{Error, Result},
    postgres_client::{ServerError, Session, failed, quoted},
    sources::{
        pace::Pace,
        rows::{Part, RowReader, RowScan},
        throttle::Throttle,
    },
};

/// Bytes of rows that a block has at most, but for a row that is longer.
const BLOCK_BYTES: usize = 1 << 20;
/// Rows that a block has at most.
const BLOCK_ROWS: usize = 4_096;
/// Keys that one statement asks for at most, and bytes of their literals. A list of keys of several columns is planned key by key.
const LOOKUP_KEYS: usize = 1_000;
const LOOKUP_COMPOSITE_KEYS: usize = 200;
const LOOKUP_BYTES: usize = 256 << 10;
/// Rows come in the order of the key without a sort, which would read the table once for each query; those of a list by the index.
const SETTINGS: &str = "SET enable_sort = off; SET enable_hashjoin = off; SET enable_mergejoin = off";

/// The tables of a PostgreSQL database, for comparison. The account needs SELECT on them and nothing else.
pub struct PostgresRows {
    hosts: Hosts,
    idle: Arc<Idle>,
    throttle: Throttle,
    /// The tables that were asked for.
    known: Mutex<HashMap<TableName, Arc<Known>>>,
}

/// What reading rows takes.
struct Known {
    table: CatalogTable,
    types: Arc<TypeCatalog>,
}

impl PostgresRows {
    /// A reader of the primary among the servers of `config`; what there is about its log does not matter. `task` is what the server shows
    /// the connections as. Does not connect.
    ///
    /// # Errors
    /// Definite when the configuration cannot work.
    pub fn new(task: &str, config: PostgresSource) -> Result<Self> {
        Ok(PostgresRows {
            hosts: Hosts::new(task, config)?,
            idle: Arc::default(),
            throttle: Throttle::default(),
            known: Mutex::default(),
        })
    }

    /// Sets the limits for reading, which the caller may change meanwhile.
    #[must_use]
    pub fn with_throttle(mut self, throttle: Throttle) -> Self {
        self.throttle = throttle;
        self
    }

    async fn session(&self) -> Result<Arc<Session>> {
        if let Some(session) = self.idle.take() {
            return Ok(session);
        }
        let session = self.hosts.connect().await?;
        prepare(&session).await?;
        let set = session.batch_execute(SETTINGS).await;
        set.map_err(|error| failed("cannot set up the session", error))?;
        Ok(Arc::new(session))
    }

    async fn read(&self, session: &Session, names: &[TableName]) -> Result<Vec<Arc<Known>>> {
        let types = Arc::new(types::read(session).await?);
        let found = tables::read(session, &types, Which::Named(names)).await?;
        let found = found.into_iter().map(|table| Arc::new(Known { table, types: Arc::clone(&types) }));
        let found: Vec<_> = found.collect();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        names.iter().for_each(|name| drop(known.remove(name)));
        known.extend(found.iter().map(|known| (known.table.table.name.clone(), Arc::clone(known))));
        Ok(found)
    }

    /// What reading this table takes.
    async fn known(&self, session: &Session, table: &Arc<Table>) -> Result<Arc<Known>> {
        let is_it = |known: &Arc<Known>| known.table.table == *table;
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&table.name).cloned();
        if let Some(known) = known.filter(is_it) {
            return Ok(known);
        }
        let found = self.read(session, std::slice::from_ref(&table.name)).await?;
        found.into_iter().find(is_it).ok_or_else(|| {
            Error::transient("the table's definition is another one than it was").on(&table.name)
        })
    }

    async fn open(&self, table: &Arc<Table>) -> Result<Reading> {
        let session = self.session().await?;
        let known = self.known(&session, table).await?;
        Ok(Reading {
            plan: RowPlan::new(&known.table.table, &known.table.types, &known.types),
            from: from(&known.table),
            session,
            throttle: self.throttle.clone(),
        })
    }
}

#[async_trait]
impl RowReader for PostgresRows {
    fn describe(&self) -> String {
        self.hosts.describe()
    }

    async fn tables(&self, names: &[TableName]) -> Result<Vec<Arc<Table>>> {
        let session = self.session().await?;
        let found = self.read(&session, names).await?;
        self.idle.keep(session);
        Ok(found.iter().map(|known| Arc::clone(&known.table.table)).collect())
    }

    async fn count(&self, table: &TableName) -> Result<u64> {
        let session = self.session().await?;
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(table).cloned();
        let known = match known {
            Some(known) => Some(known),
            None => self.read(&session, std::slice::from_ref(table)).await?.pop(),
        };
        let known = known.ok_or_else(|| Error::definite("there is no such table").on(table))?;
        let question = format!("SELECT count(*) FROM {}", from(&known.table));
        let count = session.one_number(&question).await.map_err(|error| error.on(table))?;
        self.idle.keep(session);
        Ok(u64::try_from(count).unwrap_or_default())
    }

    async fn scan(&self, table: &Arc<Table>, part: &Part<'_>) -> Result<Box<dyn RowScan>> {
        let asking = match (part, table.key()) {
            (Part::All, _) => Asking::Once,
            (Part::Range { .. }, None) => return Err(keyless(table)),
            (Part::Range { after, to }, Some(key)) => {
                let bound = |values: Option<&[Value<'_>]>| {
                    values.map(|values| Place::new(table, key, values)).transpose()
                };
                Asking::Again {
                    key: key.to_vec(),
                    columns: key::columns(table, key),
                    after: bound(*after)?,
                    to: bound(*to)?,
                    pace: Pace::new(0),
                    asked: 0,
                }
            }
        };
        let reading = self.open(table).await?;
        let idle = Arc::clone(&self.idle);
        Ok(Box::new(Scan { reading: Some(reading), idle, table: Arc::clone(table), asking, query: None }))
    }

    async fn rows(&self, table: &Arc<Table>, keys: &[Vec<Value<'_>>]) -> Result<Batch> {
        let key = table.key().ok_or_else(|| keyless(table))?;
        let places: Vec<Place> =
            keys.iter().map(|values| Place::new(table, key, values)).collect::<Result<_>>()?;
        let columns = key::columns(table, key);
        let most = if key.len() == 1 { LOOKUP_KEYS } else { LOOKUP_COMPOSITE_KEYS };
        let mut reading = self.open(table).await?;
        let mut found = Found::default();
        let mut rest = places.as_slice();
        while !rest.is_empty() {
            let (some, behind) = rest.split_at(statement_keys(rest, most));
            rest = behind;
            match reading.look_up(&columns, some, &mut found).await {
                // One of the values is none of its column, so that no row has it; the others are asked for one by one.
                Err(error) if is_unfit(&error) => {
                    for one in some {
                        match reading.look_up(&columns, std::slice::from_ref(one), &mut found).await {
                            Err(error) if is_unfit(&error) => {}
                            looked => looked.map_err(|error| error.on(&table.name))?,
                        }
                    }
                }
                looked => looked.map_err(|error| error.on(&table.name))?,
            }
        }
        let batch = reading.plan.batch(found.rows, found.count, &nowhere());
        self.idle.keep(reading.session);
        batch.map_err(|error| Error::from(error).on(&table.name))
    }
}

/// What stands behind FROM. The rows of tables that inherit from a plain one are not its own.
fn from(table: &CatalogTable) -> String {
    let TableName { database, table: name } = &table.table.name;
    let only = if table.is_partitioned { "" } else { "ONLY " };
    format!("{only}{}.{}", quoted(database), quoted(name))
}

fn keyless(table: &Table) -> Error {
    Error::definite("the table has no key, so that its rows have no order and are not found by one")
        .on(&table.name)
}

/// Rows that are read for comparison are of no place of a log.
fn nowhere() -> LogPosition {
    LogPosition::Wal { system: 0, timeline: 0, lsn: Lsn(0) }
}

/// Whether a value cannot be one of its column's type (class 22, "Data Exception").
fn is_unfit(error: &Error) -> bool {
    error.cause_as::<ServerError>().is_some_and(|refusal| refusal.code.starts_with("22"))
}

/// How many of the keys one statement asks for.
fn statement_keys(keys: &[Place], most: usize) -> usize {
    let mut bytes = 0;
    let fitting = keys.iter().take(most).take_while(|key| {
        bytes += key.bytes();
        bytes <= LOOKUP_BYTES
    });
    fitting.count().max(1)
}

/// A session, and how the rows of a table are read on it.
struct Reading {
    session: Arc<Session>,
    plan: RowPlan,
    /// What stands behind FROM.
    from: String,
    throttle: Throttle,
}

/// Rows that were looked up.
#[derive(Default)]
struct Found {
    rows: Vec<u8>,
    count: usize,
}

impl Reading {
    /// Sends a COPY; `rest` stands behind the table.
    async fn ask(&self, rest: &str) -> Result<RowStream> {
        self.throttle.query().await;
        let statement = format!(
            "COPY (SELECT {} FROM {}{rest}) TO STDOUT (FORMAT binary)",
            self.plan.selected(),
            self.from
        );
        let rows = self.session.copy_out(&statement).await;
        Ok(RowStream::new(rows.map_err(|error| failed("cannot read the table", error))?))
    }

    async fn receive(&self, stream: &mut RowStream) -> Result<Piece> {
        let piece = stream.receive(BLOCK_BYTES, BLOCK_ROWS).await?;
        self.throttle.rows(piece.count as u64, piece.rows.len() as u64).await;
        Ok(piece)
    }

    async fn look_up(&mut self, columns: &str, keys: &[Place], found: &mut Found) -> Result<()> {
        let mut stream = self.ask(&key::among(columns, keys)).await?;
        loop {
            let mut piece = self.receive(&mut stream).await?;
            found.rows.append(&mut piece.rows);
            found.count += piece.count;
            if piece.ended {
                return Ok(());
            }
        }
    }
}

/// Rows on their way.
struct Scan {
    /// `None`: everything is read, or reading failed.
    reading: Option<Reading>,
    idle: Arc<Idle>,
    table: Arc<Table>,
    asking: Asking,
    query: Option<Query>,
}

/// A COPY that is being read.
struct Query {
    stream: RowStream,
    rows: u64,
    bytes: u64,
    begun: Instant,
}

/// What is asked next.
enum Asking {
    /// All rows at once.
    Once,
    /// The rows behind the last ones, in the order of the key.
    Again {
        key: Vec<u16>,
        columns: String,
        after: Option<Place>,
        to: Option<Place>,
        pace: Pace,
        /// How many rows the current query was asked for.
        asked: u64,
    },
}

impl Asking {
    /// What stands behind the table in the next statement.
    fn rest(&mut self) -> String {
        match self {
            Asking::Once => String::new(),
            Asking::Again { columns, after, to, pace, asked, .. } => {
                *asked = pace.rows();
                let condition = key::between(columns, after.as_ref(), to.as_ref());
                format!("{condition} ORDER BY {columns} LIMIT {asked}")
            }
        }
    }

    /// Goes on behind the last row.
    fn move_behind(&mut self, batch: &Batch, table: &Table) -> Result<()> {
        let Asking::Again { key, after, .. } = self else { return Ok(()) };
        let cells = batch.events().iter().find_map(|event| match event {
            Event::Rows(rows) => rows.changes.last().and_then(RowChange::after),
            _ => None,
        });
        if let Some(cells) = cells {
            let value = |ordinal: &u16| cells.get(usize::from(*ordinal))?.value();
            let values: Vec<Value<'_>> = key.iter().filter_map(value).collect();
            *after = Some(Place::new(table, key, &values)?);
        }
        Ok(())
    }

    /// Whether nothing is left to ask behind that query.
    fn is_answered(&mut self, query: &Query) -> bool {
        match self {
            Asking::Once => true,
            Asking::Again { pace, asked, .. } => {
                pace.learn(query.rows, query.bytes, query.begun.elapsed());
                query.rows < *asked
            }
        }
    }
}

impl Scan {
    async fn read_on(&mut self) -> Result<Option<Batch>> {
        while let Some(reading) = &self.reading {
            let mut query = match self.query.take() {
                Some(query) => query,
                None => {
                    let begun = Instant::now();
                    Query { stream: reading.ask(&self.asking.rest()).await?, rows: 0, bytes: 0, begun }
                }
            };
            let piece = reading.receive(&mut query.stream).await?;
            query.rows += piece.count as u64;
            query.bytes += piece.rows.len() as u64;
            let batch = reading.plan.batch(piece.rows, piece.count, &nowhere())?;
            self.asking.move_behind(&batch, &self.table)?;
            if !piece.ended {
                self.query = Some(query);
            } else if self.asking.is_answered(&query)
                && let Some(reading) = self.reading.take()
            {
                self.idle.keep(reading.session);
            }
            if piece.count > 0 {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }
}

#[async_trait]
impl RowScan for Scan {
    async fn next(&mut self) -> Result<Option<Batch>> {
        let read = self.read_on().await;
        read.map_err(|error| {
            (self.reading, self.query) = (None, None);
            error.on(&self.table.name)
        })
    }
}
