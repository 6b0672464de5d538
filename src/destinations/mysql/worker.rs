//! A connection that applies, and what it does with its share of a group.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use backon::{BackoffBuilder, ExponentialBuilder};
use slackwater_decoders::{
    event::{Ddl, Truncate},
    position::LogPosition,
    schema::Table,
};
use tokio::time::sleep;
use tracing::{debug, info};

use super::{
    checkpoint::{CheckpointRows, Intent},
    ddl,
    dead_letter::{DeadLetters, is_refusal},
    gathered::Gathered,
    net::NetWriter,
    session::{Session, code, refused},
    singly::Singly,
    tables::{self, ReadyTable, Tables},
};
use crate::{
    changes::{Job, Share},
    config::destination::MysqlDestination,
    destinations::{
        Checkpoint,
        workers::{self, Parts, Work, Worker as _},
    },
    error::{Error, Kind, Result},
    types::mysql::quote_name,
};

/// How often a share is applied again that another transaction was in the way of.
const RETRIES: usize = 6;

/// Where a group begins in a transaction that was open before.
const GROUP: &str = "slackwater_group";

/// What the workers of a destination share.
pub(super) struct Shared {
    pub(super) config: MysqlDestination,
    pub(super) rows: CheckpointRows,
    pub(super) tables: Tables,
    /// Takes what the server refuses; `None`: that stops the task.
    pub(super) dead_letters: Option<DeadLetters>,
}

/// A connection with its transaction.
pub(super) struct Worker {
    /// Its number; 0 is the one that is always there.
    number: usize,
    shared: Arc<Shared>,
    pub(super) session: Session,
    gathered: Gathered,
    net: NetWriter,
    in_transaction: bool,
    /// Dead letters of the open transaction.
    letters: u64,
    /// The first DDL statement behind the checkpoint, where one was begun. Of worker 0.
    pub(super) intent: Option<Intent>,
    /// Number of DDL statements behind the checkpoint, in the transaction of the source that goes on. Of worker 0.
    statements: usize,
    /// The sequence of the checkpoint that was read or written last. Of worker 0.
    pub(super) sequence: u64,
    /// The generation of the checkpoint that was read or written last. Of worker 0.
    pub(super) generation: u64,
}

#[async_trait]
impl workers::Worker for Worker {
    type Shared = Shared;

    /// Connects a worker other than 0, and makes its row of the checkpoint.
    async fn connect(number: usize, shared: Arc<Shared>) -> Result<Self> {
        let mut session = Session::connect(&shared.config).await?;
        shared.rows.add_worker(&mut session, number).await?;
        Ok(Worker::new(number, session, shared))
    }

    /// Whether a transaction is open, here or at the source.
    fn in_transaction(&self) -> bool {
        self.in_transaction || self.statements > 0 || self.passes_over()
    }

