//! What the decoder does with a statement in the log: transaction ends, schema changes, and statements that stop it.

use crate::mysql::{
    charset::Charset,
    ddl::{self, Context, Statement, statement::ObjectName},
    decoder::{Decoder, XA},
    error::Reason,
    events::query::Query,
    output::Output,
    transaction::State,
};
use crate::{
    event::{Ddl, Event, Language, SchemaChange, Truncate},
    schema::TableName,
};

impl Decoder {
    /// Carries out a QUERY event.
    pub(super) fn statement<'a>(
        &mut self,
        query: &Query<'a>,
        micros: i64,
        out: &mut Output<'a, '_>,
    ) -> Result<(), Reason> {
        if self.transaction.skips_statement {
            self.end_statement();
            return Ok(());
        }
        let text = without_transaction_suffix(query.statement);
        let statement =
            ddl::parse(text, &self.context(query)).map_err(|error| Reason::Ddl(error.to_string()))?;
        match statement {
            Statement::Begin => self.begin(out),
            Statement::XaStart(_) => {
                self.begin(out);
                self.transaction.state = State::Distributed;
            }
            Statement::Commit => self.commit(micros, out),
            Statement::Rollback if self.transaction.sequence == 0 => self.commit(micros, out),
            Statement::Rollback | Statement::RollbackTo(_) if self.transaction.sequence > 0 => {
                return Err(Reason::Unsupported(
                    "a transaction was rolled back after rows of it were logged (it changed tables of an engine without \
                     transactions together with others)",
                ));
            }
            Statement::Rollback
            | Statement::RollbackTo(_)
            | Statement::Savepoint(_)
            | Statement::ReleaseSavepoint(_)
            | Statement::XaEnd(_) => {}
            Statement::XaCommit { one_phase: true, .. } => self.commit(micros, out),
            Statement::XaPrepare(_) | Statement::XaCommit { .. } | Statement::XaRollback(_) => {
                return Err(Reason::Unsupported(XA));
            }
            Statement::Data(data) => {
                let selected = |name: &ObjectName| (self.options.selected)(&qualified(name, query.database));
                if data.tables.is_empty() || data.tables.iter().any(selected) {
                    return Err(Reason::StatementFormat(verb(&data.verb)));
                }
                self.end_statement();
            }
            Statement::Truncate(table) => {
                let table = self.options.catalog.stored(&table, query.database);
                if (self.options.selected)(&table) {
                    out.events.push(Event::Truncate(Truncate {
                        table,
                        position: self.place.start(),
                        time_micros: micros,
                    }));
                }
                self.end_statement();
            }
            statement => self.schema_change(&statement, query, text, micros, out)?,
        }
        Ok(())
    }

    fn context(&self, query: &Query<'_>) -> Context {
        let version = self.format.version_number;
        let mariadb = self.format.is_mariadb;
        Context {
            sql_mode: query.settings.sql_mode,
            mariadb,
            version: 0,
            explicit_defaults_for_timestamp: query
                .settings
                .explicit_timestamp_defaults
                .unwrap_or(version >= if mariadb { 101_000 } else { 80_002 }),
        }
    }

    fn schema_change<'a>(
        &mut self,
        statement: &Statement,
        query: &Query<'a>,
        text: &'a str,
        micros: i64,
        out: &mut Output<'a, '_>,
    ) -> Result<(), Reason> {
        let session = query.settings.server.and_then(Charset::by_collation).map(Charset::name);
        let changes = self
            .options
            .catalog
            .apply(statement, query.database, session)
            .map_err(|error| Reason::Ddl(error.to_string()))?;
        self.tables.forget();
        let position = self.place.start();
        let selected = &self.options.selected;
        let wanted = |change: &SchemaChange| {
            let tables = change.tables();
            tables.is_empty() || tables.iter().any(|table| selected(table))
        };
        let changes: Vec<SchemaChange> =
            changes.into_iter().filter(wanted).map(|change| self.renamed_in(change)).collect();
        if !changes.is_empty() {
            out.events.push(Event::Ddl(Ddl {
                statement: out.arena.text(text),
                database: query.database,
                position,
                time_micros: micros,
                language: Language::Mysql { sql_mode: query.settings.sql_mode },
                changes,
            }));
        }
        self.end_statement();
        Ok(())
    }

    /// Says so where a table that was not selected comes under the name of a selected one.
    fn renamed_in(&self, change: SchemaChange) -> SchemaChange {
        let (from, to) = match &change {
            SchemaChange::RenameTable { from, to } => (from, to),
            SchemaChange::AlterTable { before, after, .. } => (&before.name, &after.name),
            _ => return change,
        };
        if from == to || (self.options.selected)(from) || !(self.options.selected)(to) {
            return change;
        }
        let table = self.options.catalog.get(to).cloned();
        SchemaChange::RenamedIn { from: from.clone(), to: to.clone(), table }
    }

    /// Ends what a single statement announced; inside of a transaction the transaction goes on.
    fn end_statement(&mut self) {
        self.transaction.skips_statement = false;
        if !matches!(self.transaction.state, State::Open | State::Distributed) {
            self.finish();
        }
    }
}

/// `CREATE TABLE … SELECT` of MySQL 8.0.21 and later is logged with a mark that only its replicas may use; the rows follow
/// in the same transaction.
fn without_transaction_suffix(statement: &str) -> &str {
    const SUFFIX: &str = "START TRANSACTION";
    let trimmed = statement.trim_end();
    match trimmed.len().checked_sub(SUFFIX.len()).and_then(|at| trimmed.split_at_checked(at)) {
        Some((rest, tail)) if tail.eq_ignore_ascii_case(SUFFIX) && !rest.trim().is_empty() => rest.trim_end(),
        _ => statement,
    }
}

fn qualified(name: &ObjectName, database: &str) -> TableName {
    TableName::new(name.database.as_deref().unwrap_or(database), name.name.as_str())
}

/// The statement's first word, for a message.
fn verb(word: &str) -> &'static str {
    match word {
        "INSERT" => "INSERT",
        "UPDATE" => "UPDATE",
        "DELETE" => "DELETE",
        "REPLACE" => "REPLACE",
        "LOAD" => "LOAD DATA",
        "CALL" => "CALL",
        _ => "a statement that changes rows",
    }
}
