//! Logging in: the startup message and the methods of authentication.

use std::iter;

use bytes::BytesMut;
use fallible_iterator::FallibleIterator;
use postgres_protocol::{
    authentication::{
        md5_hash,
        sasl::{self, ScramSha256},
    },
    message::{
        backend::{AuthenticationSaslBody, Message},
        frontend,
    },
};
use secrecy::ExposeSecret;
use tokio::io::AsyncWriteExt;

use super::{Replication, lost, malformed, server_error};
use crate::{
    error::{Error, Result},
    postgres_client::{Login, refused},
};

impl Replication {
    /// Logs in to the database, in replication mode.
    pub(super) async fn log_in(&mut self, login: &Login) -> Result<()> {
        let parameters = [
            ("user", login.user.as_str()),
            ("database", login.database.as_str()),
            ("replication", "database"),
            ("application_name", login.application_name.as_str()),
            ("client_encoding", "UTF8"),
            // What values are written like; "Streaming Replication" takes what the session says.
            ("datestyle", "ISO, MDY"),
            ("intervalstyle", "postgres"),
            ("timezone", "UTC"),
            ("extra_float_digits", "3"),
            ("bytea_output", "hex"),
            // Behind the fence of a cutover as well.
            ("default_transaction_read_only", "off"),
        ];
        let mut out = BytesMut::new();
        frontend::startup_message(parameters, &mut out).map_err(malformed)?;
        self.send(&out).await?;
        self.authenticate(login).await?;
        loop {
            match self.message().await? {
                Message::ReadyForQuery(_) => return Ok(()),
                Message::ErrorResponse(error) => return Err(login_refused(login, server_error(&error)?)),
                _ => {}
            }
        }
    }

    async fn authenticate(&mut self, login: &Login) -> Result<()> {
        let password = login.password.expose_secret();
        loop {
            let mut out = BytesMut::new();
            match self.message().await? {
                Message::AuthenticationOk => return Ok(()),
                Message::AuthenticationCleartextPassword => {
                    frontend::password_message(password.as_bytes(), &mut out).map_err(malformed)?;
                }
                Message::AuthenticationMd5Password(body) => {
                    let answer = md5_hash(login.user.as_bytes(), password.as_bytes(), body.salt());
                    frontend::password_message(answer.as_bytes(), &mut out).map_err(malformed)?;
                }
                Message::AuthenticationSasl(body) => self.scram(&body, login).await?,
                Message::ErrorResponse(error) => return Err(login_refused(login, server_error(&error)?)),
                _ => {
                    return Err(Error::definite(
                        "the server asks for an authentication that is not supported",
                    )
                    .remedy(
                        "let the account in by scram-sha-256, md5, password, cert or trust in pg_hba.conf",
                    ));
                }
            }
            self.send(&out).await?;
        }
    }

    /// SCRAM-SHA-256, bound to the encrypted channel where the server offers that (RFC 5802, RFC 7677).
    async fn scram(&mut self, offer: &AuthenticationSaslBody, login: &Login) -> Result<()> {
        let offers: Vec<String> =
            offer.mechanisms().map(|name| Ok(name.to_owned())).collect().map_err(malformed)?;
        let offers = |mechanism: &str| offers.iter().any(|offer| offer == mechanism);
        let (mechanism, binding) = match self.wire.channel_binding() {
            Some(data) if offers(sasl::SCRAM_SHA_256_PLUS) => {
                (sasl::SCRAM_SHA_256_PLUS, sasl::ChannelBinding::tls_server_end_point(data))
            }
            Some(_) => (sasl::SCRAM_SHA_256, sasl::ChannelBinding::unrequested()),
            None => (sasl::SCRAM_SHA_256, sasl::ChannelBinding::unsupported()),
        };
        let mut scram = ScramSha256::new(login.password.expose_secret().as_bytes(), binding);
        let mut out = BytesMut::new();
        frontend::sasl_initial_response(mechanism, scram.message(), &mut out).map_err(malformed)?;
        self.send(&out).await?;
        for step in iter::successors(Some(0), |step| Some(step + 1)) {
            match (step, self.message().await?) {
                (0, Message::AuthenticationSaslContinue(body)) => {
                    scram.update(body.data()).map_err(unproved)?;
                    let mut out = BytesMut::new();
                    frontend::sasl_response(scram.message(), &mut out).map_err(malformed)?;
                    self.send(&out).await?;
                }
                (1, Message::AuthenticationSaslFinal(body)) => {
                    scram.finish(body.data()).map_err(unproved)?;
                    break;
                }
                (_, Message::ErrorResponse(error)) => {
                    return Err(login_refused(login, server_error(&error)?));
                }
                _ => {
                    return Err(Error::disconnected(
                        "the server leaves the course of a SCRAM authentication",
                    ));
                }
            }
        }
        Ok(())
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.wire.write_all(bytes).await.map_err(lost)
    }
}

fn unproved(error: std::io::Error) -> Error {
    Error::definite("the server does not prove that it knows the password")
        .caused_by(error)
        .remedy("make sure that the address leads to the right server, and check the password")
}

fn login_refused(login: &Login, refusal: crate::postgres_client::ServerError) -> Error {
    let is_of_account = refusal.code.starts_with("28");
    let needs_attribute = refusal.code == "42501";
    let failure = refused("cannot log in for replication", refusal);
    if is_of_account {
        failure.remedy(format!(
            "check user and password of {}, and the line of pg_hba.conf that lets it into the database {}",
            login.user, login.database
        ))
    } else if needs_attribute {
        failure.remedy(format!("ALTER ROLE {} REPLICATION;", crate::postgres_client::quoted(&login.user)))
    } else {
        failure
    }
}
