//! A running server: starting, killing, stopping, starting again.

use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::installation::Installation;
use crate::options::{Places, ServerBuilder};
use crate::scratch::{Scratch, copy_tree};
use crate::{Flavor, launcher, ports};

/// How long a server may take to answer, or to end when asked to. A machine that builds at the same
/// time needs far longer than the second or less of an idle one.
const PATIENCE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(25);

/// A server on a loopback port with a temporary data directory. Dropping it kills the process and
/// removes the directory; when the test process dies, the kernel kills the server.
///
/// Root logs in from 127.0.0.1 without a password.
#[derive(Debug)]
pub struct Server {
    options: ServerBuilder,
    port: u16,
    places: Places,
    /// `None` while the server is down.
    process: Mutex<Option<Child>>,
    /// Goes after `drop` has killed the server that uses it.
    _scratch: Scratch,
}

impl Server {
    /// Options for a new server; [`ServerBuilder::start`] starts it.
    pub fn builder(flavor: Flavor) -> ServerBuilder {
        ServerBuilder::new(flavor)
    }

    pub(crate) fn start(options: ServerBuilder) -> anyhow::Result<Self> {
        let installation = Installation::of(options.flavor)?;
        let scratch = Scratch::new()?;
        let places = Places::below(scratch.path());
        copy_tree(&installation.template(), &places.data)
            .context("cannot copy the initialized data directory")?;
        fs::create_dir(&places.temporary).context("cannot make the server's temporary directory")?;
        if let Some(uuid) = &options.server_uuid {
            fs::write(places.data.join("auto.cnf"), format!("[auto]\nserver-uuid={uuid}\n"))
                .context("cannot write the server's UUID")?;
        }
        let mut server =
            Self { options, port: ports::free_port()?, places, process: Mutex::new(None), _scratch: scratch };
        let mut tries = 5;
        loop {
            match server.launch(&[]) {
                Err(_) if tries > 0 && !ports::is_free(server.port) => {
                    tries -= 1;
                    server.port = ports::free_port()?;
                }
                result => return result.map(|()| server),
            }
        }
    }

    /// The loopback port, the same after a restart.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What kind of server this is.
    pub fn flavor(&self) -> Flavor {
        self.options.flavor
    }

    /// The server id in the log's events.
    pub fn server_id(&self) -> u32 {
        self.options.server_id
    }

    /// The data directory.
    pub fn data_dir(&self) -> &Path {
        &self.places.data
    }

    /// The directory with the binlog files.
    pub fn binlog_dir(&self) -> &Path {
        &self.places.data
    }

    /// What the server has said since it was first started.
    pub fn error_log(&self) -> &Path {
        &self.places.error_log
    }

    /// The address for a client library: `mysql://root@127.0.0.1:PORT`.
    pub fn root_url(&self) -> String {
        format!("mysql://root@127.0.0.1:{}", self.port)
    }

    /// The server's process id, `None` while it is down.
    pub fn pid(&self) -> Option<u32> {
        self.process().as_ref().map(Child::id)
    }

    /// Whether the process runs. A server that crashed by itself is noticed here.
    pub fn is_running(&self) -> bool {
        self.process().as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Kills the process (SIGKILL) and waits until it is gone, as a crash of the machine's power supply
    /// would, except that the operating system's write cache survives. No effect when it is down.
    ///
    /// # Errors
    ///
    /// When the process cannot be killed.
    pub fn kill_hard(&self) -> anyhow::Result<()> {
        let mut process = self.process();
        if let Some(child) = process.as_mut() {
            child.kill().with_context(|| format!("cannot kill {self}"))?;
            child.wait().with_context(|| format!("cannot wait for {self}"))?;
        }
        *process = None;
        Ok(())
    }

    /// Stops the process from running (SIGSTOP): connections stay open and nobody answers, as behind a cut network.
    ///
    /// # Errors
    ///
    /// When it is down.
    pub fn freeze(&self) -> anyhow::Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets a frozen process run on (SIGCONT).
    ///
    /// # Errors
    ///
    /// When it is down.
    pub fn thaw(&self) -> anyhow::Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let process = self.process();
        let child = process.as_ref().with_context(|| format!("{self} is down"))?;
        kill_process(Pid::from_child(child), signal).with_context(|| format!("cannot signal {self}"))
    }

