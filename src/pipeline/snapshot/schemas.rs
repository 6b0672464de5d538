//! What the copy asks of those who create tables.

use std::sync::Arc;

use async_trait::async_trait;
use slackwater_decoders::schema::{Table, TableName, definition::TableDefinition};
use tokio::sync::Mutex;
use tracing::warn;

use crate::{
    destinations::{
        Destination,
        schema::{PlannedStatement, Stage},
    },
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

    /// The copy of a table's rows begins with this definition. Keys that came to it since the table was created are in no part of the
    /// log that is applied.
    ///
    /// # Errors
    /// When what is known cannot be stored.
    async fn copying(&mut self, _table: &Table) -> Result<()> {
        Ok(())
    }

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

    /// What is missing of a stage, as it would be created. Changes nothing.
    ///
    /// # Errors
    /// When an end cannot be asked.
    async fn planned(
        &mut self,
        _source: &dyn Source,
        _destination: &mut dyn Destination,
        _stage: Stage,
    ) -> Result<Vec<PlannedStatement>> {
        Ok(Vec::new())
    }

    /// Creates everything that is missing, up to [`Stage::AtCutover`]; the objects that are refused, with the reasons.
    ///
    /// # Errors
    /// When an end cannot be reached.
    async fn cut_over(
        &mut self,
        _source: &dyn Source,
        _destination: &mut dyn Destination,
    ) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
}

/// Those who create tables, for the copy and for the cutover behind it. Cloning it gives another handle.
#[derive(Clone)]
pub struct SharedSchemas(Arc<Mutex<Box<dyn TableSchemas>>>);

impl SharedSchemas {
    /// Shares one.
    #[must_use]
    pub fn new(schemas: Box<dyn TableSchemas>) -> Self {
        SharedSchemas(Arc::new(Mutex::new(schemas)))
    }

    /// [`TableSchemas::planned`].
    ///
    /// # Errors
    /// When an end cannot be asked.
    pub async fn planned(
        &self,
        source: &dyn Source,
        destination: &mut dyn Destination,
        stage: Stage,
    ) -> Result<Vec<PlannedStatement>> {
        self.0.lock().await.planned(source, destination, stage).await
    }

    /// [`TableSchemas::cut_over`].
    ///
    /// # Errors
    /// When an end cannot be reached.
    pub async fn cut_over(
        &self,
        source: &dyn Source,
        destination: &mut dyn Destination,
    ) -> Result<Vec<String>> {
        self.0.lock().await.cut_over(source, destination).await
    }
}

#[async_trait]
impl TableSchemas for SharedSchemas {
    async fn create(
        &mut self,
        source: &dyn Source,
        destination: &mut dyn Destination,
        tables: &[TableName],
    ) -> Result<Vec<Created>> {
        self.0.lock().await.create(source, destination, tables).await
    }

    async fn copying(&mut self, table: &Table) -> Result<()> {
        self.0.lock().await.copying(table).await
    }

    async fn complete(
        &mut self,
        source: &dyn Source,
        destination: &mut dyn Destination,
        stage: Stage,
    ) -> Result<()> {
        self.0.lock().await.complete(source, destination, stage).await
    }
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

    async fn copying(&mut self, table: &Table) -> Result<()> {
        self.expect_keys_of(table)
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

    async fn planned(
        &mut self,
        source: &dyn Source,
        destination: &mut dyn Destination,
        stage: Stage,
    ) -> Result<Vec<PlannedStatement>> {
        let mut plan = self.plan(source, destination).await?;
        plan.statements.retain(|statement| statement.stage == stage);
        Ok(plan.statements)
    }

    async fn cut_over(
        &mut self,
        source: &dyn Source,
        destination: &mut dyn Destination,
    ) -> Result<Vec<String>> {
        let report = SchemaPhase::complete(self, source, destination, Stage::AtCutover).await?;
        Ok(report.failures.iter().map(|failure| format!("{}: {}", failure.object, failure.error)).collect())
    }
}
