//! The phases of a task, between a source and a destination that are known by their traits alone.

pub mod queue;
