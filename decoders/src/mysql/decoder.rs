//! The decoder of one binlog stream: events in, normalized events out.

use std::{mem, sync::Arc};

use crate::mysql::{
    catalog::Catalog,
    error::{DecodeError, Reason},
    event_type as types,
    events::{
        format::{self, Format},
        gtid_event::{self, Alter},
        payload::{self, Fragments, Payload},
        query::Query,
    },
    framing::{EventHeader, HEADER_LENGTH, split_event},
    output::Output,
    reader::{Malformed, Reader},
    row_changes::OpenRows,
    rows::{table_map::TableMap, tables::Tables},
    transaction::{History, Place, State, Transaction},
};
use crate::{
    arena::Arena,
    batch::Decoded,
    event::{Begin, Commit, Event},
    position::{Executed, Position, TransactionId},
    schema::TableName,
};

/// What a decoder starts with.
pub struct DecoderOptions {
    /// Where the first event stands: the log's file…
    pub file: Arc<str>,
    /// …and the offset in it, in bytes.
    pub offset: u64,
    /// The transactions before that place, where they are known.
    pub executed: Option<Executed>,
    /// The definitions of the tables at that place.
    pub catalog: Catalog,
    /// Which tables' rows are wanted. The rows of others are passed over undecoded.
    pub selected: Box<dyn Fn(&TableName) -> bool + Send>,
    /// Whether columns of tables that nothing is known of are named `@1`, `@2`… instead of an error. For looking into a
    /// log only: without a definition neither signs nor character sets are known.
    pub positional_names: bool,
    /// Bytes of memory, decompressed events included, after which [`Decoder::decode`] stops inside of a piece, to be called
    /// again.
    pub payload_bytes: usize,
}

/// Decodes a stream of binlog events. See [`DecoderOptions`] for its settings.
pub struct Decoder {
    pub(super) options: DecoderOptions,
    pub(super) format: Format,
    pub(super) place: Place,
    pub(super) history: History,
    pub(super) transaction: Transaction,
    pub(super) tables: Tables,
    payload: Option<Payload>,
    /// A rows event that is not yet read to its end; within the payload, if that is open.
    pub(super) open_rows: Option<OpenRows>,
    /// What of the last piece comes behind what is open.
    rest: Option<Vec<u8>>,
    pub(super) fragments: Fragments,
    pub(super) changes: u64,
    last_micros: i64,
}

impl Decoder {
    /// A decoder at the place that the options name.
    #[must_use]
    pub fn new(mut options: DecoderOptions) -> Self {
        let place = Place::new(Arc::clone(&options.file), options.offset);
        let history = History::new(options.executed.take());
        Decoder {
            options,
            format: Format::unknown(),
            place,
            history,
            transaction: Transaction::default(),
            tables: Tables::default(),
            payload: None,
            open_rows: None,
            rest: None,
            fragments: Fragments::default(),
            changes: 0,
            last_micros: 0,
        }
    }

