//! The statements that created the destination's objects, and those that failed: a JSON file beside the store.
//!
//! The destination itself tells what is done; the file tells the operator how, and what was refused.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::sidecar::replace_file;
use crate::error::{Error, Result};

const FILE: &str = "schema.json";
const FORMAT: u8 = 1;

/// What became of one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaRecord {
    /// The statement that was run last.
    pub sql: String,
    /// How often it was run.
    pub attempts: u32,
    /// What the destination said, when it refused the last attempt.
    pub error: Option<String>,
}

/// The records of a task, by object (`table shop.orders`).
#[derive(Clone, Debug)]
pub struct SchemaLedger {
    path: PathBuf,
    content: Content,
    changed: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Content {
    format: u8,
    objects: BTreeMap<String, SchemaRecord>,
    /// What belonged to each table (`shop.orders`) when it was created.
    parts: BTreeMap<String, BTreeSet<String>>,
}

impl SchemaLedger {
    /// The records below a state directory; none where there is no file yet.
    ///
    /// # Errors
    /// Definite when the file cannot be read.
    pub fn open(state_dir: &Path) -> Result<Self> {
        let path = state_dir.join(FILE);
        let unreadable = |cause: Box<dyn std::error::Error + Send + Sync>| {
            Error::definite("the record of created objects cannot be read")
                .on(path.display())
                .caused_by(cause)
                .remedy("remove the file: the destination itself tells what is created")
        };
        let content = match fs::read(&path) {
            Ok(text) => {
                let content: Content =
                    serde_json::from_slice(&text).map_err(|error| unreadable(error.into()))?;
                if content.format != FORMAT {
                    return Err(unreadable("its format is not known to this program".into()));
                }
                content
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Content { format: FORMAT, objects: BTreeMap::new(), parts: BTreeMap::new() }
            }
            Err(error) => return Err(unreadable(error.into())),
        };
        Ok(SchemaLedger { path, content, changed: false })
    }

    /// The records, by object.
    #[must_use]
    pub fn records(&self) -> &BTreeMap<String, SchemaRecord> {
        &self.content.objects
    }

    /// Takes down what belongs to a table when it is created.
    pub fn expect(&mut self, table: String, parts: BTreeSet<String>) {
        if self.content.parts.get(&table) != Some(&parts) {
            self.content.parts.insert(table, parts);
            self.changed = true;
        }
    }

    /// Takes down what has come to a table since it was created here.
    pub fn expect_also(&mut self, table: &str, parts: impl IntoIterator<Item = String>) {
        let Some(known) = self.content.parts.get_mut(table) else { return };
        for part in parts {
            self.changed |= known.insert(part);
        }
    }

    /// Whether an object belonged to a table when that was created; `true` for a table that was not created here.
    #[must_use]
    pub fn expects(&self, table: &str, object: &str) -> bool {
        self.content.parts.get(table).is_none_or(|parts| parts.contains(object))
    }

    /// Takes down that a statement was run for an object; `error` is what the destination said when it refused.
    pub fn record(&mut self, object: String, sql: &str, error: Option<String>) {
        let attempts =
            self.content.objects.get(&object).map_or(0, |record| record.attempts).saturating_add(1);
        self.content.objects.insert(object, SchemaRecord { sql: sql.to_owned(), attempts, error });
        self.changed = true;
    }

    /// Takes down that an object is there, whoever made it.
    pub fn settle(&mut self, object: &str) {
        if let Some(record) = self.content.objects.get_mut(object).filter(|record| record.error.is_some()) {
            record.error = None;
            self.changed = true;
        }
    }

    /// Writes the file, durably and as a whole, when something changed.
    ///
    /// # Errors
    /// Definite when it cannot be written.
    pub fn save(&mut self) -> Result<()> {
        if !self.changed {
            return Ok(());
        }
        let write = || -> io::Result<()> {
            if let Some(directory) = self.path.parent() {
                fs::create_dir_all(directory)?;
            }
            replace_file(&self.path, &serde_json::to_vec_pretty(&self.content)?)
        };
        write().map_err(|error| {
            Error::definite("the record of created objects cannot be written")
                .on(self.path.display())
                .caused_by(error)
        })?;
        self.changed = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn failures_are_kept_over_a_restart_until_the_object_is_there() {
        let directory = tempfile::tempdir().unwrap();
        let mut ledger = SchemaLedger::open(directory.path()).unwrap();
        ledger.record("index s.t.u".to_owned(), "ALTER …", Some("duplicates".to_owned()));
        ledger.record("index s.t.u".to_owned(), "ALTER …", Some("duplicates".to_owned()));
        ledger.save().unwrap();
        let mut ledger = SchemaLedger::open(directory.path()).unwrap();
        assert_eq!(ledger.records().get("index s.t.u").unwrap().attempts, 2);
        ledger.settle("index s.t.u");
        ledger.save().unwrap();
        let ledger = SchemaLedger::open(directory.path()).unwrap();
        assert_eq!(ledger.records().get("index s.t.u").unwrap().error, None);
    }
}
