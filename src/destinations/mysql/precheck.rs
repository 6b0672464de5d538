//! What has to be true at the destination before a task may start.

pub(super) mod objects;

use slackwater_decoders::schema::TableName;

use super::session::{Session, is_encryption_refused};
use crate::{
    config::{OnRowError, destination::MysqlDestination, source::TlsMode},
    error::Result,
    mapping::{
        Selection,
        mysql_grants::{Grants, Scope},
    },
    sources::{Finding, Level},
    types::mysql::{quote_name, quote_text},
};

/// What applying changes of rows and of definitions takes.
const FOR_TABLES: [&str; 9] =
    ["SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "ALTER", "DROP", "INDEX", "REFERENCES"];
/// What storing the checkpoint takes.
const FOR_CHECKPOINT: [&str; 4] = ["SELECT", "INSERT", "UPDATE", "CREATE"];
/// And with dead letters beside it: one that comes again takes the place of the former.
const FOR_DEAD_LETTERS: [&str; 5] = ["SELECT", "INSERT", "UPDATE", "DELETE", "CREATE"];
/// A table that is not of them keeps what a broken transaction wrote.
const TRANSACTIONAL: &str = "'InnoDB', 'ROCKSDB', 'ndbcluster', 'TokuDB'";

/// All findings, even when one fails; without a connection there is only that one.
pub(super) async fn findings(
    config: &MysqlDestination,
    on_row_error: OnRowError,
    selection: &Selection,
) -> Vec<Finding> {
    let needed = needed(config, on_row_error, selection);
    let mut session = match Session::connect(config).await {
        Ok(session) => session,
        Err(error) if error.is_transient() => {
            let repair = "start the server, open the way to it (bind_address, skip_networking, firewalls), or correct \
                          destination.host and destination.tls";
            return vec![Finding::error("destination.reachable", error.parts().0, repair)];
        }
        Err(error) if is_encryption_refused(&error) => {
            return vec![Finding::unanswered("destination.tls", &error)];
        }
        Err(error) => {
            let repair = new_account(config, &needed);
            return vec![Finding::error("destination.account", error.parts().0, repair)];
        }
    };
    let mut findings = vec![
        Finding::ok("destination.reachable", format!("{} at {}", session.server, config.host)),
        Finding::ok("destination.account", format!("the server accepts the account {}", config.user)),
    ];
    findings.push(version(&session));
    findings.push(packet(&session));
    let (account, grants) = match grants(&mut session).await {
        Ok(granted) => granted,
        Err(error) => {
            findings.push(Finding::unanswered("destination.privileges", &error));
            return findings;
        }
    };
    findings.push(privileges(&grants, &account, &needed));
    for (code, result) in [
        ("destination.tls", encryption(&mut session, config).await),
        ("destination.read_only", writable(&mut session, &grants, &account).await),
        ("destination.binlog_format", binlog_format(&mut session).await),
        ("destination.require_primary_key", primary_keys(&mut session).await),
        ("destination.engine", engines(&mut session, selection).await),
        ("destination.triggers", triggers(&mut session, &grants, &account, selection).await),
    ] {
        findings.push(result.unwrap_or_else(|error| Finding::unanswered(code, &error)));
    }
    findings
}

/// The statement that sets a variable for now and for the next start.
fn set(session: &Session, name: &str, value: &str) -> String {
    if !session.server.mariadb && session.server.version.0 >= 8 {
        format!("SET PERSIST {name} = {value};")
    } else {
        format!(
            "-- also {name} = {} below [mysqld] in the option file: this holds until the server restarts\n\
             SET GLOBAL {name} = {value};",
            value.trim_matches('\'')
        )
    }
}

fn version(session: &Session) -> Finding {
    let (major, minor, _) = session.server.version;
    let old = if session.server.mariadb { (major, minor) < (10, 3) } else { (major, minor) < (5, 7) };
    let atomic = if session.server.mariadb { (major, minor) >= (10, 6) } else { major >= 8 };
    let (level, note) = match (old, atomic) {
        (true, _) => (Level::Error, "is older than MySQL 5.7 and MariaDB 10.3"),
        (false, false) => (
            Level::Warning,
            "does not run DDL atomically: a crash inside of a DDL statement can leave a part of it",
        ),
        (false, true) => (Level::Ok, "is supported"),
    };
    let repair = old.then(|| "use a newer server as the destination".to_owned());
    Finding { code: "destination.version", level, found: format!("{} {note}", session.server), repair }
}

fn packet(session: &Session) -> Finding {
    let code = "destination.max_allowed_packet";
    let found =
        format!("max_allowed_packet is {} bytes: the longest row, as text, has to fit", session.max_packet);
    if session.max_packet >= 64 << 20 {
        return Finding::ok(code, found);
    }
    Finding::warning(code, found, set(session, "max_allowed_packet", "1073741824"))
}

async fn encryption(session: &mut Session, config: &MysqlDestination) -> Result<Finding> {
    let code = "destination.tls";
    let cipher: Vec<(String, String)> = session.rows("SHOW SESSION STATUS LIKE 'Ssl_cipher'").await?;
    let mode = config.tls.mode;
    if cipher.first().is_some_and(|(_, cipher)| !cipher.is_empty()) {
        return Ok(Finding::ok(code, format!("the connection is encrypted (tls.mode is {mode})")));
    }
    if config.host.starts_with('/') {
        return Ok(Finding::ok(code, "the connection is a local socket"));
    }
    if mode == TlsMode::Disabled {
        let found = "the connection is not encrypted, as configured (tls.mode is disabled)";
        return Ok(Finding::ok(code, found));
    }
    Ok(Finding::warning(
        code,
        format!("the server offers no TLS and tls.mode is {mode}: what is written can be seen on the way"),
        "below [mysqld] in the server's option file, then restart the server:\n\
         ssl_cert = /etc/mysql/server-cert.pem\nssl_key = /etc/mysql/server-key.pem",
    ))
}

/// Whether the account goes past `read_only`, for a task whose destination is going to be closed to others.
pub(super) async fn fenced(config: &MysqlDestination) -> Vec<Finding> {
    // What a connection that cannot be made is due to is said by the other items.
    let Ok(mut session) = Session::connect(config).await else { return Vec::new() };
    match grants(&mut session).await {
        Ok((account, grants)) => vec![past_read_only(&session, &grants, &account)],
        Err(error) => vec![Finding::unanswered("destination.past_read_only", &error)],
    }
}

/// The privileges that go past `read_only`, the one to grant first.
fn passing(session: &Session) -> &'static [&'static str] {
    match (session.server.mariadb, session.server.version) {
        (false, (8.., ..)) => &["CONNECTION_ADMIN", "SUPER"],
        (false, _) | (true, (10, ..=4, _) | (10, 5, ..=1) | (..=9, ..)) => &["SUPER"],
        // From 10.11 on SUPER does not hold it.
        (true, (10, ..=10, _)) => &["READ_ONLY ADMIN", "SUPER"],
        (true, _) => &["READ_ONLY ADMIN"],
    }
}

