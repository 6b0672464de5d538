//! Documents and queries of the text search (`src/backend/utils/adt/{tsvector,tsquery}.c`).

use super::buffer::{Buffer, print_to};
use crate::postgres::reader::{Malformed, Reader};

const WEIGHTS: [&str; 4] = ["", "C", "B", "A"];

/// Lexemes, each with its positions: 14 bits, and 2 bits of weight above.
pub(super) fn print_vector(reader: &mut Reader<'_>, out: &mut Buffer) -> Result<(), Malformed> {
    let count = reader.u32()?;
    for lexeme in 0..count {
        out.push(if lexeme == 0 { "" } else { " " });
        quoted(reader.text()?, out);
        let positions = reader.u16()?;
        for place in 0..positions {
            let position = reader.u16()?;
            let weight = WEIGHTS.get(usize::from(position >> 14)).copied().unwrap_or_default();
            print_to!(out, "{}{}{weight}", if place == 0 { ":" } else { "," }, position & 0x3FFF);
        }
    }
    Ok(())
}

fn quoted(text: &str, out: &mut Buffer) {
    out.push("'");
    for part in text.split_inclusive(['\'', '\\']) {
        out.push(part);
        if let Some(last) = part.chars().next_back().filter(|last| matches!(last, '\'' | '\\')) {
            out.push_char(last);
        }
    }
    out.push("'");
}

/// An item of a query, as sent: operators before their operands, the right one first.
enum Item<'a> {
    Value { text: &'a str, weights: u8, is_prefix: bool },
    Not,
    And,
    Or,
    Phrase(u16),
}

impl Item<'_> {
    fn operands(&self) -> usize {
        match self {
            Item::Value { .. } => 0,
            Item::Not => 1,
            _ => 2,
        }
    }

    /// What binds closer has a higher one.
    fn priority(&self) -> u8 {
        match self {
            Item::Or => 1,
            Item::And => 2,
            Item::Phrase(_) => 3,
            Item::Not => 4,
            Item::Value { .. } => 5,
        }
    }
}

/// How deep a query may be nested. The server's own limit is that of its stack.
const DEPTH: usize = 2_000;

/// Prints a query with its operators between their operands.
pub(super) fn print_query(reader: &mut Reader<'_>, out: &mut Buffer) -> Result<(), Malformed> {
    let count = reader.u32()? as usize;
    if count > reader.len() {
        return Err(Malformed("has fewer items than it says"));
    }
    let items = (0..count).map(|_| item(reader)).collect::<Result<Vec<_>, _>>()?;
    if items.is_empty() {
        return Ok(());
    }
    let ends = ends(&items)?;
    infix(&items, &ends, 0, 0, false, DEPTH, out)
}

fn item<'a>(reader: &mut Reader<'a>) -> Result<Item<'a>, Malformed> {
    Ok(match reader.u8()? {
        1 => {
            let (weights, is_prefix) = (reader.u8()?, reader.u8()? != 0);
            Item::Value { text: reader.text()?, weights, is_prefix }
        }
        2 => match reader.u8()? {
            1 => Item::Not,
            2 => Item::And,
            3 => Item::Or,
            4 => Item::Phrase(reader.u16()?),
            _ => return Err(Malformed("has an unknown operator")),
        },
        _ => return Err(Malformed("has an unknown kind of item")),
    })
}

/// For each item the place behind it and its operands.
fn ends(items: &[Item<'_>]) -> Result<Vec<usize>, Malformed> {
    const BROKEN: Malformed = Malformed("has an operator without operands");
    let mut ends = vec![0; items.len()];
    for (place, item) in items.iter().enumerate().rev() {
        let mut end = place + 1;
        for _ in 0..item.operands() {
            end = *ends.get(end).ok_or(BROKEN)?;
        }
        *ends.get_mut(place).ok_or(BROKEN)? = end;
    }
    if ends.first() == Some(&items.len()) {
        Ok(ends)
    } else {
        Err(Malformed("has items without an operator"))
    }
}

fn infix(
    items: &[Item<'_>],
    ends: &[usize],
    place: usize,
    outer: u8,
    is_right_of_phrase: bool,
    depth: usize,
    out: &mut Buffer,
) -> Result<(), Malformed> {
    let depth = depth.checked_sub(1).ok_or(Malformed("is nested too deep"))?;
    let item = items.get(place).ok_or(Malformed("has an operator without operands"))?;
    let is_phrase = matches!(item, Item::Phrase(_));
    let parenthesis = item.priority() < outer || (is_phrase && is_right_of_phrase);
    out.push(if parenthesis { "( " } else { "" });
    match item {
        Item::Value { text, weights, is_prefix } => value(text, *weights, *is_prefix, out),
        Item::Not => {
            out.push("!");
            infix(items, ends, place + 1, item.priority(), false, depth, out)?;
        }
        _ => {
            let left = ends.get(place + 1).copied().unwrap_or(usize::MAX);
            infix(items, ends, left, item.priority(), false, depth, out)?;
            match item {
                Item::And => out.push(" & "),
                Item::Or => out.push(" | "),
                Item::Phrase(1) => out.push(" <-> "),
                Item::Phrase(distance) => print_to!(out, " <{distance}> "),
                Item::Value { .. } | Item::Not => {}
            }
            infix(items, ends, place + 1, item.priority(), is_phrase, depth, out)?;
        }
    }
    out.push(if parenthesis { " )" } else { "" });
    Ok(())
}

fn value(text: &str, weights: u8, is_prefix: bool, out: &mut Buffer) {
    quoted(text, out);
    if weights == 0 && !is_prefix {
        return;
    }
    out.push(":");
    out.push(if is_prefix { "*" } else { "" });
    for (bit, letter) in [(3, "A"), (2, "B"), (1, "C"), (0, "D")] {
        out.push(if weights >> bit & 1 == 1 { letter } else { "" });
    }
}
