//! Doubles in the layout of the server.

use crate::mysql::reader::Malformed;

/// Up to so many places before the point, and one less of zeros after it, numbers are written out
/// (`MAX_DECPT_FOR_F_FORMAT` of MySQL's `include/m_string.h`).
const MAX_WRITTEN_OUT: i32 = 15;

/// Appends a number as MySQL 8.0 and later prints it in JSON (`my_gcvt` of `strings/dtoa.cc`, and `.0` where neither a
/// point nor an exponent tells that it is a double): the shortest digits that read back as the same number.
pub(super) fn write_double(number: f64, text: &mut Vec<u8>) -> Result<(), Malformed> {
    if !number.is_finite() {
        return Err(Malformed("has a JSON number that is not finite"));
    }
    if number.is_sign_negative() {
        text.push(b'-');
    }
    if number == 0.0 {
        text.extend_from_slice(b"0.0");
        return Ok(());
    }
    let mut buffer = ryu::Buffer::new();
    let (digits, point) = digits(buffer.format_finite(number.abs()));
    let digits = digits.as_slice();
    let length = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    if point > -MAX_WRITTEN_OUT && (point <= MAX_WRITTEN_OUT || length > point) {
        write_out(digits, point, text);
        return Ok(());
    }
    let (first, rest) = digits.split_at_checked(1).unwrap_or_default();
    text.extend_from_slice(first);
    if !rest.is_empty() {
        text.push(b'.');
        text.extend_from_slice(rest);
    }
    text.extend_from_slice(format!("e{}", point - 1).as_bytes());
    Ok(())
}

/// Digits with their point, with zeros as needed on either side.
fn write_out(digits: &[u8], point: i32, text: &mut Vec<u8>) {
    let zeros = |count: usize| std::iter::repeat_n(b'0', count);
    match usize::try_from(point) {
        Ok(point) if point > 0 => match digits.split_at_checked(point) {
            Some((whole, fraction)) if !fraction.is_empty() => {
                text.extend_from_slice(whole);
                text.push(b'.');
                text.extend_from_slice(fraction);
            }
            _ => {
                text.extend_from_slice(digits);
                text.extend(zeros(point - digits.len()));
                text.extend_from_slice(b".0");
            }
        },
        _ => {
            text.extend_from_slice(b"0.");
            text.extend(zeros(point.unsigned_abs() as usize));
            text.extend_from_slice(digits);
        }
    }
}

/// The significant digits of a positive number such as `12.5`, `1e20` or `0.001`, and where the point stands relative
/// to the first of them.
fn digits(number: &str) -> (Vec<u8>, i32) {
    let (mantissa, exponent) = number.split_once('e').unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = || whole.bytes().chain(fraction.bytes());
    let leading = all().take_while(|digit| *digit == b'0').count();
    let mut digits: Vec<u8> = all().skip(leading).collect();
    let trailing = digits.iter().rev().take_while(|digit| **digit == b'0').count();
    digits.truncate(digits.len() - trailing);
    (digits, whole.len() as i32 - leading as i32 + exponent.parse().unwrap_or(0))
}
