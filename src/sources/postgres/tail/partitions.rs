//! Partitions that the server announces under their own names: before PostgreSQL 13, and where the publication does not publish by
//! the root.
//!
//! The rows of a partition are rows of the table that it is a part of. Which table that is, is asked of the catalog when the task starts to
//! read, and again when a name comes that nobody knows: it may be a new partition of a table that is carried, whatever the
//! selection says of the name itself. Others are noted, and passed over from then on.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

use slackwater_decoders::{
    postgres::{
        Decoder, Need,
        definitions::{Definitions, fit},
    },
    schema::TableName,
};

use crate::{
    error::{Error, Result},
    sources::postgres::{
        TableFilter,
        hosts::Hosts,
        schema::{
            tables::{self, CatalogTable, Which},
            types,
        },
    },
};

/// The OID of no relation (`InvalidOid`).
const NO_TABLE: u32 = 0;

/// Which announced relations are read.
#[derive(Clone)]
pub(super) struct Partitions {
    selected: TableFilter,
    /// Names that are neither of tables that are carried nor of their partitions.
    others: Arc<Mutex<HashSet<TableName>>>,
}

impl Partitions {
    pub(super) fn new(selected: TableFilter) -> Self {
        Partitions { selected, others: Arc::default() }
    }

    /// Whether a relation of that name is read, or has to be asked for.
    pub(super) fn may_be_carried(&self, name: &TableName) -> bool {
        (self.selected)(name) || !self.others.lock().unwrap_or_else(PoisonError::into_inner).contains(name)
    }

    /// Answers a need about a partition, or a relation that is not carried. `false`: it is about a table.
    ///
    /// # Errors
    /// Definite when the partition does not have the columns of its table; else when the server cannot be asked.
    pub(super) async fn supply(&self, decoder: &mut Decoder, need: &Need, hosts: &Hosts) -> Result<bool> {
        let name = &need.relation.name;
        let Some(root) = root_of(hosts, name).await? else {
            if (self.selected)(name) {
                return Ok(false);
            }
            self.pass_over(decoder, name);
            return Ok(true);
        };
        let (root, types) = root;
        if !(self.selected)(&root.table.name) {
            self.pass_over(decoder, name);
            return Ok(true);
        }
        decoder.types_mut().extend(types);
        let definition = root.definition();
        let unfit = |why: &dyn std::fmt::Display| {
            Error::definite(format!("the partition does not have the columns of {}: {why}", root.table.name))
                .on(format!("partition {name}"))
                .remedy(
                    "the table was changed, and changed again before its log was read: copy the table anew",
                )
        };
        fit(&need.relation, &definition, decoder.types_mut()).map_err(|misfit| unfit(&misfit))?;
        decoder.define(definition).map_err(|misfit| unfit(&misfit))?;
        decoder.define_partition(name.clone(), root.oid);
        Ok(true)
    }

    fn pass_over(&self, decoder: &mut Decoder, name: &TableName) {
        self.others.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone());
        // Is looked at again, and not carried any more.
        decoder.define_partition(name.clone(), NO_TABLE);
    }
}

/// The table that a partition is a part of now, and the types; `None` where it is none.
async fn root_of(
    hosts: &Hosts,
    partition: &TableName,
) -> Result<Option<(CatalogTable, slackwater_decoders::postgres::types::TypeCatalog)>> {
    let control = hosts.control().await?;
    let answer = async {
        let Some(root) = tables::leaves(&control.session).await?.remove(partition) else { return Ok(None) };
        let types = types::read(&control.session).await?;
        let found = tables::read(&control.session, &types, Which::Named(&[root])).await?;
        Ok(found.into_iter().next().map(|root| (root, types)))
    };
    let answer = answer.await;
    control.keep(answer)
}

/// Tells the decoder which names are those of partitions.
pub(super) fn insert(definitions: &mut Definitions, leaves: HashMap<TableName, TableName>) {
    for (partition, root) in leaves {
        if let Some(root) = definitions.named(&root).map(|definition| definition.oid) {
            definitions.insert_partition(partition, root);
        }
    }
}
