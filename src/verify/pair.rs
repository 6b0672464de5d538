//! A table of the destination and the tables of the source that its rows come from.

use std::{collections::BTreeMap, sync::Arc};

use slackwater_decoders::schema::{Table, TableName};

use super::{
    canonical::{Comparison, Product, Rules, choose},
    key::{Key, Owned, is_same_order},
};
use crate::{
    config::mapping::Operation,
    error::Result,
    mapping::{Mapping, Route},
    types::postgres::is_of_postgres,
};

/// A table of the source.
pub(super) struct SourceTable {
    pub(super) table: Arc<Table>,
    pub(super) route: Arc<Route>,
    /// How each pair of columns is compared, those of the key first.
    pub(super) comparisons: Vec<Comparison>,
    /// Where their values stand in a row in the destination's names.
    pub(super) places: Vec<usize>,
    /// Where the columns of the source's key stand in a row of the source.
    pub(super) key_places: Vec<usize>,
    /// For each of them its number in the destination's key; `None` where a part of the key is not there.
    pub(super) key_order: Option<Vec<usize>>,
}

/// The tables that are compared with each other.
pub(super) struct Pair {
    /// The name at the destination.
    pub(super) name: TableName,
    pub(super) sources: Vec<SourceTable>,
    pub(super) destination: Arc<Table>,
    pub(super) comparisons: Vec<Comparison>,
    /// Where their values stand in a row of the destination.
    pub(super) places: Vec<usize>,
    /// How many of the columns are the key; 0 for a table without one.
    pub(super) key_columns: usize,
    /// The keys have one order at both ends, so that ranges of them can be compared.
    pub(super) is_ordered: bool,
    /// Columns that are not compared, and why.
    pub(super) left_out: Vec<(String, String)>,
    pub(super) to_sqlite: bool,
}

/// A table that cannot be compared.
pub(super) struct Unpaired {
    pub(super) name: TableName,
    pub(super) sources: Vec<TableName>,
    pub(super) reason: String,
}

/// A table of the source with what becomes of it on the way.
pub(super) type Routed = (Arc<Table>, Arc<Route>);

/// The tables of the destination that the source's become, each with those.
pub(super) fn routes(mapping: &Mapping, tables: &[Arc<Table>]) -> Result<BTreeMap<TableName, Vec<Routed>>> {
    let mut targets: BTreeMap<TableName, Vec<Routed>> = BTreeMap::new();
    for table in tables {
        if let Some(route) = mapping.route(table)? {
            targets.entry(route.target().name.clone()).or_default().push((Arc::clone(table), route));
        }
    }
    Ok(targets)
}

impl Pair {
    /// Pairs the columns of a table with those of its sources.
    pub(super) fn new(
        name: TableName,
        sources: Vec<Routed>,
        destination: Option<&Arc<Table>>,
        rules: Rules,
    ) -> Result<Pair, Unpaired> {
        let names: Vec<TableName> = sources.iter().map(|(table, _)| table.name.clone()).collect();
        let unpaired = |reason: String| Unpaired { name: name.clone(), sources: names.clone(), reason };
        let destination =
            destination.ok_or_else(|| unpaired("the destination has no such table".to_owned()))?;
        let mut left_out = BTreeMap::new();
        let mut paired = Vec::new();
        for (table, route) in sources {
            let columns = columns(&route, destination, rules, &mut left_out).map_err(&unpaired)?;
            paired.push((table, route, columns));
        }
        for column in &destination.columns {
            let is_ours = |(_, route, _): &(_, Arc<Route>, _)| route.target().ordinal(&column.name).is_some();
            if !paired.iter().any(is_ours) {
                left_out.insert(column.name.clone(), "only the destination has it".to_owned());
            }
        }
        agree(&mut paired, &mut left_out);
        let key = common_key(&paired, &left_out);
        let sources: Vec<SourceTable> = paired
            .into_iter()
            .map(|(table, route, columns)| source_table(table, route, columns, &key, &left_out))
            .collect();
        let Some(first) = sources.first() else { return Err(unpaired("no table becomes it".to_owned())) };
        let comparisons = first.comparisons.clone();
        if comparisons.is_empty() {
            return Err(unpaired("no column of it can be compared".to_owned()));
        }
        let places: Vec<usize> =
            comparisons.iter().filter_map(|pair| destination.ordinal(&pair.destination.name)).collect();
        let key_columns = key.len();
        let mut keyed = Table::clone(destination);
        keyed.primary_key =
            places.iter().take(key_columns).filter_map(|place| u16::try_from(*place).ok()).collect();
        let is_same_key = destination.key().is_some_and(|own| own == keyed.primary_key);
        let destination =
            if is_same_key || key.is_empty() { Arc::clone(destination) } else { Arc::new(keyed) };
        let to_sqlite = rules.product == Product::Sqlite;
        let is_ordered = key_columns > 0
            && sources.len() == 1
            && is_same_key
            && in_order(first, &comparisons, key_columns, rules);
        Ok(Pair {
            name,
            sources,
            destination,
            comparisons,
            places,
            key_columns,
            is_ordered,
            left_out: left_out.into_iter().collect(),
            to_sqlite,
        })
    }

