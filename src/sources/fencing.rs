//! What a source offers for a cutover: keeping others from writing, and saying who still does.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::error::Result;

/// A source that can be closed to writers for the time of a cutover, and opened again.
///
/// The fence outlives our process and our connection: it is a setting of the source. What was there before is asked for with
/// [`look`](Self::look) and stored by the caller before [`raise`](Self::raise), so that a crash at any moment can be answered with
/// [`lower`](Self::lower), however far `raise` came.
#[async_trait]
pub trait Fencing: Send + Sync {
    /// How the source stands now, and what raising the fence would do. Changes nothing.
    ///
    /// # Errors
    /// When the source cannot be asked, or the task's account may not fence: with the statement that allows it.
    async fn look(&self) -> Result<FencePlan>;

    /// Closes the source to writers. When it returns, no transaction of another session that the fence holds back can commit any more, and what was
    /// committed before is in front of the next [`end_of_log`](super::Source::end_of_log). Raising a raised fence changes
    /// nothing.
    ///
    /// # Errors
    /// When the source refuses; the caller lowers the fence then.
    async fn raise(&self, former: &FenceState) -> Result<()>;

    /// Brings back what was there before. Lowering a lowered fence changes nothing.
    ///
    /// # Errors
    /// When the source refuses or cannot be reached: it may still be closed.
    async fn lower(&self, former: &FenceState) -> Result<()>;

    /// The sessions that can still write although the fence is raised, and prepared transactions that can still commit.
    ///
    /// # Errors
    /// When the source cannot be asked.
    async fn writers(&self) -> Result<Vec<Writer>>;

    /// Lets a task in the other direction write to the source behind the raised fence, with what its account has for that, and nobody else.
    /// Where such a task writes anyway, and where the source was closed as far before the fence, nothing changes.
    ///
    /// # Errors
    /// When the source refuses or cannot be reached.
    async fn admit_replay(&self, _former: &FenceState) -> Result<()> {
        Ok(())
    }
}

/// What a fence would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FencePlan {
    /// The state to come back to.
    pub former: FenceState,
    /// The statements that raise the fence, for people.
    pub statements: Vec<String>,
    /// Who could still write behind it.
    pub writers: Vec<Writer>,
}

/// The settings of the source that a fence changes, by name, as they were before: what [`Fencing::lower`] brings back. Known to the source alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FenceState(pub Vec<(String, String)>);

/// A session at the source, or a prepared transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Writer {
    /// What the source knows it by (`connection 42`, `process 4711`, `prepared transaction x`).
    pub id: String,
    /// Its account.
    pub user: String,
    /// Where it comes from; empty when the source does not say.
    pub host: String,
    /// The database it is connected to; empty when none.
    pub database: String,
    /// Why the fence does not hold it back, or what it does, for people. Never the text of a statement: it can hold values.
    pub why: String,
}
