//! The first cutover: when source and destination stand still relative to each other, the configured command is run
//! once, the outcome recorded, and the task stops or goes on.
//!
//! Each step is recorded before it is taken: `armed` → `running` → `done` or `failed`. A start that finds `running`
//! does not know whether the command took effect; it never runs it again by itself, and says so.

mod command;
pub mod parts;
pub mod reverse;

use std::path::PathBuf;

use async_trait::async_trait;
use slackwater_decoders::position::{LogPosition, Position};
use tokio::{sync::watch, task::spawn_blocking};
use tracing::{error, info, warn};

use self::command::Outcome;
use crate::{
    config::{After, Cutover as Settings},
    error::{Error, Result},
    pipeline::{
        status::StatusBoard,
        tail::{AtZero, Next, Zero},
    },
    positions::{CutoverRecord, CutoverStep, Store},
};

const REMEDY: &str = "find out whether the command took effect; then `slackwater cutover TASK.toml --accept` (it did: the \
                      task counts as cut over) or `--rearm` (it did not: it runs again at the next zero)";

/// What is to happen at zero, and what happened already.
pub struct Cutover {
    task: String,
    state_dir: PathBuf,
    store: Store,
    settings: watch::Receiver<Settings>,
    status: StatusBoard,
    step: CutoverStep,
}

/// What a start finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// The log is followed.
    Follow,
    /// The task was cut over and is to stop after it: there is nothing to do.
    AlreadyDone,
}

impl Cutover {
    /// Takes up the cutover where the store left it.
    ///
    /// # Errors
    /// Definite: the command was interrupted or failed in a task that ends with its cutover, and an operator has to say
    /// how it stands.
    pub fn resume(
        task: &str,
        store: Store,
        settings: watch::Receiver<Settings>,
        status: StatusBoard,
    ) -> Result<(Self, Entry)> {
        let record = store.cutover()?;
        let step = record.as_ref().map_or(CutoverStep::Armed, |record| record.step);
        let state_dir = store.directory().to_owned();
        let mut cutover = Cutover { task: task.to_owned(), state_dir, store, settings, status, step };
        let Some(record) = record else { return Ok((cutover, Entry::Follow)) };
        cutover.tell(&record);
        let stops = cutover.settings.borrow().after == After::Stop;
        match record.step {
            CutoverStep::Done if stops => return Ok((cutover, Entry::AlreadyDone)),
            CutoverStep::Done | CutoverStep::Armed => {}
            CutoverStep::Running => {
                let note = "the daemon ended while the command ran: how it ended is not known".to_owned();
                let failed = CutoverRecord { step: CutoverStep::Failed, time: now(), note, ..record };
                cutover.record(failed.clone())?;
                cutover.refuse_or_warn(&failed, stops)?;
            }
            CutoverStep::Failed => cutover.refuse_or_warn(&record, stops)?,
        }
        Ok((cutover, Entry::Follow))
    }

    /// A task that ends with its cutover must not go on writing to a destination that may be in use already.
    fn refuse_or_warn(&self, record: &CutoverRecord, stops: bool) -> Result<()> {
        let message = format!("the cutover of {} did not end well: {}", record.time, record.note);
        if stops {
            return Err(Error::definite(message).on(&self.task).remedy(REMEDY));
        }
        warn!(message, remedy = REMEDY, "the log is followed, the command does not run again");
        Ok(())
    }

    fn record(&mut self, record: CutoverRecord) -> Result<()> {
        self.store.record_cutover(&record)?;
        self.step = record.step;
        self.tell(&record);
        Ok(())
    }

    fn tell(&self, record: &CutoverRecord) {
        let told = format!("{} at {}: {}", step_name(record.step), record.time, record.note);
        self.status.update(|status| status.cutover = Some(told));
    }

