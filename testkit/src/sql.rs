//! Running statements and reading rows as text.

use anyhow::Context;
use mysql::prelude::Queryable;
use mysql::{Conn, OptsBuilder, Value};

use crate::Server;

/// A row as the server writes it in the text protocol: `None` is NULL, anything else its text or bytes.
pub type TextRow = Vec<Option<Vec<u8>>>;

/// Runs one or more statements, separated by semicolons, and drops their rows.
///
/// # Errors
///
/// The error of the first statement that fails; those before it have run, those after it have not.
pub fn run_statements(conn: &mut Conn, sql: &str) -> anyhow::Result<()> {
    let statement = || format!("cannot run: {}", shortened(sql));
    let mut results = conn.query_iter(sql).with_context(statement)?;
    while let Some(rows) = results.iter() {
        for row in rows {
            row.with_context(statement)?;
        }
    }
    Ok(())
}

/// The rows of one query, as text.
///
/// # Errors
///
/// When the query fails.
pub fn query_rows(conn: &mut Conn, sql: &str) -> anyhow::Result<Vec<TextRow>> {
    let rows: Vec<mysql::Row> = conn.query(sql).with_context(|| format!("cannot run: {}", shortened(sql)))?;
    Ok(rows
        .into_iter()
        .map(|row| row.unwrap_raw().into_iter().map(|value| value.and_then(text)).collect())
        .collect())
}

/// What the server sent; the text protocol has only bytes and NULL.
fn text(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::NULL => None,
        Value::Bytes(bytes) => Some(bytes),
        other => Some(other.as_sql(true).into_bytes()),
    }
}

/// The beginning of a statement, for an error message.
pub(crate) fn shortened(sql: &str) -> String {
    const CHARACTERS: usize = 300;
    let mut start: String = sql.chars().take(CHARACTERS).collect();
    if start.len() < sql.len() {
        start.push('…');
    }
    start
}

impl Server {
    /// A new connection as root, with utf8mb4 and without a database.
    ///
    /// # Errors
    ///
    /// When the server is not running.
    pub fn conn(&self) -> anyhow::Result<Conn> {
        let options = OptsBuilder::new()
            .ip_or_hostname(Some("127.0.0.1"))
            .tcp_port(self.port())
            .user(Some("root"))
            // Otherwise the client moves over to the socket, where other accounts and no TLS apply.
            .prefer_socket(false);
        Conn::new(options).with_context(|| format!("cannot connect to {self}"))
    }

    /// Runs one or more statements on a connection of their own, so that no session state stays behind.
    ///
    /// # Errors
    ///
    /// The first statement's that fails, see [`run_statements`].
    pub fn exec(&self, sql: &str) -> anyhow::Result<()> {
        run_statements(&mut self.conn()?, sql)
    }

    /// The rows of one query, as text, on a connection of its own.
    ///
    /// # Errors
    ///
    /// When the query fails or the server is not running.
    pub fn query(&self, sql: &str) -> anyhow::Result<Vec<TextRow>> {
        query_rows(&mut self.conn()?, sql)
    }

    /// The first column of the first row, if there is a row and the value is not NULL.
    ///
    /// # Errors
    ///
    /// When the query fails, or the value is not UTF-8.
    pub fn query_string(&self, sql: &str) -> anyhow::Result<Option<String>> {
        let value = self.query(sql)?.into_iter().next().and_then(|row| row.into_iter().next()).flatten();
        value.map(|bytes| String::from_utf8(bytes).context("the value is not UTF-8")).transpose()
    }

    /// All rows of a table (`database.table`), sorted, so that those of two servers can be compared.
    ///
    /// # Errors
    ///
    /// When the table cannot be read.
    pub fn sorted_rows(&self, table: &str) -> anyhow::Result<Vec<TextRow>> {
        let mut rows = self.query(&format!("SELECT * FROM {table}"))?;
        rows.sort();
        Ok(rows)
    }
}
