//! Taking an attempt back.

use std::future::Future;

use tokio::time::sleep;
use tracing::{error, info, warn};

use super::{
    failpoint::{Side, failpoint},
    machine::Machine,
};
use crate::{
    destinations::{Destination, schema::PlannedStatement},
    error::{Error, Result},
    pipeline::retry::Retries,
    positions::{CutoverStep, Undo},
};

impl Machine {
    /// Takes back what the attempt has done, and waits again. `destination` is the one that nobody else uses, where statements
    /// have run at it: an attempt that was not in its switch has changed nothing there.
    ///
    /// The order: the destination is closed again where we opened it, then the source is opened, for which its users wait. What
    /// acts on rows by itself goes last, and before anything is applied.
    ///
    /// # Errors
    /// When something cannot be taken back, after the time for errors that may pass: the next start goes on with it.
    pub(super) async fn roll_back(
        &self,
        why: &str,
        is_failure: bool,
        destination: Option<&mut dyn Destination>,
    ) -> Result<()> {
        let undo = self.journal.record().undo;
        self.journal.enter(CutoverStep::RollingBack, why, |_| {}).await?;
        failpoint(CutoverStep::RollingBack, Side::Before).await;
        if is_failure {
            error!(why, "the cutover is rolled back");
        }
        self.take_back(&undo, destination).await.map_err(|error| {
            error.remedy(
                "the cutover is not taken back to the end, and the source may still be closed to writers: repair the cause and start \
                 the task again, which goes on with it",
            )
        })?;
        failpoint(CutoverStep::RollingBack, Side::After).await;
        let outcome = if is_failure {
            format!("rolled back, the source is open: {why}")
        } else {
            format!("{why}; the source is open")
        };
        self.journal
            .enter(CutoverStep::Waiting, outcome, |record| {
                record.undo = Undo::default();
                record.failures = if is_failure { record.failures + 1 } else { 0 };
            })
            .await
    }

    async fn take_back(&self, undo: &Undo, destination: Option<&mut dyn Destination>) -> Result<()> {
        if let (true, Some(gate)) = (undo.gate, &self.parts.gate) {
            self.insist("closing the destination again", async || gate.close().await).await?;
        }
        if undo.fence.is_some() || undo.fence_command {
            self.insist("opening the source", async || self.lower(undo).await).await?;
            info!("the source is open to writers");
        }
        if let (true, Some(reverse)) = (undo.reverse, &self.parts.reverse) {
            self.insist("forgetting the start of the reverse task", async || reverse.forget().await).await?;
        }
        let statements = statements(undo)?;
        if statements.is_empty() {
            return Ok(());
        }
        let Some(destination) = destination else {
            return Err(Error::definite("the destination is not at hand to take statements back"));
        };
        let mut retries = Retries::new(self.retry);
        loop {
            // What a broken off statement has left is not known: from a new connection.
            let withdrawn = match destination.open().await {
                Ok(_) => destination.withdraw(&statements).await,
                Err(error) => Err(error),
            };
            let Err(error) = withdrawn else { return Ok(()) };
            let (pause, error) = retries.after(error)?;
            warn!(%error, ?pause, "taking back what acts on rows at the destination");
            sleep(pause).await;
        }
    }

    /// Tries something again for as long as errors may last.
    pub(super) async fn insist<F: Future<Output = Result<()>>>(
        &self,
        what: &str,
        act: impl Fn() -> F,
    ) -> Result<()> {
        let mut retries = Retries::new(self.retry);
        loop {
            let Err(error) = act().await else { return Ok(()) };
            let (pause, error) = retries.after(error)?;
            warn!(%error, ?pause, what, "trying again");
            sleep(pause).await;
        }
    }
}

fn statements(undo: &Undo) -> Result<Vec<PlannedStatement>> {
    let Some(text) = &undo.statements else { return Ok(Vec::new()) };
    serde_json::from_str(text).map_err(|error| {
        Error::definite("the recorded statements of the cutover cannot be read")
            .caused_by(error)
            .remedy("drop the triggers and events that the cutover has created at the destination, then `slackwater cutover TASK.toml --undo`")
    })
}
