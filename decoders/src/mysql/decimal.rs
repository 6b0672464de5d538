//! DECIMAL as row images store it (MySQL `strings/decimal.cc`, `decimal2bin`): groups of nine digits in four bytes, the
//! digits left over before the first and behind the last group in one to four, big endian; the first bit is inverted, and
//! all bits of a negative number are.

use super::reader::{Malformed, Reader};
use crate::arena::Arena;

/// Bytes that 0 to 9 digits take.
const DIGIT_BYTES: [u8; 10] = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4];
/// A column has at most 65 digits. A decimal inside of a JSON document is stored with its precision rounded up to whole groups,
/// of which the server's buffer has 9 (`DECIMAL_BUFF_LENGTH`).
const MAX_PRECISION: u8 = 81;
/// The longest number: all digits, sign, point, and a zero before the point.
const MAX_TEXT: usize = MAX_PRECISION as usize + 3;

fn bytes_of(digits: u8) -> usize {
    DIGIT_BYTES.get(usize::from(digits)).copied().map_or(0, usize::from)
}

/// Bytes that a DECIMAL(precision, scale) takes.
pub(super) fn length(precision: u8, scale: u8) -> usize {
    let whole = precision.saturating_sub(scale);
    usize::from(whole / 9) * 4 + bytes_of(whole % 9) + usize::from(scale / 9) * 4 + bytes_of(scale % 9)
}

/// Reads a DECIMAL(precision, scale) as text with all digits of its scale.
pub(super) fn read<'a>(
    reader: &mut Reader<'_>,
    precision: u8,
    scale: u8,
    arena: &Arena<'a>,
) -> Result<&'a str, Malformed> {
    text(reader, precision, scale).map(|text| arena.text(text.as_str()))
}

/// Appends a DECIMAL(precision, scale) that is exactly `bytes`.
pub(super) fn write(precision: u8, scale: u8, bytes: &[u8], out: &mut String) -> Result<(), Malformed> {
    let mut reader = Reader::new(bytes);
    out.push_str(text(&mut reader, precision, scale)?.as_str());
    if reader.is_empty() { Ok(()) } else { Err(Malformed("has a DECIMAL that is longer than its digits")) }
}

fn text(reader: &mut Reader<'_>, precision: u8, scale: u8) -> Result<Text, Malformed> {
    if precision == 0 || precision > MAX_PRECISION || scale > precision {
        return Err(Malformed("has a DECIMAL with an impossible precision or scale"));
    }
    let negative = reader.rest().first().is_some_and(|byte| byte & 0x80 == 0);
    let mut digits = Digits {
        flip: if negative { u32::MAX } else { 0 },
        sign: 0x80,
        text: Text::default(),
        started: false,
    };
    if negative {
        digits.text.push(b'-');
    }
    let whole = precision - scale;
    digits.group(reader, whole % 9)?;
    for _ in 0..whole / 9 {
        digits.group(reader, 9)?;
    }
    if !digits.started {
        digits.text.push(b'0');
    }
    if scale > 0 {
        digits.text.push(b'.');
        digits.started = true;
        for _ in 0..scale / 9 {
            digits.group(reader, 9)?;
        }
        digits.group(reader, scale % 9)?;
    }
    Ok(digits.text)
}

struct Digits {
    /// All ones for a negative number.
    flip: u32,
    /// The inverted bit of the first byte; 0 once that has been read.
    sign: u32,
    text: Text,
    /// Whether a digit other than a leading zero has been written.
    started: bool,
}

impl Digits {
    /// Reads the next `count` digits (0 to 9), which share one number.
    fn group(&mut self, reader: &mut Reader<'_>, count: u8) -> Result<(), Malformed> {
        let bytes = bytes_of(count);
        if bytes == 0 {
            return Ok(());
        }
        let mut number =
            reader.take(bytes)?.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
        let bits = bytes as u32 * 8;
        number ^= self.flip & (u32::MAX >> (32 - bits));
        number ^= self.sign << (bits - 8);
        self.sign = 0;
        if number >= 10_u32.pow(u32::from(count)) {
            return Err(Malformed("has a DECIMAL with a digit group that is too large"));
        }
        let mut scale = 10_u32.pow(u32::from(count) - 1);
        while scale > 0 {
            let digit = (number / scale % 10) as u8;
            self.started |= digit != 0;
            if self.started {
                self.text.push(b'0' + digit);
            }
            scale /= 10;
        }
        Ok(())
    }
}

