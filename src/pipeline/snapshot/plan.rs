//! What is to be copied, and tables for it.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use slackwater_decoders::schema::TableName;
use tracing::info;

use super::{Ended, Snapshot, ledger::Ledger, reading::snapshot_of, schemas::Created};
use crate::{
    config::Existing,
    error::{Error, Result},
    positions::{CopyState, TableCopy},
};

/// Tables that are created before it is recorded that they are: enough that what is asked and stored once for all of them
/// does not count, and no more than are created while somebody waits for the task to stop.
const CREATED_AT_ONCE: usize = 500;
/// Tables that an error names.
const NAMED: usize = 20;

impl Snapshot {
    /// The accounts of an earlier process, or of an earlier attempt of this one.
    pub(super) fn recorded(&self) -> Result<Vec<Arc<Ledger>>> {
        let copies = self.store.copies()?.ok_or_else(records_lost)?;
        let ledger = |copy: TableCopy| {
            let target = self.target_of(&copy.table);
            let clean = copy.state == CopyState::Planned;
            Arc::new(Ledger::new(copy, target, clean))
        };
        Ok(copies.into_iter().map(ledger).collect())
    }

    /// Adds the tables that are at the source now and were not before, and creates at the destination all that are not
    /// there yet.
    pub(super) async fn prepare(&self, ledgers: &mut Vec<Arc<Ledger>>) -> Result<Ended> {
        let known: HashSet<TableName> =
            ledgers.iter().filter(|ledger| !ledger.is_gone()).map(|ledger| ledger.table().clone()).collect();
        let mut planned: Vec<TableCopy> = ledgers
            .iter()
            .map(|ledger| ledger.copy())
            .filter(|copy| copy.state == CopyState::Planned)
            .collect();
        let again = planned.len();
        let now = snapshot_of(&*self.source)?.tables().await?;
        planned.extend(
            now.into_iter()
                .filter(|table| !known.contains(&table.table))
                .map(|table| TableCopy::planned(table.table, table.rows, table.bytes)),
        );
        if planned.is_empty() {
            return Ok(Ended::Done);
        }
        info!(tables = planned.len(), again, "creating the tables to be copied");
        self.settle_existing(ledgers, &mut planned).await?;
        for chunk in planned.chunks(CREATED_AT_ONCE) {
            if *self.stop.borrow() {
                return Ok(Ended::Stopped);
            }
            self.create(chunk, ledgers).await?;
        }
        Ok(Ended::Done)
    }

    /// Decides about rows that the destination's tables have before anything is copied into them.
    async fn settle_existing(&self, ledgers: &[Arc<Ledger>], planned: &mut [TableCopy]) -> Result<()> {
        let mut uses: HashMap<TableName, u32> = HashMap::new();
        let others =
            ledgers.iter().filter(|ledger| ledger.copy().state != CopyState::Planned && !ledger.is_gone());
        for target in others
            .map(|ledger| ledger.target().clone())
            .chain(planned.iter().map(|copy| self.target_of(&copy.table)))
        {
            *uses.entry(target).or_default() += 1;
        }
        // A table that another source's rows are copied into already has rows of ours, which are nobody's conflict.
        let ours: HashSet<&TableName> = ledgers
            .iter()
            .filter(|ledger| ledger.copy().state != CopyState::Planned)
            .map(|ledger| ledger.target())
            .collect();
        let mut asked: Vec<TableName> = planned
            .iter()
            .map(|copy| self.target_of(&copy.table))
            .filter(|target| !ours.contains(target))
            .collect();
        asked.sort();
        asked.dedup();
        let mut target = self.target.lock().await;
        let occupied = target.occupied(&asked).await?;
        match self.settings.existing {
            Existing::Stop if !occupied.is_empty() => return Err(occupied_tables(&occupied)),
            Existing::Stop | Existing::Keep => {}
            Existing::Replace => {
                for table in &occupied {
                    target.drop_table(table).await?;
                }
            }
            Existing::Truncate => {
                for table in &occupied {
                    target.empty(table).await?;
                }
            }
        }
        let kept: HashSet<&TableName> = occupied.iter().collect();
        for copy in planned {
            let name = self.target_of(&copy.table);
            let shared = uses.get(&name).is_some_and(|uses| *uses > 1);
            copy.mixed = shared || (self.settings.existing == Existing::Keep && kept.contains(&name));
        }
        Ok(())
    }

