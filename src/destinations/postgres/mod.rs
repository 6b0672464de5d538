//! A PostgreSQL server.
//!
//! Several workers apply, each on a connection of its own: the shares of a group run side by side, and each commits its data
//! with its own row of the checkpoint (`checkpoint`). A source transaction that is larger than a group stays open on one of
//! them. A statement that changes definitions is a part of its transaction.
//!
//! * `session`: the connection, and statements in flight. `codec`, `numeric`, `text`: values.
//! * `catalog`, `tables`: what is there. `schema`, `definition`, `ddl`: what is to be there.
//! * `counters`, `withdraw`: what a cutover sets, and takes back.
//! * `statement`, `write`, `copy`, `in_order`, `worker`: changes of rows. `load`: copies.

mod alter;
mod catalog;
mod checkpoint;
mod codec;
mod copy;
mod counters;
mod ddl;
mod dead_letter;
mod definition;
mod evaluated;
mod existing;
mod in_order;
mod load;
mod numeric;
mod precheck;
pub mod schema;
mod session;
mod statement;
mod tables;
mod text;
mod withdraw;
mod worker;
mod write;

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use slackwater_decoders::schema::{TableName, counter::Counter};
use tokio::time::sleep;

pub use self::codec::extended_wkb;
use self::{
    checkpoint::CheckpointRows,
    dead_letter::DeadLetters,
    session::Session,
    tables::Tables,
    worker::{Shared, Worker},
};
use super::{
    Checkpoint, Destination, Standing,
    load::Loader,
    schema::{PlannedStatement, SchemaPlan, Wanted},
    several,
    workers::{Worker as _, Workers, not_connected},
};
use crate::{
    changes::Group,
    config::{OnRowError, postgres::PostgresDestination},
    error::{Error, Kind, Result},
    mapping::Selection,
    sources::Finding,
};

/// A PostgreSQL database as the destination of one task.
pub struct Postgres {
    config: PostgresDestination,
    task: String,
    version: Option<String>,
    on_row_error: OnRowError,
    dead_letters: Arc<AtomicU64>,
    open: Option<Workers<Worker>>,
    /// The session that objects are created in, beside the one that applies.
    creating: Option<Session>,
}

impl Postgres {
    /// A destination that is not open yet. `task` is the task's name, under which its checkpoint is stored.
    #[must_use]
    pub fn new(task: impl AsRef<str>, config: PostgresDestination) -> Self {
        Postgres {
            config,
            task: task.as_ref().to_owned(),
            version: None,
            on_row_error: OnRowError::Stop,
            dead_letters: Arc::default(),
            open: None,
            creating: None,
        }
    }

    /// Sets what becomes of row changes that the server refuses.
    #[must_use]
    pub fn with_row_errors(mut self, on_row_error: OnRowError) -> Self {
        self.on_row_error = on_row_error;
        self
    }

    /// Not `&self`: what is in flight can be sent to another thread, but not shared with one.
    async fn connect(&mut self) -> Result<Session> {
        Session::connect(&self.config, &self.task).await
    }

    /// The session that objects are created in.
    async fn creating(&mut self) -> Result<&mut Session> {
        let session = match self.creating.take() {
            Some(session) => session,
            None => self.connect().await?,
        };
        Ok(self.creating.insert(session))
    }

    fn opened(&mut self) -> Result<&mut Workers<Worker>> {
        self.open.as_mut().ok_or_else(not_connected)
    }
}

/// What it takes to connect.
struct Login {
    config: PostgresDestination,
    task: String,
}

/// How often a statement is run again that another one was in the way of.
const RETRIES: usize = 10;

#[async_trait]
impl several::Creating for Session {
    type Config = Login;

    async fn connect(login: &Login) -> Result<Self> {
        Session::connect(&login.config, &login.task).await
    }

    /// Statements for foreign keys lock two tables each, and may wait for each other.
    async fn create(&mut self, statement: &PlannedStatement) -> Result<()> {
        let mut left = RETRIES;
        loop {
            match schema::execute(&self.connection, statement).await {
                Err(error) if error.kind() == Kind::Transient && left > 0 => left -= 1,
                outcome => return outcome,
            }
            sleep(Duration::from_millis(50)).await;
        }
    }
}

#[async_trait]
impl Destination for Postgres {
    fn describe(&self) -> String {
        let version = self.version.as_deref().unwrap_or_default();
        format!("PostgreSQL {version} at {}, database {}", self.config.host, self.config.database)
            .replace("  ", " ")
    }

