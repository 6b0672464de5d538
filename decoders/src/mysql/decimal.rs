//! DECIMAL in its binary form, as rows and JSON documents have it.
//!
//! Format: MySQL `strings/decimal.cc`, `decimal2bin`: groups of nine digits in four bytes, the odd digits of either end in
//! fewer; big endian; the first bit inverted, and everything inverted for negative numbers.

use super::reader::{Malformed, Reader};

/// Digits of a full group.
const GROUP: usize = 9;

/// Bytes that a number of digits below a full group takes.
const fn bytes_of_digits(digits: usize) -> usize {
    match digits {
        0 => 0,
        1..=2 => 1,
        3..=4 => 2,
        5..=6 => 3,
        _ => 4,
    }
}

/// Bytes of a DECIMAL(`precision`, `scale`), or `None` when there is no such type (`scale` above `precision`).
#[must_use]
pub fn encoded_length(precision: u8, scale: u8) -> Option<usize> {
    let (whole, scale) = (usize::from(precision.checked_sub(scale)?), usize::from(scale));
    let part = |digits: usize| digits / GROUP * 4 + bytes_of_digits(digits % GROUP);
    Some(part(whole) + part(scale))
}

/// Appends the number as the server prints it: no leading zeros but the one before the point, `scale` digits after it.
/// `bytes` are the [`encoded_length`] bytes.
///
/// # Errors
/// When the type does not exist, the length is another one, or a group has more digits than it may.
pub fn write(precision: u8, scale: u8, bytes: &[u8], text: &mut String) -> Result<(), Malformed> {
    if encoded_length(precision, scale) != Some(bytes.len()) {
        return Err(Malformed("has a decimal whose length does not fit its precision and scale"));
    }
    let negative = bytes.first().is_some_and(|byte| byte & 0x80 == 0);
    let mut groups =
        Groups { bytes: Reader::new(bytes), first: true, inverted: if negative { 0xFF } else { 0 } };
    if negative {
        text.push('-');
    }
    let start = text.len();
    let whole = usize::from(precision.saturating_sub(scale));
    groups.write(whole % GROUP, text)?;
    for _ in 0..whole / GROUP {
        groups.write(GROUP, text)?;
    }
    strip_leading_zeros(text, start);
    let scale = usize::from(scale);
    if scale > 0 {
        text.push('.');
        for _ in 0..scale / GROUP {
            groups.write(GROUP, text)?;
        }
        groups.write(scale % GROUP, text)?;
    }
    Ok(())
}

/// The groups of digits that follow.
struct Groups<'a> {
    bytes: Reader<'a>,
    /// Whether the next byte is the one with the inverted first bit.
    first: bool,
    inverted: u8,
}

impl Groups<'_> {
    /// Appends a group of `digits` digits, 0 to 9.
    fn write(&mut self, digits: usize, text: &mut String) -> Result<(), Malformed> {
        let mut group = 0_u32;
        for byte in self.bytes.take(bytes_of_digits(digits))? {
            let sign = if std::mem::take(&mut self.first) { 0x80 } else { 0 };
            group = group << 8 | u32::from(byte ^ self.inverted ^ sign);
        }
        let mut limit = 10_u32.pow(digits as u32);
        if group >= limit {
            return Err(Malformed("has a decimal with too large a group of digits"));
        }
        for _ in 0..digits {
            limit /= 10;
            text.push(char::from(b'0' + (group / limit % 10) as u8));
        }
        Ok(())
    }
}

/// Leaves one digit at least.
fn strip_leading_zeros(text: &mut String, start: usize) {
    let digits = text.get(start..).unwrap_or_default();
    let zeros = digits.len() - digits.trim_start_matches('0').len();
    if zeros == digits.len() {
        text.truncate(start);
        text.push('0');
    } else {
        text.drain(start..start + zeros);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn text(precision: u8, scale: u8, bytes: &[u8]) -> Result<String, Malformed> {
        let mut text = String::new();
        write(precision, scale, bytes, &mut text).map(|()| text)
    }

    #[test]
    fn numbers_print_as_on_the_server() {
        // From JSON documents in a binlog of MySQL 9.7: CAST(1.50 AS DECIMAL(10,4)), '0.5' AS DECIMAL(10,5),
        // '-12345678901234567890.123456789' AS DECIMAL(40,15), 9.75 AS DECIMAL(5,2).
        assert_eq!(text(13, 4, b"\x80\0\0\x01\x13\x88").unwrap(), "1.5000");
        assert_eq!(text(14, 5, b"\x80\0\0\0\0\xC3\x50").unwrap(), "0.50000");
        let long = b"\x7F\xFF\xFF\xF3\xEB\x65\x5B\xCA\xF2\x04\xC7\x2D\xF8\xA4\x32\xEA\xFF\xFF\xFF";
        assert_eq!(text(42, 15, long).unwrap(), "-12345678901234567890.123456789000000");
        assert_eq!(text(11, 2, b"\x80\0\0\x09\x4B").unwrap(), "9.75");
    }

    #[test]
    fn damaged_numbers_are_refused() {
        assert!(text(13, 4, b"\x80\0\0\x01\x13").is_err());
        assert!(text(2, 3, b"").is_err());
        assert!(text(4, 0, b"\xFF\xFF").is_err());
    }
}
