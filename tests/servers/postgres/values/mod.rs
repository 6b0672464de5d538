//! Extreme and odd values of every type through a whole task: copied, inserted and updated behind the copy, and then compared
//! with what the source prints.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod from_mysql;
mod from_postgres;

use std::path::Path;

use anyhow::Result;
use slackwater_testkit::Task;

use crate::{
    lives::{self, Phase},
    river::PROGRAM,
};

/// A task that begins with a copy.
fn task(directory: &Path, sections: &str) -> Result<Task> {
    let toml = format!("start = \"snapshot\"\n{sections}[apply]\non_row_error = \"dead-letter\"\n");
    Task::new(PROGRAM, directory, &toml)
}

/// Starts it and waits until everything is copied.
fn copy(task: &mut Task) -> Result<()> {
    task.start()?;
    lives::wait_for(task, Phase::Tailing)
}
