//! Rows as numbers: what is equal at both ends has the same.

use slackwater_decoders::{arena::ArenaPool, batch::Batch, event::Event, schema::TableName, value::Cell};
use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128_with_seed};

use super::{
    canonical::{End, Scratch},
    key::Owned,
    pair::{Pair, SourceTable},
};
use crate::error::{Error, Result};

/// How many rows, and the sum of their hashes modulo 2¹²⁸: the same for the same rows in any order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) count: u64,
    pub(super) hash: u128,
}

impl Sum {
    pub(super) fn add(&mut self, hash: u128) {
        self.count += 1;
        self.hash = self.hash.wrapping_add(hash);
    }
}

/// The hash of this run: nobody can make rows beforehand whose hashes are alike.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hasher(pub(super) u64);

impl Hasher {
    pub(super) fn hash(self, bytes: &[u8]) -> u128 {
        xxh3_128_with_seed(bytes, self.0)
    }

    /// Stands for a value that is not to be shown: the same for the same values of this run.
    pub(super) fn mask(self, bytes: &[u8]) -> String {
        format!("#{:016x}", xxh3_64_with_seed(bytes, !self.0))
    }
}

/// Which rows a batch has.
#[derive(Clone, Copy)]
pub(super) enum From<'p> {
    Source(&'p SourceTable),
    Destination,
}

/// A row in its canonical form.
pub(super) struct Row<'a> {
    /// What tells it from others: the hash of its key, or of all of it in a table without one.
    pub(super) id: u128,
    /// The hash of all of it.
    pub(super) hash: u128,
    /// The forms of its columns, those of the key first.
    pub(super) forms: &'a [u8],
    /// The row in the destination's names, or as it is there.
    pub(super) cells: &'a [Cell<'a>],
}

/// Reads the rows of batches.
pub(super) struct Digester<'p> {
    pair: &'p Pair,
    from: From<'p>,
    hasher: Hasher,
    forms: Vec<u8>,
    scratch: Scratch,
}

impl<'p> Digester<'p> {
    pub(super) fn new(pair: &'p Pair, from: From<'p>, hasher: Hasher) -> Self {
        Digester { pair, from, hasher, forms: Vec::new(), scratch: Scratch::default() }
    }

    /// Calls `each` with every row of a batch that the rules carry.
    pub(super) fn read(&mut self, batch: &Batch, mut each: impl FnMut(Row<'_>)) -> Result<()> {
        let pool = ArenaPool::new();
        let arena = pool.arena();
        for cells in images(batch) {
            let cells = match self.from {
                From::Source(source) => match source.route.row(cells, &arena)? {
                    Some(cells) => cells,
                    None => continue,
                },
                From::Destination => cells,
            };
            let row = self.row(cells)?;
            each(row);
        }
        Ok(())
    }

    fn row<'s>(&'s mut self, cells: &'s [Cell<'s>]) -> Result<Row<'s>> {
        self.forms.clear();
        let (end, comparisons, places) = match self.from {
            From::Source(source) => (End::Source, &source.comparisons, &source.places),
            From::Destination => (End::Destination, &self.pair.comparisons, &self.pair.places),
        };
        let mut key_end = 0;
        for (number, (comparison, place)) in comparisons.iter().zip(places).enumerate() {
            if number == self.pair.key_columns {
                key_end = self.forms.len();
            }
            let value = cells.get(*place).copied().and_then(Cell::value);
            let encoded = value
                .and_then(|value| comparison.encode(end, value, &mut self.scratch, &mut self.forms).ok());
            if encoded.is_none() {
                return Err(unreadable(&self.pair.name, &comparison.destination.name, end));
            }
        }
        if self.pair.key_columns >= comparisons.len() {
            key_end = self.forms.len();
        }
        let hash = self.hasher.hash(&self.forms);
        let id = match self.pair.key_columns {
            0 => hash,
            _ => self.hasher.hash(self.forms.get(..key_end).unwrap_or_default()),
        };
        Ok(Row { id, hash, forms: &self.forms, cells })
    }
}

/// What tells a row with this key of the source from others; `None` for a key that is none of the table.
pub(super) fn id_of(pair: &Pair, key: &[Owned], hasher: Hasher) -> Option<u128> {
    let (mut forms, mut scratch) = (Vec::new(), Scratch::default());
    for (comparison, value) in pair.comparisons.iter().zip(key) {
        comparison.encode(End::Source, value.value(), &mut scratch, &mut forms).ok()?;
    }
    Some(hasher.hash(&forms))
}

/// The rows of a batch, as they were read.
pub(super) fn images<'b>(batch: &'b Batch) -> impl Iterator<Item = &'b [Cell<'b>]> {
    let changes = batch.events().iter().flat_map(|event| match event {
        Event::Rows(rows) => rows.changes,
        _ => &[],
    });
    changes.filter_map(|change| change.after())
}

fn unreadable(table: &TableName, column: &str, end: End) -> Error {
    let end = match end {
        End::Source => "source",
        End::Destination => "destination",
    };
    Error::definite(format!(
        "a value of the column {column} at the {end} is of a kind that it cannot be compared as"
    ))
    .on(table)
    .remedy("was the definition changed while the table was read? Compare it again")
}
