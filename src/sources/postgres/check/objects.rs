//! The tables that are carried.

use std::collections::{HashMap, HashSet};

use slackwater_decoders::schema::TableName;
use tokio_postgres::Row;

use super::super::{publication, schema::tables};
use crate::{
    config::postgres::PostgresSource,
    error::Result,
    mapping::Selection,
    postgres_client::{Session, failed, quoted},
    sources::{Finding, Plan},
};

/// Names that are listed before the rest is counted.
const LISTED: usize = 20;

/// A relation that may have rows.
struct Relation {
    name: TableName,
    /// `pg_class.relkind`.
    kind: String,
    is_unlogged: bool,
    is_partition: bool,
    /// Whether updates and deletes can be published.
    is_identified: bool,
    /// Whether the log has the whole row before an update or delete.
    is_full: bool,
    has_primary_key: bool,
    may_select: bool,
    is_owned: bool,
    has_policies: bool,
    has_generated: bool,
}

/// The items on tables.
pub(super) async fn findings(
    session: &Session,
    plan: &Plan<'_>,
    config: &PostgresSource,
    publication: &str,
) -> Vec<Finding> {
    let read = async {
        let leaves = tables::leaves(session).await?;
        Ok::<_, crate::error::Error>((relations(session).await?, leaves))
    };
    let (all, leaves) = match read.await {
        Ok(read) => read,
        Err(error) => return vec![Finding::unanswered("postgres.objects", &error)],
    };
    let root = |relation: &Relation| leaves.get(&relation.name).unwrap_or(&relation.name).clone();
    let carried: Vec<&Relation> =
        all.iter().filter(|relation| plan.selection.includes(&root(relation))).collect();
    let logged: Vec<&Relation> = carried.iter().copied().filter(|relation| is_logged(relation)).collect();
    let mut findings = vec![
        exist(&carried, &leaves, plan.selection),
        identities(&logged),
        without_select(&logged, &config.user),
        not_carried(&carried),
    ];
    let filtered = |relation: &&&Relation| plan.filtered.contains(&root(relation));
    findings.extend(filter_identities(logged.iter().filter(filtered).copied()));
    findings.extend(keyless(&logged));
    findings.extend(policies(&logged, &config.user));
    findings.extend(generated(&logged));
    let publishing = may_publish(session, &logged, config, publication).await;
    findings.push(publishing.unwrap_or_else(|error| Finding::unanswered("postgres.publication", &error)));
    let others = others(session).await;
    findings.push(others.unwrap_or_else(|error| Finding::unanswered("postgres.other_objects", &error)));
    findings
}

fn is_logged(relation: &Relation) -> bool {
    !relation.is_unlogged && relation.kind != "f"
}

async fn relations(session: &Session) -> Result<Vec<Relation>> {
    let generated = if session.major() >= 12 {
        "EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attgenerated <> '' AND NOT a.attisdropped)"
    } else {
        "false"
    };
    let question = format!(
        "SELECT n.nspname::text, c.relname::text, c.relkind::text, c.relpersistence = 'u', c.relispartition, \
           c.relreplident = 'f' OR EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisvalid \
             AND (c.relreplident = 'd' AND i.indisprimary OR c.relreplident = 'i' AND i.indisreplident)), \
           c.relreplident = 'f', EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary), \
           has_table_privilege(c.oid, 'SELECT'), pg_has_role(c.relowner, 'USAGE'), \
           c.relrowsecurity AND NOT (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user), {generated} \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't' AND {} AND {} ORDER BY 1, 2",
        tables::OWN_SCHEMAS,
        tables::NO_EXTENSIONS,
    );
    let unreadable = |error| failed("cannot read the tables", error);
    let rows = session.query(&question, &[]).await.map_err(unreadable)?;
    let read = |row: &Row| {
        Ok(Relation {
            name: TableName::new(row.try_get::<_, String>(0)?, row.try_get::<_, String>(1)?),
            kind: row.try_get(2)?,
            is_unlogged: row.try_get(3)?,
            is_partition: row.try_get(4)?,
            is_identified: row.try_get(5)?,
            is_full: row.try_get(6)?,
            has_primary_key: row.try_get(7)?,
            may_select: row.try_get(8)?,
            is_owned: row.try_get(9)?,
            has_policies: row.try_get(10)?,
            has_generated: row.try_get(11)?,
        })
    };
    rows.iter().map(read).collect::<Result<_, _>>().map_err(unreadable)
}

