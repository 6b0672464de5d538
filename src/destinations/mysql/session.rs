//! The connection that applies.

use std::{fs::File, time::Duration};

use bytes::Bytes;
use futures_util::stream;
use mysql_async::{
    Conn, DriverError, InfileData, IoError, Opts, OptsBuilder, ServerError, SslOpts, prelude::Queryable,
};
use secrecy::ExposeSecret;

use crate::{
    config::{
        destination::MysqlDestination,
        source::{Tls, TlsMode},
    },
    error::{Error, Result},
    types::mysql::Server,
};

/// What values are read by: strict, so that nothing is cut in silence, and open for every date that a source may hold.
pub(super) const APPLY_MODE: &str =
    "STRICT_ALL_TABLES,ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION";

/// Variables that limit how many keys of a list a server looks up: of MySQL (memory for the optimizer), and of MariaDB (a
/// list becomes a subquery; weight of the ranges). 0 is no limit for each.
const LIMITS_OF_KEY_LISTS: [&str; 3] =
    ["range_optimizer_max_mem_size", "in_predicate_conversion_threshold", "optimizer_max_sel_arg_weight"];

/// A packet of a file's content has that many bytes.
const FILE_PACKET: usize = 256 << 10;

/// A connection in the state that [`super::literal`] needs, and what is known of its server.
pub(super) struct Session {
    conn: Conn,
    /// Kind and version.
    pub(super) server: Server,
    /// The longest statement that the server takes, in bytes.
    pub(super) max_packet: usize,
    /// Whether the server takes files from its clients (`LOAD DATA LOCAL`).
    local_files: bool,
}

/// What became of a file's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loaded {
    /// The server has taken every row as it is.
    AsItIs,
    /// It says of so many rows that it has not: errors are warnings to this statement.
    WithWarnings(u16),
    /// It takes no files.
    NotAllowed,
}

/// What a server answered instead of a result, without any value of a row.
#[derive(Debug, thiserror::Error)]
#[error("ERROR {code} ({state}): {message}")]
pub(super) struct Refusal {
    /// The server's number for it.
    pub(super) code: u16,
    state: String,
    message: String,
}

impl Session {
    /// Connects and prepares the session.
    pub(super) async fn connect(config: &MysqlDestination) -> Result<Self> {
        let address = config.host.clone();
        let conn = tokio::time::timeout(Duration::from_secs(30), log_in(config))
            .await
            .map_err(|_| Error::disconnected("the destination does not answer").on(&address))?
            .map_err(|error| error.on(&address))?;
        let server = Server { mariadb: false, version: (0, 0, 0) };
        let mut session = Session { conn, server, max_packet: 0, local_files: false };
        session.prepare().await.map_err(|error| error.on(&address))?;
        Ok(session)
    }

