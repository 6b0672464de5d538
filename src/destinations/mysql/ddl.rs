//! Changes of definitions.
//!
//! A change of one table is made by the source's own statement, under the source session's default database and SQL mode, so that
//! nothing of it is lost in translation; where the server does not understand it (another dialect, an older version), by a
//! statement made from the definition. What may name several objects (DROP, RENAME) is written anew, for the selected ones.
//! Triggers, events, routines and views are not carried: a trigger would fire again on rows that the log has already
//! changed, and is created after the cutover.
//!
//! A statement of PostgreSQL is never run: all that it does is made from the definitions before and after it. What PostgreSQL does
//! to rows without a word in its log (a column that takes another type, or a default that is no literal) is done where the server
//! does it alike, and refused elsewhere, unless the table is empty.

#[path = "ddl_of_postgres.rs"]
mod of_postgres;

use slackwater_decoders::{
    event::{Ddl, Language, SchemaChange},
    schema::{Table, TableName},
};

pub(super) use super::definition::create_statement;
use super::{
    definition::alter_statement,
    key_changes::{alter_in_parts, is_about_keys},
    session::{APPLY_MODE, Session, code, ddl_refused},
    tables::columns,
};
use crate::{
    changes::{AlterState, alter_state, same_names},
    destinations::renamed_in,
    error::{Error, Result},
    types::mysql::quote_name,
};

/// What identifies a statement: its text, and where the log does not have that, what it does.
pub(super) fn told(ddl: &Ddl<'_>) -> String {
    if ddl.statement.is_empty() { format!("{:?}", ddl.changes) } else { ddl.statement.to_owned() }
}

/// The tables whose look tells whether the statement has run.
pub(super) fn touched(ddl: &Ddl<'_>) -> Vec<TableName> {
    let mut tables: Vec<_> = ddl.changes.iter().flat_map(SchemaChange::tables).cloned().collect();
    tables.dedup();
    tables
}

/// `SHOW CREATE TABLE` of each table; `None` for one that does not exist.
pub(super) async fn looks(session: &mut Session, tables: &[TableName]) -> Result<Vec<Option<String>>> {
    let mut looks = Vec::with_capacity(tables.len());
    for table in tables {
        if columns(session, table).await?.is_empty() {
            looks.push(None);
            continue;
        }
        let row: Option<mysql_async::Row> =
            session.first(format!("SHOW CREATE TABLE {}", qualified(table))).await?;
        looks.push(row.and_then(|mut row| row.take::<Option<String>, _>(1).flatten()));
    }
    Ok(looks)
}

/// Does what the statement does to the selected objects. `converging`: rows are of different times.
pub(super) async fn apply(session: &mut Session, ddl: &Ddl<'_>, converging: bool) -> Result<()> {
    let of_postgres;
    let ddl = if ddl.language == Language::Postgres {
        for change in &ddl.changes {
            of_postgres::refuse_unlike(session, ddl, change)
                .await
                .map_err(|error| error.at(&ddl.position))?;
        }
        of_postgres = Ddl { statement: "", ..ddl.clone() };
        &of_postgres
    } else {
        ddl
    };
    let mut renames = Vec::new();
    for change in &ddl.changes {
        if let SchemaChange::RenameTable { from, to } = change {
            renames.push((from, to));
            continue;
        }
        rename(session, &std::mem::take(&mut renames)).await.map_err(|error| error.at(&ddl.position))?;
        apply_change(session, ddl, change, converging).await.map_err(|error| error.at(&ddl.position))?;
    }
    rename(session, &renames).await.map_err(|error| error.at(&ddl.position))
}

