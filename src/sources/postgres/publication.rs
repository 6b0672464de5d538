//! The publication: which tables the server sends.
//!
//! All tables where the task carries all and the account may publish all, else a list, which is brought up to date whenever the
//! task starts to read. It has to be there before the slot: the server looks it up in the catalog as it was at each change.

use std::collections::HashSet;

use slackwater_decoders::{position::Position, schema::TableName};

use crate::{
    error::{Error, Result},
    postgres_client::{Session, failed, literal, quoted},
    sources::postgres::replication::UNPUBLISHED,
};

/// How many tables one statement names.
const TABLES_PER_STATEMENT: usize = 500;

/// How long writers of a new table are waited for.
const LOCK_PATIENCE: &str = "5s";

/// What a publication is to be.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) name: &'a str,
    /// Whether every table is carried, also those to come.
    pub(super) all: bool,
    /// The tables that are carried now; before PostgreSQL 13 the partitions in place of the tables that they are parts of.
    pub(super) tables: &'a [TableName],
    /// Whether a table would be carried, if there is one of that name: some may have come since `tables` were read.
    pub(super) is_carried: &'a (dyn Fn(&TableName) -> bool + Send + Sync),
    /// Where a task goes on, that has created it before, and which of the tables it then read; `None` for a new task.
    pub(super) resumed: Option<Resumed<'a>>,
}

/// A task that goes on.
#[derive(Clone, Copy)]
pub(super) struct Resumed<'a> {
    pub(super) from: &'a Position,
    /// Whether the task has read the log of that table, which is then published.
    pub(super) was_read: &'a (dyn Fn(&TableName) -> bool + Send + Sync),
    /// Whether a new table must be empty: where no event trigger publishes it in the transaction that creates it.
    pub(super) new_are_empty: bool,
}

/// What a server says of a publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Publication {
    /// Whether it has all tables.
    pub(super) all: bool,
    /// Whether it has inserts, updates, deletes and, where the version has them, truncates.
    pub(super) complete: bool,
    /// Whether rows of partitions come as those of the table that they are a part of (13 and later).
    pub(super) via_root: bool,
    /// Its tables.
    pub(super) tables: HashSet<TableName>,
}

/// The publication of that name, if there is one.
///
/// # Errors
/// When the server cannot be asked.
pub(super) async fn read(session: &Session, name: &str) -> Result<Option<Publication>> {
    let truncate = if session.major() >= 11 { "pubtruncate" } else { "true" };
    let via_root = if session.major() >= 13 { "pubviaroot" } else { "false" };
    let question = format!(
        "SELECT puballtables, pubinsert AND pubupdate AND pubdelete AND {truncate}, {via_root} \
         FROM pg_publication WHERE pubname = {}",
        literal(name)
    );
    let unreadable = |error| failed("cannot read the publication", error).on(format!("publication {name}"));
    let Some(row) = session.query_opt(&question, &[]).await.map_err(unreadable)? else { return Ok(None) };
    let tables = format!(
        "SELECT schemaname::text, tablename::text FROM pg_publication_tables WHERE pubname = {}",
        literal(name)
    );
    let rows = session.query(&tables, &[]).await.map_err(unreadable)?;
    let tables =
        rows.iter().map(|row| Ok(TableName::new(row.try_get::<_, String>(0)?, row.try_get::<_, String>(1)?)));
    let read = || {
        Ok(Publication {
            all: row.try_get(0)?,
            complete: row.try_get(1)?,
            via_root: row.try_get(2)?,
            tables: tables.collect::<Result<_, _>>()?,
        })
    };
    read().map(Some).map_err(unreadable)
}

/// Whether the account may publish all tables.
///
/// # Errors
/// When the server cannot be asked.
pub(super) async fn may_publish_all(session: &Session) -> Result<bool> {
    let question = "SELECT rolsuper::int4::int8 FROM pg_roles WHERE rolname = current_user";
    Ok(session.one_number(question).await? == 1)
}

