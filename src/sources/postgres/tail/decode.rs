//! The decoder with what it asks the catalog for: definitions that it does not know, or that have changed.
//!
//! Without an event trigger a changed definition shows when rows are announced otherwise than before. The catalog tells the rest
//! (keys, numbers of columns, defaults), but it tells it as of now, and the log may be hours behind. So it counts only where it agrees
//! with the announcement. Where it has moved on, the announcement alone makes the definition, and the catalog only says which
//! columns are the same ones under another name: by their numbers, which are never used again. Keys are then those of the former definition whose columns are still there.

use std::{collections::HashMap, sync::Arc};

use slackwater_decoders::{
    batch::Batch,
    postgres::{
        Decoder, Need,
        definitions::{Definition, Misfit},
        error::DecodeError,
        relation::ReplicaIdentity,
        types::TypeCatalog,
    },
    schema::{Column, Index, Table, UniqueKey},
};

use super::{Note, partitions::Partitions};
use crate::{
    error::{Error, Result},
    sources::{
        postgres::{
            hosts::Hosts,
            schema::{
                tables::{self, CatalogTable, Which},
                types,
            },
        },
        stages::PieceDecoder,
    },
};

/// A decoder, and where it asks.
pub(super) struct LogDecoder {
    decoder: Decoder,
    hosts: Arc<Hosts>,
    /// Where partitions are announced for themselves.
    partitions: Option<Partitions>,
}

impl LogDecoder {
    pub(super) fn new(decoder: Decoder, hosts: Arc<Hosts>, partitions: Option<Partitions>) -> Self {
        LogDecoder { decoder, hosts, partitions }
    }
}

/// The types and the relation as they are now.
async fn ask(hosts: &Hosts, oid: u32) -> Result<(TypeCatalog, Option<CatalogTable>)> {
    let control = hosts.control().await?;
    let answer = async {
        let types = types::read(&control.session).await?;
        let found = tables::read(&control.session, &types, Which::Oid(oid)).await?;
        Ok((types, found.into_iter().next()))
    };
    let answer = answer.await;
    control.keep(answer)
}

impl PieceDecoder for LogDecoder {
    type Note = Note;

    fn decode(&mut self, log: Vec<u8>, note: Note) -> Result<Batch> {
        if let Some(committed) = note.announced {
            self.decoder.announce(committed);
        }
        Batch::decode(log, |log, arena, events| self.decoder.decode(log, arena, events)).map_err(decode_error)
    }

    fn take_rest(&mut self) -> Option<Vec<u8>> {
        self.decoder.take_rest()
    }

    async fn supply(&mut self) -> Result<()> {
        let Some(need) = self.decoder.need().cloned() else { return Ok(()) };
        let hosts = Arc::clone(&self.hosts);
        if let Some(partitions) = &self.partitions
            && partitions.supply(&mut self.decoder, &need, &hosts).await?
        {
            return Ok(());
        }
        let (types, current) = ask(&hosts, need.relation.oid).await?;
        self.decoder.types_mut().extend(types);
        if let Some(current) = &current
            && self.decoder.define(current.definition()).is_ok()
        {
            return Ok(());
        }
        let known = self.decoder.definitions().get(need.relation.oid).cloned();
        let known = known.as_ref().map(|definition| &definition.table);
        let current = current.as_ref().map(|current| &current.table);
        let table = self.derive(&need, known, current)?;
        let definition = Definition::new(need.relation.oid, Arc::new(table));
        self.decoder.define(definition).map_err(|misfit| unclear(&need, Some(&misfit), known, current))
    }
}