    /// Whether changes of that kind are carried from every one of the source's tables.
    pub(super) fn carries(&self, operation: Operation) -> bool {
        self.sources.iter().all(|source| source.route.carries(operation))
    }

    /// A key of the source in the destination's types.
    pub(super) fn to_destination(&self, key: &[Owned]) -> Option<Key> {
        let pairs = key.iter().zip(&self.comparisons);
        pairs.map(|(value, pair)| value.of_column(&pair.source, &pair.destination, self.to_sqlite)).collect()
    }

    /// A key of the destination in the source's types.
    pub(super) fn to_source(&self, key: &[Owned]) -> Option<Key> {
        let pairs = key.iter().zip(&self.comparisons);
        pairs.map(|(value, pair)| value.of_column(&pair.destination, &pair.source, false)).collect()
    }
}

/// The comparisons of the columns that one source's rows have at the destination.
fn columns(
    route: &Route,
    destination: &Table,
    rules: Rules,
    left_out: &mut BTreeMap<String, String>,
) -> Result<Vec<Comparison>, String> {
    let mut comparisons = Vec::new();
    for column in &route.target().columns {
        if column.is_hidden() {
            continue;
        }
        let Some(own) = destination.ordinal(&column.name).and_then(|place| destination.columns.get(place))
        else {
            return Err(format!("the destination has no column {}", column.name));
        };
        match choose(column, own, rules) {
            Ok(comparison) => comparisons.push(comparison),
            Err(reason) => drop(left_out.insert(own.name.clone(), reason.to_owned())),
        }
    }
    Ok(comparisons)
}

type Paired = (Arc<Table>, Arc<Route>, Vec<Comparison>);

/// Leaves columns out that the sources of one table do not have in one form.
fn agree(paired: &mut [Paired], left_out: &mut BTreeMap<String, String>) {
    let Some(((_, _, first), others)) = paired.split_first() else { return };
    for comparison in first {
        let name = &comparison.destination.name;
        let is_alike = |(_, _, columns): &Paired| {
            columns.iter().any(|other| other.destination.name == *name && other.class == comparison.class)
        };
        if !others.iter().all(is_alike) {
            left_out.insert(name.clone(), "the tables that become one have it in different types".to_owned());
        }
    }
}

/// The names of the key's columns at the destination; empty where the rows have none that all sources share.
fn common_key(paired: &[Paired], left_out: &BTreeMap<String, String>) -> Vec<String> {
    let mut common: Option<Vec<String>> = None;
    for (_, route, columns) in paired {
        let target = route.target();
        let names: Option<Vec<String>> = target
            .key()
            .unwrap_or_default()
            .iter()
            .map(|ordinal| {
                let column = target.columns.get(usize::from(*ordinal))?;
                let comparison = columns.iter().find(|pair| pair.source.name == column.name)?;
                (!left_out.contains_key(&comparison.destination.name))
                    .then(|| comparison.destination.name.clone())
            })
            .collect();
        let names = names.unwrap_or_default();
        if common.as_ref().is_some_and(|common| *common != names) {
            return Vec::new();
        }
        common = Some(names);
    }
    common.unwrap_or_default()
}

fn source_table(
    table: Arc<Table>,
    route: Arc<Route>,
    columns: Vec<Comparison>,
    key: &[String],
    left_out: &BTreeMap<String, String>,
) -> SourceTable {
    let number = |name: &str| key.iter().position(|own| own == name);
    let mut comparisons: Vec<Comparison> =
        columns.into_iter().filter(|pair| !left_out.contains_key(&pair.destination.name)).collect();
    // The same order for all sources of a table: that of the key, then that of the names.
    comparisons.sort_by_key(|pair| {
        let name = pair.destination.name.clone();
        (number(&name).unwrap_or(usize::MAX), name)
    });
    let places: Vec<usize> =
        comparisons.iter().filter_map(|pair| route.target().ordinal(&pair.source.name)).collect();
    let key_places: Vec<usize> =
        table.key().unwrap_or_default().iter().map(|ordinal| usize::from(*ordinal)).collect();
    let ordinals = route.source_ordinals();
    let key_order = key_places
        .iter()
        .map(|wanted| {
            let of_key = places.iter().take(key.len());
            of_key.clone().position(|place| ordinals.get(*place).copied().flatten() == Some(*wanted))
        })
        .collect();
    SourceTable { table, route, comparisons, places, key_places, key_order }
}

/// Whether the key's order is the same at both ends.
fn in_order(source: &SourceTable, comparisons: &[Comparison], key_columns: usize, rules: Rules) -> bool {
    let is_whole = source.key_order.as_ref().is_some_and(|order| order.iter().copied().eq(0..key_columns));
    let alike = |pair: &Comparison| {
        let same_family = is_of_postgres(&pair.source) == (rules.product == Product::Postgres);
        is_same_order(&pair.source, &pair.destination, same_family, rules.product == Product::Sqlite)
    };
    is_whole && comparisons.iter().take(key_columns).all(alike)
}
