//! A load on a thread of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{anyhow, ensure};

use super::PostgresWorkload;
use crate::PostgresServer;

/// Between two steps, and between two tries to reach the server.
const PAUSE: Duration = Duration::from_millis(1);
const AWAY: Duration = Duration::from_millis(50);

#[derive(Debug, Default)]
struct Shared {
    done: AtomicBool,
    steps: AtomicU64,
}

/// A load that goes on through whatever happens to its server. It waits while the server is away, and ends when the server
/// refuses a statement.
#[derive(Debug)]
pub struct RunningWorkload {
    shared: Arc<Shared>,
    writer: JoinHandle<anyhow::Result<PostgresWorkload>>,
}

impl PostgresWorkload {
    /// Goes on with this workload, which has been set up, on a thread and a connection of its own.
    #[must_use]
    pub fn spawn(mut self, server: &Arc<PostgresServer>, database: &str) -> RunningWorkload {
        let shared = Arc::new(Shared::default());
        let (server, database, state) = (Arc::clone(server), database.to_owned(), Arc::clone(&shared));
        let writer = thread::spawn(move || {
            while !state.done.load(Ordering::Relaxed) {
                match self.run(&server, &database, &state) {
                    Err(error) if !is_away(&error) => return Err(error.context("the load ended")),
                    _ => thread::sleep(AWAY),
                }
            }
            Ok(self)
        });
        RunningWorkload { shared, writer }
    }

    fn run(&mut self, server: &PostgresServer, database: &str, state: &Shared) -> anyhow::Result<()> {
        let mut client = server.client_of(database)?;
        while !state.done.load(Ordering::Relaxed) {
            self.step(&mut client)?;
            state.steps.fetch_add(1, Ordering::Relaxed);
            thread::sleep(PAUSE);
        }
        Ok(())
    }
}

/// Whether the error says that the server cannot be reached, is going down or coming up, and not that it refuses a statement.
fn is_away(error: &anyhow::Error) -> bool {
    let code = error.downcast_ref::<postgres::Error>().map(postgres::Error::code);
    // Class 57: operator intervention.
    code.is_some_and(|code| code.is_none_or(|code| code.code().starts_with("57")))
}

impl RunningWorkload {
    /// Steps so far.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.shared.steps.load(Ordering::Relaxed)
    }

    /// Waits for so many further steps.
    ///
    /// # Errors
    ///
    /// When the load has ended, or has not got there after `timeout`.
    pub fn wait_for_steps(&self, count: u64, timeout: Duration) -> anyhow::Result<()> {
        let (start, deadline) = (self.steps(), Instant::now() + timeout);
        while self.steps() < start + count {
            ensure!(!self.writer.is_finished(), "the load has ended: stop() tells why");
            ensure!(Instant::now() < deadline, "{} of {count} steps after {timeout:?}", self.steps() - start);
            thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Ends the load; the workload can be continued elsewhere.
    ///
    /// # Errors
    ///
    /// When the server has refused a statement.
    pub fn stop(self) -> anyhow::Result<PostgresWorkload> {
        self.shared.done.store(true, Ordering::Relaxed);
        self.writer.join().map_err(|_| anyhow!("the load has panicked"))?
    }
}
