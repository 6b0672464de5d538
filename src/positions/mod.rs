//! The local store of a task: where it stands, the history of table definitions, how far the copy of each table is, the step
//! of the cutover, the rules that it runs under.
//!
//! The store is a sled database below the task's state directory. What was measured about sled 0.34 decides how it is
//! used: `flush` does not reach the disk by itself, and a damaged file may open without an error at an older state, or
//! empty. Therefore
//!
//! * there are few records, each with a version, a sequence number and a checksum (`record`);
//! * what belongs together is written in one transaction or atomic batch, then flushed, then the file is fsynced;
//! * the position is kept twice in sled (alternating by sequence) and once more in a JSON file beside it ([`Sidecar`]);
//!   at start the valid record of the highest generation and sequence wins, damaged ones are named in the log;
//! * the destination's own [`Checkpoint`] is the copy that decides ([`reconcile`]): it commits with the data;
//! * an empty store beside any other copy is an error and never a reason to start from now.

mod checkpoint;
mod copies;
mod cutover;
mod history;
mod prepared;
mod reconcile;
mod record;
mod rules;
mod schema_ledger;
mod sidecar;
mod store;
mod transfer;

pub(crate) use self::copies::COPY_AGAIN;
pub use self::{
    checkpoint::{Checkpoint, Completeness, Origin, Stored},
    copies::{CopyState, TableCopy},
    cutover::{CutoverRecord, CutoverStep, StepTime, Undo},
    history::SchemaHistory,
    prepared::{Prepared, PreparedStage},
    reconcile::{Resume, reconcile},
    schema_ledger::{SchemaLedger, SchemaRecord},
    sidecar::Sidecar,
    store::Store,
    transfer::Export,
};
