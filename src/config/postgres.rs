//! The `[source]` and `[destination]` sections of the task file for PostgreSQL servers.

use std::{path::PathBuf, time::Duration};

use secrecy::SecretString;
use serde::Deserialize;

use super::{
    size::ByteSize,
    source::{Password, Tls},
};
use crate::error::{Error, Result};

/// The longest name that PostgreSQL keeps (`NAMEDATALEN - 1`).
const NAME_BYTES: usize = 63;

/// A PostgreSQL database whose write-ahead log is followed through a logical replication slot.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostgresSource {
    /// Addresses, `host:port`, `host` (port 5432), `[ipv6]:port` or the directory of a Unix socket, in the order in which they are
    /// tried: a primary, and the standbys that may be promoted.
    pub hosts: Vec<String>,
    /// The database.
    pub database: String,
    /// The account, which needs REPLICATION.
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
    /// How the connections are encrypted.
    #[serde(default)]
    pub tls: Tls,
    /// The name of the replication slot: lower-case letters, digits and `_`. Derived from the task's name unless set.
    #[serde(default)]
    pub slot: Option<String>,
    /// The name of the publication. Derived from the task's name unless set.
    #[serde(default)]
    pub publication: Option<String>,
    /// Whether the task creates the slot and the publication, and changes the publication when the selected tables change. Else
    /// they have to be there.
    #[serde(default = "yes")]
    pub create: bool,
    /// Whether the slot is kept on standbys as well (PostgreSQL 17 and later), so that a promoted one can be followed.
    #[serde(default)]
    pub failover: bool,
    /// The highest version of the protocol to ask for, 1 to 4; the highest that the server has unless set.
    #[serde(default)]
    pub protocol: Option<u8>,
    /// How the server writes values.
    #[serde(default)]
    pub format: WireFormat,
    /// Whether the server sends large transactions before they commit (PostgreSQL 14 and later).
    #[serde(default = "yes")]
    pub streaming: bool,
    /// Whether prepared transactions are received when they are prepared (PostgreSQL 15 and later).
    #[serde(default)]
    pub two_phase: bool,
    /// Which changes are received by their origin.
    #[serde(default)]
    pub origin: Origin,
    /// How statements that change the schema are noticed.
    #[serde(default)]
    pub ddl: DdlCapture,
    /// Bytes of log that the slot may keep the server from removing before the operator is warned; no limit unless set.
    #[serde(default)]
    pub retained_log_limit: Option<ByteSize>,
    /// How often an idle task tells the server how far it is, 100 ms to 60 s.
    #[serde(default = "default_heartbeat", with = "humantime_serde")]
    pub heartbeat: Duration,
    /// How long connecting and logging in may take, 1 s to 5 min.
    #[serde(default = "default_connect_timeout", with = "humantime_serde")]
    pub connect_timeout: Duration,
}

/// How values are written on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WireFormat {
    /// By each type's output function: every type comes through.
    #[default]
    Text,
    /// By each type's send function (PostgreSQL 14 and later): types of extensions are refused.
    Binary,
}

/// Which changes are received, by the origin that the session at the source had set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// All.
    #[default]
    Any,
    /// Those without one: what the source itself received by replication is left out (PostgreSQL 16 and later).
    None,
}

/// How statements that change the schema are noticed. The log itself does not have them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DdlCapture {
    /// By an event trigger where the account may create one, else by comparing.
    #[default]
    Auto,
    /// By an event trigger that writes each statement into the log.
    EventTrigger,
    /// By comparing what rows are announced as with what the table was before.
    Compare,
}

/// A PostgreSQL database that changes are applied to.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PostgresDestination {
    /// Its address: `host:port`, `host` (port 5432), `[ipv6]:port` or the directory of a Unix socket.
    pub host: String,
    /// The database. It has to be there.
    pub database: String,
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
    /// The schema that holds the checkpoint table. It is created when it does not exist.
    #[serde(default = "default_checkpoint_schema")]
    pub checkpoint_schema: String,
    /// Whether a table that has rows in the log and does not exist at the destination is created.
    #[serde(default = "yes")]
    pub create_tables: bool,
    /// Connections that apply at once, 1 to 64. Each writes its share of the rows, and its own row of the checkpoint.
    #[serde(default = "default_workers")]
    pub workers: u32,
    /// What becomes of dates that do not exist (MySQL's `0000-00-00` and `2024-00-15`).
    #[serde(default)]
    pub invalid_dates: Unrepresentable,
    /// What becomes of zero bytes inside of text, which PostgreSQL cannot hold.
    #[serde(default)]
    pub zero_bytes: Unrepresentable,
}

/// What becomes of a value that the destination's type cannot hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unrepresentable {
    /// The row change is refused, and `apply.on_row_error` decides.
    #[default]
    Refuse,
    /// A date becomes NULL, and its column is created nullable; a zero byte is left out.
    Drop,
}

fn default_heartbeat() -> Duration {
    Duration::from_secs(1)
}

fn default_connect_timeout() -> Duration {
    Duration::from_secs(10)
}

fn default_checkpoint_schema() -> String {
    "slackwater".to_owned()
}

fn default_workers() -> u32 {
    4
}

fn yes() -> bool {
    true
}

