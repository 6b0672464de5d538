//! The socket over which a running task is asked and told: `control.sock` in its state directory, HTTP, for its own user
//! alone.
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /status` | 200 with the status as JSON |
//! | `POST /cutover` with `{"dry_run": false}` | 202 with `{"attempt": 1}`: it begins when the task is in sync |
//! | `POST /cutover/cancel` | 200 with `{"attempt": 1}`: it is taken back |
//!
//! What is refused is answered by 409 with `{"error": "…"}`.

mod client;
mod place;
mod server;

pub use self::client::{Client, Unanswered};
pub(super) use self::server::listen;

use serde::{Deserialize, Serialize};

/// What is asked with `POST /cutover`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Begin {
    /// Stop in front of the switch, and take everything back.
    pub dry_run: bool,
}

/// The answer to an order that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// The number of the attempt that it is about.
    pub attempt: u64,
}

/// The answer to what is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Why, for people.
    pub error: String,
}

#[cfg(test)]
#[path = "control_tests.rs"]
mod tests;
