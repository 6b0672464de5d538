//! A running PostgreSQL server: starting, killing, stopping, starting again.

use std::fmt;
use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::{PostgresBuilder, PostgresVersion, process, tls};
use crate::installation::Installation;
use crate::scratch::{Scratch, copy_tree};
use crate::{launcher, ports};

/// How long a server may take to answer, or to end when asked to, on a machine that builds at the same time.
const PATIENCE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(20);

/// A PostgreSQL server on a loopback port with a temporary data directory. Dropping it kills its processes and removes the
/// directory; when the test process dies, the kernel kills the server.
///
/// `postgres` logs in from 127.0.0.1 and by the socket without a password, unless [`PostgresBuilder::password`] sets one.
#[derive(Debug)]
pub struct PostgresServer {
    options: PostgresBuilder,
    port: u16,
    data: PathBuf,
    log: PathBuf,
    /// `None` while the server is down.
    postmaster: Mutex<Option<Child>>,
    /// Goes after `drop` has killed the server that uses it.
    scratch: Scratch,
}

impl PostgresServer {
    /// Options for a new server; [`PostgresBuilder::start`] starts it.
    pub fn builder(version: PostgresVersion) -> PostgresBuilder {
        PostgresBuilder::new(version)
    }

    pub(super) fn start(options: PostgresBuilder) -> anyhow::Result<Self> {
        let mut server = Self::prepare(options)?;
        copy_tree(&server.installation()?.template(), &server.data)
            .context("cannot copy the initialized data directory")?;
        if server.options.tls {
            tls::write_certificate(&server.data)?;
        }
        if let Some(address) = server.options.address {
            let rules = format!("host all all {address}/30 trust\nhost replication all {address}/30 trust\n");
            let mut file = File::options().append(true).open(server.data.join("pg_hba.conf"))?;
            file.write_all(rules.as_bytes()).context("cannot write pg_hba.conf")?;
        }
        launcher::give_to_server(&server.data)?;
        let mut tries = 5;
        loop {
            match server.launch(&[]) {
                Err(_) if tries > 0 && !ports::is_free(server.port) => {
                    tries -= 1;
                    server.port = ports::free_port()?;
                }
                result => break result?,
            }
        }
        if let Some(password) = server.options.password.clone() {
            server.require_password(&password)?;
        }
        Ok(server)
    }

    /// A server with a port and an empty data directory.
    pub(super) fn prepare(options: PostgresBuilder) -> anyhow::Result<Self> {
        let scratch = Scratch::new()?;
        let (data, log) = (scratch.path().join("data"), scratch.path().join("log"));
        fs::create_dir(&data).context("cannot make the data directory")?;
        // It refuses to start in a directory that others may enter.
        fs::set_permissions(&data, Permissions::from_mode(0o700))?;
        launcher::give_to_server(scratch.path())?;
        Ok(Self { options, port: ports::free_port()?, data, log, postmaster: Mutex::new(None), scratch })
    }

    pub(super) fn installation(&self) -> anyhow::Result<Installation> {
        Installation::named(self.version().name())
    }

    /// The template lets everybody in: from here on only those who come by the socket, and those who know the password.
    fn require_password(&self, password: &str) -> anyhow::Result<()> {
        let mut client = self.socket_config().connect(postgres::NoTls)?;
        let quoted = password.replace('\'', "''");
        client.batch_execute(&format!(
            "SET password_encryption = 'scram-sha-256'; ALTER ROLE postgres PASSWORD '{quoted}'"
        ))?;
        let rules = "local all all trust\nlocal replication all trust\n\
                     host all all 127.0.0.1/32 scram-sha-256\nhost replication all 127.0.0.1/32 scram-sha-256\n";
        fs::write(self.data.join("pg_hba.conf"), rules).context("cannot write pg_hba.conf")?;
        client.batch_execute("SELECT pg_reload_conf()")?;
        Ok(())
    }

    /// The loopback port, the same after a restart.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The major version.
    pub fn version(&self) -> PostgresVersion {
        self.options.version
    }

    /// The data directory.
    pub fn data_dir(&self) -> &Path {
        &self.data
    }

    /// The directory with the Unix socket.
    pub fn socket_dir(&self) -> &Path {
        self.scratch.path()
    }

    /// What the server has said since it was first started.
    pub fn error_log(&self) -> &Path {
        &self.log
    }

    /// The password of `postgres`, if it needs one.
    pub fn password(&self) -> Option<&str> {
        self.options.password.as_deref()
    }

    /// Whether it was built with [`PostgresBuilder::tls`].
    pub fn offers_tls(&self) -> bool {
        self.options.tls
    }

    /// The certificate (PEM) that the server shows when it was built with [`PostgresBuilder::tls`]; it is its own authority.
    pub fn certificate(&self) -> PathBuf {
        self.data.join(tls::CERTIFICATE)
    }

    /// The process id of the postmaster, `None` while the server is down.
    pub fn pid(&self) -> Option<u32> {
        self.postmaster().as_ref().map(Child::id)
    }

