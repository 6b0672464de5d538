//! What has to be true at the destination before a task may start.

use super::session::Session;
use crate::{
    config::destination::MysqlDestination,
    error::Result,
    sources::{Finding, Level},
    types::mysql::quote_name,
};

/// All findings, even when one fails; without a connection there is only that one.
pub(super) async fn findings(config: &MysqlDestination) -> Vec<Finding> {
    let mut session = match Session::connect(config).await {
        Ok(session) => session,
        Err(error) => {
            let repair = Some(
                "start the server, open the way to it, or correct the account in the task file".to_owned(),
            );
            return vec![Finding {
                code: "destination.reachable",
                level: Level::Error,
                found: error.to_string(),
                repair,
            }];
        }
    };
    let mut findings = vec![finding(
        "destination.reachable",
        Level::Ok,
        format!("{} at {}", session.server, config.host),
        None,
    )];
    findings.push(version(&session));
    for result in [
        packet(&session),
        writable(&mut session).await,
        privileges(&mut session, config).await,
        triggers(&mut session).await,
    ] {
        findings.push(
            result.unwrap_or_else(|error| {
                finding("destination.readable", Level::Error, error.to_string(), None)
            }),
        );
    }
    findings
}

fn finding(code: &'static str, level: Level, found: String, repair: Option<String>) -> Finding {
    Finding { code, level, found, repair }
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
    finding("destination.version", level, format!("{} {note}", session.server), repair)
}

fn packet(session: &Session) -> Result<Finding> {
    let enough = session.max_packet >= 64 << 20;
    let found =
        format!("max_allowed_packet is {} bytes: the longest row, as text, has to fit", session.max_packet);
    let repair = (!enough).then(|| "SET GLOBAL max_allowed_packet = 1073741824;".to_owned());
    Ok(finding(
        "destination.max_allowed_packet",
        if enough { Level::Ok } else { Level::Warning },
        found,
        repair,
    ))
}

async fn writable(session: &mut Session) -> Result<Finding> {
    let read_only: Option<bool> = session.first("SELECT @@GLOBAL.read_only").await?;
    if read_only == Some(true) {
        let repair = Some("SET GLOBAL read_only = OFF;".to_owned());
        return Ok(finding(
            "destination.read_only",
            Level::Error,
            "the server is read-only".to_owned(),
            repair,
        ));
    }
    Ok(finding("destination.read_only", Level::Ok, "the server can be written".to_owned(), None))
}

/// The privileges that the account lacks, as the statements that grant them. Rights that a role or a single table gives are
/// not weighed: the finding is a warning.
async fn privileges(session: &mut Session, config: &MysqlDestination) -> Result<Finding> {
    const NEEDED: [&str; 8] = ["SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "INDEX"];
    let granted: Vec<String> =
        session.rows("SELECT DISTINCT PRIVILEGE_TYPE FROM information_schema.USER_PRIVILEGES").await?;
    let missing: Vec<_> =
        NEEDED.into_iter().filter(|needed| !granted.iter().any(|granted| granted == needed)).collect();
    if missing.is_empty() {
        return Ok(finding(
            "destination.privileges",
            Level::Ok,
            "the account may read, write and define tables".to_owned(),
            None,
        ));
    }
    let user: Option<String> = session.first("SELECT CURRENT_USER()").await?;
    let account = user.unwrap_or_default().replacen('@', "'@'", 1);
    let found = format!(
        "the account has no global {}; rights on single databases or by roles are not weighed here",
        missing.join(", ")
    );
    let database = quote_name(&config.checkpoint_database);
    let all = NEEDED.join(", ");
    let repair = format!(
        "GRANT {all} ON {database}.* TO '{account}'; and for each database of the task: GRANT {all} ON `database`.* TO '{account}';"
    );
    Ok(finding("destination.privileges", Level::Warning, found, Some(repair)))
}

/// A session cannot switch triggers off.
async fn triggers(session: &mut Session) -> Result<Finding> {
    let found: Vec<(String, String)> = session
        .rows(
            "SELECT TRIGGER_SCHEMA, TRIGGER_NAME FROM information_schema.TRIGGERS
             WHERE TRIGGER_SCHEMA NOT IN ('mysql', 'sys', 'performance_schema') LIMIT 20",
        )
        .await?;
    if found.is_empty() {
        return Ok(finding("destination.triggers", Level::Ok, "there are no triggers".to_owned(), None));
    }
    let drops: Vec<_> = found
        .iter()
        .map(|(schema, name)| format!("DROP TRIGGER {}.{};", quote_name(schema), quote_name(name)))
        .collect();
    let what = "triggers fire on what is applied, and the log has their effects already (create them again after the cutover)";
    Ok(finding("destination.triggers", Level::Warning, what.to_owned(), Some(drops.join(" "))))
}
