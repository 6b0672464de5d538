//! The types of a source: the built-in ones by their OIDs, which are the same everywhere, and what its catalog says of others.

mod builtin;
mod declared;

use std::{collections::HashMap, sync::Arc};

use serde::{Deserialize, Serialize};

pub(super) use builtin::{Builtin, oid};
pub use declared::column_type;
pub(super) use declared::{bits, is_spelled_alike};

/// What a source's catalog says of its types that are not built in. Built-in ones are known without.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeCatalog {
    types: HashMap<u32, Arc<CatalogType>>,
}

/// A type that is not built in (`pg_type`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogType {
    /// The schema that it is in.
    pub schema: String,
    /// Its name, unquoted.
    pub name: String,
    /// What it is.
    pub kind: TypeKind,
}

/// What a type is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TypeKind {
    /// An enumeration: its labels in their order (`pg_enum.enumsortorder`).
    Enum(Arc<[String]>),
    /// A domain (`typbasetype`, `typtypmod`).
    Domain {
        /// The OID of its base type.
        base: u32,
        /// That type's modifier; -1 for none.
        typmod: i32,
    },
    /// A composite type, or the row type of a table: its attributes in their order, without dropped ones.
    Composite(Vec<TypeAttribute>),
    /// An array (`typelem`).
    Array {
        /// The OID of its elements' type.
        element: u32,
    },
    /// A range (`pg_range.rngsubtype`).
    Range {
        /// The OID of its bounds' type.
        subtype: u32,
    },
    /// A multirange (`pg_range.rngmultitypid`).
    Multirange {
        /// The OID of its ranges' type.
        range: u32,
    },
    /// A type with input and output functions of its own, as extensions bring them.
    Base,
}

/// An attribute of a composite type (`pg_attribute`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeAttribute {
    /// Its name.
    pub name: String,
    /// The OID of its type.
    pub type_oid: u32,
    /// That type's modifier; -1 for none.
    pub typmod: i32,
}

impl TypeCatalog {
    /// A catalog that knows the built-in types only.
    #[must_use]
    pub fn new() -> Self {
        TypeCatalog::default()
    }

    /// Adds or replaces a type.
    pub fn insert(&mut self, oid: u32, definition: CatalogType) {
        self.types.insert(oid, Arc::new(definition));
    }

    /// Adds or replaces the types of another catalog.
    pub fn extend(&mut self, other: TypeCatalog) {
        self.types.extend(other.types);
    }

    /// A type that is not built in.
    #[must_use]
    pub fn get(&self, oid: u32) -> Option<&Arc<CatalogType>> {
        self.types.get(&oid)
    }

    /// Whether the type is built in or was added.
    #[must_use]
    pub fn contains(&self, oid: u32) -> bool {
        Builtin::of(oid).is_some() || self.types.contains_key(&oid)
    }
}
