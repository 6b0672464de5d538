//! Following the log: which session is asked for, and the three stages of [`stages`](crate::sources::stages) on it.
//!
//! * `read`: frames in the order of commits; `cut`: into pieces; `spill`: those of transactions whose end is not known.
//! * `decode`: pieces into batches, with the catalog where the log does not say enough; `partitions` that are announced for themselves.

mod announced;
mod cut;
mod decode;
mod partitions;
mod read;
mod spill;

use std::{collections::HashSet, sync::Arc, time::Duration};

use slackwater_decoders::{
    position::Position,
    postgres::{
        Decoder, DecoderOptions,
        definitions::{Definition, Definitions},
        lsn::Lsn,
        message::Committed,
    },
    schema::TableName,
};
use tracing::{debug, info, warn};

use self::{decode::LogDecoder, partitions::Partitions, read::Reader, spill::Spill};
use super::{
    Postgres, ddl,
    publication::{self, Resumed},
    questions,
    replication::{HEADER, StartOptions},
    schema::{
        tables::{self, Which},
        types,
    },
    slot::{self, Slot},
};
use crate::{
    config::postgres::{Origin, WireFormat},
    error::{Error, Kind, Result},
    pipeline::queue::BatchSender,
    positions::SchemaHistory,
    postgres_client::Session,
    sources::stages,
};

/// How often new tables are looked for.
const NEW_TABLES: Duration = Duration::from_secs(30);

/// What the reader says of a piece.
#[derive(Default)]
struct Note {
    /// How the transaction ended whose frames the piece begins with.
    announced: Option<Committed>,
}

impl Postgres {
    /// Follows the log from a position.
    pub(super) async fn follow(
        &self,
        from: Position,
        history: &SchemaHistory,
        out: &BatchSender,
    ) -> Result<()> {
        let config = self.hosts.config();
        let session = self.hosts.connect().await?;
        let (mut replication, identity) = self.hosts.replicate(&session).await?;
        questions::is_in_history(&mut replication, &session, identity, &from).await?;
        let slot = self.slot_for(&session, &from).await?;
        let is_captured = self.publish(&session, Some((&from, history))).await?;
        if history.is_empty() {
            self.record_definitions(&session, &from, history).await?;
        } else {
            // The log brings again what lies behind the position.
            history.rewind_to(&from)?;
        }
        let start = questions::lsn(&from)?;
        let mut definitions = definitions(history, &from);
        let by_root = session.major() >= tables::BY_ROOT
            && publication::read(&session, &self.names.publication).await?.is_none_or(|found| found.via_root);
        let partitions = (!by_root).then(|| Partitions::new(Arc::clone(&self.selected)));
        if partitions.is_some() {
            partitions::insert(&mut definitions, tables::leaves(&session).await?);
        }
        let (selected, asked) = (Arc::clone(&self.selected), partitions.clone());
        let decoder = Decoder::new(DecoderOptions {
            system: identity.system,
            timeline: identity.timeline,
            start,
            types: types::read(&session).await?,
            definitions,
            selected: Box::new(move |table| match &asked {
                Some(partitions) => partitions.may_be_carried(table),
                None => selected(table),
            }),
            payload_bytes: self.batch_bytes.saturating_mul(4),
        });
        let options = self.start_options(&session, start, &slot)?;
        let held = options.two_phase.then_some(slot.confirmed).flatten();
        let stream = replication.start(&options, config.heartbeat).await?;
        info!(position = %from, slot = slot.name, protocol = options.protocol, "following the log");
        drop(session);
        let reader = Reader::new(
            stream,
            Spill::new(self.spill_directory())?,
            Arc::clone(&self.progress),
            read::Places { from: start, held },
            self.batch_bytes,
            config.heartbeat,
        );
        let decoder = LogDecoder::new(decoder, Arc::clone(&self.hosts), partitions);
        let end = tokio::select! {
            end = stages::run(|pieces| reader.run(pieces), decoder, history, out) => end,
            error = self.watch_for_tables(&from, history), if !is_captured => Err(error),
        };
        end.map_err(|error| match error.kind() {
            Kind::Definite => {
                let stored = self.progress.is_stored().max(start);
                error.at(&questions::position(identity, stored).log)
            }
            _ => error,
        })
    }

    /// Publishes new tables while the log is read, where no event trigger does. Ends with the reason why one cannot be carried.
    async fn watch_for_tables(&self, from: &Position, history: &SchemaHistory) -> Error {
        loop {
            tokio::time::sleep(NEW_TABLES).await;
            let published = async {
                let control = self.hosts.control().await?;
                let published = self.publish(&control.session, Some((from, history))).await;
                control.keep(published)
            };
            match published.await {
                Ok(_) => {}
                Err(error) if error.kind() == Kind::Definite => return error,
                Err(error) => warn!(%error, "new tables cannot be looked for now"),
            }
        }
    }

    /// The state of the slot, from which the log behind `from` can be had.
    async fn slot_for(&self, session: &Session, from: &Position) -> Result<Slot> {
        let slot = slot::read(session, &self.names.slot).await?;
        let slot = slot.ok_or_else(|| slot::missing(&self.names.slot, Some(from)))?;
        slot.can_serve(from, &self.hosts.config().database)?;
        Ok(slot)
    }

