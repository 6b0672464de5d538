//! Loading copies of tables.
//!
//! `LOAD DATA LOCAL` costs MySQL about half of what `INSERT` costs it, and MariaDB a little less than `INSERT`. It turns errors into
//! warnings, so that a block with any warning is rolled back and written by `INSERT`, which writes every value or says
//! why not. The same is done with values that only a literal can express, and where the server takes no files
//! (`local_infile = OFF`).
//!
//! `unique_checks` stays on: the copied tables have no unique key but the one that is checked in any case, and a table that was
//! there before and has others is not to get the same value twice.

use std::{collections::HashSet, mem};

use async_trait::async_trait;
use slackwater_decoders::{
    event::{RowChange, Rows},
    schema::TableName,
};
use tracing::debug;

use super::{
    dead_letter::{DeadLetters, is_refusal},
    load_text,
    net::NetWriter,
    session::{Loaded, Session, refused},
    singly::Singly,
    tables::{ReadyTable, Tables},
};
use crate::{
    changes::{Image, NetChanges, diverged},
    config::destination::MysqlDestination,
    destinations::load::Loader,
    error::{Error, Result},
};

/// Tables that a loader knows at once: blocks of one table come together.
const READY_TABLES: usize = 100;

/// A connection that loads.
pub(super) struct MysqlLoader {
    config: MysqlDestination,
    session: Session,
    tables: Tables,
    /// Tables whose rows the server does not take from a file as they are.
    not_by_file: HashSet<TableName>,
    net: NetWriter,
    in_transaction: bool,
    dead_letters: Option<DeadLetters>,
}

impl MysqlLoader {
    pub(super) async fn connect(
        config: &MysqlDestination,
        dead_letters: Option<DeadLetters>,
    ) -> Result<Self> {
        Ok(MysqlLoader {
            config: config.clone(),
            session: Session::connect(config).await?,
            tables: Tables::for_loading(),
            not_by_file: HashSet::new(),
            net: NetWriter::without_files(),
            in_transaction: false,
            dead_letters,
        })
    }

    async fn begin(&mut self) -> Result<()> {
        self.session.run("START TRANSACTION").await?;
        self.in_transaction = true;
        Ok(())
    }

    async fn end(&mut self, statement: &str) -> Result<()> {
        self.session.run(statement).await?;
        self.in_transaction = false;
        Ok(())
    }

    /// Loads the rows as a file; `false` when they have to be written otherwise.
    async fn load_file(
        &mut self,
        table: &ReadyTable,
        rows: &Rows<'_>,
        images: &[Image<'_>],
        replace: bool,
    ) -> Result<bool> {
        if self.not_by_file.contains(&rows.table.name) {
            return Ok(false);
        }
        let Some(content) = self.file(table, images) else { return Ok(false) };
        self.begin().await?;
        let loaded = self.session.load(load_text::statement(table, replace), content).await;
        let loaded = match loaded.map_err(refused) {
            // Which row it is, the statements tell.
            Err(error) if self.dead_letters.is_some() && is_refusal(&error) => Loaded::NotAllowed,
            loaded => loaded?,
        };
        match loaded {
            Loaded::AsItIs => return self.end("COMMIT").await.map(|()| true),
            Loaded::WithWarnings(warnings) => {
                debug!(table = %rows.table.name, warnings, "the rows are not taken from a file as they are");
                self.not_by_file.insert(rows.table.name.clone());
            }
            Loaded::NotAllowed => {}
        }
        self.end("ROLLBACK").await?;
        Ok(false)
    }

    /// The content of the file; `None` when a value needs a literal.
    fn file(&self, table: &ReadyTable, images: &[Image<'_>]) -> Option<Vec<u8>> {
        let mut content = Vec::new();
        for image in images {
            // What has no form at all is told where literals are made.
            let taken = load_text::push_row(&mut content, table, image, self.session.server);
            if !taken.unwrap_or(false) {
                return None;
            }
        }
        Some(content)
    }

    async fn insert(
        &mut self,
        table: &ReadyTable,
        rows: &Rows<'_>,
        inserts: Vec<Image<'_>>,
        replace: bool,
    ) -> Result<()> {
        let net = NetChanges {
            table: rows.table.clone(),
            position: rows.position.clone(),
            time_micros: rows.time_micros,
            deletes: Vec::new(),
            inserts,
            upserts: Vec::new(),
            updates: Vec::new(),
        };
        self.begin().await?;
        let rows_limit = self.config.statement_rows as usize;
        match self.net.apply(&mut self.session, table, &net, rows_limit, replace).await {
            Ok(()) => self.end("COMMIT").await,
            Err(error) => match self.dead_letters.clone().filter(|_| is_refusal(&error)) {
                Some(dead_letters) => self.insert_singly(table, &net, replace, &dead_letters).await,
                None => Err(error),
            },
        }
    }

    /// Writes the rows that the server takes, and keeps the others as dead letters.
    async fn insert_singly(
        &mut self,
        table: &ReadyTable,
        net: &NetChanges<'_>,
        replace: bool,
        dead_letters: &DeadLetters,
    ) -> Result<()> {
        self.end("ROLLBACK").await?;
        self.begin().await?;
        let mut singly = Singly { session: &mut self.session, dead_letters, letters: 0 };
        singly.net(&mut self.net, table, net, replace).await?;
        let letters = singly.letters;
        self.end("COMMIT").await?;
        dead_letters.committed(letters);
        Ok(())
    }
}

#[async_trait]
impl Loader for MysqlLoader {
    async fn load(&mut self, rows: &Rows<'_>, again: bool) -> Result<()> {
        let failed = |error: Error| error.on(&rows.table.name).at(&rows.position);
        if mem::take(&mut self.in_transaction) {
            // An error left it.
            self.session.run("ROLLBACK").await?;
        }
        let table = match self.tables.get(&rows.table) {
            Some(table) => table,
            None => {
                self.tables.forget_beyond(READY_TABLES);
                let create = self.config.create_tables;
                self.tables.read(&mut self.session, &rows.table, create).await.map_err(failed)?
            }
        };
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
        // A unique value may be at another row for a while: it was copied before it lost the value.
        let replace = again || table.other_unique_keys;
        if self.load_file(&table, rows, &images, replace).await.map_err(failed)? {
            return Ok(());
        }
        self.insert(&table, rows, images, replace).await.map_err(failed)
    }
}
