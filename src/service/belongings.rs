//! What a task has created at its source, watched while the task runs: above all the log that a slot makes the server keep.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{task::JoinHandle, time::sleep};
use tracing::{debug, info, warn};

use crate::{
    pipeline::status::StatusBoard,
    sources::{Belonging, Source},
};

/// How often the source is asked.
const EVERY: Duration = Duration::from_secs(10);
/// The same while nothing of the task is there yet.
const EARLY: Duration = Duration::from_secs(1);
/// How often a warning is repeated in the log while its cause is there.
const AGAIN: Duration = Duration::from_secs(600);

/// The watch; it ends with this.
pub(super) struct Watch(JoinHandle<()>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Asks the source again and again, tells the board, and warns in the log.
pub(super) fn watch(source: Arc<dyn Source>, board: StatusBoard) -> Watch {
    Watch(tokio::spawn(async move {
        let mut alarms = Alarms::default();
        loop {
            let mut pause = EVERY;
            match source.belongings().await {
                Ok(found) => {
                    if found.is_empty() {
                        pause = EARLY;
                    }
                    alarms.sound(&found, Instant::now());
                    board.update(|status| status.belongings = found);
                }
                // The task itself tells the operator about a source that is gone.
                Err(error) => debug!(%error, "what the task has at its source is not known"),
            }
            sleep(pause).await;
        }
    }))
}

/// The warnings that are on, and when they were last logged.
#[derive(Default)]
struct Alarms(HashMap<String, Instant>);

impl Alarms {
    /// Logs each warning when it begins, now and then while it lasts, and its end. How many were logged.
    fn sound(&mut self, found: &[Belonging], now: Instant) -> usize {
        let mut logged = 0;
        for belonging in found {
            let name = format!("{} {}", belonging.kind, belonging.name);
            match (&belonging.warning, self.0.get(&name)) {
                (Some(_), Some(last)) if now.duration_since(*last) < AGAIN => {}
                (Some(warning), _) => {
                    warn!("{name}: {warning}");
                    logged += 1;
                    self.0.insert(name, now);
                }
                (None, Some(_)) => {
                    info!("{name}: well again");
                    self.0.remove(&name);
                }
                (None, None) => {}
            }
        }
        logged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_logged_when_it_begins_and_now_and_then() {
        let slot = |warning: Option<&str>| {
            [Belonging {
                kind: "replication slot".to_owned(),
                name: "river".to_owned(),
                state: "active".to_owned(),
                retained_bytes: Some(1),
                warning: warning.map(str::to_owned),
            }]
        };
        let (mut alarms, begin) = (Alarms::default(), Instant::now());
        let mut sound = |warning, seconds| alarms.sound(&slot(warning), begin + Duration::from_secs(seconds));
        assert_eq!(
            [sound(None, 0), sound(Some("keeps 5 GiB"), 10), sound(Some("keeps 6 GiB"), 20)],
            [0, 1, 0]
        );
        assert_eq!(
            [sound(Some("keeps 9 GiB"), 610), sound(None, 620), sound(Some("keeps 5 GiB"), 630)],
            [1, 0, 1]
        );
    }
}