    async fn prepare(&mut self) -> Result<()> {
        let (version, packet, local_files): (String, u64, bool) = self
            .first("SELECT VERSION(), @@max_allowed_packet, @@local_infile")
            .await?
            .ok_or_else(|| Error::disconnected("the destination did not tell its version"))?;
        self.server = Server::parse(&version);
        self.max_packet = usize::try_from(packet).unwrap_or(usize::MAX);
        self.local_files = local_files;
        self.run("SET NAMES utf8mb4").await?;
        // Servers wait for a table's definition up to a year without a word: a statement that is refused is told, and tried again.
        self.run(format!(
            "SET SESSION time_zone = '+00:00', sql_mode = '{APPLY_MODE}', foreign_key_checks = 0, wait_timeout = 86400, \
             net_read_timeout = 600, net_write_timeout = 600, lock_wait_timeout = 60"
        ))
        .await?;
        // No gap locks: nothing here depends on rows that are not there, and other writers are in the way less.
        self.run("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED").await?;
        // A list of many keys is to be looked up in the index key by key. Beyond these limits a server reads the whole table
        // instead. 1193: this version does not have the variable.
        for limit in LIMITS_OF_KEY_LISTS {
            match self.run_raw(format!("SET SESSION {limit} = 0")).await {
                Err(error) if code(&error) != Some(1193) => return Err(refused(error)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Runs a statement; returns how many rows it found or wrote.
    pub(super) async fn run(&mut self, sql: impl mysql_async::prelude::AsQuery) -> Result<u64> {
        self.run_raw(sql).await.map_err(refused)
    }

    /// Runs a statement with the driver's own error.
    pub(super) async fn run_raw(
        &mut self,
        sql: impl mysql_async::prelude::AsQuery,
    ) -> mysql_async::Result<u64> {
        let result = self.conn.query_iter(sql).await?;
        let affected = result.affected_rows();
        result.drop_result().await?;
        Ok(affected)
    }

    /// Runs `LOAD DATA LOCAL` with that content of the file.
    pub(super) async fn load(&mut self, sql: String, content: Vec<u8>) -> mysql_async::Result<Loaded> {
        if !self.local_files {
            return Ok(Loaded::NotAllowed);
        }
        let content = Bytes::from(content);
        let packets = (0..content.len())
            .step_by(FILE_PACKET)
            .map(move |start| Ok(content.slice(start..content.len().min(start + FILE_PACKET))));
        self.conn.set_infile_handler(async move { Ok(Box::pin(stream::iter(packets)) as InfileData) });
        match self.conn.query_drop(sql).await {
            Ok(()) => Ok(match self.conn.get_warnings() {
                0 => Loaded::AsItIs,
                warnings => Loaded::WithWarnings(warnings),
            }),
            // Not allowed: MySQL 5.7, MySQL 8.0, MariaDB.
            Err(error) if matches!(code(&error), Some(1148 | 3948 | 4166)) => {
                self.local_files = false;
                Ok(Loaded::NotAllowed)
            }
            Err(error) => Err(error),
        }
    }

    /// The first row of a query.
    pub(super) async fn first<T>(&mut self, sql: impl mysql_async::prelude::AsQuery) -> Result<Option<T>>
    where
        T: mysql_async::prelude::FromRow + Send + 'static,
    {
        self.first_raw(sql).await.map_err(refused)
    }

    /// The first row of a query, with the driver's own error.
    pub(super) async fn first_raw<T>(
        &mut self,
        sql: impl mysql_async::prelude::AsQuery,
    ) -> mysql_async::Result<Option<T>>
    where
        T: mysql_async::prelude::FromRow + Send + 'static,
    {
        self.conn.query_first(sql).await
    }

    /// All rows of a query.
    pub(super) async fn rows<T>(&mut self, sql: impl mysql_async::prelude::AsQuery) -> Result<Vec<T>>
    where
        T: mysql_async::prelude::FromRow + Send + 'static,
    {
        self.conn.query(sql).await.map_err(refused)
    }
}

/// Logs in. The driver encrypts or does not, so that `preferred` takes two attempts where the server cannot encrypt.
async fn log_in(config: &MysqlDestination) -> Result<Conn> {
    match Conn::new(options(config, tls(&config.tls)?)?).await {
        Ok(conn) => Ok(conn),
        Err(error) if config.tls.mode == TlsMode::Preferred && is_without_tls(&error) => {
            Conn::new(options(config, None)?).await.map_err(refused)
        }
        Err(error) => Err(refused(error)),
    }
}

/// Whether the server has no encryption, or none that this side speaks.
fn is_without_tls(error: &mysql_async::Error) -> bool {
    matches!(error, mysql_async::Error::Driver(DriverError::NoClientSslFlagFromServer)) || is_of_tls(error)
}

/// Whether encryption failed, and not the connection below it: the driver hands some errors of rustls on as I/O errors.
fn is_of_tls(error: &mysql_async::Error) -> bool {
    match error {
        mysql_async::Error::Io(IoError::Tls(_)) => true,
        mysql_async::Error::Io(IoError::Io(error)) => {
            error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>())
        }
        _ => false,
    }
}

fn options(config: &MysqlDestination, tls: Option<SslOpts>) -> Result<Opts> {
    let mut builder = OptsBuilder::default()
        .user(Some(&config.user))
        .pass(Some(config.password().read()?.expose_secret()))
        .client_found_rows(true)
        .prefer_socket(false)
        .tcp_keepalive(Some(Duration::from_secs(30)))
        .ssl_opts(tls);
    if config.host.starts_with('/') {
        builder = builder.socket(Some(&config.host));
    } else {
        let (host, port) = address(&config.host)?;
        builder = builder.ip_or_hostname(host).tcp_port(port);
    }
    Ok(builder.into())
}

/// Splits `host:port`, `host`, `[ipv6]:port` and `[ipv6]`.
fn address(text: &str) -> Result<(String, u16)> {
    let (host, rest) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let port = rest.map_or(Ok(3306), str::parse).map_err(|_| {
        Error::definite("destination.host has no valid port")
            .remedy("give an address such as \"db2:3306\" or \"[::1]:3306\"")
    })?;
    Ok((host.to_owned(), port))
}

fn tls(tls: &Tls) -> Result<Option<SslOpts>> {
    tls.validate()?;
    if tls.mode == TlsMode::Disabled {
        return Ok(None);
    }
    // The driver's own error of a missing file looks like one of the connection.
    for file in [&tls.ca, &tls.cert, &tls.key].into_iter().flatten() {
        File::open(file).map_err(|error| {
            Error::definite("cannot read a file of destination.tls").on(file.display()).caused_by(error)
        })?;
    }
    let mut options = SslOpts::default();
    if let Some(ca) = &tls.ca {
        options = options.with_root_certs(vec![ca.clone().into()]);
    }
    if let (Some(cert), Some(key)) = (&tls.cert, &tls.key) {
        options = options.with_client_identity(Some(mysql_async::ClientIdentity::new(
            cert.clone().into(),
            key.clone().into(),
        )));
    }
    Ok(Some(match tls.mode {
        TlsMode::VerifyIdentity => options,
        TlsMode::VerifyCa => options.with_danger_skip_domain_validation(true),
        _ => options.with_danger_accept_invalid_certs(true),
    }))
}

/// The number of a server's error, if it is one.
pub(super) fn code(error: &mysql_async::Error) -> Option<u16> {
    match error {
        mysql_async::Error::Server(ServerError { code, .. }) => Some(*code),
        _ => None,
    }
}

/// Tells what may pass by itself from what does not. Codes: MySQL's *Server Error Message Reference*.
pub(super) fn refused(error: mysql_async::Error) -> Error {
    let Some(code) = code(&error) else { return failed_without_answer(error) };
    match code {
        // Too many connections, shutdown, network errors, aborted, killed, offline, idle for too long.
        1040 | 1053 | 1077 | 1152 | 1158..=1161 | 1184 | 1203 | 1927 | 3032 | 3169 | 4031 => {
            Error::disconnected("the connection to the destination is refused or ended")
        }
        // Lock wait timeout, deadlock, read-only while a switchover lasts, broken off, table definition changed under us,
        // XA deadlock, out of transaction slots, timeouts.
        1205 | 1213 | 1290 | 1317 | 1412 | 1614 | 1637 | 1836 | 3024 | 3101 | 3572 => {
            Error::transient("the destination cannot take a statement for the moment")
        }
        1044 | 1045 | 1142 | 1143 | 1227 | 1698 => Error::definite("the destination refuses the account")
            .remedy("`slackwater check` prints the GRANT statements that the account needs"),
        _ => Error::definite(format!("the destination refused a statement with error {code}")),
    }
    .caused_by(without_values(error))
}

/// The server's number in an error of [`refused`].
pub(super) fn refusal(error: &Error) -> Option<u16> {
    error.cause_as::<Refusal>().map(|refusal| refusal.code)
}

/// Whether a failure to connect is one of encryption.
pub(super) fn is_encryption_refused(error: &Error) -> bool {
    error.cause_as::<mysql_async::Error>().is_some_and(is_without_tls)
}

/// A failure of the connection or of the driver, without a word of the server.
fn failed_without_answer(error: mysql_async::Error) -> Error {
    if is_of_tls(&error) {
        return Error::definite("the TLS handshake with the destination failed")
            .caused_by(error)
            .remedy("check destination.tls against the server's certificate");
    }
    match &error {
        mysql_async::Error::Io(_)
        | mysql_async::Error::Driver(
            DriverError::ConnectionClosed
            | DriverError::PoolDisconnected
            | DriverError::PacketOutOfOrder
            | DriverError::BadCompressedPacketHeader,
        ) => Error::disconnected("the connection to the destination is lost").caused_by(error),
        mysql_async::Error::Driver(
            DriverError::UnknownAuthPlugin { .. }
            | DriverError::MysqlOldPasswordDisabled
            | DriverError::CleartextPluginDisabled
            | DriverError::InvalidParsecSalt,
        ) => Error::definite("the account's authentication method cannot be used")
            .caused_by(error)
            // MySQL asks accounts that do not exist for one of its methods as well.
            .remedy(
                "check that the account exists, and give it caching_sha2_password, mysql_native_password or ed25519",
            ),
        mysql_async::Error::Driver(DriverError::NoClientSslFlagFromServer) => {
            Error::definite("the destination does not offer TLS").caused_by(error).remedy(
                "set up TLS on the server (ssl_cert, ssl_key), or choose another destination.tls.mode",
            )
        }
        _ => Error::definite("the destination cannot be used").caused_by(error),
    }
}

/// A DDL statement that failed: it holds no row values, so that the server's whole message can be said.
pub(super) fn ddl_refused(error: mysql_async::Error) -> Error {
    match &error {
        mysql_async::Error::Server(server) => {
            let message = format!("ERROR {} ({}): {}", server.code, server.state, server.message);
            let failure = refused(error);
            if failure.is_transient() {
                failure
            } else {
                Error::definite("the destination refused a DDL statement").caused_by(message)
            }
        }
        _ => refused(error),
    }
}

/// What the server answered, cut where it would quote a value (`Duplicate entry '…'`, `Incorrect … value: '…'`).
fn without_values(error: mysql_async::Error) -> Box<dyn std::error::Error + Send + Sync> {
    const QUOTING: [u16; 12] = [1062, 1292, 1366, 1367, 1411, 1416, 1525, 1586, 3140, 3141, 3146, 1064];
    let mysql_async::Error::Server(ServerError { code, message, state }) = error else { return error.into() };
    let message = match code {
        1062 | 1586 => "a unique key has the value already".to_owned(),
        1064 => "the statement is not understood".to_owned(),
        _ if QUOTING.contains(&code) => match unquoted(&message) {
            Some(message) => format!("a value does not fit its column: {message}"),
            None => "a value does not fit its column".to_owned(),
        },
        _ => message,
    };
    Refusal { code, state, message }.into()
}

/// What is said about a value, and of which column and row (`Incorrect … value: '…' for column … at row 1`), without the value.
fn unquoted(message: &str) -> Option<String> {
    let (what, rest) = message.split_once(": '")?;
    let place = rest.rfind("' for column ").and_then(|place| rest.get(place + 1..));
    let is_whole = |place: &&str| {
        let row = place.rsplit_once(" at row ").map(|(_, row)| row);
        row.is_some_and(|row| !row.is_empty() && row.bytes().all(|byte| byte.is_ascii_digit()))
    };
    Some(format!("{what}{}", place.filter(is_whole).unwrap_or_default()))
}
