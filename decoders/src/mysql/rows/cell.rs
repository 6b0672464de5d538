//! One value of a row image.

use std::io::Read as _;

use flate2::read::{DeflateDecoder, ZlibDecoder};

use crate::mysql::{
    charset, json,
    reader::{Malformed, Reader},
    rows::{
        decimal,
        definition::{ColumnPlan, Content},
        temporal,
        wire::{Wire, prefixed},
    },
};
use crate::{
    arena::Arena,
    value::{Bits, Cell, Enum, Geometry, Set, Value},
};

impl ColumnPlan {
    /// Reads a value that is not NULL.
    pub(in crate::mysql) fn read<'a>(
        &self,
        reader: &mut Reader<'a>,
        arena: &Arena<'a>,
    ) -> Result<Value<'a>, Malformed> {
        let mut cell = Cell::Absent;
        self.read_into(&mut cell, reader, arena)?;
        Ok(cell.value().unwrap_or(Value::Null))
    }

    /// Reads a value that is not NULL.
    // Inlined into the loop over a row's columns, and with each kind of value written to its place at once: a value
    // that is returned is copied several times, which takes longer than reading most of them.
    #[inline(always)]
    pub(in crate::mysql) fn read_into<'a>(
        &self,
        cell: &mut Cell<'a>,
        reader: &mut Reader<'a>,
        arena: &Arena<'a>,
    ) -> Result<(), Malformed> {
        match self.wire {
            Wire::Integer { bytes: 4 } if !self.unsigned => put(cell, Value::Int(reader.i32()?.into())),
            Wire::Integer { bytes: 8 } if !self.unsigned => put(cell, Value::Int(reader.i64()?)),
            Wire::Integer { bytes } => put(cell, integer(reader, bytes, self.unsigned)?),
            Wire::VarChar { length_bytes, .. } | Wire::Blob { length_bytes } => {
                let bytes = prefixed(reader, length_bytes)?;
                match self.content {
                    Content::Utf8 => put(cell, Value::Text(charset::utf8(bytes)?)),
                    Content::Binary => put(cell, Value::Binary(bytes)),
                    _ => put(cell, self.string(bytes, arena)?),
                }
            }
            Wire::Char { length_bytes, max } => {
                let bytes = prefixed(reader, length_bytes)?;
                match self.content {
                    Content::Utf8 => put(cell, Value::Text(charset::utf8(bytes)?)),
                    _ => put(cell, self.fixed_string(bytes, max, arena)?),
                }
            }
            Wire::Double => put(cell, Value::Double(reader.f64()?)),
            Wire::Decimal { precision, scale } => {
                put(cell, Value::Decimal(decimal::read(reader, precision, scale, arena)?));
            }
            Wire::Enum { bytes: 1 } => put(cell, enumeration(&self.members, reader.u8()?.into(), arena)?),
            Wire::Date => put(cell, temporal::date(reader)?),
            Wire::DateTime { precision } => put(cell, temporal::datetime(reader, precision)?),
            Wire::Timestamp { precision } => put(cell, temporal::timestamp(reader, precision)?),
            _ => put(cell, self.read_rarer(reader, arena)?),
        }
        Ok(())
    }

    fn read_rarer<'a>(&self, reader: &mut Reader<'a>, arena: &Arena<'a>) -> Result<Value<'a>, Malformed> {
        match self.wire {
            Wire::CompressedVarChar { length_bytes, .. } | Wire::CompressedBlob { length_bytes } => {
                let bytes = uncompressed(prefixed(reader, length_bytes)?, arena)?;
                self.string(bytes, arena)
            }
            Wire::Geometry { length_bytes } => geometry(prefixed(reader, length_bytes)?),
            Wire::Json { length_bytes } => {
                json::decode(prefixed(reader, length_bytes)?, arena).map(Value::Json)
            }
            Wire::Vector { length_bytes } => prefixed(reader, length_bytes).map(Value::Vector),
            Wire::Bit { bits } => {
                let bytes = reader.take(usize::from(bits).div_ceil(8))?;
                Ok(Value::Bits(Bits { length: bits, bytes }))
            }
            Wire::Float => reader.f32().map(Value::Float),
            Wire::Enum { bytes } => {
                enumeration(&self.members, reader.uint(usize::from(bytes))? as u16, arena)
            }
            Wire::Set { bytes } => set(&self.members, reader.uint(usize::from(bytes))?, arena),
            Wire::OldTime => temporal::old_time(reader),
            Wire::OldDateTime => temporal::old_datetime(reader),
            Wire::OldTimestamp => temporal::old_timestamp(reader),
            Wire::Time { precision } => temporal::time(reader, precision),
            Wire::Year => Ok(Value::Year(match reader.u8()? {
                0 => 0,
                offset => 1900 + u16::from(offset),
            })),
            // The others are read by the caller, and NULL has no bytes.
            _ => Ok(Value::Null),
        }
    }

    /// The value of a string column whose whole content is stored.
    #[inline]
    fn string<'a>(&self, bytes: &'a [u8], arena: &Arena<'a>) -> Result<Value<'a>, Malformed> {
        match self.content {
            Content::Utf8 => charset::utf8(bytes).map(Value::Text),
            Content::Text(charset) => charset.decode(bytes, arena).map(Value::Text),
            Content::Undeclared => Ok(std::str::from_utf8(bytes).map_or(Value::Binary(bytes), Value::Text)),
            Content::Binary | Content::PaddedBinary | Content::Uuid => Ok(Value::Binary(bytes)),
        }
    }

    /// The value of a CHAR, BINARY or UUID column, whose trailing spaces or zero bytes are not stored.
    fn fixed_string<'a>(&self, bytes: &'a [u8], max: u16, arena: &Arena<'a>) -> Result<Value<'a>, Malformed> {
        let padded = || {
            let whole = arena.filled(usize::from(max).max(bytes.len()), 0_u8);
            if let Some(start) = whole.get_mut(..bytes.len()) {
                start.copy_from_slice(bytes);
            }
            &*whole
        };
        match self.content {
            Content::PaddedBinary if bytes.len() < usize::from(max) => Ok(Value::Binary(padded())),
            Content::Uuid => {
                let stored =
                    padded().try_into().map_err(|_| Malformed("has a UUID that is not 16 bytes long"))?;
                Ok(Value::Uuid(uuid(stored)))
            }
            _ => self.string(bytes, arena),
        }
    }

    /// Whether this is a JSON column, of which PARTIAL_UPDATE_ROWS may have only the changes.
    pub(in crate::mysql) fn is_json(&self) -> bool {
        matches!(self.wire, Wire::Json { .. })
    }

    /// Reads the changes of a JSON document and applies them to the document of the image before, where that has it.
    pub(in crate::mysql) fn read_json_diff<'a>(
        &self,
        reader: &mut Reader<'a>,
        before: Option<&'a [u8]>,
        arena: &Arena<'a>,
    ) -> Result<Value<'a>, Malformed> {
        let Wire::Json { length_bytes } = self.wire else {
            return Err(Malformed("has JSON changes for a column that is not JSON"));
        };
        let diff = prefixed(reader, length_bytes)?;
        match before {
            Some(document) => json::apply(document, diff, arena).map(Value::Json),
            None => json::diff(diff, arena).map(Value::JsonDiff),
        }
    }

    /// The stored bytes of a JSON document, without decoding them.
    pub(in crate::mysql) fn json_bytes<'a>(&self, reader: &mut Reader<'a>) -> Result<&'a [u8], Malformed> {
        match self.wire {
            Wire::Json { length_bytes } => prefixed(reader, length_bytes),
            _ => Err(Malformed("has a JSON document in another column")),
        }
    }
}

