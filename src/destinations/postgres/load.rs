//! Loading copies of tables.
//!
//! A block is one `COPY`, which is a transaction of its own. Where the server refuses it, because a row or a unique value is there
//! already or a value does not fit, the block is written by statements, with care.

use std::{mem, sync::Arc};

use async_trait::async_trait;
use slackwater_decoders::event::{RowChange, Rows};
use tracing::debug;

use super::{
    copy,
    dead_letter::is_refusal,
    session::Session,
    statement::Statements,
    tables::ReadyTable,
    worker::{Shared, object},
    write::{Form, Part, Writer, alike, chunks},
};
use crate::{
    changes::{Image, diverged},
    destinations::load::Loader,
    error::{Error, Result},
};

/// A connection that loads.
pub(super) struct PostgresLoader {
    session: Session,
    shared: Arc<Shared>,
    in_transaction: bool,
}

impl PostgresLoader {
    pub(super) fn new(session: Session, shared: Arc<Shared>) -> Self {
        PostgresLoader { session, shared, in_transaction: false }
    }

    async fn table(&mut self, rows: &Rows<'_>) -> Result<Arc<ReadyTable>> {
        match self.shared.tables.get(&rows.table) {
            Some(table) => Ok(table),
            None => {
                let Shared { config, tables, .. } = &*self.shared;
                tables.read(&mut self.session, &rows.table, config.create_tables).await
            }
        }
    }

    /// Writes the rows over those that are there, and keeps those as dead letters that are refused, where that is wanted.
    async fn write(
        &mut self,
        statements: Statements<'_, '_>,
        images: &[Image<'_>],
        form: Form,
    ) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        self.in_transaction = true;
        self.session.run("BEGIN").await?;
        let rows = statements.rows;
        // The lifetimes of rows and images are the same.
        let mut letters = 0;
        for alike in alike(images, form) {
            for chunk in chunks(&alike) {
                let mut writer = Writer { session: &mut self.session, statements, object: object(rows) };
                let part = Part::inserted(form, chunk.to_vec());
                letters += writer.carefully(part, shared.dead_letters.as_ref()).await?;
            }
        }
        self.session.run("COMMIT").await?;
        self.in_transaction = false;
        if let Some(dead_letters) = &shared.dead_letters {
            dead_letters.committed(letters);
        }
        Ok(())
    }
}

#[async_trait]
impl Loader for PostgresLoader {
    async fn load(&mut self, rows: &Rows<'_>, again: bool) -> Result<()> {
        let failed = |error: Error| error.on(&rows.table.name).at(&rows.position);
        if mem::take(&mut self.in_transaction) {
            // An error left it.
            self.session.forget_sent();
            self.session.run("ROLLBACK").await?;
        }
        let table = self.table(rows).await.map_err(failed)?;
        if again && table.key.is_none() {
            return Err(failed(
                Error::definite(
                    "rows of a table without a key may be loaded already, and cannot be told apart",
                )
                .remedy("begin the copy of the table again"),
            ));
        }
        let images: Vec<Image<'_>> = rows.changes.iter().filter_map(RowChange::after).collect();
        if let Some(short) = images.iter().find(|image| image.len() != rows.table.columns.len()) {
            return Err(diverged(
                rows,
                &format!("a row has {} cells, other than the table has columns", short.len()),
            ));
        }
        // A row that is to be changed may be missing: rows of different times are here.
        let statements = Statements { table: &table, rows, rules: self.shared.rules(), converging: true };
        if again {
            return self.write(statements, &images, Form::Replace).await.map_err(failed);
        }
        match copy::add(&mut self.session, &statements, &images).await {
            Err(error)
                if is_refusal(&error) && (table.key.is_some() || self.shared.dead_letters.is_some()) =>
            {
                debug!(table = %rows.table.name, %error, "loading a block by statements");
                self.write(statements, &images, Form::Insert).await.map_err(failed)
            }
            loaded => loaded.map_err(failed),
        }
    }
}
