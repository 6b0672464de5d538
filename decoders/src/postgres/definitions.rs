//! The known definitions of tables, and whether an announced relation fits them.

use std::{collections::HashMap, fmt, sync::Arc};

use super::{
    relation::{Relation, RelationColumn},
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
    /// Partitions that are announced by themselves, and the tables that they are parts of.
    roots: HashMap<TableName, u32>,
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

    /// Says that rows announced as those of `partition` are rows of the table `root`: without `publish_via_partition_root`, which
    /// PostgreSQL has from 13 on, each partition is announced for itself.
    pub fn insert_partition(&mut self, partition: TableName, root: u32) {
        self.roots.insert(partition, root);
    }

    /// The definition of the table that a partition is a part of.
    #[must_use]
    pub fn root(&self, partition: &TableName) -> Option<&Arc<Definition>> {
        self.by_oid.get(self.roots.get(partition)?)
    }

    /// The partitions that were added of a table, in no order.
    pub fn partitions(&self, root: u32) -> impl Iterator<Item = &TableName> {
        self.roots.iter().filter(move |(_, of)| **of == root).map(|(partition, _)| partition)
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
/// order with the same types. Generated columns may be missing. A partition (a relation of another OID) may have another name and another
/// order.
///
/// # Errors
/// The first difference.
pub fn fit(relation: &Relation, definition: &Definition, types: &TypeCatalog) -> Result<Vec<u16>, Misfit> {
    let table = &definition.table;
    let is_partition = relation.oid != definition.oid;
    if !is_partition && table.name != relation.name {
        return Err(Misfit::Renamed { from: table.name.clone() });
    }
    let mut ordinals: Vec<u16> = Vec::with_capacity(relation.columns.len());
    for announced in &relation.columns {
        let known = table.columns.iter().zip(0_u16..).find(|(column, _)| column.name == announced.name);
        let Some((column, ordinal)) = known.filter(|(_, ordinal)| !ordinals.contains(ordinal)) else {
            return Err(Misfit::Unexpected { column: announced.name.clone() });
        };
        // Between two announced columns lie only those that are not published.
        let passed = ordinals.last().map_or(0, |last| last + 1);
        if !is_partition && ordinal < passed {
            return Err(Misfit::Unexpected { column: announced.name.clone() });
        }
        fit_type(announced, column, types)?;
        ordinals.push(ordinal);
    }
    let mut others = table.columns.iter().zip(0_u16..).filter(|(_, ordinal)| !ordinals.contains(ordinal));
    let missing = others
        .find(|(column, ordinal)| column.generated.is_none() && !definition.unpublished.contains(ordinal));
    match missing {
        Some((column, _)) => Err(Misfit::Missing { column: column.name.clone() }),
        None => Ok(ordinals),
    }
}

fn fit_type(announced: &RelationColumn, column: &Column, types: &TypeCatalog) -> Result<(), Misfit> {
    let (announced_type, to) = column_type(announced.type_oid, announced.typmod, types);
    let alike = match &column.declared {
        Some(known) => is_spelled_alike(known, &to) || is_extended(known, &to),
        None => column.column_type == announced_type,
    };
    // An enumeration that lost or got members has the same spelling: its rows are read all the same.
    if alike {
        return Ok(());
    }
    let from = column.declared.clone().unwrap_or_default();
    Err(Misfit::Retyped { column: announced.name.clone(), from, to })
}

/// Whether the known spelling is the announced one with a modifier that only its extension can print (`geometry(Point,4326)`).
fn is_extended(known: &str, announced: &str) -> bool {
    let is_extension = announced.contains('.') && !announced.contains('(');
    is_extension && known.split_once('(').is_some_and(|(name, _)| is_spelled_alike(name, announced))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{
        postgres::relation::ReplicaIdentity,
        schema::{ColumnType, Generated},
    };

    fn definition() -> Definition {
        let integer = || ColumnType::Integer { bytes: 4, unsigned: false };
        let mut columns: Vec<Column> = ["a", "b", "c", "d"].map(|name| Column::new(name, integer())).into();
        for column in &mut columns {
            column.declared = Some("integer".to_owned());
        }
        columns.last_mut().unwrap().generated = Some(Generated { expression: None, stored: true });
        let table = Table {
            name: TableName::new("app", "t"),
            columns,
            primary_key: vec![0],
            unique_keys: Vec::new(),
            indexes: Vec::new(),
            collation: None,
            named: true,
            number: Some(7),
        };
        Definition::new(7, Arc::new(table))
    }

    fn relation(oid: u32, name: &str, columns: &[(&str, u32)]) -> Relation {
        let column = |(name, type_oid): &(&str, u32)| RelationColumn {
            is_key: false,
            name: (*name).to_owned(),
            type_oid: *type_oid,
            typmod: -1,
        };
        Relation {
            oid,
            name: TableName::new("app", name),
            identity: ReplicaIdentity::Default,
            columns: columns.iter().map(column).collect(),
        }
    }

    #[test]
    fn columns_may_be_missing_only_where_they_are_not_published() {
        let types = TypeCatalog::new();
        let listed = Definition { unpublished: vec![1], ..definition() };
        let of = |columns: &[(&str, u32)], definition: &Definition| {
            fit(&relation(7, "t", columns), definition, &types)
        };
        assert_eq!(of(&[("a", 23), ("b", 23), ("c", 23)], &definition()), Ok(vec![0, 1, 2]));
        assert_eq!(of(&[("a", 23), ("b", 23), ("c", 23), ("d", 23)], &definition()), Ok(vec![0, 1, 2, 3]));
        assert_eq!(of(&[("a", 23), ("c", 23)], &definition()), Err(Misfit::Missing { column: "b".into() }));
        assert_eq!(of(&[("a", 23), ("c", 23)], &listed), Ok(vec![0, 2]));
        let added = of(&[("a", 23), ("b", 23), ("c", 23), ("e", 23)], &definition());
        assert_eq!(added, Err(Misfit::Unexpected { column: "e".into() }));
        let moved = of(&[("b", 23), ("a", 23), ("c", 23)], &definition());
        assert_eq!(moved, Err(Misfit::Unexpected { column: "a".into() }));
        let retyped = of(&[("a", 23), ("b", 20), ("c", 23)], &definition());
        let (from, to) = ("integer".to_owned(), "bigint".to_owned());
        assert_eq!(retyped, Err(Misfit::Retyped { column: "b".into(), from, to }));
        let renamed = fit(&relation(7, "u", &[("a", 23)]), &definition(), &types);
        assert_eq!(renamed, Err(Misfit::Renamed { from: TableName::new("app", "t") }));
    }

    #[test]
    fn a_partition_has_the_columns_of_its_table_in_any_order() {
        let types = TypeCatalog::new();
        let partition = relation(8, "t_2024", &[("c", 23), ("a", 23), ("b", 23)]);
        assert_eq!(fit(&partition, &definition(), &types), Ok(vec![2, 0, 1]));
        let other = relation(8, "t_2024", &[("c", 23), ("a", 23)]);
        assert!(fit(&other, &definition(), &types).is_err());
    }
}
