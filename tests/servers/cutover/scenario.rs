//! A task between two servers with traffic on it, its way back, and the operator who turns the traffic over.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::Arc,
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use slackwater_testkit::Task;
use tempfile::TempDir;

use super::{
    ends::{End, Kind},
    writers::{Side, Traffic, Writers},
};
use crate::river::PROGRAM;

/// Connections that write.
const WRITERS: u32 = 4;
/// How long anything may take on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(60);
/// Transactions that show that a writer gets on.
const SOME: usize = 5;

pub(super) struct Scenario {
    pub(super) directory: TempDir,
    pub(super) traffic: Arc<Traffic>,
    pub(super) task: Task,
    pub(super) writers: Writers,
}

/// How an attempt with a kill ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The next start went on to the end.
    Resumed,
    /// The next start opened the side again that the traffic was at; the attempt after it turned the traffic over.
    RolledBack,
}

impl Scenario {
    /// Copies the tables, follows, and lets the traffic begin.
    pub(super) fn start(source: Kind, destination: Kind) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let traffic = Arc::new(Traffic {
            source: End::start(source, 11)?,
            destination: End::start(destination, 12)?,
            address: directory.path().join("address"),
        });
        traffic.source.create_account()?;
        traffic.destination.create_account()?;
        traffic.source.create_tables(WRITERS)?;
        let toml = format!(
            "start = \"snapshot\"\n{}{}[objects]\ninclude = [\"shop.*\"]\n\
             [apply]\nconnection_lost_limit = \"30s\"\nerror_limit = \"30s\"\n\
             [cutover]\nreverse = \"reverse.toml\"\ninterrupted = \"repeat\"\npoll_interval = \"50ms\"\ndowntime = \"30s\"\n{}",
            traffic.source.source_section(),
            traffic.destination.destination_section(),
            turn_to(directory.path(), "destination"),
        );
        let mut task = Task::new(PROGRAM, directory.path(), &toml)?;
        write_reverse(&task, directory.path())?;
        task.start()?;
        let writers = Writers::start(&traffic, WRITERS);
        let scenario = Scenario { directory, traffic, task, writers };
        scenario.wait_in_sync()?;
        scenario.writers.progress(SOME, PATIENCE)?;
        Ok(scenario)
    }

    /// The status of the one of both tasks that carries changes away from a side.
    fn status(&self, side: Side) -> Option<Value> {
        let directory = self.directory.path().join(match side {
            Side::Source => "state",
            Side::Destination => "state-reverse",
        });
        serde_json::from_slice(&fs::read(directory.join("status.json")).ok()?).ok()
    }

    /// Waits until the running task follows closely. The status of an earlier process does not count.
    pub(super) fn wait_in_sync(&self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let pid = self.task.pid().context("the task does not run")?;
        loop {
            for side in [Side::Source, Side::Destination] {
                let Some(status) = self.status(side) else { continue };
                if status["pid"] == pid && status["phase"] == "tailing" && status["position"].is_object() {
                    return Ok(());
                }
            }
            ensure!(Instant::now() < deadline, "not in sync in time:\n{}", self.task.log());
            sleep(Duration::from_millis(20));
        }
    }

    /// What an operator types to turn the traffic over.
    fn ask(&self, from: Side) -> Result<Output> {
        let command = match from {
            Side::Source => "cutover",
            Side::Destination => "rollback",
        };
        Ok(self.task.command(&[command]).output()?)
    }

    /// Turns the traffic over from where it is, and waits until all writers write on the other side.
    pub(super) fn turn_over(&self) -> Result<()> {
        let from = self.traffic.side();
        let asked = self.ask(from)?;
        ensure!(asked.status.success(), "{}\n{}", told(&asked), self.task.log());
        let to = self.writers.progress(SOME, PATIENCE).map_err(|error| error.context(self.task.log()))?;
        ensure!(to != from, "the traffic is still at {from:?}:\n{}", self.task.log());
        self.wait_in_sync()
    }

    /// Turns the traffic over with a daemon that is killed at a failpoint. The side is never between: the writers get on in any case.
    pub(super) fn turn_over_killed(&mut self, failpoint: &str) -> Result<Outcome> {
        let from = self.traffic.side();
        self.task.stop()?;
        self.task.start_with(&[("FAILPOINTS", &format!("{failpoint}=return(kill)"))])?;
        self.wait_in_sync()?;
        self.writers.progress(SOME, PATIENCE)?;
        let asked = self.ask(from)?;
        let ended = self.task.wait(PATIENCE).with_context(|| format!("{failpoint}: {}", told(&asked)))?;
        ensure!(!ended.success(), "{failpoint} was not reached: {}\n{}", told(&asked), self.task.log());
        self.task.start()?;
        let side = self.writers.progress(SOME, PATIENCE).map_err(|error| error.context(self.task.log()))?;
        self.wait_in_sync()?;
        if side != from {
            return Ok(Outcome::Resumed);
        }
        self.turn_over().context("asked again behind a rollback")?;
        Ok(Outcome::RolledBack)
    }

    /// Ends the traffic, and expects at both sides everything that was acknowledged.
    pub(super) fn finish(mut self) -> Result<()> {
        let count = self.writers.stop();
        let side = self.traffic.side();
        self.writers.expect_all(side)?;
        let other = if side == Side::Source { Side::Destination } else { Side::Source };
        let deadline = Instant::now() + PATIENCE;
        while let Err(error) = self.writers.expect_all(other) {
            ensure!(Instant::now() < deadline, "{error}\n{}", self.task.log());
            sleep(Duration::from_millis(100));
        }
        let ended = self.task.stop()?;
        ensure!(ended.success(), "{}", self.task.log());
        self.tell_downtimes(&format!("{count} transactions acknowledged, in all"))
    }

    /// How long the writers have waited at the turns of the traffic up to now.
    pub(super) fn tell_downtimes(&self, what: &str) -> Result<()> {
        let downtimes = self.writers.downtimes();
        let (Some(middle), Some(longest)) = (downtimes.get(downtimes.len() / 2), downtimes.last()) else {
            bail!("no writer has seen a turn")
        };
        let waits = downtimes.len();
        println!("{what}: {waits} waits for a turn of the traffic, p50 {middle:.0?}, longest {longest:.0?}");
        Ok(())
    }
}

/// The command that sends the traffic to a side.
fn turn_to(directory: &Path, side: &str) -> String {
    let address = directory.join("address");
    let script = format!("printf {side} > {0}.new && mv {0}.new {0}", address.display());
    format!("command = [\"/bin/sh\", \"-c\", {script:?}]\n")
}

/// As an operator does: `slackwater reverse`, and the command for the way back.
fn write_reverse(task: &Task, directory: &Path) -> Result<PathBuf> {
    let file = directory.join("reverse.toml");
    let written = task.command(&["reverse", "--output", &file.to_string_lossy()]).output()?;
    ensure!(written.status.success(), "{}", told(&written));
    let text = fs::read_to_string(&file)?;
    let command = turn_to(directory, "source");
    let mut lines: Vec<&str> = text.lines().collect();
    let place =
        lines.iter().position(|line| line.starts_with("# command = ")).context("no command is proposed")?;
    lines[place] = command.trim_end();
    fs::write(&file, lines.join("\n") + "\n")?;
    let checked = Command::new(PROGRAM).args(["check", "--file-only"]).arg(&file).output()?;
    ensure!(checked.status.success(), "{}", told(&checked));
    Ok(file)
}

pub(super) fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