/// A short ASCII text under construction.
struct Text {
    bytes: [u8; MAX_TEXT],
    length: usize,
}

impl Default for Text {
    fn default() -> Self {
        Text { bytes: [0; MAX_TEXT], length: 0 }
    }
}

impl Text {
    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.length) {
            *place = byte;
            self.length += 1;
        }
    }

    fn as_str(&self) -> &str {
        self.bytes.get(..self.length).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::arena::ArenaPool;

    fn decoded(bytes: &[u8], precision: u8, scale: u8) -> String {
        let pool = ArenaPool::new();
        assert_eq!(bytes.len(), length(precision, scale));
        read(&mut Reader::new(bytes), precision, scale, &pool.arena()).unwrap().to_owned()
    }

    /// The example of MySQL's own documentation (`decimal2bin`): 1234567890.1234 as DECIMAL(14,4).
    #[test]
    fn the_documented_example() {
        assert_eq!(decoded(&[0x81, 0x0D, 0xFB, 0x38, 0xD2, 0x04, 0xD2], 14, 4), "1234567890.1234");
        assert_eq!(decoded(&[0x7E, 0xF2, 0x04, 0xC7, 0x2D, 0xFB, 0x2D], 14, 4), "-1234567890.1234");
    }

    #[test]
    fn zero_keeps_its_scale_and_one_digit_before_the_point() {
        assert_eq!(decoded(&[0x80, 0], 4, 2), "0.00");
        assert_eq!(decoded(&[0x80], 1, 0), "0");
        assert_eq!(decoded(&[0x85], 1, 1), "0.5");
    }

    #[test]
    fn impossible_digits_are_refused() {
        let pool = ArenaPool::new();
        assert!(read(&mut Reader::new(&[0xFF]), 1, 0, &pool.arena()).is_err());
        assert!(read(&mut Reader::new(&[0x80]), 4, 2, &pool.arena()).is_err());
        assert!(read(&mut Reader::new(&[0x80; 80]), 200, 2, &pool.arena()).is_err());
    }

    fn written(precision: u8, scale: u8, bytes: &[u8]) -> Result<String, Malformed> {
        let mut text = String::new();
        write(precision, scale, bytes, &mut text).map(|()| text)
    }

    #[test]
    fn numbers_print_as_on_the_server() {
        // From JSON documents in a binlog of MySQL 9.7: CAST(1.50 AS DECIMAL(10,4)), '0.5' AS DECIMAL(10,5),
        // '-12345678901234567890.123456789' AS DECIMAL(40,15), 9.75 AS DECIMAL(5,2).
        assert_eq!(written(13, 4, b"\x80\0\0\x01\x13\x88").unwrap(), "1.5000");
        assert_eq!(written(14, 5, b"\x80\0\0\0\0\xC3\x50").unwrap(), "0.50000");
        let long = b"\x7F\xFF\xFF\xF3\xEB\x65\x5B\xCA\xF2\x04\xC7\x2D\xF8\xA4\x32\xEA\xFF\xFF\xFF";
        assert_eq!(written(42, 15, long).unwrap(), "-12345678901234567890.123456789000000");
        assert_eq!(written(11, 2, b"\x80\0\0\x09\x4B").unwrap(), "9.75");
        // MySQL 5.7: the lowest DECIMAL(65,30); its 35 digits before the point are stored as 36.
        let lowest = b"\x7A\x0A\x1F\0\xC4\x65\x36\0\xC4\x65\x36\0\xC4\x65\x36\0\xC4\x65\x36\0\xC4\x65\x36\0\xC4\x65\x36\0\xFC\x18";
        assert_eq!(written(66, 30, lowest).unwrap(), format!("-{}.{}", "9".repeat(35), "9".repeat(30)));
    }

    #[test]
    fn damaged_numbers_are_refused() {
        assert!(written(13, 4, b"\x80\0\0\x01\x13").is_err());
        assert!(written(2, 3, b"").is_err());
        assert!(written(4, 0, b"\xFF\xFF").is_err());
    }
}
