//! All definitions of the database, from its catalog: one question for each kind of object, over all tables.
//!
//! * `types`: the types that are not built in; `tables`: what reading rows takes.
//! * `details`, `options`, `partitions`: what else is said of tables. `objects`: everything else, in the `order` in which it can be created.
//! * `notes`: what is not carried.
//!
//! What the texts hold is said at [`definition`](slackwater_decoders::schema::definition).

mod details;
mod notes;
mod objects;
mod options;
mod order;
mod partitions;
pub(super) mod tables;
pub(super) mod types;

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use slackwater_decoders::schema::{
    TableName,
    definition::{Database, Dialect, ObjectKind, Schema, StoredObject, TableDefinition},
};

use self::{
    details::text,
    objects::{Found, class},
    order::{Needs, Node},
    tables::{CatalogTable, Which, unreadable},
};
use super::TableFilter;
use crate::{error::Result, postgres_client::Session};

/// The definitions of everything that `selected` takes and what that needs, or of `tables` alone with what they need.
///
/// # Errors
/// The server's refusal, or a lost connection.
pub(super) async fn read(
    session: &Session,
    selected: &TableFilter,
    tables: Option<&[TableName]>,
) -> Result<Schema> {
    let types = types::read(session).await?;
    let which = tables.map_or(Which::Selected(selected), Which::Named);
    let catalog = tables::read(session, &types, which).await?;
    let mut details = details::read(session, &catalog).await?;
    let mut notes = Vec::new();
    if tables.is_none() {
        notes = notes::read(session, selected).await?;
    }
    let relations = relations(session, &catalog).await?;
    let is_seed = |found: &Found| {
        tables.is_none()
            && match found.relation {
                Some(relation) => relations.contains(&relation) || selected(&found.bare),
                None => selected(&found.bare),
            }
    };
    let objects = objects(session, &catalog, is_seed, &mut notes).await?;
    let tables: Vec<TableDefinition> = catalog
        .iter()
        .map(|table| TableDefinition {
            table: Arc::clone(&table.table),
            details: details.remove(&table.oid).unwrap_or_default(),
        })
        .collect();
    let version = session.version();
    Ok(Schema {
        dialect: Dialect::Postgres(number(version / 10_000), number(version % 10_000)),
        databases: databases(session, &tables, &objects).await?,
        tables,
        objects,
        notes,
    })
}

fn number(part: u32) -> u16 {
    u16::try_from(part).unwrap_or(u16::MAX)
}

/// The OIDs of the tables and their partitions: what belongs to one of them is carried.
async fn relations(session: &Session, tables: &[CatalogTable]) -> Result<HashSet<u32>> {
    let oids: Vec<u32> = tables.iter().map(|table| table.oid).collect();
    let question = "WITH RECURSIVE part AS (SELECT oid AS leaf FROM unnest($1::oid[]) AS oid UNION \
         SELECT h.inhrelid FROM part JOIN pg_inherits h ON h.inhparent = part.leaf \
           JOIN pg_class c ON c.oid = h.inhrelid AND c.relispartition) SELECT leaf FROM part";
    let rows = session.query(question, &[&oids]).await.map_err(unreadable)?;
    rows.iter().map(|row| row.try_get(0).map_err(unreadable)).collect()
}

/// The objects that are seeds, and those that a seed or table needs, in an order in which they can be created.
async fn objects(
    session: &Session,
    tables: &[CatalogTable],
    is_seed: impl Fn(&Found) -> bool,
    notes: &mut Vec<String>,
) -> Result<Vec<StoredObject>> {
    let found = objects::read(session).await?;
    let needs = Needs::read(session).await?;
    let seeds = found.iter().filter(|found| is_seed(found)).map(|found| found.node);
    let tables = tables.iter().map(|table| Node { class: class::RELATION, oid: table.oid });
    let order = needs.in_order(tables.chain(seeds));
    let mut known: HashMap<Node, Found> = found.into_iter().map(|found| (found.node, found)).collect();
    let mut objects = Vec::new();
    for node in order {
        let Some(found) = known.remove(&node) else { continue };
        let about = found.note.map(|note| format!("{}: {note}", found.object.name));
        notes.extend(about.filter(|_| found.object.kind == ObjectKind::Trigger));
        objects.push(found.object);
    }
    Ok(objects)
}

/// The schemas that tables and objects are in.
async fn databases(
    session: &Session,
    tables: &[TableDefinition],
    objects: &[StoredObject],
) -> Result<Vec<Database>> {
    let parts = tables.iter().flat_map(|table| &table.details.partition_tables).map(|part| &part.name);
    let names = tables.iter().map(|table| &table.table.name).chain(parts);
    let used: BTreeSet<&str> =
        names.chain(objects.iter().map(|object| &object.name)).map(|name| &*name.database).collect();
    let question = "SELECT pg_encoding_to_char(encoding)::text, datcollate::text FROM pg_database \
                    WHERE datname = current_database()";
    let row = session.query_one(question, &[]).await.map_err(unreadable)?;
    let (charset, collation) = (text(&row, 0)?.unwrap_or_default(), text(&row, 1)?.unwrap_or_default());
    let database = |name: &str| Database {
        name: name.to_owned(),
        charset: charset.clone(),
        collation: collation.clone(),
    };
    Ok(used.into_iter().map(database).collect())
}
