//! An embedded SQLite file.
//!
//! One connection writes; data, definitions and checkpoint commit in one transaction. The journal is a write-ahead log with
//! `synchronous = NORMAL`: a power failure may take the last commits back, but takes data and checkpoint together, so
//! that the log is read again from there; a crash of the process takes nothing. A transaction larger than the page cache
//! spills to the write-ahead log on disk and not into memory.

mod apply;
mod checkpoint;
mod convert;
mod counters;
mod ddl;
mod dead_letter;
mod defaults;
mod existing;
mod load;
mod rows;
mod schema;
mod tables;
mod values;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use slackwater_decoders::schema::{TableName, counter::Counter};
use tokio::runtime::{Handle, RuntimeFlavor};

use self::{apply::Mode, dead_letter::DeadLetters, load::SqliteLoader, tables::Tables};
pub use self::{rows::SqliteRows, values::StoredForm};
use super::{
    Checkpoint, Destination, Standing,
    load::Loader,
    schema::{PlannedStatement, SchemaPlan, Wanted},
};
use crate::{
    changes::{Group, Job},
    config::{OnRowError, destination::SqliteDestination},
    error::{Error, Result},
    mapping::Selection,
    sources::{Finding, Level},
};

/// Pages of 4 KiB after which the write-ahead log goes into the file: pages that many transactions change are written and synced
/// once, and the log stays small unless somebody reads the file all the time.
const WAL_PAGES: u32 = 4096;

/// A SQLite file as the destination of one task.
pub struct Sqlite {
    task: String,
    config: SqliteDestination,
    on_row_error: OnRowError,
    dead_letters: Arc<AtomicU64>,
    open: Option<File>,
}

/// The open file.
struct File {
    connection: Connection,
    tables: Tables,
    dead_letters: Option<DeadLetters>,
}

impl Sqlite {
    /// A destination that is not open yet. `task` is the task's name, under which its checkpoint is stored.
    #[must_use]
    pub fn new(task: impl Into<String>, config: SqliteDestination) -> Self {
        Sqlite {
            task: task.into(),
            config,
            on_row_error: OnRowError::Stop,
            dead_letters: Arc::default(),
            open: None,
        }
    }

    /// Sets what becomes of row changes that the file refuses.
    #[must_use]
    pub fn with_row_errors(mut self, on_row_error: OnRowError) -> Self {
        self.on_row_error = on_row_error;
        self
    }

    fn dead_letters(&self, connection: &Connection) -> Result<Option<DeadLetters>> {
        let wanted = self.on_row_error == OnRowError::DeadLetter;
        wanted.then(|| DeadLetters::open(connection, &self.task, &self.dead_letters)).transpose()
    }

    fn connect(&self) -> Result<Connection> {
        let connection = Connection::open(&self.config.path).map_err(|error| {
            failed(error)
                .remedy("the directory has to exist and be writable for the account that the task runs as")
        })?;
        // Else an index of a column that is not there (yet) would be one of its name as a text.
        connection
            .set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)
            .map_err(failed)?;
        // 32 MiB of pages by default, whatever the size of a transaction; the statements of some hundred tables.
        connection.set_prepared_statement_cache_capacity(512);
        connection.busy_timeout(Duration::from_secs(5)).map_err(failed)?;
        connection
            .execute_batch(&format!(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -{}; PRAGMA foreign_keys = OFF;
                 PRAGMA recursive_triggers = OFF; PRAGMA legacy_alter_table = ON;
                 PRAGMA wal_autocheckpoint = {WAL_PAGES}; PRAGMA journal_size_limit = 67108864",
                u64::from(self.config.cache_mib) * 1024
            ))
            .map_err(failed)?;
        Ok(connection)
    }

    fn open_file(&mut self) -> Result<Option<Checkpoint>> {
        // Closing rolls back what was left.
        self.open = None;
        let connection = self.connect()?;
        checkpoint::prepare(&connection)?;
        Tables::prepare(&connection)?;
        let stored = checkpoint::load(&connection, &self.task)?;
        let dead_letters = self.dead_letters(&connection)?;
        self.open = Some(File { connection, tables: Tables::new(&self.config), dead_letters });
        Ok(stored)
    }

    fn file(&mut self) -> Result<&mut File> {
        self.open.as_mut().ok_or_else(|| Error::transient("the file is not open"))
    }

    /// Plans over the open file, or over one that is opened for reading; a file that is not there is not created.
    fn plan(&self, wanted: &Wanted<'_>) -> Result<SchemaPlan> {
        if let Some(File { connection, tables, .. }) = &self.open {
            return schema::plan(wanted, tables, Some(connection));
        }
        let tables = Tables::new(&self.config);
        if !self.config.path.exists() {
            return schema::plan(wanted, &tables, None);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let file = Connection::open_with_flags(&self.config.path, flags).map_err(failed)?;
        schema::plan(wanted, &tables, Some(&file))
    }

    fn findings(&self) -> Result<Vec<Finding>> {
        self.config.validate()?;
        let connection = self.connect()?;
        let integrity: String =
            connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(failed)?;
        if integrity != "ok" {
            return Err(Error::definite("the file is damaged").remedy("restore it, or start with a new file"));
        }
        // A write lock shows that the file can be written and that nobody else writes.
        connection.execute_batch("BEGIN IMMEDIATE; ROLLBACK").map_err(failed)?;
        let ok = |code, found: String| Finding { code, level: Level::Ok, found, repair: None };
        Ok(vec![
            ok("sqlite.writable", format!("{} can be written", self.config.path.display())),
            ok("sqlite.version", format!("SQLite {} is built in", rusqlite::version())),
        ])
    }
}

