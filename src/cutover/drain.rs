//! Applying what was committed before the source was closed, and making sure that nothing follows.

use std::time::Duration;

use slackwater_decoders::position::Position;
use tokio::time::sleep;

use super::{
    fence::{self, Means},
    limit::Limit,
    machine::Machine,
};
use crate::{
    error::{Error, Result},
    pipeline::handle::TailHandle,
};

impl Machine {
    /// Reads the end of the log and waits until it is applied, twice: between both nothing that concerns the task may have
    /// changed. Where both sides stand still.
    ///
    /// The log itself may grow (PostgreSQL writes to it by itself): what counts is changes that the task carries.
    ///
    /// # Errors
    /// Definite when somebody still writes.
    pub(super) async fn drain(&self, tail: &TailHandle, limit: &Limit) -> Result<Position> {
        limit.within(self.apply_to_the_end(tail)).await?;
        let before = tail.changes();
        limit.within(self.watch()).await?;
        let end = limit.within(self.apply_to_the_end(tail)).await?;
        let changes = tail.changes() - before;
        let writers = limit.within(self.writers()).await?;
        if changes == 0 {
            // A branch of a distributed transaction that was open at the fence can still be prepared behind it (MySQL).
            fence::refuse_prepared(&writers)?;
            return Ok(end);
        }
        let who = if writers.is_empty() { String::new() } else { format!(": {}", fence::told(&writers)) };
        Err(Error::definite(format!(
            "somebody still writes to the source ({changes} changes behind the fence){who}"
        ))
        .remedy("end the writers, or take their right to write behind the fence"))
    }

    /// Where the fence does not say that nobody writes, time has to.
    async fn watch(&self) -> Result<()> {
        const LEAST: Duration = Duration::from_millis(200);
        if self.means() != Means::Source {
            sleep(self.settings.poll_interval.max(LEAST)).await;
        }
        Ok(())
    }

    async fn apply_to_the_end(&self, tail: &TailHandle) -> Result<Position> {
        let end = self.source.end_of_log().await?;
        let mut applied = tail.applied();
        let reached = |applied: &Option<Position>| {
            applied.as_ref().is_some_and(|applied| self.source.reached(applied, &end))
        };
        let reached =
            applied.wait_for(reached).await.map_err(|_| Error::transient("the tail ended"))?.clone();
        Ok(reached.unwrap_or(end))
    }
}
