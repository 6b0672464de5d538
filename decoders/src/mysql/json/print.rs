//! Documents as text, in the form of the server (`wrapper_to_string` of `sql-common/json_dom.cc`).

use std::io::Write;

use super::binary::{Budget, Container, Encoded, Item, MAX_DEPTH};
use super::opaque::Scalar;
use super::tree::Node;
use super::{number, path};
use crate::arena::Arena;
use crate::mysql::reader::Malformed;
use crate::value::{Json, TypedScalar};

pub(super) const TOO_DEEP: Malformed = Malformed("has JSON nested deeper than 100 levels");

const LONG_PATHS: Malformed = Malformed(
    "has JSON with too many decimals, temporals or binaries below too long names (16 MiB of paths)",
);

/// Prints one document.
pub(super) struct Printer<'n> {
    text: Vec<u8>,
    budget: Budget,
    /// Where the value being printed stands; its length is the depth.
    path: Vec<Place<'n>>,
    typed: Vec<(Vec<u8>, Scalar<'n>)>,
    /// Bytes that the paths of the typed scalars may still take.
    path_bytes_left: usize,
    /// Whether numbers of a tree that only a decimal prints like that are kept as decimals.
    finds_decimals: bool,
}

/// Bytes that the paths of one document's typed scalars may take. Far beyond what documents need; but thousands of
/// scalars below one name of 64 KiB would each repeat that name.
const MAX_PATH_BYTES: usize = 16 << 20;

/// A member's name or a cell's index.
enum Place<'n> {
    Member(&'n [u8]),
    Cell(usize),
}

impl<'n> Printer<'n> {
    /// Prints into `text`, whose content is dropped.
    pub(super) fn new(mut text: Vec<u8>, budget: Budget) -> Self {
        text.clear();
        Printer {
            text,
            budget,
            path: Vec::new(),
            typed: Vec::new(),
            path_bytes_left: MAX_PATH_BYTES,
            finds_decimals: false,
        }
    }

    /// The same, for a document of which only the text is at hand: its decimals are found by their form.
    pub(super) fn finding_decimals(text: Vec<u8>, budget: Budget) -> Self {
        Printer { finds_decimals: true, ..Printer::new(text, budget) }
    }

    /// Appends a value in binary form.
    pub(super) fn encoded(&mut self, value: Encoded<'n>) -> Result<(), Malformed> {
        match value.item(&mut self.budget)? {
            Item::Null => self.text.extend_from_slice(b"null"),
            Item::Bool(true) => self.text.extend_from_slice(b"true"),
            Item::Bool(false) => self.text.extend_from_slice(b"false"),
            // Writing to memory does not fail.
            Item::Int(number) => _ = write!(self.text, "{number}"),
            Item::UInt(number) => _ = write!(self.text, "{number}"),
            Item::Double(number) => number::write_double(number, &mut self.text)?,
            Item::Text(string) => write_string(string, &mut self.text),
            Item::Opaque(kind, bytes) => {
                let scalar = Scalar::new(kind, bytes)?;
                scalar.write(&mut self.text);
                self.keep_type(scalar)?;
            }
            Item::Container(container) => self.container(&container)?,
        }
        Ok(())
    }

    fn container(&mut self, container: &Container<'n>) -> Result<(), Malformed> {
        self.open(container.is_object())?;
        for index in 0..container.len() {
            let place = if container.is_object() {
                Place::Member(container.key(index, &mut self.budget)?)
            } else {
                Place::Cell(index)
            };
            self.next(index, place);
            self.encoded(container.element(index)?)?;
        }
        self.close(container.is_object());
        Ok(())
    }

    /// Appends a tree.
    pub(super) fn node(&mut self, node: &'n Node<'_>) -> Result<(), Malformed> {
        match node {
            Node::Encoded(value) => self.encoded(*value)?,
            Node::Scalar(text) => {
                self.text.extend_from_slice(text.as_bytes());
                if self.finds_decimals && number::is_decimal(text) {
                    self.keep_type(Scalar::Decimal(text.clone().into_owned()))?;
                }
            }
            Node::Object(members) => {
                self.open(true)?;
                for (index, (name, value)) in members.iter().enumerate() {
                    self.next(index, Place::Member(name));
                    self.node(value)?;
                }
                self.close(true);
            }
            Node::Array(cells) => {
                self.open(false)?;
                for (index, value) in cells.iter().enumerate() {
                    self.next(index, Place::Cell(index));
                    self.node(value)?;
                }
                self.close(false);
            }
        }
        Ok(())
    }

