//! A MySQL or MariaDB server.
//!
//! One session applies. Data and checkpoint commit in one transaction. A DDL statement, which the server commits by
//! itself, has its intent stored before it runs (`checkpoint`).

mod cascade;
mod checkpoint;
mod ddl;
mod definition;
mod literal;
mod precheck;
mod schema;
mod session;
mod statement;
mod tables;

use std::sync::Arc;

use async_trait::async_trait;
use slackwater_decoders::{
    event::{Ddl, Truncate},
    schema::TableName,
};

use self::{
    checkpoint::{CheckpointRow, Intent},
    session::Session,
    statement::Gathered,
    tables::Tables,
};
use super::{
    Checkpoint, Destination, Standing,
    load::Loader,
    schema::{PlannedStatement, SchemaPlan, Wanted},
};
use crate::{
    changes::{Group, Job, Share},
    config::destination::MysqlDestination,
    error::{Error, Result},
    mapping::Selection,
    sources::Finding,
    types::mysql::quote_name,
};

/// A MySQL or MariaDB server as the destination of one task.
pub struct Mysql {
    config: MysqlDestination,
    row: CheckpointRow,
    version: Option<String>,
    open: Option<Applier>,
    /// The session that objects are created in, beside the one that applies: their statements would commit what is open.
    creating: Option<Session>,
}

/// An open session with its transaction.
struct Applier {
    session: Session,
    tables: Tables,
    gathered: Gathered,
    /// The first DDL statement behind the checkpoint, where one was begun.
    intent: Option<Intent>,
    /// The generation of the checkpoint that was read or written last.
    generation: u64,
    /// Whether a transaction is open.
    in_transaction: bool,
}

impl Mysql {
    /// A destination that is not open yet. `task` is the task's name, under which its checkpoint is stored.
    #[must_use]
    pub fn new(task: impl AsRef<str>, config: MysqlDestination) -> Self {
        let row = CheckpointRow::new(&config.checkpoint_database, task.as_ref());
        Mysql { config, row, version: None, open: None, creating: None }
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

    fn applier(open: &mut Option<Applier>) -> Result<&mut Applier> {
        open.as_mut().ok_or_else(|| Error::disconnected("the destination is not connected"))
    }

    /// Reads the definitions of the share's tables before its rows are written, through a connection of its own where one
    /// has to be created: that would commit what is open.
    async fn read_tables(&mut self, share: &Share<'_>) -> Result<()> {
        let applier = Self::applier(&mut self.open)?;
        let mut other: Option<Session> = None;
        for job in &share.jobs {
            // What comes behind a change of definitions is read behind it.
            if matches!(job, Job::Ddl(_)) {
                break;
            }
            let Job::InOrder(rows) = job else { continue };
            if applier.tables.get(&rows.table).is_none() {
                let session = match &mut other {
                    Some(session) => session,
                    None => other.insert(Session::connect(&self.config).await?),
                };
                applier.tables.read(session, &rows.table, self.config.create_tables, &rows.position).await?;
            }
        }
        Ok(())
    }

    async fn apply_jobs(&mut self, share: &Share<'_>) -> Result<()> {
        for job in &share.jobs {
            let applier = Self::applier(&mut self.open)?;
            match job {
                Job::InOrder(rows) if rows.changes.is_empty() => {}
                Job::InOrder(rows) => {
                    let table = match applier.tables.get(&rows.table) {
                        Some(table) => table,
                        None => {
                            let mut session = Session::connect(&self.config).await?;
                            applier
                                .tables
                                .read(&mut session, &rows.table, self.config.create_tables, &rows.position)
                                .await?;
                            applier.tables.get(&rows.table).ok_or_else(|| {
                                Error::definite("the table is not ready").on(&rows.table.name)
                            })?
                        }
                    };
                    applier.begin().await?;
                    applier.gathered.rows(&mut applier.session, &table, rows).await?;
                }
                Job::Truncate(truncate) => applier.truncate(truncate).await?,
                Job::Ddl(ddl) => applier.ddl(&self.row, ddl).await?,
                Job::Net(net) => {
                    return Err(Error::definite("folded changes came to a destination that takes none")
                        .on(&net.table.name));
                }
            }
        }
        Ok(())
    }
}

impl Applier {
    async fn begin(&mut self) -> Result<()> {
        if !self.in_transaction {
            self.session.run("START TRANSACTION").await?;
            self.in_transaction = true;
        }
        Ok(())
    }

