//! Types made of others (`src/backend/utils/adt/{arrayfuncs,rowtypes,rangetypes,multirangetypes}.c`, `contrib/hstore/hstore_io.c`).

use super::{
    buffer::{Buffer, print_to},
    kind::Kind,
    print::print,
    text::utf8,
};
use crate::postgres::reader::{Malformed, Reader};

/// Dimensions that an array may have.
const MAX_DIMENSIONS: u32 = 6;

/// The head of an array: its dimensions, each with its length and its lowest subscript.
struct Dimensions {
    count: usize,
    dimensions: [(u32, i32); MAX_DIMENSIONS as usize],
}

impl Dimensions {
    fn parse(reader: &mut Reader<'_>, element: Option<u32>) -> Result<Self, Malformed> {
        let count = reader.u32()?;
        let _has_nulls = reader.u32()?;
        let type_oid = reader.u32()?;
        if element.is_some_and(|element| element != type_oid) {
            return Err(Malformed("has elements of another type"));
        }
        if count > MAX_DIMENSIONS {
            return Err(Malformed("has too many dimensions"));
        }
        let mut dimensions = [(0, 1); MAX_DIMENSIONS as usize];
        for dimension in dimensions.iter_mut().take(count as usize) {
            *dimension = (reader.u32()?, reader.i32()?);
        }
        // Every element takes four bytes at least.
        let lengths = dimensions.iter().take(count as usize).map(|(length, _)| *length as usize);
        let elements = lengths.into_iter().try_fold(1_usize, |product, length| product.checked_mul(length));
        if elements
            .is_none_or(|elements| count > 0 && (elements == 0 && count > 1 || elements > reader.len() / 4))
        {
            return Err(Malformed("has another number of elements than it says"));
        }
        Ok(Dimensions { count: count as usize, dimensions })
    }

    fn all(&self) -> &[(u32, i32)] {
        self.dimensions.get(..self.count).unwrap_or_default()
    }
}

/// An array in braces, with its subscripts before it where they do not start at 1.
pub(super) fn print_array(
    element: u32,
    kind: &Kind,
    delimiter: char,
    reader: &mut Reader<'_>,
    out: &mut Buffer,
) -> Result<(), Malformed> {
    let dimensions = Dimensions::parse(reader, Some(element))?;
    let dimensions = dimensions.all();
    if matches!(dimensions, [] | [(0, _)]) {
        out.push("{}");
        return Ok(());
    }
    if dimensions.iter().any(|(_, lowest)| *lowest != 1) {
        for (length, lowest) in dimensions {
            print_to!(out, "[{lowest}:{}]", i64::from(*lowest) + i64::from(*length) - 1);
        }
        out.push("=");
    }
    print_dimension(dimensions, kind, delimiter, reader, out)
}

fn print_dimension(
    dimensions: &[(u32, i32)],
    kind: &Kind,
    delimiter: char,
    reader: &mut Reader<'_>,
    out: &mut Buffer,
) -> Result<(), Malformed> {
    let Some(((length, _), inner)) = dimensions.split_first() else {
        return print_element(kind, delimiter, reader, out);
    };
    out.push("{");
    for place in 0..*length {
        if place > 0 {
            out.push_char(delimiter);
        }
        print_dimension(inner, kind, delimiter, reader, out)?;
    }
    out.push("}");
    Ok(())
}

fn print_element(
    kind: &Kind,
    delimiter: char,
    reader: &mut Reader<'_>,
    out: &mut Buffer,
) -> Result<(), Malformed> {
    let Some(bytes) = reader.nullable()? else {
        out.push("NULL");
        return Ok(());
    };
    let mut element = Buffer::new();
    print(kind, bytes, &mut element)?;
    let text = element.text();
    let is_special = |c: char| matches!(c, '"' | '\\' | '{' | '}') || c == delimiter || is_space(c);
    if text.is_empty() || text.eq_ignore_ascii_case("null") || text.contains(is_special) {
        quoted(text, "\\", out);
    } else {
        out.push(text);
    }
    Ok(())
}

/// What the server's parsers pass over.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{b}' | '\u{c}')
}

/// The text in quotes. Quotes inside get `escape` before them, backslashes are doubled.
fn quoted(text: &str, escape: &str, out: &mut Buffer) {
    out.push("\"");
    let mut rest = text;
    while let Some((head, tail)) = rest.find(['"', '\\']).and_then(|place| rest.split_at_checked(place)) {
        out.push(head);
        out.push(if tail.starts_with('"') { escape } else { "\\" });
        let (special, tail) = tail.split_at_checked(1).unwrap_or((tail, ""));
        out.push(special);
        rest = tail;
    }
    out.push(rest);
    out.push("\"");
}

