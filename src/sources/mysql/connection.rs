//! A logged-in connection: commands, queries in text form, and the packet stream for what is more special.
//!
//! The replication client and the questions to the server go through the same code, so that both are encrypted and
//! authenticated in the same way.

use std::{collections::HashMap, fmt, io, time::Duration};

use mysql_common::{
    constants::CapabilityFlags,
    io::ParseBuf,
    packets::{HandshakePacket, HandshakeResponse, SslRequest},
    proto::MySerialize,
};
use secrecy::SecretString;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpStream, UnixStream},
    time::timeout,
};

use super::{
    auth::{self, Credentials},
    packets::{self, PacketStream},
    response::{self, Rows, ServerError},
};
use crate::{
    config::source::{Tls, TlsMode},
    error::{Error, Result},
    tls,
};

/// How long the answer to a question may take.
const QUERY_TIMEOUT: Duration = Duration::from_secs(60);
/// The greeting fits many times.
const GREETING_LIMIT: usize = 64 * 1024;
/// utf8mb4_general_ci: known to every server since 5.5.3.
const COLLATION: u8 = 45;
/// The largest packet that the protocol can announce; servers cut events by their own limit.
const MAX_PACKET: u32 = 1 << 30;
const MARIADB_PREFIX: &str = "5.5.5-";

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// A host name or IP address, and a port.
    Tcp(String, u16),
    /// The path of a Unix socket.
    Unix(String),
}

impl Address {
    /// Reads `host`, `host:port`, `[ipv6]:port`, or a path.
    ///
    /// # Errors
    /// Definite when it is none of these.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let wrong = || {
            Error::definite("not the address of a server")
                .on(text)
                .remedy("write host:port, [ipv6]:port or /path/of/socket")
        };
        let text = text.trim();
        if text.starts_with('/') {
            return Ok(Address::Unix(text.to_owned()));
        }
        let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, rest)) => (host, rest.strip_prefix(':').unwrap_or("3306")),
            // More than one colon without brackets is an IPv6 address.
            None => match text.split_once(':') {
                Some((host, port)) if !port.contains(':') => (host, port),
                Some(_) => (text, "3306"),
                None => (text, "3306"),
            },
        };
        if host.is_empty() {
            return Err(wrong());
        }
        Ok(Address::Tcp(host.to_owned(), port.parse().map_err(|_| wrong())?))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Address::Tcp(host, port) => write!(f, "{host}:{port}"),
            Address::Unix(path) => f.write_str(path),
        }
    }
}

/// What is needed to connect, except the address.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) password: SecretString,
    pub(crate) tls: Tls,
    /// For connecting and logging in together.
    pub(crate) timeout: Duration,
}

/// The product and its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    /// As the server says it, without the prefix that MariaDB puts before it for old replicas.
    pub(crate) text: String,
    pub(crate) numbers: (u16, u16, u16),
    pub(crate) mariadb: bool,
}

impl Version {
    fn parse(text: &str) -> Self {
        let mariadb = text.contains("MariaDB");
        let text = if mariadb { text.strip_prefix(MARIADB_PREFIX).unwrap_or(text) } else { text };
        let mut numbers =
            text.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().unwrap_or_default());
        let mut next = || numbers.next().unwrap_or_default();
        Version { numbers: (next(), next(), next()), text: text.to_owned(), mariadb }
    }

    /// Whether this is MySQL of at least that version.
    pub(crate) fn is_mysql(&self, major: u16, minor: u16, patch: u16) -> bool {
        !self.mariadb && self.numbers >= (major, minor, patch)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", if self.mariadb { "MariaDB" } else { "MySQL" }, self.text)
    }
}

/// A logged-in connection.
pub(crate) struct Connection {
    pub(super) stream: PacketStream,
    version: Version,
    encrypted: bool,
}

impl Connection {
    /// Connects and logs in.
    ///
    /// # Errors
    /// Definite when the login, certificate or configuration is refused; disconnected when the server is not there.
    pub(crate) async fn open(address: &Address, login: &Login) -> Result<Self> {
        let connecting = timeout(login.timeout, Connection::connect(address, login)).await;
        let connected = connecting.unwrap_or_else(|_| {
            Err(Error::disconnected(format!("the server does not answer within {:?}", login.timeout)))
        });
        connected.map_err(|error| error.on(address))
    }

