//! A MySQL or MariaDB server.
//!
//! Several workers apply, each on a connection of its own: the shares of a group run side by side, and each commits its data
//! with its own row of the checkpoint (`checkpoint`). A source transaction that is larger than a group stays open on one of
//! them. A DDL statement, which the server commits by itself, has its intent stored before it runs, together with what its
//! transaction changed before it.

mod cascade;
mod checkpoint;
mod counters;
mod ddl;
mod dead_letter;
mod definition;
mod existing;
mod gathered;
mod key_changes;
mod literal;
mod load;
mod load_text;
mod net;
mod precheck;
mod schema;
mod session;
mod singly;
mod statement;
mod tables;
mod withdraw;
mod worker;

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use slackwater_decoders::schema::{TableName, counter::Counter, definition::ObjectKind};

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
    config::{OnRowError, destination::MysqlDestination},
    error::{Error, Result},
    mapping::Selection,
    sources::Finding,
};

/// A MySQL or MariaDB server as the destination of one task.
pub struct Mysql {
    config: MysqlDestination,
    task: String,
    version: Option<String>,
    on_row_error: OnRowError,
    dead_letters: Arc<AtomicU64>,
    open: Option<Workers<Worker>>,
    /// The session that objects are created, emptied and dropped in, beside the one that applies: their statements would commit what
    /// is open.
    creating: Option<Session>,
}

impl Mysql {
    /// A destination that is not open yet. `task` is the task's name, under which its checkpoint is stored.
    #[must_use]
    pub fn new(task: impl AsRef<str>, config: MysqlDestination) -> Self {
        Mysql {
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

    /// The session that objects are created in.
    async fn creating(&mut self) -> Result<&mut Session> {
        let session = match self.creating.take() {
            Some(session) => session,
            None => {
                let mut session = Session::connect(&self.config).await?;
                schema::prepare(&mut session).await;
                session
            }
        };
        Ok(self.creating.insert(session))
    }

    /// What came of it: a session that may be lost is not used again.
    fn created<T>(&mut self, outcome: Result<T>) -> Result<T> {
        if outcome.as_ref().is_err_and(Error::is_transient) {
            self.creating = None;
        }
        outcome
    }

    fn opened(&mut self) -> Result<&mut Workers<Worker>> {
        self.open.as_mut().ok_or_else(not_connected)
    }
}

#[async_trait]
impl several::Creating for Session {
    type Config = MysqlDestination;

    async fn connect(config: &MysqlDestination) -> Result<Self> {
        let mut session = Session::connect(config).await?;
        schema::prepare(&mut session).await;
        Ok(session)
    }

    async fn create(&mut self, statement: &PlannedStatement) -> Result<()> {
        schema::execute(self, statement).await
    }
}

#[async_trait]
impl Destination for Mysql {
    fn describe(&self) -> String {
        format!("{} at {}", self.version.as_deref().unwrap_or("MySQL or MariaDB"), self.config.host)
    }

    async fn check(&mut self, selection: &Selection) -> Vec<Finding> {
        precheck::findings(&self.config, self.on_row_error, selection).await
    }

    async fn check_objects(&mut self, objects: &[(ObjectKind, TableName)]) -> Vec<Finding> {
        precheck::objects::findings(&self.config, objects).await
    }

    async fn open(&mut self) -> Result<Option<Standing>> {
        // The server rolls back what a closed connection left; a new transaction waits for it at the first locked row.
        self.open = None;
        let mut session = Session::connect(&self.config).await?;
        let rows = CheckpointRows::new(&self.config.checkpoint_database, &self.task);
        rows.prepare(&mut session, &self.config.checkpoint_database)
            .await
            .map_err(|error| error.on(&self.config.host))?;
        let stored = rows.load(&mut session).await?;
        self.version = Some(session.server.to_string());
        let (database, kept) = (&self.config.checkpoint_database, &self.dead_letters);
        let dead_letters = match self.on_row_error {
            OnRowError::Stop => None,
            OnRowError::DeadLetter => {
                Some(DeadLetters::open(&mut session, database, &self.task, kept).await?)
            }
        };
        let shared =
            Arc::new(Shared { config: self.config.clone(), rows, tables: Tables::default(), dead_letters });
        let mut first = Worker::new(0, session, Arc::clone(&shared));
        first.intent = stored.intent;
        first.sequence = stored.standing.as_ref().map_or(0, |standing| standing.checkpoint.sequence);
        first.generation = stored.standing.as_ref().map_or(0, |standing| standing.checkpoint.generation);
        self.open = Some(Workers::new(shared, first, stored.standing.as_ref(), stored.committed));
        Ok(stored.standing)
    }

    fn workers(&self) -> usize {
        self.config.workers as usize
    }

    async fn cascading_tables(&mut self) -> Result<HashSet<TableName>> {
        cascade::cascading_tables(&mut self.opened()?.first()?.session).await
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
        let plan = schema::plan(self.creating().await?, wanted).await;
        // A session of its own is not kept over a lost connection, nor over the days between two plans.
        self.creating = None;
        plan
    }

    async fn execute(&mut self, statement: &PlannedStatement) -> Result<()> {
        let result = schema::execute(self.creating().await?, statement).await;
        let result = self.created(result);
        if let Some(open) = &self.open {
            open.shared.tables.forget();
        }
        result
    }

    async fn execute_all(&mut self, statements: &[PlannedStatement]) -> Result<Vec<Result<()>>> {
        let outcomes = several::execute_all::<Session>(&self.config, statements).await;
        if let Some(open) = &self.open {
            open.shared.tables.forget();
        }
        outcomes
    }

    async fn loader(&mut self) -> Result<Box<dyn Loader>> {
        let dead_letters = self.opened()?.shared.dead_letters.clone();
        let loader = load::MysqlLoader::connect(&self.config, dead_letters).await?;
        Ok(Box::new(loader))
    }

    async fn empty_table(&mut self, table: &TableName) -> Result<()> {
        let emptied = existing::empty(self.creating().await?, table).await;
        self.created(emptied)
    }

    async fn occupied(&mut self, tables: &[TableName]) -> Result<Vec<TableName>> {
        let occupied = existing::occupied(self.creating().await?, tables).await;
        self.created(occupied)
    }

    async fn drop_table(&mut self, table: &TableName) -> Result<()> {
        let dropped = existing::drop_table(self.creating().await?, table).await;
        self.created(dropped)
    }

    async fn set_counters(&mut self, counters: &[Counter]) -> Result<Vec<(Counter, String)>> {
        let without = counters::set(self.creating().await?, counters).await;
        self.created(without)
    }

    async fn withdraw(&mut self, statements: &[PlannedStatement]) -> Result<()> {
        let withdrawn = withdraw::withdraw(self.creating().await?, statements).await;
        self.created(withdrawn)
    }

    async fn check_fenced(&mut self) -> Vec<Finding> {
        precheck::fenced(&self.config).await
    }
}
