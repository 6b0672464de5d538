//! Behaviour against real servers, which the tests start themselves: one module a behaviour.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unreachable,
    missing_docs
)]

mod changes;
mod cutover;
mod lives;
mod mysql;
mod operating;
mod pairs;
mod postgres;
mod river;
