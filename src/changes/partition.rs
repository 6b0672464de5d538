//! Parting the net effects on a table among workers.
//!
//! Workers never wait for each other's rows, and a group that is built again has the same shares. That needs what is equal for the
//! database to be of one share: a key that goes and an equal one that comes, and a value of another unique key that one row
//! gives up and another one takes.
//!
//! **Keys that are equal only when they are the same to the bit** are put in order and cut into ranges, one for each worker, so
//! that the workers write to different pages of the table: where they are mixed, MariaDB 10.11 takes a fifth more
//! processor time to wait for pages.
//!
//! **Other keys** go to the worker that the hash of the table's name and the key says. It is made from a form that is the same for
//! equal values: text without case and without spaces at its end. Where that is not certain, because the text has other
//! characters than those that all common collations tell apart, or a collation is not known, a table from which such
//! values go and to which such values come stays whole.
//!
//! Like the hash itself, this must never change; see [`key`](super::key).

use std::collections::HashMap;

use slackwater_decoders::{
    arena::Arena,
    schema::{Column, ColumnType, Table},
    value::{Cell, Value},
};

use super::{
    fold::TableFold,
    group::{Image, Job, NetChanges, Share},
    key::{self, Hash},
    net::{Effect, SecondaryKeys},
};

/// With fewer changes a group is one worker's: another one's commit costs more than it saves.
pub(super) const WORTH_PARTING: usize = 64;
/// With fewer rows for each worker a table is one worker's, which differs from table to table.
const RANGE: usize = 4;

/// Gives the changes of a table to the shares.
pub(super) fn part<'a>(table: &mut TableFold<'a>, shares: &mut [Share<'a>], arena: &Arena<'a>) {
    match table.only_net().and_then(|(empty, effects)| parted(table, empty, effects, shares.len())) {
        Some(parts) => {
            for (share, changes) in shares.iter_mut().zip(parts) {
                if !changes.is_empty() {
                    share.jobs.push(Job::Net(changes));
                }
            }
        }
        None => {
            let jobs = table.finish(arena);
            shares.iter_mut().take(1).for_each(|first| first.jobs.extend(jobs.iter().cloned()));
        }
    }
}

/// The parts of each share; `None` when the table has to stay whole.
fn parted<'a>(
    fold: &TableFold<'a>,
    empty: NetChanges<'a>,
    effects: Vec<Effect<'a>>,
    shares: usize,
) -> Option<Vec<NetChanges<'a>>> {
    let table = &fold.table;
    let key = table.key()?;
    let (placed, certain) = match KeyForm::of(table, key) {
        _ if effects.len() < shares * RANGE => (together(table, effects, shares), true),
        KeyForm::Exact => (in_ranges(key, effects, shares), true),
        KeyForm::Text => by_hash(table, key, effects, shares),
    };
    let goes = || placed.iter().any(|(_, effect)| matches!(effect, Effect::Delete(_)));
    let comes = || placed.iter().any(|(_, effect)| matches!(effect, Effect::Insert(_)));
    if !certain && goes() && comes() || values_cross(table, &fold.secondary, &placed) {
        return None;
    }
    let mut parts = vec![empty; shares];
    for (share, effect) in placed {
        if let Some(part) = parts.get_mut(share) {
            part.add(effect);
        }
    }
    Some(parts)
}

/// The effects, each with its share.
type Placed<'a> = Vec<(usize, Effect<'a>)>;

/// One share for all.
fn together<'a>(table: &Table, effects: Vec<Effect<'a>>, shares: usize) -> Placed<'a> {
    let share = share_of(name_hash(table), 0, shares);
    effects.into_iter().map(|effect| (share, effect)).collect()
}