    async fn connect(address: &Address, login: &Login) -> Result<Self> {
        let unreachable =
            |error: io::Error| Error::disconnected("cannot connect to the server").caused_by(error);
        match address {
            Address::Unix(path) => {
                let mut socket = UnixStream::connect(path).await.map_err(unreachable)?;
                let greeting =
                    packets::read_exactly_one(&mut socket, GREETING_LIMIT).await.map_err(response::lost)?;
                let stream = PacketStream::new(socket, 1, login.timeout);
                Connection::log_in(stream, &Greeting::parse(&greeting)?, login, Privacy::Local).await
            }
            Address::Tcp(host, port) => {
                let mut socket = TcpStream::connect((host.as_str(), *port)).await.map_err(unreachable)?;
                socket.set_nodelay(true).map_err(unreachable)?;
                let greeting =
                    packets::read_exactly_one(&mut socket, GREETING_LIMIT).await.map_err(response::lost)?;
                let greeting = Greeting::parse(&greeting)?;
                if !wants_tls(&login.tls, &greeting)? {
                    let stream = PacketStream::new(socket, 1, login.timeout);
                    return Connection::log_in(stream, &greeting, login, Privacy::None).await;
                }
                let mut request = Vec::new();
                SslRequest::new(greeting.capabilities(true), MAX_PACKET, COLLATION).serialize(&mut request);
                let (request, sequence) = packets::framed(&request, 1);
                socket.write_all(&request).await.map_err(response::lost)?;
                let encrypted = tls::encrypt(socket, host, &login.tls).await?;
                let stream = PacketStream::new(encrypted, sequence, login.timeout);
                Connection::log_in(stream, &greeting, login, Privacy::Encrypted).await
            }
        }
    }

