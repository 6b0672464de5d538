//! Tables as their rows are read: columns and keys. One question for each, whatever the number of tables.
//!
//! A partitioned table is one table. Its partitions are none, on all versions: before PostgreSQL 13 the log has the rows under the names of the
//! partitions, which [`leaves`] leads back to the table.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use slackwater_decoders::{
    postgres::{
        definitions::Definition,
        types::{TypeCatalog, column_type},
    },
    schema::{Column, Generated, Index, Table, TableName, UniqueKey},
};
use tokio_postgres::Row;

use crate::{
    error::{Error, Result},
    postgres_client::{Session, failed},
    sources::postgres::TableFilter,
};

/// The first OID of what is not built in (`FirstNormalObjectId`, `src/include/access/transam.h`).
pub(super) const FIRST_OWN: u32 = 16_384;
/// The first version that publishes the rows of partitions as those of the table that they are parts of.
pub(in crate::sources::postgres) const BY_ROOT: u32 = 13;
/// Schemas that belong to the server, in a condition on `n.nspname`.
pub(in crate::sources::postgres) const OWN_SCHEMAS: &str =
    "n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'";
/// Whether `c` is no part of an extension.
pub(in crate::sources::postgres) const NO_EXTENSIONS: &str = "NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_class'::regclass \
     AND e.objid = c.oid AND e.deptype = 'e')";

/// A table of the catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sources::postgres) struct CatalogTable {
    /// Its OID.
    pub(in crate::sources::postgres) oid: u32,
    /// Its columns and keys.
    pub(in crate::sources::postgres) table: Arc<Table>,
    /// The type's OID and modifier of each column.
    pub(in crate::sources::postgres) types: Vec<(u32, i32)>,
    /// Whether it consists of partitions.
    pub(in crate::sources::postgres) is_partitioned: bool,
    /// Whether its rows are not in the log.
    pub(in crate::sources::postgres) is_unlogged: bool,
    /// `pg_class.relreplident`: `d`, `n`, `f` or `i`.
    pub(in crate::sources::postgres) identity: char,
}

impl CatalogTable {
    /// As the decoder takes it.
    pub(in crate::sources::postgres) fn definition(&self) -> Definition {
        Definition::new(self.oid, Arc::clone(&self.table))
    }
}

