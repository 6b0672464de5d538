//! Zero as a position: whether everything up to the end of the source's log is applied.
//!
//! The end of log is read from the source after the question was asked (design, invariant 5); the answer is yes when the
//! applied position has reached it. Two such answers in a row with the same end of log, one poll apart, mean that
//! both sides stood still in between: that is *zero*.

use std::{sync::Arc, time::Duration};

use slackwater_decoders::position::Position;
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};
use tracing::debug;

use super::status::StatusBoard;
use crate::sources::Source;

/// What the last question found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Standstill {
    /// The position that both sides stood still at: two ends of log in a row were the same and applied.
    pub zero: Option<Position>,
    /// Number of the question.
    pub question: u64,
}

/// Asks for the end of the log again and again, and compares it with what is applied.
pub(super) struct Fence {
    pub(super) source: Arc<dyn Source>,
    pub(super) applied: watch::Receiver<Option<Position>>,
    pub(super) poll_interval: watch::Receiver<Duration>,
    pub(super) status: StatusBoard,
    pub(super) found: watch::Sender<Standstill>,
}

/// How long an answer may take before the last one counts no more.
const PATIENCE: Duration = Duration::from_secs(1);

impl Fence {
    /// Runs until the tail is gone.
    pub(super) async fn watch(mut self) {
        let mut previous = None;
        let mut question = 0;
        while !self.found.is_closed() {
            let poll = *self.poll_interval.borrow();
            let next = Instant::now() + poll;
            let reached = self.ask(next).await;
            let zero = reached.clone().filter(|end| previous.as_ref() == Some(end));
            previous = reached;
            question += 1;
            if self.found.send(Standstill { zero, question }).is_err() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                () = self.found.closed() => return,
                changed = self.poll_interval.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Reads the end of the log and waits until it is applied, at most until the next question. The end of log, if it
    /// was reached.
    async fn ask(&mut self, until: Instant) -> Option<Position> {
        let mut answer = std::pin::pin!(self.source.end_of_log());
        let answered = match timeout_at(until.max(Instant::now() + PATIENCE), &mut answer).await {
            Ok(answered) => answered,
            Err(_) => {
                // What was true at the last answer is not known to be true now.
                self.unknown();
                answer.await
            }
        };
        let end = match answered {
            Ok(end) => end,
            Err(error) => {
                // The tail tells the operator about a source that is gone; here it only means: not known.
                debug!(%error, "the end of the log is not known");
                self.unknown();
                return None;
            }
        };
        let source = Arc::clone(&self.source);
        let is_reached = |applied: &Option<Position>| {
            applied.as_ref().is_some_and(|applied| source.reached(applied, &end))
        };
        let reached = if is_reached(&self.applied.borrow_and_update()) {
            true
        } else {
            self.tell(&end, false).await;
            matches!(timeout_at(until, self.applied.wait_for(is_reached)).await, Ok(Ok(_)))
        };
        self.tell(&end, reached).await;
        reached.then_some(end)
    }

    fn unknown(&self) {
        self.status.update(|status| (status.in_sync, status.lag_bytes) = (false, None));
    }

    async fn tell(&self, end: &Position, reached: bool) {
        let applied = self.applied.borrow().clone();
        let lag_bytes = match applied {
            _ if reached => Some(0),
            Some(applied) => self.source.bytes_behind(&applied, end).await,
            None => None,
        };
        self.status.update(|status| {
            status.end_of_log = Some(end.clone());
            status.lag_bytes = lag_bytes;
            status.in_sync = reached;
        });
    }
}
