//! Processes of a task that is not theirs any more: each is refused, with the reason, and changes nothing.

use std::{fs, path::Path, process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use slackwater_testkit::Task;

use super::{
    ends::Kind,
    scenario::{Scenario, told},
};
use crate::river::PROGRAM;

const PATIENCE: Duration = Duration::from_secs(60);

fn copy_directory(from: &Path, to: &Path) -> Result<()> {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).output()?;
    ensure!(copied.status.success(), "{}", told(&copied));
    Ok(())
}

/// A task of the same name on another machine: the same files with a state directory that was copied.
fn successor(scenario: &Scenario, directory: &Path) -> Result<Task> {
    fs::create_dir_all(directory)?;
    copy_directory(&scenario.directory.path().join("state"), &directory.join("state"))?;
    let first = fs::read_to_string(scenario.task.file())?;
    let (_, toml) = first.split_once("start =").context("no start")?;
    let toml = format!("start ={toml}").replace("reverse = \"reverse.toml\"\n", "");
    Task::new(PROGRAM, directory, &toml)
}

fn signal(task: &Task, signal: Signal) -> Result<()> {
    let pid = task.pid().and_then(|pid| Pid::from_raw(pid.cast_signed())).context("does not run")?;
    Ok(kill_process(pid, signal)?)
}

#[test]
fn a_second_instance_and_a_process_that_wakes_up_behind_its_successor_are_refused() -> Result<()> {
    let mut scenario = Scenario::start(Kind::Mysql, Kind::Mysql)?;
    let second = scenario.task.command(&["run"]).output()?;
    ensure!(
        !second.status.success() && told(&second).contains("another process runs this task"),
        "{}",
        told(&second)
    );

    signal(&scenario.task, Signal::STOP)?;
    let elsewhere = scenario.directory.path().join("elsewhere");
    let mut successor = successor(&scenario, &elsewhere)?;
    successor.start()?;
    successor.wait_for_words("continuing", 1, PATIENCE)?;
    let cut_over = successor.command(&["cutover"]).output()?;
    ensure!(cut_over.status.success(), "{}\n{}", told(&cut_over), successor.log());
    ensure!(successor.wait(PATIENCE)?.success(), "{}", successor.log());

    signal(&scenario.task, Signal::CONT)?;
    let ended = scenario.task.wait(PATIENCE)?;
    let log = scenario.task.log();
    ensure!(!ended.success() && log.contains("newer generation"), "{log}");
    scenario.writers.stop();
    scenario.writers.expect_all(super::writers::Side::Destination)
}

#[test]
fn a_restored_state_directory_is_refused() -> Result<()> {
    let mut scenario = Scenario::start(Kind::Postgres, Kind::Postgres)?;
    scenario.task.stop()?;
    let (state, backup) = (scenario.directory.path().join("state"), scenario.directory.path().join("backup"));
    copy_directory(&state, &backup)?;
    scenario.task.start()?;
    scenario.wait_in_sync()?;
    scenario.task.stop()?;
    fs::remove_dir_all(&state)?;
    fs::rename(&backup, &state)?;
    scenario.task.start()?;
    let ended = scenario.task.wait(PATIENCE)?;
    let log = scenario.task.log();
    ensure!(!ended.success() && log.contains("another task took over"), "{log}");
    ensure!(log.contains("positions import TASK.toml --from-destination"), "{log}");
    let imported = scenario.task.command(&["positions", "import", "--from-destination"]).output()?;
    ensure!(imported.status.success(), "{}", told(&imported));
    scenario.task.start()?;
    scenario.wait_in_sync()?;
    scenario.turn_over()?;
    scenario.finish()
}
