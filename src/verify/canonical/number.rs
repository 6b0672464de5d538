//! Exact numbers, whatever type holds them.

use std::io::Write as _;

use slackwater_decoders::value::Value;

use super::{Misfit, tag};

/// Appends the digits of a number without those that mean nothing: `-12.5` for `-0012.500`, `0` for `-0.00`.
pub(super) fn push(out: &mut Vec<u8>, value: Value<'_>) -> Result<u8, Misfit> {
    match value {
        Value::Int(number) => out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()),
        Value::UInt(number) => out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()),
        Value::Year(number) => out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()),
        Value::Bool(truth) => out.push(if truth { b'1' } else { b'0' }),
        Value::Bits(bits) => match bits.to_u64() {
            Some(number) => out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()),
            None => return Err(Misfit),
        },
        Value::Decimal(digits) | Value::Text(digits) => push_digits(out, digits),
        _ => return Err(Misfit),
    }
    Ok(tag::NUMBER)
}

/// The number as a double precision one.
pub(super) fn real(value: Value<'_>) -> Result<f64, Misfit> {
    match value {
        Value::Int(number) => Ok(number as f64),
        Value::UInt(number) => Ok(number as f64),
        Value::Decimal(digits) | Value::Text(digits) => digits.parse().map_err(|_| Misfit),
        _ => Err(Misfit),
    }
}

fn push_digits(out: &mut Vec<u8>, digits: &str) {
    let (negative, plain) = match digits.strip_prefix('-') {
        Some(plain) => (true, plain),
        None => (false, digits.strip_prefix('+').unwrap_or(digits)),
    };
    let is_plain = plain.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if !is_plain {
        // NaN and infinities.
        out.extend_from_slice(digits.as_bytes());
        return;
    }
    let (whole, fraction) = plain.split_once('.').unwrap_or((plain, ""));
    push_parts(out, negative, whole, fraction);
}

fn push_parts(out: &mut Vec<u8>, negative: bool, whole: &str, fraction: &str) {
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    if negative && !(whole.is_empty() && fraction.is_empty()) {
        out.push(b'-');
    }
    out.extend_from_slice(if whole.is_empty() { b"0" } else { whole.as_bytes() });
    if !fraction.is_empty() {
        out.push(b'.');
        out.extend_from_slice(fraction.as_bytes());
    }
}

/// Digits that an exponent may add: a number beyond is compared as it is spelled.
const LONGEST_EXPONENT: i64 = 4_000;

/// Appends a number of a JSON document by its value: exact, or (`doubles`) as a 64-bit integer where it is spelled as one, else in
/// double precision.
pub(super) fn push_json(out: &mut Vec<u8>, literal: &str, doubles: bool) {
    let is_integer = !literal.contains(['.', 'e', 'E']);
    if doubles && !(is_integer && (literal.parse::<i64>().is_ok() || literal.parse::<u64>().is_ok())) {
        let number: f64 = literal.parse().unwrap_or(f64::NAN);
        // One end may print `1e15`, the other `1000000000000000`, and not each has a negative zero.
        if number.fract() == 0.0 && number.abs() < 1e18 {
            push_digits(out, &format!("{number:.0}"));
        } else {
            // Writing to memory cannot fail.
            let _ = write!(out, "{number:e}");
        }
        return;
    }
    let (mantissa, exponent) = match literal.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()),
        None => (literal, Some(0)),
    };
    match exponent.filter(|exponent| exponent.abs() <= LONGEST_EXPONENT) {
        Some(0) => push_digits(out, mantissa),
        Some(exponent) => push_shifted(out, mantissa, exponent),
        None => out.extend_from_slice(literal.as_bytes()),
    }
}

/// The number with its point moved by that many digits to the right.
fn push_shifted(out: &mut Vec<u8>, mantissa: &str, exponent: i64) {
    let (negative, plain) = match mantissa.strip_prefix('-') {
        Some(plain) => (true, plain),
        None => (false, mantissa),
    };
    let (whole, fraction) = plain.split_once('.').unwrap_or((plain, ""));
    let digits = format!("{whole}{fraction}");
    let point = whole.len() as i64 + exponent;
    let zeros = |count: i64| "0".repeat(usize::try_from(count).unwrap_or(0));
    let padded = format!("{}{digits}{}", zeros(-point), zeros(point - digits.len() as i64));
    let (whole, fraction) = padded.split_at(usize::try_from(point).unwrap_or(0).min(padded.len()));
    push_parts(out, negative, whole, fraction);
}
