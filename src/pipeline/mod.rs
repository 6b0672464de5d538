//! The phases of a task, between a source and a destination that are known by their traits alone.
//!
//! First [`snapshot`], where the task begins with a copy of what is there; then [`tail`], which follows the log. Beside them run
//! the question for the end of the log ([`fence`]) and the progress that people and programs read ([`status`]).

mod applier;
pub mod fence;
pub mod queue;
mod retry;
pub mod snapshot;
pub mod status;
pub mod tail;

#[cfg(test)]
pub(crate) mod fakes;
