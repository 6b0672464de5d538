//! Changes of definitions. They are a part of the transaction that they come in, and so is the checkpoint behind them.
//!
//! A change of a PostgreSQL source is made by the source's own statement where that is one statement about what is there; else, and
//! for other sources, by statements made from the definitions (`alter`). What may name several objects (DROP, RENAME) is written anew,
//! for the selected ones. Triggers, routines and views are not carried: a trigger would fire again on rows that the log has
//! already changed, and is created after the cutover.

use slackwater_decoders::{
    event::{Ddl, Language, SchemaChange},
    schema::{Table, TableName},
};

use super::{
    alter,
    catalog::{column_names, relation},
    checkpoint::create_schema,
    definition::create_statement,
    evaluated,
    existing::qualified,
    session::Session,
    write::{end_mark, mark},
};
use crate::{
    destinations::renamed_in,
    error::{Error, Result},
    types::postgres::quote_name,
};

/// Where a statement stands before it is tried.
const MARK: &str = "slackwater_ddl";

/// A statement that is being carried out.
struct Run<'a, 'd> {
    session: &'a mut Session,
    ddl: &'a Ddl<'d>,
    /// Rows are of different times.
    converging: bool,
    /// The source's own statement has been run, and has made all of its changes.
    is_done: bool,
}

/// Does what the statement does to the selected objects, in the open transaction. `converging`: rows are of different times.
pub(super) async fn apply(session: &mut Session, ddl: &Ddl<'_>, converging: bool) -> Result<()> {
    let mut run = Run { session, ddl, converging, is_done: false };
    for change in &ddl.changes {
        run.change(change).await?;
    }
    Ok(())
}

impl Run<'_, '_> {
    async fn change(&mut self, change: &SchemaChange) -> Result<()> {
        match change {
            SchemaChange::CreateTable { table, if_not_exists } => self.create(table, *if_not_exists).await,
            SchemaChange::AlterTable { before, after, columns_from } => {
                self.alter(before, after, columns_from).await.map_err(|error| error.on(&before.name))
            }
            SchemaChange::RenameTable { from, to } => self.rename(from, to).await,
            SchemaChange::RenamedIn { from, to, .. } => Err(renamed_in(from, to)),
            SchemaChange::DropTable { table } => {
                self.made(&format!("DROP TABLE IF EXISTS {} CASCADE", qualified(table))).await
            }
            SchemaChange::CreateDatabase { database } => {
                create_schema(self.session, &quote_name(database)).await
            }
            SchemaChange::DropDatabase { database } => {
                self.made(&format!("DROP SCHEMA IF EXISTS {} CASCADE", quote_name(database))).await
            }
            SchemaChange::RowsUnlogged { table, description }
            | SchemaChange::Unknown { table, description } => self.unlogged(table, description).await,
            SchemaChange::Other { description, table } => self.other(description, table.as_ref()).await,
        }
    }

    async fn create(&mut self, table: &Table, if_not_exists: bool) -> Result<()> {
        let actual = column_names(self.session, &table.name).await?;
        if same_set(&actual, table) || (if_not_exists && !actual.is_empty()) {
            tracing::warn!(table = %table.name, "the table to be created is at the destination already and is kept");
            return Ok(());
        }
        if !actual.is_empty() {
            return Err(Error::definite(
                "the table to be created is at the destination already, with other columns",
            )
            .on(&table.name)
            .remedy("drop or rename it, or leave the source's table out"));
        }
        create_schema(self.session, &quote_name(&table.name.database)).await?;
        if let Some(logged) = self.logged(&["CREATE TABLE", "CREATE UNLOGGED TABLE"])
            && !logged.to_ascii_uppercase().contains("SELECT")
            && self.tried(logged).await?
        {
            let actual = column_names(self.session, &table.name).await?;
            if same_set(&actual, table) {
                return Ok(());
            }
            self.made(&format!("DROP TABLE IF EXISTS {} CASCADE", qualified(&table.name))).await?;
        }
        self.made(&create_statement(table)).await.map_err(|error| error.on(&table.name))
    }