fn exist(carried: &[&Relation], leaves: &HashMap<TableName, TableName>, selection: &Selection) -> Finding {
    let code = "postgres.objects";
    let names: HashSet<&TableName> =
        carried.iter().map(|relation| &relation.name).filter(|name| !leaves.contains_key(*name)).collect();
    let matched = |pattern: &&crate::config::Pattern| {
        !names.iter().any(|name| pattern.matches(&name.database, &name.table))
    };
    let without: Vec<String> = selection
        .patterns()
        .iter()
        .filter(matched)
        .map(|pattern| format!("{}.{}", pattern.database(), pattern.table()))
        .collect();
    if without.is_empty() {
        return Finding::ok(code, format!("{} tables are carried", names.len()));
    }
    Finding::warning(
        code,
        format!("no table of the database is matched by {} (schema.table)", listed(&without)),
        "correct objects.include, or create the tables",
    )
}

/// A published table whose rows have no identity refuses every UPDATE and DELETE of the application.
fn identities(tables: &[&Relation]) -> Finding {
    let without: Vec<&TableName> = tables
        .iter()
        .filter(|table| table.kind == "r" && !table.is_identified)
        .map(|table| &table.name)
        .collect();
    if without.is_empty() {
        return Finding::ok("postgres.replica_identity", "every table has a replica identity");
    }
    let repair: Vec<String> =
        without.iter().map(|name| format!("ALTER TABLE {} REPLICA IDENTITY FULL;", sql(name))).collect();
    Finding::error(
        "postgres.replica_identity",
        format!(
            "no replica identity, so that the server would refuse every UPDATE and DELETE once the tables are published: {}",
            listed(&without)
        ),
        repair.join("\n"),
    )
}

/// A filter judges the row before an update or delete as well, of which the log has the identity alone unless told otherwise.
fn filter_identities<'a>(filtered: impl Iterator<Item = &'a Relation>) -> Option<Finding> {
    let without: Vec<&TableName> =
        filtered.filter(|table| table.kind == "r" && !table.is_full).map(|table| &table.name).collect();
    let repair: Vec<String> =
        without.iter().map(|name| format!("ALTER TABLE {} REPLICA IDENTITY FULL;", sql(name))).collect();
    (!without.is_empty()).then(|| {
        Finding::error(
            "postgres.filter_identity",
            format!(
                "under a row filter and without REPLICA IDENTITY FULL, so that the log lacks what the filter judges, and the task \
                 stops at an UPDATE or DELETE: {}",
                listed(&without)
            ),
            repair.join("\n"),
        )
    })
}

fn keyless(tables: &[&Relation]) -> Option<Finding> {
    let without: Vec<&TableName> = tables
        .iter()
        .filter(|table| !table.is_partition && !table.has_primary_key)
        .map(|table| &table.name)
        .collect();
    (!without.is_empty()).then(|| {
        Finding::warning(
            "postgres.keys",
            format!(
                "no primary key: {}. Every change of a row there may look for it by all columns",
                listed(&without)
            ),
            "add a primary key",
        )
    })
}

fn without_select(tables: &[&Relation], user: &str) -> Finding {
    let code = "postgres.select";
    let without: Vec<&TableName> =
        tables.iter().filter(|table| !table.may_select).map(|table| &table.name).collect();
    if without.is_empty() {
        return Finding::ok(code, "the account may read every table");
    }
    let schemas: HashSet<&str> = without.iter().map(|name| &*name.database).collect();
    let mut repair: Vec<String> = schemas
        .iter()
        .map(|schema| format!("GRANT USAGE ON SCHEMA {} TO {};", quoted(schema), quoted(user)))
        .collect();
    repair.sort();
    repair.extend(without.iter().map(|name| format!("GRANT SELECT ON {} TO {};", sql(name), quoted(user))));
    Finding::error(code, format!("the account may not read {}", listed(&without)), repair.join("\n"))
}

