//! The phases of a task, between a source and a destination that are known by their traits alone.
//!
//! First [`snapshot`], where the task begins with a copy of what is there, for which [`schema`] creates the destination's
//! objects; then [`tail`], which follows the log. What the source reads goes through a queue of batches ([`queue`]), is folded
//! into groups while the destination is busy with the group before, and is applied group by group. Beside it run the
//! question for the end of the log ([`standstill`]) and the progress that people and programs read ([`status`]).

mod applier;
mod grouper;
pub mod handle;
pub mod queue;
mod repair;
pub(crate) mod retry;
pub mod schema;
pub mod snapshot;
pub mod standstill;
pub mod status;
pub mod tail;

#[cfg(test)]
pub(crate) mod fakes;