/// Creates the publication, or brings its list up to date. The tables that it has since now alone.
///
/// # Errors
/// When the server refuses; transient where a table was dropped or published meanwhile; definite where the task goes on and what it
/// has read by is gone: what was written since is lost.
pub(super) async fn ensure(session: &Session, wanted: Wanted<'_>) -> Result<Vec<TableName>> {
    let name = quoted(wanted.name);
    let failed = |error| {
        refused("cannot publish the tables", error).on(format!("publication {}", wanted.name)).remedy(
            "publishing takes CREATE on the database and ownership of the tables; or let an administrator create the \
             publication and set source.create = false",
        )
    };
    let Some(existing) = read(session, wanted.name).await? else {
        if let Some(resumed) = wanted.resumed {
            return Err(lost("the publication is not there any more".to_owned(), wanted.name, resumed));
        }
        let with = match session.major() {
            ..13 => "",
            13..18 => " WITH (publish_via_partition_root = true)",
            // Elsewhere they may be columns as any other.
            _ => " WITH (publish_via_partition_root = true, publish_generated_columns = stored)",
        };
        let create = match (wanted.all && may_publish_all(session).await?, wanted.tables.is_empty()) {
            (true, _) => format!("CREATE PUBLICATION {name} FOR ALL TABLES{with}"),
            (false, true) => format!("CREATE PUBLICATION {name}{with}"),
            (false, false) => {
                let first: Vec<_> = wanted.tables.iter().take(TABLES_PER_STATEMENT).collect();
                format!("CREATE PUBLICATION {name} FOR TABLE {}{with}", list(&first))
            }
        };
        session.batch_execute(&create).await.map_err(failed)?;
        let rest: Vec<_> = wanted.tables.iter().skip(TABLES_PER_STATEMENT).collect();
        if !create.contains("FOR ALL TABLES") {
            change(session, &name, "ADD", &rest).await.map_err(failed)?;
        }
        return Ok(Vec::new());
    };
    if existing.all {
        return Ok(Vec::new());
    }
    let missing: Vec<_> = wanted.tables.iter().filter(|table| !existing.tables.contains(*table)).collect();
    let unpublished = unpublished(session, wanted.name, &missing).await?;
    let new: Vec<_> = missing.into_iter().filter(|table| unpublished.contains(*table)).collect();
    if let Some(resumed) = wanted.resumed {
        let lost_tables: Vec<_> = new.iter().copied().filter(|table| (resumed.was_read)(table)).collect();
        if !lost_tables.is_empty() {
            let what = format!("tables were taken out of the publication: {}", list(&lost_tables));
            return Err(lost(what, wanted.name, resumed));
        }
    }
    // Not those that are missing among the tables: an event trigger publishes new ones, which may have come a moment ago.
    let excluded: Vec<_> = existing.tables.iter().filter(|table| !(wanted.is_carried)(table)).collect();
    match wanted.resumed {
        Some(resumed) if resumed.new_are_empty => {
            for table in &new {
                add_empty(session, wanted.name, table).await?;
            }
        }
        _ => change(session, &name, "ADD", &new).await.map_err(failed)?,
    }
    change(session, &name, "DROP", &excluded).await.map_err(failed)?;
    Ok(new.into_iter().cloned().collect())
}

/// A refusal. Where a table was dropped, renamed or published since it was looked for, looking again helps.
fn refused(what: &str, error: tokio_postgres::Error) -> Error {
    /// `undefined_table`, `duplicate_object`, `undefined_object`; of the catalog, `unique_violation` (documentation, "PostgreSQL
    /// Error Codes").
    const CHANGED: [&str; 4] = ["42P01", "42710", "42704", "23505"];
    match error.code() {
        Some(code) if CHANGED.contains(&code.code()) => {
            Error::transient(format!("{what}: one was changed meanwhile")).caused_by(error)
        }
        _ => failed(what, error),
    }
}

/// Those of `tables` that are there and not published, at one moment: between two questions one may be dropped or published.
///
/// # Errors
/// When the server cannot be asked.
async fn unpublished(session: &Session, name: &str, tables: &[&TableName]) -> Result<HashSet<TableName>> {
    if tables.is_empty() {
        return Ok(HashSet::new());
    }
    // Publications of whole schemas.
    let by_schema = match session.major() {
        ..15 => "",
        _ => {
            "AND NOT EXISTS (SELECT FROM pg_publication_namespace s WHERE s.pnpubid = p.oid AND s.pnnspid = n.oid)"
        }
    };
    let question = format!(
        "SELECT n.nspname::text, c.relname::text \
         FROM unnest($1::text[], $2::text[]) AS wanted (schema, name) \
         JOIN pg_namespace n ON n.nspname = wanted.schema \
         JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.name \
         JOIN pg_publication p ON p.pubname = {} \
         WHERE NOT EXISTS (SELECT FROM pg_publication_rel r WHERE r.prpubid = p.oid AND r.prrelid = c.oid) {by_schema}",
        literal(name)
    );
    let schemas: Vec<&str> = tables.iter().map(|table| &*table.database).collect();
    let names: Vec<&str> = tables.iter().map(|table| &*table.table).collect();
    let unreadable = |error| failed("cannot read the publication", error).on(format!("publication {name}"));
    let rows = session.query(&question, &[&schemas, &names]).await.map_err(unreadable)?;
    let read = |row: &tokio_postgres::Row| {
        Ok(TableName::new(row.try_get::<_, String>(0)?, row.try_get::<_, String>(1)?))
    };
    rows.iter().map(read).collect::<Result<_, _>>().map_err(unreadable)
}

