//! What may end an attempt between two steps: the time that the source may be closed, an operator, the end of the process.

use std::{future::Future, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use crate::error::{Error, Result};

/// The bounds of one attempt.
#[derive(Clone)]
pub(super) struct Limit {
    budget: Duration,
    deadline: Instant,
    cancelled: watch::Receiver<bool>,
    stop: watch::Receiver<bool>,
}

impl Limit {
    /// Begins to count now.
    pub(super) fn new(
        budget: Duration,
        cancelled: watch::Receiver<bool>,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Limit { budget, deadline: Instant::now() + budget, cancelled, stop }
    }

    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Waits for a part of the attempt, as long as it may go on. What is broken off is dropped where it stands.
    pub(super) async fn within<T>(&self, part: impl Future<Output = Result<T>>) -> Result<T> {
        let (mut cancelled, mut stop) = (self.cancelled.clone(), self.stop.clone());
        tokio::select! {
            biased;
            () = becomes(&mut cancelled) => Err(Error::definite("an operator cancelled it")),
            () = becomes(&mut stop) => Err(Error::definite("the daemon was told to stop")),
            done = timeout_at(self.deadline, part) => done.unwrap_or_else(|_| {
                Err(Error::definite(format!(
                    "the source would have been closed to writers for longer than {:?} (cutover.downtime)",
                    self.budget
                )))
            }),
        }
    }
}

async fn becomes(told: &mut watch::Receiver<bool>) {
    if told.wait_for(|told| *told).await.is_err() {
        // Whoever could say it is gone: nobody will.
        std::future::pending::<()>().await;
    }
}
