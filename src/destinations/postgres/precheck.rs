//! What has to be true at the destination before a task may start.

use slackwater_decoders::schema::TableName;
use tokio_postgres::Row;

use super::{existing::qualified, session::Session};
use crate::{
    config::postgres::PostgresDestination,
    error::Result,
    mapping::Selection,
    sources::Finding,
    types::postgres::{quote_name, quote_text},
};

/// The oldest major version.
const OLDEST: u32 = 10;

/// All findings, even when one fails; without a connection there is only that one.
pub(super) async fn findings(
    config: &PostgresDestination,
    task: &str,
    selection: &Selection,
) -> Vec<Finding> {
    let mut session = match Session::connect(config, task).await {
        Ok(session) => session,
        Err(error) if error.is_transient() => {
            let repair = "start the server, open the way to it (listen_addresses, pg_hba.conf, firewalls), or correct \
                          destination.host and destination.tls";
            return vec![Finding::error("destination.reachable", error.parts().0, repair)];
        }
        Err(error) => {
            let (user, database) = (quote_name(&config.user), quote_name(&config.database));
            let repair = format!(
                "-- when there is no such account or database:\nCREATE ROLE {user} LOGIN PASSWORD '<password>';\n\
                 CREATE DATABASE {database} OWNER {user} ENCODING 'UTF8' TEMPLATE template0;"
            );
            return vec![Finding::error("destination.account", error.parts().0, repair)];
        }
    };
    let version = version_text(session.connection.version());
    let mut findings = vec![
        Finding::ok("destination.reachable", format!("PostgreSQL {version} at {}", config.host)),
        Finding::ok("destination.account", format!("the server accepts the account {}", config.user)),
        version_finding(&session),
        encryption(&session, config),
    ];
    for (code, result) in [
        ("destination.encoding", encoding(&mut session).await),
        ("destination.read_only", writable(&mut session).await),
        ("destination.privileges", privileges(&mut session, config, selection).await),
        ("destination.triggers", triggers(&mut session, config, selection).await),
        ("destination.origin", origins(&mut session, config).await),
        ("destination.max_connections", connections(&mut session, config).await),
    ] {
        findings.push(result.unwrap_or_else(|error| Finding::unanswered(code, &error)));
    }
    findings
}

/// `18.4`, `9.6.24`.
pub(super) fn version_text(number: u32) -> String {
    match number {
        100_000.. => format!("{}.{}", number / 10_000, number % 10_000),
        _ => format!("{}.{}.{}", number / 10_000, number / 100 % 100, number % 100),
    }
}

fn version_finding(session: &Session) -> Finding {
    let code = "destination.version";
    let version = version_text(session.connection.version());
    if session.connection.major() < OLDEST {
        let found = format!("PostgreSQL {version} is older than {OLDEST}");
        return Finding::error(code, found, "use a newer server as the destination");
    }
    Finding::ok(code, format!("PostgreSQL {version} is supported"))
}

fn encryption(session: &Session, config: &PostgresDestination) -> Finding {
    let code = "destination.tls";
    let mode = config.tls.mode;
    if session.connection.is_encrypted() {
        return Finding::ok(code, format!("the connection is encrypted (tls.mode is {mode})"));
    }
    if config.host.starts_with('/') {
        return Finding::ok(code, "the connection is a local socket");
    }
    if mode == crate::config::source::TlsMode::Disabled {
        let found = "the connection is not encrypted, as configured (tls.mode is disabled)";
        return Finding::ok(code, found);
    }
    Finding::warning(
        code,
        format!("the server offers no TLS and tls.mode is {mode}: what is written can be seen on the way"),
        "in postgresql.conf, then reload the server:\nssl = on\nssl_cert_file = 'server.crt'\nssl_key_file = 'server.key'",
    )
}

async fn text(session: &mut Session, sql: &str) -> Result<String> {
    let rows = session.query(sql, &[]).await?;
    Ok(rows.first().and_then(|row| row.get::<_, Option<String>>(0)).unwrap_or_default())
}

