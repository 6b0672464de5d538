//! Accounts that `read_only` alone does not hold back.

use std::collections::HashSet;

use super::{
    super::{
        check::privileges,
        connection::{Connection, Version},
    },
    writers::listed,
};
use crate::{error::Result, mapping::mysql_grants::Scope, sources::fencing::Writer};

/// The privileges that go past `read_only`.
fn passing(version: &Version) -> &'static [&'static str] {
    match (version.mariadb, version.numbers) {
        (false, _) => &["SUPER", "CONNECTION_ADMIN"],
        (true, (10, 5, 0..=1) | (10, ..=4, _) | (..=9, ..)) => &["SUPER"],
        // From 10.11 on SUPER does not hold it.
        (true, (10, ..=10, _)) => &["SUPER", "READ_ONLY ADMIN"],
        (true, _) => &["READ_ONLY ADMIN"],
    }
}

/// The sessions of such accounts. Where the account does not see the privileges of others: all, with what to do.
///
/// # Errors
/// The server's error, or a lost connection.
pub(super) async fn sessions(connection: &mut Connection) -> Result<Vec<Writer>> {
    let question = "SELECT ID, USER, SUBSTRING_INDEX(HOST, ':', 1), DB, '' FROM information_schema.PROCESSLIST \
         WHERE ID <> CONNECTION_ID() AND COMMAND <> 'Daemon' AND COMMAND NOT LIKE 'Binlog Dump%' \
         AND USER NOT IN ('system user', 'event_scheduler', 'unauthenticated user')";
    let mut sessions = listed(connection, question).await?;
    let Some(users) = users(connection).await? else {
        let account = privileges::account(connection).await?;
        for session in &mut sessions {
            session.why = format!(
                "whether its account may write past read_only cannot be seen (GRANT SELECT ON mysql.* TO {account};)"
            );
        }
        return Ok(sessions);
    };
    sessions.retain(|session| users.contains(&session.user));
    let why = format!("an account of this name has {}", passing(connection.version()).join(" or "));
    for session in &mut sessions {
        session.why.clone_from(&why);
    }
    Ok(sessions)
}

/// Events that run as such accounts, where events run at all.
///
/// # Errors
/// As [`sessions`].
pub(super) async fn events(connection: &mut Connection) -> Result<Vec<Writer>> {
    if connection.query_text("SELECT @@GLOBAL.event_scheduler").await?.as_deref() != Some("ON") {
        return Ok(Vec::new());
    }
    let users = users(connection).await?;
    let rows = connection
        .query("SELECT EVENT_SCHEMA, EVENT_NAME, DEFINER FROM information_schema.EVENTS WHERE STATUS = 'ENABLED'")
        .await?;
    let event = |row: super::super::response::Row<'_>| {
        let (database, name, definer) = (row.at(0)?, row.at(1)?, row.at(2)?);
        let user = definer.rsplit_once('@').map_or(definer, |(user, _)| user);
        users.as_ref().is_none_or(|users| users.contains(user)).then(|| Writer {
            id: format!("event {database}.{name}"),
            user: definer.to_owned(),
            host: String::new(),
            database: database.to_owned(),
            why:
                "runs with the privileges of its definer (SET GLOBAL event_scheduler = OFF; stops all events)"
                    .to_owned(),
        })
    };
    Ok(rows.iter().filter_map(event).collect())
}

/// The names of the accounts that have such a privilege, by themselves or through a role; `None` where they cannot be seen.
async fn users(connection: &mut Connection) -> Result<Option<HashSet<String>>> {
    if !privileges::grants(connection).await?.allow("SELECT", &Scope::database("mysql")) {
        return Ok(None);
    }
    let list: Vec<String> =
        passing(connection.version()).iter().map(|privilege| format!("'{privilege}'")).collect();
    let question = format!(
        "SELECT DISTINCT GRANTEE FROM information_schema.USER_PRIVILEGES WHERE PRIVILEGE_TYPE IN ({})",
        list.join(", ")
    );
    let rows = connection.query(&question).await?;
    let mut users: HashSet<String> =
        rows.iter().filter_map(|row| row.at(0)).filter_map(user_of_grantee).collect();
    let roles = match connection.version().mariadb {
        true => "SELECT Role, User FROM mysql.roles_mapping",
        false => "SELECT FROM_USER, TO_USER FROM mysql.role_edges",
    };
    // Before MySQL 8.0 there are no roles.
    let Ok(edges) = connection.try_query(roles).await? else { return Ok(Some(users)) };
    loop {
        let through = edges.iter().filter_map(|row| Some((row.at(0)?, row.at(1)?)));
        let more: Vec<String> = through
            .filter(|(role, user)| users.contains(*role) && !users.contains(*user))
            .map(|(_, user)| user.to_owned())
            .collect();
        if more.is_empty() {
            return Ok(Some(users));
        }
        users.extend(more);
    }
}

/// The user of `'user'@'host'`; MariaDB writes a role as `'role'` or `'role'@''`.
fn user_of_grantee(grantee: &str) -> Option<String> {
    let user = grantee.rsplit_once('@').map_or(grantee, |(user, _)| user);
    Some(user.strip_prefix('\'')?.strip_suffix('\'')?.replace("''", "'"))
}