    async fn check(&mut self, selection: &Selection) -> Vec<Finding> {
        precheck::findings(&self.config, &self.task, selection).await
    }

    async fn open(&mut self) -> Result<Option<Standing>> {
        // The server rolls back what a closed connection left; a new transaction waits for it at the first locked row.
        self.open = None;
        let mut session = self.connect().await?;
        let rows = CheckpointRows::new(&self.config.checkpoint_schema, &self.task);
        rows.prepare(&mut session).await.map_err(|error| error.on(&self.config.host))?;
        let (standing, committed) = rows.load(&mut session).await?;
        self.version = Some(precheck::version_text(session.connection.version()));
        let (schema, kept) = (&self.config.checkpoint_schema, &self.dead_letters);
        let dead_letters = match self.on_row_error {
            OnRowError::Stop => None,
            OnRowError::DeadLetter => Some(DeadLetters::open(&mut session, schema, &self.task, kept).await?),
        };
        let shared = Arc::new(Shared {
            config: self.config.clone(),
            task: self.task.clone(),
            rows,
            tables: Tables::default(),
            dead_letters,
        });
        let first = Worker::new(0, session, Arc::clone(&shared)).await?;
        self.open = Some(Workers::new(shared, first, standing.as_ref(), committed));
        Ok(standing)
    }

    fn workers(&self) -> usize {
        self.config.workers as usize
    }

    async fn cascading_tables(&mut self) -> Result<HashSet<TableName>> {
        catalog::cascading_tables(&mut self.opened()?.first()?.session).await
    }

    async fn apply(&mut self, group: &Arc<Group>, checkpoint: Option<&Checkpoint>) -> Result<()> {
        // Until it went well there is nothing open: what the workers have reached is told by their rows.
        let mut open = self.open.take().ok_or_else(not_connected)?;
        open.apply(group, checkpoint).await?;
        self.open = Some(open);
        Ok(())
    }

    async fn rollback(&mut self) -> Result<()> {
        self.opened()?.first()?.rollback().await
    }

    async fn store_checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        self.opened()?.store_checkpoint(checkpoint).await
    }

    fn dead_letters(&self) -> u64 {
        self.dead_letters.load(Ordering::Relaxed)
    }

    fn loaders(&self) -> usize {
        4
    }

    async fn plan(&mut self, wanted: &Wanted<'_>) -> Result<SchemaPlan> {
        let config = self.config.clone();
        let plan = schema::plan(&self.creating().await?.connection, wanted, &config).await;
        // A session of its own is not kept over a lost connection, nor over the days between two plans.
        self.creating = None;
        plan
    }

    async fn execute(&mut self, statement: &PlannedStatement) -> Result<()> {
        let result = schema::execute(&self.creating().await?.connection, statement).await;
        if result.as_ref().is_err_and(Error::is_transient) {
            self.creating = None;
        }
        if let Some(open) = &self.open {
            open.shared.tables.forget();
        }
        result
    }

    async fn execute_all(&mut self, statements: &[PlannedStatement]) -> Result<Vec<Result<()>>> {
        let login = Login { config: self.config.clone(), task: self.task.clone() };
        let outcomes = several::execute_all::<Session>(&login, statements).await;
        if let Some(open) = &self.open {
            open.shared.tables.forget();
        }
        outcomes
    }

    async fn loader(&mut self) -> Result<Box<dyn Loader>> {
        let shared = Arc::clone(&self.opened()?.shared);
        Ok(Box::new(load::PostgresLoader::new(self.connect().await?, shared)))
    }

    async fn empty_table(&mut self, table: &TableName) -> Result<()> {
        // On a connection of its own, as below: nothing of it hangs on what the workers do.
        existing::empty(&mut self.connect().await?, table).await
    }

    async fn occupied(&mut self, tables: &[TableName]) -> Result<Vec<TableName>> {
        existing::occupied(&mut self.connect().await?, tables).await
    }

    async fn drop_table(&mut self, table: &TableName) -> Result<()> {
        existing::drop_table(&mut self.connect().await?, table).await
    }

    async fn set_counters(&mut self, counters: &[Counter]) -> Result<Vec<(Counter, String)>> {
        counters::set(&mut self.connect().await?, counters).await
    }

    async fn withdraw(&mut self, statements: &[PlannedStatement]) -> Result<()> {
        withdraw::withdraw(&mut self.connect().await?, statements).await
    }
}
