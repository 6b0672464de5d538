//! Rows in the order in which an index has them, so that a page of it is found once for all rows on it.

use std::cmp::Ordering;

use slackwater_decoders::value::Value;

use super::group::Image;

/// The rows in the order of their keys, as far as that can be told without the collation of a text.
pub(crate) fn in_order_of_keys<'b>(images: &[Image<'b>], key: &[u16]) -> Vec<Image<'b>> {
    let mut images = images.to_vec();
    images.sort_unstable_by(|one, other| {
        let value = |image: Image<'b>, ordinal: u16| image.get(usize::from(ordinal))?.value();
        key.iter()
            .map(|ordinal| {
                let absent = Value::Null;
                order(value(one, *ordinal).unwrap_or(absent), value(other, *ordinal).unwrap_or(absent))
            })
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    });
    images
}

/// How two values of a column are ordered in an index, roughly: a wrong answer costs time alone.
fn order(one: Value<'_>, other: Value<'_>) -> Ordering {
    match (one, other) {
        (Value::Int(one), Value::Int(other)) => one.cmp(&other),
        (Value::UInt(one), Value::UInt(other)) => one.cmp(&other),
        (Value::Text(one), Value::Text(other)) => one.cmp(other),
        (Value::Binary(one), Value::Binary(other)) => one.cmp(other),
        (Value::Date(one), Value::Date(other)) => one.cmp(&other),
        (Value::DateTime(one), Value::DateTime(other)) => one.cmp(&other),
        (Value::Timestamp(one), Value::Timestamp(other)) => one.cmp(&other),
        (Value::Uuid(one), Value::Uuid(other)) => one.cmp(&other),
        (one, other) => rank(one).cmp(&rank(other)),
    }
}

/// Keeps values apart that are not of one kind: sorting needs one order of all.
fn rank(value: Value<'_>) -> u8 {
    match value {
        Value::Int(_) => 1,
        Value::UInt(_) => 2,
        Value::Text(_) => 3,
        Value::Binary(_) => 4,
        Value::Date(_) => 5,
        Value::DateTime(_) => 6,
        Value::Timestamp(_) => 7,
        Value::Uuid(_) => 8,
        _ => 0,
    }
}
