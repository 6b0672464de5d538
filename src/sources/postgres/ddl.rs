//! The event trigger that writes statements which change definitions into the log, which itself does not have them.
//!
//! The message is a part of the statement's transaction: it comes where the statement stands between changes of rows, and not at all when
//! it is rolled back. What it says is described in [`slackwater_decoders::postgres::ddl`].

use super::schema::tables::NAMES_ROWS;
use crate::{
    config::postgres::DdlCapture,
    error::{Error, Result},
    postgres_client::{Session, failed, literal, quoted},
};

/// The schema of what the task creates beside the slot and the publication. It is never carried.
pub(super) const SCHEMA: &str = "slackwater";
/// The first version whose log shows messages.
const MESSAGES: u32 = 14;
/// The advisory lock under which tasks create these objects: `IF NOT EXISTS` and `OR REPLACE` are refused when two sessions do so at
/// once, and the session of a process that was killed may still be at it. (The letters of "slackw".)
const LOCK: u64 = 0x736c_6163_6b77;
/// The function's definition, with places for what differs.
const FUNCTION: &str = include_str!("ddl.sql");
/// The triggers' events, with the ends of the triggers' names.
const EVENTS: [(&str, &str); 2] = [("ddl_command_end", "_end"), ("sql_drop", "_drop")];

/// What the event triggers are created with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Capture<'a> {
    /// The function's name, with which those of the triggers begin.
    pub(super) name: &'a str,
    /// Where new tables are published, in the transaction that creates them: what was written to them before is not in the log.
    pub(super) publication: &'a str,
    /// Which tables are carried; `None`: none to come.
    pub(super) patterns: Option<&'a (Vec<String>, Vec<String>)>,
}

impl Capture<'_> {
    /// The condition for a new table, whose schema and name are `n.nspname` and `c.relname`.
    fn is_carried(&self) -> String {
        let Some((include, exclude)) = self.patterns else { return "false".to_owned() };
        let any = |patterns: &[String]| {
            let list: Vec<String> = patterns.iter().map(|pattern| literal(pattern)).collect();
            format!("(n.nspname || '.' || c.relname) ~ ANY (ARRAY[{}]::text[])", list.join(", "))
        };
        format!(
            "{} AND NOT {} AND n.nspname <> 'slackwater' AND n.nspname !~ '^pg_'",
            any(include),
            any(exclude)
        )
    }
}

/// Creates the event triggers where they are wanted and possible. Whether they are there.
///
/// # Errors
/// Definite when they are demanded and the server or the account does not allow them.
pub(super) async fn ensure(session: &Session, capture: Capture<'_>, wanted: DdlCapture) -> Result<bool> {
    if wanted == DdlCapture::Compare {
        return Ok(false);
    }
    if let Some(obstacle) = obstacle(session).await? {
        return match wanted {
            DdlCapture::EventTrigger => Err(Error::definite(format!("statements cannot be captured: {obstacle}"))
                .on(session.address())
                .remedy("set source.ddl = \"compare\", or let the task connect as a superuser of PostgreSQL 14 or later")),
            _ => Ok(false),
        };
    }
    let failed = |error| {
        failed("cannot create the event trigger", error).on(format!("event trigger {}", capture.name))
    };
    session.batch_execute(&statements(session, capture)).await.map_err(failed)?;
    Ok(true)
}

/// Why there can be no event trigger; `None`: there can.
///
/// # Errors
/// When the server cannot be asked.
pub(super) async fn obstacle(session: &Session) -> Result<Option<&'static str>> {
    if session.major() < MESSAGES {
        return Ok(Some("before PostgreSQL 14 the log does not show messages"));
    }
    let question = "SELECT (rolsuper AND NOT pg_is_in_recovery())::int4::int8 FROM pg_roles WHERE rolname = current_user";
    let may = session.one_number(question).await? == 1;
    Ok((!may).then_some("an event trigger takes a superuser, on a primary"))
}