    /// Asks the server to shut down (SIGTERM) and waits until it has. No effect when it is down.
    ///
    /// # Errors
    ///
    /// When it has not ended after two minutes; it runs on then.
    pub fn stop(&self) -> anyhow::Result<()> {
        let mut process = self.process();
        let Some(child) = process.as_mut() else {
            return Ok(());
        };
        kill_process(Pid::from_child(child), Signal::TERM).with_context(|| format!("cannot stop {self}"))?;
        let deadline = Instant::now() + PATIENCE;
        while child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                bail!("{self} does not stop; from its log:\n{}", self.last_log_lines());
            }
            thread::sleep(POLL);
        }
        *process = None;
        Ok(())
    }

    /// Starts the server again on the same port and data directory, stopping it first if it runs.
    ///
    /// # Errors
    ///
    /// As [`Server::stop`] and [`ServerBuilder::start`].
    pub fn restart(&self) -> anyhow::Result<()> {
        self.restart_with(&[])
    }

    /// The same with further options, which hold until the next restart.
    ///
    /// # Errors
    ///
    /// As [`Server::restart`].
    pub fn restart_with(&self, arguments: &[&str]) -> anyhow::Result<()> {
        self.stop()?;
        self.launch(arguments)
    }

    /// A client tool of this flavor with its arguments, run through the loader it was built for:
    /// `mysql`, `mysqldump`, `mysqladmin` and `mysqlbinlog`, under MariaDB's names or MySQL's. The MySQL
    /// 5 archives have no tools, so MySQL 9.7's serve them. Where to connect is up to the arguments, see
    /// [`Server::connection_arguments`].
    ///
    /// # Errors
    ///
    /// When there is no such tool, or the arguments are empty.
    pub fn client(&self, command_line: &[&str]) -> anyhow::Result<Command> {
        let (tool, arguments) = command_line.split_first().context("no tool is named")?;
        let name = if !self.flavor().is_mariadb() {
            (*tool).to_owned()
        } else if *tool == "mysql" {
            "mariadb".to_owned()
        } else {
            match tool.strip_prefix("mysql") {
                Some(rest) => format!("mariadb-{rest}"),
                None => (*tool).to_owned(),
            }
        };
        let program = Installation::of(self.flavor().tools())?.program(&name)?;
        let mut command = Command::new(program);
        command.args(arguments);
        Ok(command)
    }

    /// `pt-online-schema-change` of the Percona Toolkit with its arguments, on a table (`database.table`) of this server as root.
    ///
    /// # Errors
    ///
    /// When the toolkit cannot be installed.
    pub fn pt_online_schema_change(&self, table: &str, arguments: &[&str]) -> anyhow::Result<Command> {
        let (database, table) = table.split_once('.').context("the table's database is not named")?;
        let mut command = Command::new(Installation::of_toolkit()?.program("pt-online-schema-change")?);
        command.args(arguments).arg(format!("h=127.0.0.1,P={},u=root,D={database},t={table}", self.port));
        Ok(command)
    }

    /// The arguments with which every client tool connects to this server as root.
    pub fn connection_arguments(&self) -> [String; 4] {
        [
            "--protocol=TCP".into(),
            "--host=127.0.0.1".into(),
            format!("--port={}", self.port),
            "--user=root".into(),
        ]
    }

    fn process(&self) -> MutexGuard<'_, Option<Child>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the process and waits until it answers.
    fn launch(&self, further_arguments: &[&str]) -> anyhow::Result<()> {
        let program = Installation::of(self.flavor())?.program(self.flavor().server_program())?;
        let error_log = File::options()
            .create(true)
            .append(true)
            .open(&self.places.error_log)
            .context("cannot open the server's log")?;
        let mut command = launcher::bound_to_us(&program);
        command
            .args(self.place_arguments())
            .args(self.options.command_line())
            .args(further_arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(error_log);
        *self.process() = Some(launcher::spawn(command)?);
        self.wait_until_it_answers().inspect_err(|_| {
            // The first error is the one to tell.
            let _ = self.kill_hard();
        })
    }

    fn place_arguments(&self) -> Vec<String> {
        let option = |name: &str, path: &PathBuf| format!("--{name}={}", path.display());
        vec![
            option("datadir", &self.places.data),
            option("tmpdir", &self.places.temporary),
            option("socket", &self.places.socket),
            option("pid-file", &self.places.pid_file),
            format!("--port={}", self.port),
        ]
    }

    fn wait_until_it_answers(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let error = match self.answering_data_dir() {
                Ok(directory) if directory == self.places.data => return Ok(()),
                // Another process took the port first; ours is about to end.
                Ok(directory) => anyhow!("{self} is a server on {}", directory.display()),
                Err(error) => error,
            };
            if !self.is_running() {
                bail!("{self} ended while starting; from its log:\n{}", self.last_log_lines());
            }
            if Instant::now() > deadline {
                return Err(error.context(format!(
                    "{self} did not answer in {PATIENCE:?}; from its log:\n{}",
                    self.last_log_lines()
                )));
            }
            thread::sleep(POLL);
        }
    }

    /// The data directory of the server that answers on our port.
    fn answering_data_dir(&self) -> anyhow::Result<PathBuf> {
        let directory = self.query_string("SELECT @@datadir")?;
        Ok(directory.unwrap_or_default().into())
    }

    /// What the server calls errors, and from its log: a server that gives up goes on to
    /// report its shutdown at length.
    fn last_log_lines(&self) -> String {
        const LINES: usize = 15;
        let log = fs::read(&self.places.error_log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let tail_starts = log.lines().count().saturating_sub(LINES);
        let kept =
            log.lines().enumerate().filter(|(index, line)| *index >= tail_starts || line.contains("[ERROR]"));
        kept.map(|(_, line)| line).collect::<Vec<_>>().join("\n")
    }
}

impl fmt::Display for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} on port {}", self.flavor(), self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nobody to tell; what is left is killed with this process.
        let _ = self.kill_hard();
    }
}
