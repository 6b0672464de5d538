//! The cutover: the source is closed to writers, what is left is applied, both ends are compared, the destination is made
//! ready to take over, and the traffic is turned over to it.
//!
//! ```text
//! waiting ─▶ fencing ─▶ draining ─▶ verifying ─▶ switching ─▶ hooks ─▶ reversing ─▶ done
//!    ▲          └───────────┴───────────┴────────────┴──────────┤
//!    └──────────────────────── rolling back ◀───────────────────┘ (or undecided)
//! ```
//!
//! Each step is recorded before anything of it is done, with what takes it back. So a start that finds a step knows what may have happened:
//! in front of the hooks everything is taken back; behind them the cutover goes on to its end. A start that finds the hooks
//! cannot know how they ended, and asks an operator, unless they can be repeated.
//!
//! Why no acknowledged write is lost: a write that the source has answered is in its log before the end of log that is read behind the
//! fence, and that end is applied, stored and reached before the hooks run. What the fence does not hold back shows as a change
//! between two such ends.

mod attempt;
mod description;
mod drain;
mod failpoint;
mod fence;
mod hooks;
mod journal;
mod limit;
mod machine;
mod orders;
pub mod parts;
mod plan;
mod recovery;
pub mod reverse;
mod switch;
mod undo;
mod waiting;

pub use self::{
    orders::{Order, Orders, OrdersReceiver, orders},
    plan::{Plan, plan},
    recovery::{Entry, Verdict, accept, undo},
    waiting::{Cutover, CutoverEnds},
};

#[cfg(test)]
#[path = "cutover_tests.rs"]
mod tests;
#[cfg(test)]
mod world;
