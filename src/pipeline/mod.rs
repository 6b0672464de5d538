//! The phases of a task, between a source and a destination that are known by their traits alone.
//!
//! One phase so far: [`tail`], which follows the log. What the source reads goes through a queue of batches ([`queue`]), is folded
//! into groups while the destination is busy with the group before, and is applied group by group. Beside it run the
//! question for the end of the log ([`fence`]) and the progress that people and programs read ([`status`]).

mod applier;
pub mod fence;
mod grouper;
pub mod queue;
mod repair;
mod retry;
pub mod status;
pub mod tail;

#[cfg(test)]
pub(crate) mod fakes;