    async fn commit(&mut self, row: &CheckpointRow, checkpoint: &Checkpoint) -> Result<()> {
        self.begin().await?;
        self.gathered.send_all(&mut self.session).await?;
        row.store(&mut self.session, checkpoint).await?;
        self.session.run("COMMIT").await?;
        self.in_transaction = false;
        self.generation = checkpoint.generation;
        self.intent = None;
        Ok(())
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
    async fn ddl(&mut self, row: &CheckpointRow, ddl: &Ddl<'_>) -> Result<()> {
        let failed = |error: Error| error.at(&ddl.position);
        if self.in_transaction {
            // It would commit what was applied so far, without the checkpoint.
            return Err(failed(Error::definite("a DDL statement came behind changes of rows in one batch")));
        }
        let looks = ddl::looks(&mut self.session, &ddl::touched(ddl)).await.map_err(failed)?;
        match self.intent.as_ref().filter(|intent| intent.statement == ddl.statement) {
            Some(intent) if intent.tables != looks => {
                tracing::info!(position = %ddl.position, "the DDL statement has run already");
            }
            Some(_) => ddl::apply(&mut self.session, ddl).await?,
            None => {
                let intent = Intent { statement: ddl.statement.to_owned(), tables: looks };
                row.store_intent(&mut self.session, &intent, self.generation).await.map_err(failed)?;
                self.intent = Some(intent);
                ddl::apply(&mut self.session, ddl).await?;
            }
        }
        self.tables.forget();
        Ok(())
    }
}

#[async_trait]
impl Destination for Mysql {
    fn describe(&self) -> String {
        format!("{} at {}", self.version.as_deref().unwrap_or("MySQL or MariaDB"), self.config.host)
    }

    async fn check(&mut self, selection: &Selection) -> Vec<Finding> {
        precheck::findings(&self.config, selection).await
    }

    async fn open(&mut self) -> Result<Option<Standing>> {
        // The server rolls back what a closed connection left; a new transaction waits for it at the first locked row.
        self.open = None;
        let mut session = Session::connect(&self.config).await?;
        self.row
            .prepare(&mut session, &self.config.checkpoint_database)
            .await
            .map_err(|error| error.on(&self.config.host))?;
        let stored = self.row.load(&mut session).await?;
        self.version = Some(session.server.to_string());
        self.open = Some(Applier {
            session,
            tables: Tables::default(),
            gathered: Gathered::new(self.config.statement_rows),
            intent: stored.intent,
            generation: stored.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.generation),
            in_transaction: false,
        });
        Ok(stored.checkpoint.map(Standing::from))
    }

    async fn apply(&mut self, group: &Arc<Group>, checkpoint: Option<&Checkpoint>) -> Result<()> {
        for share in group.shares() {
            self.read_tables(share).await?;
            self.apply_jobs(share).await?;
        }
        match checkpoint {
            Some(checkpoint) => Self::applier(&mut self.open)?.commit(&self.row, checkpoint).await,
            None => Ok(()),
        }
    }

    async fn rollback(&mut self) -> Result<()> {
        let applier = Self::applier(&mut self.open)?;
        applier.gathered.clear();
        if applier.in_transaction {
            applier.session.run("ROLLBACK").await?;
            applier.in_transaction = false;
        }
        Ok(())
    }

    async fn store_checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        Self::applier(&mut self.open)?.commit(&self.row, checkpoint).await
    }

    async fn plan(&mut self, wanted: &Wanted<'_>) -> Result<SchemaPlan> {
        let plan = schema::plan(self.creating().await?, wanted).await;
        // A session of its own is not kept over a lost connection, nor over the days between two plans.
        self.creating = None;
        plan
    }

    async fn execute(&mut self, statement: &PlannedStatement) -> Result<()> {
        let result = schema::execute(self.creating().await?, statement).await;
        if result.as_ref().is_err_and(Error::is_transient) {
            self.creating = None;
        }
        if let Some(applier) = &mut self.open {
            applier.tables.forget();
        }
        result
    }

    async fn loader(&mut self) -> Result<Box<dyn Loader>> {
        Err(Error::definite("this destination cannot load copies of tables"))
    }

    async fn empty_table(&mut self, table: &TableName) -> Result<()> {
        let name = format!("{}.{}", quote_name(&table.database), quote_name(&table.table));
        Self::applier(&mut self.open)?.session.run(format!("TRUNCATE TABLE {name}")).await.map(drop)
    }
}
