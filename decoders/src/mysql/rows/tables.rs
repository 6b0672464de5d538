//! The table maps that rows refer to. A server repeats a table's map before each statement: as long as its bytes are the same,
//! so is the plan for its rows.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::mysql::{
    decoder::DecoderOptions,
    error::Reason,
    rows::{
        definition::{self, Plan},
        hidden,
        table_map::TableMap,
    },
};
use crate::schema::TableName;

/// The id of a map that refers to no table: rows of it only end a statement.
const DUMMY_ID: u64 = 0x00FF_FFFF;

/// A log that is not damaged has as many table ids as tables are open; what is far above is given up.
const MAX_IDS: usize = 100_000;

/// The table maps of a log.
#[derive(Default)]
pub(in crate::mysql) struct Tables {
    by_id: HashMap<u64, Entry>,
}

/// A table map and what it means for rows.
pub(in crate::mysql) struct Entry {
    name: TableName,
    description: Vec<u8>,
    /// `None` for a table whose rows are not wanted, and for a sequence. An error counts only once there are rows.
    plan: Option<Result<Plan, Reason>>,
}

impl Entry {
    pub(in crate::mysql) fn name(&self) -> &TableName {
        &self.name
    }

    /// How to read the rows.
    pub(in crate::mysql) fn plan(&self) -> Result<&Plan, Reason> {
        match &self.plan {
            Some(Ok(plan)) => Ok(plan),
            Some(Err(reason)) => Err(reason.clone()),
            None => Err(Reason::UnknownDefinition),
        }
    }
}

impl Tables {
    /// Takes note of a table map.
    pub(in crate::mysql) fn map(
        &mut self,
        map: &TableMap<'_>,
        options: &DecoderOptions,
    ) -> Result<(), Reason> {
        if self.by_id.get(&map.table_id).is_some_and(|entry| entry.description == map.description) {
            return Ok(());
        }
        if self.by_id.len() >= MAX_IDS {
            self.by_id.clear();
        }
        let name = TableName::new(map.database, map.table);
        let plan = if (options.selected)(&name) {
            let columns = map.columns()?;
            let known = options.catalog.get(&name).map(Arc::clone);
            let is_sequence = known.is_none() && hidden::is_sequence(&columns);
            (!is_sequence)
                .then(|| definition::plan(name.clone(), columns, known.as_ref(), options.positional_names))
        } else {
            None
        };
        self.by_id.insert(map.table_id, Entry { name, description: map.description.to_vec(), plan });
        Ok(())
    }

    /// The table of that id; `None` when its rows are not wanted.
    pub(in crate::mysql) fn get(&self, id: u64) -> Result<Option<&Entry>, Reason> {
        if id == DUMMY_ID {
            return Ok(None);
        }
        let entry = self.by_id.get(&id).ok_or(Reason::MissingTableMap(id))?;
        Ok(entry.plan.is_some().then_some(entry))
    }

    /// Forgets all maps: definitions have changed, or another file starts. Ids hold within a statement only.
    pub(in crate::mysql) fn forget(&mut self) {
        self.by_id.clear();
    }
}
