//! What others see of a tail that runs, and how they bring it to rest.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use slackwater_decoders::position::Position;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, timeout_at},
};

use super::{applier::Applier, standstill::Standstill};
use crate::{
    destinations::Destination,
    error::{Error, Result},
};

/// Work that needs the tail to rest: nothing is applied while it runs.
#[async_trait]
pub trait AtRest: Send + 'static {
    /// Called when everything that the tail has applied is stored, and no transaction is open at the destination.
    ///
    /// # Errors
    /// Stops the task.
    async fn at_rest(&mut self, rest: &mut Rest<'_>) -> Result<Next>;
}

/// What follows a rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The log is followed on.
    Continue,
    /// The task ends.
    Stop,
}

/// A tail at rest.
pub struct Rest<'a>(pub(super) &'a mut Applier);

impl Rest<'_> {
    /// The destination, which nobody else uses meanwhile.
    pub fn destination(&mut self) -> &mut dyn Destination {
        self.0.destination()
    }

    /// Everything before it is applied.
    #[must_use]
    pub fn position(&self) -> Option<&Position> {
        self.0.position()
    }

    /// The generation that the task writes with; 0 while the destination is not connected.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.0.generation()
    }

    /// Raises the generation of the task, here and then at the destination: whoever writes with the former one is refused.
    ///
    /// # Errors
    /// When one of both does not store it.
    pub async fn raise_generation(&mut self) -> Result<u64> {
        self.0.raise_generation().await
    }

    /// Connects the destination anew, which drops what a broken off statement has left.
    ///
    /// # Errors
    /// When it cannot be reached, or has another checkpoint than before.
    pub async fn reconnect(&mut self) -> Result<()> {
        self.0.reconnect().await
    }
}

/// What is asked of a tail.
pub(super) type Request = Box<dyn Visit>;

/// A request, without the type of its work.
#[async_trait]
pub(super) trait Visit: Send {
    /// Whether nobody waits for it any more.
    fn is_withdrawn(&self) -> bool;

    async fn visit(self: Box<Self>, rest: &mut Rest<'_>) -> Result<Next>;
}

struct Visitor<W> {
    work: W,
    begun: oneshot::Sender<()>,
    done: oneshot::Sender<(W, Result<Next, String>)>,
}

#[async_trait]
impl<W: AtRest> Visit for Visitor<W> {
    fn is_withdrawn(&self) -> bool {
        self.begun.is_closed()
    }

    async fn visit(self: Box<Self>, rest: &mut Rest<'_>) -> Result<Next> {
        let Visitor { mut work, begun, done } = *self;
        if begun.send(()).is_err() {
            return Ok(Next::Continue);
        }
        let next = work.at_rest(rest).await;
        let told = next.as_ref().copied().map_err(ToString::to_string);
        // Whoever asked may be gone.
        let _ = done.send((work, told));
        next
    }
}

/// A tail that runs, for those who watch it and bring it to rest. Cloning it gives another handle.
#[derive(Clone)]
pub struct TailHandle {
    pub(super) applied: watch::Receiver<Option<Position>>,
    pub(super) found: watch::Receiver<Standstill>,
    pub(super) changes: Arc<AtomicU64>,
    pub(super) awaited: Arc<watch::Sender<bool>>,
    pub(super) requests: mpsc::Sender<Request>,
}

impl TailHandle {
    /// Everything before it is applied; `None` before the first connection.
    #[must_use]
    pub fn applied(&self) -> watch::Receiver<Option<Position>> {
        self.applied.clone()
    }

    /// What the last question for the end of the log found.
    #[must_use]
    pub fn found(&self) -> watch::Receiver<Standstill> {
        self.found.clone()
    }

    /// How many changes of rows and definitions that concern the task were applied since the start of the process.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Whether the tail is to stay when a log that does not grow has come to its end.
    pub fn await_at_end(&self, is_awaited: bool) {
        self.awaited.send_replace(is_awaited);
    }

    /// Runs `work` when the tail has come to rest at a commit; gives up when that takes until `latest`. Gives the work back with its
    /// outcome.
    ///
    /// # Errors
    /// Transient when the tail did not come to rest in time, or ended.
    pub async fn at_rest<W: AtRest>(
        &self,
        work: W,
        latest: Instant,
    ) -> Result<(W, std::result::Result<Next, String>)> {
        let gone = || Error::transient("the tail ended");
        let (begun, mut begins) = oneshot::channel();
        let (done, ends) = oneshot::channel();
        self.requests.send(Box::new(Visitor { work, begun, done })).await.map_err(|_| gone())?;
        match timeout_at(latest, &mut begins).await {
            Ok(begins) => begins.map_err(|_| gone())?,
            Err(_) => {
                begins.close();
                // It may have begun at the last moment.
                begins.try_recv().map_err(|_| Error::transient("the tail did not come to rest in time"))?;
            }
        }
        ends.await.map_err(|_| gone())
    }
}