fn past_read_only(session: &Session, grants: &Grants, account: &str) -> Finding {
    let code = "destination.past_read_only";
    let passing = passing(session);
    if let Some(held) = passing.iter().find(|privilege| grants.allow(privilege, &Scope::Server)) {
        return Finding::ok(code, format!("the account may write while read_only is on: it has {held}"));
    }
    let lacking = passing.first().copied().unwrap_or_default();
    let found = format!("the account has no {lacking}: it cannot write while read_only keeps others out");
    Finding::error(code, found, grant(&[lacking], &Scope::Server, account))
}

async fn writable(session: &mut Session, grants: &Grants, account: &str) -> Result<Finding> {
    let code = "destination.read_only";
    let variables: Vec<(String, String)> =
        session.rows("SHOW GLOBAL VARIABLES WHERE Variable_name IN ('read_only', 'super_read_only')").await?;
    let is = |name: &str, value: &str| variables.iter().any(|(n, v)| n == name && v == value);
    if is("super_read_only", "ON") {
        let found = "the server is read-only for every account (super_read_only)";
        return Ok(Finding::error(code, found, set(session, "super_read_only", "OFF")));
    }
    if is("read_only", "NO_LOCK_NO_ADMIN") {
        let found = "the server is read-only for every account (read_only is NO_LOCK_NO_ADMIN)";
        return Ok(Finding::error(code, found, set(session, "read_only", "OFF")));
    }
    if is("read_only", "OFF") {
        return Ok(Finding::ok(code, "the server can be written"));
    }
    let past = past_read_only(session, grants, account);
    Ok(match past.repair {
        None => Finding::ok(code, format!("the server is read-only, and {}", past.found)),
        Some(grant) => {
            let repair = format!("{}\n-- or, to keep others out: {grant}", set(session, "read_only", "OFF"));
            Finding::error(code, format!("the server is read-only: {}", past.found), repair)
        }
    })
}

