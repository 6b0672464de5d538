//! What the account may do, by the names of the privileges.

use super::{
    super::connection::{Connection, Version},
    Settings,
};
use crate::{
    error::Result,
    mapping::{
        Selection,
        mysql_grants::{Grants, Scope},
    },
    sources::Finding,
};

/// What reading the log takes: asking for it, and asking where it ends.
fn needed(version: &Version) -> [&'static str; 2] {
    // MariaDB 10.5.2 gave REPLICATION CLIENT a new name, which SHOW GRANTS uses.
    if version.mariadb && version.numbers >= (10, 5, 2) {
        ["REPLICATION SLAVE", "BINLOG MONITOR"]
    } else {
        ["REPLICATION SLAVE", "REPLICATION CLIENT"]
    }
}

/// The account that the server knows us by, as a GRANT names it.
pub(in super::super) async fn account(connection: &mut Connection) -> Result<String> {
    let account = connection.query_text("SELECT CURRENT_USER()").await?.unwrap_or_default();
    let (user, host) = account.rsplit_once('@').unwrap_or((&account, "%"));
    Ok(quoted_account(user, host))
}

fn quoted_account(user: &str, host: &str) -> String {
    let quoted = super::super::questions::quoted;
    format!("{}@{}", quoted(user), quoted(host))
}

/// The statements that make an account with what a task needs; they are the same for all versions.
pub(super) fn new_account(user: &str, selection: &Selection) -> String {
    let account = quoted_account(user, "%");
    let mut statements = vec![
        format!("CREATE USER {account} IDENTIFIED BY '<password>';"),
        format!("GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO {account};"),
    ];
    statements.extend(selection.patterns().iter().map(|pattern| grant_select(&Scope::of(pattern), &account)));
    format!("-- when there is no such account:\n{}", statements.join("\n"))
}

pub(in super::super) async fn grants(connection: &mut Connection) -> Result<Grants> {
    let rows = connection.query("SHOW GRANTS").await?;
    Ok(Grants::parse(rows.iter().filter_map(|row| row.at(0))))
}

fn grant_select(scope: &Scope, account: &str) -> String {
    format!("GRANT SELECT ON {} TO {account};", scope.sql())
}

/// The privileges on the server as a whole.
pub(super) fn replication(grants: &Grants, version: &Version, account: &str) -> Finding {
    let code = "mysql.privileges";
    let needed = needed(version);
    let missing = grants.missing(&needed, &Scope::Server);
    if missing.is_empty() {
        return Finding::ok(code, format!("the account has {}", needed.join(" and ")));
    }
    let missing = missing.join(", ");
    Finding::error(
        code,
        format!("the account has no {missing}: it cannot read the log, or not ask where it ends"),
        format!("GRANT {missing} ON *.* TO {account};"),
    )
}

/// SELECT on what the task carries.
pub(super) fn select(grants: &Grants, selection: &Selection, settings: &Settings, account: &str) -> Finding {
    let code = "mysql.select";
    let scopes = selection.patterns().iter().map(Scope::of);
    let mut missing: Vec<String> = scopes
        .filter(|scope| !grants.allow("SELECT", scope))
        .map(|scope| grant_select(&scope, account))
        .collect();
    missing.dedup();
    if missing.is_empty() {
        return Finding::ok(code, "the account may read the definitions of all tables that are carried");
    }
    let repair = missing.join("\n");
    if settings.has_full_metadata() {
        let found = "the account has no SELECT on all that is carried. The log names the columns of the rows itself; what a table \
                     is like before its first change (an ALTER comes first, a default) is not known";
        return Finding::warning(code, found, repair);
    }
    let found = "the account has no SELECT on all that is carried: only tables visible to the account can be read, since the log \
                 does not name the columns";
    Finding::error(code, found, repair)
}
