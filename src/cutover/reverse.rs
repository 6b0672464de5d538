//! The task from the destination back to the source: checked before the cutover, prepared inside the switch, started behind it.
//!
//! **No echo.** [`prepare`](ReverseTask::prepare) reads the end of the destination's log when the forward task is at rest and has
//! made its last change there, and nobody else writes yet. What the forward task has applied lies before that position, so that none of it comes
//! back. What is written later at the destination is written by others. (The checkpoint of the forward task is in a database that no task
//! carries.)
//!
//! **Rounds.** A task can be prepared again, when the traffic went back and forth: its local position is replaced at once, the
//! checkpoint at its destination when it is [started](ReverseTask::start), because nothing can be written there behind the
//! fence before. Between both it does not run (`Store::require_started`), so that the old checkpoint cannot win.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use slackwater_decoders::{
    position::Position,
    schema::{Table, definition::ObjectKind},
};
use tokio::task::spawn_blocking;
use tracing::{info, warn};

use super::parts::{DestinationGate, ReverseTask, Switch};
use crate::{
    config::{After, DestinationConfig, Start, Task},
    destinations::Destination,
    error::{Error, Result},
    mapping::{Mapping, Selection},
    positions::{Checkpoint, Completeness, CutoverStep, Origin, Prepared, PreparedStage, Store},
    sources::{Finding, Level, Plan, Source, fencing::FenceState},
};

/// Makes a destination that is not connected yet.
pub type NewDestination = Box<dyn Fn() -> Result<Box<dyn Destination>> + Send + Sync>;

/// The way back of a task.
pub struct Reverse {
    file: PathBuf,
    task: Task,
    source: Arc<dyn Source>,
    destination: NewDestination,
    mapping: Arc<Mapping>,
    forward: Forward,
}

/// The task that a way back is for.
pub struct Forward {
    /// Its name.
    pub name: String,
    /// Its state directory.
    pub state_dir: PathBuf,
    /// What it reads: the destination of the way back.
    pub source: Arc<dyn Source>,
    /// Its rules.
    pub mapping: Arc<Mapping>,
}

impl Reverse {
    /// The way back that `file` describes, `task` being its content.
    ///
    /// # Errors
    /// Definite when it has the name or the state directory of the forward task.
    pub fn new(
        file: &Path,
        task: Task,
        source: Arc<dyn Source>,
        destination: NewDestination,
        mapping: Arc<Mapping>,
        forward: Forward,
    ) -> Result<Self> {
        for (key, is_same) in
            [("name", task.name == forward.name), ("state_dir", task.state_dir == forward.state_dir)]
        {
            if is_same {
                return Err(Error::definite(format!(
                    "the task that cutover.reverse names has the `{key}` of the task itself"
                ))
                .on(file.display())
                .remedy("`slackwater reverse` writes a file with a name and a state directory of its own"));
            }
        }
        Ok(Reverse { file: file.to_owned(), task, source, destination, mapping, forward })
    }

    /// Whether the rules of both ways undo each other, for the tables that there are now.
    async fn check_names(&self) -> Finding {
        const CODE: &str = "reverse.names";
        let tables = match self.forward.source.definitions().await {
            Ok(tables) => tables,
            Err(error) => return Finding::unanswered(CODE, &error),
        };
        let wrong: Vec<String> = tables.iter().filter_map(|table| self.misled(table)).collect();
        if wrong.is_empty() {
            return Finding::ok(CODE, format!("{} tables come back under their names", tables.len()));
        }
        let repair = "`slackwater reverse` writes the rules of the way back; change [objects] and [[mapping]] of its file";
        Finding::error(CODE, wrong.join("; "), repair)
    }

    /// What would become of a table of the forward task's source; `None` when it comes back to itself.
    fn misled(&self, table: &Arc<Table>) -> Option<String> {
        let there = self.forward.mapping.target_name(&table.name);
        if !Selection::new(&self.task.objects).includes(&there) {
            return Some(format!("{there} ({} at the source) is not carried back", table.name));
        }
        let back = self.mapping.target_name(&there);
        (back != table.name).then(|| format!("{there} would become {back}, and not {}", table.name))
    }

