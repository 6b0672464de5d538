//! What a server answers: errors and result sets in text form.

use std::{fmt, io};

use mysql_common::{constants::CapabilityFlags, io::ParseBuf, packets::ErrPacket};
use slackwater_decoders::mysql::reader::{Malformed, Reader};

use super::packets::PacketStream;
use crate::error::{Error, Kind, Result};

/// The longest payload of an answer: rows of information_schema hold whole expressions and comments.
const LIMIT: usize = 64 << 20;

/// What the server said no with.
#[derive(Clone, Debug)]
pub(super) struct ServerError {
    /// The server's number of the error.
    pub(super) code: u16,
    /// Its words.
    pub(super) message: String,
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (error {})", self.message, self.code)
    }
}

impl std::error::Error for ServerError {}

impl ServerError {
    pub(super) fn parse(payload: &[u8]) -> Self {
        match ParseBuf(payload).parse::<ErrPacket<'_>>(CapabilityFlags::CLIENT_PROTOCOL_41) {
            Ok(ErrPacket::Error(error)) => {
                ServerError { code: error.error_code(), message: error.message_str().into_owned() }
            }
            Ok(ErrPacket::Progress(_)) | Err(_) => {
                ServerError { code: 0, message: "an error without a message".to_owned() }
            }
        }
    }

    /// Whether the same request may succeed later.
    ///
    /// The numbers: MySQL's messages_to_clients.txt and MariaDB's errmsg-utf8.txt.
    pub(super) fn kind(&self) -> Kind {
        match self.code {
            // The server is full, starts, stops, or broke off the connection.
            1040..=1043
            | 1053
            | 1077..=1081
            | 1152
            | 1158..=1161
            | 1184
            | 1203
            | 1226
            | 1927
            | 3032
            | 3169
            | 4031 => Kind::Disconnected,
            // Lock timeout, deadlock, broken off statement.
            1205 | 1213 | 1317 => Kind::Transient,
            _ => Kind::Definite,
        }
    }
}

impl From<ServerError> for Error {
    fn from(error: ServerError) -> Self {
        Error::of_kind(error.kind(), "the server refused").caused_by(error)
    }
}

/// The server's own error as ours.
pub(super) fn server_error(payload: &[u8]) -> Error {
    ServerError::parse(payload).into()
}

/// The connection does not work any more.
pub(super) fn lost(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::InvalidData => {
            Error::definite("the server's answer is not understood").caused_by(error)
        }
        _ => Error::disconnected("lost the connection to the server").caused_by(error),
    }
}

/// The server sent something that the protocol does not have.
pub(super) fn malformed(what: &str, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::definite(format!("the server sent a malformed {what}")).caused_by(cause)
}

/// A result set.
#[derive(Debug, Default)]
pub(super) struct Rows {
    columns: Vec<String>,
    rows: Vec<Vec<Option<String>>>,
}

/// One row of a result set.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    columns: &'a [String],
    cells: &'a [Option<String>],
}

impl Rows {
    pub(super) fn iter(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().map(|cells| Row { columns: &self.columns, cells })
    }

    pub(super) fn first(&self) -> Option<Row<'_>> {
        self.iter().next()
    }
}

impl<'a> Row<'a> {
    /// The text of the column of that name, without regard to case; `None` for NULL and for a column that is not there.
    pub(super) fn text(self, name: &str) -> Option<&'a str> {
        let place = self.columns.iter().position(|column| column.eq_ignore_ascii_case(name))?;
        self.at(place)
    }

    /// The text of a column by its place.
    pub(super) fn at(self, place: usize) -> Option<&'a str> {
        self.cells.get(place)?.as_deref()
    }
}

/// Reads the answer to a query to its end: rows, or the server's error.
///
/// # Errors
/// A lost connection.
pub(super) async fn read_rows(stream: &mut PacketStream) -> Result<Result<Rows, ServerError>> {
    let header = stream.read(LIMIT).await.map_err(lost)?;
    let mut rows = Rows::default();
    let count = match header.first() {
        Some(0x00) => return Ok(Ok(rows)),
        Some(0xFF) => return Ok(Err(ServerError::parse(&header))),
        Some(0xFB) => return Err(Error::definite("the server asked for a local file")),
        _ => Reader::new(&header).lenenc().map_err(|error| malformed("result set", error))?,
    };
    for _ in 0..count {
        let definition = stream.read(LIMIT).await.map_err(lost)?;
        rows.columns.push(column_name(&definition).map_err(|error| malformed("column definition", error))?);
    }
    // The end of the column definitions.
    stream.read(LIMIT).await.map_err(lost)?;
    loop {
        let payload = stream.read(LIMIT).await.map_err(lost)?;
        match payload.as_slice() {
            [0xFE, rest @ ..] if rest.len() < 8 => return Ok(Ok(rows)),
            [0xFF, ..] => return Ok(Err(ServerError::parse(&payload))),
            _ => rows.rows.push(text_row(&payload).map_err(|error| malformed("row", error))?),
        }
    }
}

/// The name in "Protocol::ColumnDefinition41": after catalog, schema, table and original table.
fn column_name(payload: &[u8]) -> Result<String, Malformed> {
    let mut reader = Reader::new(payload);
    for _ in 0..4 {
        reader.lenenc_slice()?;
    }
    Ok(String::from_utf8_lossy(reader.lenenc_slice()?).into_owned())
}

/// "ProtocolText::ResultsetRow": length-encoded strings, 0xFB for NULL.
fn text_row(payload: &[u8]) -> Result<Vec<Option<String>>, Malformed> {
    let mut reader = Reader::new(payload);
    let mut cells = Vec::new();
    while !reader.is_empty() {
        if reader.rest().first() == Some(&0xFB) {
            reader.skip(1)?;
            cells.push(None);
        } else {
            cells.push(Some(String::from_utf8_lossy(reader.lenenc_slice()?).into_owned()));
        }
    }
    Ok(cells)
}
