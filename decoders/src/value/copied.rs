//! Values that outlive the log they were read from.

use super::{Bits, Cell, Enum, Geometry, Json, JsonDiff, JsonDiffStep, Set, TypedScalar, Value};
use crate::arena::Arena;

impl Cell<'_> {
    /// The same cell with everything it borrows in `arena`.
    #[must_use]
    #[inline]
    pub fn copied<'b>(&self, arena: &Arena<'b>) -> Cell<'b> {
        match self {
            Cell::Absent => Cell::Absent,
            Cell::Unchanged => Cell::Unchanged,
            Cell::Value(value) => Cell::Value(value.copied(arena)),
        }
    }
}

impl Value<'_> {
    /// The same value with everything it borrows in `arena`.
    #[must_use]
    pub fn copied<'b>(&self, arena: &Arena<'b>) -> Value<'b> {
        match *self {
            Value::Null => Value::Null,
            Value::Bool(truth) => Value::Bool(truth),
            Value::Int(number) => Value::Int(number),
            Value::UInt(number) => Value::UInt(number),
            Value::Float(number) => Value::Float(number),
            Value::Double(number) => Value::Double(number),
            Value::Decimal(digits) => Value::Decimal(arena.text(digits)),
            Value::Text(text) => Value::Text(arena.text(text)),
            Value::Binary(bytes) => Value::Binary(arena.slice(bytes)),
            Value::Date(date) => Value::Date(date),
            Value::Time(time) => Value::Time(time),
            Value::DateTime(time) => Value::DateTime(time),
            Value::Timestamp(time) => Value::Timestamp(time),
            Value::Year(year) => Value::Year(year),
            Value::Bits(Bits { length, bytes }) => Value::Bits(Bits { length, bytes: arena.slice(bytes) }),
            Value::Enum(Enum { index, label }) => {
                Value::Enum(Enum { index, label: label.map(|label| arena.text(label)) })
            }
            Value::Set(Set { mask, labels }) => {
                Value::Set(arena.value(Set { mask: *mask, labels: labels.map(|labels| arena.text(labels)) }))
            }
            Value::Geometry(Geometry { srid, wkb }) => {
                Value::Geometry(Geometry { srid, wkb: arena.slice(wkb) })
            }
            Value::Json(document) => Value::Json(document.copied(arena)),
            Value::JsonDiff(diff) => {
                let steps: Vec<_> = diff.steps.iter().map(|step| step.copied(arena)).collect();
                Value::JsonDiff(arena.value(JsonDiff { steps: arena.slice(&steps) }))
            }
            Value::Uuid(uuid) => Value::Uuid(uuid),
            Value::Vector(numbers) => Value::Vector(arena.slice(numbers)),
        }
    }
}

impl Json<'_> {
    fn copied<'b>(&self, arena: &Arena<'b>) -> &'b Json<'b> {
        let scalar = |scalar: &TypedScalar<'_>| TypedScalar {
            path: arena.text(scalar.path),
            value: scalar.value.copied(arena),
        };
        let typed: Vec<_> = self.typed.iter().map(scalar).collect();
        arena.value(Json { text: arena.text(self.text), typed: arena.slice(&typed) })
    }
}

impl JsonDiffStep<'_> {
    fn copied<'b>(&self, arena: &Arena<'b>) -> JsonDiffStep<'b> {
        JsonDiffStep {
            operation: self.operation,
            path: arena.text(self.path),
            value: self.value.map(|value| value.copied(arena)),
        }
    }
}