    /// Creates some tables and records that they are there.
    async fn create(&self, planned: &[TableCopy], ledgers: &mut Vec<Arc<Ledger>>) -> Result<()> {
        let names: Vec<TableName> = planned.iter().map(|copy| copy.table.clone()).collect();
        let again: HashSet<&TableName> = names.iter().collect();
        ledgers.retain(|ledger| !again.contains(ledger.table()));
        let count = ledgers.len() + planned.len();
        let making = |copy: &TableCopy| TableCopy { making: true, ..copy.clone() };
        self.save_copies(count, planned.iter().map(making).collect()).await?;
        let mut target = self.target.lock().await;
        let created = target.create(&*self.source, &names).await?;
        let mut created: HashMap<TableName, Created> =
            created.into_iter().map(|created| (created.table.clone(), created)).collect();
        for copy in planned.iter().filter(|copy| copy.making && !copy.mixed) {
            // Made by an attempt that was cut off, and altered at the source since.
            if let Some(created) = created.get_mut(&copy.table).filter(|created| created.error.is_some()) {
                let made = target.make_anew(&*self.source, &copy.table, &self.target_of(&copy.table)).await;
                match made {
                    Ok(definition) => (created.definition, created.error) = (definition, None),
                    Err(error) if error.is_transient() => return Err(error),
                    Err(error) => created.error = Some(error),
                }
            }
        }
        drop(target);
        let mut added: Vec<Arc<Ledger>> = Vec::new();
        for copy in planned {
            let mut copy = TableCopy { making: false, ..copy.clone() };
            let created = created.remove(&copy.table);
            let (definition, error) =
                created.map_or((None, None), |created| (created.definition, created.error));
            if error.is_none() {
                (copy.state, copy.definition) = (CopyState::Waiting, definition);
            }
            let target = self.target_of(&copy.table);
            let ledger = Ledger::new(copy, target, true);
            if let Some(error) = error {
                ledger.fail(error.on(ledger.table()));
            }
            added.push(Arc::new(ledger));
        }
        ledgers.extend(added.iter().cloned());
        self.save_copies(count, added.iter().map(|ledger| ledger.copy()).collect()).await
    }

    async fn save_copies(&self, count: usize, changed: Vec<TableCopy>) -> Result<()> {
        let store = self.store.clone();
        tokio::task::spawn_blocking(move || store.save_copies(count, &changed))
            .await
            .map_err(|error| Error::definite("storing the plan was broken off").caused_by(error))?
    }

    fn target_of(&self, table: &TableName) -> TableName {
        self.settings.mapping.target_name(table)
    }
}

pub(super) fn records_lost() -> Error {
    Error::definite(
        "the destination holds an incomplete copy, but the local store does not know how far its tables are",
    )
    .remedy(crate::positions::COPY_AGAIN)
}

fn occupied_tables(tables: &[TableName]) -> Error {
    let mut list: Vec<String> = tables.iter().take(NAMED).map(ToString::to_string).collect();
    if tables.len() > NAMED {
        list.push(format!("and {} more", tables.len() - NAMED));
    }
    Error::definite(format!(
        "nothing was copied: {} tables of the destination have rows already: {}",
        tables.len(),
        list.join(", ")
    ))
    .remedy(
        "empty them, or say in [snapshot] what is to become of the rows: `existing = \"truncate\"` empties the tables, \
         `\"replace\"` creates them anew, `\"keep\"` copies on top of them",
    )
}
