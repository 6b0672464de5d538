//! The decoder of one replication stream: frames in, normalized events out.

use std::{collections::HashMap, mem, sync::Arc};

use super::{
    changes,
    copy::{self, Frame},
    ddl,
    definitions::{Definition, Definitions, Misfit, fit},
    error::{DecodeError, Reason},
    lsn::Lsn,
    message::{Change, Committed, Message},
    output::{Output, Run},
    reader::{Malformed, Reader},
    relation::Relation,
    rows::{RowError, RowPlan},
    types::TypeCatalog,
};
use crate::{
    arena::Arena,
    batch::Decoded,
    event::{Begin, Commit, Ddl, Event, Language, RowChange, SchemaChange, Truncate},
    position::{LogPosition, Position, TransactionId},
    schema::TableName,
};

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
    pub unknown_types: Vec<UnknownType>,
}

/// A type that was announced and is not in the catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownType {
    /// Its OID.
    pub oid: u32,
    /// Its schema and name; of a domain, those of its base type. `None` where no Type message said them.
    pub name: Option<(String, String)>,
}

/// A relation that was announced.
enum Announced {
    /// Its rows are not wanted.
    PassedOver,
    Ready(Relation, Arc<RowPlan>),
    /// Its rows cannot be read. That there are any shows only when they come: an announcement may be of a subtransaction
    /// that was rolled back.
    Unfit(Relation, Misfit),
}

/// The transaction that is being read.
struct Transaction {
    committed: Committed,
    /// Whether it was prepared: its end is a CommitPrepared.
    is_prepared: bool,
    /// Whether it was streamed, and whether messages name their subtransaction now.
    is_streamed: bool,
    in_segment: bool,
    /// Number of row changes so far, those of tables that are not selected included.
    sequence: u64,
}

/// Decodes a replication stream. See [`DecoderOptions`] for its settings.
pub struct Decoder {
    options: DecoderOptions,
    /// Everything before was decoded.
    position: Lsn,
    relations: HashMap<u32, Announced>,
    type_names: HashMap<u32, (String, String)>,
    transaction: Option<Transaction>,
    announced: Option<Committed>,
    need: Option<Need>,
    /// What supplied definitions changed, to be said before the next rows.
    changes: Vec<SchemaChange>,
    rest: Option<Vec<u8>>,
    last_micros: i64,
}

impl Decoder {
    /// A decoder at the place that the options name.
    #[must_use]
    pub fn new(options: DecoderOptions) -> Self {
        Decoder {
            position: options.start,
            options,
            relations: HashMap::new(),
            type_names: HashMap::new(),
            transaction: None,
            announced: None,
            need: None,
            changes: Vec::new(),
            rest: None,
            last_micros: 0,
        }
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
        arena: &Arena<'a>,
        out: &mut Vec<Event<'a>>,
    ) -> Result<Decoded, DecodeError> {
        let limit = self.options.payload_bytes.max(log.len().saturating_mul(4));
        let mut out = Output::new(arena, out, limit);
        self.need = None;
        self.say_changes("", &mut out);
        let mut log = log;
        let mut is_open = false;
        while !log.is_empty() {
            let frame = copy::split(log).and_then(|split| split.ok_or(Malformed("ends too early")));
            let (content, rest) = frame.map_err(|what| self.malformed("CopyData", what))?;
            self.frame(content, &mut out)?;
            if self.need.is_some() {
                is_open = true;
                break;
            }
            log = rest;
            if !log.is_empty() && out.is_full() {
                is_open = true;
                break;
            }
        }
        out.flush();
        self.rest = is_open.then(|| log.to_vec());
        let resume = (!is_open && self.transaction.is_none()).then(|| self.position());
        Ok(Decoded { resume, row_changes: out.row_changes, time_micros: self.last_micros })
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
    /// [`Event::Ddl`] that says what changed, or else that the table was created (after another one of its name was dropped).
    ///
    /// # Errors
    /// When the definition is not what the stream announced, as when the table has changed again since: then nothing
    /// is taken over. [`Relation::table`] makes a definition of what is announced.
    pub fn define(&mut self, definition: Definition) -> Result<(), Misfit> {
        let relation = match self.relations.get(&definition.oid) {
            Some(Announced::Ready(relation, _) | Announced::Unfit(relation, _)) => Some(relation),
            _ => None,
        };
        if let Some(relation) = relation {
            fit(relation, &definition, &self.options.types)?;
        }
        let (oid, table) = (definition.oid, Arc::clone(&definition.table));
        let namesake = self.options.definitions.named(&table.name).filter(|named| named.oid != oid).cloned();
        let former = self.options.definitions.insert(definition);
        match former {
            Some(former) => self.changes.extend(changes::compare(&former.table, &table)),
            None => {
                if let Some(namesake) = namesake {
                    self.options.definitions.remove(namesake.oid);
                    self.changes.push(SchemaChange::DropTable { table: namesake.table.name.clone() });
                }
                self.changes.push(SchemaChange::CreateTable { table, if_not_exists: false });
            }
        }
        self.need = None;
        self.plan_again(oid);
        Ok(())
    }

    /// Says that a relation that was announced is a partition, whose rows are those of the table of the OID `root`. A reader that has
    /// partitions announced for themselves calls it where a [`need`](Self::need) is about one that is not known yet.
    pub fn define_partition(&mut self, partition: TableName, root: u32) {
        let is_partition = |relation: &Relation| relation.name == partition;
        let announced = self.relations.iter().find_map(|(oid, announced)| match announced {
            Announced::Ready(relation, _) | Announced::Unfit(relation, _) => {
                is_partition(relation).then_some(*oid)
            }
            Announced::PassedOver => None,
        });
        self.options.definitions.insert_partition(partition, root);
        self.need = None;
        if let Some(oid) = announced {
            self.plan_again(oid);
        }
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
        Position::wal(self.options.system, self.options.timeline, self.position)
    }

    fn frame<'a>(&mut self, content: &'a [u8], out: &mut Output<'a, '_>) -> Result<(), DecodeError> {
        match Frame::parse(content).map_err(|what| self.malformed("CopyData", what))? {
            Frame::XLogData { message, .. } => {
                let in_segment = self.transaction.as_ref().is_some_and(|transaction| transaction.in_segment);
                let message = Message::parse(message, in_segment).map_err(|reason| self.error(reason))?;
                self.message(&message, out)
            }
            Frame::Keepalive { end, .. } => {
                self.heartbeat(end, out);
                Ok(())
            }
        }
    }

