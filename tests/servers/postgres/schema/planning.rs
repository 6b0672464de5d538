//! Planning and running at a real server, without a task around it.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::{Context as _, Result};
use slackwater::{
    config::{Objects, postgres::PostgresDestination},
    destinations::{
        Destination as _,
        mysql::Mysql,
        postgres::schema,
        schema::{ColumnTypes, SchemaPlan, Stage, Wanted},
    },
    mapping::{Mapping, Selection},
    sources::{self, Source as _},
};
use slackwater_decoders::schema::definition::Schema;
use slackwater_testkit::{PostgresServer, Server};
use tokio_postgres::{Client, NoTls};

/// The test kit's own client has a runtime of its own, so that the tests have none around it.
fn wait<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    tokio::runtime::Runtime::new()?.block_on(future)
}

/// The definitions of a MySQL or MariaDB server.
pub(crate) fn schema_of(server: &Server) -> Result<Schema> {
    let toml = format!("hosts = ['127.0.0.1:{}']\nuser = 'root'", server.port());
    let source = sources::mysql::Mysql::new("test", toml::from_str(&toml)?, Arc::new(|_| true))?;
    wait(async { source.schema(None).await?.context("no schema") })
}

/// The definitions of a PostgreSQL database.
pub(crate) fn schema_of_postgres(server: &PostgresServer) -> Result<Schema> {
    let toml = format!(
        "hosts = ['127.0.0.1:{}']\ndatabase = 'postgres'\nuser = 'postgres'\ntls = {{ mode = 'disabled' }}",
        server.port()
    );
    let source = sources::postgres::Postgres::new("test", toml::from_str(&toml)?, Arc::new(|_| true))?;
    wait(async { source.schema(None).await?.context("no schema") })
}

pub(crate) fn identity() -> Mapping {
    Mapping::identity(Selection::new(&Objects::default()))
}

/// A mapping as a task file says it.
pub(crate) fn mapping(toml: &str) -> Mapping {
    #[derive(serde::Deserialize)]
    struct File {
        mapping: Vec<slackwater::config::mapping::MappingRule>,
    }
    let file: File = toml::from_str(toml).unwrap();
    Mapping::new(&Objects::default(), &file.mapping).unwrap()
}

async fn client(server: &PostgresServer) -> Result<Client> {
    let address = format!("host=127.0.0.1 port={} user=postgres dbname=postgres", server.port());
    let (client, connection) = tokio_postgres::connect(&address, NoTls).await?;
    tokio::spawn(connection);
    client.batch_execute("SET search_path = pg_catalog").await?;
    Ok(client)
}

/// Runs everything, stage by stage, and expects that nothing is left. Gives what the first plan said.
pub(crate) fn create(server: &PostgresServer, wanted: &Wanted<'_>, more: &str) -> Result<SchemaPlan> {
    wait(create_stages(server, wanted, more))
}

async fn create_stages(server: &PostgresServer, wanted: &Wanted<'_>, more: &str) -> Result<SchemaPlan> {
    let client = client(server).await?;
    let config: PostgresDestination =
        toml::from_str(&format!("host = 'x'\ndatabase = 'x'\nuser = 'x'\n{more}"))?;
    let plan = schema::plan(&client, wanted, &config).await?;
    assert_eq!(plan.conflicts, [], "nothing is in the way");
    for stage in [Stage::Tables, Stage::AfterLoad, Stage::AtConsistency, Stage::AtCutover] {
        for statement in plan.statements.iter().filter(|statement| statement.stage == stage) {
            schema::execute(&client, statement).await.with_context(|| statement.sql.clone())?;
        }
    }
    let again = schema::plan(&client, wanted, &config).await?;
    assert_eq!((again.statements.len(), again.conflicts.len()), (0, 0), "{again:#?}");
    Ok(plan)
}

/// The same at a MySQL or MariaDB server.
pub(crate) fn create_at_mysql(server: &Server, wanted: &Wanted<'_>) -> Result<SchemaPlan> {
    wait(create_stages_at_mysql(server, wanted))
}

async fn create_stages_at_mysql(server: &Server, wanted: &Wanted<'_>) -> Result<SchemaPlan> {
    let toml = format!("host = '127.0.0.1:{}'\nuser = 'root'", server.port());
    let mut destination = Mysql::new("test", toml::from_str(&toml)?);
    let plan = destination.plan(wanted).await?;
    assert_eq!(plan.conflicts, [], "nothing is in the way");
    for stage in [Stage::Tables, Stage::AfterLoad, Stage::AtConsistency, Stage::AtCutover] {
        for (statement, _) in plan.combined(stage) {
            destination.execute(&statement).await.with_context(|| statement.sql.clone())?;
        }
    }
    let again = destination.plan(wanted).await?;
    assert_eq!((again.statements.len(), again.conflicts.len()), (0, 0), "{again:#?}");
    Ok(plan)
}

pub(crate) fn wanted<'a>(schema: &'a Schema, mapping: &'a Mapping, types: &'a ColumnTypes) -> Wanted<'a> {
    Wanted { schema, mapping, types }
}

/// What the catalog says of one schema: columns, constraints, indexes and views, by their names.
pub(crate) fn facts(server: &PostgresServer, schema: &str) -> Result<BTreeMap<String, String>> {
    let questions = [
        format!(
            "SELECT 'column ' || c.relname || '.' || a.attname, format_type(a.atttypid, a.atttypmod) \
             || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END || coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '') \
             || CASE a.attidentity WHEN '' THEN '' ELSE ' identity ' || a.attidentity::text END \
             || coalesce(' -- ' || col_description(c.oid, a.attnum), '') \
             FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum \
             WHERE c.relnamespace = quote_ident('{schema}')::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped"
        ),
        format!(
            "SELECT 'constraint ' || conrelid::regclass || '.' || conname, pg_get_constraintdef(oid) FROM pg_constraint \
             WHERE connamespace = quote_ident('{schema}')::regnamespace AND conrelid <> 0 AND contype <> 'n'"
        ),
        format!("SELECT 'index ' || indexname, indexdef FROM pg_indexes WHERE schemaname = '{schema}'"),
        format!(
            "SELECT 'relation ' || relname, relkind::text || coalesce(' ' || pg_get_partkeydef(oid), '') \
             || coalesce(' ' || pg_get_expr(relpartbound, oid), '') || ' ' || relreplident::text || coalesce(' ' || reloptions::text, '') \
             || coalesce(' -- ' || obj_description(oid, 'pg_class'), '') || coalesce(' ' || pg_get_viewdef(oid), '') FROM pg_class \
             WHERE relnamespace = quote_ident('{schema}')::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S')"
        ),
        format!(
            "SELECT 'function ' || oid::regprocedure, pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = quote_ident('{schema}')::regnamespace"
        ),
        format!(
            "SELECT 'trigger ' || tgname, pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid \
             WHERE c.relnamespace = quote_ident('{schema}')::regnamespace AND NOT tgisinternal"
        ),
        format!(
            "SELECT 'enum ' || t.typname, string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder) FROM pg_type t \
             JOIN pg_enum e ON e.enumtypid = t.oid WHERE t.typnamespace = quote_ident('{schema}')::regnamespace GROUP BY 1"
        ),
    ];
    let mut facts = BTreeMap::new();
    for question in questions {
        for mut row in server.query(&question)? {
            let fact = row.pop().flatten().unwrap_or_default();
            facts.insert(row.pop().flatten().unwrap_or_default(), fact);
        }
    }
    Ok(facts)
}
