//! The destination's one connection beside the loaders, which everyone who copies uses in turn.

use std::sync::Arc;

use slackwater_decoders::schema::{Table, TableName};

use super::schemas::{Created, TableSchemas};
use crate::{
    destinations::{Checkpoint, Destination, load::Loader, schema::Stage},
    error::{Error, Result},
    sources::Source,
};

/// The destination, and who creates its tables.
pub(super) struct Target {
    pub(super) destination: Box<dyn Destination>,
    pub(super) schemas: Box<dyn TableSchemas>,
    /// After an error the connection has to be opened again.
    lost: bool,
}

impl Target {
    pub(super) fn new(destination: Box<dyn Destination>, schemas: Box<dyn TableSchemas>) -> Self {
        Target { destination, schemas, lost: false }
    }

    /// Connects; what the destination holds of the task.
    pub(super) async fn open(&mut self) -> Result<Option<Checkpoint>> {
        self.lost = true;
        let standing = self.destination.open().await?;
        self.lost = false;
        Ok(standing.map(|standing| standing.checkpoint))
    }

    async fn ready(&mut self) -> Result<&mut Self> {
        if self.lost {
            self.open().await?;
        }
        Ok(self)
    }

    fn seen<T>(&mut self, outcome: Result<T>) -> Result<T> {
        self.lost |= outcome.is_err();
        outcome
    }

    pub(super) async fn store_checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        let stored = self.ready().await?.destination.store_checkpoint(checkpoint).await;
        self.seen(stored)
    }

    pub(super) async fn loader(&mut self) -> Result<Box<dyn Loader>> {
        let loader = self.ready().await?.destination.loader().await;
        self.seen(loader)
    }

    /// Which of these tables have rows.
    pub(super) async fn occupied(&mut self, tables: &[TableName]) -> Result<Vec<TableName>> {
        let occupied = self.ready().await?.destination.occupied(tables).await;
        self.seen(occupied)
    }

    pub(super) async fn empty(&mut self, table: &TableName) -> Result<()> {
        let emptied = self.ready().await?.destination.empty_table(table).await;
        self.seen(emptied)
    }

    pub(super) async fn drop_table(&mut self, table: &TableName) -> Result<()> {
        let dropped = self.ready().await?.destination.drop_table(table).await;
        self.seen(dropped)
    }

    pub(super) async fn create(&mut self, source: &dyn Source, tables: &[TableName]) -> Result<Vec<Created>> {
        let Target { destination, schemas, .. } = self.ready().await?;
        let created = schemas.create(source, &mut **destination, tables).await;
        self.seen(created)
    }

    /// Drops a table and creates it as it is at the source now; the definition that it was created for, where that is known.
    pub(super) async fn make_anew(
        &mut self,
        source: &dyn Source,
        table: &TableName,
        target: &TableName,
    ) -> Result<Option<Arc<Table>>> {
        self.drop_table(target).await?;
        let created = self.create(source, std::slice::from_ref(table)).await?;
        match created.into_iter().find(|created| created.table == *table) {
            Some(Created { error: Some(error), .. }) => Err(error),
            Some(Created { definition, .. }) => Ok(definition),
            None => Err(Error::transient("the table is gone from the source").on(table)),
        }
    }

    pub(super) async fn complete(&mut self, source: &dyn Source, stage: Stage) -> Result<()> {
        let Target { destination, schemas, .. } = self.ready().await?;
        let completed = schemas.complete(source, &mut **destination, stage).await;
        self.seen(completed)
    }
}
