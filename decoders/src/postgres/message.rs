//! The messages of `pgoutput`, protocol 1 to 4, without looking into rows.
//!
//! Format: PostgreSQL documentation, "Logical Replication Message Formats"; `src/backend/replication/logical/proto.c`.
//!
//! # Transactions in progress
//!
//! From protocol 2 on, a server may send large transactions before they are committed: in segments between
//! [`StreamStart`](Message::StreamStart) and [`StreamStop`](Message::StreamStop), those of several transactions by turns. The decoder
//! wants transactions in the order of their commits. A reader therefore keeps the frames of each top-level transaction, from each
//! `StreamStart` to its `StreamStop`, until it knows how the transaction ends:
//!
//! * [`StreamAbort`](Message::StreamAbort) with `sub == xid`: forget all of it. With another `sub`: forget the changes of that
//!   subtransaction ([`Message::xid`]), but **not** its Relation and Type messages: the server sends a relation once
//!   for a top-level transaction, until one of its subtransactions is aborted, and changes of others may rely on it.
//! * [`StreamCommit`](Message::StreamCommit): call [`Decoder::announce`](super::Decoder::announce) with what it says, then feed the decoder
//!   the kept frames, and the frame of the `StreamCommit` at last.
//! * [`StreamPrepare`](Message::StreamPrepare): keep that frame, too; the transaction is prepared.
//!
//! # Prepared transactions
//!
//! From [`BeginPrepare`](Message::BeginPrepare) to [`Prepare`](Message::Prepare) the changes come when they are prepared, and count only with
//! [`CommitPrepared`](Message::CommitPrepared): keep the frames, call [`Decoder::announce`](super::Decoder::announce), feed the kept frames
//! and that of the `CommitPrepared`. Forget them with [`RollbackPrepared`](Message::RollbackPrepared). A server does not send a prepared
//! transaction again whose [`Prepare`](Message::Prepare) ends before the slot's confirmed position.

use super::{
    copy::micros,
    error::Reason,
    lsn::Lsn,
    reader::{Malformed, Reader},
};

/// How a transaction ended that was sent before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Its (top-level) transaction id.
    pub xid: u32,
    /// The place of the commit.
    pub commit: Lsn,
    /// Where the log goes on behind it.
    pub end: Lsn,
    /// When it was committed, in microseconds since 1970-01-01 UTC.
    pub time_micros: i64,
}

/// A transaction that is prepared for its commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prepared<'a> {
    /// Its transaction id.
    pub xid: u32,
    /// The place of PREPARE TRANSACTION.
    pub prepare: Lsn,
    /// Where the log goes on behind it.
    pub end: Lsn,
    /// When it was prepared, in microseconds since 1970-01-01 UTC.
    pub time_micros: i64,
    /// Its name.
    pub gid: &'a str,
}

/// A change of rows, undecoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change<'a> {
    /// The (sub)transaction; only inside a stream.
    pub xid: Option<u32>,
    /// The relation's OID, which a [`Message::Relation`] before it announced.
    pub relation: u32,
    /// The tuples.
    pub tuples: &'a [u8],
}

