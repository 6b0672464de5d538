//! Documents being changed: only the arrays and objects on the way to a change are taken apart.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::binary::{Budget, Encoded, Item};
use super::path::Leg;
use crate::mysql::reader::Malformed;
use crate::value::JsonDiffOperation;

/// A value of a document.
#[derive(Debug)]
pub(super) enum Node<'a> {
    /// Still in binary form.
    Encoded(Encoded<'a>),
    /// A scalar as JSON text.
    Scalar(Cow<'a, str>),
    /// Members in [`key_order`].
    Object(Vec<(Cow<'a, [u8]>, Node<'a>)>),
    Array(Vec<Node<'a>>),
}

const NO_SUCH_PLACE: Malformed = Malformed(
    "has a JSON diff that does not fit the former document: a path leads nowhere or to what exists already",
);

/// The server's order of keys: shorter ones first, equally long ones by bytes.
pub(super) fn key_order(left: &[u8], right: &[u8]) -> Ordering {
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

impl<'a> Node<'a> {
    /// Applies one change as the server does (`apply_json_diff` of `sql-common/json_diff.cc`). A `value` is needed but
    /// for removals.
    pub(super) fn apply(
        &mut self,
        operation: JsonDiffOperation,
        legs: &[Leg<'_>],
        value: Option<Node<'a>>,
        budget: &mut Budget,
    ) -> Result<(), Malformed> {
        let value = || value.ok_or(Malformed("has a JSON diff without a value"));
        let Some((last, parents)) = legs.split_last() else {
            return Err(Malformed("has a JSON diff of the whole document"));
        };
        let parent = self.seek(parents, budget)?;
        parent.take_apart(budget)?;
        match operation {
            JsonDiffOperation::Replace => *parent.child(last)? = value()?,
            JsonDiffOperation::Insert => parent.insert(last, value()?)?,
            JsonDiffOperation::Remove => parent.remove(last)?,
        }
        Ok(())
    }

    /// The value at the end of the legs.
    fn seek(&mut self, legs: &[Leg<'_>], budget: &mut Budget) -> Result<&mut Self, Malformed> {
        let mut node = self;
        for leg in legs {
            node.take_apart(budget)?;
            node = node.child(leg)?;
        }
        Ok(node)
    }

    /// Turns a container in binary form into its elements.
    fn take_apart(&mut self, budget: &mut Budget) -> Result<(), Malformed> {
        let Node::Encoded(value) = self else { return Ok(()) };
        let Item::Container(container) = value.item(budget)? else { return Ok(()) };
        let elements = 0..container.len();
        *self = if container.is_object() {
            let member = |index| {
                let name = container.key(index, budget)?;
                Ok((Cow::Borrowed(name), Node::Encoded(container.element(index)?)))
            };
            Node::Object(elements.map(member).collect::<Result<_, _>>()?)
        } else {
            let cell = |index| container.element(index).map(Node::Encoded);
            Node::Array(elements.map(cell).collect::<Result<_, _>>()?)
        };
        Ok(())
    }

    /// The element that a leg names.
    fn child(&mut self, leg: &Leg<'_>) -> Result<&mut Self, Malformed> {
        let child = match (self, leg) {
            (Node::Object(members), Leg::Member(name)) => {
                let place = find(members, name.as_bytes()).ok();
                place.and_then(|place| members.get_mut(place)).map(|(_, value)| value)
            }
            (Node::Array(cells), Leg::Cell(index)) => cells.get_mut(*index),
            (Node::Array(cells), Leg::CellFromEnd(distance)) => cells.iter_mut().rev().nth(*distance),
            _ => None,
        };
        child.ok_or(NO_SUCH_PLACE)
    }

    /// Adds a member that does not exist, or a cell, which moves the later ones. A cell beyond the end comes last.
    fn insert(&mut self, leg: &Leg<'_>, value: Node<'a>) -> Result<(), Malformed> {
        match (self, leg) {
            (Node::Object(members), Leg::Member(name)) => {
                let place = find(members, name.as_bytes()).err().ok_or(NO_SUCH_PLACE)?;
                members.insert(place, (Cow::Owned(name.as_bytes().to_vec()), value));
            }
            (Node::Array(cells), Leg::Cell(index)) => cells.insert((*index).min(cells.len()), value),
            (Node::Array(cells), Leg::CellFromEnd(distance)) => {
                cells.insert(cells.len().saturating_sub(distance.saturating_add(1)), value);
            }
            _ => return Err(NO_SUCH_PLACE),
        }
        Ok(())
    }

    fn remove(&mut self, leg: &Leg<'_>) -> Result<(), Malformed> {
        match (self, leg) {
            (Node::Object(members), Leg::Member(name)) => {
                let place = find(members, name.as_bytes()).map_err(|_| NO_SUCH_PLACE)?;
                members.remove(place);
            }
            (Node::Array(cells), Leg::Cell(index)) if *index < cells.len() => _ = cells.remove(*index),
            (Node::Array(cells), Leg::CellFromEnd(distance)) if *distance < cells.len() => {
                _ = cells.remove(cells.len() - 1 - distance);
            }
            _ => return Err(NO_SUCH_PLACE),
        }
        Ok(())
    }
}

/// The place of a name, or where it belongs.
fn find(members: &[(Cow<'_, [u8]>, Node<'_>)], name: &[u8]) -> Result<usize, usize> {
    members.binary_search_by(|(other, _)| key_order(other, name))
}
