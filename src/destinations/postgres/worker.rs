//! A connection that applies, and what it does with its share of a group.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use backon::{BackoffBuilder, ExponentialBuilder};
use slackwater_decoders::{
    event::{Ddl, Rows, Truncate},
    position::LogPosition,
    schema::Table,
};
use tokio::time::sleep;
use tracing::debug;

use super::{
    catalog,
    checkpoint::CheckpointRows,
    codec::Rules,
    copy, ddl,
    dead_letter::{DeadLetters, is_refusal},
    existing::qualified,
    in_order::InOrder,
    session::{CARDINALITY_VIOLATION, Session, UNIQUE_VIOLATION, code},
    statement::Statements,
    tables::{ReadyTable, Tables},
    write::{Writer, parts},
};
use crate::{
    changes::{Job, NetChanges, Share},
    config::postgres::PostgresDestination,
    destinations::{
        Checkpoint,
        workers::{self, Parts, Work, Worker as _},
    },
    error::{Error, Kind, Result},
};

/// How often a share is applied again that another transaction was in the way of.
const RETRIES: usize = 6;

/// Where a group begins in a transaction that was open before.
const GROUP: &str = "slackwater_group";

/// What the workers of a destination share.
pub(super) struct Shared {
    pub(super) config: PostgresDestination,
    pub(super) task: String,
    pub(super) rows: CheckpointRows,
    pub(super) tables: Tables,
    /// Takes what the server refuses; `None`: that stops the task.
    pub(super) dead_letters: Option<DeadLetters>,
}

impl Shared {
    pub(super) fn rules(&self) -> Rules {
        Rules { invalid_dates: self.config.invalid_dates, zero_bytes: self.config.zero_bytes }
    }
}

/// A connection with its transaction.
pub(super) struct Worker {
    /// Its number; 0 is the one that is always there.
    number: usize,
    shared: Arc<Shared>,
    pub(super) session: Session,
    in_transaction: bool,
    /// Dead letters of the open transaction.
    letters: u64,
}

#[async_trait]
impl workers::Worker for Worker {
    type Shared = Shared;

    async fn connect(number: usize, shared: Arc<Shared>) -> Result<Self> {
        let mut session = Session::connect(&shared.config, &shared.task).await?;
        shared.rows.add_worker(&mut session, number).await?;
        Worker::new(number, session, shared).await
    }

    fn in_transaction(&self) -> bool {
        self.in_transaction
    }

    /// Where another transaction is in the way (a deadlock, a lock that is not given in time), the work is done again from its
    /// beginning, unless that is out of reach: before this group.
    async fn run(&mut self, work: &Work) -> Result<()> {
        let repeatable = !self.in_transaction;
        let pauses = ExponentialBuilder::new()
            .with_min_delay(Duration::from_millis(20))
            .with_max_delay(Duration::from_secs(1))
            .with_max_times(RETRIES)
            .with_jitter();
        let mut pauses = pauses.build();
        let mark = self.mark().await?;
        let mut carefully = false;
        loop {
            let error = match self.attempt(work, carefully).await {
                Ok(()) => return Ok(()),
                Err(error) if !carefully && self.asks_for_care(&error) => {
                    debug!(worker = self.number, %error, "applying a share with care");
                    self.take_back(mark).await?;
                    carefully = true;
                    continue;
                }
                Err(error) if repeatable && error.kind() == Kind::Transient => error,
                Err(error) => return Err(error),
            };
            let Some(pause) = pauses.next() else { return Err(error) };
            debug!(worker = self.number, %error, "applying a share again");
            self.rollback().await?;
            sleep(pause).await;
        }
    }

