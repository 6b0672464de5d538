//! The sessions of the database: which are ended, and which write behind the fence.

use super::{SETTING, unanswered};
use crate::{error::Result, postgres_client::Session, sources::fencing::Writer};

/// Sessions of others in this database: neither this task's, nor those that send the log.
const OF_OTHERS: &str = "a.datid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND a.pid <> pg_backend_pid() \
     AND a.backend_type = 'client backend' AND NOT (a.usename = current_user \
     AND a.application_name = current_setting('application_name'))";

/// Those of them that the account may end: sessions of superusers are ended by superusers alone.
const MAY_END: &str = "((SELECT rolsuper FROM pg_roles WHERE rolname = current_user) \
     OR NOT coalesce((SELECT rolsuper FROM pg_roles r WHERE r.oid = a.usesysid), true))";

/// What is told of a session.
const TOLD: &str = "'process ' || a.pid, coalesce(a.usename::text, ''), coalesce(host(a.client_addr), ''), coalesce(a.datname::text, '')";

/// Not a session of any task of ours: they write behind the fence as before.
const OF_NO_TASK: &str = "a.application_name NOT LIKE 'slackwater %'";

/// The statement that ends the sessions that began behind the fence, when it has been lowered.
pub(super) fn ending_fenced() -> String {
    format!("{} AND {OF_NO_TASK}", ending("clock_timestamp()"))
}

/// The statement that ends the sessions that began before a time, and gives those that were there.
pub(super) fn ending(before: &str) -> String {
    format!(
        "SELECT a.pid, pg_terminate_backend(a.pid) FROM pg_stat_activity a WHERE {OF_OTHERS} AND a.backend_start < {before} AND {MAY_END}"
    )
}

/// What the fence does not hold back: roles with a setting of their own, sessions that cannot be ended, prepared transactions.
///
/// # Errors
/// The server's refusal, or a lost connection.
pub(super) async fn past(session: &Session) -> Result<Vec<Writer>> {
    // A role's setting comes before the database's.
    let roles = format!(
        "SELECT 'role ' || r.rolname, r.rolname::text, '', coalesce(b.datname::text, ''), \
           'has a setting of its own: ALTER ROLE ' || quote_ident(r.rolname) \
             || coalesce(' IN DATABASE ' || quote_ident(b.datname), '') || ' SET {SETTING} = ' || v.value \
         FROM pg_db_role_setting d JOIN pg_roles r ON r.oid = d.setrole LEFT JOIN pg_database b ON b.oid = d.setdatabase, \
           unnest(d.setconfig) s(entry), substr(s.entry, length('{SETTING}=') + 1) v(value) \
         WHERE s.entry LIKE '{SETTING}=%' AND (b.oid IS NULL OR b.datname = current_database()) \
         AND lower(v.value) NOT IN ('on', 'true', 'yes', '1')"
    );
    let prepared = "SELECT 'prepared transaction ' || gid, owner::text, '', database::text, \
           'is prepared: it can be committed behind the fence' \
         FROM pg_prepared_xacts WHERE database = current_database()";
    let mut writers = asked(session, &roles).await?;
    writers.extend(of_superusers(session).await?);
    writers.extend(asked(session, prepared).await?);
    Ok(writers)
}

/// Sessions of superusers, where the account is none.
///
/// # Errors
/// As [`past`].
pub(super) async fn of_superusers(session: &Session) -> Result<Vec<Writer>> {
    let question = format!(
        "SELECT {TOLD}, 'is a session of a superuser, which this account cannot end' \
         FROM pg_stat_activity a WHERE {OF_OTHERS} AND NOT {MAY_END}"
    );
    asked(session, &question).await
}

/// What writes now: a transaction has a number from its first change on.
///
/// # Errors
/// As [`past`].
pub(super) async fn writing(session: &Session) -> Result<Vec<Writer>> {
    let question = format!(
        "SELECT {TOLD}, CASE WHEN a.backend_type = 'client backend' THEN 'has a transaction that writes' \
           ELSE 'is a ' || a.backend_type || ' with a transaction that writes' END \
         FROM pg_stat_activity a WHERE a.backend_xid IS NOT NULL AND a.backend_type <> 'walsender' AND a.pid <> pg_backend_pid() \
         AND a.datid = (SELECT oid FROM pg_database WHERE datname = current_database()) \
         AND NOT (a.usename = current_user AND a.application_name = current_setting('application_name'))"
    );
    asked(session, &question).await
}

async fn asked(session: &Session, question: &str) -> Result<Vec<Writer>> {
    let rows = session.query(question, &[]).await.map_err(unanswered)?;
    rows.iter()
        .map(|row| {
            let text = |place: usize| row.try_get::<_, String>(place).map_err(unanswered);
            Ok(Writer { id: text(0)?, user: text(1)?, host: text(2)?, database: text(3)?, why: text(4)? })
        })
        .collect()
}