impl PostgresSource {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// A definite one that names the field.
    pub fn validate(&self) -> Result<()> {
        if self.hosts.is_empty() || self.hosts.iter().any(|host| host.trim().is_empty()) {
            return Err(invalid(
                "source.hosts",
                "names no server",
                "give one or more addresses, such as [\"db1:5432\"]",
            ));
        }
        not_empty("source.database", &self.database, "name the database whose tables are carried")?;
        not_empty("source.user", &self.user, "name the account that has REPLICATION")?;
        if let Some(slot) = &self.slot
            && (slot.is_empty()
                || slot.len() > NAME_BYTES
                || !slot.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_')))
        {
            return Err(invalid(
                "source.slot",
                "is no name for a replication slot",
                "use up to 63 lower-case letters, digits and _",
            ));
        }
        if let Some(publication) = &self.publication {
            name("source.publication", publication)?;
        }
        if self.protocol.is_some_and(|version| !(1..=4).contains(&version)) {
            return Err(invalid(
                "source.protocol",
                "is no version of the protocol",
                "give a number from 1 to 4, or leave it out",
            ));
        }
        let (millisecond, second) = (Duration::from_millis(1), Duration::from_secs(1));
        within("source.heartbeat", self.heartbeat, 100 * millisecond, 60 * second)?;
        within("source.connect_timeout", self.connect_timeout, second, 300 * second)?;
        self.password().validate("source")?;
        self.tls.validate()
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

impl PostgresDestination {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// A definite one that names the field.
    pub fn validate(&self) -> Result<()> {
        not_empty("destination.host", &self.host, "give an address such as \"db2:5432\"")?;
        not_empty("destination.database", &self.database, "name the database that is written to")?;
        not_empty("destination.user", &self.user, "name the account that may write to the tables")?;
        name("destination.checkpoint_schema", &self.checkpoint_schema)?;
        if !(1..=64).contains(&self.workers) {
            let what = format!("is {}", self.workers);
            return Err(invalid("destination.workers", &what, "give a number from 1 to 64"));
        }
        self.password().validate("destination")?;
        self.tls.validate()
    }

    /// The same database with the same account as a source.
    #[must_use]
    pub fn as_source(&self) -> PostgresSource {
        PostgresSource {
            hosts: vec![self.host.clone()],
            database: self.database.clone(),
            user: self.user.clone(),
            password: self.password.clone(),
            password_file: self.password_file.clone(),
            password_env: self.password_env.clone(),
            tls: self.tls.clone(),
            slot: None,
            publication: None,
            create: true,
            failover: false,
            protocol: None,
            format: WireFormat::default(),
            streaming: true,
            two_phase: false,
            origin: Origin::default(),
            ddl: DdlCapture::default(),
            retained_log_limit: None,
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

fn not_empty(field: &str, value: &str, remedy: &str) -> Result<()> {
    if value.trim().is_empty() { Err(invalid(field, "is empty", remedy)) } else { Ok(()) }
}

fn name(field: &str, value: &str) -> Result<()> {
    if value.is_empty() || value.len() > NAME_BYTES {
        return Err(invalid(field, "is no name", "give one of 1 to 63 bytes"));
    }
    Ok(())
}

fn within(field: &str, value: Duration, least: Duration, most: Duration) -> Result<()> {
    if value < least || value > most {
        let remedy = format!("give a duration from {least:?} to {most:?}");
        return Err(invalid(field, &format!("is {value:?}"), &remedy));
    }
    Ok(())
}

fn invalid(field: &str, what: &str, remedy: &str) -> Error {
    Error::definite(format!("{field} {what}")).remedy(remedy)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_short_section_is_enough() {
        let source: PostgresSource =
            toml::from_str("hosts = ['db1']\ndatabase = 'shop'\nuser = 'repl'").unwrap();
        source.validate().unwrap();
        assert!(source.create && source.streaming && !source.two_phase);
        assert_eq!(source.format, WireFormat::Text);
        let destination: PostgresDestination =
            toml::from_str("host = 'db2'\ndatabase = 'shop'\nuser = 'apply'").unwrap();
        destination.validate().unwrap();
        assert_eq!((destination.checkpoint_schema.as_str(), destination.workers), ("slackwater", 4));
    }

    #[test]
    fn what_cannot_work_is_refused() {
        let base = "hosts = ['a']\ndatabase = 'd'\nuser = 'u'\n";
        for (more, word) in [
            ("slot = 'Upper'", "slot"),
            ("protocol = 5", "protocol"),
            ("heartbeat = '1ms'", "heartbeat"),
            ("password = 'a'\npassword_env = 'B'", "more than once"),
            ("tls = { mode = 'verify-ca' }", "tls.ca"),
        ] {
            let source: PostgresSource = toml::from_str(&format!("{base}{more}")).unwrap();
            let error = source.validate().unwrap_err();
            assert!(error.to_string().contains(word), "{error}");
        }
        let base = "host = 'a'\ndatabase = 'd'\nuser = 'u'\n";
        for (more, word) in [("workers = 65", "workers"), ("checkpoint_schema = ''", "checkpoint_schema")] {
            let destination: PostgresDestination = toml::from_str(&format!("{base}{more}")).unwrap();
            assert!(destination.validate().unwrap_err().to_string().contains(word));
        }
    }
}
