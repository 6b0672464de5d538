//! The `[source]` section of the task file for sources that read binlogs.

use std::{env, fmt, fs, num::NonZeroU32, path::PathBuf, time::Duration};

use secrecy::SecretString;
use serde::Deserialize;

use crate::error::{Error, Result};

/// A MySQL or MariaDB server whose binlog is followed through a replication connection.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MysqlSource {
    /// Addresses, `host:port`, `host` (port 3306), `[ipv6]:port` or the path of a Unix socket, in the order in which they
    /// are tried. More than one needs GTIDs.
    pub hosts: Vec<String>,
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
    /// How the connections are encrypted.
    #[serde(default)]
    pub tls: Tls,
    /// The server id that this task takes in the topology. Unless set it is derived from the task's name.
    #[serde(default)]
    pub server_id: Option<NonZeroU32>,
    /// How often an idle server says that it is alive, 100 ms to 60 s. After four of them without a word it counts as lost.
    #[serde(default = "default_heartbeat", with = "humantime_serde")]
    pub heartbeat: Duration,
    /// How long connecting and logging in may take, 1 s to 5 min.
    #[serde(default = "default_connect_timeout", with = "humantime_serde")]
    pub connect_timeout: Duration,
}

/// A directory of binlog files, as a server or an archiver writes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MysqlFilesSource {
    /// The directory.
    pub directory: PathBuf,
    /// The name of the files before `.number`. Needed only where the directory holds files of several names.
    #[serde(default)]
    pub base: Option<String>,
    /// Whether to wait for more at the end of the newest file, or to end there.
    #[serde(default)]
    pub follow: bool,
    /// How often to look for more at the end, 10 ms to 60 s.
    #[serde(default = "default_poll", with = "humantime_serde")]
    pub poll: Duration,
}

/// A password, or the place to read it from each time it is needed. At most one of the fields is set.
#[derive(Clone, Debug, Default)]
pub struct Password {
    /// The password itself.
    pub password: Option<SecretString>,
    /// A file that holds nothing but the password; line ends behind it do not count.
    pub file: Option<PathBuf>,
    /// The environment variable that holds the password.
    pub variable: Option<String>,
}

/// Encryption of connections to a database.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// Whether to encrypt and what to verify.
    #[serde(default)]
    pub mode: TlsMode,
    /// PEM file with the certificate authorities that may have signed the server's certificate.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// PEM file with the client's certificate and its chain.
    #[serde(default)]
    pub cert: Option<PathBuf>,
    /// PEM file with the client's private key.
    #[serde(default)]
    pub key: Option<PathBuf>,
}

/// How far a connection is to be trusted, from nothing to all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsMode {
    /// No encryption.
    Disabled,
    /// Encrypted where the server offers it, without a look at its certificate.
    #[default]
    Preferred,
    /// Encrypted, without a look at the server's certificate.
    Required,
    /// Encrypted, and the certificate is signed by one of `ca`.
    VerifyCa,
    /// Encrypted, signed by one of `ca`, and the certificate is for the host that was asked for.
    VerifyIdentity,
}

impl fmt::Display for TlsMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TlsMode::Disabled => "disabled",
            TlsMode::Preferred => "preferred",
            TlsMode::Required => "required",
            TlsMode::VerifyCa => "verify-ca",
            TlsMode::VerifyIdentity => "verify-identity",
        })
    }
}

pub(super) fn default_heartbeat() -> Duration {
    Duration::from_secs(1)
}

pub(super) fn default_connect_timeout() -> Duration {
    Duration::from_secs(10)
}

fn default_poll() -> Duration {
    Duration::from_millis(200)
}

