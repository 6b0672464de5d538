//! What becomes of one table of the source on its way to the destination.

use std::sync::Arc;

use slackwater_decoders::{
    arena::Arena,
    event::RowChange,
    schema::{Table, TableName},
};

use super::Selection;
use crate::error::Result;

/// The rules of a task, compiled once: which tables, under which names, which columns, rows and operations. The same for
/// definitions, for rows that are copied and for changes from the log.
#[derive(Clone, Debug)]
pub struct Mapping {
    selection: Selection,
}

/// What becomes of one version of a table's definition.
#[derive(Clone, Debug)]
pub struct Route {
    source: TableName,
    target: Arc<Table>,
}

impl Mapping {
    /// A mapping that leaves everything as it is.
    #[must_use]
    pub fn identity(selection: Selection) -> Self {
        Mapping { selection }
    }

    /// Where the rows of a table go; `None` when it is not carried.
    ///
    /// # Errors
    /// Definite when a rule does not fit the definition (a filter names a column that is not there).
    pub fn route(&self, table: &Arc<Table>) -> Result<Option<Arc<Route>>> {
        if !self.selection.includes(&table.name) {
            return Ok(None);
        }
        Ok(Some(Arc::new(Route { source: table.name.clone(), target: Arc::clone(table) })))
    }
}

impl Route {
    /// The table's name at the source.
    #[must_use]
    pub fn source(&self) -> &TableName {
        &self.source
    }

    /// The table as the destination has it: name, columns and key.
    #[must_use]
    pub fn target(&self) -> &Arc<Table> {
        &self.target
    }

    /// What a change means for the destination's table; `None` for nothing. A row that enters the filter becomes an insert,
    /// one that leaves it a delete.
    ///
    /// # Errors
    /// Definite when the row image lacks what a rule asks for.
    pub fn change<'a>(&self, change: &RowChange<'a>, _arena: &Arena<'a>) -> Result<Option<RowChange<'a>>> {
        Ok(Some(*change))
    }
}