    /// Whether the postmaster runs. A server that ended by itself is noticed here.
    pub fn is_running(&self) -> bool {
        self.postmaster().as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Kills all its processes (SIGKILL) and waits until they are gone, as a crash of the machine would, except that the
    /// operating system's write cache survives. No effect when it is down.
    ///
    /// # Errors
    ///
    /// When a process cannot be killed.
    pub fn kill_hard(&self) -> anyhow::Result<()> {
        let mut postmaster = self.postmaster();
        if let Some(child) = postmaster.as_mut() {
            process::kill_all(child).with_context(|| format!("cannot kill {self}"))?;
        }
        *postmaster = None;
        Ok(())
    }

    /// Stops all its processes from running (SIGSTOP): connections stay open and nobody answers, as behind a cut network.
    ///
    /// # Errors
    ///
    /// When it is down.
    pub fn freeze(&self) -> anyhow::Result<()> {
        self.signal_all(Signal::STOP)
    }

    /// Lets a frozen server run on (SIGCONT).
    ///
    /// # Errors
    ///
    /// When it is down.
    pub fn thaw(&self) -> anyhow::Result<()> {
        self.signal_all(Signal::CONT)
    }

    fn signal_all(&self, signal: Signal) -> anyhow::Result<()> {
        let postmaster = self.postmaster();
        process::signal_all(postmaster.as_ref().with_context(|| format!("{self} is down"))?, signal)
    }

    pub(super) fn signal_postmaster(&self, signal: Signal) -> anyhow::Result<()> {
        let postmaster = self.postmaster();
        let child = postmaster.as_ref().with_context(|| format!("{self} is down"))?;
        kill_process(Pid::from_child(child), signal).with_context(|| format!("cannot signal {self}"))
    }

    /// Asks the server to shut down in order, ending its sessions (SIGINT, "fast"), and waits until it has. No effect when it is
    /// down.
    ///
    /// # Errors
    ///
    /// When it has not ended after two minutes; it runs on then.
    pub fn stop(&self) -> anyhow::Result<()> {
        let mut postmaster = self.postmaster();
        let Some(child) = postmaster.as_mut() else {
            return Ok(());
        };
        kill_process(Pid::from_child(child), Signal::INT).with_context(|| format!("cannot stop {self}"))?;
        let deadline = Instant::now() + PATIENCE;
        while child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                bail!("{self} does not stop; from its log:\n{}", self.last_log_lines());
            }
            thread::sleep(POLL);
        }
        *postmaster = None;
        Ok(())
    }

    /// Starts the server again on the same port and data directory, stopping it first if it runs.
    ///
    /// # Errors
    ///
    /// As [`PostgresServer::stop`] and [`PostgresBuilder::start`].
    pub fn restart(&self) -> anyhow::Result<()> {
        self.restart_with(&[])
    }

    /// The same with further settings (names and values), which hold until the next restart.
    ///
    /// # Errors
    ///
    /// As [`PostgresServer::restart`].
    pub fn restart_with(&self, settings: &[(&str, &str)]) -> anyhow::Result<()> {
        self.stop()?;
        self.launch(settings)
    }

    fn postmaster(&self) -> MutexGuard<'_, Option<Child>> {
        self.postmaster.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the postmaster and waits until it answers.
    pub(super) fn launch(&self, further_settings: &[(&str, &str)]) -> anyhow::Result<()> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .context("cannot open the server's log")?;
        let mut command = launcher::bound_to_us_without_root(&self.installation()?.program("postgres")?);
        command.arg("-D").arg(&self.data).args(["-p", &self.port.to_string()]);
        command.arg("-k").arg(self.socket_dir());
        for (name, value) in self.options.settings().chain(further_settings.iter().copied()) {
            command.args(["-c", &format!("{name}={value}")]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        *self.postmaster() = Some(launcher::spawn(command)?);
        self.wait_until_it_answers().inspect_err(|_| {
            // The first error is the one to tell.
            let _ = self.kill_hard();
        })
    }

    /// A client by the socket, which never needs a password and cannot meet another server.
    fn socket_config(&self) -> postgres::Config {
        let mut config = postgres::Config::new();
        config.host_path(self.socket_dir()).port(self.port).user("postgres").dbname("postgres");
        config
    }

    fn wait_until_it_answers(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let error = match self.socket_config().connect(postgres::NoTls) {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            if !self.is_running() {
                bail!("{self} ended while starting; from its log:\n{}", self.last_log_lines());
            }
            if Instant::now() > deadline {
                return Err(anyhow!(error).context(format!(
                    "{self} did not answer in {PATIENCE:?}; from its log:\n{}",
                    self.last_log_lines()
                )));
            }
            thread::sleep(POLL);
        }
    }

    pub(super) fn last_log_lines(&self) -> String {
        const LINES: usize = 15;
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let skipped = log.lines().count().saturating_sub(LINES);
        log.lines().skip(skipped).collect::<Vec<_>>().join("\n")
    }
}

impl fmt::Display for PostgresServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} on port {}", self.version(), self.port)
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        // Nobody to tell; what is left is killed with this process.
        let _ = self.kill_hard();
    }
}
