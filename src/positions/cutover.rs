//! The record of a task's cutover: its step, stored before it is taken, and what has to be taken back if it fails.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use slackwater_decoders::position::Position;

use super::Store;
use crate::error::{Error, Result};

const CUTOVER: &[u8] = b"cutover";

/// The step of a cutover.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CutoverStep {
    /// Nothing is under way: for its hour, or an operator.
    #[default]
    #[serde(alias = "armed")]
    Waiting,
    /// The source is being closed to writers.
    Fencing,
    /// What was committed before is applied, and it is made sure that nothing follows.
    Draining,
    /// Both ends are compared.
    Verifying,
    /// The destination is made ready to take over.
    Switching,
    /// The command, the webhook or the unit that turns the traffic over was started. Found at a start: nobody knows how it
    /// ended.
    #[serde(alias = "running")]
    Hooks,
    /// How one of them ended is not known: an operator says how it stands.
    #[serde(alias = "failed")]
    Undecided,
    /// The attempt failed, and what it did is taken back.
    RollingBack,
    /// The traffic is turned over; the reverse task is started.
    Reversing,
    /// The task is cut over.
    Done,
}

impl CutoverStep {
    /// Its name, as it is stored.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            CutoverStep::Waiting => "waiting",
            CutoverStep::Fencing => "fencing",
            CutoverStep::Draining => "draining",
            CutoverStep::Verifying => "verifying",
            CutoverStep::Switching => "switching",
            CutoverStep::Hooks => "hooks",
            CutoverStep::Undecided => "undecided",
            CutoverStep::RollingBack => "rolling back",
            CutoverStep::Reversing => "reversing",
            CutoverStep::Done => "done",
        }
    }

    /// Whether an attempt is under way, and nothing has been done yet that cannot be taken back.
    #[must_use]
    pub fn is_revocable(self) -> bool {
        use CutoverStep::{Draining, Fencing, RollingBack, Switching, Verifying};
        matches!(self, Fencing | Draining | Verifying | Switching | RollingBack)
    }
}

/// How long a step took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepTime {
    /// The step.
    pub step: CutoverStep,
    /// In milliseconds.
    pub millis: u64,
}

/// What is recorded of the cutover.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CutoverRecord {
    /// The step.
    pub step: CutoverStep,
    /// When it was taken, RFC 3339 in UTC.
    pub time: String,
    /// What happened, for a person.
    pub note: String,
    /// The number of the attempt, from 1; 0 before the first one.
    #[serde(default)]
    pub attempt: u64,
    /// Whether the attempt stops in front of the switch and takes everything back.
    #[serde(default)]
    pub dry_run: bool,
    /// Attempts in a row that were rolled back.
    #[serde(default)]
    pub failures: u32,
    /// Where both sides stand still.
    #[serde(default)]
    pub standstill: Option<Position>,
    /// The steps of the attempt that ended, with the time they took.
    #[serde(default)]
    pub durations: Vec<StepTime>,
    /// What has to be taken back if the attempt fails.
    #[serde(default)]
    pub undo: Undo,
    /// Those of command, webhook and unit that turned the traffic over.
    #[serde(default)]
    pub switched_by: Vec<String>,
    /// What they were told of the cutover (JSON).
    #[serde(default)]
    pub description: Option<String>,
}

/// What an attempt has done, or was about to do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undo {
    /// The settings of the source that the fence changes, as they were before; `None` when it was not fenced by these.
    #[serde(default)]
    pub fence: Option<Vec<(String, String)>>,
    /// Whether the operator's command has to lower the fence.
    #[serde(default)]
    pub fence_command: bool,
    /// The statements that act on rows by themselves, as the destination's plan had them (JSON).
    #[serde(default)]
    pub statements: Option<String>,
    /// Whether the destination, which an earlier cutover had closed, was opened.
    #[serde(default)]
    pub gate: bool,
    /// Whether the reverse task was prepared.
    #[serde(default)]
    pub reverse: bool,
}

impl Undo {
    /// Whether there is nothing to take back.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Undo::default()
    }
}

impl CutoverRecord {
    /// The time of a step that is taken now.
    #[must_use]
    pub fn now() -> String {
        Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }
}

impl Store {
    /// The recorded step of the cutover.
    ///
    /// # Errors
    /// Definite, when the record is damaged.
    pub fn cutover(&self) -> Result<Option<CutoverRecord>> {
        self.disk().get(CUTOVER).map(|found| found.map(|(_, record)| record)).map_err(|damage| {
            Error::definite("the record of the cutover is damaged")
                .on(self.directory().display())
                .caused_by(damage)
                .remedy(
                    "find out whether the cutover took place, then `slackwater cutover TASK.toml --accept` or --undo",
                )
        })
    }

    /// Records a step of the cutover durably. Blocks for some milliseconds.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn record_cutover(&self, record: &CutoverRecord) -> Result<()> {
        self.disk().put(CUTOVER, 0, record)
    }

    /// Forgets that there was a cutover.
    pub(super) fn forget_cutover(&self) -> Result<()> {
        self.disk().remove(CUTOVER)
    }
}