    async fn log_in(
        mut stream: PacketStream,
        greeting: &Greeting,
        login: &Login,
        privacy: Privacy,
    ) -> Result<Self> {
        let credentials =
            Credentials { user: &login.user, password: &login.password, private: privacy != Privacy::None };
        let plugin = auth::first_plugin(greeting.packet.auth_plugin());
        let challenge = greeting.packet.nonce();
        let answer = auth::challenge_response(&plugin, &challenge, &credentials)?;
        let attributes = HashMap::from([
            ("program_name".to_owned(), env!("CARGO_PKG_NAME").to_owned()),
            ("_client_version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ]);
        let capabilities = greeting.capabilities(privacy == Privacy::Encrypted);
        let attributes = capabilities.contains(CapabilityFlags::CLIENT_CONNECT_ATTRS).then_some(attributes);
        let mut payload = Vec::new();
        HandshakeResponse::new(
            Some(answer),
            greeting.version.numbers,
            Some(login.user.as_bytes()),
            None::<&[u8]>,
            Some(plugin.borrow()),
            capabilities,
            attributes,
            MAX_PACKET,
        )
        .serialize(&mut payload);
        stream.write(&payload).await.map_err(response::lost)?;
        auth::finish(&mut stream, plugin, challenge, &credentials).await?;
        stream.set_read_timeout(QUERY_TIMEOUT);
        Ok(Connection { stream, version: greeting.version.clone(), encrypted: privacy == Privacy::Encrypted })
    }

    /// The server's version.
    pub(crate) fn version(&self) -> &Version {
        &self.version
    }

    /// Whether the connection is encrypted.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// Runs a statement and reads its result set; a statement without one gives no rows.
    ///
    /// # Errors
    /// The server's error, or a lost connection.
    pub(crate) async fn query(&mut self, statement: &str) -> Result<Rows> {
        Ok(self.try_query(statement).await??)
    }

    /// The same, with the server's own error kept apart from a lost connection.
    ///
    /// # Errors
    /// A lost connection.
    pub(super) async fn try_query(&mut self, statement: &str) -> Result<Result<Rows, ServerError>> {
        self.command(Command::Query, statement.as_bytes()).await?;
        response::read_rows(&mut self.stream).await
    }

    /// The first column of the first row.
    ///
    /// # Errors
    /// As [`query`](Self::query).
    pub(crate) async fn query_text(&mut self, statement: &str) -> Result<Option<String>> {
        let rows = self.query(statement).await?;
        Ok(rows.first().and_then(|row| row.at(0)).map(str::to_owned))
    }

    /// Asks whether the server is still there.
    ///
    /// # Errors
    /// A lost connection.
    pub(crate) async fn ping(&mut self) -> Result<()> {
        self.command(Command::Ping, &[]).await?;
        response::read_rows(&mut self.stream).await??;
        Ok(())
    }

    pub(super) async fn command(&mut self, command: Command, arguments: &[u8]) -> Result<()> {
        let payload = [&[command as u8], arguments].concat();
        self.stream.write_command(&payload).await.map_err(response::lost)
    }

    /// Sends a command in mysql_common's form and reads the OK.
    ///
    /// # Errors
    /// The server's error, or a lost connection.
    pub(super) async fn confirmed(&mut self, command: &impl MySerialize) -> Result<()> {
        let mut payload = Vec::new();
        command.serialize(&mut payload);
        self.stream.write_command(&payload).await.map_err(response::lost)?;
        response::read_rows(&mut self.stream).await??;
        Ok(())
    }
}

/// Commands (MySQL internals, "Command Phase").
#[derive(Clone, Copy, Debug)]
pub(super) enum Command {
    Query = 0x03,
    Ping = 0x0E,
    Prepare = 0x16,
    Execute = 0x17,
    Close = 0x19,
}

/// Who can read what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Privacy {
    None,
    Encrypted,
    Local,
}

/// The server's first words.
struct Greeting {
    packet: HandshakePacket<'static>,
    version: Version,
}

impl Greeting {
    fn parse(payload: &[u8]) -> Result<Self> {
        match payload.first() {
            Some(0xFF) => return Err(response::server_error(payload)),
            Some(0x0A) => {}
            _ => return Err(Error::definite("not a MySQL or MariaDB server").remedy("check host and port")),
        }
        let packet: HandshakePacket<'_> =
            ParseBuf(payload).parse(()).map_err(|error| response::malformed("greeting", error))?;
        let version = Version::parse(&packet.server_version_str());
        Ok(Greeting { packet: packet.into_owned(), version })
    }

    /// What both sides can do, of what is needed here.
    fn capabilities(&self, encrypted: bool) -> CapabilityFlags {
        let mut wanted = CapabilityFlags::CLIENT_PROTOCOL_41
            | CapabilityFlags::CLIENT_SECURE_CONNECTION
            | CapabilityFlags::CLIENT_LONG_PASSWORD
            | CapabilityFlags::CLIENT_LONG_FLAG
            | CapabilityFlags::CLIENT_TRANSACTIONS
            | CapabilityFlags::CLIENT_PLUGIN_AUTH
            | CapabilityFlags::CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA
            | CapabilityFlags::CLIENT_CONNECT_ATTRS;
        if encrypted {
            wanted |= CapabilityFlags::CLIENT_SSL;
        }
        self.packet.capabilities() & wanted
    }
}

fn wants_tls(tls: &Tls, greeting: &Greeting) -> Result<bool> {
    let offered = greeting.packet.capabilities().contains(CapabilityFlags::CLIENT_SSL);
    match tls.mode {
        TlsMode::Disabled => Ok(false),
        TlsMode::Preferred => Ok(offered),
        TlsMode::Required | TlsMode::VerifyCa | TlsMode::VerifyIdentity if offered => Ok(true),
        mode => Err(Error::definite(format!("the server does not offer TLS, and tls.mode is {mode}"))
            .remedy("set up TLS on the server (ssl_cert, ssl_key), or choose another tls.mode")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn addresses() {
        let tcp = |host: &str, port| Address::Tcp(host.to_owned(), port);
        assert_eq!(Address::parse("db").unwrap(), tcp("db", 3306));
        assert_eq!(Address::parse(" db.example:3307 ").unwrap(), tcp("db.example", 3307));
        assert_eq!(Address::parse("[fe80::1]:3307").unwrap(), tcp("fe80::1", 3307));
        assert_eq!(Address::parse("fe80::1").unwrap(), tcp("fe80::1", 3306));
        assert_eq!(Address::parse("/run/mysqld.sock").unwrap(), Address::Unix("/run/mysqld.sock".to_owned()));
        assert!(Address::parse("db:port").is_err());
        assert!(Address::parse(":3306").is_err());
    }

    #[test]
    fn versions() {
        let version = Version::parse("5.5.5-10.11.14-MariaDB-0+deb12u2-log");
        assert_eq!((version.numbers, version.mariadb), ((10, 11, 14), true));
        let version = Version::parse("8.4.3");
        assert!(version.is_mysql(8, 2, 0) && !version.is_mysql(8, 4, 4));
    }
}