    fn open(&mut self, is_object: bool) -> Result<(), Malformed> {
        if self.path.len() >= MAX_DEPTH {
            return Err(TOO_DEEP);
        }
        self.text.push(if is_object { b'{' } else { b'[' });
        self.path.push(Place::Cell(0));
        Ok(())
    }

    /// Goes to the element `index` of the innermost array or object.
    fn next(&mut self, index: usize, place: Place<'n>) {
        if index > 0 {
            self.text.extend_from_slice(b", ");
        }
        if let Place::Member(name) = place {
            write_string(name, &mut self.text);
            self.text.extend_from_slice(b": ");
        }
        if let Some(last) = self.path.last_mut() {
            *last = place;
        }
    }

    fn close(&mut self, is_object: bool) {
        self.text.push(if is_object { b'}' } else { b']' });
        self.path.pop();
    }

    fn keep_type(&mut self, scalar: Scalar<'n>) -> Result<(), Malformed> {
        let path = self.path_text();
        self.path_bytes_left = self.path_bytes_left.checked_sub(path.len()).ok_or(LONG_PATHS)?;
        self.typed.push((path, scalar));
        Ok(())
    }

    fn path_text(&self) -> Vec<u8> {
        let mut text = vec![b'$'];
        for place in &self.path {
            match place {
                Place::Member(name) => path::write_member(name, &mut text),
                Place::Cell(index) => _ = write!(text, "[{index}]"),
            }
        }
        text
    }

    /// The document in the arena, and the memory for the next one.
    pub(super) fn finish<'a>(self, arena: &Arena<'a>) -> Result<(&'a Json<'a>, Vec<u8>), Malformed> {
        let mut typed = Vec::with_capacity(self.typed.len());
        for (path, scalar) in &self.typed {
            typed.push(TypedScalar { path: arena.text(utf8(path)?), value: scalar.to_value(arena) });
        }
        let typed: &[TypedScalar<'_>] = if typed.is_empty() { &[] } else { arena.slice(&typed) };
        let json = arena.value(Json { text: arena.text(utf8(&self.text)?), typed });
        Ok((json, self.text))
    }

    /// The document as text alone.
    pub(super) fn into_text(self) -> Result<String, Malformed> {
        String::from_utf8(self.text).map_err(|_| NOT_UTF8)
    }
}

const NOT_UTF8: Malformed = Malformed("has JSON text that is not valid UTF-8");

/// Checked once for the whole document: bytes of different strings do not make up for each other, quotes are between.
fn utf8(bytes: &[u8]) -> Result<&str, Malformed> {
    simdutf8::basic::from_utf8(bytes).map_err(|_| NOT_UTF8)
}

/// Appends a string with quotes, escaped as the server does (`double_quote`): control characters, quotes, backslashes.
pub(super) fn write_string(string: &[u8], text: &mut Vec<u8>) {
    text.push(b'"');
    let mut rest = string;
    while let Some(plain) = rest.iter().position(|byte| *byte < b' ' || matches!(byte, b'"' | b'\\')) {
        let (head, tail) = rest.split_at_checked(plain).unwrap_or_default();
        text.extend_from_slice(head);
        if let Some((special, tail)) = tail.split_first() {
            write_escape(*special, text);
            rest = tail;
        }
    }
    text.extend_from_slice(rest);
    text.push(b'"');
}

fn write_escape(byte: u8, text: &mut Vec<u8>) {
    let letter = match byte {
        b'\x08' => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        b'\x0C' => b'f',
        b'\r' => b'r',
        b'"' | b'\\' => byte,
        _ => {
            _ = write!(text, "\\u{byte:04x}");
            return;
        }
    };
    text.extend_from_slice(&[b'\\', letter]);
}
