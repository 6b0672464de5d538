//! Statements of a plan in several sessions at once: a server waits for its disk for each of them, and for several together
//! hardly longer.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use futures_util::future::try_join_all;

use super::schema::PlannedStatement;
use crate::error::Result;

/// Sessions at once.
const SESSIONS: usize = 4;

/// A session that objects are created in.
#[async_trait]
pub(super) trait Creating: Sized + Send {
    /// What it takes to connect.
    type Config: Sync;

    /// Connects another one.
    async fn connect(config: &Self::Config) -> Result<Self>;

    /// Runs a statement.
    async fn create(&mut self, statement: &PlannedStatement) -> Result<()>;
}

/// Runs statements that do not depend on each other, those of one table in one session; gives their outcomes in their order.
///
/// # Errors
/// A lost connection, or another error that may pass.
pub(super) async fn execute_all<C: Creating>(
    config: &C::Config,
    statements: &[PlannedStatement],
) -> Result<Vec<Result<()>>> {
    let of_tables: Vec<_> = statements.chunk_by(|one, next| one.target == next.target).collect();
    let sessions = SESSIONS.min(of_tables.len());
    let queue = Mutex::new(of_tables.into_iter().enumerate());
    let done = try_join_all((0..sessions).map(|_| work::<C>(config, &queue))).await?;
    let mut outcomes: Vec<_> = done.into_iter().flatten().collect();
    outcomes.sort_by_key(|(place, _)| *place);
    Ok(outcomes.into_iter().flat_map(|(_, outcomes)| outcomes).collect())
}

/// The outcomes of the statements of one table, with the table's place among the others.
type Outcomes = (usize, Vec<Result<()>>);

/// Runs what is waiting in a session of its own.
async fn work<'a, C: Creating>(
    config: &C::Config,
    queue: &Mutex<impl Iterator<Item = (usize, &'a [PlannedStatement])>>,
) -> Result<Vec<Outcomes>> {
    let mut session = C::connect(config).await?;
    let mut done = Vec::new();
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
        let Some((place, statements)) = next else { return Ok(done) };
        let mut outcomes = Vec::with_capacity(statements.len());
        for statement in statements {
            match session.create(statement).await {
                Err(error) if error.is_transient() => return Err(error.on(&statement.object)),
                outcome => outcomes.push(outcome),
            }
        }
        done.push((place, outcomes));
    }
}
