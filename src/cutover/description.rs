//! What hooks are told of a cutover.

use serde::Serialize;
use serde_json::{Value, json};
use slackwater_decoders::{
    position::{LogPosition, Position},
    schema::counter::Counter,
};

use super::{machine::Machine, parts::Summary};
use crate::sources::fencing::Writer;

/// What an attempt has found out up to its hooks.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings {
    /// Where the source stands still.
    pub(super) standstill: Option<Position>,
    /// Sessions that can still write behind the fence.
    pub(super) writers: Vec<Writer>,
    /// The outcome of the comparison, where there was one.
    pub(super) verification: Option<Summary>,
    /// Counters that have no place at the destination, with the reason.
    pub(super) left_counters: Vec<(Counter, String)>,
    /// Objects that the destination refused.
    pub(super) refused: Vec<String>,
    /// The generation behind the switch.
    pub(super) generation: u64,
    /// Where the reverse task starts.
    pub(super) reverse: Option<Position>,
}

#[derive(Serialize)]
struct Place<'a> {
    text: String,
    #[serde(flatten)]
    position: &'a Position,
}

fn place(position: Option<&Position>) -> Option<Place<'_>> {
    position.map(|position| Place { text: position.to_string(), position })
}

impl Machine {
    /// The description of the cutover as JSON.
    pub(super) fn describe(&self, findings: &Findings) -> String {
        let record = self.journal.record();
        let counters: Vec<Value> = findings
            .left_counters
            .iter()
            .map(|(counter, why)| json!({ "counter": counter.name.to_string(), "next": counter.next.to_string(), "why": why }))
            .collect();
        let reverse = self.parts.reverse.as_ref().map(|reverse| {
            json!({ "task": reverse.name(), "file": reverse.file(), "position": place(findings.reverse.as_ref()) })
        });
        json!({
            "task": &*self.task,
            "attempt": record.attempt,
            "position": place(findings.standstill.as_ref()),
            "rows": self.status.snapshot().rows,
            "source": self.source.describe(),
            "destination": &*self.destination,
            "durations": record.durations,
            "writers": findings.writers,
            "verification": findings.verification,
            "counters_left": counters,
            "objects_refused": findings.refused,
            "generation": findings.generation,
            "reverse": reverse,
        })
        .to_string()
    }

    /// What the command that closes the source is told: nothing stands still yet.
    pub(super) fn describe_for_fence(&self) -> String {
        json!({
            "task": &*self.task,
            "attempt": self.journal.record().attempt,
            "source": self.source.describe(),
            "destination": &*self.destination,
        })
        .to_string()
    }

    /// Environment of the commands.
    pub(super) fn environment(&self) -> Vec<(&'static str, String)> {
        let record = self.journal.record();
        let mut environment = vec![
            ("SLACKWATER_TASK", self.task.to_string()),
            ("SLACKWATER_STATE_DIR", self.state_dir.display().to_string()),
            ("SLACKWATER_ATTEMPT", record.attempt.to_string()),
            ("SLACKWATER_ROWS", self.status.snapshot().rows.to_string()),
        ];
        let Some(Position { log, executed }) = record.standstill else { return environment };
        let position = Position { log: log.clone(), executed: executed.clone() };
        environment.push(("SLACKWATER_POSITION", position.to_string()));
        match log {
            LogPosition::Binlog { file, offset } => environment.extend([
                ("SLACKWATER_FILE", file.to_string()),
                ("SLACKWATER_OFFSET", offset.to_string()),
                ("SLACKWATER_GTID", executed.as_ref().map(ToString::to_string).unwrap_or_default()),
            ]),
            LogPosition::Wal { lsn, .. } => environment.push(("SLACKWATER_LSN", lsn.to_string())),
        }
        environment
    }
}
