//! Waiting for the tail: whether what was read at the source can be at the destination.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use slackwater_decoders::position::Position;
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use crate::{error::Result, sources::Source};

/// How often the applied position is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What came of waiting for the tail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caught {
    /// Everything that the source had when the wait began is at the destination.
    Up,
    /// Nothing is applied: what differs stays different.
    AtRest,
    /// It took longer than it may.
    Late,
}

/// Tells when changes have reached the destination.
#[async_trait]
pub trait Follow: Send + Sync {
    /// Reads the end of the source's log now, and waits until it is applied, at most for `limit`.
    ///
    /// # Errors
    /// When the source, or the task's own word, cannot be read.
    async fn catch_up(&self, limit: Duration) -> Result<Caught>;
}

/// Nothing flows: behind the fence, or beside a task that does not run.
#[derive(Clone, Copy, Debug, Default)]
pub struct AtRest;

#[async_trait]
impl Follow for AtRest {
    async fn catch_up(&self, _: Duration) -> Result<Caught> {
        Ok(Caught::AtRest)
    }
}

/// Tells how far the task is applied; `None` as long as it has not said.
pub type Applied = Box<dyn Fn() -> Result<Option<Position>> + Send + Sync>;

/// What the tail of this process tells.
#[must_use]
pub fn watched(applied: watch::Receiver<Option<Position>>) -> Applied {
    Box::new(move || Ok(applied.borrow().clone()))
}

/// A task that follows the log.
pub struct Tailing {
    source: Arc<dyn Source>,
    applied: Applied,
}

impl Tailing {
    /// A task that follows the log of `source` and tells how far it is.
    #[must_use]
    pub fn new(source: Arc<dyn Source>, applied: Applied) -> Self {
        Tailing { source, applied }
    }
}

#[async_trait]
impl Follow for Tailing {
    async fn catch_up(&self, limit: Duration) -> Result<Caught> {
        let deadline = Instant::now() + limit;
        let end = self.source.end_of_log().await?;
        loop {
            if (self.applied)()?.is_some_and(|applied| self.source.reached(&applied, &end)) {
                return Ok(Caught::Up);
            }
            if Instant::now() >= deadline {
                return Ok(Caught::Late);
            }
            sleep(LOOK_EVERY).await;
        }
    }
}
