//! The `[destination]` section of the task file.

use std::path::PathBuf;

use secrecy::SecretString;
use serde::Deserialize;

use super::source::{MysqlSource, Password, Tls, default_connect_timeout, default_heartbeat};
use crate::error::{Error, Result};

/// A SQLite file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SqliteDestination {
    /// The file. It is created when it does not exist; its directory must.
    pub path: PathBuf,
    /// How a table is called in the file: a pattern with `{table}` and, where tables of several databases would take the
    /// same name, `{database}`.
    #[serde(default = "default_name")]
    pub name: String,
    /// Whether a table that has rows in the log and does not exist in the file is created.
    #[serde(default = "yes")]
    pub create_tables: bool,
    /// Memory for the file's pages, 1 to 1,024 MiB.
    #[serde(default = "default_cache")]
    pub cache_mib: u32,
}

/// A MySQL or MariaDB server.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MysqlDestination {
    /// Its address: `host:port`, `host` (port 3306), `[ipv6]:port` or the path of a Unix socket.
    pub host: String,
    /// The account.
    pub user: String,
    /// The account's password; it, `password_file` and `password_env` exclude each other.
    #[serde(default)]
    pub password: Option<SecretString>,
    /// A file that holds nothing but the password; line ends behind it do not count.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// The environment variable that holds the password.
    #[serde(default)]
    pub password_env: Option<String>,
    /// How the connection is encrypted.
    #[serde(default)]
    pub tls: Tls,
    /// The database that holds the checkpoint table. It is created when it does not exist.
    #[serde(default = "default_checkpoint_database")]
    pub checkpoint_database: String,
    /// Whether a table that has rows in the log and does not exist at the destination is created.
    #[serde(default = "yes")]
    pub create_tables: bool,
    /// Rows that one statement writes at most, 1 to 10,000.
    #[serde(default = "default_statement_rows")]
    pub statement_rows: u32,
    /// Connections that apply at once, 1 to 64. Each writes its share of the rows, and its own row of the checkpoint.
    #[serde(default = "default_workers")]
    pub workers: u32,
}

fn default_name() -> String {
    "{table}".to_owned()
}

fn default_checkpoint_database() -> String {
    "slackwater".to_owned()
}

fn default_cache() -> u32 {
    32
}

fn default_statement_rows() -> u32 {
    1_000
}

fn default_workers() -> u32 {
    4
}

fn yes() -> bool {
    true
}

impl SqliteDestination {
    /// A file with everything else as it is by default.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        SqliteDestination {
            path: path.into(),
            name: default_name(),
            create_tables: true,
            cache_mib: default_cache(),
        }
    }

    /// Checks what the types cannot.
    ///
    /// # Errors
    /// A definite one that names the field.
    pub fn validate(&self) -> Result<()> {
        let without_known = self.name.replace("{table}", "").replace("{database}", "");
        if !self.name.contains("{table}") || without_known.contains(['{', '}']) {
            return Err(invalid(
                "name",
                "is no pattern for table names",
                "use {table}, and {database} where needed, such as \"{database}_{table}\"",
            ));
        }
        within("cache_mib", self.cache_mib, 1, 1_024)
    }
}

impl MysqlDestination {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// A definite one that names the field.
    pub fn validate(&self) -> Result<()> {
        if self.host.trim().is_empty() {
            return Err(invalid("host", "is empty", "give an address such as \"db2:3306\""));
        }
        if self.user.is_empty() {
            return Err(invalid("user", "is empty", "name the account that may write to the tables"));
        }
        if self.checkpoint_database.is_empty() {
            return Err(invalid(
                "checkpoint_database",
                "is empty",
                "name a database, such as \"slackwater\"",
            ));
        }
        within("statement_rows", self.statement_rows, 1, 10_000)?;
        within("workers", self.workers, 1, 64)?;
        self.password().validate("destination")?;
        self.tls.validate()
    }

    /// The same server with the same account as a source.
    #[must_use]
    pub fn as_source(&self) -> MysqlSource {
        MysqlSource {
            hosts: vec![self.host.clone()],
            user: self.user.clone(),
            password: self.password.clone(),
            password_file: self.password_file.clone(),
            password_env: self.password_env.clone(),
            tls: self.tls.clone(),
            server_id: None,
            heartbeat: default_heartbeat(),
            connect_timeout: default_connect_timeout(),
        }
    }

    /// Where the account's password comes from.
    #[must_use]
    pub fn password(&self) -> Password {
        Password {
            password: self.password.clone(),
            file: self.password_file.clone(),
            variable: self.password_env.clone(),
        }
    }
}

fn invalid(field: &str, what: &str, remedy: &str) -> Error {
    Error::definite(format!("destination.{field} {what}")).remedy(remedy)
}

fn within(field: &str, value: u32, least: u32, most: u32) -> Result<()> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(invalid(field, &format!("is {value}"), &format!("give a number from {least} to {most}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    #[test]
    fn a_short_section_is_enough() {
        let sqlite: SqliteDestination = toml::from_str("path = 'shop.db'").unwrap();
        sqlite.validate().unwrap();
        assert_eq!((sqlite.name.as_str(), sqlite.create_tables), ("{table}", true));
        let mysql: MysqlDestination = toml::from_str("host = 'db2'\nuser = 'apply'").unwrap();
        mysql.validate().unwrap();
        assert_eq!((mysql.checkpoint_database.as_str(), mysql.workers), ("slackwater", 4));
    }

    #[test]
    fn what_cannot_work_is_refused() {
        for name in ["{database}", "{table}{x}", "orders"] {
            let sqlite: SqliteDestination = toml::from_str(&format!("path = 'a'\nname = '{name}'")).unwrap();
            assert!(sqlite.validate().unwrap_err().to_string().contains("destination.name"), "{name}");
        }
        assert!(toml::from_str::<SqliteDestination>("path = 'a'\ncreate_table = true").is_err());
        let mysql: MysqlDestination = toml::from_str("host = 'db2'\nuser = 'apply'\nworkers = 65").unwrap();
        assert!(mysql.validate().unwrap_err().to_string().contains("destination.workers"));
    }
}
