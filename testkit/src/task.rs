//! A task under test: the daemon's own program in a process of its own, as an operator runs it.

use std::{
    fmt::Debug,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{BinlogPosition, PostgresServer, WalPosition, network::Namespace};

/// How often a condition is looked at again.
const POLL: Duration = Duration::from_millis(10);

/// A task file with its state directory and its log, and the process that runs it, if one does.
pub struct Task {
    program: PathBuf,
    /// The words before the program's own, where something else is to run it.
    prefix: Vec<String>,
    directory: PathBuf,
    process: Option<Child>,
    /// How the last process ended that was found to have ended.
    ended: Option<ExitStatus>,
}

impl Task {
    /// A task in `directory` (one task each), run by `program`. `toml` is the task file without `state_dir`, and
    /// without `name` unless it begins with it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn new(program: impl Into<PathBuf>, directory: impl Into<PathBuf>, toml: &str) -> Result<Self> {
        let task = Task {
            program: program.into(),
            prefix: Vec::new(),
            directory: directory.into(),
            process: None,
            ended: None,
        };
        fs::create_dir_all(&task.directory)?;
        task.rewrite(toml)?;
        Ok(task)
    }

    /// Lets the program run inside of a network namespace.
    #[must_use]
    pub fn inside(mut self, namespace: &Namespace) -> Self {
        self.prefix = namespace.prefix();
        self
    }

    /// Replaces the task file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn rewrite(&self, toml: &str) -> Result<()> {
        let state = self.state_directory();
        let name = if toml.starts_with("name =") { "" } else { "name = \"test\"\n" };
        let text = format!("{name}state_dir = {:?}\n{toml}", state.to_string_lossy());
        fs::write(self.file(), text).context("cannot write the task file")
    }

    /// The task file.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.directory.join("task.toml")
    }

    /// Where the task keeps its positions.
    #[must_use]
    pub fn state_directory(&self) -> PathBuf {
        self.directory.join("state")
    }

    /// A command line of the program on this task: `arguments` and then the task file.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = match self.prefix.split_first() {
            Some((first, more)) => {
                let mut command = Command::new(first);
                command.args(more).arg(&self.program);
                command
            }
            None => Command::new(&self.program),
        };
        command.args(arguments).arg(self.file());
        command
    }

    /// Starts `run`. What the task says goes to the file behind [`log`](Self::log).
    ///
    /// # Errors
    /// When it is running already, or cannot be started.
    pub fn start(&mut self) -> Result<()> {
        self.start_with(&[])
    }

    /// The same with further variables in its environment.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with(&mut self, environment: &[(&str, &str)]) -> Result<()> {
        if self.is_running() {
            bail!("the task runs already");
        }
        let log = File::options().create(true).append(true).open(self.log_file())?;
        let command = &mut self.command(&["run"]);
        command.envs(environment.iter().copied());
        let process = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn();
        self.process = Some(process.context("cannot start the task")?);
        self.ended = None;
        Ok(())
    }

    /// Whether the process lives.
    pub fn is_running(&mut self) -> bool {
        let found = self.process.as_mut().map(Child::try_wait);
        if let Some(Ok(Some(status))) = found {
            self.ended = Some(status);
        }
        matches!(found, Some(Ok(None)))
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// Kills the process (SIGKILL) and waits until it is gone.
    ///
    /// # Errors
    /// When there is none.
    pub fn kill(&mut self) -> Result<()> {
        let mut process = self.process.take().context("the task does not run")?;
        process.kill().ok();
        process.wait().context("cannot wait for the task")?;
        Ok(())
    }

    /// Asks the process to stop (SIGTERM) and waits for its end.
    ///
    /// # Errors
    /// When there is none, or it does not end within 30 s.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        let pid = self.pid().context("the task does not run")?;
        let pid = rustix::process::Pid::from_raw(pid.cast_signed()).context("the task has no process id")?;
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        self.wait(Duration::from_secs(30))
    }

    /// Waits for the end of the process.
    ///
    /// # Errors
    /// When there is none, or it does not end in time.
    pub fn wait(&mut self, timeout: Duration) -> Result<ExitStatus> {
        let process = self.process.as_mut().context("the task does not run")?;
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(status) = process.try_wait()? {
                self.process = None;
                return Ok(status);
            }
            if Instant::now() > deadline {
                bail!("the task did not end within {timeout:?}:\n{}", self.log());
            }
            thread::sleep(POLL);
        }
    }

    /// What the task has said since the first start, and how its process ended, if it was found to have: a signal leaves no word.
    #[must_use]
    pub fn log(&self) -> String {
        let mut log = fs::read_to_string(self.log_file()).unwrap_or_default();
        if let Some(status) = &self.ended {
            log.push_str(&format!("(the process ended: {status})\n"));
        }
        log
    }

    /// Waits until the task has said `words` for the `times`-th time since the first start.
    ///
    /// # Errors
    /// When it does not in time.
    pub fn wait_for_words(&self, words: &str, times: usize, timeout: Duration) -> Result<()> {
        let deadline = Instant::now() + timeout;
        while self.log().matches(words).count() < times {
            if Instant::now() > deadline {
                bail!("the task did not say {words:?} within {timeout:?}:\n{}", self.log());
            }
            thread::sleep(POLL);
        }
        Ok(())
    }

    fn log_file(&self) -> PathBuf {
        self.directory.join("task.log")
    }

    /// The status that the running task writes; `None` before its first.
    #[must_use]
    pub fn status(&self) -> Option<Value> {
        serde_json::from_slice(&fs::read(self.state_directory().join("status.json")).ok()?).ok()
    }

    /// The position up to which the destination has everything, by the status.
    #[must_use]
    pub fn position(&self) -> Option<BinlogPosition> {
        let status = self.status()?;
        let log = status.get("position")?.get("log")?;
        Some(BinlogPosition {
            file: log.get("file")?.as_str()?.to_owned(),
            offset: log.get("offset")?.as_u64()?,
        })
    }

    /// The same in the write-ahead log of a PostgreSQL source.
    #[must_use]
    pub fn wal_position(&self) -> Option<WalPosition> {
        let status = self.status()?;
        status.get("position")?.get("log")?.get("lsn")?.as_str()?.parse().ok()
    }

    /// Waits until the task has applied everything up to `end`.
    ///
    /// # Errors
    /// When the task ends before, or does not get there in time.
    pub fn wait_for(&mut self, end: &BinlogPosition, timeout: Duration) -> Result<()> {
        self.wait_until(
            Task::position,
            |position| (&position.file, position.offset) >= (&end.file, end.offset),
            end,
            timeout,
        )
    }

    /// The same for a PostgreSQL source.
    ///
    /// # Errors
    /// When the task ends before, or does not get there in time.
    pub fn wait_for_wal(&mut self, end: WalPosition, timeout: Duration) -> Result<()> {
        self.wait_until(Task::wal_position, |position| *position >= end, &end, timeout)
    }

    fn wait_until<P: Debug>(
        &mut self,
        position: impl Fn(&Task) -> Option<P>,
        is_there: impl Fn(&P) -> bool,
        end: &impl Debug,
        timeout: Duration,
    ) -> Result<()> {
        let deadline = Instant::now() + timeout;
        loop {
            let reached = position(self);
            if reached.as_ref().is_some_and(&is_there) {
                return Ok(());
            }
            if !self.is_running() {
                bail!("the task ended before {end:?}:\n{}", self.log());
            }
            if Instant::now() > deadline {
                bail!("the task is at {reached:?} and not at {end:?} after {timeout:?}:\n{}", self.log());
            }
            thread::sleep(POLL);
        }
    }

    /// The largest amount of memory the process has had so far, in bytes (`VmHWM`).
    ///
    /// # Errors
    /// When it does not run.
    pub fn peak_memory(&self) -> Result<u64> {
        let pid = self.pid().context("the task does not run")?;
        let status = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
        let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kilobytes * 1024)
    }
}

