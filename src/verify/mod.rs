//! Comparing what the destination holds with what the source has.
pub mod canonical;