impl LogDecoder {
    /// The definition by the announcement alone, which the catalog has no more or not yet.
    fn derive(
        &mut self,
        need: &Need,
        known: Option<&Arc<Table>>,
        current: Option<&Arc<Table>>,
    ) -> Result<Table> {
        if let Some(unknown) =
            need.unknown_types.iter().find(|unknown| !self.decoder.types_mut().contains(unknown.oid))
        {
            let name = unknown.name.as_ref().map_or_else(
                || format!("with the OID {}", unknown.oid),
                |(schema, name)| format!("{schema}.{name}"),
            );
            return Err(Error::definite(format!(
                "a column was of the type {name}, which is not in the catalog any more"
            ))
            .on(&need.relation.name)
            .remedy("the values in the log cannot be read without it: copy the table anew"));
        }
        let mut table =
            need.relation.table(current.or(known).map(|table| &**table), self.decoder.types_mut());
        let Some(known) = known else { return Ok(table) };
        let numbers: HashMap<&str, i16> = current
            .into_iter()
            .flat_map(|table| &table.columns)
            .filter_map(|column| Some((column.name.as_str(), column.number?)))
            .collect();
        let is_gone = |column: &Column| !table.columns.iter().any(|own| own.name == column.name);
        let may_be_renamed = known.columns.iter().any(|column| column.generated.is_none() && is_gone(column));
        let of_name = |name: &str| known.columns.iter().find(|column| column.name == name);
        let mut identified = Vec::with_capacity(table.columns.len());
        for column in &table.columns {
            let former = of_name(&column.name);
            let number = match (numbers.get(column.name.as_str()), former) {
                (Some(number), _) => Some(*number),
                (None, Some(former)) if former.column_type == column.column_type => former.number,
                // Neither now nor before: added and gone again, unless a column of before has gone that it may be.
                (None, None) if !may_be_renamed => None,
                _ => return Err(unclear(need, None, Some(known), current)),
            };
            identified.push(number);
        }
        for (column, number) in table.columns.iter_mut().zip(identified) {
            column.number = number;
        }
        keep_keys(known, &mut table, need.relation.identity);
        Ok(table)
    }
}

/// Gives a table that was made of an announcement the keys of its former definition whose columns it still has: an announcement
/// does not tell of them, and the destination has them.
fn keep_keys(former: &Table, table: &mut Table, identity: ReplicaIdentity) {
    let ordinals = |columns: &[u16]| -> Option<Vec<u16>> {
        columns.iter().map(|ordinal| successor(former.columns.get(usize::from(*ordinal))?, table)).collect()
    };
    // Every column names a row then, or none does: neither says whether the primary key has gone.
    let primary_key = match identity {
        ReplicaIdentity::Full | ReplicaIdentity::Nothing => ordinals(&former.primary_key),
        ReplicaIdentity::Default | ReplicaIdentity::Index => None,
    };
    let unique = former.unique_keys.iter().filter_map(|key| {
        let columns = ordinals(&key.columns)?;
        Some(UniqueKey { name: key.name.clone(), columns, partial: key.partial })
    });
    let indexes = former.indexes.iter().filter_map(|index| {
        let columns = ordinals(&index.columns)?;
        Some(Index { name: index.name.clone(), columns, implied: index.implied })
    });
    let (unique, indexes) = (unique.collect(), indexes.collect());
    (table.unique_keys, table.indexes) = (unique, indexes);
    if let Some(primary_key) = primary_key {
        table.primary_key = primary_key;
    }
}

/// The ordinal in `table` of the column that was `former`: the one of its number, or of its name where there are no numbers.
fn successor(former: &Column, table: &Table) -> Option<u16> {
    let is_same = |own: &Column| match (former.number, own.number) {
        (Some(former), Some(own)) => former == own,
        _ => former.name == own.name,
    };
    table.columns.iter().position(is_same).and_then(|ordinal| u16::try_from(ordinal).ok())
}

/// The stop for a table that was changed more than once before its log was read.
fn unclear(
    need: &Need,
    misfit: Option<&Misfit>,
    known: Option<&Arc<Table>>,
    current: Option<&Arc<Table>>,
) -> Error {
    let announced: Vec<&str> = need.relation.columns.iter().map(|column| column.name.as_str()).collect();
    let names = |table: Option<&Arc<Table>>| match table {
        Some(table) => table.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", "),
        None => "nothing".to_owned(),
    };
    let why = misfit.unwrap_or(&need.misfit);
    Error::definite(format!(
        "the table was changed ({why}) and changed again before its log was read, so that it is not clear which columns of the log \
         are which: known ({}), in the log ({}), now ({})",
        names(known),
        announced.join(", "),
        names(current),
    ))
    .on(&need.relation.name)
    .remedy(
        "copy the table anew; with source.ddl = \"event-trigger\" every statement is in the log, and this does not happen",
    )
}

fn decode_error(error: DecodeError) -> Error {
    let remedy = error.reason.remedy();
    Error::definite("the log cannot be decoded").caused_by(error).remedy(remedy)
}
