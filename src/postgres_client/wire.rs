//! The stream to a server: TCP, TLS or a Unix socket.

use std::{
    future::{Ready, ready},
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use sha2::{Digest, Sha256, Sha384, Sha512};
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::{TcpStream, UnixStream},
};
use tokio_postgres::tls::{ChannelBinding, TlsConnect};
use tokio_rustls::client::TlsStream;
use x509_cert::{Certificate, der::Decode};

use super::Address;
use crate::{
    config::source::{Tls, TlsMode},
    error::{Error, Kind, Result},
    tls,
};

/// `SSLRequest` (documentation, "Message Formats"): its length, and a number that is no version of the protocol.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xD2, 0x16, 0x2F];
/// A peer that is gone without a word is noticed after about this time without traffic.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// The stream to a server, on which nothing of a session was said yet.
pub(crate) enum Wire {
    /// Without encryption.
    Tcp(TcpStream),
    /// Encrypted.
    Tls(Box<TlsStream<TcpStream>>),
    /// On this machine.
    Unix(UnixStream),
}

impl Wire {
    /// Connects, and encrypts as `tls` says. Takes as long as the network does: put a timeout around it.
    ///
    /// # Errors
    /// Definite when encryption is refused by either side; disconnected when the server is not there.
    pub(crate) async fn open(address: &Address, tls: &Tls) -> Result<Self> {
        let (host, port) = match address {
            Address::Unix(directory, port) => {
                let socket = UnixStream::connect(Address::socket_file(directory, *port)).await;
                return socket.map(Wire::Unix).map_err(|error| unreachable(error).on(address));
            }
            Address::Tcp(host, port) => (host, *port),
        };
        let encrypted = match tls.mode {
            TlsMode::Disabled => return Ok(Wire::Tcp(connect(host, port).await?)),
            _ => Wire::encrypted(host, port, tls).await,
        };
        match encrypted {
            // What cannot be encrypted is not, where that was not asked for.
            Err(error) if tls.mode == TlsMode::Preferred && error.kind() == Kind::Definite => {
                Ok(Wire::Tcp(connect(host, port).await?))
            }
            other => other,
        }
    }

    async fn encrypted(host: &str, port: u16, tls: &Tls) -> Result<Self> {
        let mut socket = connect(host, port).await?;
        socket.write_all(&SSL_REQUEST).await.map_err(lost)?;
        let mut answer = [0];
        socket.read_exact(&mut answer).await.map_err(lost)?;
        match answer {
            [b'S'] => Ok(Wire::Tls(Box::new(tls::encrypt(socket, host, tls).await?))),
            _ if tls.mode == TlsMode::Preferred => Ok(Wire::Tcp(socket)),
            _ => Err(Error::definite(format!("the server offers no TLS and tls.mode is {}", tls.mode))
                .remedy("set ssl = on at the server, or tls = { mode = \"disabled\" } in the task file")),
        }
    }

    /// Sets how long what was sent may wait for the other side to confirm it, before the connection counts as lost.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn set_confirmation_limit(&self, limit: Duration) -> Result<()> {
        let socket = match self {
            Wire::Tcp(stream) => stream,
            Wire::Tls(stream) => stream.get_ref().0,
            Wire::Unix(_) => return Ok(()),
        };
        SockRef::from(socket).set_tcp_user_timeout(Some(limit)).map_err(unreachable)
    }

    /// Whether what goes over it can be read on the way.
    pub(crate) fn is_encrypted(&self) -> bool {
        matches!(self, Wire::Tls(_))
    }

    /// The data of `tls-server-end-point` (RFC 5929, section 4.1): the hash of the server's certificate, by the
    /// algorithm of its signature, and SHA-256 in the place of weaker ones. `None` without TLS, and where the signature names no hash.
    pub(crate) fn channel_binding(&self) -> Option<Vec<u8>> {
        let Wire::Tls(stream) = self else { return None };
        let certificate = stream.get_ref().1.peer_certificates()?.first()?;
        let algorithm = Certificate::from_der(certificate).ok()?.signature_algorithm.oid.to_string();
        // RFC 8017 (RSA, 1.2.840.113549.1.1) and RFC 5758 (ECDSA, 1.2.840.10045.4).
        match algorithm.as_str() {
            "1.2.840.113549.1.1.4"
            | "1.2.840.113549.1.1.5"
            | "1.2.840.113549.1.1.11"
            | "1.2.840.10045.4.1"
            | "1.2.840.10045.4.3.2" => Some(Sha256::digest(certificate).to_vec()),
            "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => Some(Sha384::digest(certificate).to_vec()),
            "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => Some(Sha512::digest(certificate).to_vec()),
            _ => None,
        }
    }
}

async fn connect(host: &str, port: u16) -> Result<TcpStream> {
    let socket = TcpStream::connect((host, port)).await.map_err(unreachable)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE / 2).with_interval(KEEPALIVE / 6).with_retries(3);
    socket.set_nodelay(true).map_err(unreachable)?;
    SockRef::from(&socket).set_tcp_keepalive(&keepalive).map_err(unreachable)?;
    Ok(socket)
}

fn unreachable(error: io::Error) -> Error {
    Error::disconnected("cannot connect to the server").caused_by(error)
}

fn lost(error: io::Error) -> Error {
    Error::disconnected("lost the connection while it was made").caused_by(error)
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Wire::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Wire::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
            Wire::Unix(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Wire::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Wire::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
            Wire::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Wire::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Wire::Tls(stream) => Pin::new(stream).poll_flush(context),
            Wire::Unix(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Wire::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Wire::Tls(stream) => Pin::new(stream).poll_shutdown(context),
            Wire::Unix(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

impl tokio_postgres::tls::TlsStream for Wire {
    fn channel_binding(&self) -> ChannelBinding {
        Wire::channel_binding(self).map_or_else(ChannelBinding::none, ChannelBinding::tls_server_end_point)
    }
}

/// Hands a stream that is as encrypted as it is to be to the driver.
pub(super) struct AsItIs;

impl TlsConnect<Wire> for AsItIs {
    type Stream = Wire;
    type Error = io::Error;
    type Future = Ready<io::Result<Wire>>;

    fn connect(self, wire: Wire) -> Self::Future {
        ready(Ok(wire))
    }
}
