//! JSON text into a tree, with every digit of its numbers.
//!
//! Not `serde_json::Value`: with arbitrary precision that takes an object whose first key is its private token for a
//! number, and documents are other people's.

use std::borrow::Cow;

use super::binary::MAX_DEPTH;
use super::print::{TOO_DEEP, write_string};
use super::tree::{Node, key_order};
use crate::mysql::reader::Malformed;

const INVALID: Malformed = Malformed("is not valid JSON");

/// Reads a document.
pub(super) fn parse(text: &str) -> Result<Node<'_>, Malformed> {
    let mut parser = Parser { rest: text, depth: 0 };
    let node = parser.value()?;
    parser.skip_space();
    if parser.rest.is_empty() { Ok(node) } else { Err(INVALID) }
}

struct Parser<'a> {
    rest: &'a str,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    /// Passes over one of the punctuation marks if it is next.
    fn accept(&mut self, mark: char) -> bool {
        self.skip_space();
        let rest = self.rest.strip_prefix(mark);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, mark: char) -> Result<(), Malformed> {
        if self.accept(mark) { Ok(()) } else { Err(INVALID) }
    }

    /// The next `length` bytes.
    fn take(&mut self, length: usize) -> Result<&'a str, Malformed> {
        let (head, tail) = self.rest.split_at_checked(length).ok_or(INVALID)?;
        self.rest = tail;
        Ok(head)
    }

    fn value(&mut self) -> Result<Node<'a>, Malformed> {
        if self.accept('{') {
            self.nested(Self::object)
        } else if self.accept('[') {
            self.nested(Self::array)
        } else if self.rest.starts_with('"') {
            self.string().map(|string| Node::Scalar(quoted(&string)))
        } else {
            self.number_or_literal()
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Node<'a>, Malformed>) -> Result<Node<'a>, Malformed> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(TOO_DEEP);
        }
        let node = read(self);
        self.depth -= 1;
        node
    }

    fn object(&mut self) -> Result<Node<'a>, Malformed> {
        let mut members: Vec<(Cow<'a, [u8]>, Node<'a>)> = Vec::new();
        if self.accept('}') {
            return Ok(Node::Object(members));
        }
        loop {
            self.skip_space();
            let name = match self.string()? {
                Cow::Borrowed(name) => Cow::Borrowed(name.as_bytes()),
                Cow::Owned(name) => Cow::Owned(name.into_bytes()),
            };
            self.expect(':')?;
            members.push((name, self.value()?));
            if !self.accept(',') {
                break;
            }
        }
        self.expect('}')?;
        // Of members of one name the last one counts, as on the server: it is moved to the front of its equals.
        members.reverse();
        members.sort_by(|(left, _), (right, _)| key_order(left, right));
        members.dedup_by(|(later, _), (earlier, _)| later == earlier);
        Ok(Node::Object(members))
    }

    fn array(&mut self) -> Result<Node<'a>, Malformed> {
        let mut cells = Vec::new();
        if self.accept(']') {
            return Ok(Node::Array(cells));
        }
        loop {
            cells.push(self.value()?);
            if !self.accept(',') {
                break;
            }
        }
        self.expect(']')?;
        Ok(Node::Array(cells))
    }

    /// A string, unescaped.
    fn string(&mut self) -> Result<Cow<'a, str>, Malformed> {
        let inner = self.rest.strip_prefix('"').ok_or(INVALID)?;
        let mut is_escaped = false;
        let end = inner.bytes().position(|byte| {
            let is_end = byte == b'"' && !is_escaped;
            is_escaped = byte == b'\\' && !is_escaped;
            is_end
        });
        let token = self.take(end.ok_or(INVALID)? + 2)?;
        if token.bytes().any(|byte| byte == b'\\' || byte < b' ') {
            return serde_json::from_str(token).map(Cow::Owned).map_err(|_| INVALID);
        }
        Ok(Cow::Borrowed(token.trim_start_matches('"').trim_end_matches('"')))
    }

    fn number_or_literal(&mut self) -> Result<Node<'a>, Malformed> {
        let end = self.rest.find([',', ']', '}', ' ', '\t', '\n', '\r']).unwrap_or(self.rest.len());
        let token = self.take(end)?;
        let is_valid = matches!(token, "null" | "true" | "false")
            || (token.starts_with(['-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
                && serde_json::from_str::<serde_json::Number>(token).is_ok());
        if is_valid { Ok(Node::Scalar(Cow::Borrowed(token))) } else { Err(INVALID) }
    }
}

/// A string as JSON.
fn quoted(string: &str) -> Cow<'static, str> {
    let mut text = Vec::with_capacity(string.len() + 2);
    write_string(string.as_bytes(), &mut text);
    // Escaping replaces ASCII by ASCII: UTF-8 stays UTF-8.
    Cow::Owned(String::from_utf8(text).unwrap_or_default())
}