    /// Does the work. Where another transaction is in the way (a deadlock, a lock that is not given in time), it is done again
    /// from its beginning, unless that is out of reach: before this group, or behind a change of definitions.
    async fn run(&mut self, work: &Work) -> Result<()> {
        let repeatable = work.is_of_rows() && !self.in_transaction;
        let pauses = ExponentialBuilder::new()
            .with_min_delay(Duration::from_millis(20))
            .with_max_delay(Duration::from_secs(1))
            .with_max_times(RETRIES)
            .with_jitter();
        let mut pauses = pauses.build();
        let mark = self.mark().await?;
        let mut singly = false;
        loop {
            let error = match self.attempt(work, singly).await {
                Ok(()) => return Ok(()),
                Err(error) if !singly && self.keeps(&error, work) => {
                    debug!(worker = self.number, %error, "applying the changes of a share one by one");
                    self.take_back(mark).await?;
                    singly = true;
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

    /// Drops the open transaction.
    async fn rollback(&mut self) -> Result<()> {
        self.gathered.clear();
        self.letters = 0;
        self.statements = 0;
        if self.in_transaction {
            self.session.run("ROLLBACK").await?;
            self.in_transaction = false;
        }
        Ok(())
    }

    /// Commits what is open with a checkpoint that no other worker has a part of.
    async fn store_checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        self.begin().await?;
        self.gathered.send_all(&mut self.session).await?;
        let shared = Arc::clone(&self.shared);
        shared.rows.store(&mut self.session, self.number, checkpoint, None).await?;
        shared.rows.empty_others(&mut self.session, checkpoint.generation).await?;
        // The log has moved on to the transaction whose beginning is here already.
        let moves_on = self.generation == checkpoint.generation && self.sequence + 1 == checkpoint.sequence;
        let kept = self.intent.take_if(|_| moves_on).filter(|intent| intent.behind_changes.is_some());
        if let Some(intent) = &kept {
            shared.rows.store_intent(&mut self.session, intent, checkpoint.generation).await?;
        }
        self.session.run("COMMIT").await?;
        self.committed();
        self.reached(checkpoint);
        self.intent = kept;
        Ok(())
    }
}

impl Worker {
    /// A worker on an open connection.
    pub(super) fn new(number: usize, session: Session, shared: Arc<Shared>) -> Self {
        let gathered = Gathered::new(shared.config.statement_rows);
        let net = NetWriter::default();
        Worker {
            number,
            shared,
            session,
            gathered,
            net,
            in_transaction: false,
            letters: 0,
            intent: None,
            statements: 0,
            sequence: 0,
            generation: 0,
        }
    }

    async fn attempt(&mut self, work: &Work, singly: bool) -> Result<()> {
        if !singly && self.at_once(work).await? {
            return Ok(());
        }
        self.gathered.set_converging(work.group.is_converging());
        for share in work.shares() {
            self.read_tables(share).await?;
            for job in &share.jobs {
                self.job(job, work.group.is_converging(), singly).await?;
            }
        }
        match &work.commit {
            Some(commit) => self.commit(&commit.checkpoint, commit.parts.as_ref()).await,
            // What is refused has to come to light with its group.
            None if self.shared.dead_letters.is_some() => self.gathered.send_all(&mut self.session).await,
            None => Ok(()),
        }
    }

    /// Does the work in one packet, which a small share is not worth more of: a source transaction is as late as the way to the server
    /// and back is long. `false`: nothing is done, and it has to be done statement by statement, which also tells what the server has against it.
    async fn at_once(&mut self, work: &Work) -> Result<bool> {
        let Some(packet) = self.packet(work).await? else { return Ok(false) };
        self.in_transaction = true;
        match self.session.run_raw(packet).await {
            Ok(_) => {
                self.committed();
                if let Some(commit) = &work.commit {
                    self.reached(&commit.checkpoint);
                }
                Ok(true)
            }
            // The server executes nothing behind a statement that fails.
            Err(error) if code(&error).is_some() => {
                debug!(worker = self.number, error = %refused(error), "applying a share statement by statement");
                self.rollback().await?;
                Ok(false)
            }
            Err(error) => Err(refused(error)),
        }
    }

    /// The transaction as one text, where it is a short one of net changes alone.
    async fn packet(&mut self, work: &Work) -> Result<Option<Vec<u8>>> {
        let alone = !self.in_transaction && !self.passes_over();
        let Some(commit) = work.commit.as_ref().filter(|_| alone) else { return Ok(None) };
        let mut packet = b"START TRANSACTION;".to_vec();
        for share in work.shares() {
            for job in &share.jobs {
                let Job::Net(net) = job else { return Ok(None) };
                let table = self.table(&net.table, &net.position).await?;
                let server = self.session.server;
                if !NetWriter::push_few(&mut packet, server, &table, net, work.group.is_converging())? {
                    return Ok(None);
                }
            }
        }
        self.shared.rows.push_store(&mut packet, self.number, &commit.checkpoint, commit.parts.as_ref())?;
        packet.extend_from_slice(b";COMMIT");
        Ok((packet.len() < self.session.max_packet).then_some(packet))
    }

    /// Whether the error is about a row that may be kept as a dead letter.
    fn keeps(&self, error: &Error, work: &Work) -> bool {
        let ddl = work.shares().flat_map(|share| &share.jobs).any(|job| matches!(job, Job::Ddl(_)));
        self.shared.dead_letters.is_some() && !ddl && is_refusal(error)
    }

    /// Marks where a group begins that goes on with an open transaction, and tells the number of its letters before.
    async fn mark(&mut self) -> Result<Option<u64>> {
        if !self.in_transaction || self.shared.dead_letters.is_none() {
            return Ok(None);
        }
        self.session.run(format!("SAVEPOINT {GROUP}")).await?;
        Ok(Some(self.letters))
    }

    /// Takes back what the group has done.
    async fn take_back(&mut self, mark: Option<u64>) -> Result<()> {
        let Some(letters) = mark else { return self.rollback().await };
        self.gathered.clear();
        self.letters = letters;
        self.session.run(format!("ROLLBACK TO SAVEPOINT {GROUP}")).await.map(drop)
    }

    /// Reads the definitions of the share's tables before the first of its rows is written.
    async fn read_tables(&mut self, share: &Share<'_>) -> Result<()> {
        for job in &share.jobs {
            match job {
                // Their definitions are gone.
                _ if self.passes_over() => break,
                Job::InOrder(rows) => drop(self.table(&rows.table, &rows.position).await?),
                Job::Net(net) => drop(self.table(&net.table, &net.position).await?),
                Job::Truncate(_) => {}
                // What comes behind a change of definitions is read behind it.
                Job::Ddl(_) => break,
            }
        }
        Ok(())
    }

    async fn job(&mut self, job: &Job<'_>, converging: bool, singly: bool) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        let dead_letters = shared.dead_letters.as_ref().filter(|_| singly);
        match job {
            Job::Ddl(ddl) => self.ddl(ddl).await?,
            _ if self.passes_over() => {}
            Job::InOrder(rows) if rows.changes.is_empty() => {}
            Job::InOrder(rows) => {
                let table = self.table(&rows.table, &rows.position).await?;
                self.begin().await?;
                let Some(dead_letters) = dead_letters else {
                    return self.gathered.rows(&mut self.session, &table, rows).await;
                };
                let mut singly = Singly { session: &mut self.session, dead_letters, letters: self.letters };
                singly.in_order(&mut self.gathered, &table, rows).await?;
                self.letters = singly.letters;
            }
            Job::Net(net) => {
                let table = self.table(&net.table, &net.position).await?;
                self.begin().await?;
                self.gathered.send_all(&mut self.session).await?;
                let Some(dead_letters) = dead_letters else {
                    let rows_limit = shared.config.statement_rows as usize;
                    return self.net.apply(&mut self.session, &table, net, rows_limit, converging).await;
                };
                let mut singly = Singly { session: &mut self.session, dead_letters, letters: self.letters };
                singly.net(&mut self.net, &table, net, converging).await?;
                self.letters = singly.letters;
            }
            Job::Truncate(truncate) => self.truncate(truncate).await?,
        }
        Ok(())
    }

    /// The table for rows. One that is not known yet is read through a connection of its own while a transaction is open: it
    /// may have to be created, which would commit what is open.
    async fn table(&mut self, table: &Arc<Table>, at: &LogPosition) -> Result<Arc<ReadyTable>> {
        if let Some(ready) = self.shared.tables.get(table) {
            return Ok(ready);
        }
        let Shared { config, tables, .. } = &*self.shared;
        let mut other;
        let session = if self.in_transaction {
            other = Session::connect(config).await?;
            &mut other
        } else {
            &mut self.session
        };
        tables.read(session, table, config.create_tables).await.map_err(|error| error.at(at))
    }

    async fn begin(&mut self) -> Result<()> {
        if !self.in_transaction {
            self.session.run("START TRANSACTION").await?;
            self.in_transaction = true;
        }
        Ok(())
    }

    async fn commit(&mut self, checkpoint: &Checkpoint, parts: Option<&Parts>) -> Result<()> {
        if self.passes_over() {
            return Err(came_otherwise().at(&checkpoint.position.log));
        }
        self.begin().await?;
        self.gathered.send_all(&mut self.session).await?;
        let shared = Arc::clone(&self.shared);
        shared.rows.store(&mut self.session, self.number, checkpoint, parts).await?;
        self.session.run("COMMIT").await?;
        self.committed();
        self.reached(checkpoint);
        Ok(())
    }

    /// What was behind the checkpoint before is before this one.
    fn reached(&mut self, checkpoint: &Checkpoint) {
        self.generation = checkpoint.generation;
        self.sequence = checkpoint.sequence;
        self.intent = None;
        self.statements = 0;
    }

    /// Whether it was passed over everything before the statement that is to come now.
    fn has_passed_over(&self) -> bool {
        let intent = self.intent.as_ref().filter(|intent| intent.behind_changes.is_some());
        intent.is_some_and(|intent| self.statements == intent.number)
    }

    /// Whether what comes was committed with a statement that is still to come.
    fn passes_over(&self) -> bool {
        let intent = self.intent.as_ref().filter(|intent| intent.behind_changes.is_some());
        intent.is_some_and(|intent| self.statements < intent.number)
    }

    fn committed(&mut self) {
        self.in_transaction = false;
        if let Some(dead_letters) = &self.shared.dead_letters {
            dead_letters.committed(std::mem::take(&mut self.letters));
        }
    }

    /// TRUNCATE commits what is open, so that it serves only where nothing is; DELETE is part of the transaction.
    async fn truncate(&mut self, truncate: &Truncate) -> Result<()> {
        let failed = |error: Error| error.on(&truncate.table).at(&truncate.position);
        if tables::columns(&mut self.session, &truncate.table).await.map_err(failed)?.is_empty() {
            return Ok(());
        }
        let name = format!("{}.{}", quote_name(&truncate.table.database), quote_name(&truncate.table.table));
        if !self.in_transaction {
            return self.session.run(format!("TRUNCATE TABLE {name}")).await.map(drop).map_err(failed);
        }
        self.gathered.send_all(&mut self.session).await?;
        self.session.run(format!("DELETE FROM {name}")).await.map(drop).map_err(failed)
    }

    /// Runs a statement once: what an interrupted run left is told by the intent.
    async fn ddl(&mut self, ddl: &Ddl<'_>) -> Result<()> {
        let failed = |error: Error| error.at(&ddl.position);
        self.statements += 1;
        if self.passes_over() {
            return Ok(());
        }
        let converging = self.gathered.is_converging();
        let looks = ddl::looks(&mut self.session, &ddl::touched(ddl)).await.map_err(failed)?;
        let statement = ddl::told(ddl);
        match self.intent.as_ref().filter(|intent| intent.is_of(&statement, self.statements, &ddl.position)) {
            Some(intent) if intent.tables != looks => {
                info!(position = %ddl.position, "the DDL statement has run already");
            }
            Some(_) => ddl::apply(&mut self.session, ddl, converging).await?,
            None if self.has_passed_over() => return Err(failed(came_otherwise())),
            None => {
                let before = self.in_transaction || self.statements > 1;
                let intent = Intent {
                    statement,
                    tables: looks,
                    number: self.statements,
                    behind_changes: before.then(|| ddl.position.clone()),
                };
                self.intend(intent).await.map_err(failed)?;
                ddl::apply(&mut self.session, ddl, converging).await?;
            }
        }
        self.shared.tables.forget();
        Ok(())
    }

    /// Stores what is about to run, and commits it with the changes before it.
    async fn intend(&mut self, intent: Intent) -> Result<()> {
        self.gathered.send_all(&mut self.session).await?;
        let shared = Arc::clone(&self.shared);
        shared.rows.store_intent(&mut self.session, &intent, self.generation).await?;
        if self.in_transaction {
            self.session.run("COMMIT").await?;
            self.committed();
        }
        self.intent = Some(intent);
        Ok(())
    }
}

/// The log is not what it was when a part of a transaction was committed.
fn came_otherwise() -> Error {
    Error::definite("a transaction that was applied up to a DDL statement came again without that statement")
        .remedy("its tables have to be copied anew: what of it is at the destination is not known any more")
}
