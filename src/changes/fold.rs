//! The changes of one table in a group.
//!
//! Most changes are folded to their net effect ([`Net`]). What has to be applied one by one is collected beside it: updates
//! that lack columns and change the key or a unique value, changes of documents, and changes of tables without a key. Both are emitted as a pair, the net effects first. That is
//! the order of the source as long as no change behind one of the second kind is folded that touches the same row, or a
//! unique value that may be the same; before such a change the pair is closed and another one begins.

use std::{mem, sync::Arc};

use hashbrown::HashTable;
use slackwater_decoders::{
    arena::Arena,
    event::{RowChange, Rows},
    position::LogPosition,
    schema::{ColumnType, Table},
    value::{Cell, Value},
};

use super::{
    group::{Image, Job, NetChanges},
    key::{hash_key, hash_key_after, same},
    net::{Effect, Net, SecondaryKeys, State},
};

/// The changes of one version of a table at the destination.
#[derive(Debug)]
pub(super) struct TableFold<'a> {
    pub(super) table: Arc<Table>,
    pub(super) secondary: SecondaryKeys,
    key: Option<Vec<u16>>,
    /// Keys that are not the same to the bit may be equal for the database.
    is_key_loose: bool,
    converging: bool,
    closed: Vec<Job<'a>>,
    net: Net<'a>,
    in_order: InOrder<'a>,
}

/// Changes to be applied one by one.
#[derive(Debug, Default)]
struct InOrder<'a> {
    changes: Vec<RowChange<'a>>,
    /// Place of the first change, its number in the transaction, and the time of the last one.
    span: Option<(LogPosition, u64, i64)>,
    /// Hashes of the keys they touch.
    touched: HashTable<u64>,
    /// They touch a row whose key is not known.
    touches_unknown: bool,
}

impl<'a> TableFold<'a> {
    pub(super) fn new(table: Arc<Table>, converging: bool) -> Self {
        let key = table.key().map(<[u16]>::to_vec);
        let is_loose = |ordinal: &u16| {
            table.columns.get(usize::from(*ordinal)).is_none_or(|column| {
                matches!(
                    column.column_type,
                    ColumnType::Float
                        | ColumnType::Double
                        | ColumnType::Char(_)
                        | ColumnType::VarChar(_)
                        | ColumnType::Text(_)
                        | ColumnType::Blob(_)
                )
            })
        };
        TableFold {
            secondary: SecondaryKeys::of(&table),
            converging,
            is_key_loose: key.iter().flatten().any(is_loose),
            key,
            table,
            closed: Vec::new(),
            net: Net::default(),
            in_order: InOrder::default(),
        }
    }

    /// Bytes of memory beside the images.
    pub(super) fn bytes(&self) -> usize {
        self.net.bytes() + self.in_order.changes.capacity() * size_of::<RowChange<'_>>()
    }

    /// Takes a change of a current row in.
    pub(super) fn change(&mut self, rows: &Rows<'_>, change: RowChange<'a>, arena: &Arena<'a>) {
        let Some(key) = self.key.take() else {
            self.in_order.push(rows, change, None);
            return;
        };
        if !self.fold(&key, rows, change, arena) {
            self.in_order.push(rows, change, Some(&key));
        }
        self.key = Some(key);
    }

    /// `false`: the change has to be applied as it is.
    fn fold(&mut self, key: &[u16], rows: &Rows<'_>, change: RowChange<'a>, arena: &Arena<'a>) -> bool {
        match change {
            RowChange::Insert { after } => {
                let Some(hash) = hash_key(after, key) else { return false };
                self.reserve(&[hash], rows, arena);
                self.net.insert(key, hash, after);
            }
            RowChange::Delete { before } => {
                let Some(hash) = hash_key(before, key) else { return false };
                self.reserve(&[hash], rows, arena);
                self.net.delete(key, hash, before);
            }
            RowChange::Update { before, after } => {
                let after = completed(before, after, arena);
                if !is_whole(after) {
                    return self.fold_partial(key, rows, before, after, arena);
                }
                let Some(new) = hash_key(after, key) else { return false };
                if same(before, after, key) {
                    self.reserve(&[new], rows, arena);
                    self.net.update(key, new, before, after);
                } else if let Some(old) = hash_key(before, key) {
                    self.reserve(&[old, new], rows, arena);
                    self.net.delete(key, old, before);
                    self.net.insert(key, new, after);
                } else if !repeats_key(before, key) {
                    // An image that does not repeat the key says that the key did not change.
                    self.reserve(&[new], rows, arena);
                    self.net.write(key, new, after);
                } else {
                    return false;
                }
            }
        }
        true
    }

    /// Folds an update that does not tell the whole row. What it lacks did not change.
    fn fold_partial(
        &mut self,
        key: &[u16],
        rows: &Rows<'_>,
        before: Image<'a>,
        after: Image<'a>,
        arena: &Arena<'a>,
    ) -> bool {
        let moves = repeats_key(before, key) && !same(before, after, key);
        let (Some(hash), false, false) = (hash_key(after, key), moves, has_diff(after)) else { return false };
        self.reserve(&[hash], rows, arena);
        let untouched = self.secondary.are_untouched(before, after);
        let now = match self.net.now(key, hash, after) {
            None if untouched => {
                self.net.modify(key, hash, after);
                return true;
            }
            Some(State::Row(row)) => State::Row(overlaid(row, after, arena)),
            Some(State::Changed(row)) if untouched => State::Changed(overlaid(row, after, arena)),
            None | Some(State::Gone | State::Changed(_)) => return false,
        };
        self.net.set(key, hash, now);
        true
    }