async fn encoding(session: &mut Session) -> Result<Finding> {
    let code = "destination.encoding";
    let encoding = text(session, "SELECT current_setting('server_encoding')").await?;
    if encoding == "UTF8" {
        return Ok(Finding::ok(code, "the database is in UTF8"));
    }
    let repair = "create the database anew: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0;";
    let found = format!("the database is in {encoding}: text of other characters is refused");
    Ok(Finding::error(code, found, repair))
}

async fn writable(session: &mut Session) -> Result<Finding> {
    let code = "destination.read_only";
    let standby = text(session, "SELECT pg_is_in_recovery()::text").await? == "true";
    let read_only = text(session, "SELECT current_setting('transaction_read_only')").await? == "on";
    Ok(match (standby, read_only) {
        (true, _) => Finding::error(code, "the server is a standby", "give the address of its primary"),
        (_, true) => {
            let repair =
                "ALTER ROLE … RESET default_transaction_read_only; -- or of the database, or of the server";
            Finding::error(code, "transactions are read-only", repair)
        }
        _ => Finding::ok(code, "the server can be written"),
    })
}

/// The tables of the selection that are there, by a query for schema and name.
async fn selected(session: &mut Session, sql: &str, selection: &Selection) -> Result<Vec<TableName>> {
    let name = |row: &Row| TableName::new(row.get::<_, String>(0), row.get::<_, String>(1));
    let rows = session.query(sql, &[]).await?;
    Ok(rows.iter().map(name).filter(|table| selection.includes(table)).collect())
}

async fn privileges(
    session: &mut Session,
    config: &PostgresDestination,
    selection: &Selection,
) -> Result<Finding> {
    let code = "destination.privileges";
    let (user, mut lacking, mut repair) = (quote_name(&config.user), Vec::new(), Vec::new());
    let foreign = "SELECT n.nspname::text, c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' \
         AND NOT pg_has_role(c.relowner, 'USAGE')";
    for table in selected(session, foreign, selection).await? {
        lacking.push(format!("{table} belongs to another role"));
        repair.push(format!("ALTER TABLE {} OWNER TO {user};", qualified(&table)));
    }
    let create = "SELECT has_database_privilege(current_database(), 'CREATE')::text";
    let schema = quote_text(&quote_name(&config.checkpoint_schema));
    let there = text(session, &format!("SELECT to_regnamespace({schema})::text")).await?;
    let in_schema = match there.is_empty() {
        true => true,
        false => {
            text(
                session,
                &format!("SELECT has_schema_privilege(to_regnamespace({schema}), 'CREATE, USAGE')::text"),
            )
            .await?
                == "true"
        }
    };
    if text(session, create).await? != "true" && there.is_empty() {
        lacking.push("schemas cannot be created".to_owned());
        repair.push(format!("GRANT CREATE ON DATABASE {} TO {user};", quote_name(&config.database)));
    }
    if !in_schema {
        lacking.push(format!("the schema {} cannot be used", config.checkpoint_schema));
        repair.push(format!(
            "GRANT CREATE, USAGE ON SCHEMA {} TO {user};",
            quote_name(&config.checkpoint_schema)
        ));
    }
    if lacking.is_empty() {
        let found = "the account owns the tables that are there, and may store the checkpoint";
        return Ok(Finding::ok(code, found));
    }
    Ok(Finding::error(code, lacking.join("; "), repair.join("\n")))
}