    /// Decodes a piece of the log: whole events one after the other, each with its header, without a file's magic.
    ///
    /// When what is decoded takes more memory than [`DecoderOptions::payload_bytes`] and four times the piece, the piece is
    /// not decoded to its end: then [`take_rest`](Self::take_rest) returns what to call this again with.
    ///
    /// # Errors
    /// When an event cannot be decoded. The decoder cannot be used further then.
    pub fn decode<'a>(
        &mut self,
        log: &'a [u8],
        arena: &Arena<'a>,
        out: &mut Vec<Event<'a>>,
    ) -> Result<Decoded, DecodeError> {
        self.changes = 0;
        let input = log.len() + self.open_rows.as_ref().map_or(0, OpenRows::len);
        let mut out = Output::new(arena, out, self.options.payload_bytes.max(input.saturating_mul(4)));
        let mut log = log;
        let mut finished = self.continue_open(&mut out)?;
        while finished && !log.is_empty() {
            let (header, event, rest) =
                split_event(log).map_err(|what| self.error(malformed("next", what)))?;
            self.event(&header, event, &mut out)?;
            log = rest;
            finished = self.continue_payload(&mut out)? && (log.is_empty() || !out.is_full());
        }
        self.rest = (!finished).then(|| log.to_vec());
        let resume = (finished && self.transaction.state == State::Outside).then(|| self.position());
        Ok(Decoded { resume, row_changes: self.changes, time_micros: self.last_micros })
    }

    /// What of the last piece is still to be decoded (perhaps nothing but the inside of an event); `None` when all is.
    pub fn take_rest(&mut self) -> Option<Vec<u8>> {
        self.rest.take()
    }

    /// Where the log continues behind the last decoded event.
    #[must_use]
    pub fn position(&self) -> Position {
        self.history.position(self.place.next())
    }

    /// The definitions of the tables at the place reached.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.options.catalog
    }

    /// The version of the server that wrote the log, as the log says it; empty before the first event.
    #[must_use]
    pub fn server_version(&self) -> &str {
        &self.format.server_version
    }

    /// Decodes one event of the log, or of a payload, whose events have no checksums and no places of their own.
    fn event<'a>(
        &mut self,
        header: &EventHeader,
        event: &'a [u8],
        out: &mut Output<'a, '_>,
    ) -> Result<(), DecodeError> {
        if header.event_type == types::FORMAT_DESCRIPTION {
            self.format =
                Format::parse(event).map_err(|what| self.error(malformed("FORMAT_DESCRIPTION", what)))?;
        }
        self.place.advance(header);
        let end = self.checked_length(header, event)?;
        let body = event.get(HEADER_LENGTH..end).unwrap_or_default();
        self.body(header, body, out)
    }

    /// Checks the event's checksum, where it has one, and returns the length without it.
    fn checked_length(&self, header: &EventHeader, event: &[u8]) -> Result<usize, DecodeError> {
        // A server starts a stream with a ROTATE of its own, before the format description says whether there are
        // checksums: there the bytes themselves tell.
        let is_first = self.format.server_version.is_empty() && header.event_type == types::ROTATE;
        if !self.format.has_checksum && !is_first {
            return Ok(event.len());
        }
        let (stored, computed) = format::checksum(header.event_type, event)
            .map_err(|what| self.error(malformed(types::name(header.event_type), what)))?;
        match stored == computed {
            true => Ok(event.len() - format::CHECKSUM_LENGTH),
            false if is_first => Ok(event.len()),
            false => Err(self.error(Reason::Checksum { stored, computed })),
        }
    }

    /// Decodes what the last call left open. `false`: there is more, after the caller has taken what is there.
    fn continue_open<'a>(&mut self, out: &mut Output<'a, '_>) -> Result<bool, DecodeError> {
        if let Some(rows) = self.open_rows.take() {
            self.continue_rows(&rows, out)?;
        }
        self.continue_payload(out)
    }

    /// Decodes the rest of the open payload, if there is one and no rows event is open before it. `false`: there is more.
    fn continue_payload<'a>(&mut self, out: &mut Output<'a, '_>) -> Result<bool, DecodeError> {
        if self.open_rows.is_some() {
            return Ok(false);
        }
        let Some(mut payload) = self.payload.take() else { return Ok(true) };
        while let Some((header, event)) =
            payload.next(out.arena).map_err(|what| self.error(malformed("TRANSACTION_PAYLOAD", what)))?
        {
            if header.event_type == types::TRANSACTION_PAYLOAD {
                let what = Malformed("holds another compressed transaction");
                return Err(self.error(malformed("TRANSACTION_PAYLOAD", what)));
            }
            self.body(&header, event.get(HEADER_LENGTH..).unwrap_or_default(), out)?;
            if self.open_rows.is_some() || out.is_full() {
                self.payload = Some(payload);
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Decodes an event's body, without its checksum.
    fn body<'a>(
        &mut self,
        header: &EventHeader,
        body: &'a [u8],
        out: &mut Output<'a, '_>,
    ) -> Result<(), DecodeError> {
        let micros = i64::from(header.timestamp) * 1_000_000;
        if micros > 0 {
            self.last_micros = micros;
        }
        let result = match header.event_type {
            types::TABLE_MAP => self.table_map(body),
            types::WRITE_ROWS_V1..=types::DELETE_ROWS_V1
            | types::WRITE_ROWS..=types::DELETE_ROWS
            | types::PARTIAL_UPDATE_ROWS => return self.rows(header.event_type, body, micros, out),
            types::MARIADB_WRITE_ROWS_COMPRESSED_V1..=types::MARIADB_DELETE_ROWS_COMPRESSED => {
                return self.compressed_rows(header.event_type, body, micros, out);
            }
            types::MARIADB_PARTIAL_ROW_DATA => return self.fragment(body, micros, out),
            types::XID => {
                self.commit(micros, out);
                Ok(())
            }
            types::QUERY => Query::parse(body, out.arena, Ok)
                .map_err(|what| malformed("QUERY", what))
                .and_then(|query| self.statement(&query, micros, out)),
            types::MARIADB_QUERY_COMPRESSED => {
                Query::parse(body, out.arena, |data| payload::uncompress_statement(data, out.arena))
                    .map_err(|what| malformed("QUERY_COMPRESSED", what))
                    .and_then(|query| self.statement(&query, micros, out))
            }
            types::TRANSACTION_PAYLOAD => Payload::open(body)
                .map(|payload| self.payload = Some(payload))
                .map_err(|what| malformed("TRANSACTION_PAYLOAD", what)),
            _ => self.control(header, body, out),
        };
        result.map_err(|reason| self.error(reason))
    }

    /// Events that carry neither rows nor statements.
    fn control<'a>(
        &mut self,
        header: &EventHeader,
        body: &'a [u8],
        out: &mut Output<'a, '_>,
    ) -> Result<(), Reason> {
        let named = |what| malformed(types::name(header.event_type), what);
        match header.event_type {
            types::GTID => self.announce(gtid_event::announcement(body).map_err(named)?),
            types::GTID_TAGGED => self.announce(gtid_event::tagged_announcement(body).map_err(named)?),
            types::ANONYMOUS_GTID => {
                let announcement = gtid_event::announcement(body).map_err(named)?;
                self.history.add_anonymous();
                self.begin_announced(None, announcement.commit_micros);
            }
            types::MARIADB_GTID => {
                let announcement = gtid_event::mariadb_announcement(body, header.server_id).map_err(named)?;
                if announcement.is_prepared_xa {
                    return Err(Reason::Unsupported(XA));
                }
                self.begin_announced(Some(TransactionId::Mariadb(announcement.gtid)), None);
                self.transaction.skips_statement =
                    matches!(announcement.alter, Alter::Start | Alter::Rollback);
                if !announcement.is_standalone {
                    self.begin(out);
                }
            }
            types::PREVIOUS_GTIDS => {
                self.history.learn(Executed::Mysql(gtid_event::previous_gtids(body).map_err(named)?));
            }
            types::MARIADB_GTID_LIST => {
                self.history.learn(Executed::Mariadb(gtid_event::gtid_list(body).map_err(named)?));
            }
            types::ROTATE => self.rotate(body).map_err(named)?,
            types::HEARTBEAT => out.events.push(Event::Heartbeat(self.place.next())),
            types::HEARTBEAT_V2 => {
                self.heartbeat(body).map_err(named)?;
                out.events.push(Event::Heartbeat(self.place.next()));
            }
            types::XA_PREPARE => match body.first() {
                Some(0) => return Err(Reason::Unsupported(XA)),
                _ => self.commit(self.last_micros, out),
            },
            types::INCIDENT => return Err(incident(body)),
            types::MARIADB_START_ENCRYPTION => return Err(Reason::Encrypted),
            types::LOAD
            | types::CREATE_FILE
            | types::EXEC_LOAD
            | types::NEW_LOAD
            | types::BEGIN_LOAD_QUERY
            | types::EXECUTE_LOAD_QUERY => return Err(Reason::StatementFormat("LOAD DATA")),
            // The session variables of a statement, whose QUERY event decides; and what describes without changing.
            types::FORMAT_DESCRIPTION
            | types::STOP
            | types::SLAVE
            | types::INTVAR
            | types::RAND
            | types::USER_VAR
            | types::APPEND_BLOCK
            | types::DELETE_FILE
            | types::IGNORABLE
            | types::ROWS_QUERY
            | types::TRANSACTION_CONTEXT
            | types::VIEW_CHANGE
            | types::MARIADB_ANNOTATE_ROWS
            | types::MARIADB_BINLOG_CHECKPOINT => {}
            _ if header.flags & types::FLAG_IGNORABLE != 0 => {}
            unknown => return Err(Reason::UnknownEvent(unknown)),
        }
        Ok(())
    }

    fn announce(&mut self, announcement: gtid_event::Announcement) {
        self.begin_announced(Some(TransactionId::Mysql(announcement.gtid)), announcement.commit_micros);
    }

    fn begin_announced(&mut self, id: Option<TransactionId>, commit_micros: Option<i64>) {
        self.transaction =
            Transaction { state: State::Announced, id, commit_micros, ..Transaction::default() };
    }

    /// The offset in the next file (always 4) and its name.
    fn rotate(&mut self, body: &[u8]) -> Result<(), Malformed> {
        let mut reader = Reader::new(body);
        let offset = reader.u64()?;
        let name =
            std::str::from_utf8(reader.rest()).map_err(|_| Malformed("has a file name that is not UTF-8"))?;
        self.place.jump(name, offset);
        self.tables.forget();
        Ok(())
    }

    /// A heartbeat that can tell offsets past 4 GiB: type, length, value (1 file name, 2 offset as length-encoded integer).
    fn heartbeat(&mut self, body: &[u8]) -> Result<(), Malformed> {
        let mut reader = Reader::new(body);
        let (mut file, mut offset) = (None, None);
        while !reader.is_empty() {
            let field = reader.lenenc()?;
            if field == 0 {
                break;
            }
            let value = reader.lenenc_slice()?;
            match field {
                1 => file = std::str::from_utf8(value).ok(),
                2 => offset = Reader::new(value).lenenc().ok(),
                _ => {}
            }
        }
        if let (Some(file), Some(offset)) = (file, offset) {
            self.place.jump(file, offset);
        }
        Ok(())
    }

    fn table_map(&mut self, body: &[u8]) -> Result<(), Reason> {
        let id_bytes = self.format.table_id_bytes(types::TABLE_MAP);
        let map = TableMap::parse(body, id_bytes).map_err(|what| malformed("TABLE_MAP", what))?;
        self.tables.map(&map, &self.options)
    }

    /// Starts a transaction where the log now stands.
    pub(super) fn begin<'a>(&mut self, out: &mut Output<'a, '_>) {
        self.transaction.state = State::Open;
        out.events.push(Event::Begin(Begin {
            transaction: self.transaction.id.clone(),
            position: self.place.start(),
        }));
    }

    /// Ends the transaction behind the current event.
    pub(super) fn commit<'a>(&mut self, micros: i64, out: &mut Output<'a, '_>) {
        let time_micros = self.transaction.commit_micros.unwrap_or(micros);
        out.events.push(Event::Commit(Commit { position: self.place.next(), time_micros }));
        self.finish();
    }

    /// Counts the transaction as executed.
    pub(super) fn finish(&mut self) {
        if let Some(time) = self.transaction.commit_micros {
            self.last_micros = time;
        }
        if let Some(id) = mem::take(&mut self.transaction).id {
            self.history.add(&id);
        }
    }

    pub(super) fn error(&self, reason: Reason) -> DecodeError {
        DecodeError { reason, position: self.place.start(), table: None, column: None }
    }
}

/// What is said of distributed transactions that are prepared in one and decided in another place of the log.
pub(super) const XA: &str = "an XA transaction was prepared: its changes are in the log before it is decided whether they count, \
                             and prepared transactions are not carried";

pub(super) fn malformed(event: &'static str, what: Malformed) -> Reason {
    Reason::Malformed { event, what }
}

/// The number and the message of an INCIDENT event.
fn incident(body: &[u8]) -> Reason {
    let mut reader = Reader::new(body);
    let number = reader.u16().unwrap_or_default();
    let length = usize::from(reader.u8().unwrap_or_default());
    let message = reader.take(length).unwrap_or_default();
    Reason::Incident(format!("incident {number}: {}", String::from_utf8_lossy(message)))
}
