//! Partitions, which are tables of their own and no tables of the schema.

use std::collections::HashMap;

use slackwater_decoders::schema::{TableName, definition::PartitionTable};

use super::{
    details::{self, text},
    tables::{CatalogTable, unreadable},
};
use crate::{error::Result, postgres_client::Session};

/// The partitions of partitioned tables, each behind what it is a part of, by the OIDs of the tables.
///
/// # Errors
/// The server's refusal, or a lost connection.
pub(super) async fn read(
    session: &Session,
    tables: &[CatalogTable],
) -> Result<HashMap<u32, Vec<PartitionTable>>> {
    let roots: Vec<u32> = tables.iter().filter(|table| table.is_partitioned).map(|table| table.oid).collect();
    if roots.is_empty() {
        return Ok(HashMap::new());
    }
    let parent = if session.major() >= 11 { "co.conparentid = 0" } else { "TRUE" };
    let question = format!(
        "WITH RECURSIVE part AS (SELECT oid AS root, 0::oid AS parent, oid AS leaf, 0 AS depth FROM unnest($1::oid[]) AS oid \
           UNION ALL SELECT part.root, part.leaf, h.inhrelid, part.depth + 1 FROM part JOIN pg_inherits h ON h.inhparent = part.leaf) \
         SELECT part.root, c.oid, n.nspname::text, c.relname::text, pn.nspname::text, p.relname::text, \
           pg_get_expr(c.relpartbound, c.oid) \
           || CASE WHEN c.relkind = 'p' THEN ' PARTITION BY ' || pg_get_partkeydef(c.oid) ELSE '' END \
           || coalesce(' WITH (' || array_to_string(c.reloptions, ', ') || ')', '') \
           || coalesce(' TABLESPACE ' || quote_ident(ts.spcname), ''), \
           ARRAY(SELECT 'CONSTRAINT ' || quote_ident(co.conname) || ' ' || pg_get_constraintdef(co.oid) FROM pg_constraint co \
             WHERE co.conrelid = c.oid AND co.contype IN ('c', 'f') AND co.conislocal AND co.coninhcount = 0 AND {parent} \
             ORDER BY co.conname) \
         FROM part JOIN pg_class c ON c.oid = part.leaf JOIN pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_class p ON p.oid = part.parent JOIN pg_namespace pn ON pn.oid = p.relnamespace \
         LEFT JOIN pg_tablespace ts ON ts.oid = c.reltablespace \
         ORDER BY part.root, part.depth, n.nspname, c.relname"
    );
    let rows = session.query(&question, &[&roots]).await.map_err(unreadable)?;
    let oids: Vec<u32> =
        rows.iter().map(|row| row.try_get(1)).collect::<Result<_, _>>().map_err(unreadable)?;
    let mut keys = details::keys(session, &oids).await?;
    let mut partitions: HashMap<u32, Vec<PartitionTable>> = HashMap::new();
    for (row, oid) in rows.iter().zip(oids) {
        let named = |place: usize| {
            Ok::<_, crate::error::Error>(TableName::new(
                text(row, place)?.unwrap_or_default(),
                text(row, place + 1)?.unwrap_or_default(),
            ))
        };
        let partition = PartitionTable {
            name: named(2)?,
            of: named(4)?,
            native: text(row, 6)?.unwrap_or_default(),
            keys: keys.remove(&oid).unwrap_or_default(),
            constraints: row.try_get(7).map_err(unreadable)?,
        };
        partitions.entry(row.try_get(0).map_err(unreadable)?).or_default().push(partition);
    }
    Ok(partitions)
}
