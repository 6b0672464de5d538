//! A deterministic mixed load: the same seed against the same flavor makes the same tables and rows.
//!
//! What a step changes is looked up in the database, not remembered here, so that a workload goes on after
//! a lost connection, or on another server after a failover, wherever the data then stands.

mod changes;
mod ddl;
mod postgres;
mod tables;
mod values;

use anyhow::Context;
use mysql::Conn;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use crate::sql::{TextRow, query_rows, run_statements};
use tables::{Schema, TABLES};

pub use postgres::{PostgresWorkload, RunningWorkload};

/// What a [`Workload::step`] has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A transaction with so many data-changing statements was committed.
    Committed {
        /// Statements between BEGIN and COMMIT.
        statements: usize,
    },
    /// A transaction was rolled back: it must leave no trace.
    RolledBack,
    /// A schema change.
    Ddl {
        /// The statement.
        statement: String,
    },
}

/// Generates the load. Its tables cover an integer key, a composite key, a string key, no key with
/// duplicate rows, unique secondary keys whose values move between rows, and most column types.
#[derive(Debug)]
pub struct Workload {
    rng: ChaCha8Rng,
    database: String,
    /// Numbers everything that has to be unique. Never goes back.
    serial: u64,
    ddl_per_thousand: u32,
    /// What DDL has changed; read again after each DDL and each error.
    schema: Option<Schema>,
}

impl Workload {
    /// A workload on the database `workload` with 30 DDL statements in a thousand steps.
    pub fn new(seed: u64) -> Self {
        Self {
            rng: ChaCha8Rng::seed_from_u64(seed),
            database: "workload".into(),
            serial: 0,
            ddl_per_thousand: 30,
            schema: None,
        }
    }

    /// Another database, so that several workloads can run against one server.
    #[must_use]
    pub fn in_database(mut self, database: impl Into<String>) -> Self {
        self.database = database.into();
        self
    }

    /// How many of a thousand steps are DDL; 0 for none.
    #[must_use]
    pub fn ddl_per_thousand(mut self, count: u32) -> Self {
        self.ddl_per_thousand = count;
        self
    }

    /// Makes the database and its tables anew and fills them with a few hundred rows.
    ///
    /// # Errors
    ///
    /// When a statement fails.
    pub fn setup(&mut self, conn: &mut Conn) -> anyhow::Result<()> {
        let database = &self.database;
        run_statements(
            conn,
            &format!(
                "DROP DATABASE IF EXISTS {database}; CREATE DATABASE {database} DEFAULT CHARACTER SET utf8mb4"
            ),
        )?;
        self.schema = None;
        for table in TABLES {
            run_statements(conn, &table.create_statement(&self.database))?;
        }
        for table in TABLES {
            run_statements(conn, &self.insert(table, 60)?)?;
        }
        Ok(())
    }

    /// Runs one transaction or one DDL statement.
    ///
    /// # Errors
    ///
    /// When a statement fails; with a lost connection during COMMIT it is open whether the transaction
    /// counts. The next step goes on from what is in the database, on a new connection if need be.
    pub fn step(&mut self, conn: &mut Conn) -> anyhow::Result<Step> {
        let result = self.try_step(conn);
        if result.is_err() {
            self.schema = None;
        }
        result
    }

    /// The tables there are now, as `database.table`, in alphabetical order. DDL steps make and drop some.
    ///
    /// # Errors
    ///
    /// When the query fails.
    pub fn tables(&self, conn: &mut Conn) -> anyhow::Result<Vec<String>> {
        let names = query_rows(
            conn,
            &format!(
                "SELECT table_name FROM information_schema.tables WHERE table_schema = '{}' ORDER BY 1",
                self.database
            ),
        )?;
        names.into_iter().map(|row| Ok(format!("{}.{}", self.database, first_text(row)?))).collect()
    }

    fn try_step(&mut self, conn: &mut Conn) -> anyhow::Result<Step> {
        if self.schema.is_none() {
            self.schema = Some(Schema::read(conn, &self.database)?);
        }
        if self.rng.random_range(0..1000) < self.ddl_per_thousand {
            let statement = self.ddl()?;
            self.schema = None;
            run_statements(conn, &statement)?;
            return Ok(Step::Ddl { statement });
        }
        run_statements(conn, "BEGIN")?;
        let statements = match self.rng.random_range(0..100) {
            0..40 => 1,
            40..95 => self.rng.random_range(2..8),
            _ => self.rng.random_range(20..40),
        };
        for _ in 0..statements {
            self.change(conn)?;
        }
        // Part of a transaction taken back, and all of one.
        if self.rng.random_ratio(3, 100) {
            run_statements(conn, "SAVEPOINT undone")?;
            self.change(conn)?;
            run_statements(conn, "ROLLBACK TO SAVEPOINT undone")?;
        }
        if self.rng.random_ratio(3, 100) {
            run_statements(conn, "ROLLBACK")?;
            return Ok(Step::RolledBack);
        }
        run_statements(conn, "COMMIT")?;
        Ok(Step::Committed { statements })
    }

    fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }
}

/// The first column of a row, which must be text.
fn first_text(row: TextRow) -> anyhow::Result<String> {
    String::from_utf8(row.into_iter().next().flatten().context("no value")?).context("not UTF-8")
}
