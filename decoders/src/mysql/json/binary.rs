//! The binary form of JSON documents (MySQL `sql-common/json_binary.h`): values with offsets to the values within.

use crate::mysql::reader::{Malformed, Reader};

/// Deepest nesting of arrays and objects (`JSON_DOCUMENT_MAX_DEPTH`).
pub(super) const MAX_DEPTH: usize = 100;

const SMALL_OBJECT: u8 = 0x00;
const LARGE_OBJECT: u8 = 0x01;
const SMALL_ARRAY: u8 = 0x02;
const LARGE_ARRAY: u8 = 0x03;
const LITERAL: u8 = 0x04;
const INT16: u8 = 0x05;
const UINT16: u8 = 0x06;
const INT32: u8 = 0x07;
const UINT32: u8 = 0x08;
const INT64: u8 = 0x09;
const UINT64: u8 = 0x0A;
const DOUBLE: u8 = 0x0B;
const STRING: u8 = 0x0C;
const OPAQUE: u8 = 0x0F;

const OFFSET: Malformed = Malformed("has a JSON offset that points out of its array or object");
const OVERLAP: Malformed = Malformed("has JSON values that overlap");

/// How many more bytes may be read. The values of a document do not overlap, so nothing legitimate reads more than the
/// document has; offsets made to point many times at one place would multiply work and output without this.
pub(super) struct Budget(usize);

impl Budget {
    /// For documents of `length` bytes in all. Doubled because what stands within an entry is counted with the entry and
    /// by itself.
    pub(super) fn new(length: usize) -> Self {
        Budget(length.saturating_mul(2).saturating_add(16))
    }

    pub(super) fn spend(&mut self, bytes: usize) -> Result<(), Malformed> {
        self.0 = self.0.checked_sub(bytes).ok_or(OVERLAP)?;
        Ok(())
    }
}

/// A value not looked at yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Encoded<'a> {
    kind: u8,
    /// From the value's first byte to the end of what contains it.
    bytes: &'a [u8],
}

/// A value.
pub(super) enum Item<'a> {
    Null,
    Bool(bool),
    Int(i64),
    UInt(u64),
    Double(f64),
    /// Bytes that should be UTF-8, unescaped.
    Text(&'a [u8]),
    /// A column type (`enum_field_types`) and bytes in that type's form.
    Opaque(u8, &'a [u8]),
    Container(Container<'a>),
}

impl<'a> Encoded<'a> {
    /// A whole document. An empty one is the null literal: the server stores nothing when NULL is forced into a NOT NULL
    /// column (INSERT IGNORE, lax SQL mode) and reads it so (`json_binary::parse_binary`).
    pub(super) fn document(bytes: &'a [u8]) -> Self {
        match bytes {
            [] => Encoded { kind: LITERAL, bytes: &[0] },
            [kind, rest @ ..] => Encoded { kind: *kind, bytes: rest },
        }
    }

    /// The value, at the cost of its own bytes (for a container: those of its header).
    pub(super) fn item(self, budget: &mut Budget) -> Result<Item<'a>, Malformed> {
        let mut reader = Reader::new(self.bytes);
        let item = match self.kind {
            SMALL_OBJECT | LARGE_OBJECT | SMALL_ARRAY | LARGE_ARRAY => {
                let is_object = matches!(self.kind, SMALL_OBJECT | LARGE_OBJECT);
                let is_large = matches!(self.kind, LARGE_OBJECT | LARGE_ARRAY);
                let container = Container::new(self.bytes, is_object, is_large)?;
                budget.spend(container.header_length())?;
                return Ok(Item::Container(container));
            }
            LITERAL => match reader.u8()? {
                0 => Item::Null,
                1 => Item::Bool(true),
                2 => Item::Bool(false),
                _ => return Err(Malformed("has an unknown JSON literal")),
            },
            INT16 => Item::Int(i64::from(reader.i16()?)),
            UINT16 => Item::UInt(u64::from(reader.u16()?)),
            INT32 => Item::Int(i64::from(reader.i32()?)),
            UINT32 => Item::UInt(u64::from(reader.u32()?)),
            INT64 => Item::Int(reader.i64()?),
            UINT64 => Item::UInt(reader.u64()?),
            DOUBLE => Item::Double(reader.f64()?),
            STRING => Item::Text(sized(&mut reader)?),
            OPAQUE => Item::Opaque(reader.u8()?, sized(&mut reader)?),
            _ => return Err(Malformed("has an unknown JSON type")),
        };
        budget.spend(self.bytes.len() - reader.len())?;
        Ok(item)
    }
}

/// Bytes after their length, which comes in groups of seven bits, the lowest first, as many as have the high bit set
/// and one more; five at most.
fn sized<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Malformed> {
    let mut length = 0_usize;
    for group in 0..5 {
        let byte = reader.u8()?;
        length |= usize::from(byte & 0x7F) << (7 * group);
        if byte & 0x80 == 0 {
            return reader.take(length);
        }
    }
    Err(Malformed("has a JSON length of more than five bytes"))
}

/// An array or object: number of elements, size, entries of the keys, entries of the values, keys, values. Offsets
/// count from its first byte.
#[derive(Clone, Copy)]
pub(super) struct Container<'a> {
    bytes: &'a [u8],
    length: usize,
    is_object: bool,
    is_large: bool,
}

