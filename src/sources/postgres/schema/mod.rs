//! All definitions of the database, from its catalog.
//!
//! * `types`: the types that are not built in; `tables`: what reading rows takes.

pub(super) mod tables;
pub(super) mod types;