impl PostgresServer {
    /// The `[source]` section of a task that follows one of this server's databases; `more` has further lines.
    #[must_use]
    pub fn source_section(&self, database: &str, more: &str) -> String {
        PostgresServer::source_section_of(&[self], database, more)
    }

    /// The same with several servers: a primary, and the standbys that may be promoted.
    #[must_use]
    pub fn source_section_of(servers: &[&PostgresServer], database: &str, more: &str) -> String {
        let hosts: Vec<String> =
            servers.iter().map(|server| format!("\"127.0.0.1:{}\"", server.port())).collect();
        let login = servers.first().map(|server| server.login(database)).unwrap_or_default();
        format!("[source]\ntype = \"postgresql\"\nhosts = [{}]\n{login}{more}\n", hosts.join(", "))
    }

    /// The `[destination]` section of a task that writes to one of this server's databases; `more` has further lines.
    #[must_use]
    pub fn destination_section(&self, database: &str, more: &str) -> String {
        let (port, login) = (self.port(), self.login(database));
        format!("[destination]\ntype = \"postgresql\"\nhost = \"127.0.0.1:{port}\"\n{login}{more}\n")
    }

    /// Lines that the two sections share.
    fn login(&self, database: &str) -> String {
        let password =
            self.password().map(|password| format!("password = {password:?}\n")).unwrap_or_default();
        format!("database = {database:?}\nuser = \"postgres\"\n{password}")
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.kill().ok();
        }
    }
}