impl File {
    fn apply(&mut self, task: &str, group: &Group, checkpoint: Option<&Checkpoint>) -> Result<()> {
        for job in group.shares().iter().flat_map(|share| &share.jobs) {
            match job {
                Job::InOrder(rows) => {
                    self.begin()?;
                    let mode =
                        Mode { converging: group.is_converging(), dead_letters: self.dead_letters.as_mut() };
                    apply::rows(&self.connection, &mut self.tables, rows, mode)?;
                }
                Job::Truncate(truncate) => {
                    self.begin()?;
                    ddl::truncate(&self.connection, &self.tables, truncate)?;
                }
                Job::Ddl(ddl) => {
                    self.begin()?;
                    ddl::apply(&self.connection, &mut self.tables, ddl)?;
                }
                Job::Net(net) => {
                    self.begin()?;
                    let mode =
                        Mode { converging: group.is_converging(), dead_letters: self.dead_letters.as_mut() };
                    apply::net(&self.connection, &mut self.tables, net, mode)?;
                }
            }
        }
        checkpoint.map_or(Ok(()), |checkpoint| self.commit(task, checkpoint))
    }

    fn begin(&self) -> Result<()> {
        if self.connection.is_autocommit() {
            // IMMEDIATE: the lock is taken now, not at the first write, where it could not be waited for.
            self.connection.execute_batch("BEGIN IMMEDIATE").map_err(failed)?;
        }
        Ok(())
    }

    fn commit(&mut self, task: &str, checkpoint: &Checkpoint) -> Result<()> {
        self.begin()?;
        checkpoint::store(&self.connection, task, checkpoint)?;
        self.connection.execute_batch("COMMIT").map_err(failed)?;
        self.dead_letters.iter_mut().for_each(DeadLetters::committed);
        Ok(())
    }

    /// Does something in a transaction of its own.
    fn alone(&mut self, change: impl FnOnce(&mut File) -> Result<()>) -> Result<()> {
        if !self.connection.is_autocommit() {
            return Err(Error::definite("a transaction of the source is open while tables are prepared"));
        }
        self.begin()?;
        let done = change(self).and_then(|()| self.connection.execute_batch("COMMIT").map_err(failed));
        if done.is_err() {
            self.rollback()?;
        }
        done
    }

    fn rollback(&mut self) -> Result<()> {
        self.tables.forget();
        self.dead_letters.iter_mut().for_each(DeadLetters::rolled_back);
        if self.connection.is_autocommit() {
            return Ok(());
        }
        self.connection.execute_batch("ROLLBACK").map_err(failed)
    }
}

#[async_trait]
impl Destination for Sqlite {
    fn describe(&self) -> String {
        format!("SQLite {} file {}", rusqlite::version(), self.config.path.display())
    }

