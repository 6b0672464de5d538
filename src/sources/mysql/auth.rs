//! Logging in: the authentication methods of MySQL and MariaDB.
//!
//! The password leaves this process in clear text only on an encrypted connection or a local socket, and encrypted with the
//! server's public key on a plain connection (caching_sha2_password's full authentication).

use mysql_common::{
    crypto,
    io::ParseBuf,
    packets::{AuthPlugin, AuthSwitchRequest},
};
use secrecy::{ExposeSecret, SecretString};

use super::{packets::PacketStream, response};
use crate::error::{Error, Result};

/// No step of a login is longer.
const LIMIT: usize = 64 * 1024;

/// Who logs in, over what.
pub(super) struct Credentials<'a> {
    pub(super) user: &'a str,
    pub(super) password: &'a SecretString,
    /// Whether nobody on the way can read along: TLS or a Unix socket.
    pub(super) private: bool,
}

/// Length of ed25519's challenge in bytes (MariaDB `plugin/auth_ed25519`, `NONCE_BYTES`).
const ED25519_NONCE: usize = 32;

/// The method to begin with: the server's own where it is known, else the one that every server knows how to switch from.
pub(super) fn first_plugin(offered: Option<AuthPlugin<'_>>) -> AuthPlugin<'static> {
    match offered {
        Some(plugin @ (AuthPlugin::CachingSha2Password | AuthPlugin::Ed25519)) => plugin.into_owned(),
        _ => AuthPlugin::MysqlNativePassword,
    }
}

/// The answer to the server's challenge; empty for an empty password.
///
/// # Errors
/// When the method is not supported, or would show the password to others.
pub(super) fn challenge_response(
    plugin: &AuthPlugin<'_>,
    challenge: &[u8],
    credentials: &Credentials<'_>,
) -> Result<Vec<u8>> {
    let password = Some(credentials.password.expose_secret());
    match plugin {
        AuthPlugin::CachingSha2Password | AuthPlugin::MysqlNativePassword | AuthPlugin::Ed25519 => {
            Ok(plugin.gen_data(password, challenge).map(|data| data.to_vec()).unwrap_or_default())
        }
        AuthPlugin::MysqlClearPassword if credentials.private => Ok(clear_text(credentials)),
        AuthPlugin::MysqlClearPassword => Err(unsupported(
            "mysql_clear_password",
            "set tls.mode to verify-identity: the password travels in clear text",
        )),
        other => Err(unsupported(
            &String::from_utf8_lossy(other.as_bytes()),
            "give the account caching_sha2_password, mysql_native_password or ed25519",
        )),
    }
}

/// The server asks for a method that is not known here. MySQL does so for accounts that do not exist as well: it answers
/// for each name with one of its methods, so that nobody learns which names there are.
#[derive(Debug, thiserror::Error)]
#[error("it is not supported; the server may ask for it when the account does not exist")]
pub(super) struct UnsupportedMethod;

fn unsupported(method: &str, remedy: &str) -> Error {
    Error::definite("the account's authentication method cannot be used")
        .on(method)
        .caused_by(UnsupportedMethod)
        .remedy(remedy)
}

fn clear_text(credentials: &Credentials<'_>) -> Vec<u8> {
    [credentials.password.expose_secret().as_bytes(), &[0]].concat()
}

/// The challenge of a switch to another method.
fn challenge_of(request: &AuthSwitchRequest<'_>) -> Vec<u8> {
    let mut challenge = request.plugin_data().to_vec();
    if request.auth_plugin() == AuthPlugin::Ed25519 {
        // Here a zero at the end is a byte like any other; the library takes it for the end mark that other methods send.
        challenge.resize(ED25519_NONCE, 0);
    }
    challenge
}

/// Goes on after the first response until the server says yes or no.
///
/// # Errors
/// Definite when the server refuses the account, disconnected when the connection is lost or the server is not ready.
pub(super) async fn finish(
    stream: &mut PacketStream,
    mut plugin: AuthPlugin<'static>,
    mut challenge: Vec<u8>,
    credentials: &Credentials<'_>,
) -> Result<()> {
    // MariaDB may switch once for each method of an account.
    for _ in 0..8 {
        let payload = stream.read(LIMIT).await.map_err(response::lost)?;
        match payload.as_slice() {
            [0x00, ..] => return Ok(()),
            [0xFF, ..] => return Err(refused(response::server_error(&payload), credentials)),
            [0xFE] => {
                return Err(unsupported("mysql_old_password", "give the account a newer method: ALTER USER"));
            }
            [0xFE, ..] => {
                let request: AuthSwitchRequest<'_> = ParseBuf(&payload)
                    .parse(())
                    .map_err(|error| response::malformed("authentication switch", error))?;
                plugin = request.auth_plugin().into_owned();
                challenge = challenge_of(&request);
                let answer = challenge_response(&plugin, &challenge, credentials)?;
                stream.write(&answer).await.map_err(response::lost)?;
            }
            // caching_sha2_password: 3, the server knew the password; the OK follows.
            [0x01, 0x03] if plugin == AuthPlugin::CachingSha2Password => {}
            // 4, the server needs the password itself.
            [0x01, 0x04] if plugin == AuthPlugin::CachingSha2Password => {
                let answer = if credentials.private {
                    clear_text(credentials)
                } else {
                    encrypted_password(stream, &challenge, credentials).await?
                };
                stream.write(&answer).await.map_err(response::lost)?;
            }
            _ => return Err(Error::definite("the server's login dialogue is not understood")),
        }
    }
    Err(Error::definite("the server's login dialogue does not end"))
}

/// Asks for the server's public key and encrypts the password, mixed with the challenge, with it.
async fn encrypted_password(
    stream: &mut PacketStream,
    challenge: &[u8],
    credentials: &Credentials<'_>,
) -> Result<Vec<u8>> {
    stream.write(&[0x02]).await.map_err(response::lost)?;
    let payload = stream.read(LIMIT).await.map_err(response::lost)?;
    let key = match payload.split_first() {
        Some((0x01, key)) if key.starts_with(b"-----BEGIN PUBLIC KEY-----") => key.to_vec(),
        Some((0xFF, _)) => return Err(response::server_error(&payload)),
        _ => {
            return Err(Error::definite("the server has no public key to encrypt the password with")
                .remedy("set tls.mode to required or higher"));
        }
    };
    let mixed: Vec<u8> = clear_text(credentials)
        .iter()
        .zip(challenge.iter().cycle())
        .map(|(byte, mask)| byte ^ mask)
        .collect();
    // The library takes a key that it cannot parse for a reason to panic: the task is the wall around it.
    tokio::task::spawn_blocking(move || crypto::encrypt(&mixed, &key)).await.map_err(|_| {
        Error::definite("the password cannot be encrypted with the server's public key")
            .remedy("set tls.mode to required or higher")
    })
}

fn refused(error: Error, credentials: &Credentials<'_>) -> Error {
    error.on(format!("user {}", credentials.user)).remedy("check user and password in the task file")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_challenge_of_ed25519_keeps_a_zero_at_its_end() {
        let mut nonce = [7; ED25519_NONCE];
        nonce[ED25519_NONCE - 1] = 0;
        let payload = [b"\xFEclient_ed25519\0".as_slice(), &nonce].concat();
        let request: AuthSwitchRequest<'_> = ParseBuf(&payload).parse(()).unwrap();
        assert_eq!(challenge_of(&request), nonce);
    }

    #[test]
    fn the_password_is_not_sent_in_clear_over_a_readable_connection() {
        let password = SecretString::from("secret");
        let mut credentials = Credentials { user: "repl", password: &password, private: false };
        let error = challenge_response(&AuthPlugin::MysqlClearPassword, b"", &credentials).unwrap_err();
        assert!(!error.to_string().contains("secret"));
        credentials.private = true;
        assert_eq!(
            challenge_response(&AuthPlugin::MysqlClearPassword, b"", &credentials).unwrap(),
            b"secret\0"
        );
    }
}