impl MysqlSource {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// A definite one that names the field.
    pub fn validate(&self) -> Result<()> {
        if self.hosts.is_empty() || self.hosts.iter().any(|host| host.trim().is_empty()) {
            return Err(invalid(
                "hosts",
                "names no server",
                "give one or more addresses, such as [\"db1:3306\"]",
            ));
        }
        if self.user.is_empty() {
            return Err(invalid("user", "is empty", "name the account that has the replication privileges"));
        }
        within("heartbeat", self.heartbeat, Duration::from_millis(100), Duration::from_secs(60))?;
        within("connect_timeout", self.connect_timeout, Duration::from_secs(1), Duration::from_secs(300))?;
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

impl MysqlFilesSource {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// A definite one that names the field.
    pub fn validate(&self) -> Result<()> {
        within("poll", self.poll, Duration::from_millis(10), Duration::from_secs(60))
    }
}

impl Password {
    /// Checks that there is at most one place to take the password of a section from.
    ///
    /// # Errors
    /// A definite one that names the fields.
    pub fn validate(&self, section: &str) -> Result<()> {
        let places = [self.password.is_some(), self.file.is_some(), self.variable.is_some()];
        if places.into_iter().filter(|set| *set).count() > 1 {
            return Err(Error::definite(format!("{section}.password is given more than once"))
                .remedy("keep one of password, password_file and password_env"));
        }
        Ok(())
    }

    /// The password as it is now: a file or variable is read again each time, so that it can be changed while a task
    /// runs. Empty when none is configured.
    ///
    /// # Errors
    /// A definite one when the file or the variable cannot be read.
    pub fn read(&self) -> Result<SecretString> {
        if let Some(password) = &self.password {
            return Ok(password.clone());
        }
        if let Some(file) = &self.file {
            let text = fs::read_to_string(file).map_err(|error| {
                Error::definite("cannot read the password file")
                    .on(file.display())
                    .caused_by(error)
                    .remedy("make the file readable for the account that the task runs as")
            })?;
            return Ok(SecretString::from(text.trim_end_matches(['\r', '\n'])));
        }
        match &self.variable {
            Some(name) => env::var(name).map(SecretString::from).map_err(|_| {
                Error::definite("the environment variable with the password is not set")
                    .on(name)
                    .remedy("set it in the unit's EnvironmentFile, or use password_file")
            }),
            None => Ok(SecretString::default()),
        }
    }
}

impl Tls {
    /// Checks that the files that a mode needs are named.
    ///
    /// # Errors
    /// A definite one that names the field.
    pub fn validate(&self) -> Result<()> {
        if self.mode >= TlsMode::VerifyCa && self.ca.is_none() {
            return Err(invalid(
                "tls.ca",
                &format!("is missing for the mode {}", self.mode),
                "name the PEM file with the authority that signed the server's certificate",
            ));
        }
        if self.cert.is_some() != self.key.is_some() {
            return Err(invalid("tls.cert", "and tls.key belong together", "give both or none"));
        }
        Ok(())
    }
}

fn invalid(field: &str, what: &str, remedy: &str) -> Error {
    Error::definite(format!("source.{field} {what}")).remedy(remedy)
}

fn within(field: &str, value: Duration, least: Duration, most: Duration) -> Result<()> {
    if value < least || value > most {
        return Err(invalid(
            field,
            &format!("is {value:?}"),
            &format!("give a duration from {least:?} to {most:?}"),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use secrecy::ExposeSecret;

    use super::*;

    fn parse(text: &str) -> Result<MysqlSource, toml::de::Error> {
        toml::from_str(text)
    }

    #[test]
    fn a_password_is_never_printed() {
        let source = parse("hosts = ['db:3306']\nuser = 'repl'\npassword = 'hunter2'").unwrap();
        source.validate().unwrap();
        assert!(!format!("{source:?}").contains("hunter2"));
        assert_eq!(source.password().read().unwrap().expose_secret(), "hunter2");
    }

    #[test]
    fn what_cannot_work_is_refused() {
        for (text, word) in [
            ("hosts = []\nuser = 'r'", "hosts"),
            ("hosts = ['a']\nuser = 'r'\nheartbeat = '1ms'", "heartbeat"),
            ("hosts = ['a']\nuser = 'r'\npassword = 'a'\npassword_env = 'B'", "more than once"),
            ("hosts = ['a']\nuser = 'r'\ntls = { mode = 'verify-ca' }", "tls.ca"),
            ("hosts = ['a']\nuser = 'r'\ntls = { cert = '/c.pem' }", "tls.key"),
        ] {
            let error = parse(text).expect("parses").validate().expect_err(text);
            assert!(error.to_string().contains(word), "{error}");
        }
    }

    #[test]
    fn a_password_file_may_end_in_a_line_end() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "s3 cret\r\n").unwrap();
        let password = Password { file: Some(file.path().into()), ..Password::default() };
        assert_eq!(password.read().unwrap().expose_secret(), "s3 cret");
    }
}
