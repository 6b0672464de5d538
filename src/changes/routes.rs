//! Where the rows of each table go, found once for each definition.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use slackwater_decoders::{
    event::{Ddl, Truncate},
    schema::{Table, TableName},
};

use super::starts::TableStarts;
use crate::{
    error::Result,
    mapping::{Mapping, Route},
};

/// More definitions than this are not kept: a task of a million altered tables has to go on.
const KEPT: usize = 16_384;

/// The rules that groups are built by, and what they said of the tables so far.
#[derive(Debug)]
pub struct Routes {
    mapping: Arc<Mapping>,
    starts: TableStarts,
    /// By the address of the definition, which is kept so that no other one gets the address.
    known: Mutex<HashMap<usize, Known>>,
    /// [`set_cascading`](Self::set_cascading).
    cascading: RwLock<HashSet<TableName>>,
}

/// A definition and where its rows go.
type Known = (Arc<Table>, Option<Arc<Route>>);

impl Routes {
    /// The rules of a mapping, for tables that were copied as `starts` says.
    #[must_use]
    pub fn new(mapping: Arc<Mapping>, starts: TableStarts) -> Self {
        Routes { mapping, starts, known: Mutex::default(), cascading: RwLock::default() }
    }

    /// Says which tables of the destination have foreign keys that change rows of others with theirs, in lower case
    /// ([`crate::destinations::Destination::cascading_tables`]). Not while a group is open: the changes of one group are all taken in alike.
    pub fn set_cascading(&self, tables: HashSet<TableName>) {
        *self.cascading.write().unwrap_or_else(PoisonError::into_inner) = tables;
    }

    /// Whether changes of this table of the destination may change rows of others.
    pub(super) fn is_cascading(&self, table: &TableName) -> bool {
        let cascading = self.cascading.read().unwrap_or_else(PoisonError::into_inner);
        !cascading.is_empty()
            && cascading.contains(&TableName::new(table.database.to_lowercase(), table.table.to_lowercase()))
    }

    pub(super) fn starts(&self) -> &TableStarts {
        &self.starts
    }

    /// [`Mapping::truncate`].
    pub(super) fn truncate(&self, truncate: &Truncate) -> Result<Option<Truncate>> {
        self.mapping.truncate(truncate)
    }

    /// [`Mapping::ddl`].
    pub(super) fn ddl<'a>(&self, ddl: &Ddl<'a>) -> Result<Option<Ddl<'a>>> {
        self.mapping.ddl(ddl)
    }

    /// [`Mapping::route`].
    pub(super) fn route(&self, table: &Arc<Table>) -> Result<Option<Arc<Route>>> {
        let address = Arc::as_ptr(table).addr();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, route)) = known.get(&address) {
            return Ok(route.clone());
        }
        let route = self.mapping.route(table)?;
        if known.len() >= KEPT {
            known.clear();
        }
        known.insert(address, (Arc::clone(table), route.clone()));
        Ok(route)
    }
}