    async fn check(&mut self, _: &Selection) -> Vec<Finding> {
        let path = self.config.path.display().to_string();
        blocking(|| {
            self.findings().unwrap_or_else(|error| {
                let repair = Some("see the message".to_owned());
                vec![Finding {
                    code: "sqlite.writable",
                    level: Level::Error,
                    found: error.on(path).to_string(),
                    repair,
                }]
            })
        })
    }

    async fn open(&mut self) -> Result<Option<Standing>> {
        let path = self.config.path.display().to_string();
        blocking(|| self.open_file().map(|stored| stored.map(Standing::from)).map_err(|error| error.on(path)))
    }

    async fn apply(&mut self, group: &Arc<Group>, checkpoint: Option<&Checkpoint>) -> Result<()> {
        blocking(|| {
            let task = self.task.clone();
            self.file()?.apply(&task, group, checkpoint)
        })
    }

    async fn rollback(&mut self) -> Result<()> {
        blocking(|| self.file()?.rollback())
    }

    async fn store_checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        blocking(|| {
            let task = self.task.clone();
            self.file()?.commit(&task, checkpoint)
        })
    }

    fn dead_letters(&self) -> u64 {
        self.dead_letters.load(Ordering::Relaxed)
    }

    async fn plan(&mut self, wanted: &Wanted<'_>) -> Result<SchemaPlan> {
        blocking(|| Sqlite::plan(self, wanted))
    }

    async fn execute(&mut self, statement: &PlannedStatement) -> Result<()> {
        blocking(|| {
            let File { connection, tables, .. } = self.file()?;
            schema::execute(connection, tables, statement)
        })
    }

    async fn loader(&mut self) -> Result<Box<dyn Loader>> {
        blocking(|| {
            let connection = self.connect()?;
            let dead_letters = self.dead_letters(&connection)?;
            let loader = SqliteLoader::new(connection, Tables::new(&self.config), dead_letters)?;
            Ok(Box::new(loader) as Box<dyn Loader>)
        })
    }

    async fn empty_table(&mut self, table: &TableName) -> Result<()> {
        blocking(|| self.file()?.alone(|file| ddl::empty(&file.connection, &file.tables, table)))
            .map_err(|error| error.on(table))
    }

    async fn occupied(&mut self, tables: &[TableName]) -> Result<Vec<TableName>> {
        blocking(|| {
            let file = self.file()?;
            existing::occupied(&file.connection, &file.tables, tables)
        })
    }

    async fn drop_table(&mut self, table: &TableName) -> Result<()> {
        blocking(|| {
            let file = self.file()?;
            existing::drop_table(&file.connection, &mut file.tables, table)
        })
        .map_err(|error| error.on(table))
    }

    async fn set_counters(&mut self, counters: &[Counter]) -> Result<Vec<(Counter, String)>> {
        blocking(|| {
            let mut without = Vec::new();
            self.file()?.alone(|file| {
                without = counters::set(&file.connection, &file.tables, counters)?;
                Ok(())
            })?;
            Ok(without)
        })
    }
}

/// SQLite's calls wait for the disk: other tasks of this thread move elsewhere meanwhile, where there is an elsewhere.
fn blocking<T>(call: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(call),
        _ => call(),
    }
}

/// SQLite's messages name tables and columns, never values.
fn failed(error: rusqlite::Error) -> Error {
    let code = error.sqlite_error_code();
    let failure = match code {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Error::transient("another process holds the SQLite file")
        }
        Some(ErrorCode::DiskFull) => Error::transient("the disk of the SQLite file is full")
            .remedy("make room: the task goes on by itself"),
        Some(ErrorCode::SystemIoFailure) => Error::transient("the SQLite file cannot be read or written"),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            Error::definite("the SQLite file cannot be opened for writing")
        }
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            Error::definite("the file is no SQLite database or is damaged")
                .remedy("restore it, or start with a new file")
        }
        _ => Error::definite("SQLite refused a statement"),
    };
    match error {
        // The statement in the message may be long and holds no more than the code and the text below it.
        rusqlite::Error::SqlInputError { error, msg, .. } => failure.caused_by(format!("{msg} ({error})")),
        error => failure.caused_by(error),
    }
}

#[cfg(test)]
#[path = "net_tests.rs"]
mod net_tests;
