//! The content of a JSON document: members in one order, the last one of a name, numbers by their value.

use std::{borrow::Cow, collections::BTreeMap};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::number;

/// A name, with its escapes resolved.
#[derive(PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// Appends the content of a document. `doubles`: see [`Class::Json`](super::Class::Json).
pub(super) fn push(out: &mut Vec<u8>, text: &str, doubles: bool) -> Result<(), serde_json::Error> {
    let text = text.trim_start();
    match text.as_bytes().first() {
        Some(b'{') => {
            let members: BTreeMap<Name<'_>, &RawValue> = serde_json::from_str(text)?;
            out.push(b'{');
            for (place, (name, value)) in members.iter().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                push_string(out, &name.0)?;
                out.push(b':');
                push(out, value.get(), doubles)?;
            }
            out.push(b'}');
        }
        Some(b'[') => {
            let elements: Vec<&RawValue> = serde_json::from_str(text)?;
            out.push(b'[');
            for (place, value) in elements.iter().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                push(out, value.get(), doubles)?;
            }
            out.push(b']');
        }
        Some(b'"') => push_string(out, &serde_json::from_str::<Cow<'_, str>>(text)?)?,
        Some(b'-' | b'0'..=b'9') => {
            let literal: &RawValue = serde_json::from_str(text)?;
            number::push_json(out, literal.get(), doubles);
        }
        // true, false, null.
        _ => out.extend_from_slice(serde_json::from_str::<&RawValue>(text)?.get().as_bytes()),
    }
    Ok(())
}

fn push_string(out: &mut Vec<u8>, text: &str) -> Result<(), serde_json::Error> {
    serde_json::to_writer(out, text)
}