    /// Makes sure that changes of these keys may be folded into the open pair.
    fn reserve(&mut self, keys: &[u64], rows: &Rows<'_>, arena: &Arena<'a>) {
        if !self.in_order.changes.is_empty() {
            let any = self.is_key_loose || !self.secondary.is_empty() || self.in_order.touches_unknown;
            if any || keys.iter().any(|key| self.in_order.touches(*key)) {
                self.close(arena);
            }
        }
        self.net.observe(&rows.position, rows.time_micros);
    }

    /// Closes the open pair.
    pub(super) fn close(&mut self, arena: &Arena<'a>) {
        if let Some(mut changes) = self.net.changes(&self.table) {
            self.net.effects(&self.secondary, self.converging).for_each(|effect| changes.add(effect));
            if !changes.is_empty() {
                self.closed.push(Job::Net(changes));
            }
            self.net.clear();
        }
        if let Some(rows) = self.in_order.take(&self.table, arena) {
            self.closed.push(Job::InOrder(rows));
        }
    }

    /// Closes the open pair and takes all jobs out, in their order.
    pub(super) fn finish(&mut self, arena: &Arena<'a>) -> Vec<Job<'a>> {
        self.close(arena);
        mem::take(&mut self.closed)
    }

    /// The net effects, when the table has nothing else; they may be applied by several workers.
    pub(super) fn only_net(&self) -> Option<(NetChanges<'a>, Vec<Effect<'a>>)> {
        if !self.closed.is_empty() || !self.in_order.changes.is_empty() {
            return None;
        }
        let empty = self.net.changes(&self.table)?;
        Some((empty, self.net.effects(&self.secondary, self.converging).collect()))
    }
}

impl<'a> InOrder<'a> {
    fn push(&mut self, rows: &Rows<'_>, change: RowChange<'a>, key: Option<&[u16]>) {
        let (_, _, last) =
            self.span.get_or_insert_with(|| (rows.position.clone(), rows.sequence, rows.time_micros));
        *last = rows.time_micros;
        self.changes.push(change);
        let Some(key) = key else { return };
        let (before, after) = (change.before().unwrap_or_default(), change.after().unwrap_or_default());
        for hash in [hash_key_after(after, before, key), hash_key_after(before, after, key)] {
            match hash {
                Some(hash) if self.touches(hash) => {}
                Some(hash) => {
                    self.touched.insert_unique(hash, hash, |hash| *hash);
                }
                None => self.touches_unknown = true,
            }
        }
    }

    fn touches(&self, key: u64) -> bool {
        self.touched.find(key, |touched| *touched == key).is_some()
    }

    fn take(&mut self, table: &Arc<Table>, arena: &Arena<'a>) -> Option<Rows<'a>> {
        let (position, sequence, time_micros) = self.span.take()?;
        let changes = arena.slice(&self.changes);
        self.changes.clear();
        self.touched.clear();
        self.touches_unknown = false;
        let table = Arc::clone(table);
        Some(Rows { table, position, time_micros, sequence, unlogged_cascades: false, changes })
    }
}

/// Whether the image tells the whole row.
fn is_whole(image: Image<'_>) -> bool {
    !image.iter().any(|cell| matches!(cell, Cell::Absent | Cell::Unchanged | Cell::Value(Value::JsonDiff(_))))
}

/// Whether the image has a change of a document whose former content is not known.
fn has_diff(image: Image<'_>) -> bool {
    image.iter().any(|cell| matches!(cell, Cell::Value(Value::JsonDiff(_))))
}

/// The image after an update, with what it lacks as it was before, where that is known.
fn completed<'a>(before: Image<'a>, after: Image<'a>, arena: &Arena<'a>) -> Image<'a> {
    let known = |(before, after): (&Cell<'_>, &Cell<'_>)| {
        matches!((before, after), (Cell::Value(_), Cell::Absent | Cell::Unchanged))
    };
    if before.iter().zip(after).any(known) { overlaid(before, after, arena) } else { after }
}

/// The row that becomes of `row` when the values of `after` are written into it. Both have as many cells.
fn overlaid<'a>(row: Image<'a>, after: Image<'a>, arena: &Arena<'a>) -> Image<'a> {
    let cells: Vec<_> = row
        .iter()
        .zip(after)
        .map(|(old, new)| if matches!(new, Cell::Value(_)) { *new } else { *old })
        .collect();
    arena.slice(&cells)
}

/// Whether the image has any part of the key.
fn repeats_key(image: Image<'_>, key: &[u16]) -> bool {
    key.iter().any(|ordinal| matches!(image.get(usize::from(*ordinal)), Some(Cell::Value(_))))
}