fn statements(session: &Session, capture: Capture<'_>) -> String {
    let name = capture.name;
    let function = format!("{SCHEMA}.{}", quoted(name));
    // Both came with versions after 10.
    let generated = if session.major() >= 12 { "a.attgenerated" } else { "''" };
    let columns = if session.major() >= 11 { "i.indnkeyatts" } else { "i.indnatts" };
    // One transaction, as all statements that are sent at once.
    let mut statements =
        format!("SELECT pg_advisory_xact_lock({LOCK});\nCREATE SCHEMA IF NOT EXISTS {SCHEMA};\n");
    statements.push_str(
        &FUNCTION
            .replace("{function}", &function)
            .replace("{generated}", generated)
            .replace("{key_columns}", columns)
            .replace("{names_rows}", NAMES_ROWS)
            .replace("{carried}", &capture.is_carried())
            .replace("{publication}", &literal(capture.publication)),
    );
    for (event, end) in EVENTS {
        let trigger = format!("{name}{end}");
        // Created only once: doing so again would take locks that wait for other sessions' statements.
        statements.push_str(&format!(
            "DO $do$ BEGIN IF NOT EXISTS (SELECT FROM pg_event_trigger WHERE evtname = {}) THEN \
             CREATE EVENT TRIGGER {} ON {event} EXECUTE PROCEDURE {function}(); END IF; END $do$;\n",
            literal(&trigger),
            quoted(&trigger),
        ));
    }
    statements
}

/// The event triggers of a task that are there, with their states (`enabled`, `disabled`).
///
/// # Errors
/// When the server cannot be asked.
pub(super) async fn triggers(session: &Session, name: &str) -> Result<Vec<(String, String)>> {
    let names: Vec<String> = EVENTS.iter().map(|(_, end)| format!("{name}{end}")).collect();
    let question = "SELECT evtname::text, CASE evtenabled WHEN 'D' THEN 'disabled' ELSE 'enabled' END \
                    FROM pg_event_trigger WHERE evtname = ANY ($1) ORDER BY evtname";
    let unreadable = |error| failed("cannot read the event triggers", error);
    let rows = session.query(question, &[&names]).await.map_err(unreadable)?;
    let read = |row: &tokio_postgres::Row| Ok((row.try_get(0)?, row.try_get(1)?));
    rows.iter().map(read).collect::<Result<_, _>>().map_err(unreadable)
}

/// Whether the function of the event triggers is there.
///
/// # Errors
/// When the server cannot be asked.
pub(super) async fn has_function(session: &Session, name: &str) -> Result<bool> {
    let question = format!(
        "SELECT count(*) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace \
         WHERE n.nspname = {} AND p.proname = {}",
        literal(SCHEMA),
        literal(name)
    );
    Ok(session.one_number(&question).await? > 0)
}

/// Drops the event triggers, their function, and the schema if nothing else is in it.
///
/// # Errors
/// When the server refuses.
pub(super) async fn remove(session: &Session, name: &str) -> Result<()> {
    let failed = |error| failed("cannot drop the event trigger", error).on(format!("event trigger {name}"));
    let mut statements = String::new();
    for (_, end) in EVENTS {
        statements.push_str(&format!("DROP EVENT TRIGGER IF EXISTS {};", quoted(&format!("{name}{end}"))));
    }
    statements.push_str(&format!("DROP FUNCTION IF EXISTS {SCHEMA}.{}();", quoted(name)));
    let is_there = format!("SELECT count(*) FROM pg_namespace WHERE nspname = {}", literal(SCHEMA));
    if session.one_number(&is_there).await? == 0 {
        return Ok(());
    }
    session.batch_execute(&statements).await.map_err(failed)?;
    let in_use = format!(
        "SELECT (EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = {0}) \
           OR EXISTS (SELECT FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = {0}))::int4::int8",
        literal(SCHEMA)
    );
    if session.one_number(&in_use).await? == 0 {
        session.batch_execute(&format!("DROP SCHEMA IF EXISTS {SCHEMA}")).await.map_err(failed)?;
    }
    Ok(())
}