    /// Whether triggers at its destination would fire on what it applies, the effects of which the log has already: a session of MySQL
    /// cannot switch them off.
    async fn check_triggers(&self) -> Option<Finding> {
        const CODE: &str = "reverse.triggers";
        if !matches!(self.task.destination, DestinationConfig::Mysql(_)) {
            return None;
        }
        let objects = match self.forward.source.schema(None).await {
            Ok(schema) => schema.map(|schema| schema.objects).unwrap_or_default(),
            Err(error) => return Some(Finding::unanswered(CODE, &error)),
        };
        let triggers = objects.iter().filter(|object| object.kind == ObjectKind::Trigger);
        let names: Vec<String> = triggers.map(|trigger| trigger.name.to_string()).collect();
        if names.is_empty() {
            return Some(Finding::ok(CODE, "no triggers would fire on what is applied"));
        }
        let found = format!(
            "triggers would fire on what is applied to {}, and do a second time what the log has already: {}",
            self.forward.source.describe(),
            names.join(", ")
        );
        let repair =
            "cut over without `cutover.reverse`; or without the triggers, where the application can do so";
        Some(Finding::error(CODE, found, repair))
    }

    /// Whether its state directory can be written to and is nobody else's.
    async fn check_store(&self) -> Finding {
        const CODE: &str = "reverse.state_dir";
        let directory = self.task.state_dir.clone();
        if !directory.exists() {
            return Finding::ok(CODE, format!("{} will be created", directory.display()));
        }
        match blocking(move || Store::open(&directory).map(drop)).await {
            Ok(()) => Finding::ok(CODE, format!("{} is free", self.task.state_dir.display())),
            Err(error) => Finding::unanswered(CODE, &error),
        }
    }

    /// The checkpoint that its destination starts with, above all that either end knows.
    async fn store_checkpoint(&self) -> Result<()> {
        let mut destination = (self.destination)()?;
        let there = destination.open().await?.map(|standing| standing.checkpoint);
        let directory = self.task.state_dir.clone();
        let checkpoint = blocking(move || {
            let store = Store::open(&directory)?;
            let local = store.found().ok_or_else(|| not_prepared(&directory))?.checkpoint;
            let above = |now: u64, there: Option<u64>| there.map_or(now, |there| now.max(there + 1));
            let checkpoint = Checkpoint {
                generation: above(local.generation, there.as_ref().map(|there| there.generation)),
                sequence: above(local.sequence, there.as_ref().map(|there| there.sequence)),
                completeness: Completeness::Complete,
                ..local
            };
            store.save(&checkpoint, Origin::Start)?;
            Ok(checkpoint)
        })
        .await?;
        destination.store_checkpoint(&checkpoint).await
    }

    async fn record(&self, stage: PreparedStage) -> Result<()> {
        let directory = self.task.state_dir.clone();
        blocking(move || {
            let store = Store::open(&directory)?;
            match store.prepared()? {
                Some(prepared) => store.record_prepared(&Prepared { stage, ..prepared }),
                None => Err(not_prepared(&directory)),
            }
        })
        .await
    }

    async fn prepared(&self) -> Result<Option<Prepared>> {
        let directory = self.task.state_dir.clone();
        if !directory.exists() {
            return Ok(None);
        }
        blocking(move || Store::open(&directory)?.prepared()).await
    }
}

#[async_trait]
impl ReverseTask for Reverse {
    fn file(&self) -> PathBuf {
        self.file.clone()
    }

    fn name(&self) -> String {
        self.task.name.clone()
    }

    async fn check(&self) -> Vec<Finding> {
        let selection = Selection::new(&self.task.objects);
        let tables = self.source.definitions().await.unwrap_or_default();
        let filtered = self.mapping.filtered(&tables);
        let plan = Plan { start: &Start::Now, stored: None, selection: &selection, filtered: &filtered };
        let mut findings = vec![self.check_names().await, self.check_store().await];
        findings.extend(self.check_triggers().await);
        findings.extend(self.source.check(&plan).await);
        match (self.destination)() {
            Ok(mut destination) => {
                findings.extend(destination.check(&self.mapping.at_destination(&tables)).await);
            }
            Err(error) => findings.push(Finding::unanswered("reverse.destination", &error)),
        }
        for finding in findings.iter_mut().filter(|finding| finding.level != Level::Ok) {
            finding.found = format!("the reverse task {}: {}", self.task.name, finding.found);
        }
        findings
    }

