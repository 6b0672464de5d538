//! What the copy asks of those who create tables.

use std::sync::Arc;

use async_trait::async_trait;
use slackwater_decoders::schema::{Table, TableName};

use crate::{
    destinations::Destination,
    error::{Error, Result},
    sources::Source,
};

/// Creates the destination's tables before the copy, and what belongs to them after it.
#[async_trait]
pub trait TableSchemas: Send {
    /// Creates tables of the source at the destination, as they are at the source now: with the key that identifies a row.
    /// A table that is there already and fits is left as it is; one that the source does not have any more is left out.
    ///
    /// # Errors
    /// When an end cannot be reached. That one table cannot be created is told in its [`Created`].
    async fn create(
        &mut self,
        source: &dyn Source,
        destination: &mut dyn Destination,
        tables: &[TableName],
    ) -> Result<Vec<Created>>;

    /// Creates what is to come at a stage. Doing it again after an interruption adds what is missing.
    ///
    /// # Errors
    /// Definite, with a list, when something could not be created.
    async fn complete(
        &mut self,
        source: &dyn Source,
        destination: &mut dyn Destination,
        stage: Stage,
    ) -> Result<()>;
}

/// When the rest of a table's definition is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// All rows are there: other keys, foreign keys.
    AfterLoad,
    /// The rows are one state: what could not be created while rows of different times had the same value of a unique key.
    AtConsistency,
}

/// What became of one table.
pub struct Created {
    /// Its name at the source.
    pub table: TableName,
    /// Why it could not be created.
    pub error: Option<Error>,
    /// The source's definition that it was created for, where that is known.
    pub definition: Option<Arc<Table>>,
}

/// Leaves it to the destination to create a table when its first rows come.
#[derive(Clone, Copy, Debug, Default)]
pub struct CreatedByRows;

#[async_trait]
impl TableSchemas for CreatedByRows {
    async fn create(
        &mut self,
        _: &dyn Source,
        _: &mut dyn Destination,
        tables: &[TableName],
    ) -> Result<Vec<Created>> {
        let created = |table: &TableName| Created { table: table.clone(), error: None, definition: None };
        Ok(tables.iter().map(created).collect())
    }

    async fn complete(&mut self, _: &dyn Source, _: &mut dyn Destination, _: Stage) -> Result<()> {
        Ok(())
    }
}