/// Which tables are asked for.
#[derive(Clone, Copy)]
pub(in crate::sources::postgres) enum Which<'a> {
    /// Those that the task carries.
    Selected(&'a TableFilter),
    /// Those of these names that are there.
    Named(&'a [TableName]),
    /// The one of that OID.
    Oid(u32),
}

/// Tables, in the order of their names. Views, foreign tables, temporary tables, partitions and tables of extensions are none.
///
/// # Errors
/// The server's refusal, or a lost connection.
pub(in crate::sources::postgres) async fn read(
    session: &Session,
    types: &TypeCatalog,
    which: Which<'_>,
) -> Result<Vec<CatalogTable>> {
    let relations = relations(session, which).await?;
    let oids: Vec<u32> = relations.keys().copied().collect();
    let mut columns = columns(session, types, &oids).await?;
    let mut keys = keys(session, &oids).await?;
    let mut tables: Vec<CatalogTable> = relations
        .into_iter()
        .map(|(oid, relation)| {
            let (numbers, (columns, types)) = columns.remove(&oid).unwrap_or_default();
            let mut table = Table {
                name: relation.name,
                columns,
                primary_key: Vec::new(),
                unique_keys: Vec::new(),
                indexes: Vec::new(),
                collation: None,
                named: true,
                number: Some(oid),
            };
            for key in keys.remove(&oid).unwrap_or_default() {
                key.add_to(&mut table, &numbers);
            }
            CatalogTable {
                oid,
                table: Arc::new(table),
                types,
                is_partitioned: relation.is_partitioned,
                is_unlogged: relation.is_unlogged,
                identity: relation.identity,
            }
        })
        .collect();
    tables.sort_by(|a, b| a.table.name.cmp(&b.table.name));
    Ok(tables)
}

struct Relation {
    name: TableName,
    is_partitioned: bool,
    is_unlogged: bool,
    identity: char,
}

async fn relations(session: &Session, which: Which<'_>) -> Result<BTreeMap<u32, Relation>> {
    let (mut schemas, mut names) = (Vec::new(), Vec::new());
    let condition = match which {
        Which::Selected(_) => "$1::name[] = $2::name[]".to_owned(),
        Which::Oid(oid) => format!("c.oid = {oid} AND $1::name[] = $2::name[]"),
        Which::Named(wanted) => {
            schemas.extend(wanted.iter().map(|name| &*name.database));
            names.extend(wanted.iter().map(|name| &*name.table));
            "c.relname = ANY($2::name[]) AND n.nspname = ANY($1::name[])".to_owned()
        }
    };
    let question = format!(
        "SELECT c.oid, n.nspname::text, c.relname::text, c.relkind::text, c.relpersistence::text, c.relreplident::text \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND NOT c.relispartition AND {OWN_SCHEMAS} \
           AND {NO_EXTENSIONS} AND {condition}"
    );
    let wanted = |name: &TableName| match which {
        Which::Selected(filter) => filter(name),
        Which::Named(names) => names.contains(name),
        Which::Oid(_) => true,
    };
    let mut relations = BTreeMap::new();
    for row in session.query(&question, &[&schemas, &names]).await.map_err(unreadable)? {
        let name = TableName::new(text(&row, 1)?, text(&row, 2)?);
        if wanted(&name) {
            let relation = Relation {
                name,
                is_partitioned: text(&row, 3)? == "p",
                is_unlogged: text(&row, 4)? == "u",
                identity: text(&row, 5)?.chars().next().unwrap_or('d'),
            };
            relations.insert(row.try_get(0).map_err(unreadable)?, relation);
        }
    }
    Ok(relations)
}

/// The numbers of a table's columns, in their order; the columns, and their types' OIDs and modifiers.
type Columns = (Vec<i16>, (Vec<Column>, Vec<(u32, i32)>));

async fn columns(session: &Session, types: &TypeCatalog, oids: &[u32]) -> Result<HashMap<u32, Columns>> {
    let generated = if session.major() >= 12 { "a.attgenerated::text" } else { "''" };
    let question = format!(
        "SELECT a.attrelid, a.attnum, a.attname::text, a.atttypid, a.atttypmod, format_type(a.atttypid, a.atttypmod), \
           a.attnotnull, a.attidentity::text, {generated}, pg_get_expr(d.adbin, d.adrelid), \
           CASE WHEN a.attcollation <> t.typcollation THEN quote_ident(cn.nspname) || '.' || quote_ident(co.collname) END \
         FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid \
         LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
         LEFT JOIN pg_collation co ON co.oid = a.attcollation LEFT JOIN pg_namespace cn ON cn.oid = co.collnamespace \
         WHERE a.attrelid = ANY($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum"
    );
    let mut columns: HashMap<u32, Columns> = HashMap::new();
    for row in session.query(&question, &[&oids]).await.map_err(unreadable)? {
        let (numbers, (columns, forms)) = columns.entry(row.try_get(0).map_err(unreadable)?).or_default();
        let number: i16 = row.try_get(1).map_err(unreadable)?;
        let form: (u32, i32) = (row.try_get(3).map_err(unreadable)?, row.try_get(4).map_err(unreadable)?);
        let mut column = Column::new(text(&row, 2)?, column_type(form.0, form.1, types).0);
        let expression: Option<String> = row.try_get(9).map_err(unreadable)?;
        column.number = Some(number);
        column.declared = Some(text(&row, 5)?);
        column.nullable = !row.try_get::<_, bool>(6).map_err(unreadable)?;
        column.collation = row.try_get(10).map_err(unreadable)?;
        column.auto_increment = !text(&row, 7)?.is_empty()
            || expression.as_deref().is_some_and(|expression| expression.starts_with("nextval("));
        match text(&row, 8)?.as_str() {
            "" => column.default = expression,
            kind => column.generated = Some(Generated { expression, stored: kind == "s" }),
        }
        numbers.push(number);
        columns.push(column);
        forms.push(form);
    }
    Ok(columns)
}

/// A key as the catalog has it.
struct CatalogKey {
    name: String,
    is_primary: bool,
    is_unique: bool,
    /// Whether it has a condition, or is not ready.
    is_partial: bool,
    /// Numbers of columns; 0 is an expression.
    numbers: Vec<i16>,
}

impl CatalogKey {
    fn add_to(self, table: &mut Table, numbers: &[i16]) {
        let ordinal = |number: &i16| {
            let place = numbers.iter().position(|own| own == number)?;
            u16::try_from(place).ok()
        };
        let columns: Vec<u16> = self.numbers.iter().filter_map(ordinal).collect();
        let is_partial = self.is_partial || columns.len() < self.numbers.len();
        if self.is_primary {
            table.primary_key = columns;
        } else if self.is_unique {
            table.unique_keys.push(UniqueKey { name: self.name, columns, partial: is_partial });
        } else {
            table.indexes.push(Index { name: self.name, columns, implied: false });
        }
    }
}

/// Whether the index `i` names rows in the log: the primary key, unless another index is the replica identity. That one is then the
/// primary key as far as rows are concerned, and the declared one a unique key.
pub(in crate::sources::postgres) const NAMES_ROWS: &str = "(CASE WHEN EXISTS (SELECT FROM pg_index o WHERE o.indrelid = i.indrelid AND o.indisreplident) \
     THEN i.indisreplident ELSE i.indisprimary END)";

async fn keys(session: &Session, oids: &[u32]) -> Result<HashMap<u32, Vec<CatalogKey>>> {
    let parts = if session.major() >= 11 { "i.indnkeyatts" } else { "i.indnatts" };
    let question = format!(
        "SELECT i.indrelid, c.relname::text, {NAMES_ROWS}, i.indisunique, \
           i.indpred IS NOT NULL OR NOT i.indisvalid OR i.indisexclusion, (i.indkey::int2[])[0:{parts} - 1] \
         FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = ANY($1) AND i.indislive \
         ORDER BY i.indrelid, c.relname"
    );
    let mut keys: HashMap<u32, Vec<CatalogKey>> = HashMap::new();
    for row in session.query(&question, &[&oids]).await.map_err(unreadable)? {
        let key = CatalogKey {
            name: text(&row, 1)?,
            is_primary: row.try_get(2).map_err(unreadable)?,
            is_unique: row.try_get(3).map_err(unreadable)?,
            is_partial: row.try_get(4).map_err(unreadable)?,
            numbers: row.try_get(5).map_err(unreadable)?,
        };
        keys.entry(row.try_get(0).map_err(unreadable)?).or_default().push(key);
    }
    Ok(keys)
}

/// For each partition at whatever depth the partitioned table that it is a part of in the end.
///
/// # Errors
/// The server's refusal, or a lost connection.
pub(in crate::sources::postgres) async fn leaves(session: &Session) -> Result<HashMap<TableName, TableName>> {
    parts(session, "true").await
}

/// The partitions with rows of their own, at whatever depth, of those tables, each with its table.
///
/// # Errors
/// The server's refusal, or a lost connection.
pub(in crate::sources::postgres) async fn row_partitions(
    session: &Session,
    roots: &HashSet<TableName>,
) -> Result<Vec<(TableName, TableName)>> {
    let parts = parts(session, "l.relkind = 'r' AND l.relpersistence = 'p'").await?;
    Ok(parts.into_iter().filter(|(_, root)| roots.contains(root)).collect())
}

/// Partitions `l` that a condition holds for, and the tables that they are parts of.
async fn parts(session: &Session, condition: &str) -> Result<HashMap<TableName, TableName>> {
    let question = format!(
        "WITH RECURSIVE part AS ( \
           SELECT i.inhrelid AS leaf, i.inhparent AS root FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhparent \
             WHERE c.relkind = 'p' AND NOT c.relispartition \
           UNION ALL SELECT i.inhrelid, part.root FROM part JOIN pg_inherits i ON i.inhparent = part.leaf \
             JOIN pg_class c ON c.oid = i.inhrelid AND c.relispartition) \
         SELECT ln.nspname::text, l.relname::text, rn.nspname::text, r.relname::text FROM part \
         JOIN pg_class l ON l.oid = leaf JOIN pg_namespace ln ON ln.oid = l.relnamespace \
         JOIN pg_class r ON r.oid = root JOIN pg_namespace rn ON rn.oid = r.relnamespace \
         WHERE {condition}"
    );
    let rows = session.query(&question, &[]).await.map_err(unreadable)?;
    rows.iter()
        .map(|row| {
            let name = |place| Ok::<_, Error>(TableName::new(text(row, place)?, text(row, place + 1)?));
            Ok((name(0)?, name(2)?))
        })
        .collect()
}

pub(super) fn text(row: &Row, place: usize) -> Result<String> {
    row.try_get(place).map_err(unreadable)
}

pub(super) fn unreadable(error: tokio_postgres::Error) -> Error {
    failed("cannot read the definitions of the tables", error)
}
