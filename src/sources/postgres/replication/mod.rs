//! The replication connection: logging in, commands, and the stream of the log.
//!
//! Format: PostgreSQL documentation, "Frontend/Backend Protocol": "Message Flow", "Message Formats", "Streaming Replication
//! Protocol" and "Logical Streaming Replication Protocol".

mod command;
mod feedback;
mod login;
mod stream;

use std::{io, time::Duration};

use bytes::BytesMut;
use fallible_iterator::FallibleIterator;
use postgres_protocol::message::{
    backend::{DataRowBody, ErrorFields, ErrorResponseBody, Message},
    frontend,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

pub(super) use self::{
    command::{CreateSlot, Identity, StartOptions},
    feedback::Progress,
    stream::{HEADER, UNPUBLISHED, WalStream},
};
use crate::{
    error::{Error, Result},
    postgres_client::{Address, Login, ServerError, Wire, refused},
};

/// How long the answer to a command may take that does not wait for others.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);
/// CopyBothResponse.
const COPY_BOTH: u8 = b'W';

/// A row of an answer, as text.
pub(super) type Row = Vec<Option<String>>;

/// A logged-in connection in replication mode (`replication = database`).
pub(super) struct Replication {
    wire: Wire,
    /// What came and was not looked at yet.
    incoming: BytesMut,
}

impl Replication {
    /// Connects and logs in.
    ///
    /// # Errors
    /// Definite when the login, certificate or configuration is refused; disconnected when the server is not there.
    pub(super) async fn open(address: &Address, login: &Login) -> Result<Self> {
        let connecting = async {
            let wire = Wire::open(address, &login.tls).await?;
            let mut connection = Replication { wire, incoming: BytesMut::new() };
            connection.log_in(login).await?;
            Ok(connection)
        };
        let connected = timeout(login.timeout, connecting).await.unwrap_or_else(|_| {
            Err(Error::disconnected(format!("the server does not answer within {:?}", login.timeout)))
        });
        connected.map_err(|error| error.on(address))
    }

    /// Sends a command and reads its rows.
    ///
    /// # Errors
    /// The server's refusal; disconnected when the connection is lost or the answer does not come in time.
    pub(super) async fn command(&mut self, statement: &str) -> Result<Vec<Row>> {
        timeout(COMMAND_TIMEOUT, self.patient_command(statement)).await.unwrap_or_else(|_| {
            Err(Error::disconnected(format!("the server does not answer within {COMMAND_TIMEOUT:?}")))
        })
    }

    /// [`command`](Self::command) for one that may wait for other sessions' transactions.
    ///
    /// # Errors
    /// As [`command`](Self::command).
    pub(super) async fn patient_command(&mut self, statement: &str) -> Result<Vec<Row>> {
        self.query(statement).await?;
        let (mut rows, mut failure) = (Vec::new(), None);
        loop {
            match self.message().await? {
                Message::DataRow(row) => rows.push(texts(&row)?),
                Message::ErrorResponse(error) => failure = failure.or(Some(server_error(&error)?)),
                Message::ReadyForQuery(_) => break,
                _ => {}
            }
        }
        match failure {
            Some(failure) => Err(refused("the server refuses a command", failure)),
            None => Ok(rows),
        }
    }

    async fn query(&mut self, statement: &str) -> Result<()> {
        let mut out = BytesMut::new();
        frontend::query(statement, &mut out).map_err(lost)?;
        self.wire.write_all(&out).await.map_err(lost)
    }

    /// The next message.
    async fn message(&mut self) -> Result<Message> {
        loop {
            if let Some(message) = Message::parse(&mut self.incoming).map_err(malformed)? {
                match message {
                    Message::NoticeResponse(_) | Message::ParameterStatus(_) => {}
                    message => return Ok(message),
                }
            } else {
                self.fill().await?;
            }
        }
    }

    async fn fill(&mut self) -> Result<()> {
        match self.wire.read_buf(&mut self.incoming).await.map_err(lost)? {
            0 => Err(Error::disconnected("the server closed the connection")),
            _ => Ok(()),
        }
    }

    /// Waits for the server to begin to stream.
    async fn copy_both(&mut self) -> Result<()> {
        // The answer is a message that no other client of the protocol library needs to know.
        while self.incoming.len() < 5 {
            self.fill().await?;
        }
        if self.incoming.first() != Some(&COPY_BOTH) {
            return match self.message().await? {
                Message::ErrorResponse(error) => {
                    Err(refused("the server does not stream its log", server_error(&error)?))
                }
                _ => Err(Error::definite("the server answers START_REPLICATION with something else")),
            };
        }
        let length =
            self.incoming.get(1..5).and_then(|length| length.try_into().ok()).map(u32::from_be_bytes);
        let length = 1 + length.unwrap_or_default() as usize;
        while self.incoming.len() < length {
            self.fill().await?;
        }
        let _ = self.incoming.split_to(length);
        Ok(())
    }
}

/// What the server refused.
fn server_error(error: &ErrorResponseBody) -> Result<ServerError> {
    server_message(error.fields())
}

/// What the server says, of whatever severity.
fn server_message(mut fields: ErrorFields<'_>) -> Result<ServerError> {
    let (mut code, mut text, mut hint) = (String::new(), String::new(), None);
    while let Some(field) = fields.next().map_err(malformed)? {
        let value = String::from_utf8_lossy(field.value_bytes()).into_owned();
        match field.type_() {
            b'C' => code = value,
            b'M' => text = value,
            b'H' => hint = Some(value),
            _ => {}
        }
    }
    Ok(ServerError::new(&code, &text, hint.as_deref()))
}

fn texts(row: &DataRowBody) -> Result<Row> {
    let buffer = row.buffer();
    row.ranges()
        .map(|range| {
            let bytes = range.and_then(|range| buffer.get(range));
            Ok(bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
        })
        .collect()
        .map_err(malformed)
}

fn lost(error: io::Error) -> Error {
    Error::disconnected("lost the connection").caused_by(error)
}

fn malformed(error: io::Error) -> Error {
    Error::disconnected("the server sends what is no message of its protocol").caused_by(error)
}