/// A message of `pgoutput`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message<'a> {
    /// A committed transaction starts.
    Begin {
        /// The place of its commit.
        commit: Lsn,
        /// When it was committed, in microseconds since 1970-01-01 UTC.
        time_micros: i64,
        /// Its id.
        xid: u32,
    },
    /// It is complete.
    Commit {
        /// The place of its commit.
        commit: Lsn,
        /// Where the log goes on behind it.
        end: Lsn,
        /// When it was committed, in microseconds since 1970-01-01 UTC.
        time_micros: i64,
    },
    /// What `pg_logical_emit_message` wrote.
    Logical {
        /// The (sub)transaction; only inside a stream.
        xid: Option<u32>,
        /// Whether it belongs to a transaction; else it comes between transactions.
        transactional: bool,
        /// Its place.
        lsn: Lsn,
        /// What kind of message it is.
        prefix: &'a str,
        /// What it says.
        content: &'a [u8],
    },
    /// The transaction came here by replication from elsewhere.
    Origin {
        /// Where it was committed there.
        lsn: Lsn,
        /// The origin's name.
        name: &'a str,
    },
    /// A relation whose rows follow, for [`Relation::parse`](super::relation::Relation::parse).
    Relation {
        /// The (sub)transaction; only inside a stream.
        xid: Option<u32>,
        /// The announcement.
        body: &'a [u8],
    },
    /// A type that is not built in.
    Type {
        /// The (sub)transaction; only inside a stream.
        xid: Option<u32>,
        /// The type's OID.
        oid: u32,
        /// Its schema; for a domain, that of its base type.
        schema: &'a str,
        /// Its name; for a domain, that of its base type.
        name: &'a str,
    },
    /// A new row.
    Insert(Change<'a>),
    /// A changed row.
    Update(Change<'a>),
    /// A removed row.
    Delete(Change<'a>),
    /// Relations that lose all their rows.
    Truncate {
        /// The (sub)transaction; only inside a stream.
        xid: Option<u32>,
        /// Bit 0: CASCADE, bit 1: RESTART IDENTITY.
        options: u8,
        /// Their OIDs, four bytes each, big endian.
        relations: &'a [u8],
    },
    /// A segment of a transaction in progress starts.
    StreamStart {
        /// The top-level transaction.
        xid: u32,
        /// Whether it is the transaction's first segment.
        first: bool,
    },
    /// The segment ends.
    StreamStop,
    /// A streamed transaction was committed.
    StreamCommit(Committed),
    /// A streamed transaction, or a subtransaction of it, was rolled back.
    StreamAbort {
        /// The top-level transaction.
        xid: u32,
        /// What was rolled back: a subtransaction, or `xid` itself.
        sub: u32,
    },
    /// A transaction starts that is prepared, not committed.
    BeginPrepare(Prepared<'a>),
    /// It is complete.
    Prepare(Prepared<'a>),
    /// A streamed transaction was prepared.
    StreamPrepare(Prepared<'a>),
    /// A prepared transaction was committed.
    CommitPrepared {
        /// Where and when.
        committed: Committed,
        /// Its name.
        gid: &'a str,
    },
    /// A prepared transaction was rolled back.
    RollbackPrepared {
        /// Its id.
        xid: u32,
        /// Where the log goes on behind its PREPARE TRANSACTION.
        prepare_end: Lsn,
        /// Where the log goes on behind its ROLLBACK PREPARED.
        end: Lsn,
        /// Its name.
        gid: &'a str,
    },
}

impl<'a> Message<'a> {
    /// Reads a message, without looking into rows and relations. `in_stream`: between [`StreamStart`](Message::StreamStart) and
    /// [`StreamStop`](Message::StreamStop), where messages name their subtransaction.
    ///
    /// # Errors
    /// When it is of an unknown type or malformed.
    pub fn parse(bytes: &'a [u8], in_stream: bool) -> Result<Self, Reason> {
        let (&kind, body) =
            bytes.split_first().ok_or(Reason::Malformed { message: "next", what: Malformed("is empty") })?;
        if name(kind) == UNKNOWN {
            return Err(Reason::UnknownMessage(kind));
        }
        parse_body(kind, Reader::new(body), in_stream)
            .map_err(|what| Reason::Malformed { message: name(kind), what })
    }

    /// The message's name in the documentation.
    #[must_use]
    pub fn name(&self) -> &'static str {
        name(match self {
            Message::Begin { .. } => b'B',
            Message::Commit { .. } => b'C',
            Message::Logical { .. } => b'M',
            Message::Origin { .. } => b'O',
            Message::Relation { .. } => b'R',
            Message::Type { .. } => b'Y',
            Message::Insert(_) => b'I',
            Message::Update(_) => b'U',
            Message::Delete(_) => b'D',
            Message::Truncate { .. } => b'T',
            Message::StreamStart { .. } => b'S',
            Message::StreamStop => b'E',
            Message::StreamCommit(_) => b'c',
            Message::StreamAbort { .. } => b'A',
            Message::BeginPrepare(_) => b'b',
            Message::Prepare(_) => b'P',
            Message::StreamPrepare(_) => b'p',
            Message::CommitPrepared { .. } => b'K',
            Message::RollbackPrepared { .. } => b'r',
        })
    }

    /// The (sub)transaction that the message belongs to, where the message names one.
    #[must_use]
    pub fn xid(&self) -> Option<u32> {
        match self {
            Message::Logical { xid, .. }
            | Message::Relation { xid, .. }
            | Message::Type { xid, .. }
            | Message::Truncate { xid, .. } => *xid,
            Message::Insert(change) | Message::Update(change) | Message::Delete(change) => change.xid,
            Message::Begin { xid, .. }
            | Message::StreamStart { xid, .. }
            | Message::RollbackPrepared { xid, .. } => Some(*xid),
            Message::StreamAbort { sub, .. } => Some(*sub),
            Message::StreamCommit(committed) | Message::CommitPrepared { committed, .. } => {
                Some(committed.xid)
            }
            Message::BeginPrepare(prepared)
            | Message::Prepare(prepared)
            | Message::StreamPrepare(prepared) => Some(prepared.xid),
            Message::Commit { .. } | Message::Origin { .. } | Message::StreamStop => None,
        }
    }

    /// Whether it describes rows without changing any (Relation, Type): to be kept when its subtransaction is rolled back.
    #[must_use]
    pub fn is_description(&self) -> bool {
        matches!(self, Message::Relation { .. } | Message::Type { .. })
    }
}

const UNKNOWN: &str = "unknown";

fn name(kind: u8) -> &'static str {
    match kind {
        b'B' => "Begin",
        b'C' => "Commit",
        b'M' => "Message",
        b'O' => "Origin",
        b'R' => "Relation",
        b'Y' => "Type",
        b'I' => "Insert",
        b'U' => "Update",
        b'D' => "Delete",
        b'T' => "Truncate",
        b'S' => "Stream Start",
        b'E' => "Stream Stop",
        b'c' => "Stream Commit",
        b'A' => "Stream Abort",
        b'b' => "Begin Prepare",
        b'P' => "Prepare",
        b'p' => "Stream Prepare",
        b'K' => "Commit Prepared",
        b'r' => "Rollback Prepared",
        _ => UNKNOWN,
    }
}

fn parse_body<'a>(kind: u8, mut reader: Reader<'a>, in_stream: bool) -> Result<Message<'a>, Malformed> {
    let reader = &mut reader;
    let has_xid = in_stream && matches!(kind, b'M' | b'R' | b'Y' | b'I' | b'U' | b'D' | b'T');
    let xid = if has_xid { Some(reader.u32()?) } else { None };
    let change = |reader: &mut Reader<'a>| {
        Ok::<_, Malformed>(Change { xid, relation: reader.u32()?, tuples: reader.rest() })
    };
    Ok(match kind {
        b'B' => Message::Begin { commit: lsn(reader)?, time_micros: time(reader)?, xid: reader.u32()? },
        b'C' => {
            no_flags(reader)?;
            Message::Commit { commit: lsn(reader)?, end: lsn(reader)?, time_micros: time(reader)? }
        }
        b'M' => logical(xid, reader)?,
        b'O' => Message::Origin { lsn: lsn(reader)?, name: reader.text()? },
        b'R' => Message::Relation { xid, body: reader.rest() },
        b'Y' => Message::Type { xid, oid: reader.u32()?, schema: reader.text()?, name: reader.text()? },
        b'I' => Message::Insert(change(reader)?),
        b'U' => Message::Update(change(reader)?),
        b'D' => Message::Delete(change(reader)?),
        b'T' => {
            let count = reader.u32()? as usize;
            let options = reader.u8()?;
            let bytes = count.checked_mul(4).ok_or(Malformed("has an impossible number of relations"))?;
            Message::Truncate { xid, options, relations: reader.take(bytes)? }
        }
        b'S' => Message::StreamStart { xid: reader.u32()?, first: reader.u8()? == 1 },
        b'E' => Message::StreamStop,
        b'c' => {
            let xid = reader.u32()?;
            no_flags(reader)?;
            Message::StreamCommit(committed(xid, reader)?)
        }
        // Place and time of the rollback follow for those who asked for streaming = parallel.
        b'A' => Message::StreamAbort { xid: reader.u32()?, sub: reader.u32()? },
        b'b' => Message::BeginPrepare(prepared(reader)?),
        b'P' | b'p' => {
            no_flags(reader)?;
            let prepared = prepared(reader)?;
            if kind == b'P' { Message::Prepare(prepared) } else { Message::StreamPrepare(prepared) }
        }
        b'K' => {
            no_flags(reader)?;
            let (commit, end, time_micros) = (lsn(reader)?, lsn(reader)?, time(reader)?);
            let committed = Committed { xid: reader.u32()?, commit, end, time_micros };
            Message::CommitPrepared { committed, gid: reader.text()? }
        }
        b'r' => {
            no_flags(reader)?;
            let (prepare_end, end) = (lsn(reader)?, lsn(reader)?);
            let _ = (time(reader)?, time(reader)?);
            Message::RollbackPrepared { xid: reader.u32()?, prepare_end, end, gid: reader.text()? }
        }
        _ => return Err(Malformed("is of an unknown type")),
    })
}