impl<'a> Container<'a> {
    fn new(bytes: &'a [u8], is_object: bool, is_large: bool) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let width = if is_large { 4 } else { 2 };
        let length = reader.uint(width)? as usize;
        let size = reader.uint(width)? as usize;
        let bytes = bytes.get(..size).ok_or(Malformed("has a JSON array or object that ends too early"))?;
        let container = Container { bytes, length, is_object, is_large };
        if container.header_length() > size {
            return Err(Malformed("has a JSON array or object with more entries than bytes"));
        }
        Ok(container)
    }

    /// Number of elements.
    pub(super) fn len(&self) -> usize {
        self.length
    }

    pub(super) fn is_object(&self) -> bool {
        self.is_object
    }

    fn offset_width(&self) -> usize {
        if self.is_large { 4 } else { 2 }
    }

    fn key_entry(&self, index: usize) -> usize {
        2 * self.offset_width() + index * (self.offset_width() + 2)
    }

    fn value_entry(&self, index: usize) -> usize {
        self.key_entry(if self.is_object { self.length } else { 0 }) + index * (1 + self.offset_width())
    }

    /// Bytes before the first key or value.
    fn header_length(&self) -> usize {
        self.value_entry(self.length)
    }

    fn reader_at(&self, offset: usize) -> Result<Reader<'a>, Malformed> {
        self.bytes.get(offset..).map(Reader::new).ok_or(OFFSET)
    }

    /// The key of an object's member, unescaped.
    pub(super) fn key(&self, index: usize, budget: &mut Budget) -> Result<&'a [u8], Malformed> {
        let mut entry = self.reader_at(self.key_entry(index))?;
        let offset = entry.uint(self.offset_width())? as usize;
        let length = usize::from(entry.u16()?);
        if offset < self.header_length() {
            return Err(OFFSET);
        }
        budget.spend(length)?;
        self.reader_at(offset)?.take(length).map_err(|_| OFFSET)
    }

    /// An element's value: in its entry if it fits, else where the entry's offset points.
    pub(super) fn element(&self, index: usize) -> Result<Encoded<'a>, Malformed> {
        let mut entry = self.reader_at(self.value_entry(index))?;
        let kind = entry.u8()?;
        let is_inline = match kind {
            LITERAL | INT16 | UINT16 => true,
            INT32 | UINT32 => self.is_large,
            _ => false,
        };
        if is_inline {
            return Ok(Encoded { kind, bytes: entry.take(self.offset_width())? });
        }
        let offset = entry.uint(self.offset_width())? as usize;
        if offset < self.header_length() {
            return Err(OFFSET);
        }
        Ok(Encoded { kind, bytes: self.reader_at(offset)?.rest() })
    }
}