/// Publishes a table if it has no rows. Nobody writes to it meanwhile: a row is either seen here, or in the log.
///
/// # Errors
/// Definite when it has rows; else when the server refuses, or writers keep the table for too long.
async fn add_empty(session: &Session, publication: &str, table: &TableName) -> Result<()> {
    let qualified = format!("{}.{}", quoted(&table.database), quoted(&table.table));
    let failed = |error| refused("cannot publish the table", error).on(table);
    let begin =
        format!("BEGIN; SET LOCAL lock_timeout = '{LOCK_PATIENCE}'; LOCK TABLE {qualified} IN SHARE MODE");
    let published = async {
        session.batch_execute(&begin).await.map_err(failed)?;
        if session.one_number(&format!("SELECT EXISTS (SELECT FROM {qualified})::int4::int8")).await? == 1 {
            return Err(Error::definite(
                "the table is new and has rows already, which are not in the log: without an event trigger a new table is not \
                 published with its first row",
            )
            .on(table)
            .remedy(
                "exclude it in [objects] and migrate it by a task of its own with start = \"snapshot\"; or empty it, start the task, \
                 and insert the rows again",
            ));
        }
        let add = format!("ALTER PUBLICATION {} ADD TABLE {qualified}; COMMIT", quoted(publication));
        session.batch_execute(&add).await.map_err(failed)
    };
    let published = published.await;
    if published.is_err() {
        // The first error tells more than one of this.
        let _ = session.batch_execute("ROLLBACK").await;
    }
    published
}

/// Those of `partitions` that are not published and have rows: what was written to them is not in the log.
///
/// # Errors
/// When the server cannot be asked.
pub(super) async fn filled<'a>(
    session: &Session,
    name: &str,
    partitions: impl Iterator<Item = &'a TableName>,
) -> Result<HashSet<TableName>> {
    let Some(existing) = read(session, name).await? else { return Ok(HashSet::new()) };
    let mut filled = HashSet::new();
    for partition in partitions.filter(|partition| !existing.all && !existing.tables.contains(*partition)) {
        let question = format!(
            "SELECT EXISTS (SELECT FROM {}.{})::int4::int8",
            quoted(&partition.database),
            quoted(&partition.table)
        );
        if session.one_number(&question).await? == 1 {
            filled.insert(partition.clone());
        }
    }
    Ok(filled)
}

/// The stop where the publication is not what it was when the task last read by it.
fn lost(what: String, name: &str, resumed: Resumed<'_>) -> Error {
    Error::definite(what).on(format!("publication {name}")).at(&resumed.from.log).remedy(UNPUBLISHED)
}

async fn change(
    session: &Session,
    name: &str,
    verb: &str,
    tables: &[&TableName],
) -> Result<(), tokio_postgres::Error> {
    for tables in tables.chunks(TABLES_PER_STATEMENT) {
        session.batch_execute(&format!("ALTER PUBLICATION {name} {verb} TABLE {}", list(tables))).await?;
    }
    Ok(())
}

fn list(tables: &[&TableName]) -> String {
    let names: Vec<String> =
        tables.iter().map(|name| format!("{}.{}", quoted(&name.database), quoted(&name.table))).collect();
    names.join(", ")
}

/// Whether a publication that the task may not change has what it needs.
///
/// # Errors
/// Definite when it is not there, or leaves out tables or operations.
pub(super) async fn verify(session: &Session, name: &str, tables: &[TableName]) -> Result<()> {
    let object = format!("publication {}", name);
    let Some(existing) = read(session, name).await? else {
        return Err(Error::definite("the publication is not there").on(object).remedy(format!(
            "CREATE PUBLICATION {} FOR ALL TABLES; or set source.create = true",
            quoted(name)
        )));
    };
    if !existing.complete {
        return Err(Error::definite("the publication leaves out operations").on(object).remedy(format!(
            "ALTER PUBLICATION {} SET (publish = 'insert, update, delete, truncate');",
            quoted(name)
        )));
    }
    let missing: Vec<_> = tables.iter().filter(|table| !existing.tables.contains(*table)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::definite(format!(
        "the publication leaves out tables that the task carries: {}",
        list(&missing)
    ))
    .on(object)
    .remedy(format!("ALTER PUBLICATION {} ADD TABLE {};", quoted(name), list(&missing))))
}

/// Drops a publication. Whether there was one.
///
/// # Errors
/// When the server refuses.
pub(super) async fn drop_publication(session: &Session, name: &str) -> Result<bool> {
    let is_there = read(session, name).await?.is_some();
    session
        .batch_execute(&format!("DROP PUBLICATION IF EXISTS {}", quoted(name)))
        .await
        .map_err(|error| failed("cannot drop the publication", error).on(format!("publication {name}")))?;
    Ok(is_there)
}