/// `int2vector` and `oidvector`: an array of one dimension that prints as numbers.
pub(super) fn print_vector(kind: &Kind, reader: &mut Reader<'_>, out: &mut Buffer) -> Result<(), Malformed> {
    let dimensions = Dimensions::parse(reader, None)?;
    let length = match dimensions.all() {
        [] => 0,
        [(length, _)] => *length,
        _ => return Err(Malformed("has too many dimensions")),
    };
    for place in 0..length {
        out.push(if place == 0 { "" } else { " " });
        let element = reader.nullable()?.ok_or(Malformed("has an element that is NULL"))?;
        print(kind, element, out)?;
    }
    Ok(())
}

/// A row in parentheses: the number of its attributes, each with its type and its value.
pub(super) fn print_composite(
    kinds: &[(u32, Kind)],
    reader: &mut Reader<'_>,
    out: &mut Buffer,
) -> Result<(), Malformed> {
    if usize::try_from(reader.u32()?) != Ok(kinds.len()) {
        return Err(Malformed("has another number of attributes than its type"));
    }
    out.push("(");
    for (place, (type_oid, kind)) in kinds.iter().enumerate() {
        out.push(if place == 0 { "" } else { "," });
        if reader.u32()? != *type_oid {
            return Err(Malformed("has an attribute of another type"));
        }
        let Some(bytes) = reader.nullable()? else { continue };
        let mut attribute = Buffer::new();
        print(kind, bytes, &mut attribute)?;
        let text = attribute.text();
        let is_special = |c: char| matches!(c, '"' | '\\' | '(' | ')' | ',') || is_space(c);
        if text.is_empty() || text.contains(is_special) {
            quoted(text, "\"", out);
        } else {
            out.push(text);
        }
    }
    out.push(")");
    Ok(())
}

/// A range: flags, and the bounds that it has.
pub(super) fn print_range(kind: &Kind, reader: &mut Reader<'_>, out: &mut Buffer) -> Result<(), Malformed> {
    const EMPTY: u8 = 0x01;
    const LOWER_INCLUSIVE: u8 = 0x02;
    const UPPER_INCLUSIVE: u8 = 0x04;
    const LOWER_INFINITE: u8 = 0x08;
    const UPPER_INFINITE: u8 = 0x10;
    let flags = reader.u8()?;
    if flags & EMPTY != 0 {
        out.push("empty");
        return Ok(());
    }
    out.push(if flags & LOWER_INCLUSIVE != 0 { "[" } else { "(" });
    if flags & LOWER_INFINITE == 0 {
        print_bound(kind, reader, out)?;
    }
    out.push(",");
    if flags & UPPER_INFINITE == 0 {
        print_bound(kind, reader, out)?;
    }
    out.push(if flags & UPPER_INCLUSIVE != 0 { "]" } else { ")" });
    Ok(())
}

fn print_bound(kind: &Kind, reader: &mut Reader<'_>, out: &mut Buffer) -> Result<(), Malformed> {
    let bytes = reader.nullable()?.ok_or(Malformed("has a bound that is NULL"))?;
    let mut bound = Buffer::new();
    print(kind, bytes, &mut bound)?;
    let text = bound.text();
    let is_special = |c: char| matches!(c, '"' | '\\' | '(' | ')' | '[' | ']' | ',') || is_space(c);
    if text.is_empty() || text.contains(is_special) {
        quoted(text, "\"", out);
    } else {
        out.push(text);
    }
    Ok(())
}

/// Ranges in braces.
pub(super) fn print_multirange(
    kind: &Kind,
    reader: &mut Reader<'_>,
    out: &mut Buffer,
) -> Result<(), Malformed> {
    let count = reader.u32()?;
    out.push("{");
    for place in 0..count {
        out.push(if place == 0 { "" } else { "," });
        let range = reader.nullable()?.ok_or(Malformed("has a range that is NULL"))?;
        print(kind, range, out)?;
    }
    out.push("}");
    Ok(())
}

/// Keys and values of an `hstore`.
pub(super) fn print_hstore(reader: &mut Reader<'_>, out: &mut Buffer) -> Result<(), Malformed> {
    let count = reader.u32()?;
    for place in 0..count {
        out.push(if place == 0 { "" } else { ", " });
        let key = reader.nullable()?.ok_or(Malformed("has a key that is NULL"))?;
        quoted(utf8(key)?, "\\", out);
        out.push("=>");
        match reader.nullable()? {
            Some(value) => quoted(utf8(value)?, "\\", out),
            None => out.push("NULL"),
        }
    }
    Ok(())
}
