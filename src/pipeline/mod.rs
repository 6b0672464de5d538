//! The phases of a task, between a source and a destination that are known by their traits alone.
//!
//! [`schema`] creates the destination's objects; [`tail`] follows the log. Beside it run the question for the end of the log ([`fence`]) and
//! the progress that people and programs read ([`status`]).

mod applier;
pub mod fence;
pub mod queue;
mod retry;
pub mod schema;
pub mod status;
pub mod tail;

#[cfg(test)]
pub(crate) mod fakes;
