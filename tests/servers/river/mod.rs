//! What the tests of whole rivers share: the sections of a task file, and destinations that can be compared.
#![allow(dead_code, reason = "each test uses a part of it")]

pub(crate) mod activity;
pub(crate) mod load;
pub(crate) mod network;
pub(crate) mod proxy;

use std::{path::PathBuf, time::Duration};

use anyhow::Result;
use slackwater_testkit::{
    Flavor, PostgresServer, PostgresVersion, Server,
    compare::{
        Rows, Side, destination_rows, expect_equal, expect_same_tables, postgres_rows, source_rows,
        sqlite_rows,
    },
};
use tempfile::{NamedTempFile, TempDir};

/// The daemon's program.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_slackwater");
/// How long a task may take to get to the end of a log.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

/// The database of PostgreSQL servers.
pub(crate) const DATABASE: &str = "postgres";

/// The source of a task: servers of one topology, the database `shop`.
pub(crate) fn source_section(servers: &[&Server], start: &str) -> String {
    let hosts: Vec<String> =
        servers.iter().map(|server| format!("\"127.0.0.1:{}\"", server.port())).collect();
    format!(
        "start = \"{start}\"\n[source]\ntype = \"mysql\"\nhosts = [{}]\nuser = \"root\"\npassword = \"\"\n\
         [objects]\ninclude = [\"shop.*\"]\n",
        hosts.join(", ")
    )
}

/// Where a river ends.
pub(crate) enum Destination {
    /// A file in a directory of its own.
    Sqlite(TempDir),
    /// A server of its own.
    Server(Box<Server>),
    /// The database [`DATABASE`] of a PostgreSQL server of its own, and the file with the types that are chosen there.
    Postgres(Box<PostgresServer>, NamedTempFile),
}

impl Destination {
    /// A new file.
    pub(crate) fn sqlite() -> Result<Self> {
        Ok(Destination::Sqlite(tempfile::tempdir()?))
    }

    /// A new server.
    pub(crate) fn server(flavor: Flavor) -> Result<Self> {
        Ok(Destination::Server(Box::new(Server::builder(flavor).server_id(77).start()?)))
    }

    /// A new PostgreSQL server.
    pub(crate) fn postgres(version: PostgresVersion) -> Result<Self> {
        let types = NamedTempFile::new()?;
        // A TIME of MySQL's may be longer than a day.
        std::fs::write(types.path(), "[columns]\n\"shop.measures.lasted\" = \"interval\"\n")?;
        Ok(Destination::Postgres(Box::new(PostgresServer::builder(version).start()?), types))
    }

    /// The file, where it is one.
    pub(crate) fn file(&self) -> Option<PathBuf> {
        match self {
            Destination::Sqlite(directory) => Some(directory.path().join("copy.db")),
            Destination::Server(_) | Destination::Postgres(..) => None,
        }
    }

    /// Its section of the task file.
    pub(crate) fn section(&self) -> String {
        match self {
            Destination::Sqlite(directory) => {
                format!("[destination]\ntype = \"sqlite\"\npath = {:?}\n", directory.path().join("copy.db"))
            }
            Destination::Server(server) => format!(
                "[destination]\ntype = \"mysql\"\nhost = \"127.0.0.1:{}\"\nuser = \"root\"\npassword = \"\"\n",
                server.port()
            ),
            Destination::Postgres(server, types) => {
                let more = "invalid_dates = \"drop\"\nzero_bytes = \"drop\"";
                let section = server.destination_section(DATABASE, more);
                format!("{section}[schema]\noverrides = {:?}\n", types.path())
            }
        }
    }

    /// Compares tables (`database.table`) with the source's, value by value.
    pub(crate) fn expect_tables(&self, source: &Server, tables: &[String]) -> Result<()> {
        assert!(!tables.is_empty());
        if let Destination::Postgres(server, _) = self {
            let pairs = tables.iter().map(|table| (table, table));
            return expect_same_tables(Side::Mysql(source), Side::Postgres(server, DATABASE), pairs)
                .map(drop);
        }
        for table in tables {
            let what = format!("{} to {}: {table}", source.flavor(), self.name());
            expect_equal(&what, &source_rows(source, table)?, &self.rows(source, table)?)?;
        }
        Ok(())
    }

    /// The rows of a table (`database.table`), read as the source's columns are.
    pub(crate) fn rows(&self, source: &Server, table: &str) -> Result<Rows> {
        match self {
            Destination::Sqlite(directory) => sqlite_rows(source, &directory.path().join("copy.db"), table),
            Destination::Server(server) => destination_rows(source, server, table),
            Destination::Postgres(server, _) => postgres_rows(server, DATABASE, table),
        }
    }

    /// What it is at, for the message of a test that gave up.
    pub(crate) fn activity(&self) -> String {
        match self {
            Destination::Sqlite(_) => String::new(),
            Destination::Server(server) => activity::of_mysql(server),
            Destination::Postgres(server, _) => activity::of_postgres(server),
        }
    }

    /// What it is, for messages.
    pub(crate) fn name(&self) -> String {
        match self {
            Destination::Sqlite(_) => "SQLite".to_owned(),
            Destination::Server(server) => server.flavor().to_string(),
            Destination::Postgres(server, _) => server.version().to_string(),
        }
    }
}
