//! Closing the source to writers, and opening it again.

use std::time::Duration;

use tracing::{info, warn};

use super::{
    hooks::command::{self, Outcome},
    limit::Limit,
    machine::Machine,
};
use crate::{
    config::{Cutover as Settings, Fence},
    error::{Error, Result},
    positions::Undo,
    sources::{
        Source,
        fencing::{FencePlan, FenceState, Fencing, Writer},
    },
};

/// What closes the source of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Means {
    /// The source itself.
    Source,
    /// The operator's command.
    Command,
    /// Nobody: why, for people.
    Nobody(&'static str),
}

impl Machine {
    /// What closes the source.
    pub(super) fn means(&self) -> Means {
        means(&self.settings, &*self.source)
    }

    /// How the source stands, where it fences itself. Changes nothing.
    ///
    /// # Errors
    /// When the source cannot be asked; definite when prepared transactions wait, which could commit behind any fence.
    pub(super) async fn look(&self) -> Result<Option<FencePlan>> {
        let Some(fencing) = self.fencing() else { return Ok(None) };
        let plan = fencing.look().await?;
        refuse_prepared(&plan.writers)?;
        Ok(Some(plan))
    }

    fn fencing(&self) -> Option<&dyn Fencing> {
        self.source.fencing().filter(|_| self.means() == Means::Source)
    }

    /// Closes the source; those who can still write.
    pub(super) async fn raise(&self, plan: Option<&FencePlan>, limit: &Limit) -> Result<Vec<Writer>> {
        match self.means() {
            Means::Nobody(why) => {
                info!(why, "the source is not closed");
                Ok(Vec::new())
            }
            Means::Command => {
                limit.within(self.fence_command("raise")).await?;
                Ok(Vec::new())
            }
            Means::Source => {
                let (Some(fencing), Some(plan)) = (self.fencing(), plan) else { return Ok(Vec::new()) };
                limit.within(fencing.raise(&plan.former)).await?;
                let writers = limit.within(fencing.writers()).await?;
                refuse_prepared(&writers)?;
                for writer in &writers {
                    warn!(
                        id = writer.id,
                        user = writer.user,
                        host = writer.host,
                        database = writer.database,
                        why = writer.why,
                        "can still write"
                    );
                }
                Ok(writers)
            }
        }
    }

    /// Who can still write; nobody where the source does not fence itself.
    pub(super) async fn writers(&self) -> Result<Vec<Writer>> {
        match self.fencing() {
            Some(fencing) => fencing.writers().await,
            None => Ok(Vec::new()),
        }
    }

    /// What [`raise`](Self::raise) is about to do, to be stored before it.
    pub(super) fn fence_undo(&self, plan: Option<&FencePlan>) -> Undo {
        Undo {
            fence: plan.map(|plan| plan.former.0.clone()),
            fence_command: self.means() == Means::Command,
            ..Undo::default()
        }
    }

    /// Opens the source again, as far as it was closed.
    ///
    /// # Errors
    /// When it refuses, cannot be reached, or the command fails: it may still be closed.
    pub(super) async fn lower(&self, undo: &Undo) -> Result<()> {
        if undo.fence_command {
            self.fence_command("lower").await?;
        }
        let Some(former) = &undo.fence else { return Ok(()) };
        let fencing = self.source.fencing().ok_or_else(|| {
            Error::definite("the source was closed by its own means, and this source has none")
                .on(self.source.describe())
                .remedy("was [source] changed since? Run the task as it was, or open the former source by hand, then `slackwater cutover TASK.toml --accept`")
        })?;
        fencing.lower(&FenceState(former.clone())).await
    }

    async fn fence_command(&self, verb: &str) -> Result<()> {
        /// Beside `cutover.downtime`, which bounds `raise`.
        const LONGEST: Duration = Duration::from_secs(24 * 3600);
        let mut argv = self.settings.fence_command.clone();
        argv.push(verb.to_owned());
        let limit = if verb == "lower" { self.settings.timeout } else { LONGEST };
        let description = self.describe_for_fence();
        match command::run(&argv, self.environment(), description.as_bytes(), limit).await {
            Outcome::Exited(0) => Ok(()),
            Outcome::Exited(code) => {
                Err(Error::definite(format!("cutover.fence_command {verb} ended with exit code {code}")))
            }
            Outcome::NotStarted(why) | Outcome::Broken(why) => {
                Err(Error::definite(format!("cutover.fence_command {verb}: {why}")))
            }
        }
    }
}

/// What closes a source.
pub(super) fn means(settings: &Settings, source: &dyn Source) -> Means {
    match settings.fence {
        Fence::None => Means::Nobody("cutover.fence = \"none\": nobody is kept from writing"),
        Fence::Command => Means::Command,
        Fence::Source if source.fencing().is_some() => Means::Source,
        Fence::Source => Means::Nobody("this source takes no writes, or cannot be closed to writers"),
    }
}

/// A prepared transaction commits whenever its coordinator says so.
pub(super) fn refuse_prepared(writers: &[Writer]) -> Result<()> {
    let prepared: Vec<_> =
        writers.iter().filter(|writer| writer.id.starts_with("prepared")).map(|writer| &*writer.id).collect();
    if prepared.is_empty() {
        return Ok(());
    }
    Err(Error::definite(format!(
        "transactions are prepared at the source, and no fence holds them back: {}",
        prepared.join(", ")
    ))
    .remedy("commit them or roll them back, then cut over"))
}

/// Sessions that can still write, in a sentence.
pub(super) fn told(writers: &[Writer]) -> String {
    let told: Vec<_> = writers
        .iter()
        .map(|writer| format!("{} of {}@{} ({})", writer.id, writer.user, writer.host, writer.why))
        .collect();
    told.join("; ")
}
