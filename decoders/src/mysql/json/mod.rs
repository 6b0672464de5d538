//! JSON columns: MySQL's binary documents and the diffs of partial updates. (MariaDB's JSON is text.)
//!
//! Texts equal what MySQL 8.0 and later prints for `SELECT column`. MySQL 5.7 differs in two points: it prints doubles
//! without a fraction as integers (`1` for `1.0`), and leaves the line breaks of long base64 unescaped.
//!
//! Formats: MySQL `sql-common/json_binary.h` (documents), `sql-common/json_diff.cc`, `Json_diff_vector::read_binary`
//! (diffs). An empty document is the null literal, as on the server.

mod binary;
mod number;
mod opaque;
mod path;
mod print;
#[cfg(test)]
mod tests;
mod text;
mod tree;

use std::cell::Cell;

use self::binary::{Budget, Encoded};
use self::print::Printer;
use self::tree::Node;
use super::reader::{Malformed, Reader};
use crate::arena::Arena;
use crate::value::{Json, JsonDiff, JsonDiffOperation, JsonDiffStep};

thread_local! {
    /// The memory that documents are printed into before they are copied to the arena in their final length.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Scratch memory beyond this is given back, so that one huge document does not stay in memory.
const MAX_SCRATCH: usize = 1 << 20;

/// The text of a binary document, with the scalars whose type text loses: decimals, temporals, and other SQL types as
/// bytes. A TIMESTAMP is a [`DateTime`](crate::value::Value::DateTime): documents hold the wall clock of the session
/// that wrote it, without its zone.
///
/// # Errors
/// When the document is damaged or nested deeper than the server's 100 levels.
pub fn decode<'a>(bytes: &[u8], arena: &Arena<'a>) -> Result<&'a Json<'a>, Malformed> {
    let mut printer = Printer::new(SCRATCH.take(), Budget::new(bytes.len()));
    printer.encoded(Encoded::document(bytes))?;
    finish(printer, arena)
}

/// The changes of a partial update. `bytes` are the diffs of one column, without the four bytes of their length.
///
/// # Errors
/// When the diffs, a path in them or a document in them are damaged.
pub fn diff<'a>(bytes: &[u8], arena: &Arena<'a>) -> Result<&'a JsonDiff<'a>, Malformed> {
    let mut steps = Vec::new();
    for step in read_steps(bytes)? {
        path::parse(step.path)?;
        steps.push(JsonDiffStep {
            operation: step.operation,
            path: arena.text(step.path),
            value: step.value.map(|value| decode(value, arena)).transpose()?,
        });
    }
    Ok(arena.value(JsonDiff { steps: arena.slice(&steps) }))
}

/// The document after a partial update: `before` is the binary document of the before image, `diff` as in [`diff`].
///
/// # Errors
/// When either is damaged, or the diff does not fit the document (which stops the server's replicas as well).
pub fn apply<'a>(before: &[u8], diff: &[u8], arena: &Arena<'a>) -> Result<&'a Json<'a>, Malformed> {
    let length = before.len().saturating_add(diff.len());
    let mut tree = Node::Encoded(Encoded::document(before));
    let mut budget = Budget::new(length);
    for step in read_steps(diff)? {
        let value = step.value.map(|value| Node::Encoded(Encoded::document(value)));
        tree.apply(step.operation, &path::parse(step.path)?, value, &mut budget)?;
    }
    let mut printer = Printer::new(SCRATCH.take(), Budget::new(length));
    printer.node(&tree)?;
    finish(printer, arena)
}

/// As [`apply`], for a former document that is at hand only as JSON text. Numbers keep all their digits; the result has
/// the server's form, with the keys in its order (shorter ones first, then by bytes).
///
/// # Errors
/// When `before` is no JSON text or nested deeper than 100 levels, or the diff does not fit it.
pub fn apply_to_text(before: &str, diff: &JsonDiff<'_>) -> Result<String, Malformed> {
    let mut tree = text::parse(before)?;
    let mut budget = Budget::new(0);
    for step in diff.steps {
        let value = step.value.map(|value| text::parse(value.text)).transpose()?;
        tree.apply(step.operation, &path::parse(step.path)?, value, &mut budget)?;
    }
    let mut printer = Printer::new(Vec::with_capacity(before.len()), budget);
    printer.node(&tree)?;
    printer.into_text()
}

/// A document as a SELECT of MySQL shows it: the same text as that of [`decode`], and the same decimals wherever the text tells
/// them from doubles.
///
/// A number that a double never prints like that (`1.50`, an integer of more than 64 bits) is a decimal. What the text does not
/// tell is taken for the plain JSON that it looks like: a decimal that looks like a double (`1.5`), dates and times (strings), and bytes
/// (the string `base64:type…`). What MySQL 5.7 prints otherwise than later versions is brought to their form where it can
/// be told: line breaks in base64 are escaped; a double without a fraction stays an integer.
///
/// # Errors
/// When a text with decimals is no JSON text or nested deeper than 100 levels.
pub fn from_text<'a>(text: &'a str, arena: &Arena<'a>) -> Result<&'a Json<'a>, Malformed> {
    let text = if text.contains('\n') { arena.text(&text.replace('\n', "\\n")) } else { text };
    if !number::has_decimals(text) {
        return Ok(arena.value(Json { text, typed: &[] }));
    }
    let tree = text::parse(text)?;
    let mut printer = Printer::finding_decimals(SCRATCH.take(), Budget::new(0));
    printer.node(&tree)?;
    finish(printer, arena)
}

/// Copies the document to the arena and keeps the scratch memory.
fn finish<'a>(printer: Printer<'_>, arena: &Arena<'a>) -> Result<&'a Json<'a>, Malformed> {
    let (json, scratch) = printer.finish(arena)?;
    if scratch.capacity() <= MAX_SCRATCH {
        SCRATCH.set(scratch);
    }
    Ok(json)
}

/// A change as it is in the log.
struct Step<'b> {
    operation: JsonDiffOperation,
    path: &'b str,
    value: Option<&'b [u8]>,
}

/// Each step: operation, length-encoded path, and but for removals length-encoded binary document.
fn read_steps(bytes: &[u8]) -> Result<Vec<Step<'_>>, Malformed> {
    let mut reader = Reader::new(bytes);
    let mut steps = Vec::new();
    while !reader.is_empty() {
        let operation = match reader.u8()? {
            0 => JsonDiffOperation::Replace,
            1 => JsonDiffOperation::Insert,
            2 => JsonDiffOperation::Remove,
            _ => return Err(Malformed("has a JSON diff with an unknown operation")),
        };
        let path = simdutf8::basic::from_utf8(reader.lenenc_slice()?)
            .map_err(|_| Malformed("has a JSON path that is not valid UTF-8"))?;
        let value = match operation {
            JsonDiffOperation::Remove => None,
            JsonDiffOperation::Replace | JsonDiffOperation::Insert => Some(reader.lenenc_slice()?),
        };
        steps.push(Step { operation, path, value });
    }
    Ok(steps)
}
