//! The net effect of many changes on each row of a table.
//!
//! **What is one row.** Changes belong to one row when the cells of its key are the same to the bit. A log shows stored values, and
//! a row keeps what is stored until a change says otherwise, so that the image before a change repeats the key of the image after the
//! change before it to the bit, whatever the collation. Where a collation takes different texts for equal (`'a'` and `'A'`), a
//! row that goes from one to the other is what it is for the bits: one key goes, another one comes. As the
//! source never had both at a time, the one of them that is there in the end comes behind the deletes, one of which
//! removes what was there before.
//!
//! **Why the order of the source need not be kept.** What the source had at the end of the group fulfils its unique keys,
//! and so does what it had at the beginning. Rows that keep their unique values stay where they are; all that give one up
//! are gone before the first one is taken.

use std::{slice, sync::Arc};

use hashbrown::{HashTable, hash_table::Entry};
use slackwater_decoders::{position::LogPosition, schema::Table, value::Cell};

use super::{
    group::{Image, NetChanges},
    key::same,
};

/// The rows of one table that changed, in the order of their first change.
#[derive(Debug, Default)]
pub(super) struct Net<'a> {
    slots: Vec<Slot<'a>>,
    /// Places in `slots`.
    index: HashTable<usize>,
    /// The first change's place, and the time of the last one.
    span: Option<(LogPosition, i64)>,
}

/// What happened to the row with one key.
#[derive(Debug)]
struct Slot<'a> {
    hash: u64,
    /// An image with the key; the row before the group, if it is [`Origin::Known`].
    identity: Image<'a>,
    origin: Origin,
    now: State<'a>,
}

/// What a row is after the changes so far.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum State<'a> {
    /// Not there.
    Gone,
    /// This row. Cells that it lacks are the columns' defaults.
    Row(Image<'a>),
    /// The row that was there before the group, with these values. Cells that it lacks are as they were.
    Changed(Image<'a>),
}

/// What was there before the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// No row with this key.
    Nothing,
    /// The row as the log shows it.
    Known,
    /// A row of which the log shows the key alone.
    Unknown,
}