async fn apply_change(
    session: &mut Session,
    ddl: &Ddl<'_>,
    change: &SchemaChange,
    converging: bool,
) -> Result<()> {
    match change {
        SchemaChange::CreateTable { table, if_not_exists } => {
            create(session, ddl, table, *if_not_exists).await
        }
        SchemaChange::AlterTable { before, after, columns_from } => {
            alter(session, ddl, (before, after), columns_from, converging).await
        }
        SchemaChange::RenamedIn { from, to, .. } => Err(renamed_in(from, to)),
        SchemaChange::DropTable { table } => {
            run(session, &format!("DROP TABLE IF EXISTS {}", qualified(table))).await
        }
        SchemaChange::CreateDatabase { database } => {
            if database_exists(session, database).await? {
                return Ok(());
            }
            let plain = format!("CREATE DATABASE IF NOT EXISTS {}", quote_name(database));
            let logged = if ddl.changes.len() == 1 { ddl.statement } else { "" };
            logged_or(session, ddl, logged, Some(plain)).await
        }
        SchemaChange::DropDatabase { database } => {
            run(session, &format!("DROP DATABASE IF EXISTS {}", quote_name(database))).await
        }
        SchemaChange::RenameTable { .. } => Ok(()),
        SchemaChange::RowsUnlogged { table, description } | SchemaChange::Unknown { table, description } => {
            unlogged(session, ddl, table, description).await
        }
        SchemaChange::Other { description, table } => other(session, ddl, description, table.as_ref()).await,
    }
}

