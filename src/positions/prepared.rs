//! A task that a cutover prepares to start: the way back of the task that is cut over.

use std::path::Path;

use serde::{Deserialize, Serialize};
use slackwater_decoders::position::Position;

use super::{Checkpoint, Completeness, Origin, Sidecar, Store, Stored};
use crate::error::{Error, Result};

const PREPARED: &[u8] = b"prepared";

/// What a task that a cutover prepares is told of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prepared {
    /// The task whose cutover prepared this one.
    pub by: String,
    /// The number of its attempt to cut over.
    pub attempt: u64,
    /// Where the source of that task, which is the destination of this one, stands still.
    pub standstill: Position,
    /// The settings that the fence there has changed, as they were before; `None` when it was not fenced by us.
    pub fence: Option<Vec<(String, String)>>,
    /// How far it came.
    pub stage: PreparedStage,
}

/// How far the start of a prepared task came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PreparedStage {
    /// The position is stored; the traffic is not turned over yet, or it is not known.
    Prepared,
    /// The traffic is turned over: the task may run.
    Started,
    /// The cutover was rolled back: the position means nothing.
    Withdrawn,
}

impl Store {
    /// Opens the store of a task that a cutover prepares, and forgets what an earlier round has left but for its
    /// generation and sequence. From here on the task does not run until it is [started](PreparedStage::Started).
    ///
    /// # Errors
    /// When another process holds it, or it cannot be written.
    pub fn prepare(directory: &Path, prepared: &Prepared) -> Result<(Self, Option<Checkpoint>)> {
        // In front of all: the file is replaced together with the store.
        let former = Sidecar::new(directory).read().ok().flatten().map(|stored| stored.checkpoint);
        let store = Store::open_for_import(directory)?;
        store.record_prepared(prepared)?;
        Ok((store, former))
    }

    /// Stores where a prepared task starts, above the generation of `former`. The history of definitions stays; the record of a cutover,
    /// of copies and of the rules is forgotten.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn start_at(&self, position: Position, former: Option<&Checkpoint>) -> Result<()> {
        let first = Checkpoint::first(position, Completeness::Complete);
        let checkpoint = match former {
            None => first,
            Some(former) => {
                Checkpoint { generation: former.generation + 1, sequence: former.sequence + 1, ..first }
            }
        };
        self.replace(&Stored { checkpoint, origin: Origin::Start, history: 0 }, self.history().export(), None)
    }

    /// What the cutover that prepared the task has left; `None` for a task that no cutover prepared.
    ///
    /// # Errors
    /// Definite, when the record is damaged.
    pub fn prepared(&self) -> Result<Option<Prepared>> {
        self.disk().get(PREPARED).map(|found| found.map(|(_, prepared)| prepared)).map_err(|damage| {
            Error::definite("the record of the cutover that prepared the task is damaged")
                .on(self.directory().display())
                .caused_by(damage)
        })
    }

    /// Records how far the start of a prepared task came. Durable when it returns.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn record_prepared(&self, prepared: &Prepared) -> Result<()> {
        self.disk().put(PREPARED, 0, prepared)
    }

    /// Makes sure that a task that a cutover prepared runs only when the traffic is turned over.
    ///
    /// # Errors
    /// Definite when it is not.
    pub fn require_started(&self) -> Result<()> {
        let Some(prepared) = self.prepared()? else { return Ok(()) };
        let why = match prepared.stage {
            PreparedStage::Started => return Ok(()),
            PreparedStage::Prepared => "whose traffic is not turned over yet",
            PreparedStage::Withdrawn => "which was rolled back",
        };
        Err(Error::definite(format!(
            "this task was prepared by the cutover of the task {}, {why}: it would write into a source in use",
            prepared.by
        ))
        .on(self.directory().display())
        .remedy(format!("start the task {} instead: it goes on as this one when it is cut over", prepared.by)))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn prepared(stage: PreparedStage) -> Prepared {
        Prepared {
            by: "shop".to_owned(),
            attempt: 1,
            standstill: Position::binlog("binlog.000001", 4, None),
            fence: None,
            stage,
        }
    }

    #[test]
    fn a_second_round_starts_anew_above_the_first_and_only_when_it_is_started() {
        let directory = tempfile::tempdir().unwrap();
        let position = |offset| Position::binlog("binlog.000002", offset, None);
        let (store, former) = Store::prepare(directory.path(), &prepared(PreparedStage::Prepared)).unwrap();
        assert_eq!(former, None);
        store.history().replace_all(&position(100), &[]).unwrap();
        store.start_at(position(100), None).unwrap();
        assert!(store.require_started().unwrap_err().to_string().contains("task shop"));
        store.record_prepared(&prepared(PreparedStage::Started)).unwrap();
        store.require_started().unwrap();
        let found = store.found().unwrap().checkpoint;
        let applied = Checkpoint { generation: 4, sequence: 7, position: position(900), ..found };
        store.save(&applied, Origin::Applied).unwrap();
        drop(store);

        let (store, former) = Store::prepare(directory.path(), &prepared(PreparedStage::Prepared)).unwrap();
        assert!(store.history().is_empty());
        store.history().replace_all(&position(2_000), &[]).unwrap();
        store.start_at(position(2_000), former.as_ref()).unwrap();
        drop(store);
        let store = Store::open(directory.path()).unwrap();
        let stored = store.found().unwrap();
        let Checkpoint { generation, sequence, .. } = stored.checkpoint;
        assert_eq!((generation, sequence, stored.checkpoint.position), (5, 8, position(2_000)));
        assert!(!store.history().is_empty() && store.require_started().is_err());
    }
}