fn logical<'a>(xid: Option<u32>, reader: &mut Reader<'a>) -> Result<Message<'a>, Malformed> {
    let transactional = reader.u8()? & 1 != 0;
    let (lsn, prefix) = (lsn(reader)?, reader.text()?);
    let length = reader.u32()? as usize;
    Ok(Message::Logical { xid, transactional, lsn, prefix, content: reader.take(length)? })
}

fn committed(xid: u32, reader: &mut Reader<'_>) -> Result<Committed, Malformed> {
    Ok(Committed { xid, commit: lsn(reader)?, end: lsn(reader)?, time_micros: time(reader)? })
}

fn prepared<'a>(reader: &mut Reader<'a>) -> Result<Prepared<'a>, Malformed> {
    let (prepare, end, time_micros) = (lsn(reader)?, lsn(reader)?, time(reader)?);
    Ok(Prepared { xid: reader.u32()?, prepare, end, time_micros, gid: reader.text()? })
}

fn lsn(reader: &mut Reader<'_>) -> Result<Lsn, Malformed> {
    reader.u64().map(Lsn)
}

fn time(reader: &mut Reader<'_>) -> Result<i64, Malformed> {
    reader.i64().map(micros)
}

/// Flags that no version has defined: one that is set means something that is not understood.
fn no_flags(reader: &mut Reader<'_>) -> Result<(), Malformed> {
    match reader.u8()? {
        0 => Ok(()),
        _ => Err(Malformed("has flags that are not known")),
    }
}