    async fn store_checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        self.begin().await?;
        let shared = Arc::clone(&self.shared);
        shared.rows.send(&mut self.session, self.number, checkpoint, None).await?;
        self.session.settle().await.map_err(|error| shared.rows.failed(error, checkpoint))?;
        shared.rows.empty_others(&mut self.session, checkpoint.generation).await?;
        self.session.run("COMMIT").await?;
        self.committed();
        Ok(())
    }

    async fn rollback(&mut self) -> Result<()> {
        self.session.forget_sent();
        self.letters = 0;
        if self.in_transaction {
            self.session.run("ROLLBACK").await?;
            self.in_transaction = false;
            // Some may have been created or changed by it.
            self.shared.tables.forget();
        }
        Ok(())
    }
}

impl Worker {
    /// A worker on an open connection.
    pub(super) async fn new(number: usize, mut session: Session, shared: Arc<Shared>) -> Result<Self> {
        session.set_origin(&format!("slackwater_{}_{number}", shared.task)).await?;
        Ok(Worker { number, shared, session, in_transaction: false, letters: 0 })
    }

    async fn attempt(&mut self, work: &Work, carefully: bool) -> Result<()> {
        let converging = work.group.is_converging();
        for share in work.shares() {
            self.read_tables(share).await?;
            for job in &share.jobs {
                self.job(job, converging, carefully).await?;
            }
        }
        match &work.commit {
            Some(commit) => self.commit(&commit.checkpoint, commit.parts.as_ref()).await,
            // What is refused has to come to light with its group.
            None => self.session.settle().await,
        }
    }

    /// Whether the error is about rows that may be written with care, or kept as dead letters.
    fn asks_for_care(&self, error: &Error) -> bool {
        let is_in_the_way = matches!(code(error).as_deref(), Some(UNIQUE_VIOLATION | CARDINALITY_VIOLATION));
        is_in_the_way || (self.shared.dead_letters.is_some() && is_refusal(error))
    }

    /// Marks where a group begins that goes on with an open transaction, and tells the number of its letters before.
    async fn mark(&mut self) -> Result<Option<u64>> {
        if !self.in_transaction {
            return Ok(None);
        }
        self.session.run(&format!("SAVEPOINT {GROUP}")).await?;
        Ok(Some(self.letters))
    }

    /// Takes back what the group has done.
    async fn take_back(&mut self, mark: Option<u64>) -> Result<()> {
        let Some(letters) = mark else { return self.rollback().await };
        self.session.forget_sent();
        self.letters = letters;
        self.shared.tables.forget();
        self.session.run(&format!("ROLLBACK TO SAVEPOINT {GROUP}")).await
    }

    /// Reads the definitions of the share's tables, and creates those that are not there, before the first of its rows is written.
    async fn read_tables(&mut self, share: &Share<'_>) -> Result<()> {
        for job in &share.jobs {
            match job {
                Job::InOrder(rows) => drop(self.table(&rows.table, &rows.position).await?),
                Job::Net(net) => drop(self.table(&net.table, &net.position).await?),
                Job::Truncate(_) => {}
                // What comes behind a change of definitions is read behind it.
                Job::Ddl(_) => break,
            }
        }
        Ok(())
    }

    async fn job(&mut self, job: &Job<'_>, converging: bool, carefully: bool) -> Result<()> {
        match job {
            Job::InOrder(rows) if rows.changes.is_empty() => Ok(()),
            Job::InOrder(rows) => self.in_order(rows, converging, carefully).await,
            Job::Net(net) => self.net(net, converging, carefully).await,
            Job::Truncate(truncate) => self.truncate(truncate).await,
            Job::Ddl(ddl) => self.ddl(ddl, converging).await,
        }
    }

    async fn in_order(&mut self, rows: &Rows<'_>, converging: bool, carefully: bool) -> Result<()> {
        let table = self.table(&rows.table, &rows.position).await?;
        self.begin().await?;
        let shared = Arc::clone(&self.shared);
        let statements = Statements { table: &table, rows, rules: shared.rules(), converging };
        let object = object(rows);
        let mut changes = InOrder { session: &mut self.session, statements, object };
        if rows.unlogged_cascades && table.cascades && table.key.is_some() {
            return changes.cascading().await;
        }
        if carefully {
            self.letters += changes.carefully(shared.dead_letters.as_ref()).await?;
            return Ok(());
        }
        changes.send().await
    }

