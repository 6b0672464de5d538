//! What follows from the server's settings, and from the account's attributes.

use std::collections::HashMap;

use crate::{
    config::postgres::PostgresSource,
    error::Result,
    postgres_client::{Session, failed, quoted},
    sources::Finding,
};

/// A transaction that is open for so long makes the creation of a slot wait, in seconds.
const LONG_TRANSACTION: i64 = 60;

/// The items of the server and the account.
pub(super) async fn findings(session: &Session, config: &PostgresSource) -> Vec<Finding> {
    let values = match values(session).await {
        Ok(values) => values,
        Err(error) => return vec![Finding::unanswered("postgres.settings", &error)],
    };
    let value = |name: &str| values.get(name).map_or("", String::as_str);
    let number = |name: &str| value(name).parse::<i64>().unwrap_or_default();
    let mut findings = vec![version(session), wal_level(value("wal_level"))];
    findings.push(free(
        "postgres.replication_slots",
        "max_replication_slots",
        number("max_replication_slots"),
        number("slots"),
    ));
    findings.push(free(
        "postgres.wal_senders",
        "max_wal_senders",
        number("max_wal_senders"),
        number("senders"),
    ));
    findings.push(attributes(value("replication") == "true", config));
    findings.push(encoding(value("server_encoding")));
    findings.push(retained_log(session, value("max_slot_wal_keep_size")));
    if number("long_transactions") > 0 {
        findings.push(Finding::warning(
            "postgres.long_transactions",
            format!(
                "{} transactions have been open for more than a minute: a new slot waits for their end",
                value("long_transactions")
            ),
            "SELECT pid, xact_start, state FROM pg_stat_activity WHERE backend_xid IS NOT NULL; and end them",
        ));
    }
    findings
}

async fn values(session: &Session) -> Result<HashMap<String, String>> {
    let question = format!(
        "SELECT name, setting FROM pg_settings WHERE name = ANY (ARRAY['wal_level', 'max_replication_slots', 'max_wal_senders', \
           'server_encoding', 'max_slot_wal_keep_size']) \
         UNION ALL SELECT 'slots', count(*)::text FROM pg_replication_slots \
         UNION ALL SELECT 'senders', count(*)::text FROM pg_stat_replication \
         UNION ALL SELECT 'replication', (rolreplication OR rolsuper)::text FROM pg_roles WHERE rolname = current_user \
         UNION ALL SELECT 'long_transactions', count(*)::text FROM pg_stat_activity \
           WHERE backend_xid IS NOT NULL AND xact_start < now() - interval '{LONG_TRANSACTION} s'"
    );
    let unreadable = |error| failed("cannot read the settings", error);
    let rows = session.query(&question, &[]).await.map_err(unreadable)?;
    let read = |row: &tokio_postgres::Row| Ok((row.try_get(0)?, row.try_get(1)?));
    rows.iter().map(read).collect::<Result<_, _>>().map_err(unreadable)
}

fn version(session: &Session) -> Finding {
    let (code, version) = ("postgres.version", session.version());
    let text = format!("PostgreSQL {}.{}", version / 10_000, version % 10_000);
    match session.major() {
        ..=10 => Finding::warning(
            code,
            format!("{text}: its log does not have TRUNCATE, so that the destination keeps the rows"),
            "remove rows with DELETE while the task runs, or upgrade to PostgreSQL 11 or later",
        ),
        _ => Finding::ok(code, text),
    }
}

fn wal_level(level: &str) -> Finding {
    let code = "postgres.wal_level";
    match level {
        "logical" => Finding::ok(code, "wal_level is logical"),
        other => Finding::error(
            code,
            format!("wal_level is {other}"),
            "ALTER SYSTEM SET wal_level = logical; and restart the server",
        ),
    }
}

fn free(code: &'static str, setting: &str, all: i64, used: i64) -> Finding {
    if used < all {
        return Finding::ok(code, format!("{used} of {setting} = {all} are in use"));
    }
    let more = all + 4;
    Finding::warning(
        code,
        format!("{setting} = {all}, and all are in use (by the task itself, where it runs)"),
        format!("ALTER SYSTEM SET {setting} = {more}; and restart the server"),
    )
}

fn attributes(may_replicate: bool, config: &PostgresSource) -> Finding {
    let code = "postgres.replication_attribute";
    if may_replicate {
        return Finding::ok(code, format!("{} may replicate", config.user));
    }
    // Managed servers have a role for it in place of the attribute; the login for replication tells.
    Finding::warning(
        code,
        format!("{} has not the attribute REPLICATION", config.user),
        format!("ALTER ROLE {} REPLICATION; or the provider's role for it", quoted(&config.user)),
    )
}

fn encoding(encoding: &str) -> Finding {
    let code = "postgres.encoding";
    match encoding {
        "SQL_ASCII" => Finding::warning(
            code,
            "the database's encoding is SQL_ASCII: text that is not UTF-8 stops the task",
            "find and correct such text, or restore the database into one with ENCODING 'UTF8'",
        ),
        "UTF8" => Finding::ok(code, "text is UTF-8"),
        other => Finding::ok(code, format!("text is {other}, which the server converts to UTF-8")),
    }
}

fn retained_log(session: &Session, limit: &str) -> Finding {
    let code = "postgres.retained_log";
    match limit {
        "" | "-1" => Finding::warning(
            code,
            "nothing limits the log that a slot keeps: a task that stands still fills the disk of the source",
            if session.major() >= 13 {
                "ALTER SYSTEM SET max_slot_wal_keep_size = '100GB'; SELECT pg_reload_conf(); a task that is further behind loses its \
                 slot then. Or watch it: source.retained_log_limit"
            } else {
                "watch it: source.retained_log_limit, and slackwater release for a task that is given up"
            },
        ),
        megabytes => {
            Finding::ok(code, format!("a slot keeps up to {megabytes} MB of log (max_slot_wal_keep_size)"))
        }
    }
}
