//! The definitions of tables as the binlog's statements leave them.
//!
//! A [`Catalog`] starts from the server's information schema (or a snapshot of an earlier catalog) and follows the log:
//! [`Catalog::apply`] does to it what a statement did to the server, so that at each row event it has the definition
//! that the row was written with.

mod alter;
mod charset;
mod column;
mod error;
mod keys;
mod statements;

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::mysql::ddl::statement::ObjectName;
use crate::schema::{Table, TableName};

pub use alter::row_versions;
pub use charset::{bytes_per_character, canonical_charset, canonical_collation, charset_of_collation};
pub use error::CatalogError;

/// How the server compares and stores the names of databases and tables: its `lower_case_table_names`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum NameCase {
    /// 0: as written, compared exactly.
    #[default]
    Exact,
    /// 1: in lower case.
    Lowered,
    /// 2: as written, compared in lower case.
    Folded,
}

impl NameCase {
    /// The meaning of a value of `lower_case_table_names`; `None` for one that no server has.
    #[must_use]
    pub fn from_variable(value: u8) -> Option<Self> {
        [NameCase::Exact, NameCase::Lowered, NameCase::Folded].get(usize::from(value)).copied()
    }
}

/// What the meaning of statements depends on besides their text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// How names of tables compare.
    pub name_case: NameCase,
    /// Whether the server is MariaDB.
    pub mariadb: bool,
    /// Its version as one number (`90704` is 9.7.4): decides about the default collation of utf8mb4. 0 is a current one.
    pub version: u32,
}

/// A character set with a collation of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collation {
    /// Character set (`utf8mb4`).
    pub charset: String,
    /// Collation (`utf8mb4_bin`).
    pub name: String,
}

/// A catalog as it can be kept and restored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The tables, ordered by name.
    pub tables: Vec<Arc<Table>>,
    /// The names of the databases with their defaults, as far as known.
    pub databases: Vec<(String, Collation)>,
}

/// The current definitions of tables.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    settings: Settings,
    /// By name in the form in which names compare.
    tables: BTreeMap<TableName, Arc<Table>>,
    /// Defaults of databases, by name in the form in which names compare.
    databases: BTreeMap<String, Collation>,
}

impl Catalog {
    /// A catalog without tables.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Catalog { settings, ..Catalog::default() }
    }

    /// The catalog that was kept.
    #[must_use]
    pub fn from_snapshot(settings: Settings, snapshot: Snapshot) -> Self {
        let mut catalog = Catalog::new(settings);
        for table in snapshot.tables {
            catalog.insert(table);
        }
        for (database, collation) in snapshot.databases {
            catalog.set_database(&database, collation);
        }
        catalog
    }

    /// The catalog to be kept. Tables are shared, not copied.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let databases = self.databases.iter().map(|(name, collation)| (name.clone(), collation.clone()));
        Snapshot { tables: self.tables.values().cloned().collect(), databases: databases.collect() }
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// The definition of a table, if it is known.
    #[must_use]
    pub fn get(&self, name: &TableName) -> Option<&Arc<Table>> {
        self.tables.get(&self.key(name))
    }

    /// Puts a definition in place of the one known, which is returned.
    pub fn insert(&mut self, table: Arc<Table>) -> Option<Arc<Table>> {
        self.tables.insert(self.key(&table.name), table)
    }

    /// Forgets a table and returns its definition.
    pub fn remove(&mut self, name: &TableName) -> Option<Arc<Table>> {
        self.tables.remove(&self.key(name))
    }

    /// The tables, ordered by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Table>> {
        self.tables.values()
    }

    /// Number of tables.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tables.len()
    }

    /// Whether there is no table.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// Sets the default character set and collation of a database's new tables.
    pub fn set_database(&mut self, database: &str, collation: Collation) {
        self.databases.insert(self.fold(database), collation);
    }

    /// The default character set and collation of a database's new tables, if known.
    #[must_use]
    pub fn database(&self, database: &str) -> Option<&Collation> {
        self.databases.get(&self.fold(database))
    }

    fn remove_database(&mut self, database: &str) {
        let folded = self.fold(database);
        self.databases.remove(&folded);
        self.tables.retain(|name, _| *name.database != *folded);
    }

    /// A name in the form in which names compare.
    fn fold(&self, name: &str) -> String {
        match self.settings.name_case {
            NameCase::Exact => name.to_owned(),
            NameCase::Lowered | NameCase::Folded => name.to_lowercase(),
        }
    }

    fn key(&self, name: &TableName) -> TableName {
        match self.settings.name_case {
            NameCase::Exact => name.clone(),
            _ => TableName::new(self.fold(&name.database), self.fold(&name.table)),
        }
    }

    /// A statement's name as the server stores it.
    pub(super) fn stored(&self, name: &ObjectName, default_database: &str) -> TableName {
        let database = name.database.as_deref().unwrap_or(default_database);
        match self.settings.name_case {
            NameCase::Lowered => TableName::new(database.to_lowercase(), name.name.to_lowercase()),
            _ => TableName::new(database, name.name.as_str()),
        }
    }

    fn stored_database(&self, name: &str) -> String {
        match self.settings.name_case {
            NameCase::Lowered => name.to_lowercase(),
            _ => name.to_owned(),
        }
    }
}