async fn create(session: &mut Session, ddl: &Ddl<'_>, table: &Table, if_not_exists: bool) -> Result<()> {
    let actual: Vec<_> = columns(session, &table.name).await?.into_iter().map(|(name, ..)| name).collect();
    if same_names(&actual, table) || (if_not_exists && !actual.is_empty()) {
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
    if !database_exists(session, &table.name.database).await? {
        run(session, &format!("CREATE DATABASE IF NOT EXISTS {}", quote_name(&table.name.database))).await?;
    }
    // CREATE TABLE … SELECT is logged with these words behind it; the rows follow, in the same transaction of the source.
    let statement = ddl.statement.trim_end().trim_end_matches(';').trim_end();
    let words = "START TRANSACTION";
    let split = statement.len().saturating_sub(words.len());
    let statement = match statement.split_at_checked(split) {
        Some((plain, end)) if end.eq_ignore_ascii_case(words) => plain,
        _ => statement,
    };
    let is_copy = statement.to_ascii_lowercase().contains(" like ");
    if is_copy && copied(session, ddl, table, statement).await? {
        return Ok(());
    }
    let logged = if is_copy { "" } else { statement };
    logged_or(session, ddl, logged, Some(create_statement(table, session.server)))
        .await
        .map_err(|error| error.on(&table.name))
}

/// Runs a `CREATE TABLE … LIKE`, which brings along what a definition here does not have (indexes, comments, options). `false`
/// where the other table is not at the destination, or has other columns than at the source.
async fn copied(session: &mut Session, ddl: &Ddl<'_>, table: &Table, statement: &str) -> Result<bool> {
    if let Err(error) = as_logged(session, ddl, statement).await? {
        let refused = ddl_refused(error);
        return if refused.is_transient() { Err(refused) } else { Ok(false) };
    }
    let actual: Vec<_> = columns(session, &table.name).await?.into_iter().map(|(name, ..)| name).collect();
    if same_names(&actual, table) {
        return Ok(true);
    }
    run(session, &format!("DROP TABLE IF EXISTS {}", qualified(&table.name))).await?;
    Ok(false)
}

async fn alter(
    session: &mut Session,
    ddl: &Ddl<'_>,
    (before, after): (&Table, &Table),
    columns_from: &[Option<u16>],
    converging: bool,
) -> Result<()> {
    let actual: Vec<_> = columns(session, &before.name).await?.into_iter().map(|(name, ..)| name).collect();
    if actual.is_empty() {
        tracing::warn!(table = %before.name, "the table to be altered is not at the destination");
        return Ok(());
    }
    match alter_state(&actual, before, after) {
        AlterState::Done => {
            tracing::info!(table = %before.name, "the table is altered already");
            return Ok(());
        }
        AlterState::Other => {
            return Err(Error::definite(
                "the table at the destination has other columns than the source's had",
            )
            .on(&before.name)
            .remedy("make its columns equal to those the source's table had at this place"));
        }
        AlterState::Pending => {}
    }
    let generated = alter_statement(before, after, columns_from, session.server);
    let logged = if before.name == after.name { ddl.statement } else { "" };
    match attempt(session, ddl, logged, generated).await? {
        Err((refusal, _)) if is_about_keys(&refusal) => {
            alter_in_parts(session, ddl, (before, after), columns_from, converging).await
        }
        attempt => finished(attempt),
    }
    .map_err(|error| error.on(&before.name))?;
    if before.name != after.name {
        rename(session, &[(&before.name, &after.name)]).await?;
    }
    Ok(())
}

/// One statement, so that names can be swapped. Where the first table is not there the statement has run already, or the
/// table never came to the destination.
async fn rename(session: &mut Session, renames: &[(&TableName, &TableName)]) -> Result<()> {
    let Some((first, _)) = renames.first() else { return Ok(()) };
    if columns(session, first).await?.is_empty() {
        tracing::warn!(table = %first, "the table to be renamed is not at the destination");
        return Ok(());
    }
    let parts: Vec<_> =
        renames.iter().map(|(from, to)| format!("{} TO {}", qualified(from), qualified(to))).collect();
    run(session, &format!("RENAME TABLE {}", parts.join(", "))).await.map_err(|error| error.on(first))
}

/// What the log does not tell of a statement, the statement does here as it did there. An exchange is left to a person:
/// done twice, it is undone, and nothing at the destination tells whether it was done.
async fn unlogged(session: &mut Session, ddl: &Ddl<'_>, table: &TableName, description: &str) -> Result<()> {
    if columns(session, table).await?.is_empty() {
        return Ok(());
    }
    if ddl.language == Language::Postgres {
        return Err(Error::definite(format!("{description}: what became of the rows is not in the log"))
            .on(table)
            .remedy(
                "copy the table anew, and continue behind this statement with `slackwater positions import`",
            ));
    }
    if ddl.statement.to_ascii_uppercase().contains("EXCHANGE") {
        return Err(Error::definite(format!("{description}: what became of the rows is not in the log")).on(table).remedy(
            "run the statement at the destination by hand, and continue behind it with `slackwater positions import`",
        ));
    }
    logged_or(session, ddl, ddl.statement, None).await.map_err(|error| error.on(table))
}

/// Indexes and options of a table are carried as they are; they do not touch rows, so that a failure is no reason to stop.
async fn other(
    session: &mut Session,
    ddl: &Ddl<'_>,
    description: &str,
    table: Option<&TableName>,
) -> Result<()> {
    let words: Vec<_> = ddl.statement.split_whitespace().take(3).map(str::to_ascii_uppercase).collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let carried = matches!(
        words.as_slice(),
        ["ALTER", "TABLE" | "IGNORE" | "ONLINE", ..]
            | ["DROP", "INDEX", ..]
            | ["CREATE", "INDEX", ..]
            | ["CREATE", "UNIQUE" | "FULLTEXT" | "SPATIAL", "INDEX"]
    );
    let (true, Some(table)) = (carried, table) else {
        tracing::info!(what = description, position = %ddl.position, "not carried to the destination: rows are not touched");
        return Ok(());
    };
    if columns(session, table).await?.is_empty() {
        return Ok(());
    }
    match logged_or(session, ddl, ddl.statement, None).await {
        Err(error) if !error.is_transient() => {
            tracing::warn!(what = description, position = %ddl.position, %error, "not carried to the destination: rows are not touched");
            Ok(())
        }
        result => result,
    }
}

/// Runs the source's statement as its session would have; where it is refused, runs `generated` in ours.
async fn logged_or(
    session: &mut Session,
    ddl: &Ddl<'_>,
    logged: &str,
    generated: Option<String>,
) -> Result<()> {
    finished(attempt(session, ddl, logged, generated).await?)
}

/// What came of a statement: nothing more to do, or what the server answered to which statement.
type Attempt = std::result::Result<(), (mysql_async::Error, String)>;

/// As [`logged_or`], but for a refusal of the last statement, or one that is about keys, which is the caller's.
async fn attempt(
    session: &mut Session,
    ddl: &Ddl<'_>,
    logged: &str,
    generated: Option<String>,
) -> Result<Attempt> {
    if !logged.is_empty() {
        let Err(refusal) = as_logged(session, ddl, logged).await? else { return Ok(Ok(())) };
        if generated.is_none() || is_about_keys(&refusal) {
            return Ok(Err((refusal, logged.to_owned())));
        }
        let refused = ddl_refused(refusal);
        if refused.is_transient() {
            return Err(refused);
        }
        // The warning says why the source's own was refused.
        tracing::warn!(error = %refused, statement = generated, "the source's statement is refused, trying one made from the definition");
    }
    let Some(generated) = generated else { return Ok(Ok(())) };
    let result = session.run_raw(generated.clone()).await;
    Ok(result.map(drop).map_err(|refusal| (refusal, generated)))
}

fn finished(attempt: Attempt) -> Result<()> {
    attempt.map_err(|(refusal, statement)| with_statement(ddl_refused(refusal), &statement))
}

/// Runs a statement under the source session's default database, SQL mode and clock, and sets ours back.
pub(super) async fn as_logged(
    session: &mut Session,
    ddl: &Ddl<'_>,
    statement: &str,
) -> Result<mysql_async::Result<u64>> {
    if !ddl.database.is_empty() && database_exists(session, ddl.database).await? {
        session.run(format!("USE {}", quote_name(ddl.database))).await?;
    }
    let seconds = ddl.time_micros.div_euclid(1_000_000).max(1);
    let mode = match ddl.language {
        Language::Mysql { sql_mode: bits } => sql_mode(bits),
        _ => APPLY_MODE.to_owned(),
    };
    session.run(format!("SET SESSION sql_mode = '{}', timestamp = {seconds}", mode)).await?;
    let result = session.run_raw(statement.to_owned()).await;
    // After a lost connection this fails as well, and says so.
    session.run(format!("SET SESSION sql_mode = '{APPLY_MODE}', timestamp = DEFAULT")).await?;
    Ok(result)
}

/// The modes that every version knows, of those that govern how a statement is read and how values are converted.
fn sql_mode(bits: u64) -> String {
    const MODES: [(u32, &str); 14] = [
        (0, "REAL_AS_FLOAT"),
        (1, "PIPES_AS_CONCAT"),
        (2, "ANSI_QUOTES"),
        (3, "IGNORE_SPACE"),
        (6, "NO_UNSIGNED_SUBTRACTION"),
        (19, "NO_AUTO_VALUE_ON_ZERO"),
        (20, "NO_BACKSLASH_ESCAPES"),
        (21, "STRICT_TRANS_TABLES"),
        (22, "STRICT_ALL_TABLES"),
        (23, "NO_ZERO_IN_DATE"),
        (24, "NO_ZERO_DATE"),
        (25, "ALLOW_INVALID_DATES"),
        (26, "ERROR_FOR_DIVISION_BY_ZERO"),
        (29, "HIGH_NOT_PRECEDENCE"),
    ];
    let names: Vec<_> = MODES.iter().filter(|(bit, _)| bits >> bit & 1 == 1).map(|(_, name)| *name).collect();
    names.join(",")
}

async fn run(session: &mut Session, statement: &str) -> Result<()> {
    session
        .run_raw(statement.to_owned())
        .await
        .map(drop)
        .map_err(|error| with_statement(ddl_refused(error), statement))
}

fn with_statement(error: Error, statement: &str) -> Error {
    error.remedy(format!(
        "run a statement with the same effect by hand and start the task again; the statement: {statement}"
    ))
}

async fn database_exists(session: &mut Session, database: &str) -> Result<bool> {
    match session.run_raw(format!("SHOW CREATE DATABASE {}", quote_name(database))).await {
        Ok(_) => Ok(true),
        Err(error) if code(&error) == Some(1049) => Ok(false),
        Err(error) => Err(ddl_refused(error)),
    }
}

pub(super) fn qualified(table: &TableName) -> String {
    format!("{}.{}", quote_name(&table.database), quote_name(&table.table))
}