#[inline(always)]
fn put<'a>(cell: &mut Cell<'a>, value: Value<'a>) {
    *cell = Cell::Value(value);
}

#[inline]
fn integer<'a>(reader: &mut Reader<'_>, bytes: u8, unsigned: bool) -> Result<Value<'a>, Malformed> {
    if unsigned {
        return Ok(Value::UInt(match bytes {
            1 => reader.u8()?.into(),
            2 => reader.u16()?.into(),
            3 => reader.u24()?.into(),
            4 => reader.u32()?.into(),
            _ => reader.u64()?,
        }));
    }
    Ok(Value::Int(match bytes {
        1 => reader.i8()?.into(),
        2 => reader.i16()?.into(),
        3 => reader.i24()?.into(),
        4 => reader.i32()?.into(),
        _ => reader.i64()?,
    }))
}

/// The member of an ENUM at a place, from 1. Without `members` its name is not known.
#[inline]
pub(in crate::mysql) fn enumeration<'a>(
    members: &[String],
    index: u16,
    arena: &Arena<'a>,
) -> Result<Value<'a>, Malformed> {
    let label = match usize::from(index).checked_sub(1) {
        _ if members.is_empty() => None,
        None => Some(""),
        Some(place) => {
            let member = members.get(place).ok_or(Malformed("has an ENUM value that is not declared"))?;
            Some(arena.text(member))
        }
    };
    Ok(Value::Enum(Enum { index, label }))
}