    async fn alter(&mut self, before: &Table, after: &Table, columns_from: &[Option<u16>]) -> Result<()> {
        if self.is_done {
            return Ok(());
        }
        let actual = column_names(self.session, &before.name).await?;
        if actual.is_empty() {
            tracing::warn!(table = %before.name, "the table to be altered is not at the destination");
            return Ok(());
        }
        if !same_set(&actual, before) {
            if same_set(&actual, after) {
                tracing::info!(table = %before.name, "the table is altered already");
                return Ok(());
            }
            return Err(Error::definite(
                "the table at the destination has other columns than the source's had",
            )
            .remedy("make its columns equal to those the source's table had at this place"));
        }
        evaluated::refuse(self.session, self.ddl, before, after, columns_from).await?;
        let verbs = ["ALTER TABLE", "CREATE INDEX", "CREATE UNIQUE INDEX", "DROP INDEX"];
        if before.name == after.name
            && let Some(logged) = self.logged(&verbs)
            && self.tried(logged).await?
        {
            if same_set(&column_names(self.session, &after.name).await?, after) {
                self.is_done = true;
                return Ok(());
            }
            return Err(Error::definite("the source's statement has another effect here than there")
                .remedy("alter the table at the destination by hand and start the task again"));
        }
        let primary_key = alter::primary_key_name(self.session, &before.name).await?;
        for step in alter::steps(before, after, columns_from, primary_key.as_deref(), self.ddl.time_micros) {
            self.step(&before.name, &step).await?;
        }
        if before.name != after.name {
            self.rename(&before.name, &after.name).await?;
        }
        Ok(())
    }

    /// Makes a change of a key, or of another part of the table.
    async fn step(&mut self, table: &TableName, step: &alter::Step) -> Result<()> {
        if !step.is_of_key {
            return self.made(&step.sql).await;
        }
        if let Some(key) = &step.unique_key
            && alter::has_unique_key(self.session, table, key).await?
        {
            tracing::info!(%table, key = key.0, "the unique key is there already");
            return Ok(());
        }
        mark(self.session, MARK).await?;
        let made = self.session.run(&step.sql).await;
        match end_mark(self.session, MARK, made).await {
            // What is missing in the end is created when the destination is consistent.
            Err(error) if !error.is_transient() && (self.converging || !step.is_needed) => {
                tracing::warn!(%table, %error, "a key is not changed");
                Ok(())
            }
            made => made.map_err(|error| with_statement(error, &step.sql)),
        }
    }

    async fn rename(&mut self, from: &TableName, to: &TableName) -> Result<()> {
        if relation(self.session, from).await?.is_none() {
            tracing::warn!(table = %from, "the table to be renamed is not at the destination");
            return Ok(());
        }
        let mut now = from.clone();
        if from.database != to.database {
            let schema = quote_name(&to.database);
            create_schema(self.session, &schema).await?;
            self.made(&format!("ALTER TABLE {} SET SCHEMA {schema}", qualified(&now))).await?;
            now = TableName::new(to.database.clone(), from.table.clone());
        }
        if now.table != to.table {
            let name = quote_name(&to.table);
            self.made(&format!("ALTER TABLE {} RENAME TO {name}", qualified(&now))).await?;
        }
        Ok(())
    }

    /// What the log does not tell of a statement, the source's own text may do here as it did there.
    async fn unlogged(&mut self, table: &TableName, description: &str) -> Result<()> {
        if relation(self.session, table).await?.is_none() || self.is_done {
            return Ok(());
        }
        if let Some(logged) = self.logged(&["ALTER TABLE"])
            && self.tried(logged).await?
        {
            self.is_done = true;
            return Ok(());
        }
        Err(Error::definite(format!("{description}: what becomes of the rows is not in the log")).on(table).remedy(
            "do the same at the destination by hand, and continue behind it with `slackwater positions import`; or copy the \
             table anew",
        ))
    }