    /// The log has got so far, where no transaction is open.
    fn heartbeat(&mut self, lsn: Lsn, out: &mut Output<'_, '_>) {
        if self.transaction.is_none() && lsn >= self.position {
            self.position = lsn;
            out.event(Event::Heartbeat(self.wal(lsn)));
        }
    }

    fn message<'a>(&mut self, message: &Message<'a>, out: &mut Output<'a, '_>) -> Result<(), DecodeError> {
        match message {
            Message::Insert(change) => self.row(change, message.name(), RowPlan::insert, out),
            Message::Update(change) => self.row(change, message.name(), RowPlan::update, out),
            Message::Delete(change) => self.row(change, message.name(), RowPlan::delete, out),
            Message::Relation { body, .. } => {
                let relation = Relation::parse(body).map_err(|what| self.malformed(message.name(), what))?;
                self.relation(relation);
                Ok(())
            }
            Message::Type { oid, schema, name, .. } => {
                self.type_names.insert(*oid, ((*schema).to_owned(), (*name).to_owned()));
                Ok(())
            }
            Message::Truncate { relations, .. } => self.truncate(relations, message.name(), out),
            Message::Logical { prefix, lsn, content, transactional, .. } => match *prefix {
                ddl::DDL_PREFIX => self.ddl(content, out),
                ddl::HEARTBEAT_PREFIX if !transactional => {
                    self.heartbeat(*lsn, out);
                    Ok(())
                }
                _ => Ok(()),
            },
            Message::Origin { .. } => Ok(()),
            _ => self.boundary(message, out),
        }
    }

    /// Where transactions and their segments start and end.
    fn boundary<'a>(&mut self, message: &Message<'a>, out: &mut Output<'a, '_>) -> Result<(), DecodeError> {
        let name = message.name();
        match (message, &mut self.transaction) {
            (Message::Begin { commit, time_micros, xid }, None) => {
                let committed =
                    Committed { xid: *xid, commit: *commit, end: *commit, time_micros: *time_micros };
                self.begin(committed, false, false, out);
            }
            (Message::StreamStart { xid, .. }, None) => {
                let committed = self.take_announced(*xid, name)?;
                self.begin(committed, false, true, out);
            }
            (Message::StreamStart { xid, .. }, Some(open))
                if open.is_streamed && !open.in_segment && open.committed.xid == *xid =>
            {
                open.in_segment = true;
            }
            (Message::StreamStop, Some(open)) if open.in_segment => open.in_segment = false,
            (Message::BeginPrepare(prepared), None) => {
                let committed = self.take_announced(prepared.xid, name)?;
                self.begin(committed, true, false, out);
            }
            (Message::Prepare(prepared), Some(open))
                if open.is_prepared && open.committed.xid == prepared.xid => {}
            (Message::StreamPrepare(prepared), Some(open))
                if open.is_streamed && !open.in_segment && open.committed.xid == prepared.xid =>
            {
                open.is_prepared = true;
            }
            (Message::Commit { end, time_micros, .. }, Some(open))
                if !open.is_streamed && !open.is_prepared =>
            {
                self.commit(*end, *time_micros, out);
            }
            (Message::StreamCommit(committed), Some(open))
                if open.is_streamed && !open.in_segment && open.committed.xid == committed.xid =>
            {
                self.commit(committed.end, committed.time_micros, out);
            }
            (Message::CommitPrepared { committed, .. }, Some(open))
                if open.is_prepared && open.committed.xid == committed.xid =>
            {
                self.commit(committed.end, committed.time_micros, out);
            }
            (_, None) => return Err(self.out_of_place(name, "outside of a transaction that it belongs to")),
            (_, Some(_)) => return Err(self.out_of_place(name, "inside of another transaction")),
        }
        Ok(())
    }

    fn take_announced(&mut self, xid: u32, name: &'static str) -> Result<Committed, DecodeError> {
        self.announced
            .take()
            .filter(|announced| announced.xid == xid)
            .ok_or_else(|| self.out_of_place(name, "of a transaction of which it is not known how it ended"))
    }

    fn begin(
        &mut self,
        committed: Committed,
        is_prepared: bool,
        is_streamed: bool,
        out: &mut Output<'_, '_>,
    ) {
        out.event(Event::Begin(Begin {
            transaction: Some(TransactionId::Postgres(committed.xid)),
            position: self.wal(committed.commit),
        }));
        self.last_micros = committed.time_micros;
        self.transaction =
            Some(Transaction { committed, is_prepared, is_streamed, in_segment: is_streamed, sequence: 0 });
    }

    fn commit(&mut self, end: Lsn, time_micros: i64, out: &mut Output<'_, '_>) {
        self.transaction = None;
        self.last_micros = time_micros;
        self.position = self.position.max(end);
        out.event(Event::Commit(Commit { position: self.wal(end), time_micros }));
    }

    fn relation(&mut self, relation: Relation) {
        let oid = relation.oid;
        let planned = self.plan(relation);
        self.relations.insert(oid, planned);
    }

    fn plan(&self, relation: Relation) -> Announced {
        let definitions = &self.options.definitions;
        let definition = definitions.get(relation.oid).or_else(|| definitions.root(&relation.name));
        let root = definition.filter(|definition| definition.oid != relation.oid);
        if !(self.options.selected)(root.map_or(&relation.name, |root| &root.table.name)) {
            return Announced::PassedOver;
        }
        let definition = definition.ok_or(Misfit::Unknown);
        match definition.and_then(|definition| RowPlan::new(&relation, definition, &self.options.types)) {
            Ok(plan) => Announced::Ready(relation, Arc::new(plan)),
            Err(misfit) => Announced::Unfit(relation, misfit),
        }
    }

    /// Reads what was announced of a relation with its new definition.
    fn plan_again(&mut self, oid: u32) {
        if let Some(Announced::Ready(relation, _) | Announced::Unfit(relation, _)) =
            self.relations.remove(&oid)
        {
            self.relation(relation);
        }
    }

    fn row<'a>(
        &mut self,
        change: &Change<'a>,
        name: &'static str,
        decode: impl FnOnce(&RowPlan, &'a [u8], &Arena<'a>) -> Result<RowChange<'a>, RowError>,
        out: &mut Output<'a, '_>,
    ) -> Result<(), DecodeError> {
        let Some(transaction) = &mut self.transaction else {
            return Err(self.out_of_place(name, "outside of a transaction"));
        };
        let plan = match self.relations.get(&change.relation) {
            Some(Announced::Ready(_, plan)) => plan,
            Some(Announced::PassedOver) => {
                transaction.sequence += 1;
                return Ok(());
            }
            Some(Announced::Unfit(relation, misfit)) => {
                self.need = Some(self.need_of(relation, misfit));
                return Ok(());
            }
            None => return Err(self.error(Reason::UnannouncedRelation(change.relation))),
        };
        let row = match decode(plan, change.tuples, out.arena) {
            Ok(row) => row,
            Err(error) => return Err(self.row_error(name, plan, error)),
        };
        let (committed, sequence) = (transaction.committed, transaction.sequence);
        transaction.sequence += 1;
        let (system, timeline) = (self.options.system, self.options.timeline);
        out.row(&plan.table, row, || Run {
            table: Arc::clone(&plan.table),
            position: LogPosition::Wal { system, timeline, lsn: committed.commit },
            time_micros: committed.time_micros,
            sequence,
        });
        Ok(())
    }

    fn need_of(&self, relation: &Relation, misfit: &Misfit) -> Need {
        let oids = relation.columns.iter().map(|column| column.type_oid);
        let unknown = oids.filter(|oid| !self.options.types.contains(*oid));
        let named = |oid| UnknownType { oid, name: self.type_names.get(&oid).cloned() };
        Need {
            relation: relation.clone(),
            misfit: misfit.clone(),
            unknown_types: unknown.map(named).collect(),
        }
    }

    fn truncate<'a>(
        &mut self,
        relations: &[u8],
        name: &'static str,
        out: &mut Output<'a, '_>,
    ) -> Result<(), DecodeError> {
        let Some(transaction) = &self.transaction else {
            return Err(self.out_of_place(name, "outside of a transaction"));
        };
        let mut names = Vec::new();
        let mut reader = Reader::new(relations);
        while !reader.is_empty() {
            let oid = reader.u32().map_err(|what| self.malformed(name, what))?;
            match self.relations.get(&oid) {
                Some(Announced::Ready(relation, _) | Announced::Unfit(relation, _)) => {
                    names.push(&relation.name)
                }
                Some(Announced::PassedOver) => {}
                None => return Err(self.error(Reason::UnannouncedRelation(oid))),
            }
        }
        let committed = transaction.committed;
        let (tables, partitions) = self.truncated(&names);
        self.changes.extend(partitions);
        for table in tables {
            let (position, time_micros) = (self.wal(committed.commit), committed.time_micros);
            out.event(Event::Truncate(Truncate { table, position, time_micros }));
        }
        self.say_changes("", out);
        Ok(())
    }

    /// The tables that lose all rows, and those that lose the rows of some partitions.
    fn truncated(&self, names: &[&TableName]) -> (Vec<TableName>, Vec<SchemaChange>) {
        let definitions = &self.options.definitions;
        let (mut tables, mut changes) = (Vec::new(), Vec::new());
        for name in names {
            match definitions.root(name) {
                None => tables.push((*name).clone()),
                Some(root) if tables.contains(&root.table.name) => {}
                Some(root)
                    if definitions.partitions(root.oid).all(|partition| names.contains(&partition)) =>
                {
                    tables.push(root.table.name.clone());
                }
                Some(root) => changes.push(SchemaChange::RowsUnlogged {
                    table: root.table.name.clone(),
                    description: format!("TRUNCATE of the partition {name}"),
                }),
            }
        }
        (tables, changes)
    }

    /// A message of the event trigger.
    fn ddl<'a>(&mut self, content: &'a [u8], out: &mut Output<'a, '_>) -> Result<(), DecodeError> {
        let command = ddl::Command::parse(content).map_err(|what| self.error(Reason::DdlMessage(what)))?;
        let options = &mut self.options;
        let applied = command.apply(&mut options.definitions, &mut options.types, &*options.selected);
        self.changes.extend(applied.changes);
        for oid in applied.relations {
            self.plan_again(oid);
        }
        let statement = out.arena.text(&command.statement);
        self.say_changes(statement, out);
        Ok(())
    }

    /// Puts out what changed.
    fn say_changes<'a>(&mut self, statement: &'a str, out: &mut Output<'a, '_>) {
        if self.changes.is_empty() {
            return;
        }
        let (lsn, time_micros) = match &self.transaction {
            Some(transaction) => (transaction.committed.commit, transaction.committed.time_micros),
            None => (self.position, self.last_micros),
        };
        out.event(Event::Ddl(Ddl {
            statement,
            database: "",
            position: self.wal(lsn),
            time_micros,
            language: Language::Postgres,
            changes: mem::take(&mut self.changes),
        }));
    }

    fn wal(&self, lsn: Lsn) -> LogPosition {
        LogPosition::Wal { system: self.options.system, timeline: self.options.timeline, lsn }
    }

    fn error(&self, reason: Reason) -> DecodeError {
        let lsn = self.transaction.as_ref().map_or(self.position, |open| open.committed.commit);
        DecodeError { reason, position: self.wal(lsn), table: None, column: None }
    }

    fn malformed(&self, message: &'static str, what: Malformed) -> DecodeError {
        self.error(Reason::Malformed { message, what })
    }

    fn out_of_place(&self, message: &'static str, what: &'static str) -> DecodeError {
        self.error(Reason::OutOfPlace { message, what })
    }

    fn row_error(&self, message: &'static str, plan: &RowPlan, error: RowError) -> DecodeError {
        let table = Some(plan.table.name.clone());
        match error {
            RowError::Malformed(what) => DecodeError { table, ..self.malformed(message, what) },
            RowError::Value(ordinal, error) => {
                let column = plan.table.columns.get(usize::from(ordinal));
                let column = column.map(|column| column.name.as_str().into());
                DecodeError { table, column, ..self.error(Reason::Value(error)) }
            }
        }
    }
}
