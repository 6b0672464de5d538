//! Positions as a file that people and other programs read: export and import.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Checkpoint, CutoverRecord, Origin, Store, Stored, history::Entry};
use crate::error::{Error, Result};

const FORMAT: u8 = 1;

/// Everything that the local store knows of a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Export {
    /// Version of this format.
    format: u8,
    /// The task's name.
    pub task: String,
    /// Where it stands.
    pub checkpoint: Checkpoint,
    /// The step of the cutover, where there is one.
    #[serde(default)]
    pub cutover: Option<CutoverRecord>,
    /// The history of table definitions.
    #[serde(default)]
    schema_history: Vec<Entry>,
}

impl Export {
    /// The content of an open store.
    ///
    /// # Errors
    /// When it has no position yet, or is damaged.
    pub fn of(task: &str, store: &Store) -> Result<Self> {
        let stored = store.found().ok_or_else(|| {
            Error::definite("there is no position yet").on(task).remedy("`slackwater run` starts the task")
        })?;
        Ok(Export {
            format: FORMAT,
            task: task.to_owned(),
            checkpoint: stored.checkpoint.clone(),
            cutover: store.cutover()?,
            schema_history: store.history().export(),
        })
    }

    /// A bare checkpoint, such as the destination's: table definitions are read from the source again.
    #[must_use]
    pub fn of_checkpoint(task: &str, checkpoint: Checkpoint) -> Self {
        Export {
            format: FORMAT,
            task: task.to_owned(),
            checkpoint,
            cutover: None,
            schema_history: Vec::new(),
        }
    }

    /// Makes the store of `task` below `directory` hold this and nothing else.
    ///
    /// # Errors
    /// When it belongs to another task, has an unknown format, or cannot be written.
    pub fn import(self, task: &str, directory: &Path) -> Result<()> {
        if self.format != FORMAT {
            return Err(Error::definite(format!(
                "the export has format {}, this program reads {FORMAT}",
                self.format
            )));
        }
        if self.task != task {
            return Err(Error::definite(format!(
                "the export is of the task {:?}, not of {task:?}",
                self.task
            ))
            .remedy("check the file; `task` in it has to be the task's name"));
        }
        let store = Store::open_for_import(directory)?;
        let stored = Stored { checkpoint: self.checkpoint, origin: Origin::Imported, history: 0 };
        store.replace(&stored, self.schema_history, self.cutover.as_ref())
    }
}
