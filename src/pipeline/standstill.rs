//! Zero as a position: whether everything up to the end of the source's log is applied.
//!
//! The end of log is read from the source after the question was asked (design, invariant 5); the answer is yes when the
//! applied position has reached it. Such answers in a row mean that the task is in sync.

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
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Standstill {
    /// Since when every end of log that was asked for has been reached before the next question.
    pub in_sync_since: Option<Instant>,
    /// Number of the question.
    pub question: u64,
}

/// Asks for the end of the log again and again, and compares it with what is applied.
pub(super) struct EndOfLog {
    pub(super) source: Arc<dyn Source>,
    pub(super) applied: watch::Receiver<Option<Position>>,
    pub(super) poll_interval: watch::Receiver<Duration>,
    pub(super) status: StatusBoard,
    pub(super) found: watch::Sender<Standstill>,
}

/// How long an answer may take before the last one counts no more.
const PATIENCE: Duration = Duration::from_secs(1);

impl EndOfLog {
    /// Runs until the tail is gone.
    pub(super) async fn watch(mut self) {
        let mut found = Standstill::default();
        while !self.found.is_closed() {
            let poll = *self.poll_interval.borrow();
            let next = Instant::now() + poll;
            let in_sync = self.ask(next).await;
            found.in_sync_since = in_sync.then(|| found.in_sync_since.unwrap_or_else(Instant::now));
            found.question += 1;
            if self.found.send(found).is_err() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                () = self.found.closed() => return,
                changed = self.poll_interval.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Reads the end of the log and waits until it is applied, at most until the next question. Whether it was reached.
    async fn ask(&mut self, until: Instant) -> bool {
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
                return false;
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
        reached
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
