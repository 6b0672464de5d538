//! Where the rows of each table go, found once for each definition.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use slackwater_decoders::{
    event::{Ddl, Truncate},
    schema::Table,
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
}

/// A definition and where its rows go.
type Known = (Arc<Table>, Option<Arc<Route>>);

impl Routes {
    /// The rules of a mapping, for tables that were copied as `starts` says.
    #[must_use]
    pub fn new(mapping: Arc<Mapping>, starts: TableStarts) -> Self {
        Routes { mapping, starts, known: Mutex::default() }
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