/// The members of a SET by their bits. Without `members` their names are not known.
pub(in crate::mysql) fn set<'a>(
    members: &[String],
    mask: u64,
    arena: &Arena<'a>,
) -> Result<Value<'a>, Malformed> {
    let declared = members.len();
    let labels = if declared == 0 {
        None
    } else if declared < 64 && mask >> declared != 0 {
        return Err(Malformed("has a SET value that is not declared"));
    } else {
        let mut labels = String::new();
        for (_, member) in members.iter().enumerate().filter(|(i, _)| mask >> i & 1 == 1) {
            if !labels.is_empty() {
                labels.push(',');
            }
            labels.push_str(member);
        }
        Some(arena.text(&labels))
    };
    Ok(Value::Set(arena.value(Set { mask, labels })))
}

/// Four bytes of SRID, little endian, then well-known binary (MySQL manual, "Internal Geometry Storage Format").
pub(in crate::mysql) fn geometry(bytes: &[u8]) -> Result<Value<'_>, Malformed> {
    let mut reader = Reader::new(bytes);
    let srid = reader.u32()?;
    Ok(Value::Geometry(Geometry { srid, wkb: reader.rest() }))
}

/// MariaDB stores UUIDs of versions up to 5 with their five groups in reverse order, so that they sort by time, and
/// all others as they are. Which of the two was done shows in the variant bit and the version, which the reversal
/// moves to the bytes 6 and 8 (`sql/sql_type_uuid.h`).
fn uuid(stored: [u8; 16]) -> [u8; 16] {
    let [a0, a1, a2, a3, a4, a5, b0, b1, c0, c1, d0, d1, e0, e1, e2, e3] = stored;
    let is_reversed = b0 & 0x80 != 0 && c0 != 0 && c0 < 0x60;
    if is_reversed { [e0, e1, e2, e3, d0, d1, c0, c1, b0, b1, a0, a1, a2, a3, a4, a5] } else { stored }
}

/// A value of a MariaDB column declared COMPRESSED: a byte of method (high half: 0 none, 8 zlib) and, in the low half, 8 for
/// data without a zlib header plus the number of bytes of the original length, which follow big endian
/// (`sql/field_comp.cc`).
fn uncompressed<'a>(bytes: &'a [u8], arena: &Arena<'a>) -> Result<&'a [u8], Malformed> {
    let mut reader = Reader::new(bytes);
    if reader.is_empty() {
        return Ok(bytes);
    }
    let header = reader.u8()?;
    match header >> 4 {
        0 => Ok(reader.rest()),
        8 => {
            let length =
                reader.take(usize::from(header & 7))?.iter().fold(0_u64, |n, byte| n << 8 | u64::from(*byte));
            let mut data = Vec::new();
            // One byte more than promised is enough to see that the promise is wrong.
            let limit = length.saturating_add(1);
            let result = if header & 8 != 0 {
                DeflateDecoder::new(reader.rest()).take(limit).read_to_end(&mut data)
            } else {
                ZlibDecoder::new(reader.rest()).take(limit).read_to_end(&mut data)
            };
            if result.is_err() || data.len() as u64 != length {
                return Err(Malformed("has a compressed value that does not decompress"));
            }
            Ok(arena.slice(&data))
        }
        _ => Err(Malformed("has a value compressed by an unknown method")),
    }
}
