//! Relations as the stream announces them before their rows.

use super::{
    reader::{Malformed, Reader},
    types::{TypeCatalog, column_type},
};
use crate::schema::{Column, Table, TableName};

/// What identifies a row of a relation in an old tuple.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplicaIdentity {
    /// The primary key, where there is one.
    Default,
    /// Nothing: changes and removals of rows cannot be published.
    Nothing,
    /// The whole row.
    Full,
    /// A unique index.
    Index,
}

/// A column of an announced relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelationColumn {
    /// Whether it belongs to the replica identity.
    pub is_key: bool,
    /// Its name.
    pub name: String,
    /// The OID of its type.
    pub type_oid: u32,
    /// The type's modifier; -1 for none.
    pub typmod: i32,
}

/// A relation as announced: the columns that are published, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// Its OID.
    pub oid: u32,
    /// Its schema and name.
    pub name: TableName,
    /// Its replica identity.
    pub identity: ReplicaIdentity,
    /// Its columns. Columns outside of a publication's column list are not among them, nor are generated ones unless they are
    /// published (from PostgreSQL 18 on).
    pub columns: Vec<RelationColumn>,
}

impl Relation {
    /// Reads the body of a [`Message::Relation`](super::message::Message::Relation).
    ///
    /// # Errors
    /// When it is malformed.
    pub fn parse(body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let oid = reader.u32()?;
        // The schema pg_catalog is sent as an empty text.
        let schema = match reader.text()? {
            "" => "pg_catalog",
            schema => schema,
        };
        let name = TableName::new(schema, reader.text()?);
        let identity = match reader.u8()? {
            b'd' => ReplicaIdentity::Default,
            b'n' => ReplicaIdentity::Nothing,
            b'f' => ReplicaIdentity::Full,
            b'i' => ReplicaIdentity::Index,
            _ => return Err(Malformed("has an unknown replica identity")),
        };
        let count = usize::from(reader.u16()?);
        let columns = (0..count)
            .map(|_| {
                Ok(RelationColumn {
                    is_key: reader.u8()? & 1 != 0,
                    name: reader.text()?.to_owned(),
                    type_oid: reader.u32()?,
                    typmod: reader.i32()?,
                })
            })
            .collect::<Result<_, Malformed>>()?;
        Ok(Relation { oid, name, identity, columns })
    }
}

impl Relation {
    /// A definition of nothing but the announcement: what was published, with the replica identity as the key. Attributes
    /// and numbers of columns are those of the columns of the same name in `known` (the former definition, or the current one).
    #[must_use]
    pub fn table(&self, known: Option<&Table>, types: &TypeCatalog) -> Table {
        let columns: Vec<Column> = self.columns.iter().map(|column| column.defined(known, types)).collect();
        let key = || {
            self.columns.iter().zip(0_u16..).filter(|(column, _)| column.is_key).map(|(_, ordinal)| ordinal)
        };
        let is_key = matches!(self.identity, ReplicaIdentity::Default | ReplicaIdentity::Index);
        Table {
            name: self.name.clone(),
            columns,
            primary_key: if is_key { key().collect() } else { Vec::new() },
            unique_keys: Vec::new(),
            indexes: Vec::new(),
            collation: None,
            named: true,
            number: Some(self.oid),
        }
    }
}

impl RelationColumn {
    fn defined(&self, known: Option<&Table>, types: &TypeCatalog) -> Column {
        let (column_type, declared) = column_type(self.type_oid, self.typmod, types);
        let known = known.and_then(|table| table.columns.iter().find(|column| column.name == self.name));
        let named = known.cloned().unwrap_or_else(|| Column {
            nullable: !self.is_key,
            ..Column::new(self.name.clone(), column_type.clone())
        });
        Column { column_type, declared: Some(declared), ..named }
    }
}
