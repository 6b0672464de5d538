//! Places at which tests end a cutover.
//!
//! Each step has two: `cutover::STEP::before`, when it is recorded and nothing of it done, and `cutover::STEP::after`, when all of it
//! is done. With `FAILPOINTS=cutover::fencing::after=return(kill)` in its environment, a program that was built for tests ends itself
//! there by SIGKILL; `return(hang)` waits there forever.

use std::future::pending;

use crate::positions::CutoverStep;

/// Which side of a step.
#[derive(Clone, Copy)]
pub(super) enum Side {
    Before,
    After,
}

/// Ends or waits here, when a test says so.
pub(super) async fn failpoint(step: CutoverStep, side: Side) {
    let side = match side {
        Side::Before => "before",
        Side::After => "after",
    };
    let name = format!("cutover::{}::{side}", step.name().replace(' ', "-"));
    if hangs(&name) {
        pending::<()>().await;
    }
}

fn hangs(name: &str) -> bool {
    fail::fail_point!(name, |what: Option<String>| {
        if what.as_deref() == Some("kill") {
            // Nothing behind it is reached.
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        }
        true
    });
    let _ = name;
    false
}
