//! What creating views, triggers, routines and events takes.

use std::collections::BTreeMap;

use slackwater_decoders::schema::{TableName, definition::ObjectKind};

use super::{grant, grants, set};
use crate::{
    config::destination::MysqlDestination,
    destinations::mysql::session::Session,
    error::Result,
    mapping::mysql_grants::{Grants, Scope},
    sources::Finding,
};

/// The items; none without a connection.
pub(in crate::destinations::mysql) async fn findings(
    config: &MysqlDestination,
    objects: &[(ObjectKind, TableName)],
) -> Vec<Finding> {
    if objects.is_empty() {
        return Vec::new();
    }
    let Ok(mut session) = Session::connect(config).await else { return Vec::new() };
    let (account, grants) = match grants(&mut session).await {
        Ok(granted) => granted,
        Err(error) => return vec![Finding::unanswered("destination.objects", &error)],
    };
    let trusted = trusted(&mut session, &grants, objects).await;
    vec![
        privileges(&grants, &account, objects),
        trusted.unwrap_or_else(|error| {
            Finding::unanswered("destination.log_bin_trust_function_creators", &error)
        }),
    ]
}

/// The privilege on a database that creating an object takes (MySQL Reference Manual, "Privileges Provided by MySQL"); `None` for
/// what is not created here.
fn privilege(kind: ObjectKind) -> Option<&'static str> {
    match kind {
        ObjectKind::Sequence => Some("CREATE"),
        ObjectKind::View => Some("CREATE VIEW"),
        ObjectKind::Trigger => Some("TRIGGER"),
        ObjectKind::Function | ObjectKind::Procedure => Some("CREATE ROUTINE"),
        ObjectKind::Event => Some("EVENT"),
        ObjectKind::Extension | ObjectKind::Type | ObjectKind::MaterializedView => None,
    }
}

fn privileges(grants: &Grants, account: &str, objects: &[(ObjectKind, TableName)]) -> Finding {
    let code = "destination.objects";
    let mut missing: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (kind, name) in objects {
        let Some(privilege) = privilege(*kind) else { continue };
        let of_database = missing.entry(&*name.database).or_default();
        if !of_database.contains(&privilege) && !grants.allow(privilege, &Scope::database(&name.database)) {
            of_database.push(privilege);
        }
    }
    missing.retain(|_, privileges| !privileges.is_empty());
    if missing.is_empty() {
        let found = "the account may create the views, triggers, routines and events of the source";
        return Finding::ok(code, found);
    }
    let found: Vec<String> = missing
        .iter()
        .map(|(database, privileges)| {
            format!("{} on {}", privileges.join(", "), Scope::database(database).sql())
        })
        .collect();
    let repair: Vec<String> = missing
        .iter()
        .map(|(database, privileges)| grant(privileges, &Scope::database(database), account))
        .collect();
    let found =
        format!("the account has no {}: such objects of the source are not created", found.join("; no "));
    Finding::warning(code, found, repair.join("\n"))
}

/// A server that writes a log lets no account without SUPER create what may change rows in other ways elsewhere (error 1419).
async fn trusted(
    session: &mut Session,
    grants: &Grants,
    objects: &[(ObjectKind, TableName)],
) -> Result<Finding> {
    let code = "destination.log_bin_trust_function_creators";
    let of_concern =
        |(kind, _): &(ObjectKind, TableName)| matches!(kind, ObjectKind::Trigger | ObjectKind::Function);
    let settings: Option<(bool, bool)> =
        session.first("SELECT @@GLOBAL.log_bin, @@GLOBAL.log_bin_trust_function_creators").await?;
    let is_refused = settings == Some((true, false))
        && !grants.allow("SUPER", &Scope::Server)
        && objects.iter().any(of_concern);
    if !is_refused {
        return Ok(Finding::ok(
            code,
            "the server's own log does not keep the account from creating triggers and functions",
        ));
    }
    Ok(Finding::warning(
        code,
        "the server writes a log and trusts no account without SUPER: triggers and functions of the source are not created",
        set(session, "log_bin_trust_function_creators", "ON"),
    ))
}
