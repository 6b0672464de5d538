//! A logged-in connection for statements.

use std::{ops::Deref, ops::DerefMut, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use tokio::{task::JoinHandle, time::timeout};
use tokio_postgres::{
    Client, Config,
    config::{SslMode, SslNegotiation},
};

use super::{
    Address, failed, server_error,
    wire::{AsItIs, Wire},
};
use crate::{
    config::source::Tls,
    error::{Error, Result},
};

/// What changes how values are written, or ends statements that take long, is the same whatever the server, database
/// and role say; so is whether transactions may write: the fence of a cutover closes a database to others. The names are not looked
/// up along a path: each statement has to say the schema.
const SETTINGS: &str = "SET DateStyle = 'ISO, MDY'; SET IntervalStyle = 'postgres'; SET TimeZone = 'UTC'; \
     SET extra_float_digits = 3; SET bytea_output = 'hex'; SET xmloption = 'content'; SET statement_timeout = 0; \
     SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET search_path = pg_catalog; \
     SET standard_conforming_strings = on; SET client_min_messages = warning; SET default_transaction_read_only = off";

/// What is needed to connect, except the address.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) password: SecretString,
    pub(crate) database: String,
    pub(crate) tls: Tls,
    /// What the server shows the connection as.
    pub(crate) application_name: String,
    /// For connecting and logging in together.
    pub(crate) timeout: Duration,
}

/// A logged-in connection for statements. Dropping it closes it, and the server takes an open transaction back.
pub(crate) struct Session {
    client: Client,
    driver: JoinHandle<()>,
    address: Address,
    version: u32,
    encrypted: bool,
}

impl Session {
    /// Connects, logs in and fixes the settings.
    ///
    /// # Errors
    /// Definite when the login, certificate or configuration is refused; disconnected when the server is not there.
    pub(crate) async fn open(address: &Address, login: &Login) -> Result<Self> {
        let connected = timeout(login.timeout, Session::connect(address, login)).await;
        let connected = connected.unwrap_or_else(|_| {
            Err(Error::disconnected(format!("the server does not answer within {:?}", login.timeout)))
        });
        connected.map_err(|error| error.on(address))
    }

    async fn connect(address: &Address, login: &Login) -> Result<Self> {
        let wire = Wire::open(address, &login.tls).await?;
        let encrypted = wire.is_encrypted();
        let (client, connection) = Config::new()
            .user(&login.user)
            .password(login.password.expose_secret())
            .dbname(&login.database)
            .application_name(&login.application_name)
            .ssl_mode(SslMode::Require)
            .ssl_negotiation(SslNegotiation::Direct)
            .connect_raw(wire, AsItIs)
            .await
            .map_err(|error| login_failed(login, error))?;
        let driver = tokio::spawn(async move {
            // Whatever ends the connection is told to those who wait for an answer.
            let _ = connection.await;
        });
        let mut session = Session { client, driver, address: address.clone(), version: 0, encrypted };
        session
            .client
            .batch_execute(SETTINGS)
            .await
            .map_err(|error| failed("cannot set up the session", error))?;
        session.version = session
            .one_number("SELECT current_setting('server_version_num')::int8")
            .await?
            .try_into()
            .unwrap_or_default();
        Ok(session)
    }

    /// The server's version as a number: 180004 for 18.4.
    pub(crate) fn version(&self) -> u32 {
        self.version
    }

    /// The server's major version: 18.
    pub(crate) fn major(&self) -> u32 {
        self.version / 10_000
    }

    /// Where it leads to.
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Whether what goes over it can be read on the way.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// The answer to a question for one `int8`.
    ///
    /// # Errors
    /// The server's refusal, or when the answer is no number.
    pub(crate) async fn one_number(&self, question: &str) -> Result<i64> {
        let row = self.client.query_one(question, &[]).await;
        row.and_then(|row| row.try_get(0)).map_err(|error| failed("the server does not answer", error))
    }
}

impl Deref for Session {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl DerefMut for Session {
    fn deref_mut(&mut self) -> &mut Client {
        &mut self.client
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

fn login_failed(login: &Login, error: tokio_postgres::Error) -> Error {
    let refusal = server_error(&error);
    let failure = failed("cannot log in", error);
    match refusal.map(|refusal| refusal.code) {
        Some(code) if code.starts_with("28") => failure.remedy(format!(
            "check user and password of {}, and the line of pg_hba.conf that lets it into the database {}",
            login.user, login.database
        )),
        Some(code) if code == "3D000" => failure.remedy("check the name of the database"),
        _ => failure,
    }
}