    async fn net(&mut self, net: &NetChanges<'_>, converging: bool, carefully: bool) -> Result<()> {
        let table = self.table(&net.table, &net.position).await?;
        self.begin().await?;
        let shared = Arc::clone(&self.shared);
        let rows = net.without_changes();
        let statements = Statements { table: &table, rows: &rows, rules: shared.rules(), converging };
        let mut writer = Writer { session: &mut self.session, statements, object: object(&rows) };
        let by_copy = !carefully && !converging && copy::is_worth(&net.inserts);
        for part in parts(net, converging, !by_copy) {
            if carefully {
                self.letters += writer.carefully(part, shared.dead_letters.as_ref()).await?;
            } else {
                writer.send(&part).await?;
            }
        }
        if by_copy {
            copy::add(&mut self.session, &statements, &net.inserts)
                .await
                .map_err(|error| error.on(object(&rows)))?;
        }
        Ok(())
    }

    /// The table for rows.
    async fn table(&mut self, table: &Arc<Table>, at: &LogPosition) -> Result<Arc<ReadyTable>> {
        if let Some(ready) = self.shared.tables.get(table) {
            return Ok(ready);
        }
        let Shared { config, tables, .. } = &*self.shared;
        tables.read(&mut self.session, table, config.create_tables).await.map_err(|error| error.at(at))
    }

    async fn begin(&mut self) -> Result<()> {
        if !self.in_transaction {
            self.in_transaction = true;
            self.session.send_text("BEGIN").await?;
        }
        Ok(())
    }

    async fn commit(&mut self, checkpoint: &Checkpoint, parts: Option<&Parts>) -> Result<()> {
        self.begin().await?;
        let shared = Arc::clone(&self.shared);
        shared.rows.send(&mut self.session, self.number, checkpoint, parts).await?;
        self.session.send_text("COMMIT").await?;
        self.session.settle().await.map_err(|error| shared.rows.failed(error, checkpoint))?;
        self.committed();
        Ok(())
    }

    fn committed(&mut self) {
        self.in_transaction = false;
        if let Some(dead_letters) = &self.shared.dead_letters {
            dead_letters.committed(std::mem::take(&mut self.letters));
        }
    }

    /// A table that foreign keys of others refer to can only be emptied row by row.
    async fn truncate(&mut self, truncate: &Truncate) -> Result<()> {
        let failed = |error: Error| error.on(&truncate.table).at(&truncate.position);
        let found = catalog::relation(&mut self.session, &truncate.table).await.map_err(failed)?;
        let Some(relation) = found else { return Ok(()) };
        self.begin().await?;
        let name = qualified(&truncate.table);
        let referred = catalog::is_referred_to(&mut self.session, relation.oid).await.map_err(failed)?;
        let sql = match (relation.is_partitioned, referred) {
            (true, false) => format!("TRUNCATE {name}"),
            (false, false) => format!("TRUNCATE ONLY {name}"),
            (true, true) => format!("DELETE FROM {name}"),
            (false, true) => format!("DELETE FROM ONLY {name}"),
        };
        self.session.run(&sql).await.map_err(failed)
    }

    async fn ddl(&mut self, ddl: &Ddl<'_>, converging: bool) -> Result<()> {
        self.begin().await?;
        ddl::apply(&mut self.session, ddl, converging).await.map_err(|error| error.at(&ddl.position))?;
        self.shared.tables.forget();
        Ok(())
    }
}

/// What errors of a statement are about.
pub(super) fn object(rows: &Rows<'_>) -> Arc<str> {
    format!("{} near {}", rows.table.name, rows.position).into()
}