    async fn prepare(&self, switch: &Switch) -> Result<Position> {
        let prepared = Prepared {
            by: switch.task.clone(),
            attempt: switch.attempt,
            standstill: switch.position.clone(),
            fence: switch.fence.clone().map(|FenceState(settings)| settings),
            stage: PreparedStage::Prepared,
        };
        let directory = self.task.state_dir.clone();
        let (store, former) = blocking(move || Store::prepare(&directory, &prepared)).await?;
        let position = self.source.start_position(&Start::Now).await?;
        // Nobody changes them meanwhile, so that those of now are those at the position.
        let tables = self.source.definitions().await?;
        let (at, history) = (position.clone(), store.history().clone());
        blocking(move || history.replace_all(&at, &tables)).await?;
        let start = position.clone();
        blocking(move || store.start_at(start, former.as_ref())).await?;
        info!(task = self.task.name, %position, "the reverse task is prepared");
        Ok(position)
    }

    async fn start(&self) -> Result<()> {
        let Some(prepared) = self.prepared().await? else { return Err(not_prepared(&self.task.state_dir)) };
        if let (Some(fencing), Some(fence)) = (self.forward.source.fencing(), prepared.fence) {
            fencing.admit_replay(&FenceState(fence)).await?;
        }
        match prepared.stage {
            PreparedStage::Started => Ok(()),
            PreparedStage::Withdrawn => Err(not_prepared(&self.task.state_dir)),
            PreparedStage::Prepared => {
                self.store_checkpoint().await?;
                self.record(PreparedStage::Started).await?;
                info!(task = self.task.name, "the reverse task starts: the former source follows");
                Ok(())
            }
        }
    }

    async fn forget(&self) -> Result<()> {
        match self.prepared().await? {
            Some(Prepared { stage: PreparedStage::Prepared, .. }) => {}
            _ => return Ok(()),
        }
        for belonging in self.source.release().await? {
            info!(kind = belonging.kind, name = belonging.name, "removed: the cutover was rolled back");
        }
        self.record(PreparedStage::Withdrawn).await
    }
}

/// Which of the two tasks, there and back, has to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InCharge {
    /// This one. With the settings of its destination from before the fence, where a cutover has closed that.
    Own(Option<FenceState>),
    /// The one that its `cutover.reverse` names.
    Reverse,
}

/// Which of the two tasks, there and back, has to run: this one, unless it is cut over and the other one goes on, or the cutover of the other one
/// has prepared it and is not through.
///
/// # Errors
/// When the store is in use or damaged; when this one is not to run and names no other.
pub fn in_charge(task: &Task) -> Result<InCharge> {
    if !task.state_dir.exists() {
        return Ok(InCharge::Own(None));
    }
    let store = Store::open(&task.state_dir)?;
    let has_reverse = task.cutover.reverse.is_some() && task.cutover.after == After::Stop;
    let prepared = store.prepared()?;
    let started = store.require_started();
    if started.is_err() && has_reverse {
        return Ok(InCharge::Reverse);
    }
    started?;
    let is_cut_over = store.cutover()?.is_some_and(|record| record.step == CutoverStep::Done);
    if is_cut_over && has_reverse {
        return Ok(InCharge::Reverse);
    }
    Ok(InCharge::Own(prepared.and_then(|prepared| prepared.fence).map(FenceState)))
}

/// The destination of a reverse task: the source of the task that was cut over, which is still closed to others.
pub struct FormerSource {
    source: Arc<dyn Source>,
    former: FenceState,
}

impl FormerSource {
    /// The gate of a destination that a fence has closed, which brings back `former`. `source` is the same database, to be asked as
    /// a source is.
    #[must_use]
    pub fn new(source: Arc<dyn Source>, former: FenceState) -> Self {
        FormerSource { source, former }
    }
}

#[async_trait]
impl DestinationGate for FormerSource {
    fn describe(&self) -> String {
        self.source.describe()
    }

    async fn open(&self) -> Result<()> {
        match self.source.fencing() {
            Some(fencing) => fencing.lower(&self.former).await,
            None => {
                warn!(destination = self.describe(), "cannot be opened by us: open it to the applications");
                Ok(())
            }
        }
    }

    async fn close(&self) -> Result<()> {
        let Some(fencing) = self.source.fencing() else { return Ok(()) };
        fencing.raise(&self.former).await?;
        fencing.admit_replay(&self.former).await
    }
}

fn not_prepared(directory: &Path) -> Error {
    Error::definite("the reverse task is not prepared: its state directory is not the one of the cutover, or was removed")
        .on(directory.display())
        .remedy(
            "bring the state directory back; without it the changes at the new primary since the switch can only be brought back \
             by a copy (a task with start = \"snapshot\")",
        )
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    spawn_blocking(work)
        .await
        .map_err(|error| Error::definite("working on the state directory was broken off").caused_by(error))?
}
