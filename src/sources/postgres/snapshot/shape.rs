//! What a table is made of, to see whether it is what it was.

use std::sync::Arc;

use slackwater_decoders::{
    postgres::types::TypeCatalog,
    schema::{Table, TableName},
};

use crate::{
    error::{Error, Result},
    postgres_client::{Session, failed, quoted},
    sources::postgres::schema::tables::{self, CatalogTable, Which},
};

/// A table with the files of its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    table: CatalogTable,
    /// The table itself, or its partitions that have rows, in the order in which they are read.
    pub(super) parts: Vec<Part>,
}

/// A file of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) oid: u32,
    pub(super) name: TableName,
    /// Another one when the rows were written anew.
    pub(super) file: u32,
    /// Whether changes and removals have the whole former row in the log.
    is_identity_full: bool,
}

impl Part {
    /// Its name in a statement.
    pub(super) fn quoted(&self) -> String {
        format!("{}.{}", quoted(&self.name.database), quoted(&self.name.table))
    }
}

impl Shape {
    /// The shape as the session's transaction sees it; as of now without one. `None`: there is no such table.
    ///
    /// # Errors
    /// Definite when its rows cannot be copied; else the server's refusal, or a lost connection.
    pub(super) async fn read(
        session: &Session,
        name: &TableName,
        types: &TypeCatalog,
    ) -> Result<Option<Self>> {
        let found = tables::read(session, types, Which::Named(std::slice::from_ref(name))).await?;
        let Some(table) = found.into_iter().next() else { return Ok(None) };
        if table.is_unlogged {
            return Err(Error::definite(
                "the table is UNLOGGED: its changes are in no log, so that a copy would stay as it is",
            )
            .on(name)
            .remedy("ALTER TABLE … SET LOGGED at the source, or leave the table out (objects.exclude)"));
        }
        Ok(Some(Shape { parts: parts(session, table.oid, name).await?, table }))
    }

    /// What reading rows takes.
    pub(super) fn table(&self) -> &Arc<Table> {
        &self.table.table
    }

    /// The type's OID and modifier of each column.
    pub(super) fn types(&self) -> &[(u32, i32)] {
        &self.table.types
    }

    /// A number that other parts do not have.
    pub(super) fn fingerprint(&self) -> u32 {
        let mut hash = crc32fast::Hasher::new();
        self.parts.iter().for_each(|part| hash.update(&part.oid.to_be_bytes()));
        hash.finalize()
    }

    /// Whether every change of the table in the log since any time before now has the whole row, as far as rows are there now.
    ///
    /// # Errors
    /// The server's refusal, or a lost connection.
    pub(super) async fn has_whole_images(&self, session: &Session) -> Result<bool> {
        if self.parts.iter().all(|part| part.is_identity_full) {
            return Ok(true);
        }
        let oids: Vec<u32> = self.parts.iter().map(|part| part.oid).collect();
        let question = "SELECT coalesce(sum(pg_relation_size(reltoastrelid)), 0)::int8 FROM pg_class \
                        WHERE oid = ANY($1) AND reltoastrelid <> 0";
        let row = session.query_one(question, &[&oids]).await;
        let bytes: i64 = row.and_then(|row| row.try_get(0)).map_err(unreadable)?;
        Ok(bytes == 0)
    }
}

async fn parts(session: &Session, oid: u32, name: &TableName) -> Result<Vec<Part>> {
    let question = "WITH RECURSIVE part AS (SELECT $1::oid AS leaf \
           UNION ALL SELECT i.inhrelid FROM part JOIN pg_inherits i ON i.inhparent = part.leaf \
             JOIN pg_class c ON c.oid = i.inhrelid AND c.relispartition) \
         SELECT c.oid, n.nspname::text, c.relname::text, c.relkind::text, c.relfilenode, c.relreplident::text \
         FROM part JOIN pg_class c ON c.oid = part.leaf JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind <> 'p' ORDER BY c.oid";
    let mut parts = Vec::new();
    for row in session.query(question, &[&oid]).await.map_err(unreadable)? {
        let text = |place| row.try_get::<_, String>(place).map_err(unreadable);
        let part = TableName::new(text(1)?, text(2)?);
        if text(3)? != "r" {
            return Err(Error::definite(
                "a partition of the table is a foreign table, whose rows are in another log",
            )
            .on(format!("{name}, partition {part}"))
            .remedy("leave the table out (objects.exclude), or detach the partition"));
        }
        parts.push(Part {
            oid: row.try_get(0).map_err(unreadable)?,
            name: part,
            file: row.try_get(4).map_err(unreadable)?,
            is_identity_full: text(5)? == "f",
        });
    }
    Ok(parts)
}

fn unreadable(error: tokio_postgres::Error) -> Error {
    failed("cannot read what the table is made of", error)
}
