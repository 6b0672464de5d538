//! Reading rows for comparison: the snapshot's SELECTs, without a position in the log and the privileges that one takes.
//!
//! A table with a key is read in the order of the key by bounded queries, as a copy reads it, so that no transaction stays open for long;
//! one without in a single query. Places in a key that come from outside are values, perhaps of another database: see
//! [`literal_of`].

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use slackwater_decoders::{
    batch::{Batch, Decoded},
    event::{Event, RowChange, Rows},
    mysql::resultset::RowPlan,
    position::LogPosition,
    schema::{Column, ColumnType, Table, TableName},
    value::Value,
};

use super::{
    catalog::qualified,
    connection::Connection,
    hosts::Hosts,
    response::ServerError,
    snapshot::{
        Sessions,
        bound::{Place, literal_of},
        definition::Definitions,
        query::{self, KeyQuery},
        rows::{self, Failure, Piece, RowSource},
        session::Session,
    },
    statement::{Limit, Received, RowBuffer},
};
use crate::{
    config::source::MysqlSource,
    error::{Error, Result},
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
/// Keys that one statement asks for at most, and bytes of their literals: servers take statements of a megabyte at least.
const LOOKUP_KEYS: usize = 1_000;
const LOOKUP_BYTES: usize = 256 << 10;
/// How long counting may take.
const COUNTING: Duration = Duration::from_secs(6 * 3600);

/// Variables that limit how many keys of a list a server looks up in the index: of MySQL (memory for the optimizer), and of MariaDB
/// (a list becomes a subquery; weight of the ranges). 0 is no limit for each.
const LIMITS_OF_KEY_LISTS: [&str; 3] =
    ["range_optimizer_max_mem_size", "in_predicate_conversion_threshold", "optimizer_max_sel_arg_weight"];
/// ER_UNKNOWN_SYSTEM_VARIABLE.
const UNKNOWN_VARIABLE: u16 = 1193;
/// What a server says to a comparison with a value that its column cannot hold: ER_CANT_AGGREGATE_2COLLATIONS (of
/// two, of three, of more), ER_WRONG_VALUE, ER_CANNOT_CONVERT_STRING.
const UNFIT_VALUE: [u16; 5] = [1267, 1270, 1271, 1525, 3854];

/// The tables of a MySQL or MariaDB server, for comparison. The account needs SELECT on them and nothing else.
pub struct MysqlRows {
    hosts: Hosts,
    sessions: Arc<Sessions>,
    throttle: Throttle,
}

impl MysqlRows {
    /// A reader of the first server of `config` that answers; what there is about its log does not matter. Does not connect.
    ///
    /// # Errors
    /// Definite when the configuration cannot work.
    pub fn new(config: MysqlSource) -> Result<Self> {
        Ok(MysqlRows { hosts: Hosts::new(config)?, sessions: Arc::default(), throttle: Throttle::default() })
    }

    /// Sets the limits for reading, which the caller may change meanwhile.
    #[must_use]
    pub fn with_throttle(mut self, throttle: Throttle) -> Self {
        self.throttle = throttle;
        self
    }

    async fn session(&self) -> Result<Session> {
        self.sessions.reading(&self.hosts).await
    }

    async fn source(&self) -> Result<RowSource> {
        let session = self.session().await?;
        let source = RowSource::new(session, Arc::clone(&self.sessions), BLOCK_BYTES, self.throttle.clone());
        Ok(source.with_block_rows(BLOCK_ROWS))
    }
}

#[async_trait]
impl RowReader for MysqlRows {
    fn describe(&self) -> String {
        self.hosts.describe()
    }

    async fn tables(&self, names: &[TableName]) -> Result<Vec<Arc<Table>>> {
        let mut session = self.session().await?;
        let mut tables = Vec::new();
        for name in names {
            let definitions = Definitions::new(name, Arc::clone(&session.empty));
            let found = definitions.read(&mut session.connection).await?;
            tables.extend(found.map(|definition| shown(definition.table)));
        }
        self.sessions.keep(session);
        Ok(tables)
    }

    async fn count(&self, table: &TableName) -> Result<u64> {
        let mut session = self.session().await?;
        let count = count(&mut session.connection, table).await.map_err(|error| error.on(table))?;
        self.sessions.keep(session);
        Ok(count)
    }

    async fn scan(&self, table: &Arc<Table>, part: &Part<'_>) -> Result<Box<dyn RowScan>> {
        let source = self.source().await?;
        let version = source.session.connection.version();
        let asking = match (table.key(), part) {
            (None, Part::All) => Asking::Once(query::all_rows(table, version)),
            (None, Part::Range { .. }) => return Err(keyless(table)),
            (Some(key), part) => {
                let (after, to) = match part {
                    Part::All => (None, None),
                    Part::Range { after, to } => (*after, *to),
                };
                let bound =
                    |values: Option<&[Value<'_>]>| values.map(|values| place(table, key, values)).transpose();
                Asking::Again {
                    query: KeyQuery::new(table, key, version),
                    key: key.to_vec(),
                    after: bound(after)?,
                    to: bound(to)?,
                    pace: Pace::new(0),
                    asked: 0,
                }
            }
        };
        Ok(Box::new(Scan { source: Some(source), table: Arc::clone(table), asking }))
    }

    async fn rows(&self, table: &Arc<Table>, keys: &[Vec<Value<'_>>]) -> Result<Batch> {
        let key = table.key().ok_or_else(|| keyless(table))?;
        let places = keys.iter().map(|values| place(table, key, values)).collect::<Result<Vec<Place>>>()?;
        let mut source = self.source().await?;
        let query = KeyQuery::new(table, key, source.session.connection.version());
        let mut lookup = Lookup { table, query, found: RowBuffer::default(), plan: None };
        lookup.run(&mut source, &places).await.map_err(|failure| failure.into_error().on(&table.name))?;
        source.close();
        lookup.into_batch()
    }
}

/// The table without the columns that the server shows nowhere, which stand at its end.
fn shown(table: Arc<Table>) -> Arc<Table> {
    if !table.columns.iter().any(Column::is_hidden) {
        return table;
    }
    let mut shown = Table::clone(&table);
    shown.columns.retain(|column| !column.is_hidden());
    let count = shown.columns.len();
    let keys = shown.unique_keys.iter_mut().map(|key| &mut key.columns);
    let indexes = shown.indexes.iter_mut().map(|index| &mut index.columns);
    for ordinals in keys.chain(indexes).chain([&mut shown.primary_key]) {
        ordinals.retain(|ordinal| usize::from(*ordinal) < count);
    }
    Arc::new(shown)
}

fn keyless(table: &Table) -> Error {
    Error::definite("the table has no key, so that its rows have no order and are not found by one")
        .on(&table.name)
}

/// The values of a key as literals.
fn place(table: &Table, key: &[u16], values: &[Value<'_>]) -> Result<Place> {
    let unfit = |column: &str| {
        Error::definite(format!("a value cannot stand in the key's column {column}")).on(&table.name)
    };
    if values.len() != key.len() {
        return Err(Error::definite("a key has another number of columns than the table's").on(&table.name));
    }
    let columns = key.iter().filter_map(|ordinal| table.columns.get(usize::from(*ordinal)));
    let literal = |(column, value): (&Column, &Value<'_>)| {
        literal_of(column, *value).ok_or_else(|| unfit(&column.name))
    };
    columns.zip(values).map(literal).collect::<Result<_>>().map(Place)
}

async fn count(connection: &mut Connection, table: &TableName) -> Result<u64> {
    let statement = format!("SELECT COUNT(*) FROM {}", qualified(table));
    let selected = connection.select(&statement, COUNTING).await??;
    let mut row = RowBuffer::default();
    let limit = Limit { bytes: usize::MAX, rows: usize::MAX };
    while connection.receive(&selected, &mut row, limit).await?? != Received::End {}
    let number = Column::new("rows", ColumnType::Integer { bytes: 8, unsigned: false });
    let plan = RowPlan::new(&Arc::new(of_columns(table, vec![number])), &selected.columns)?;
    let answer = rows::batch(row.bytes, row.count, &plan, &nowhere()).map_err(rows::unreadable);
    let answer = answer.map_err(Failure::into_error)?;
    let cells = answer.events().iter().find_map(|event| match event {
        Event::Rows(rows) => rows.changes.first().and_then(RowChange::after),
        _ => None,
    });
    match cells.and_then(<[_]>::first).and_then(|cell| cell.value()) {
        Some(Value::Int(count)) => Ok(u64::try_from(count).unwrap_or_default()),
        _ => Err(Error::definite("the server's count of the rows is not a number")),
    }
}

fn of_columns(name: &TableName, columns: Vec<Column>) -> Table {
    Table {
        name: name.clone(),
        columns,
        primary_key: Vec::new(),
        unique_keys: Vec::new(),
        indexes: Vec::new(),
        collation: None,
        named: true,
        number: None,
    }
}

/// Rows that are read for comparison are of no place of a log.
fn nowhere() -> LogPosition {
    LogPosition::Binlog { file: "".into(), offset: 0 }
}

/// Rows on their way.
struct Scan {
    /// `None`: everything is read.
    source: Option<RowSource>,
    table: Arc<Table>,
    asking: Asking,
}

/// What is asked next.
enum Asking {
    /// All rows at once, of a table without a key.
    Once(String),
    /// The rows behind the last ones.
    Again {
        query: KeyQuery,
        key: Vec<u16>,
        after: Option<Place>,
        to: Option<Place>,
        pace: Pace,
        /// How many rows the current query was asked for.
        asked: u64,
    },
}

impl Scan {
    async fn read_on(&mut self) -> Result<Option<Batch>, Failure> {
        while let Some(source) = &mut self.source {
            if !source.is_reading() {
                source.ask(&self.asking.statement(), &self.table).await?;
            }
            let Piece { rows, plan, ended } = source.receive().await?;
            let last = rows.last_row().to_vec();
            let batch = rows::batch(rows.bytes, rows.count, &plan, &nowhere()).map_err(rows::unreadable)?;
            if let Asking::Again { key, after, .. } = &mut self.asking
                && rows.count > 0
            {
                let version = source.session.connection.version();
                *after = Some(rows::end(&batch, &last, &plan, key, version)?);
            }
            if ended.is_some_and(|query| self.asking.is_answered(query))
                && let Some(source) = self.source.take()
            {
                source.close();
            }
            if rows.count > 0 {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }
}

impl Asking {
    fn statement(&mut self) -> String {
        match self {
            Asking::Once(statement) => statement.clone(),
            Asking::Again { query, after, to, pace, asked, .. } => {
                *asked = pace.rows();
                query.statement(after.as_ref(), to.as_ref(), *asked)
            }
        }
    }

    /// Whether nothing is left to ask behind a query that brought this.
    fn is_answered(&mut self, brought: rows::Progress) -> bool {
        match self {
            Asking::Once(_) => true,
            Asking::Again { pace, asked, .. } => {
                pace.learn(brought.rows, brought.bytes, brought.took);
                brought.rows < *asked
            }
        }
    }
}

#[async_trait]
impl RowScan for Scan {
    async fn next(&mut self) -> Result<Option<Batch>> {
        let read = self.read_on().await;
        read.map_err(|failure| {
            self.source = None;
            failure.into_error().on(&self.table.name)
        })
    }
}

/// Rows that are looked up by their keys.
struct Lookup<'a> {
    table: &'a Arc<Table>,
    query: KeyQuery,
    found: RowBuffer,
    plan: Option<Arc<RowPlan>>,
}

impl Lookup<'_> {
    async fn run(&mut self, source: &mut RowSource, keys: &[Place]) -> Result<(), Failure> {
        for limit in LIMITS_OF_KEY_LISTS {
            match source.session.connection.try_query(&format!("SET SESSION {limit} = 0")).await? {
                Err(error) if error.code != UNKNOWN_VARIABLE => return Err(error.into()),
                _ => {}
            }
        }
        let mut rest = keys;
        while !rest.is_empty() {
            let (some, behind) = rest.split_at(statement_keys(rest));
            rest = behind;
            match self.read(source, some).await {
                // One of the values is none of its column, so that no row has it; the others are asked for one by one.
                Err(Failure::Refused(error)) if is_unfit(&error) => {
                    for key in some {
                        match self.read(source, std::slice::from_ref(key)).await {
                            Err(Failure::Refused(error)) if is_unfit(&error) => {}
                            read => read?,
                        }
                    }
                }
                read => read?,
            }
        }
        Ok(())
    }

    async fn read(&mut self, source: &mut RowSource, keys: &[Place]) -> Result<(), Failure> {
        source.ask(&self.query.lookup(keys), self.table).await?;
        loop {
            let Piece { mut rows, plan, ended } = source.receive().await?;
            self.found.bytes.append(&mut rows.bytes);
            self.found.count += rows.count;
            self.plan = Some(plan);
            if ended.is_some() {
                return Ok(());
            }
        }
    }

    fn into_batch(self) -> Result<Batch> {
        let Lookup { table, found, plan, .. } = self;
        let read = match plan {
            Some(plan) => rows::batch(found.bytes, found.count, &plan, &nowhere()),
            None => Batch::decode(Vec::new(), |_, _, events| {
                events.push(Event::Rows(Rows {
                    table: Arc::clone(table),
                    position: nowhere(),
                    time_micros: 0,
                    sequence: 0,
                    unlogged_cascades: false,
                    changes: &[],
                }));
                Ok(Decoded::default())
            }),
        };
        read.map_err(|error| rows::unreadable(error).into_error().on(&table.name))
    }
}

fn is_unfit(error: &Error) -> bool {
    error.cause_as::<ServerError>().is_some_and(|error| UNFIT_VALUE.contains(&error.code))
}

/// How many of the keys one statement asks for.
fn statement_keys(keys: &[Place]) -> usize {
    let mut bytes = 0;
    let fitting = keys.iter().take(LOOKUP_KEYS).take_while(|Place(literals)| {
        bytes += literals.iter().map(|literal| literal.len() + 32).sum::<usize>();
        bytes <= LOOKUP_BYTES
    });
    fitting.count().max(1)
}
