//! What a server is started with.

use std::path::PathBuf;

use crate::{Flavor, Server};

/// Collects the options of a new server; made by [`Server::builder`].
#[derive(Debug, Clone)]
#[must_use = "a builder starts nothing before start()"]
pub struct ServerBuilder {
    pub(crate) flavor: Flavor,
    pub(crate) server_id: u32,
    pub(crate) server_uuid: Option<String>,
    pub(crate) arguments: Vec<String>,
}

impl ServerBuilder {
    pub(crate) fn new(flavor: Flavor) -> Self {
        Self { flavor, server_id: 1, server_uuid: None, arguments: Vec::new() }
    }

    /// Adds an option of the server, such as `--binlog-row-image=MINIMAL`. The last one of a name counts,
    /// and these come after the defaults.
    pub fn arg(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds several options, see [`ServerBuilder::arg`].
    pub fn args<A: Into<String>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// The server id in the log's events; 1 unless set. Two servers of one topology need two.
    pub fn server_id(mut self, server_id: u32) -> Self {
        self.server_id = server_id;
        self
    }

    /// The UUID in MySQL's GTIDs; a random one unless set. MariaDB has none.
    pub fn server_uuid(mut self, server_uuid: impl Into<String>) -> Self {
        self.server_uuid = Some(server_uuid.into());
        self
    }

    /// Starts the server and waits until it answers; installs the flavor before if need be.
    ///
    /// # Errors
    ///
    /// When the flavor cannot be installed, or the server ends or does not answer within two minutes:
    /// the error has the last lines of its log.
    pub fn start(self) -> anyhow::Result<Server> {
        Server::start(self)
    }

    /// The command-line arguments in the order in which the server sees them, apart from those that
    /// name places and ports.
    pub(crate) fn command_line(&self) -> Vec<String> {
        let mut arguments: Vec<String> =
            self.flavor.default_arguments().into_iter().map(String::from).collect();
        arguments.push(format!("--server-id={}", self.server_id));
        arguments.extend(self.arguments.iter().cloned());
        arguments
    }
}

/// The places of one server's files below its directory.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    pub(crate) data: PathBuf,
    pub(crate) temporary: PathBuf,
    pub(crate) socket: PathBuf,
    pub(crate) pid_file: PathBuf,
    pub(crate) error_log: PathBuf,
}

impl Places {
    pub(crate) fn below(directory: &std::path::Path) -> Self {
        Self {
            data: directory.join("data"),
            temporary: directory.join("tmp"),
            socket: directory.join("socket"),
            pid_file: directory.join("pid"),
            error_log: directory.join("error.log"),
        }
    }
}