/// What triggers and foreign keys do when the session cannot switch them off.
async fn triggers(
    session: &mut Session,
    config: &PostgresDestination,
    selection: &Selection,
) -> Result<Finding> {
    let code = "destination.triggers";
    if session.is_replica {
        let always = "SELECT n.nspname::text, c.relname::text FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid \
             JOIN pg_namespace n ON n.oid = c.relnamespace WHERE NOT t.tgisinternal AND t.tgenabled IN ('A', 'R')";
        let tables = selected(session, always, selection).await?;
        if tables.is_empty() {
            return Ok(Finding::ok(code, "triggers and foreign keys are off for what is applied"));
        }
        let names: Vec<_> = tables.iter().map(ToString::to_string).collect();
        let found = format!("triggers that are always enabled fire on what is applied: {}", names.join(", "));
        let repair: Vec<_> = tables
            .iter()
            .map(|table| format!("ALTER TABLE {} DISABLE TRIGGER USER;", qualified(table)))
            .collect();
        return Ok(Finding::warning(code, found, repair.join("\n")));
    }
    let grant = match session.connection.major() {
        15.. => {
            format!("GRANT SET ON PARAMETER session_replication_role TO {};", quote_name(&config.user))
        }
        _ => format!("ALTER ROLE {} SUPERUSER; -- or, below", quote_name(&config.user)),
    };
    let acting = "SELECT DISTINCT n.nspname::text, c.relname::text FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid \
         JOIN pg_namespace n ON n.oid = c.relnamespace WHERE t.tgenabled <> 'D'";
    let tables = selected(session, acting, selection).await?;
    let found = "the account may not set session_replication_role: triggers fire on what is applied, and the log has their effects \
                 already; foreign keys are checked, and refuse rows that come before those they refer to";
    if tables.is_empty() {
        let found = format!("{found}. No table has any now: they come with the schema");
        return Ok(Finding::warning(code, found, grant));
    }
    let drops = tables.iter().map(|table| {
        let name = qualified(table);
        format!("ALTER TABLE {name} DISABLE TRIGGER USER; -- and drop its foreign keys until the cutover")
    });
    let repair: Vec<_> = [grant].into_iter().chain(drops).collect();
    Ok(Finding::error(code, found, repair.join("\n")))
}

/// A replication origin marks what the task writes.
async fn origins(session: &mut Session, config: &PostgresDestination) -> Result<Finding> {
    let code = "destination.origin";
    let functions = "SELECT bool_and(has_function_privilege(f, 'EXECUTE'))::text FROM unnest(ARRAY[ \
         'pg_replication_origin_create(text)', 'pg_replication_origin_session_setup(text)', \
         'pg_replication_origin_oid(text)']) f";
    let without = "a task in the other direction cannot tell what this one has written from other changes";
    if text(session, functions).await? != "true" {
        let user = quote_name(&config.user);
        let repair: Vec<_> = ["create", "session_setup", "oid"]
            .into_iter()
            .map(|name| format!("GRANT EXECUTE ON FUNCTION pg_replication_origin_{name} TO {user};"))
            .collect();
        let found = format!("the account may not use replication origins: {without}");
        return Ok(Finding::warning(code, found, repair.join("\n")));
    }
    let setting = match session.connection.major() {
        18.. => "max_active_replication_origins",
        _ => "max_replication_slots",
    };
    let limit: u32 =
        text(session, &format!("SELECT current_setting('{setting}')")).await?.parse().unwrap_or_default();
    let active = text(session, "SELECT count(*)::text FROM pg_replication_origin_status").await?;
    let active: u32 = active.parse().unwrap_or_default();
    if limit < active + config.workers {
        let found = format!(
            "{setting} is {limit}, {active} of them are in use, and each of the {} workers has an origin: {without}",
            config.workers
        );
        let repair = format!(
            "ALTER SYSTEM SET {setting} = {}; -- and restart the server",
            active + config.workers + 4
        );
        return Ok(Finding::warning(code, found, repair));
    }
    Ok(Finding::ok(code, "what is written is marked by a replication origin"))
}

async fn connections(session: &mut Session, config: &PostgresDestination) -> Result<Finding> {
    let code = "destination.max_connections";
    let free = "SELECT (current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int \
         - (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'))::text";
    let free: i64 = text(session, free).await?.parse().unwrap_or_default();
    // Workers, loaders, and those that ask and create.
    let needed = i64::from(config.workers) + 6;
    if free < needed {
        let found = format!("{free} connections are free, and the task may need {needed}");
        let repair = "ALTER SYSTEM SET max_connections = …; -- and restart the server; or set destination.workers lower";
        return Ok(Finding::warning(code, found, repair));
    }
    Ok(Finding::ok(code, format!("{free} connections are free")))
}
