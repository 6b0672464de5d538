//! Values as PostgreSQL's output functions print them.

use std::fmt::Write;

use slackwater_decoders::value::{Date, UuidText, Value};

/// What stands for a value that is not known.
pub(crate) const ANY: &str = "(any)";

/// The text of a value. Floating point numbers are compared as numbers: see [`same`].
pub(crate) fn print(value: &Value<'_>) -> Option<String> {
    let without_zeros = |text: String| match text.split_once('.') {
        Some((whole, fraction)) => match fraction.trim_end_matches('0') {
            "" => whole.to_owned(),
            fraction => format!("{whole}.{fraction}"),
        },
        None => text,
    };
    let held = |date: Date| assert!(date.is_valid());
    Some(match *value {
        Value::Null => return None,
        Value::Bool(truth) => if truth { "t" } else { "f" }.to_owned(),
        Value::Int(number) => number.to_string(),
        Value::UInt(number) => number.to_string(),
        Value::Float(number) => format!("float4 {number}"),
        Value::Double(number) => format!("float8 {number}"),
        Value::Decimal(text) | Value::Text(text) => text.to_owned(),
        Value::Binary(bytes) => bytes.iter().fold("\\x".to_owned(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        }),
        Value::Date(date) => {
            held(date);
            date.to_string()
        }
        Value::Time(time) => without_zeros(time.to_string()),
        Value::DateTime(time) => {
            held(time.date);
            without_zeros(time.to_string())
        }
        Value::Timestamp(time) => without_zeros(time.to_string()) + "+00",
        Value::Uuid(bytes) => UuidText(bytes).to_string(),
        Value::Json(json) => json.text.to_owned(),
        Value::Enum(member) => {
            assert!(member.index > 0);
            member.label.unwrap().to_owned()
        }
        Value::Bits(bits) => {
            assert_eq!(bits.bytes.len(), usize::from(bits.length).div_ceil(8));
            format!("{:0width$b}", bits.to_u64().unwrap(), width = usize::from(bits.length))
        }
        ref other => panic!("PostgreSQL has no {other:?}"),
    })
}

/// Whether a printed value is what the server printed.
pub(crate) fn same(ours: Option<&str>, theirs: Option<&str>) -> bool {
    let number = |ours: &str, name| ours.strip_prefix(name).map(str::to_owned);
    if ours == Some(ANY) {
        return true;
    }
    let (Some(ours), Some(theirs)) = (ours, theirs) else { return ours.is_none() && theirs.is_none() };
    if let Some(ours) = number(ours, "float4 ") {
        let (ours, theirs): (f32, f32) = (ours.parse().unwrap(), theirs.parse().unwrap());
        return ours.to_bits() == theirs.to_bits() || (ours.is_nan() && theirs.is_nan());
    }
    if let Some(ours) = number(ours, "float8 ") {
        let (ours, theirs): (f64, f64) = (ours.parse().unwrap(), theirs.parse().unwrap());
        return ours.to_bits() == theirs.to_bits() || (ours.is_nan() && theirs.is_nan());
    }
    ours == theirs
}
