//! Views, triggers, events and routines: an account that may not see one of them is not told that it is there.

use slackwater_decoders::schema::TableName;

use super::super::connection::Version;
use crate::{
    mapping::{
        Selection,
        mysql_grants::{Grants, Scope},
    },
    sources::Finding,
};

/// What SHOW CREATE takes for those of databases, and of one table (MySQL Reference Manual and MariaDB documentation, each
/// statement's page).
const OF_DATABASES: [&str; 3] = ["SHOW VIEW", "TRIGGER", "EVENT"];
const OF_TABLE: [&str; 2] = ["SHOW VIEW", "TRIGGER"];

/// The privileges that a task needs which carries all that belongs to the tables.
pub(super) fn visible(grants: &Grants, selection: &Selection, version: &Version, account: &str) -> Finding {
    let code = "mysql.copy_objects";
    let scopes: Vec<Scope> = selection.patterns().iter().map(Scope::of).collect();
    let mut missing: Vec<(Scope, Vec<&str>)> = Vec::new();
    let mut of_databases = false;
    for scope in scopes {
        let needed = match scope {
            Scope::Table(_) => &OF_TABLE[..],
            Scope::Database(_) | Scope::Server => &OF_DATABASES,
        };
        of_databases |= needed.len() == OF_DATABASES.len();
        missing.push((scope.clone(), grants.missing(needed, &scope)));
    }
    if of_databases {
        missing.extend(routines(grants, version));
    }
    missing.retain(|(_, privileges)| !privileges.is_empty());
    missing.dedup();
    if missing.is_empty() {
        return Finding::ok(
            code,
            "the account may see the views, triggers, events and routines that are carried",
        );
    }
    let found: Vec<String> =
        missing.iter().map(|(scope, missing)| format!("{} on {}", missing.join(", "), scope.sql())).collect();
    let repair: Vec<String> = missing
        .iter()
        .map(|(scope, missing)| format!("GRANT {} ON {} TO {account};", missing.join(", "), scope.sql()))
        .collect();
    Finding::warning(
        code,
        format!(
            "the account has no {}: views, triggers, events and routines that it cannot see are not created at the destination, and \
             nothing tells that they are missing",
            found.join("; no ")
        ),
        repair.join("\n"),
    )
}

/// What the texts of routines take that are another account's, if it is missing.
fn routines<'a>(grants: &Grants, version: &Version) -> Option<(Scope, Vec<&'a str>)> {
    let everything = grants.allow("SELECT", &Scope::Server);
    if version.is_mysql(8, 0, 20) {
        let may = everything || grants.allow("SHOW_ROUTINE", &Scope::Server);
        return (!may).then(|| (Scope::Server, vec!["SHOW_ROUTINE"]));
    }
    if version.is_mysql(8, 0, 0) {
        return (!everything).then(|| (Scope::Server, vec!["SELECT"]));
    }
    let table = Scope::Table(TableName::new("mysql", "proc"));
    (!grants.allow("SELECT", &table)).then(|| (table, vec!["SELECT"]))
}
