//! What the copy asks of those who create tables.

use std::sync::Arc;

use async_trait::async_trait;
use slackwater_decoders::schema::{Table, TableName, definition::TableDefinition};
use tracing::warn;

use crate::{
    destinations::{Destination, schema::Stage},
    error::{Error, Result},
    pipeline::schema::SchemaPhase,
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
    /// When an end cannot be reached. What is refused is said in the log, and does not stop the task.
    async fn complete(
        &mut self,
        source: &dyn Source,
        destination: &mut dyn Destination,
        stage: Stage,
    ) -> Result<()>;
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

#[async_trait]
impl TableSchemas for SchemaPhase {
    async fn create(
        &mut self,
        source: &dyn Source,
        destination: &mut dyn Destination,
        tables: &[TableName],
    ) -> Result<Vec<Created>> {
        // Read before the tables are created: one that is altered in between has another definition for its reader, too.
        let Some(schema) = source.schema(Some(tables)).await? else { return Ok(Vec::new()) };
        let mut report = self.create_tables_of(&schema, destination).await?;
        let created = schema.tables.into_iter().map(|TableDefinition { table, .. }| Created {
            table: table.name.clone(),
            error: report.uncopyable.remove(&table.name).map(|why| {
                Error::definite("the destination's table cannot be created, or does not fit")
                    .caused_by(why)
                    .remedy(
                        "`slackwater schema TASK.toml` shows the statement; another can be given in the override file. A table \
                         that is in the way has to be altered or dropped",
                    )
            }),
            definition: Some(table),
        });
        Ok(created.collect())
    }

    async fn complete(
        &mut self,
        source: &dyn Source,
        destination: &mut dyn Destination,
        stage: Stage,
    ) -> Result<()> {
        let report = SchemaPhase::complete(self, source, destination, stage).await?;
        if !report.failures.is_empty() {
            // Rows are right without them, and the operator can create them at any time.
            warn!(
                %stage,
                objects = report.failures.len(),
                "not all objects could be created; `slackwater schema TASK.toml` shows what is missing"
            );
        }
        Ok(())
    }
}