    /// Indexes and comments of a table do not touch rows, so that a failure is no reason to stop.
    async fn other(&mut self, description: &str, table: Option<&TableName>) -> Result<()> {
        if self.is_done {
            return Ok(());
        }
        let carried = self.logged(&[
            "CREATE INDEX",
            "CREATE UNIQUE INDEX",
            "DROP INDEX",
            "ALTER INDEX",
            "ALTER TABLE",
            "COMMENT ON TABLE",
            "COMMENT ON COLUMN",
            "CREATE TYPE",
            "ALTER TYPE",
            "CREATE DOMAIN",
            "ALTER DOMAIN",
            "CREATE SEQUENCE",
        ]);
        let is_there = match table {
            Some(table) => relation(self.session, table).await?.is_some(),
            None => true,
        };
        if let Some(statement) = carried.filter(|_| is_there)
            && self.tried(statement).await?
        {
            self.is_done = true;
            return Ok(());
        }
        tracing::info!(what = description, position = %self.ddl.position, "not carried to the destination: rows are not touched");
        Ok(())
    }

    /// The source's own statement, when it is one of PostgreSQL that begins with one of these words and has no other behind it.
    fn logged(&self, verbs: &[&str]) -> Option<String> {
        let statement = self.ddl.statement.trim().trim_end_matches(';').trim_end();
        if self.ddl.language != Language::Postgres || statement.contains(';') {
            return None;
        }
        let words = statement.split_whitespace().collect::<Vec<_>>().join(" ").to_ascii_uppercase();
        verbs.iter().any(|verb| words.starts_with(verb)).then(|| statement.to_owned())
    }

    /// Runs the source's statement as its session would have; `false`: it is refused, and nothing has happened.
    async fn tried(&mut self, statement: String) -> Result<bool> {
        // A transaction has no room for them.
        let statement = without_word(&statement, "CONCURRENTLY");
        let path = match self.ddl.database {
            "" => "public".to_owned(),
            schema => format!("{}, public", quote_name(schema)),
        };
        mark(self.session, MARK).await?;
        let sql = format!("SET LOCAL search_path = {path}; {statement}; SET LOCAL search_path = pg_catalog");
        let made = self.session.run(&sql).await;
        match end_mark(self.session, MARK, made).await {
            Ok(()) => Ok(true),
            Err(error) if error.is_transient() => Err(error),
            Err(error) => {
                tracing::warn!(%error, "the source's statement is refused");
                Ok(false)
            }
        }
    }

    async fn made(&mut self, statement: &str) -> Result<()> {
        self.session.run(statement).await.map_err(|error| with_statement(error, statement))
    }
}

fn with_statement(error: Error, statement: &str) -> Error {
    error.remedy(format!(
        "run a statement with the same effect by hand and start the task again; the statement: {statement}"
    ))
}

fn without_word(statement: &str, word: &str) -> String {
    let kept = statement.split(' ').filter(|own| !own.eq_ignore_ascii_case(word));
    kept.collect::<Vec<_>>().join(" ")
}

/// Whether these are the table's columns, in any order: a new one is always the last here.
fn same_set(actual: &[String], table: &Table) -> bool {
    let lower = |name: &str| name.to_lowercase();
    let mut actual: Vec<_> = actual.iter().map(|name| lower(name)).collect();
    let hidden = |name: &str| actual.iter().any(|own| *own == lower(name));
    let shown = table.columns.iter().filter(|column| !column.is_hidden() || hidden(&column.name));
    let mut wanted: Vec<_> = shown.map(|column| lower(&column.name)).collect();
    actual.sort_unstable();
    wanted.sort_unstable();
    actual == wanted
}
