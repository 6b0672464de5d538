//! How each column of a row image is stored: the type byte and the metadata of TABLE_MAP
//! (MySQL `sql/rpl_utility.cc`, `read_field_metadata`, and `sql/log_event.cc`, `log_event_print_value`).

use crate::mysql::{
    error::Reason,
    reader::{Malformed, Reader},
    rows::decimal,
};

/// Column type codes (MySQL `include/field_types.h`; 140 and 141 are MariaDB's compressed columns).
pub(in crate::mysql) mod code {
    pub(crate) const TINY: u8 = 1;
    pub(crate) const SHORT: u8 = 2;
    pub(crate) const LONG: u8 = 3;
    pub(crate) const FLOAT: u8 = 4;
    pub(crate) const DOUBLE: u8 = 5;
    pub(crate) const NULL: u8 = 6;
    pub(crate) const TIMESTAMP: u8 = 7;
    pub(crate) const LONGLONG: u8 = 8;
    pub(crate) const INT24: u8 = 9;
    pub(crate) const DATE: u8 = 10;
    pub(crate) const TIME: u8 = 11;
    pub(crate) const DATETIME: u8 = 12;
    pub(crate) const YEAR: u8 = 13;
    pub(crate) const NEWDATE: u8 = 14;
    pub(crate) const VARCHAR: u8 = 15;
    pub(crate) const BIT: u8 = 16;
    pub(crate) const TIMESTAMP2: u8 = 17;
    pub(crate) const DATETIME2: u8 = 18;
    pub(crate) const TIME2: u8 = 19;
    pub(crate) const BLOB_COMPRESSED: u8 = 140;
    pub(crate) const VARCHAR_COMPRESSED: u8 = 141;
    pub(crate) const VECTOR: u8 = 242;
    pub(crate) const JSON: u8 = 245;
    pub(crate) const NEWDECIMAL: u8 = 246;
    pub(crate) const ENUM: u8 = 247;
    pub(crate) const SET: u8 = 248;
    pub(crate) const TINY_BLOB: u8 = 249;
    pub(crate) const MEDIUM_BLOB: u8 = 250;
    pub(crate) const LONG_BLOB: u8 = 251;
    pub(crate) const BLOB: u8 = 252;
    pub(crate) const VAR_STRING: u8 = 253;
    pub(crate) const STRING: u8 = 254;
    pub(crate) const GEOMETRY: u8 = 255;
}

/// How a column's value is stored in a row image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mysql) enum Wire {
    Integer {
        bytes: u8,
    },
    Float,
    Double,
    Decimal {
        precision: u8,
        scale: u8,
    },
    /// A fixed-length column, stored with its length in 1 or 2 bytes; `max` is the declared length in bytes.
    Char {
        length_bytes: u8,
        max: u16,
    },
    VarChar {
        length_bytes: u8,
        max: u16,
    },
    Blob {
        length_bytes: u8,
    },
    Geometry {
        length_bytes: u8,
    },
    Json {
        length_bytes: u8,
    },
    Vector {
        length_bytes: u8,
    },
    /// `max` is the declared length in bytes.
    CompressedVarChar {
        length_bytes: u8,
        max: u16,
    },
    CompressedBlob {
        length_bytes: u8,
    },
    Bit {
        bits: u16,
    },
    Enum {
        bytes: u8,
    },
    Set {
        bytes: u8,
    },
    Date,
    OldTime,
    OldDateTime,
    OldTimestamp,
    Time {
        precision: u8,
    },
    DateTime {
        precision: u8,
    },
    Timestamp {
        precision: u8,
    },
    Year,
    Null,
}

impl Wire {
    /// Reads a column's metadata, which follows the list of all types.
    pub(in crate::mysql) fn parse(column_type: u8, metadata: &mut Reader<'_>) -> Result<Self, Reason> {
        let malformed = |what| Reason::Malformed { event: "TABLE_MAP", what };
        Self::read(column_type, metadata).map_err(malformed)?.ok_or(Reason::UnknownType(column_type))
    }

    fn read(column_type: u8, metadata: &mut Reader<'_>) -> Result<Option<Self>, Malformed> {
        Ok(Some(match column_type {
            code::TINY => Wire::Integer { bytes: 1 },
            code::SHORT => Wire::Integer { bytes: 2 },
            code::INT24 => Wire::Integer { bytes: 3 },
            code::LONG => Wire::Integer { bytes: 4 },
            code::LONGLONG => Wire::Integer { bytes: 8 },
            code::FLOAT => expect_size(metadata, 4, Wire::Float)?,
            code::DOUBLE => expect_size(metadata, 8, Wire::Double)?,
            code::NEWDECIMAL => Wire::Decimal { precision: metadata.u8()?, scale: metadata.u8()? },
            code::VARCHAR => {
                let max = metadata.u16()?;
                Wire::VarChar { length_bytes: length_bytes(max), max }
            }
            code::VARCHAR_COMPRESSED => {
                // The method's byte counts as part of the length (`Field_varstring_compressed`).
                let stored = metadata.u16()?;
                Wire::CompressedVarChar { length_bytes: length_bytes(stored), max: stored.saturating_sub(1) }
            }
            code::BLOB | code::TINY_BLOB | code::MEDIUM_BLOB | code::LONG_BLOB => {
                Wire::Blob { length_bytes: prefix(metadata)? }
            }
            code::BLOB_COMPRESSED => Wire::CompressedBlob { length_bytes: prefix(metadata)? },
            code::GEOMETRY => Wire::Geometry { length_bytes: prefix(metadata)? },
            code::JSON => Wire::Json { length_bytes: prefix(metadata)? },
            code::VECTOR => Wire::Vector { length_bytes: prefix(metadata)? },
            code::BIT => {
                let (rest, whole) = (metadata.u8()?, metadata.u8()?);
                let bits = u16::from(whole) * 8 + u16::from(rest);
                if rest > 7 || bits == 0 || bits > 64 {
                    return Err(Malformed("has a BIT column of an impossible length"));
                }
                Wire::Bit { bits }
            }
            code::STRING | code::VAR_STRING | code::ENUM | code::SET => Self::string(metadata)?,
            code::DATE | code::NEWDATE => Wire::Date,
            code::TIME => Wire::OldTime,
            code::DATETIME => Wire::OldDateTime,
            code::TIMESTAMP => Wire::OldTimestamp,
            code::TIME2 => Wire::Time { precision: precision(metadata)? },
            code::DATETIME2 => Wire::DateTime { precision: precision(metadata)? },
            code::TIMESTAMP2 => Wire::Timestamp { precision: precision(metadata)? },
            code::YEAR => Wire::Year,
            code::NULL => Wire::Null,
            _ => return Ok(None),
        }))
    }

