//! What the server's catalog says of tables (`pg_class`, `pg_attribute`, `pg_index`, `pg_constraint` in the manual).

use std::collections::HashSet;

use slackwater_decoders::schema::TableName;
use tokio_postgres::Row;

use super::session::Session;
use crate::{error::Result, types::postgres::quote_name};

/// Actions of a foreign key that change rows of its own table.
const CASCADING: &str =
    "contype = 'f' AND (confdeltype IN ('c', 'n', 'd') OR confupdtype IN ('c', 'n', 'd'))";

/// A table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Relation {
    pub(super) oid: u32,
    pub(super) is_partitioned: bool,
}

/// A column as it is.
#[derive(Clone, Debug)]
pub(super) struct ActualColumn {
    pub(super) name: String,
    /// Of a domain, the type below.
    pub(super) type_oid: u32,
    /// The name of that type.
    pub(super) base_name: String,
    pub(super) is_array: bool,
    /// The type as a statement names it, without its parameters.
    pub(super) type_name: String,
    pub(super) is_generated: bool,
    pub(super) is_identity_always: bool,
}

/// A unique index.
#[derive(Clone, Debug)]
pub(super) struct UniqueIndex {
    /// The quoted name of each part that is a column.
    pub(super) columns: Vec<Option<String>>,
    /// Each part as an expression over the columns of the table.
    pub(super) expressions: Vec<String>,
    /// The condition of the rows that it covers.
    pub(super) predicate: Option<String>,
    /// Whether it is checked with each row.
    pub(super) is_immediate: bool,
}

/// The table of that name; `None` where there is none that has rows of its own.
pub(super) async fn relation(session: &mut Session, table: &TableName) -> Result<Option<Relation>> {
    let rows = session
        .query(
            "SELECT c.oid, c.relkind = 'p' FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p')",
            &[&&*table.database, &&*table.table],
        )
        .await?;
    Ok(rows.first().map(|row| Relation { oid: row.get(0), is_partitioned: row.get(1) }))
}

/// The names of a table's columns; empty when there is no such table.
pub(super) async fn column_names(session: &mut Session, table: &TableName) -> Result<Vec<String>> {
    let Some(relation) = relation(session, table).await? else { return Ok(Vec::new()) };
    Ok(columns(session, relation.oid).await?.into_iter().map(|column| column.name).collect())
}

/// The columns of a table.
pub(super) async fn columns(session: &mut Session, table: u32) -> Result<Vec<ActualColumn>> {
    let generated = if session.connection.major() >= 12 { "a.attgenerated <> ''" } else { "false" };
    let sql = format!(
        "WITH RECURSIVE base(oid, type) AS (
           SELECT t.oid, t.oid FROM pg_type t WHERE t.oid IN (SELECT atttypid FROM pg_attribute WHERE attrelid = $1)
           UNION ALL
           SELECT b.oid, t.typbasetype FROM base b JOIN pg_type t ON t.oid = b.type WHERE t.typtype = 'd')
         SELECT a.attname::text, t.oid, t.typname::text, t.typcategory = 'A' AND t.typlen = -1,
           format_type(a.atttypid, -1), {generated}, a.attidentity = 'a'
         FROM pg_attribute a JOIN base b ON b.oid = a.atttypid JOIN pg_type t ON t.oid = b.type AND t.typtype <> 'd'
         WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"
    );
    let column = |row: &Row| ActualColumn {
        name: row.get(0),
        type_oid: row.get(1),
        base_name: row.get(2),
        is_array: row.get(3),
        type_name: row.get(4),
        is_generated: row.get(5),
        is_identity_always: row.get(6),
    };
    Ok(session.query(&sql, &[&table]).await?.iter().map(column).collect())
}

/// The unique indexes of a table, the primary key's first.
pub(super) async fn unique_indexes(session: &mut Session, table: u32) -> Result<Vec<UniqueIndex>> {
    let parts = if session.connection.major() >= 11 { "i.indnkeyatts" } else { "i.indnatts" };
    let sql = format!(
        "SELECT i.indimmediate, pg_get_expr(i.indpred, i.indrelid),
           ARRAY(SELECT a.attname::text FROM generate_series(1, {parts}) n
                 LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[n - 1] AND a.attnum > 0
                 ORDER BY n),
           ARRAY(SELECT pg_get_indexdef(i.indexrelid, n, true) FROM generate_series(1, {parts}) n ORDER BY n)
         FROM pg_index i WHERE i.indrelid = $1 AND i.indisunique AND i.indisvalid
         ORDER BY i.indisprimary DESC, i.indexrelid"
    );
    let index = |row: &Row| UniqueIndex {
        is_immediate: row.get(0),
        predicate: row.get(1),
        columns: row
            .get::<_, Vec<Option<String>>>(2)
            .into_iter()
            .map(|name| name.map(|name| quote_name(&name)))
            .collect(),
        expressions: row.get(3),
    };
    Ok(session.query(&sql, &[&table]).await?.iter().map(index).collect())
}

/// Whether foreign keys change rows of other tables together with rows of this one.
pub(super) async fn has_cascades(session: &mut Session, table: u32) -> Result<bool> {
    let sql = format!("SELECT EXISTS (SELECT 1 FROM pg_constraint WHERE {CASCADING} AND confrelid = $1)");
    Ok(session.query(&sql, &[&table]).await?.first().is_some_and(|row| row.get(0)))
}

/// The tables whose foreign keys change rows of others, in lower case.
pub(super) async fn cascading_tables(session: &mut Session) -> Result<HashSet<TableName>> {
    let sql = format!(
        "SELECT DISTINCT lower(n.nspname), lower(c.relname) FROM pg_constraint f \
         JOIN pg_class c ON c.oid = f.confrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {CASCADING}"
    );
    let name = |row: &Row| TableName::new(row.get::<_, String>(0), row.get::<_, String>(1));
    Ok(session.query(&sql, &[]).await?.iter().map(name).collect())
}

/// Whether foreign keys of other tables refer to this one.
pub(super) async fn is_referred_to(session: &mut Session, table: u32) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM pg_constraint WHERE contype = 'f' AND confrelid = $1 AND conrelid <> $1)";
    Ok(session.query(sql, &[&table]).await?.first().is_some_and(|row| row.get(0)))
}
