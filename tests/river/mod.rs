//! What the tests of whole rivers share: the sections of a task file, and destinations that can be compared.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::{path::PathBuf, time::Duration};

use anyhow::Result;
use slackwater_testkit::{
    Flavor, Server,
    compare::{Rows, destination_rows, expect_equal, source_rows, sqlite_rows},
};
use tempfile::TempDir;

/// The daemon's program.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_slackwater");
/// How long a task may take to get to the end of a log.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// The source of a task: servers of one topology, the database `shop`.
pub fn source_section(servers: &[&Server], start: &str) -> String {
    let hosts: Vec<String> =
        servers.iter().map(|server| format!("\"127.0.0.1:{}\"", server.port())).collect();
    format!(
        "start = \"{start}\"\n[source]\ntype = \"mysql\"\nhosts = [{}]\nuser = \"root\"\npassword = \"\"\n\
         [objects]\ninclude = [\"shop.*\"]\n",
        hosts.join(", ")
    )
}

/// Where a river ends.
pub enum Destination {
    /// A file in a directory of its own.
    Sqlite(TempDir),
    /// A server of its own.
    Server(Server),
}

impl Destination {
    /// A new file.
    pub fn sqlite() -> Result<Self> {
        Ok(Destination::Sqlite(tempfile::tempdir()?))
    }

    /// A new server.
    pub fn server(flavor: Flavor) -> Result<Self> {
        Ok(Destination::Server(Server::builder(flavor).server_id(77).start()?))
    }

    /// The file, where it is one.
    pub fn file(&self) -> Option<PathBuf> {
        match self {
            Destination::Sqlite(directory) => Some(directory.path().join("copy.db")),
            Destination::Server(_) => None,
        }
    }

    /// Its section of the task file.
    pub fn section(&self) -> String {
        match self {
            Destination::Sqlite(directory) => {
                format!("[destination]\ntype = \"sqlite\"\npath = {:?}\n", directory.path().join("copy.db"))
            }
            Destination::Server(server) => format!(
                "[destination]\ntype = \"mysql\"\nhost = \"127.0.0.1:{}\"\nuser = \"root\"\npassword = \"\"\n",
                server.port()
            ),
        }
    }

    /// Compares tables (`database.table`) with the source's, value by value.
    pub fn expect_tables(&self, source: &Server, tables: &[String]) -> Result<()> {
        assert!(!tables.is_empty());
        for table in tables {
            let what = format!("{} to {}: {table}", source.flavor(), self.name());
            expect_equal(&what, &source_rows(source, table)?, &self.rows(source, table)?)?;
        }
        Ok(())
    }

    /// The rows of a table (`database.table`), read as the source's columns are.
    pub fn rows(&self, source: &Server, table: &str) -> Result<Rows> {
        match self {
            Destination::Sqlite(directory) => sqlite_rows(source, &directory.path().join("copy.db"), table),
            Destination::Server(server) => destination_rows(source, server, table),
        }
    }

    /// What it is, for messages.
    pub fn name(&self) -> String {
        match self {
            Destination::Sqlite(_) => "SQLite".to_owned(),
            Destination::Server(server) => server.flavor().to_string(),
        }
    }
}
