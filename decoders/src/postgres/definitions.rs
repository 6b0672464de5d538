//! The known definitions of tables, and whether an announced relation fits them.

use std::{collections::HashMap, fmt, sync::Arc};

use super::{
    relation::Relation,
    types::{TypeCatalog, column_type, is_spelled_alike},
};
use crate::schema::{Column, Table, TableName};

/// A table as the source defines it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// The OID of the relation (`pg_class.oid`).
    pub oid: u32,
    /// The table. Columns have their numbers ([`Column::number`]).
    pub table: Arc<Table>,
    /// Ordinals of columns that the publication's column list leaves out: no row has them.
    pub unpublished: Vec<u16>,
}

impl Definition {
    /// A table, all of whose columns are published.
    #[must_use]
    pub fn new(oid: u32, table: Arc<Table>) -> Self {
        Definition { oid, table, unpublished: Vec::new() }
    }
}

/// The known definitions, by the relations' OIDs and by their names.
#[derive(Clone, Debug, Default)]
pub struct Definitions {
    by_oid: HashMap<u32, Arc<Definition>>,
    by_name: HashMap<TableName, u32>,
}

impl Definitions {
    /// No definitions.
    #[must_use]
    pub fn new() -> Self {
        Definitions::default()
    }

    /// Adds a definition in place of the former one of its OID, which is returned.
    pub fn insert(&mut self, definition: Definition) -> Option<Arc<Definition>> {
        let (oid, name) = (definition.oid, definition.table.name.clone());
        let former = self.remove(oid);
        self.by_name.insert(name, oid);
        self.by_oid.insert(oid, Arc::new(definition));
        former
    }

    /// Forgets the definition of a relation, and returns it.
    pub fn remove(&mut self, oid: u32) -> Option<Arc<Definition>> {
        let former = self.by_oid.remove(&oid)?;
        if self.by_name.get(&former.table.name) == Some(&oid) {
            self.by_name.remove(&former.table.name);
        }
        Some(former)
    }

    /// The definition of a relation.
    #[must_use]
    pub fn get(&self, oid: u32) -> Option<&Arc<Definition>> {
        self.by_oid.get(&oid)
    }

    /// The definition of the table of that name.
    #[must_use]
    pub fn named(&self, name: &TableName) -> Option<&Arc<Definition>> {
        self.by_oid.get(self.by_name.get(name)?)
    }

    /// All definitions, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Definition>> {
        self.by_oid.values()
    }
}

/// How an announced relation is not what a definition says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Misfit {
    /// The definition is not known.
    Unknown,
    /// The table has another name.
    Renamed {
        /// The name that is known.
        from: TableName,
    },
    /// A column is announced that the definition does not have there.
    Unexpected {
        /// The column.
        column: String,
    },
    /// A column of the definition is not announced.
    Missing {
        /// The column.
        column: String,
    },
    /// A column has another type.
    Retyped {
        /// The column.
        column: String,
        /// The type that is known.
        from: String,
        /// The type that was announced.
        to: String,
    },
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Misfit::Unknown => f.write_str("its definition is not known"),
            Misfit::Renamed { from } => write!(f, "it was known as {from}"),
            Misfit::Unexpected { column } => {
                write!(f, "column {column} is not in the known definition there")
            }
            Misfit::Missing { column } => {
                write!(f, "column {column} of the known definition is not published")
            }
            Misfit::Retyped { column, from, to } => write!(f, "column {column} was {from} and is {to}"),
        }
    }
}

/// For each announced column the ordinal of the table's column, when the relation fits the definition: the same columns in the same
/// order with the same types. Generated columns may be missing.
///
/// # Errors
/// The first difference.
pub fn fit(relation: &Relation, definition: &Definition, types: &TypeCatalog) -> Result<Vec<u16>, Misfit> {
    let table = &definition.table;
    if table.name != relation.name {
        return Err(Misfit::Renamed { from: table.name.clone() });
    }
    let missing = |column: &Column| Misfit::Missing { column: column.name.clone() };
    let mut ordinals = Vec::with_capacity(relation.columns.len());
    let mut known = table.columns.iter().zip(0_u16..);
    for announced in &relation.columns {
        let unexpected = || Misfit::Unexpected { column: announced.name.clone() };
        if !table.columns.iter().any(|column| column.name == announced.name) {
            return Err(unexpected());
        }
        let (column, ordinal) = loop {
            let (column, ordinal) = known.next().ok_or_else(unexpected)?;
            if column.name == announced.name {
                break (column, ordinal);
            }
            if column.generated.is_none() && !definition.unpublished.contains(&ordinal) {
                return Err(missing(column));
            }
        };
        let (announced_type, declared) = column_type(announced.type_oid, announced.typmod, types);
        let known_type = column.declared.clone().unwrap_or_default();
        let alike = match &column.declared {
            Some(known) => is_spelled_alike(known, &declared) || is_extended(known, &declared),
            None => column.column_type == announced_type,
        };
        if !alike {
            return Err(Misfit::Retyped { column: announced.name.clone(), from: known_type, to: declared });
        }
        ordinals.push(ordinal);
    }
    for (column, ordinal) in known {
        if column.generated.is_none() && !definition.unpublished.contains(&ordinal) {
            return Err(missing(column));
        }
    }
    Ok(ordinals)
}

/// Whether the known spelling is the announced one with a modifier that only its extension can print (`geometry(Point,4326)`).
fn is_extended(known: &str, announced: &str) -> bool {
    let is_extension = announced.contains('.') && !announced.contains('(');
    is_extension && known.split_once('(').is_some_and(|(name, _)| is_spelled_alike(name, announced))
}
