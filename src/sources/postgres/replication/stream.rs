//! The stream of the log: frames in.

use std::time::Duration;

use bytes::{Buf, BytesMut};
use postgres_protocol::message::backend::Message;
use tokio::{
    io::{AsyncReadExt, ReadHalf, WriteHalf, split},
    time::timeout,
};

use super::{lost, malformed, server_error, server_message};
use crate::{
    error::{Error, Kind, Result},
    postgres_client::{ServerError, Wire, refused},
};

/// Room for what one call of the system brings.
const READ: usize = 256 * 1024;
/// Bytes before the content of a `CopyData` message: its type and its length.
pub(crate) const HEADER: usize = 5;
/// CopyData.
const COPY_DATA: u8 = b'd';
/// A server that confirms what is sent to it, and says nothing for so long, is stuck. (Versions before 15 are silent for minutes when a
/// large transaction has nothing for us.)
const SILENCE: Duration = Duration::from_secs(600);
/// How many reports may stay unconfirmed by the other machine before the connection counts as lost…
const UNCONFIRMED: u32 = 4;
/// …but not in less than this.
const LEAST_UNCONFIRMED: Duration = Duration::from_secs(5);

/// `ERRCODE_UNDEFINED_OBJECT`: before PostgreSQL 18 the server does not decode what was written without the publication.
const UNDEFINED_OBJECT: &str = "42704";
/// `ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE` of a warning: from 18 on the server goes on, and leaves out the rows
/// (`LoadPublications`, `src/backend/replication/pgoutput/pgoutput.c`).
const NOT_IN_STATE: &str = "55000";
/// What to do where rows were written that are not in the log.
pub(crate) const UNPUBLISHED: &str = "what was written without it is not in the log: release the task (slackwater release) and copy the \
     tables anew with start = \"snapshot\" and an empty destination";

/// The stream of the log.
pub(crate) struct WalStream {
    reader: ReadHalf<Wire>,
    writer: Option<WriteHalf<Wire>>,
    incoming: BytesMut,
    publication: String,
}

impl WalStream {
    /// A stream that has begun; `incoming` has its first bytes. `heartbeat`: how often something is to be sent over it.
    ///
    /// # Errors
    /// When the system refuses to watch the connection.
    pub(super) fn new(
        wire: Wire,
        incoming: BytesMut,
        publication: &str,
        heartbeat: Duration,
    ) -> Result<Self> {
        wire.set_confirmation_limit((heartbeat * UNCONFIRMED).max(LEAST_UNCONFIRMED))?;
        let (reader, writer) = split(wire);
        Ok(WalStream { reader, writer: Some(writer), incoming, publication: publication.to_owned() })
    }

    /// The half for reports to the server; `None` the second time.
    pub(crate) fn take_writer(&mut self) -> Option<WriteHalf<Wire>> {
        self.writer.take()
    }

    /// The first whole frame as it came, with its header; `None`: there is none yet.
    ///
    /// # Errors
    /// When the server ends the stream, or sends something else.
    pub(crate) fn frame(&mut self) -> Result<Option<&[u8]>> {
        loop {
            let Some((&[kind, length @ ..], _)) = self.incoming.split_first_chunk::<HEADER>() else {
                return Ok(None);
            };
            // The length counts itself.
            let length = (u32::from_be_bytes(length) as usize).saturating_add(1);
            if self.incoming.len() < length {
                self.incoming.reserve((length - self.incoming.len()).max(READ));
                return Ok(None);
            }
            if kind == COPY_DATA {
                return Ok(self.incoming.get(..length));
            }
            self.other()?;
        }
    }

    /// Goes on behind the first frame, which has that many bytes.
    pub(crate) fn advance(&mut self, length: usize) {
        self.incoming.advance(length.min(self.incoming.len()));
    }

    /// Waits for more bytes. Nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// When the connection is lost.
    pub(crate) async fn wait(&mut self) -> Result<()> {
        if self.incoming.capacity() - self.incoming.len() < READ / 4 {
            self.incoming.reserve(READ);
        }
        match timeout(SILENCE, self.reader.read_buf(&mut self.incoming)).await {
            Ok(Ok(0)) => Err(Error::disconnected("the server closed the connection")),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(lost(error)),
            Err(_) => Err(Error::disconnected(format!("the server said nothing for {SILENCE:?}"))),
        }
    }

    /// What is no frame: a notice, or the end.
    fn other(&mut self) -> Result<()> {
        // CopyDone: the server shuts down, and waits for us to go.
        if self.incoming.first() == Some(&b'c') {
            return Err(Error::disconnected("the server ends the stream of its log: it shuts down"));
        }
        match Message::parse(&mut self.incoming).map_err(malformed)? {
            Some(Message::ErrorResponse(error)) => {
                let refusal = server_error(&error)?;
                Err(match refusal.code.as_str() {
                    UNDEFINED_OBJECT => self.unpublished(refusal),
                    _ => stream_refused(refusal),
                })
            }
            Some(Message::NoticeResponse(notice)) => {
                let notice = server_message(notice.fields())?;
                if notice.code == NOT_IN_STATE { Err(self.unpublished(notice)) } else { Ok(()) }
            }
            Some(Message::CommandComplete(_) | Message::ReadyForQuery(_)) => {
                Err(Error::disconnected("the server ends the stream of its log"))
            }
            _ => Ok(()),
        }
    }
}

impl WalStream {
    /// The stop where the log comes to a change that was made while there was no publication.
    fn unpublished(&self, said: ServerError) -> Error {
        refused(
            "the publication was not there when rows were written, so that the server leaves them out",
            said,
        )
        .on(format!("publication {}", self.publication))
        .remedy(UNPUBLISHED)
    }
}

/// Seen of PostgreSQL 18.4 without any task, with `pg_logical_slot_get_binary_changes`: a slot that was created while a transaction changed
/// definitions may fail for good with "could not map filenumber … to relation OID".
const UNDECODABLE: &str = "look at the server's log; a slot that was created while tables were altered or truncated may be unusable from its \
     start: release the task (slackwater release), and copy the tables anew with an empty destination while definitions are at rest";

/// What ends a stream that had begun.
fn stream_refused(refusal: ServerError) -> Error {
    // 58P01: a segment of the log is gone. The state of the slot tells the rest when it is asked for again.
    let kind = if refusal.code == "58P01" { Kind::Transient } else { refusal.kind() };
    match kind {
        Kind::Definite => refused("the server cannot decode its log", refusal).remedy(UNDECODABLE),
        kind => Error::of_kind(kind, "the server ends the stream of its log").caused_by(refusal),
    }
}
