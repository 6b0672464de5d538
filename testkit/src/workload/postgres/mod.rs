//! The same kind of load for PostgreSQL: every type, every replica identity, subtransactions, transactions of thousands of rows,
//! schema changes inside and outside of transactions.
//!
//! As for MySQL, what a step changes is looked up in the database, so that a workload goes on after a lost connection or on a
//! promoted standby.

mod changes;
mod ddl;
mod running;
mod tables;
mod values;

use anyhow::Context;
use postgres::Client;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::Step;
use crate::{query_postgres, run_postgres};
pub use running::RunningWorkload;
use tables::{Catalog, TABLES, TYPES, Table};

/// Generates the load. Its tables have integer, text, composite and UUID keys, or none and duplicate rows; the primary key, another
/// index, the whole row or nothing as replica identity; unique values that move between rows; long values that updates leave
/// alone; and columns of all common types with their special values.
///
/// Steps do not depend on the server's version: the same seed makes the same rows on each.
#[derive(Debug)]
pub struct PostgresWorkload {
    rng: ChaCha8Rng,
    schema: String,
    /// Numbers everything that has to be unique. Never goes back.
    serial: u64,
    ddl_per_thousand: u32,
    large_rows: u32,
    truncates: bool,
    portable: bool,
    additive: bool,
    two_phase: bool,
    /// What DDL has changed; read again after each DDL and each error.
    catalog: Option<Catalog>,
}

impl PostgresWorkload {
    /// A workload in the schema `workload`, with 30 DDL statements in a thousand steps and now and then a transaction of 3000 rows.
    pub fn new(seed: u64) -> Self {
        Self {
            rng: ChaCha8Rng::seed_from_u64(seed),
            schema: "workload".into(),
            serial: 0,
            ddl_per_thousand: 30,
            large_rows: 3000,
            truncates: true,
            portable: false,
            additive: false,
            two_phase: false,
            catalog: None,
        }
    }