    /// CHAR, BINARY, ENUM and SET share a type byte; the real type stands in the metadata, together with two more bits of
    /// the length for CHAR, inverted so that short ones read as before (MySQL bug 37426).
    fn string(metadata: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (first, second) = (metadata.u8()?, metadata.u8()?);
        match first {
            code::ENUM if matches!(second, 1 | 2) => Ok(Wire::Enum { bytes: second }),
            code::SET if matches!(second, 1..=4 | 8) => Ok(Wire::Set { bytes: second }),
            code::ENUM | code::SET => Err(Malformed("has an ENUM or SET column of an impossible size")),
            _ => {
                let max = u16::from(!first & 0x30) << 4 | u16::from(second);
                Ok(Wire::Char { length_bytes: length_bytes(max), max })
            }
        }
    }

    /// Whether the metadata's list of signs has this column (MySQL `is_numeric_type`): YEAR is among them, BIT is not.
    pub(in crate::mysql) fn is_numeric(self) -> bool {
        matches!(self, Wire::Integer { .. } | Wire::Float | Wire::Double | Wire::Decimal { .. } | Wire::Year)
    }

    /// Whether the metadata's list of character sets has this column (MySQL `is_character_type`).
    pub(in crate::mysql) fn is_character(self) -> bool {
        matches!(
            self,
            Wire::Char { .. }
                | Wire::VarChar { .. }
                | Wire::Blob { .. }
                | Wire::CompressedVarChar { .. }
                | Wire::CompressedBlob { .. }
        )
    }

    /// Passes over a value.
    pub(in crate::mysql) fn skip(self, reader: &mut Reader<'_>) -> Result<(), Malformed> {
        match self {
            Wire::Integer { bytes } | Wire::Enum { bytes } | Wire::Set { bytes } => {
                reader.skip(usize::from(bytes))
            }
            Wire::Float | Wire::OldTimestamp => reader.skip(4),
            Wire::Double | Wire::OldDateTime => reader.skip(8),
            Wire::Decimal { precision, scale } => reader.skip(decimal::length(precision, scale)),
            Wire::Char { length_bytes, .. }
            | Wire::VarChar { length_bytes, .. }
            | Wire::CompressedVarChar { length_bytes, .. }
            | Wire::Blob { length_bytes }
            | Wire::Geometry { length_bytes }
            | Wire::Json { length_bytes }
            | Wire::Vector { length_bytes }
            | Wire::CompressedBlob { length_bytes } => prefixed(reader, length_bytes).map(|_| ()),
            Wire::Bit { bits } => reader.skip(usize::from(bits).div_ceil(8)),
            Wire::Date | Wire::OldTime => reader.skip(3),
            Wire::Time { precision } => reader.skip(3 + fraction_bytes(precision)),
            Wire::DateTime { precision } => reader.skip(5 + fraction_bytes(precision)),
            Wire::Timestamp { precision } => reader.skip(4 + fraction_bytes(precision)),
            Wire::Year => reader.skip(1),
            Wire::Null => Ok(()),
        }
    }
}

/// Reads a value that is stored with its length in that many bytes before it.
#[inline]
pub(in crate::mysql) fn prefixed<'a>(
    reader: &mut Reader<'a>,
    length_bytes: u8,
) -> Result<&'a [u8], Malformed> {
    let length = match length_bytes {
        1 => usize::from(reader.u8()?),
        2 => usize::from(reader.u16()?),
        3 => reader.u24()? as usize,
        _ => reader.u32()? as usize,
    };
    reader.take(length)
}

fn length_bytes(max: u16) -> u8 {
    if max > 255 { 2 } else { 1 }
}

fn fraction_bytes(precision: u8) -> usize {
    usize::from(precision.div_ceil(2))
}

fn expect_size(metadata: &mut Reader<'_>, size: u8, wire: Wire) -> Result<Wire, Malformed> {
    if metadata.u8()? == size {
        Ok(wire)
    } else {
        Err(Malformed("has a floating point column of an impossible size"))
    }
}

fn prefix(metadata: &mut Reader<'_>) -> Result<u8, Malformed> {
    match metadata.u8()? {
        bytes @ 1..=4 => Ok(bytes),
        _ => Err(Malformed("has a length of an impossible size")),
    }
}

fn precision(metadata: &mut Reader<'_>) -> Result<u8, Malformed> {
    match metadata.u8()? {
        digits @ 0..=6 => Ok(digits),
        _ => Err(Malformed("has a fraction of more than 6 digits")),
    }
}