    /// Environment of the command: what was reached, where.
    fn environment(&self, zero: &Zero) -> Vec<(&'static str, String)> {
        let Position { log, executed } = &zero.position;
        let mut environment = vec![
            ("SLACKWATER_TASK", self.task.clone()),
            ("SLACKWATER_STATE_DIR", self.state_dir.display().to_string()),
            ("SLACKWATER_POSITION", zero.position.to_string()),
            ("SLACKWATER_ROWS", zero.rows.to_string()),
            ("SLACKWATER_REASON", "zero-twice".to_owned()),
        ];
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

    async fn run_command(&mut self, settings: &Settings, zero: &Zero) -> Result<CutoverRecord> {
        let running = CutoverRecord {
            step: CutoverStep::Running,
            time: now(),
            position: Some(zero.position.to_string()),
            exit_code: None,
            note: "the command runs".to_owned(),
        };
        self.record(running.clone())?;
        let outcome = command::run(&settings.command, self.environment(zero), settings.timeout).await;
        let (step, exit_code, note) = match outcome {
            Outcome::Exited(0) => {
                (CutoverStep::Done, Some(0), "the command ended with exit code 0".to_owned())
            }
            Outcome::Exited(code) => {
                (CutoverStep::Failed, Some(code), format!("the command ended with exit code {code}"))
            }
            Outcome::Broken(why) => (CutoverStep::Failed, None, why),
        };
        let ended = CutoverRecord { step, time: now(), exit_code, note, ..running };
        self.record(ended.clone())?;
        Ok(ended)
    }
}

#[async_trait]
impl AtZero for Cutover {
    fn is_wanted(&self) -> bool {
        self.step == CutoverStep::Armed && self.settings.borrow().is_wanted()
    }

    async fn at_zero(&mut self, zero: &Zero) -> Result<Next> {
        let settings = self.settings.borrow().clone();
        let next = if settings.after == After::Stop { Next::Stop } else { Next::Continue };
        if settings.command.is_empty() {
            // Nothing was switched: the next start follows the log to its next standstill.
            self.status.update(|status| status.cutover = Some(format!("zero reached at {}", zero.position)));
            return Ok(next);
        }
        info!(position = %zero.position, program = settings.command.first(), "running the cutover command");
        let record = self.run_command(&settings, zero).await?;
        if record.step == CutoverStep::Done {
            info!(position = %zero.position, note = record.note, "cut over");
            return Ok(next);
        }
        let message = format!("the cutover did not end well: {}", record.note);
        if next == Next::Stop {
            return Err(Error::definite(message).on(&self.task).at(&zero.position.log).remedy(REMEDY));
        }
        error!(message, remedy = REMEDY, "the log is followed on");
        Ok(Next::Continue)
    }
}

/// What an operator says about a cutover whose end is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It took effect.
    Accept,
    /// It did not: the command may run again.
    Rearm,
}

/// Records an operator's word on the cutover.
///
/// # Errors
/// When the store cannot be written.
pub async fn decide(store: Store, verdict: Verdict) -> Result<CutoverRecord> {
    let former = store.cutover().ok().flatten();
    let (step, note) = match verdict {
        Verdict::Accept => (CutoverStep::Done, "accepted by the operator"),
        Verdict::Rearm => (CutoverStep::Armed, "armed again by the operator"),
    };
    let record = CutoverRecord {
        step,
        time: now(),
        position: former.as_ref().and_then(|record| record.position.clone()),
        exit_code: former.and_then(|record| record.exit_code),
        note: note.to_owned(),
    };
    let written = record.clone();
    spawn_blocking(move || store.record_cutover(&written))
        .await
        .map_err(|error| Error::definite("recording was broken off").caused_by(error))??;
    Ok(record)
}

/// The step's name as it is stored.
#[must_use]
pub fn step_name(step: CutoverStep) -> &'static str {
    match step {
        CutoverStep::Armed => "armed",
        CutoverStep::Running => "running",
        CutoverStep::Done => "done",
        CutoverStep::Failed => "failed",
    }
}

fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
#[path = "cutover_tests.rs"]
mod tests;