    /// Makes sure that the tables are published, and statements captured. Whether they are captured.
    ///
    /// # Errors
    /// When the server refuses; definite where the task goes on from a position, with tables that it has read, and the publication or
    /// one of the tables in it is gone.
    pub(super) async fn publish(
        &self,
        session: &Session,
        resumed: Option<(&Position, &SchemaHistory)>,
    ) -> Result<bool> {
        let is_ours = self.hosts.config().create && !questions::is_standby(session).await?;
        let capture = ddl::Capture {
            name: &self.names.trigger,
            publication: &self.names.publication,
            patterns: self.patterns.as_ref(),
        };
        // Before the tables are read: those that come later are published by it.
        let is_captured = is_ours && ddl::ensure(session, capture, self.hosts.config().ddl).await?;
        debug!(is_captured, "statements that change definitions are written into the log");
        let tables =
            tables::read(session, &types::read(session).await?, Which::Selected(&self.selected)).await?;
        let logged = tables.iter().filter(|table| !table.is_unlogged);
        let mut partitions = Vec::new();
        let mut names: Vec<_> = logged.map(|table| table.table.name.clone()).collect();
        if session.major() < tables::BY_ROOT {
            // Only what has rows of its own can be published.
            let roots: HashSet<_> = tables
                .iter()
                .filter(|table| table.is_partitioned)
                .map(|table| table.table.name.clone())
                .collect();
            names.retain(|name| !roots.contains(name));
            partitions = tables::row_partitions(session, &roots).await?;
            names.extend(partitions.iter().map(|(partition, _)| partition.clone()));
        }
        let known: HashSet<TableName> = resumed
            .iter()
            .flat_map(|(from, history)| history.catalog_at(from))
            .map(|table| table.name.clone())
            .collect();
        let of_known =
            partitions.iter().filter(|(_, root)| known.contains(root)).map(|(partition, _)| partition);
        let filled = publication::filled(session, &self.names.publication, of_known).await?;
        let was_read = |table: &TableName| known.contains(table) || filled.contains(table);
        let by_root = session.major() >= tables::BY_ROOT;
        let is_carried =
            |table: &TableName| if by_root { (self.selected)(table) } else { names.contains(table) };
        let wanted = publication::Wanted {
            name: &self.names.publication,
            all: self.carries_all,
            tables: &names,
            is_carried: &is_carried,
            resumed: resumed.map(|(from, _)| Resumed {
                from,
                was_read: &was_read,
                new_are_empty: !is_captured,
            }),
        };
        if !is_ours {
            return publication::verify(session, wanted.name, wanted.tables).await.map(|()| false);
        }
        let new = publication::ensure(session, wanted).await?;
        if !new.is_empty() {
            // A copy that begins from now on is one of tables that are published.
            self.copies.end().await;
        }
        for table in new {
            if is_captured {
                warn!(%table, "the table is published from now on; what was written to it before is not in the log");
            } else {
                info!(%table, "the table is new, and is published from now on");
            }
        }
        Ok(is_captured)
    }

    /// Fills the history with the definitions as they are now.
    pub(super) async fn record_definitions(
        &self,
        session: &Session,
        at: &Position,
        history: &SchemaHistory,
    ) -> Result<()> {
        let types = types::read(session).await?;
        let tables = tables::read(session, &types, Which::Selected(&self.selected)).await?;
        let tables: Vec<_> = tables.into_iter().map(|table| table.table).collect();
        history.replace_all(at, &tables)
    }

    /// What the server is asked for: the most that its version has, within what is configured.
    fn start_options(&self, session: &Session, from: Lsn, slot: &Slot) -> Result<StartOptions> {
        let (config, major) = (self.hosts.config(), session.major());
        let has = match major {
            ..=13 => 1,
            14 => 2,
            15 => 3,
            _ => 4,
        };
        let needs = |version: u32, what: &str| {
            if major >= version {
                return Ok(());
            }
            Err(Error::definite(format!("{what} needs PostgreSQL {version}, and the server is {major}"))
                .on(session.address())
                .remedy("leave the setting out"))
        };
        let binary = config.format == WireFormat::Binary;
        let is_two_phase = config.two_phase;
        if let Some(protocol) = config.protocol.filter(|protocol| *protocol > has) {
            return Err(Error::definite(format!("protocol {protocol} is not known to PostgreSQL {major}"))
                .on(session.address())
                .remedy(format!("set source.protocol to {has} or less, or leave it out")));
        }
        let protocol = config.protocol.unwrap_or(has);
        if binary {
            needs(14, "source.format = \"binary\"")?;
        }
        if is_two_phase {
            needs(15, "source.two_phase")?;
        }
        if config.origin == Origin::None {
            needs(16, "source.origin = \"none\"")?;
        }
        if is_two_phase && !slot.two_phase {
            return Err(Error::definite("the replication slot was created without two_phase")
                .on(slot)
                .remedy("leave source.two_phase out, or copy the tables anew with a new slot"));
        }
        if is_two_phase && protocol < 3 {
            return Err(
                Error::definite("source.two_phase needs protocol 3").remedy("leave source.protocol out")
            );
        }
        let streaming = match protocol {
            _ if !config.streaming => None,
            0 | 1 => None,
            2 | 3 => Some("on"),
            _ => Some("parallel"),
        };
        Ok(StartOptions {
            slot: slot.name.clone(),
            publication: self.names.publication.clone(),
            // Prepared transactions before the position may still be needed: from where the slot is, see `read`.
            from: if is_two_phase { Lsn(0) } else { from },
            protocol,
            binary,
            messages: major >= 14,
            streaming,
            two_phase: is_two_phase,
            origin: (config.origin == Origin::None).then_some("none"),
        })
    }
}

/// The tables that are known at a position.
fn definitions(history: &SchemaHistory, at: &Position) -> Definitions {
    let mut definitions = Definitions::new();
    for table in history.catalog_at(at) {
        if let Some(oid) = table.number {
            definitions.insert(Definition::new(oid, table));
        }
    }
    definitions
}