/// Shares that are ranges of keys, of about the same cost.
fn in_ranges<'a>(key: &[u16], mut effects: Vec<Effect<'a>>, shares: usize) -> Placed<'a> {
    effects.sort_by(|one, other| key::order(one.image(), other.image(), key));
    let total = effects.iter().map(Effect::cost).sum::<usize>().max(1);
    let mut before = 0;
    effects
        .into_iter()
        .map(|effect| {
            let share = before * shares / total;
            before += effect.cost();
            (share, effect)
        })
        .collect()
}

/// Shares by the hashes of keys, and whether it is certain that equal keys are of one share.
fn by_hash<'a>(table: &Table, key: &[u16], effects: Vec<Effect<'a>>, shares: usize) -> (Placed<'a>, bool) {
    let name = name_hash(table);
    let mut all_certain = true;
    let placed = effects.into_iter().map(|effect| {
        let (hash, certain) = equal_hash(table, key, effect.image());
        all_certain &= certain;
        (share_of(name, hash, shares), effect)
    });
    (placed.collect(), all_certain)
}

/// The share of a row.
fn share_of(table: u64, key: u64, shares: usize) -> usize {
    let mut hash = Hash::default();
    hash.word(table);
    hash.word(key);
    (hash.finish() % shares.max(1) as u64) as usize
}

fn name_hash(table: &Table) -> u64 {
    let mut hash = Hash::default();
    hash.bytes(table.name.database.as_bytes());
    hash.bytes(table.name.table.as_bytes());
    hash.finish()
}

/// Whether a key's values are equal only when they are the same to the bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyForm {
    Exact,
    Text,
}

impl KeyForm {
    fn of(table: &Table, key: &[u16]) -> Self {
        let exact = key.iter().filter_map(|ordinal| table.columns.get(usize::from(*ordinal))).all(|column| {
            matches!(
                column.column_type,
                ColumnType::Integer { .. }
                    | ColumnType::Decimal { .. }
                    | ColumnType::Binary(_)
                    | ColumnType::VarBinary(_)
                    | ColumnType::Date
                    | ColumnType::Time(_)
                    | ColumnType::DateTime(_)
                    | ColumnType::Timestamp(_)
                    | ColumnType::Year
                    | ColumnType::Bits(_)
                    | ColumnType::Enum(_)
                    | ColumnType::Set(_)
                    | ColumnType::Uuid
                    | ColumnType::Inet4
                    | ColumnType::Inet6
            )
        });
        if exact { KeyForm::Exact } else { KeyForm::Text }
    }
}

