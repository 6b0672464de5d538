//! Where a server listens.

use std::{fmt, path::PathBuf};

use crate::error::{Error, Result};

/// The port of a server that does not say another one.
const PORT: u16 = 5432;

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// A host name or IP address, and a port.
    Tcp(String, u16),
    /// The directory of a Unix socket, and the port that is a part of the socket's name.
    Unix(String, u16),
}

impl Address {
    /// Reads `host`, `host:port`, `[ipv6]:port`, a directory or `/directory:port`.
    ///
    /// # Errors
    /// Definite when it is none of these.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let wrong = || {
            Error::definite("not the address of a server")
                .on(text)
                .remedy("write host:port, [ipv6]:port or the directory of a Unix socket")
        };
        let trimmed = text.trim();
        let (host, port) = match trimmed.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, rest)) => (host, Some(rest.strip_prefix(':').ok_or_else(wrong)?)),
            None => match trimmed.split_once(':') {
                Some((host, port)) if !port.contains(':') => (host, Some(port)),
                // More than one colon without brackets is an IPv6 address.
                _ => (trimmed, None),
            },
        };
        let port = port.map_or(Ok(PORT), str::parse).map_err(|_| wrong())?;
        match host {
            "" => Err(wrong()),
            directory if directory.starts_with('/') => Ok(Address::Unix(directory.to_owned(), port)),
            host => Ok(Address::Tcp(host.to_owned(), port)),
        }
    }

    /// The file of a Unix socket.
    pub(super) fn socket_file(directory: &str, port: u16) -> PathBuf {
        PathBuf::from(directory).join(format!(".s.PGSQL.{port}"))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Address::Tcp(host, port) | Address::Unix(host, port) => write!(f, "{host}:{port}"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        let tcp = |host: &str, port| Address::Tcp(host.to_owned(), port);
        for (text, address) in [
            ("db", tcp("db", 5432)),
            ("db:5433", tcp("db", 5433)),
            ("[::1]:6", tcp("::1", 6)),
            ("[::1]", tcp("::1", 5432)),
            ("fe80::1", tcp("fe80::1", 5432)),
            ("/run/postgresql", Address::Unix("/run/postgresql".into(), 5432)),
            ("/run/postgresql:5433", Address::Unix("/run/postgresql".into(), 5433)),
        ] {
            assert_eq!(Address::parse(text).unwrap(), address, "{text}");
        }
        for text in ["", ":5432", "db:port", "[::1]x", "db:70000"] {
            assert!(Address::parse(text).is_err(), "{text}");
        }
    }
}
