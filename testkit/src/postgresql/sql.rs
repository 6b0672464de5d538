//! Running statements and reading rows as text.

use std::process::Command;

use anyhow::Context;
use postgres::{Client, Config, NoTls, SimpleQueryMessage};

use super::PostgresServer;
use crate::installation::Installation;
use crate::sql::shortened;

/// The database that every cluster has.
const DATABASE: &str = "postgres";

/// Runs one or more statements in one implicit transaction, unless they say otherwise.
///
/// # Errors
///
/// The first statement's that fails, with the server's own words.
pub fn run_postgres(client: &mut Client, sql: &str) -> anyhow::Result<()> {
    client.batch_execute(sql).with_context(|| format!("cannot run: {}", shortened(sql)))
}

/// The rows of one query as the server prints them: `None` is NULL.
///
/// # Errors
///
/// When the query fails.
pub fn query_postgres(client: &mut Client, sql: &str) -> anyhow::Result<Vec<Vec<Option<String>>>> {
    let messages = client.simple_query(sql).with_context(|| format!("cannot run: {}", shortened(sql)))?;
    let mut rows = Vec::new();
    for message in messages {
        if let SimpleQueryMessage::Row(row) = message {
            rows.push((0..row.len()).map(|place| row.get(place).map(str::to_owned)).collect());
        }
    }
    Ok(rows)
}

impl PostgresServer {
    /// How a client connects: as `postgres` over TCP, without TLS, with the password if there is one.
    pub fn config(&self, database: &str) -> Config {
        let mut config = Config::new();
        config.host("127.0.0.1").port(self.port()).user("postgres").dbname(database);
        if let Some(password) = self.password() {
            config.password(password);
        }
        config
    }

    /// The same as a URL, `postgresql://postgres@127.0.0.1:PORT/DATABASE`, without the password.
    pub fn url(&self, database: &str) -> String {
        format!("postgresql://postgres@127.0.0.1:{}/{database}", self.port())
    }

    /// A client tool (`psql`, `pg_dump`, `pg_restore`, `pg_basebackup`, `pg_recvlogical`) of the newest version, with an environment
    /// that leads it to the database `postgres` of this server as `postgres`.
    ///
    /// # Errors
    ///
    /// When the tools cannot be installed, or have none of this name.
    pub fn client_tool(&self, name: &str) -> anyhow::Result<Command> {
        let mut command = Command::new(Installation::named("postgresql-client")?.program(name)?);
        command.env("PGHOST", "127.0.0.1").env("PGPORT", self.port().to_string());
        command.env("PGUSER", "postgres").env("PGDATABASE", DATABASE);
        if let Some(password) = self.password() {
            command.env("PGPASSWORD", password);
        }
        Ok(command)
    }

    /// A new connection to a database as `postgres`.
    ///
    /// # Errors
    ///
    /// When the server is not running or there is no such database.
    pub fn client_of(&self, database: &str) -> anyhow::Result<Client> {
        self.config(database)
            .connect(NoTls)
            .with_context(|| format!("cannot connect to {database} of {self}"))
    }

    /// A new connection to the database `postgres`.
    ///
    /// # Errors
    ///
    /// When the server is not running.
    pub fn client(&self) -> anyhow::Result<Client> {
        self.client_of(DATABASE)
    }

    /// Runs one or more statements in the database `postgres` on a connection of their own. Several are one transaction.
    ///
    /// # Errors
    ///
    /// The first statement's that fails.
    pub fn exec(&self, sql: &str) -> anyhow::Result<()> {
        self.exec_in(DATABASE, sql)
    }

    /// The same in another database.
    ///
    /// # Errors
    ///
    /// The first statement's that fails.
    pub fn exec_in(&self, database: &str, sql: &str) -> anyhow::Result<()> {
        run_postgres(&mut self.client_of(database)?, sql)
    }

    /// The rows of one query in the database `postgres`, as text, on a connection of its own.
    ///
    /// # Errors
    ///
    /// When the query fails or the server is not running.
    pub fn query(&self, sql: &str) -> anyhow::Result<Vec<Vec<Option<String>>>> {
        self.query_in(DATABASE, sql)
    }

    /// The same in another database.
    ///
    /// # Errors
    ///
    /// When the query fails or the server is not running.
    pub fn query_in(&self, database: &str, sql: &str) -> anyhow::Result<Vec<Vec<Option<String>>>> {
        query_postgres(&mut self.client_of(database)?, sql)
    }

    /// The first column of the first row, if there is a row and the value is not NULL; in the database `postgres`.
    ///
    /// # Errors
    ///
    /// When the query fails or the server is not running.
    pub fn query_string(&self, sql: &str) -> anyhow::Result<Option<String>> {
        self.query_string_in(DATABASE, sql)
    }

    /// The same in another database.
    ///
    /// # Errors
    ///
    /// When the query fails or the server is not running.
    pub fn query_string_in(&self, database: &str, sql: &str) -> anyhow::Result<Option<String>> {
        Ok(self.query_in(database, sql)?.into_iter().next().and_then(|row| row.into_iter().next()).flatten())
    }
}