    /// Another schema, so that several workloads can run in one database. The name is not quoted.
    #[must_use]
    pub fn in_schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = schema.into();
        self
    }

    /// How many of a thousand steps are DDL; 0 for none.
    #[must_use]
    pub fn ddl_per_thousand(mut self, count: u32) -> Self {
        self.ddl_per_thousand = count;
        self
    }

    /// Rows of a large transaction, one of a hundred; 0 for none.
    #[must_use]
    pub fn large_rows(mut self, rows: u32) -> Self {
        self.large_rows = rows;
        self
    }

    /// Without TRUNCATE.
    #[must_use]
    pub fn without_truncate(mut self) -> Self {
        self.truncates = false;
        self
    }

    /// Only the tables, columns and values that MySQL and SQLite have a type for: no infinities, no `NaN`, no arrays, ranges,
    /// intervals, composites or domains.
    #[must_use]
    pub fn portable(mut self) -> Self {
        self.portable = true;
        self
    }

    /// Of DDL, only columns that come and change their types, indexes, and TRUNCATE: what can be told from rows alone, however late
    /// they are read. A column that was renamed or retyped and then dropped cannot be, nor can a new table's first rows.
    #[must_use]
    pub fn additive_ddl(mut self) -> Self {
        self.additive = true;
        self
    }

    /// Some transactions are prepared and then committed or rolled back (`PREPARE TRANSACTION`).
    #[must_use]
    pub fn two_phase(mut self) -> Self {
        self.two_phase = true;
        self
    }

    /// Makes the schema and its tables anew and fills them with a few hundred rows.
    ///
    /// # Errors
    ///
    /// When a statement fails.
    pub fn setup(&mut self, client: &mut Client) -> anyhow::Result<()> {
        let schema = self.schema.clone();
        run_postgres(
            client,
            &format!("SET client_min_messages = warning; DROP SCHEMA IF EXISTS {schema} CASCADE"),
        )?;
        run_postgres(client, &format!("CREATE SCHEMA {schema}"))?;
        self.catalog = None;
        for statement in TYPES {
            run_postgres(client, &statement.replace('@', &schema))?;
        }
        let tables = self.all_tables();
        for table in &tables {
            for statement in table.create_statements(&schema, self.portable) {
                run_postgres(client, &statement)?;
            }
        }
        for table in tables {
            run_postgres(client, &self.insert(table, 60)?)?;
        }
        Ok(())
    }

    /// Runs one transaction or one DDL statement.
    ///
    /// # Errors
    ///
    /// When a statement fails; with a lost connection during COMMIT it is open whether the transaction counts. The next step goes on
    /// from what is in the database, on a new connection if need be.
    pub fn step(&mut self, client: &mut Client) -> anyhow::Result<Step> {
        let result = self.try_step(client);
        if result.is_err() {
            self.catalog = None;
        }
        result
    }

    /// Inserts a row into each of the fixed tables: one that lies behind every change of their definitions.
    ///
    /// # Errors
    ///
    /// As for [`step`](Self::step).
    pub fn row_into_each(&mut self, client: &mut Client) -> anyhow::Result<()> {
        self.clean_up(client)?;
        self.catalog = Some(Catalog::read(client, &self.schema)?);
        for table in self.all_tables() {
            run_postgres(client, &self.insert(table, 1)?)?;
        }
        Ok(())
    }

    /// The tables there are now, as `schema.table`, in alphabetical order. DDL steps make and drop some.
    ///
    /// # Errors
    ///
    /// When the query fails.
    pub fn tables(&self, client: &mut Client) -> anyhow::Result<Vec<String>> {
        let names = query_postgres(
            client,
            &format!("SELECT tablename::text FROM pg_tables WHERE schemaname = '{}' ORDER BY 1", self.schema),
        )?;
        names.into_iter().map(|row| Ok(format!("{}.{}", self.schema, first_text(row)?))).collect()
    }

    fn try_step(&mut self, client: &mut Client) -> anyhow::Result<Step> {
        if self.catalog.is_none() {
            self.clean_up(client)?;
            self.catalog = Some(Catalog::read(client, &self.schema)?);
        }
        if self.rng.random_range(0..1000) < self.ddl_per_thousand {
            return self.ddl_step(client);
        }
        run_postgres(client, "BEGIN")?;
        let statements = match self.rng.random_range(0..100) {
            0..40 => 1,
            40..95 => self.rng.random_range(2..8),
            _ => self.rng.random_range(20..40),
        };
        for _ in 0..statements {
            self.change(client)?;
        }
        if self.large_rows > 0 && self.rng.random_ratio(1, 100) {
            self.large(client)?;
        }
        if self.rng.random_ratio(15, 100) {
            self.subtransactions(client)?;
        }
        self.finish(client, statements)
    }

    /// What a lost connection or an error has left.
    fn clean_up(&self, client: &mut Client) -> anyhow::Result<()> {
        run_postgres(client, "ROLLBACK")?;
        let prepared = format!(
            "SELECT gid FROM pg_prepared_xacts WHERE gid LIKE '{}:%' AND database = current_database()",
            self.schema
        );
        for row in query_postgres(client, &prepared)? {
            run_postgres(client, &format!("ROLLBACK PREPARED '{}'", first_text(row)?))?;
        }
        Ok(())
    }

    /// One DDL statement, half of the time with data changes before and after it in the same transaction.
    fn ddl_step(&mut self, client: &mut Client) -> anyhow::Result<Step> {
        let statement = self.ddl()?;
        if self.rng.random() {
            self.catalog = None;
            run_postgres(client, &statement)?;
            return Ok(Step::Ddl { statement });
        }
        run_postgres(client, "BEGIN")?;
        // Not in the tables that come and go: the statement may name one.
        self.change(client)?;
        run_postgres(client, &statement)?;
        self.catalog = Some(Catalog::read(client, &self.schema)?);
        self.change(client)?;
        run_postgres(client, "COMMIT")?;
        Ok(Step::Ddl { statement })
    }

    /// Savepoints, one inside of the other, each kept or taken back.
    fn subtransactions(&mut self, client: &mut Client) -> anyhow::Result<()> {
        run_postgres(client, "SAVEPOINT outside")?;
        self.change(client)?;
        run_postgres(client, "SAVEPOINT inside")?;
        self.change(client)?;
        let end = if self.rng.random() { "ROLLBACK TO SAVEPOINT inside" } else { "RELEASE SAVEPOINT inside" };
        run_postgres(client, end)?;
        self.change(client)?;
        let end =
            if self.rng.random() { "ROLLBACK TO SAVEPOINT outside" } else { "RELEASE SAVEPOINT outside" };
        run_postgres(client, end)
    }

    fn finish(&mut self, client: &mut Client, statements: usize) -> anyhow::Result<Step> {
        let taken_back = self.rng.random_ratio(4, 100);
        let end = if taken_back { "ROLLBACK" } else { "COMMIT" };
        if self.two_phase && self.rng.random_ratio(1, 5) {
            let serial = self.next_serial();
            let name = format!("{}:{serial}", self.schema);
            run_postgres(client, &format!("PREPARE TRANSACTION '{name}'"))?;
            run_postgres(client, &format!("{end} PREPARED '{name}'"))?;
        } else {
            run_postgres(client, end)?;
        }
        Ok(if taken_back { Step::RolledBack } else { Step::Committed { statements } })
    }

    /// The fixed tables of this load.
    fn all_tables(&self) -> Vec<&'static Table> {
        TABLES.iter().filter(|table| table.portable || !self.portable).collect()
    }

    fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }
}

/// The first column of a row, which must not be NULL.
fn first_text(row: Vec<Option<String>>) -> anyhow::Result<String> {
    row.into_iter().next().flatten().context("no value")
}
