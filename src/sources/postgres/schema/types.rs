//! The types of the database that are not built in, as the decoder needs them.

use std::collections::HashMap;

use slackwater_decoders::postgres::types::{CatalogType, TypeAttribute, TypeCatalog, TypeKind};

use super::tables::FIRST_OWN;
use crate::{
    error::Result,
    postgres_client::{Session, failed},
};

/// All types that are not built in, those of extensions and the row types of tables among them.
///
/// # Errors
/// The server's refusal, or a lost connection.
pub(in crate::sources::postgres) async fn read(session: &Session) -> Result<TypeCatalog> {
    let mut labels = enum_labels(session).await?;
    let mut attributes = attributes(session).await?;
    let multirange = if session.major() >= 14 { "r.rngmultitypid" } else { "0::oid" };
    let question = format!(
        "SELECT t.oid, n.nspname::text, t.typname::text, t.typtype::text, t.typcategory::text, t.typelem, t.typbasetype, \
           t.typtypmod, t.typrelid, r.rngsubtype, m.rngtypid \
         FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace \
         LEFT JOIN pg_range r ON r.rngtypid = t.oid \
         LEFT JOIN (SELECT r.rngtypid, {multirange} AS multirange FROM pg_range r) m ON m.multirange = t.oid \
         WHERE t.oid >= {FIRST_OWN} AND t.typtype <> 'p'"
    );
    let rows = session.query(&question, &[]).await.map_err(unreadable)?;
    let mut types = TypeCatalog::new();
    for row in rows {
        let oid: u32 = row.try_get(0).map_err(unreadable)?;
        let (kind, category): (String, String) =
            (row.try_get(3).map_err(unreadable)?, row.try_get(4).map_err(unreadable)?);
        let element: u32 = row.try_get(5).map_err(unreadable)?;
        let kind = match kind.as_str() {
            "e" => TypeKind::Enum(labels.remove(&oid).unwrap_or_default().into()),
            "d" => TypeKind::Domain {
                base: row.try_get(6).map_err(unreadable)?,
                typmod: row.try_get(7).map_err(unreadable)?,
            },
            "c" => {
                let relation: u32 = row.try_get(8).map_err(unreadable)?;
                TypeKind::Composite(attributes.remove(&relation).unwrap_or_default())
            }
            "r" => TypeKind::Range {
                subtype: row.try_get::<_, Option<u32>>(9).map_err(unreadable)?.unwrap_or_default(),
            },
            "m" => TypeKind::Multirange {
                range: row.try_get::<_, Option<u32>>(10).map_err(unreadable)?.unwrap_or_default(),
            },
            _ if element != 0 && category == "A" => TypeKind::Array { element },
            _ => TypeKind::Base,
        };
        let (schema, name) = (row.try_get(1).map_err(unreadable)?, row.try_get(2).map_err(unreadable)?);
        types.insert(oid, CatalogType { schema, name, kind });
    }
    Ok(types)
}

async fn enum_labels(session: &Session) -> Result<HashMap<u32, Vec<String>>> {
    let question = "SELECT enumtypid, enumlabel::text FROM pg_enum ORDER BY enumtypid, enumsortorder";
    let mut labels: HashMap<u32, Vec<String>> = HashMap::new();
    for row in session.query(question, &[]).await.map_err(unreadable)? {
        let of = row.try_get(0).map_err(unreadable)?;
        labels.entry(of).or_default().push(row.try_get(1).map_err(unreadable)?);
    }
    Ok(labels)
}

async fn attributes(session: &Session) -> Result<HashMap<u32, Vec<TypeAttribute>>> {
    // Those of tables too, where a column has the row type of a table.
    let question = format!(
        "WITH used AS (SELECT DISTINCT unnest(ARRAY[t.oid, t.typelem, t.typbasetype]) AS oid FROM pg_attribute u \
           JOIN pg_type t ON t.oid = u.atttypid WHERE u.atttypid >= {FIRST_OWN}) \
         SELECT a.attrelid, a.attname::text, a.atttypid, a.atttypmod FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid \
         WHERE c.oid >= {FIRST_OWN} AND c.reltype <> 0 AND (c.relkind = 'c' OR c.reltype IN (SELECT oid FROM used)) \
           AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum"
    );
    let mut attributes: HashMap<u32, Vec<TypeAttribute>> = HashMap::new();
    for row in session.query(&question, &[]).await.map_err(unreadable)? {
        let attribute = TypeAttribute {
            name: row.try_get(1).map_err(unreadable)?,
            type_oid: row.try_get(2).map_err(unreadable)?,
            typmod: row.try_get(3).map_err(unreadable)?,
        };
        attributes.entry(row.try_get(0).map_err(unreadable)?).or_default().push(attribute);
    }
    Ok(attributes)
}

fn unreadable(error: tokio_postgres::Error) -> crate::error::Error {
    failed("cannot read the types of the database", error)
}
