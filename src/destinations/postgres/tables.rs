//! The tables at the destination as they are, read once a task and table.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use slackwater_decoders::schema::{Table, TableName};

use super::{
    catalog::{self, ActualColumn, UniqueIndex},
    checkpoint::create_schema,
    codec::Codec,
    definition::create_statement,
    session::{Session, code},
};
use crate::{
    error::{Error, Result},
    types::postgres::quote_name,
};

/// A column of the source's table as the destination has it.
#[derive(Debug)]
pub(super) struct TargetColumn {
    /// The quoted name.
    pub(super) name: String,
    pub(super) codec: Codec,
    /// The type without its parameters, for values that travel as text: with them, a cast would cut what is too long.
    pub(super) type_name: String,
    /// Whether a row can be added with a value for it: the destination computes the others itself.
    pub(super) writable: bool,
    /// Whether the value of a row that is there can be set.
    pub(super) updatable: bool,
}

/// A table that exists and fits.
#[derive(Debug)]
pub(super) struct ReadyTable {
    /// The definition that this was made for.
    pub(super) table: Arc<Table>,
    /// The quoted, qualified name.
    pub(super) name: String,
    /// The same, for changes of rows that are there: without those of tables that inherit from it.
    pub(super) only: String,
    pub(super) columns: Vec<TargetColumn>,
    /// [`Table::key`].
    pub(super) key: Option<Vec<u16>>,
    /// Whether `ON CONFLICT` takes the key.
    pub(super) is_arbiter: bool,
    /// A column is `GENERATED ALWAYS AS IDENTITY`.
    pub(super) overrides_identity: bool,
    /// The unique indexes beside that of the key.
    pub(super) other_unique: Vec<UniqueIndex>,
    /// Whether foreign keys change rows of other tables together with rows of this one.
    pub(super) cascades: bool,
}

impl ReadyTable {
    /// The ordinals of the key's columns.
    pub(super) fn key_columns(&self) -> Vec<usize> {
        self.key.iter().flatten().map(|ordinal| usize::from(*ordinal)).collect()
    }
}

/// What is known of the destination's tables, shared by its connections.
#[derive(Default)]
pub(super) struct Tables {
    ready: Mutex<HashMap<TableName, Arc<ReadyTable>>>,
}

impl Tables {
    /// Forgets what was read.
    pub(super) fn forget(&self) {
        self.lock().clear();
    }

    /// The table for rows of `table`, if it has been read.
    pub(super) fn get(&self, table: &Arc<Table>) -> Option<Arc<ReadyTable>> {
        let known = self.lock();
        let ready = known.get(&table.name)?;
        (Arc::ptr_eq(&ready.table, table) || *ready.table == **table).then(|| Arc::clone(ready))
    }

    /// Reads a table, and creates it when it is not there and `create` says so.
    pub(super) async fn read(
        &self,
        session: &mut Session,
        table: &Arc<Table>,
        create: bool,
    ) -> Result<Arc<ReadyTable>> {
        let ready = Arc::new(read(session, table, create).await.map_err(|error| error.on(&table.name))?);
        self.lock().insert(table.name.clone(), Arc::clone(&ready));
        Ok(ready)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TableName, Arc<ReadyTable>>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn read(session: &mut Session, table: &Arc<Table>, create: bool) -> Result<ReadyTable> {
    let found = match catalog::relation(session, &table.name).await? {
        Some(found) => found,
        None if !create => {
            return Err(Error::definite("the table does not exist at the destination")
                .remedy("create it, or set destination.create_tables = true"));
        }
        None => {
            create_schema(session, &quote_name(&table.name.database)).await?;
            match session.run(&create_statement(table)).await {
                Ok(()) => {
                    tracing::info!(table = %table.name, "created the table, which the log has rows for")
                }
                // Another worker was first: a table, and its row type.
                Err(error) if matches!(code(&error).as_deref(), Some("42P07" | "42710" | "23505")) => {}
                Err(error) => return Err(error),
            }
            let found = catalog::relation(session, &table.name).await?;
            found.ok_or_else(|| Error::transient("the table that was created is not there"))?
        }
    };
    let columns = catalog::columns(session, found.oid).await?;
    let unique = catalog::unique_indexes(session, found.oid).await?;
    let cascades = catalog::has_cascades(session, found.oid).await?;
    Ok(ReadyTable { cascades, ..ready(table, &found, &columns, unique)? })
}

fn ready(
    table: &Arc<Table>,
    relation: &catalog::Relation,
    actual: &[ActualColumn],
    unique: Vec<UniqueIndex>,
) -> Result<ReadyTable> {
    let columns = table.columns.iter().map(|column| target(column, actual)).collect::<Result<Vec<_>>>()?;
    let key = table.key().map(<[u16]>::to_vec);
    let (of_key, other_unique) = match &key {
        None => (Vec::new(), unique),
        Some(key) => {
            let mut wanted: Vec<_> = key
                .iter()
                .filter_map(|ordinal| columns.get(usize::from(*ordinal)))
                .map(|column| column.name.clone())
                .collect();
            wanted.sort_unstable();
            let (of_key, others): (Vec<_>, Vec<_>) = unique.into_iter().partition(|index| {
                let mut names: Vec<_> = index.columns.iter().flatten().cloned().collect();
                names.sort_unstable();
                index.predicate.is_none() && names == wanted && names.len() == index.expressions.len()
            });
            if of_key.is_empty() {
                return Err(Error::definite(format!(
                    "the table at the destination has no unique key on ({})",
                    wanted.join(", ")
                ))
                .remedy(
                    "add the key of the source's table: without it a row is not found and is written twice",
                ));
            }
            (of_key, others)
        }
    };
    let name = format!("{}.{}", quote_name(&table.name.database), quote_name(&table.name.table));
    Ok(ReadyTable {
        table: Arc::clone(table),
        only: if relation.is_partitioned { name.clone() } else { format!("ONLY {name}") },
        name,
        key,
        is_arbiter: of_key.iter().any(|index| index.is_immediate),
        overrides_identity: actual.iter().any(|column| column.is_identity_always),
        columns,
        other_unique,
        cascades: false,
    })
}

fn target(column: &slackwater_decoders::schema::Column, actual: &[ActualColumn]) -> Result<TargetColumn> {
    let same = |found: &&ActualColumn| found.name == column.name;
    let similar = |found: &&ActualColumn| found.name.to_lowercase() == column.name.to_lowercase();
    let found = actual.iter().find(same).or_else(|| actual.iter().find(similar));
    let Some(found) = found else {
        if column.is_hidden() {
            let type_name = "text".to_owned();
            let (writable, updatable) = (false, false);
            return Ok(TargetColumn {
                name: quote_name(&column.name),
                codec: Codec::Text,
                type_name,
                writable,
                updatable,
            });
        }
        return Err(Error::definite(format!("the table at the destination has no column {}", column.name))
            .remedy("make its columns equal to those the source's table had at this place, or drop it"));
    };
    Ok(TargetColumn {
        name: quote_name(&found.name),
        codec: Codec::of(found.type_oid, &found.base_name, found.is_array),
        type_name: found.type_name.clone(),
        writable: !found.is_generated,
        updatable: !found.is_generated && !found.is_identity_always,
    })
}
