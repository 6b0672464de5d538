//! Hashes and equality of keys.
//!
//! The hash also decides which worker gets a row, and a group that was cut off is built again by whatever version of the program
//! starts next: it must never change. For each 64-bit word w of the key, h = (rotate_left(h, 5) xor w) × 0x517CC1B727220A95,
//! modulo 2⁶⁴ and from h = 0; at the end the finalizer of MurmurHash3 (`fmix64`). A number is one word; text and bytes are
//! their length and then their bytes in little-endian words, the last one filled up with zeros.
//!
//! The same holds for the order of keys, by which rows are given to workers in ranges.

use std::cmp::Ordering;

use slackwater_decoders::value::{Cell, DateTime, Value};

use super::group::Image;

/// The hash of words, see the module.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hash(u64);

impl Hash {
    #[inline]
    pub(super) fn word(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517C_C1B7_2722_0A95);
    }

    #[inline]
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.word(bytes.len() as u64);
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.word(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            self.word(rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)));
        }
    }

    #[inline]
    pub(super) fn value(&mut self, value: &Value<'_>) {
        match *value {
            Value::Int(number) => self.word(number.cast_unsigned()),
            Value::UInt(number) => self.word(number),
            Value::Float(number) => self.word(u64::from(number.to_bits())),
            Value::Double(number) => self.word(number.to_bits()),
            Value::Decimal(text) | Value::Text(text) => self.bytes(text.as_bytes()),
            Value::Binary(bytes) | Value::Vector(bytes) => self.bytes(bytes),
            Value::Date(date) => self.word(date_word(DateTime { date, ..DateTime::default() })),
            Value::Time(time) => self.word(time.micros.cast_unsigned()),
            Value::DateTime(time) => {
                self.word(date_word(time));
                self.word(u64::from(time.micros));
            }
            Value::Timestamp(time) => self.word(time.micros.cast_unsigned()),
            Value::Year(year) => self.word(u64::from(year)),
            Value::Bits(bits) => self.bytes(bits.bytes),
            Value::Enum(member) => self.word(u64::from(member.index)),
            Value::Set(set) => self.word(set.mask),
            Value::Geometry(geometry) => self.bytes(geometry.wkb),
            Value::Json(document) => self.bytes(document.text.as_bytes()),
            Value::Uuid(uuid) => self.bytes(&uuid),
            // NULL; and what no key has.
            _ => self.word(0),
        }
    }

    #[inline]
    pub(super) fn finish(self) -> u64 {
        let mut hash = self.0;
        hash = (hash ^ hash >> 33).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
        hash = (hash ^ hash >> 33).wrapping_mul(0xC4CE_B9FE_1A85_EC53);
        hash ^ hash >> 33
    }
}

fn date_word(time: DateTime) -> u64 {
    let date = u64::from(time.date.year) << 16 | u64::from(time.date.month) << 8 | u64::from(time.date.day);
    date << 24 | u64::from(time.hour) << 16 | u64::from(time.minute) << 8 | u64::from(time.second)
}

/// The hash of the key in an image; `None` when the image lacks a part of the key.
#[inline]
pub(super) fn hash_key(image: Image<'_>, key: &[u16]) -> Option<u64> {
    let mut hash = Hash::default();
    for ordinal in key {
        match image.get(usize::from(*ordinal)) {
            Some(Cell::Value(value)) => hash.value(value),
            _ => return None,
        }
    }
    Some(hash.finish())
}

/// The hash of the key that a row has after a change whose images may lack what did not change.
pub(super) fn hash_key_after(before: Image<'_>, after: Image<'_>, key: &[u16]) -> Option<u64> {
    let mut hash = Hash::default();
    for ordinal in key {
        let ordinal = usize::from(*ordinal);
        match (after.get(ordinal), before.get(ordinal)) {
            (Some(Cell::Value(value)), _) | (_, Some(Cell::Value(value))) => hash.value(value),
            _ => return None,
        }
    }
    Some(hash.finish())
}

/// Whether these columns are in both images and have the same values, to the bit.
#[inline]
pub(super) fn same(a: Image<'_>, b: Image<'_>, columns: &[u16]) -> bool {
    columns.iter().all(|ordinal| {
        let ordinal = usize::from(*ordinal);
        match (a.get(ordinal), b.get(ordinal)) {
            (Some(Cell::Value(a)), Some(Cell::Value(b))) => same_value(a, b),
            _ => false,
        }
    })
}

#[inline]
fn same_value(a: &Value<'_>, b: &Value<'_>) -> bool {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => a == b,
        (Value::UInt(a), Value::UInt(b)) => a == b,
        (Value::Float(a), Value::Float(b)) => a.to_bits() == b.to_bits(),
        (Value::Double(a), Value::Double(b)) => a.to_bits() == b.to_bits(),
        (a, b) => a == b,
    }
}

/// How the rows of two images are ordered by these columns. Roughly what an index has, where that can be told without a
/// collation: for a database a wrong answer costs time alone.
pub(crate) fn order(a: Image<'_>, b: Image<'_>, columns: &[u16]) -> Ordering {
    let each = columns.iter().map(|ordinal| usize::from(*ordinal));
    each.map(|ordinal| order_of_values(value(a, ordinal), value(b, ordinal)))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

#[inline]
fn value<'a>(image: Image<'a>, ordinal: usize) -> Value<'a> {
    image.get(ordinal).and_then(|cell| cell.value()).unwrap_or(Value::Null)
}

#[inline]
fn order_of_values(a: Value<'_>, b: Value<'_>) -> Ordering {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => a.cmp(&b),
        (Value::UInt(a), Value::UInt(b)) => a.cmp(&b),
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        (Value::Binary(a), Value::Binary(b)) => a.cmp(b),
        (Value::Date(a), Value::Date(b)) => a.cmp(&b),
        (Value::DateTime(a), Value::DateTime(b)) => a.cmp(&b),
        (Value::Timestamp(a), Value::Timestamp(b)) => a.cmp(&b),
        (Value::Uuid(a), Value::Uuid(b)) => a.cmp(&b),
        (a, b) => rank(a).cmp(&rank(b)),
    }
}

/// Keeps values apart that are not of one kind: sorting needs one order of all.
fn rank(value: Value<'_>) -> u8 {
    match value {
        Value::Int(_) => 1,
        Value::UInt(_) => 2,
        Value::Text(_) => 3,
        Value::Binary(_) => 4,
        Value::Date(_) => 5,
        Value::DateTime(_) => 6,
        Value::Timestamp(_) => 7,
        Value::Uuid(_) => 8,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed from the definition in the module with Python's integers.
    #[test]
    fn the_hash_is_what_it_always_was() {
        let hash = |values: &[Value<'_>]| {
            let mut hash = Hash::default();
            values.iter().for_each(|value| hash.value(value));
            hash.finish()
        };
        assert_eq!(hash(&[Value::Int(1)]), HASH_OF_ONE);
        assert_eq!(hash(&[Value::UInt(7), Value::Text("slackwater")]), HASH_OF_TWO);
    }

    const HASH_OF_ONE: u64 = 0x37E8_D294_6949_7CD2;
    const HASH_OF_TWO: u64 = 0x3F0B_F74B_C864_444A;
}
