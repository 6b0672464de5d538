//! A MySQL or MariaDB server.
//!
//! Several workers apply, each on a connection of its own: the shares of a group run side by side, and each commits its data
//! with its own row of the checkpoint (`checkpoint`). A source transaction that is larger than a group stays open on one of
//! them. A DDL statement, which the server commits by itself, has its intent stored before it runs.

mod cascade;
mod checkpoint;
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
mod worker;

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use slackwater_decoders::schema::{TableName, definition::ObjectKind};
use tokio::task::JoinSet;
use tracing::warn;

use self::{
    checkpoint::{CheckpointRows, Parts},
    dead_letter::DeadLetters,
    session::Session,
    tables::Tables,
    worker::{Commit, Shared, Work, Worker},
};
use super::{
    Checkpoint, Destination, Standing, Unfinished,
    load::Loader,
    schema::{PlannedStatement, SchemaPlan, Wanted},
};
use crate::{
    changes::{Group, Job},
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
    open: Option<Open>,
    /// The session that objects are created, emptied and dropped in, beside the one that applies: their statements would commit what
    /// is open.
    creating: Option<Session>,
}

/// The open destination.
struct Open {
    shared: Arc<Shared>,
    /// The workers that are connected, each at the place of its number. Worker 0 is.
    workers: Vec<Option<Worker>>,
    /// What all workers have reached.
    reached: Option<Checkpoint>,
    /// The group behind that, and the workers that have committed their shares of it.
    unfinished: Option<(Unfinished, Vec<usize>)>,
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

    fn opened(&mut self) -> Result<&mut Open> {
        self.open.as_mut().ok_or_else(not_connected)
    }
}

impl Open {
    fn first(&mut self) -> Result<&mut Worker> {
        self.workers.first_mut().and_then(Option::as_mut).ok_or_else(not_connected)
    }

    async fn apply(&mut self, group: &Arc<Group>, checkpoint: Option<&Checkpoint>) -> Result<()> {
        let taking_part: Vec<usize> = group
            .shares()
            .iter()
            .enumerate()
            .filter(|(_, share)| !share.jobs.is_empty())
            .map(|(number, _)| number)
            .collect();
        let committed = self.committed_of(group, checkpoint)?;
        let Some(checkpoint) = checkpoint else {
            let work = Work { group: Arc::clone(group), shares: taking_part, commit: None };
            return self.first()?.run(&work).await;
        };
        match self.reached.clone().filter(|_| self.can_be_parted(group) && !taking_part.is_empty()) {
            Some(previous) => {
                let parts = Parts { workers: group.shares().len(), taking_part, previous };
                self.apply_parted(group, checkpoint, parts, &committed).await?;
            }
            None => {
                let commit = Some(Commit { checkpoint: checkpoint.clone(), parts: None });
                let work = Work { group: Arc::clone(group), shares: taking_part, commit };
                self.first()?.run(&work).await?;
            }
        }
        self.reached = Some(checkpoint.clone());
        self.unfinished = None;
        Ok(())
    }

    /// The workers that have committed their shares of the group already.
    fn committed_of(&self, group: &Group, checkpoint: Option<&Checkpoint>) -> Result<Vec<usize>> {
        match &self.unfinished {
            None => Ok(Vec::new()),
            Some((unfinished, committed))
                if checkpoint == Some(&unfinished.end) && group.shares().len() == unfinished.workers =>
            {
                Ok(committed.clone())
            }
            Some((unfinished, _)) => Err(Error::definite(
                "another group came than the one that was cut off while its parts were committed",
            )
            .at(&unfinished.end.position.log)),
        }
    }

    /// Whether the shares may commit one by one: what changes definitions, and what goes on with an open transaction, is one
    /// worker's.
    fn can_be_parted(&self, group: &Group) -> bool {
        let of_rows = |job: &Job<'_>| matches!(job, Job::Net(_) | Job::InOrder(_));
        let in_transaction = self.workers.iter().flatten().any(Worker::in_transaction);
        !in_transaction && group.shares().iter().flat_map(|share| &share.jobs).all(of_rows)
    }

    /// Applies each share by the worker of its number, all at once.
    async fn apply_parted(
        &mut self,
        group: &Arc<Group>,
        checkpoint: &Checkpoint,
        parts: Parts,
        committed: &[usize],
    ) -> Result<()> {
        let several = (parts.taking_part.len() > 1).then_some(&parts);
        let mut running = JoinSet::new();
        for number in parts.taking_part.iter().copied().filter(|number| !committed.contains(number)) {
            if self.workers.len() <= number {
                self.workers.resize_with(number + 1, || None);
            }
            let worker = self.workers.get_mut(number).and_then(Option::take);
            let shared = Arc::clone(&self.shared);
            let commit = Some(Commit { checkpoint: checkpoint.clone(), parts: several.cloned() });
            let work = Work { group: Arc::clone(group), shares: vec![number], commit };
            running.spawn(async move {
                let mut worker = match worker {
                    Some(worker) => worker,
                    None => Worker::connect(number, shared).await?,
                };
                worker.run(&work).await.map(|()| (number, worker))
            });
        }
        // All come to their end, so that none is cut off in a commit that another worker's error has nothing to do with.
        let mut failure = None;
        while let Some(done) = running.join_next().await {
            match done {
                Ok(Ok((number, worker))) => {
                    if let Some(place) = self.workers.get_mut(number) {
                        *place = Some(worker);
                    }
                }
                Ok(Err(error)) => failure = Some(failure.unwrap_or(error)),
                Err(broken) => {
                    let error = Error::definite("applying a share was broken off").caused_by(broken);
                    failure = Some(failure.unwrap_or(error));
                }
            }
        }
        failure.map_or(Ok(()), Err)
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
        first.generation = stored.standing.as_ref().map_or(0, |standing| standing.checkpoint.generation);
        let unfinished = stored.standing.as_ref().and_then(|standing| standing.unfinished.clone());
        self.open = Some(Open {
            shared,
            workers: vec![Some(first)],
            reached: stored.standing.as_ref().map(|standing| standing.checkpoint.clone()),
            unfinished: unfinished.map(|unfinished| (unfinished, stored.committed)),
        });
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
        let open = self.opened()?;
        if open.unfinished.is_some() {
            if open.reached.as_ref() == Some(checkpoint) {
                return Ok(());
            }
            warn!(position = %checkpoint.position, "a group whose parts were committed in part is given up for another position");
        }
        open.first()?.store_checkpoint(checkpoint).await?;
        open.reached = Some(checkpoint.clone());
        open.unfinished = None;
        Ok(())
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
        let outcomes = schema::several::execute_all(&self.config, statements).await;
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
}

fn not_connected() -> Error {
    Error::disconnected("the destination is not connected")
}
