//! SELECTs in the binary protocol, as prepared statements, and their rows as a stream.
//!
//! MySQL documentation, "COM_STMT_PREPARE", "COM_STMT_EXECUTE" and "COM_STMT_CLOSE". Statements have no parameters: what varies
//! stands in them as literals, whose character set and precision are the writer's to choose.

use std::time::Duration;

use slackwater_decoders::mysql::{
    reader::{Malformed, Reader},
    resultset::ColumnDefinition,
};

use super::{
    connection::{Command, Connection},
    packets::Progress,
    response::{self, ServerError, malformed},
};
use crate::error::{Error, Result};

/// The longest packet that is not a row.
const LIMIT: usize = 1 << 20;
/// The largest number of columns of a table (MySQL `sql/sql_const.h`, `MAX_FIELDS`).
const MAX_COLUMNS: u64 = 4096;

/// The rows of a SELECT that is being read.
pub(super) struct Selected {
    /// The columns of the result.
    pub(super) columns: Vec<ColumnDefinition>,
    statement: u32,
}

/// Rows of a SELECT as the server sent them, one behind the other, each without its first byte 0x00.
#[derive(Default)]
pub(super) struct RowBuffer {
    pub(super) bytes: Vec<u8>,
    /// Number of whole rows.
    pub(super) count: usize,
    /// Where the last row that was begun starts.
    pub(super) last: usize,
    is_inside: bool,
}

/// When a buffer is full.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    pub(super) bytes: usize,
    pub(super) rows: usize,
}

/// What came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// The buffer is full, and ends with a whole row.
    Rows,
    /// The last row is in the buffer.
    End,
}

impl Connection {
    /// Runs a SELECT, within which the server may be silent for `silence`. Its rows are to be [received](Self::receive) to their end
    /// before anything else is asked.
    ///
    /// # Errors
    /// A lost connection.
    pub(super) async fn select(
        &mut self,
        statement: &str,
        silence: Duration,
    ) -> Result<Result<Selected, ServerError>> {
        self.stream.set_read_timeout(silence);
        self.command(Command::Prepare, statement.as_bytes()).await?;
        let answer = self.packet().await?;
        if answer.first() == Some(&0xFF) {
            return Ok(Err(ServerError::parse(&answer)));
        }
        let prepared = Prepared::parse(&answer).map_err(|error| malformed("prepared statement", error))?;
        for definitions in [prepared.parameters, prepared.columns] {
            // They come again with the rows. Behind them stands a packet that ends them.
            for _ in 0..u32::from(definitions) + u32::from(definitions > 0) {
                self.packet().await?;
            }
        }
        // No cursor; the number of iterations is always 1.
        let execute = [&prepared.statement.to_le_bytes()[..], &[0], &1_u32.to_le_bytes()].concat();
        self.command(Command::Execute, &execute).await?;
        let header = self.packet().await?;
        let count = match header.first() {
            Some(0xFF) => {
                self.close(prepared.statement).await?;
                return Ok(Err(ServerError::parse(&header)));
            }
            _ => Reader::new(&header).lenenc().map_err(|error| malformed("result set", error))?,
        };
        if count == 0 || count > MAX_COLUMNS {
            return Err(malformed("result set", Malformed("has an impossible number of columns")));
        }
        let mut columns = Vec::new();
        for _ in 0..count {
            let packet = self.packet().await?;
            let column = ColumnDefinition::parse(&packet);
            columns.push(column.map_err(|error| malformed("column definition", error))?);
        }
        self.packet().await?;
        Ok(Ok(Selected { columns, statement: prepared.statement }))
    }

    /// Receives rows until `buffer` has as many as `limit` says or the rows end. Nothing is lost when it is dropped while it waits.
    ///
    /// # Errors
    /// A lost connection.
    pub(super) async fn receive(
        &mut self,
        selected: &Selected,
        buffer: &mut RowBuffer,
        limit: Limit,
    ) -> Result<Result<Received, ServerError>> {
        loop {
            match self.stream.begin() {
                Some(Some(0x00)) => {
                    if !buffer.is_inside {
                        (buffer.is_inside, buffer.last) = (true, buffer.bytes.len());
                    }
                    if let Progress::Complete(_) = self.stream.take(&mut buffer.bytes) {
                        buffer.is_inside = false;
                        buffer.count += 1;
                        if buffer.bytes.len() >= limit.bytes || buffer.count >= limit.rows {
                            return Ok(Ok(Received::Rows));
                        }
                        continue;
                    }
                }
                Some(_) => {
                    let packet = self.packet().await?;
                    self.close(selected.statement).await?;
                    return match packet.first() {
                        Some(0xFE) => Ok(Ok(Received::End)),
                        Some(0xFF) => Ok(Err(ServerError::parse(&packet))),
                        _ => Err(malformed("row", Malformed("has a wrong first byte"))),
                    };
                }
                None => {}
            }
            self.stream.wait().await.map_err(response::lost)?;
        }
    }

    /// Forgets a statement. The server does not answer.
    async fn close(&mut self, statement: u32) -> Result<()> {
        self.command(Command::Close, &statement.to_le_bytes()).await
    }

    async fn packet(&mut self) -> Result<Vec<u8>> {
        self.stream.read(LIMIT).await.map_err(response::lost)
    }
}

/// "COM_STMT_PREPARE_OK".
struct Prepared {
    statement: u32,
    columns: u16,
    parameters: u16,
}

impl Prepared {
    fn parse(packet: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(packet);
        reader.skip(1)?;
        Ok(Prepared { statement: reader.u32()?, columns: reader.u16()?, parameters: reader.u16()? })
    }
}

impl RowBuffer {
    /// An empty buffer.
    pub(super) fn new(capacity: usize) -> Self {
        RowBuffer { bytes: Vec::with_capacity(capacity), ..RowBuffer::default() }
    }

    /// The last row; empty when there is none.
    pub(super) fn last_row(&self) -> &[u8] {
        self.bytes.get(self.last..).unwrap_or_default()
    }
}

/// The result is not what the table's definition says.
impl From<slackwater_decoders::mysql::resultset::UnfitColumn> for Error {
    fn from(unfit: slackwater_decoders::mysql::resultset::UnfitColumn) -> Self {
        Error::definite("the rows do not have the form that the table's definition says")
            .caused_by(unfit)
            .remedy("leave the table out (objects.exclude), and report its SHOW CREATE TABLE")
    }
}
