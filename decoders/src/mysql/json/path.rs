//! JSON paths of the server (`sql-common/json_path.cc`), as far as they lead to one place: `$.name."b c"[3][last-1]`.

use std::borrow::Cow;

use super::print::write_string;
use crate::mysql::reader::Malformed;

/// One leg of a path.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Leg<'a> {
    /// A member of an object, unescaped.
    Member(Cow<'a, str>),
    /// A cell of an array, counted from the first, from 0.
    Cell(usize),
    /// A cell of an array, counted from the last, from 0.
    CellFromEnd(usize),
}

const INVALID: Malformed = Malformed("has an invalid JSON path");

/// The legs of a path.
pub(super) fn parse(path: &str) -> Result<Vec<Leg<'_>>, Malformed> {
    let mut rest = path.strip_prefix('$').ok_or(INVALID)?;
    let mut legs = Vec::new();
    while !rest.is_empty() {
        let (leg, tail) = if let Some(cell) = rest.strip_prefix('[') {
            let (cell, tail) = cell.split_once(']').ok_or(INVALID)?;
            (parse_cell(cell.trim())?, tail)
        } else {
            let name = rest.strip_prefix('.').ok_or(INVALID)?;
            let (name, tail) = name.split_at_checked(name_length(name)?).ok_or(INVALID)?;
            (Leg::Member(unescape(name)?), tail)
        };
        legs.push(leg);
        rest = tail;
    }
    Ok(legs)
}

fn parse_cell(cell: &str) -> Result<Leg<'static>, Malformed> {
    let index = |digits: &str| digits.trim().parse::<u32>().map(|index| index as usize).map_err(|_| INVALID);
    match cell.strip_prefix("last").map(str::trim) {
        None => index(cell).map(Leg::Cell),
        Some("") => Ok(Leg::CellFromEnd(0)),
        Some(distance) => index(distance.strip_prefix('-').ok_or(INVALID)?).map(Leg::CellFromEnd),
    }
}

/// Bytes of the name at the start of `text`, with its quotes if it has any.
fn name_length(text: &str) -> Result<usize, Malformed> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(['.', '[', '*', ' ']).unwrap_or(text.len());
        return if end > 0 { Ok(end) } else { Err(INVALID) };
    };
    let mut is_escaped = false;
    for (place, byte) in quoted.bytes().enumerate() {
        match byte {
            b'"' if !is_escaped => return Ok(place + 2),
            _ => is_escaped = byte == b'\\' && !is_escaped,
        }
    }
    Err(INVALID)
}

/// The name without its quotes and escapes.
fn unescape(name: &str) -> Result<Cow<'_, str>, Malformed> {
    let inner = name.strip_prefix('"').and_then(|name| name.strip_suffix('"'));
    if !name.contains('\\') {
        return Ok(Cow::Borrowed(inner.unwrap_or(name)));
    }
    let quoted = format!("\"{}\"", inner.unwrap_or(name));
    serde_json::from_str(&quoted).map(Cow::Owned).map_err(|_| INVALID)
}

/// Appends the leg to a member. Quoted unless it is an identifier of ASCII characters, which the server would leave
/// bare as well; it leaves more names bare, but reads both.
pub(super) fn write_member(name: &[u8], path: &mut Vec<u8>) {
    path.push(b'.');
    let is_bare = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$');
    if name.iter().all(is_bare) && name.first().is_some_and(|first| !first.is_ascii_digit()) {
        path.extend_from_slice(name);
    } else {
        write_string(name, path);
    }
}