/// Whether a value of a unique key may be given up by a row of one share and taken by a row of another one.
fn values_cross(table: &Table, secondary: &SecondaryKeys, effects: &[(usize, Effect<'_>)]) -> bool {
    secondary.keys.iter().any(|columns| {
        let value = |image| match secondary.is_opaque {
            false => unique_value(table, columns, image),
            true => UniqueValue::Uncertain,
        };
        let mut released: HashMap<u64, usize> = HashMap::new();
        let (mut goes, mut goes_uncertain) = (false, false);
        for (share, effect) in effects {
            let Some(before) = effect.before() else { continue };
            match value(before) {
                UniqueValue::None => {}
                UniqueValue::Uncertain => (goes, goes_uncertain) = (true, true),
                // A value of the log is one row's at a time, but may go through several: any of them counts.
                UniqueValue::Hash(hash) => {
                    goes = true;
                    let share = *share;
                    released
                        .entry(hash)
                        .and_modify(|of| {
                            if *of != share {
                                *of = usize::MAX
                            }
                        })
                        .or_insert(share);
                }
            }
        }
        effects.iter().any(|(share, effect)| match effect.after().map(value) {
            None | Some(UniqueValue::None) => false,
            Some(UniqueValue::Uncertain) => goes,
            Some(UniqueValue::Hash(hash)) => {
                goes_uncertain || released.get(&hash).is_some_and(|of| of != share)
            }
        })
    })
}

enum UniqueValue {
    /// A part of it is NULL: it is in nobody's way.
    None,
    /// Equal values have equal hashes.
    Hash(u64),
    Uncertain,
}

fn unique_value(table: &Table, columns: &[u16], image: Image<'_>) -> UniqueValue {
    let cells = || columns.iter().map(|ordinal| image.get(usize::from(*ordinal)));
    if cells().any(|cell| cell == Some(&Cell::Value(Value::Null))) {
        return UniqueValue::None;
    }
    match equal_hash(table, columns, image) {
        (hash, true) => UniqueValue::Hash(hash),
        (_, false) => UniqueValue::Uncertain,
    }
}

/// A hash of the values of columns, and whether it is certain that equal values have the same one.
fn equal_hash(table: &Table, columns: &[u16], image: Image<'_>) -> (u64, bool) {
    let mut hash = Hash::default();
    let mut certain = true;
    for ordinal in columns {
        let ordinal = usize::from(*ordinal);
        let (Some(column), Some(Cell::Value(value))) = (table.columns.get(ordinal), image.get(ordinal))
        else {
            certain = false;
            continue;
        };
        certain &= add_equal(&mut hash, column, value);
    }
    (hash.finish(), certain)
}

fn add_equal(hash: &mut Hash, column: &Column, value: &Value<'_>) -> bool {
    match value {
        Value::Text(text) => {
            let text = text.trim_end_matches(' ').to_ascii_lowercase();
            hash.bytes(text.as_bytes());
            // A TEXT column's key covers no more than its start.
            !matches!(column.column_type, ColumnType::Text(_)) && is_told_apart(column, &text)
        }
        // A BLOB's key as well.
        Value::Binary(bytes) => {
            hash.bytes(bytes);
            !matches!(column.column_type, ColumnType::Blob(_))
        }
        // Both zeros are equal.
        Value::Float(number) => {
            hash.word(u64::from((number + 0.0).to_bits()));
            true
        }
        Value::Double(number) => {
            hash.word((number + 0.0).to_bits());
            true
        }
        value => {
            hash.value(value);
            !matches!(value, Value::Json(_) | Value::JsonDiff(_) | Value::Geometry(_) | Value::Vector(_))
        }
    }
}

/// Whether the collation tells the text, without case and spaces at its end, from all others.
fn is_told_apart(column: &Column, text: &str) -> bool {
    let Some(collation) = column.collation.as_deref() else { return false };
    if collation == "binary" || collation.ends_with("_bin") {
        return true;
    }
    // Collations of a language may take letters for equal (Lithuanian i and y) or several of them for one.
    let (_, rules) = collation.split_once('_').unwrap_or_default();
    let common = rules.starts_with("general")
        || rules.starts_with("unicode")
        || rules.starts_with("0900_a")
        || rules.starts_with("uca1400_a")
        || collation == "latin1_swedish_ci";
    common && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:@/ ".contains(&byte))
}

impl<'a> Effect<'a> {
    /// An image that has the key.
    fn image(&self) -> Image<'a> {
        match *self {
            Effect::Delete(image) | Effect::Insert(image) | Effect::Upsert(image) | Effect::Update(image) => {
                image
            }
            Effect::Replace { after, .. } => after,
        }
    }

    /// What it costs a destination, roughly: to change a row of an index takes twice as long as to add or to remove one.
    fn cost(&self) -> usize {
        match self {
            Effect::Delete(_) | Effect::Insert(_) => 1,
            Effect::Upsert(_) | Effect::Update(_) | Effect::Replace { .. } => 2,
        }
    }

    /// The row that gives its unique values up.
    fn before(&self) -> Option<Image<'a>> {
        match *self {
            Effect::Delete(before) | Effect::Replace { before, .. } => Some(before),
            Effect::Insert(_) | Effect::Upsert(_) | Effect::Update(_) => None,
        }
    }

    /// The row that takes unique values.
    fn after(&self) -> Option<Image<'a>> {
        match *self {
            Effect::Insert(after) | Effect::Replace { after, .. } => Some(after),
            Effect::Delete(_) | Effect::Upsert(_) | Effect::Update(_) => None,
        }
    }
}
