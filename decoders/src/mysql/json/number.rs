//! Doubles in the layout of the server.

use std::io::Write;

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
    let digits = Digits::new(buffer.format_finite(number.abs()));
    let (digits, point) = (digits.as_slice(), digits.point);
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
    // Writing to memory does not fail.
    _ = write!(text, "e{}", point - 1);
    Ok(())
}

/// Whether a number of a document's text is a decimal: no integer of 64 bits, and not how a double is printed. (`token` may be any
/// scalar.)
pub(super) fn is_decimal(token: &str) -> bool {
    let digits = token.strip_prefix('-').unwrap_or(token);
    if !digits.starts_with(|character: char| character.is_ascii_digit()) || token.contains(['e', 'E']) {
        return false;
    }
    if !token.contains('.') {
        return token.parse::<i64>().is_err() && token.parse::<u64>().is_err();
    }
    let mut printed = Vec::with_capacity(token.len());
    let is_double = token.parse().is_ok_and(|number| write_double(number, &mut printed).is_ok());
    !is_double || printed != token.as_bytes()
}

/// Whether a document's text has a number that [is a decimal](is_decimal).
pub(super) fn has_decimals(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut place = 0;
    while let Some(byte) = bytes.get(place) {
        match byte {
            b'"' => place += string_length(bytes.get(place..).unwrap_or_default()),
            b'-' | b'0'..=b'9' => {
                let rest = text.get(place..).unwrap_or_default();
                let length = rest.find([',', ']', '}', ' ']).unwrap_or(rest.len());
                if rest.get(..length).is_some_and(is_decimal) {
                    return true;
                }
                place += length;
            }
            _ => place += 1,
        }
    }
    false
}

/// Bytes of a string with its quotes, at whose start `bytes` are.
fn string_length(bytes: &[u8]) -> usize {
    let mut place = 1;
    while let Some(byte) = bytes.get(place) {
        match byte {
            b'"' => return place + 1,
            b'\\' => place += 2,
            _ => place += 1,
        }
    }
    bytes.len()
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

/// The significant digits of a positive number.
struct Digits {
    /// At most 17 of a double, and zeros that are cut off.
    digits: [u8; 24],
    length: usize,
    /// Where the point stands, counted from the first digit.
    point: i32,
}

impl Digits {
    /// From the form of `ryu`: `12.5`, `1e20`, `0.001`, `1.5e-7`.
    fn new(number: &str) -> Self {
        let (mantissa, exponent) = number.split_once('e').unwrap_or((number, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = || whole.bytes().chain(fraction.bytes());
        let leading = all().take_while(|digit| *digit == b'0').count();
        let point = whole.len() as i32 - leading as i32 + exponent.parse().unwrap_or(0);
        let mut digits = Digits { digits: [b'0'; 24], length: 0, point };
        for (place, (slot, digit)) in digits.digits.iter_mut().zip(all().skip(leading)).enumerate() {
            *slot = digit;
            if digit != b'0' {
                digits.length = place + 1;
            }
        }
        digits
    }

    fn as_slice(&self) -> &[u8] {
        self.digits.get(..self.length).unwrap_or_default()
    }
}