/// Changes are applied under READ COMMITTED, which InnoDB does not log as statements (error 1665).
async fn binlog_format(session: &mut Session) -> Result<Finding> {
    let code = "destination.binlog_format";
    let format: Vec<(String, String)> = session.rows("SHOW GLOBAL VARIABLES LIKE 'binlog_format'").await?;
    let log: Option<bool> = session.first("SELECT @@GLOBAL.log_bin").await?;
    if log == Some(true) && format.first().is_some_and(|(_, format)| format == "STATEMENT") {
        return Ok(Finding::error(
            code,
            "the server logs statements (binlog_format is STATEMENT), and refuses to under READ COMMITTED, which changes are \
             applied with (error 1665)",
            set(session, "binlog_format", "'ROW'"),
        ));
    }
    Ok(Finding::ok(code, "the server's own log does not stand in the way"))
}

async fn primary_keys(session: &mut Session) -> Result<Finding> {
    let code = "destination.require_primary_key";
    for name in ["sql_require_primary_key", "innodb_force_primary_key"] {
        let value: Vec<(String, String)> =
            session.rows(format!("SHOW GLOBAL VARIABLES LIKE '{name}'")).await?;
        if value.first().is_some_and(|(_, value)| value == "ON") {
            let found = format!("{name} is ON: a table without a primary key cannot be created");
            return Ok(Finding::warning(code, found, set(session, name, "OFF")));
        }
    }
    Ok(Finding::ok(code, "tables without a primary key can be created"))
}

async fn engines(session: &mut Session, selection: &Selection) -> Result<Finding> {
    let code = "destination.engine";
    let tables: Vec<(String, String, String)> = session
        .rows(format!(
            "SELECT TABLE_SCHEMA, TABLE_NAME, ENGINE FROM information_schema.TABLES
             WHERE TABLE_TYPE = 'BASE TABLE' AND ENGINE NOT IN ({TRANSACTIONAL})"
        ))
        .await?;
    let other: Vec<_> = tables
        .into_iter()
        .filter(|(database, table, _)| selection.includes(&TableName::new(database.as_str(), table.as_str())))
        .collect();
    if other.is_empty() {
        return Ok(Finding::ok(code, "every table that is there already is transactional"));
    }
    let names: Vec<_> =
        other.iter().map(|(database, table, engine)| format!("{database}.{table} ({engine})")).collect();
    let repair: Vec<_> = other
        .iter()
        .map(|(database, table, _)| {
            format!("ALTER TABLE {}.{} ENGINE = InnoDB;", quote_name(database), quote_name(table))
        })
        .collect();
    let found = format!("after a crash changes of these tables may be applied twice: {}", names.join(", "));
    Ok(Finding::warning(code, found, repair.join("\n")))
}

async fn grants(session: &mut Session) -> Result<(String, Grants)> {
    let account: Option<String> = session.first("SELECT CURRENT_USER()").await?;
    let account = account.unwrap_or_default();
    let (user, host) = account.rsplit_once('@').unwrap_or((&account, "%"));
    let lines: Vec<String> = session.rows("SHOW GRANTS").await?;
    let grants = Grants::parse(lines.iter().map(String::as_str));
    Ok((format!("{}@{}", quote_text(user), quote_text(host)), grants))
}