fn not_carried(carried: &[&Relation]) -> Finding {
    let code = "postgres.unlogged";
    let without: Vec<&TableName> =
        carried.iter().filter(|table| !is_logged(table)).map(|table| &table.name).collect();
    if without.is_empty() {
        return Finding::ok(code, "the changes of every table are in the log");
    }
    Finding::warning(
        code,
        format!("unlogged or foreign tables, whose changes are in no log: {}", listed(&without)),
        "ALTER TABLE … SET LOGGED; or leave them out (objects.exclude)",
    )
}

fn policies(tables: &[&Relation], user: &str) -> Option<Finding> {
    let with: Vec<&TableName> =
        tables.iter().filter(|table| table.has_policies).map(|table| &table.name).collect();
    (!with.is_empty()).then(|| {
        Finding::error(
            "postgres.row_security",
            format!("row security would hide rows from the copy: {}", listed(&with)),
            format!("ALTER ROLE {} BYPASSRLS;", quoted(user)),
        )
    })
}

fn generated(tables: &[&Relation]) -> Option<Finding> {
    let with: Vec<&TableName> =
        tables.iter().filter(|table| table.has_generated).map(|table| &table.name).collect();
    (!with.is_empty()).then(|| {
        let found = format!(
            "generated columns are not in the log: a destination of PostgreSQL computes them, others do not get them: {}",
            listed(&with)
        );
        Finding::ok("postgres.generated_columns", found)
    })
}

async fn may_publish(
    session: &Session,
    tables: &[&Relation],
    config: &PostgresSource,
    name: &str,
) -> Result<Finding> {
    let code = "postgres.publication";
    if !config.create {
        let names: Vec<TableName> =
            tables.iter().filter(|table| !table.is_partition).map(|table| table.name.clone()).collect();
        publication::verify(session, name, &names).await?;
        return Ok(Finding::ok(code, format!("publication {name} has every table")));
    }
    if publication::may_publish_all(session).await? {
        return Ok(Finding::ok(code, "the account may publish every table"));
    }
    let may_create = "SELECT has_database_privilege(current_database(), 'CREATE')::int4::int8";
    let mut repair = Vec::new();
    if session.one_number(may_create).await? == 0 {
        repair.push(format!(
            "GRANT CREATE ON DATABASE {} TO {};",
            quoted(&config.database),
            quoted(&config.user)
        ));
    }
    let foreign: Vec<&TableName> = tables
        .iter()
        .filter(|table| !table.is_owned && !table.is_partition)
        .map(|table| &table.name)
        .collect();
    if repair.is_empty() && foreign.is_empty() {
        return Ok(Finding::ok(code, "the account owns every table and may create publications"));
    }
    repair.push(format!(
        "as a superuser: CREATE PUBLICATION {} FOR TABLE {}; and source.create = false with a slot that is there",
        quoted(name),
        tables.iter().filter(|table| !table.is_partition).map(|table| sql(&table.name)).collect::<Vec<_>>().join(", ")
    ));
    let found = match foreign.is_empty() {
        true => "the account may not create publications".to_owned(),
        false => {
            format!("publishing a table takes its owner, which the account is not of: {}", listed(&foreign))
        }
    };
    Ok(Finding::error(code, found, repair.join("\n")))
}

/// What a database has beside tables and is not in its log.
async fn others(session: &Session) -> Result<Finding> {
    let code = "postgres.other_objects";
    let sequences =
        session.one_number("SELECT count(*) FROM pg_class WHERE relkind = 'S' AND oid >= 16384").await?;
    let large = session.one_number("SELECT count(*) FROM pg_largeobject_metadata").await?;
    let mut found = Vec::new();
    if sequences > 0 {
        found.push(format!("{sequences} sequences, whose values are set at the cutover"));
    }
    if large == 0 {
        found.push("no large objects".to_owned());
        return Ok(Finding::ok(code, found.join("; ")));
    }
    found.push(format!("{large} large objects, which are not in the log and not carried"));
    Ok(Finding::warning(
        code,
        found.join("; "),
        "move them into columns of the type bytea, or copy them by other means",
    ))
}

fn sql(name: &TableName) -> String {
    format!("{}.{}", quoted(&name.database), quoted(&name.table))
}

/// The first names, and how many more.
fn listed(names: &[impl ToString]) -> String {
    let mut list: Vec<String> = names.iter().take(LISTED).map(ToString::to_string).collect();
    if names.len() > LISTED {
        list.push(format!("and {} more", names.len() - LISTED));
    }
    list.join(", ")
}