/// The net effect on a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Effect<'a> {
    /// It goes.
    Delete(Image<'a>),
    /// It comes.
    Insert(Image<'a>),
    /// It stays, with the same unique values.
    Upsert(Image<'a>),
    /// It stays, with the same unique values, and gets the values that are here; what lacks is as it was.
    Update(Image<'a>),
    /// It stays, with other unique values or in a form that no upsert can write: it goes and comes again.
    Replace { before: Image<'a>, after: Image<'a> },
}

/// The unique keys of a table beside the one that identifies a row.
#[derive(Debug)]
pub(super) struct SecondaryKeys {
    /// The columns of each.
    pub(super) keys: Vec<Vec<u16>>,
    /// There is one over a part of a column or over an expression: its values cannot be told from the row.
    pub(super) is_opaque: bool,
}

impl SecondaryKeys {
    pub(super) fn of(table: &Table) -> Self {
        let key = table.key().unwrap_or_default();
        let others = || table.unique_keys.iter().filter(|unique| unique.partial || unique.columns != key);
        SecondaryKeys {
            keys: others().map(|unique| unique.columns.clone()).collect(),
            is_opaque: others().any(|unique| unique.partial),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether a change that tells `after` leaves the row its unique values. A cell that `after` lacks did not change.
    pub(super) fn are_untouched(&self, before: Image<'_>, after: Image<'_>) -> bool {
        let lacks = |ordinal: &u16| !matches!(after.get(usize::from(*ordinal)), Some(Cell::Value(_)));
        !self.is_opaque
            && self
                .keys
                .iter()
                .flatten()
                .all(|ordinal| lacks(ordinal) || same(before, after, slice::from_ref(ordinal)))
    }

    fn are_kept(&self, before: Image<'_>, after: Image<'_>) -> bool {
        !self.is_opaque && self.keys.iter().all(|columns| same(before, after, columns))
    }
}

impl<'a> Net<'a> {
    /// Bytes of memory beside the images.
    pub(super) fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot<'_>>() + self.index.allocation_size()
    }

    /// Takes note of where and when the changes that follow were made.
    pub(super) fn observe(&mut self, position: &LogPosition, time_micros: i64) {
        let (_, last) = self.span.get_or_insert_with(|| (position.clone(), time_micros));
        *last = time_micros;
    }

    /// A row with this key comes.
    pub(super) fn insert(&mut self, key: &[u16], hash: u64, after: Image<'a>) {
        self.slot(key, hash, after, Origin::Nothing, State::Row(after));
    }

    /// The row with this key goes.
    pub(super) fn delete(&mut self, key: &[u16], hash: u64, before: Image<'a>) {
        self.slot(key, hash, before, Origin::Known, State::Gone);
    }

    /// The row with this key gets other values.
    pub(super) fn update(&mut self, key: &[u16], hash: u64, before: Image<'a>, after: Image<'a>) {
        self.slot(key, hash, before, Origin::Known, State::Row(after));
    }

    /// The row with this key gets other values, and its former ones are not in the log.
    pub(super) fn write(&mut self, key: &[u16], hash: u64, after: Image<'a>) {
        self.slot(key, hash, after, Origin::Unknown, State::Row(after));
    }

    /// The row with this key, which was there before the group, gets the values that `after` has.
    pub(super) fn modify(&mut self, key: &[u16], hash: u64, after: Image<'a>) {
        self.slot(key, hash, after, Origin::Unknown, State::Changed(after));
    }

    /// What the row with this key is by now; `None` when nothing has happened to it.
    pub(super) fn now(&self, key: &[u16], hash: u64, identity: Image<'_>) -> Option<State<'a>> {
        let is_it = |place: &usize| {
            self.slots.get(*place).is_some_and(|slot| slot.hash == hash && same(slot.identity, identity, key))
        };
        let place = self.index.find(hash, is_it)?;
        self.slots.get(*place).map(|slot| slot.now)
    }

    /// Sets what the row with this key, to which something has happened, is by now.
    pub(super) fn set(&mut self, key: &[u16], hash: u64, now: State<'a>) {
        let (State::Row(image) | State::Changed(image)) = now else { return };
        self.slot(key, hash, image, Origin::Unknown, now);
    }

    fn slot(&mut self, key: &[u16], hash: u64, identity: Image<'a>, origin: Origin, now: State<'a>) {
        let slots = &mut self.slots;
        let is_it = |place: &usize| {
            slots.get(*place).is_some_and(|slot| slot.hash == hash && same(slot.identity, identity, key))
        };
        let hash_of = |place: &usize| slots.get(*place).map_or(0, |slot| slot.hash);
        match self.index.entry(hash, is_it, hash_of) {
            Entry::Occupied(place) => {
                if let Some(slot) = slots.get_mut(*place.get()) {
                    slot.now = now;
                }
            }
            Entry::Vacant(vacant) => {
                vacant.insert(slots.len());
                slots.push(Slot { hash, identity, origin, now });
            }
        }
    }

    /// The net effects, in the order of the rows' first changes.
    pub(super) fn effects(
        &self,
        secondary: &SecondaryKeys,
        converging: bool,
    ) -> impl Iterator<Item = Effect<'a>> {
        self.slots.iter().filter_map(move |slot| slot.effect(secondary, converging))
    }

    /// An empty set of changes of the table, of the same place and time.
    pub(super) fn changes(&self, table: &Arc<Table>) -> Option<NetChanges<'a>> {
        let (position, time_micros) = self.span.clone()?;
        Some(NetChanges {
            table: Arc::clone(table),
            position,
            time_micros,
            deletes: Vec::new(),
            inserts: Vec::new(),
            upserts: Vec::new(),
            updates: Vec::new(),
        })
    }

    pub(super) fn clear(&mut self) {
        self.slots.clear();
        self.index.clear();
        self.span = None;
    }
}

impl<'a> Slot<'a> {
    /// While converging, a row that came and went may be there, copied in between.
    fn effect(&self, secondary: &SecondaryKeys, converging: bool) -> Option<Effect<'a>> {
        match (self.origin, self.now) {
            (Origin::Nothing, State::Gone) => converging.then_some(Effect::Delete(self.identity)),
            (Origin::Nothing, State::Row(after) | State::Changed(after)) => Some(Effect::Insert(after)),
            (_, State::Gone) => Some(Effect::Delete(self.identity)),
            (_, State::Changed(after)) => Some(Effect::Update(after)),
            (origin, State::Row(after)) => {
                let kept = match origin {
                    Origin::Known => secondary.are_kept(self.identity, after),
                    _ => secondary.is_empty(),
                };
                // An insert may leave cells to the columns' defaults.
                if kept && after.iter().all(|cell| matches!(cell, Cell::Value(_))) {
                    Some(Effect::Upsert(after))
                } else {
                    Some(Effect::Replace { before: self.identity, after })
                }
            }
        }
    }
}

impl<'a> NetChanges<'a> {
    pub(super) fn add(&mut self, effect: Effect<'a>) {
        match effect {
            Effect::Delete(before) => self.deletes.push(before),
            Effect::Insert(after) => self.inserts.push(after),
            Effect::Upsert(after) => self.upserts.push(after),
            Effect::Update(after) => self.updates.push(after),
            Effect::Replace { before, after } => {
                self.deletes.push(before);
                self.inserts.push(after);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.deletes.is_empty()
            && self.inserts.is_empty()
            && self.upserts.is_empty()
            && self.updates.is_empty()
    }
}