/// A place, and the privileges that the account needs there.
type Needed = (Scope, &'static [&'static str]);

/// Where the account needs which privileges.
fn needed(config: &MysqlDestination, on_row_error: OnRowError, selection: &Selection) -> Vec<Needed> {
    let tables = selection.patterns().iter().map(|pattern| (Scope::of(pattern), FOR_TABLES.as_slice()));
    let for_checkpoint = match on_row_error {
        OnRowError::Stop => FOR_CHECKPOINT.as_slice(),
        OnRowError::DeadLetter => FOR_DEAD_LETTERS.as_slice(),
    };
    tables.chain([(Scope::database(&config.checkpoint_database), for_checkpoint)]).collect()
}

fn grant(privileges: &[&str], scope: &Scope, account: &str) -> String {
    format!("GRANT {} ON {} TO {account};", privileges.join(", "), scope.sql())
}

/// The statements that make an account with what a task needs.
fn new_account(config: &MysqlDestination, needed: &[Needed]) -> String {
    let account = format!("{}@'%'", quote_text(&config.user));
    let mut statements = vec![
        "-- when there is no such account:".to_owned(),
        format!("CREATE USER {account} IDENTIFIED BY '<password>';"),
    ];
    statements.extend(needed.iter().map(|(scope, privileges)| grant(privileges, scope, &account)));
    statements.join("\n")
}

fn privileges(grants: &Grants, account: &str, needed: &[Needed]) -> Finding {
    let code = "destination.privileges";
    let lacking: Vec<_> = needed
        .iter()
        .map(|(scope, privileges)| (scope, grants.missing(privileges, scope)))
        .filter(|(_, missing)| !missing.is_empty())
        .collect();
    if lacking.is_empty() {
        return Finding::ok(
            code,
            "the account may read, write and define the tables, and store the checkpoint",
        );
    }
    let found: Vec<_> =
        lacking.iter().map(|(scope, missing)| format!("{} on {}", missing.join(", "), scope.sql())).collect();
    let repair: Vec<_> = lacking.iter().map(|(scope, missing)| grant(missing, scope, account)).collect();
    Finding::error(code, format!("the account has no {}", found.join("; no ")), repair.join("\n"))
}

/// A session cannot switch triggers off.
async fn triggers(
    session: &mut Session,
    grants: &Grants,
    account: &str,
    selection: &Selection,
) -> Result<Finding> {
    let code = "destination.triggers";
    let found: Vec<(String, String, String)> = session
        .rows("SELECT TRIGGER_SCHEMA, TRIGGER_NAME, EVENT_OBJECT_TABLE FROM information_schema.TRIGGERS")
        .await?;
    let drops: Vec<_> = found
        .iter()
        .filter(|(schema, _, table)| selection.includes(&TableName::new(schema.as_str(), table.as_str())))
        .map(|(schema, name, _)| format!("DROP TRIGGER {}.{};", quote_name(schema), quote_name(name)))
        .collect();
    if !drops.is_empty() {
        let what = "triggers fire on what is applied, and the log has their effects already (create them again after the \
                    cutover)";
        return Ok(Finding::warning(code, what, drops.join("\n")));
    }
    let hidden: Vec<_> = selection
        .patterns()
        .iter()
        .map(Scope::of)
        .filter(|scope| !grants.allow("TRIGGER", scope))
        .map(|scope| grant(&["TRIGGER"], &scope, account))
        .collect();
    if hidden.is_empty() {
        return Ok(Finding::ok(code, "there are no triggers"));
    }
    let what = "triggers cannot be seen without the privilege TRIGGER. They fire on what is applied, and the log has their \
                effects already: there must be none (the privilege is needed for this item alone)";
    Ok(Finding::warning(code, what, hidden.join("\n")))
}
