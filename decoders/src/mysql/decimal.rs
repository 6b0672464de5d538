//! DECIMAL as row images store it (MySQL `strings/decimal.cc`, `decimal2bin`): groups of nine digits in four bytes, the
//! digits left over before the first and behind the last group in one to four, big endian; the first bit is inverted, and
//! all bits of a negative number are.

use super::reader::{Malformed, Reader};
use crate::arena::Arena;

/// Bytes that 0 to 9 digits take.
const DIGIT_BYTES: [u8; 10] = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4];
/// Digits of the longest DECIMAL.
const MAX_DIGITS: usize = 65;
/// The longest text: the digits, sign, point, and a zero before the point.
const MAX_TEXT: usize = MAX_DIGITS + 3;

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
    if precision == 0 || precision > 65 || scale > precision {
        return Err(Malformed("has a DECIMAL with an impossible precision or scale"));
    }
    let mut bytes = [0; (MAX_DIGITS / 9 + 2) * 4];
    let stored = reader.take(length(precision, scale))?;
    let bytes = bytes.get_mut(..stored.len()).unwrap_or_default();
    bytes.copy_from_slice(stored);
    let negative = bytes.first().is_some_and(|byte| byte & 0x80 == 0);
    if negative {
        bytes.iter_mut().for_each(|byte| *byte = !*byte);
    }
    if let Some(first) = bytes.first_mut() {
        *first ^= 0x80;
    }
    let mut reader = Reader::new(bytes);
    let mut text = Text::default();
    let whole = precision - scale;
    text.group(&mut reader, whole % 9)?;
    for _ in 0..whole / 9 {
        text.group(&mut reader, 9)?;
    }
    text.end_whole(negative);
    if scale > 0 {
        text.push(b'.');
        for _ in 0..scale / 9 {
            text.group(&mut reader, 9)?;
        }
        text.group(&mut reader, scale % 9)?;
    }
    Ok(text)
}

/// A short ASCII text under construction.
struct Text {
    bytes: [u8; MAX_TEXT],
    /// The text is what is between.
    start: usize,
    end: usize,
}

impl Default for Text {
    fn default() -> Self {
        // In front there is room for a sign, and for a zero where there are no digits before the point.
        Text { bytes: [b'0'; MAX_TEXT], start: 2, end: 2 }
    }
}

impl Text {
    /// Reads the next `count` digits (0 to 9), which share one number.
    #[inline]
    fn group(&mut self, reader: &mut Reader<'_>, count: u8) -> Result<(), Malformed> {
        let mut number = match bytes_of(count) {
            0 => return Ok(()),
            1 => reader.u8()?.into(),
            2 => reader.u16_be()?.into(),
            3 => reader.u24_be()?,
            _ => reader.u32_be()?,
        };
        let end = self.end + usize::from(count);
        for place in self.bytes.get_mut(self.end..end).unwrap_or_default().iter_mut().rev() {
            *place = b'0' + (number % 10) as u8;
            number /= 10;
        }
        self.end = end;
        if number == 0 {
            Ok(())
        } else {
            Err(Malformed("has a DECIMAL with a digit group that is too large"))
        }
    }

    /// Drops the zeros that the digits so far start with, but for one, and puts the sign before the others.
    fn end_whole(&mut self, negative: bool) {
        let digits = self.bytes.get(self.start..self.end).unwrap_or_default();
        match digits.iter().position(|digit| *digit != b'0') {
            Some(zeros) => self.start += zeros,
            None => self.start = self.end - 1,
        }
        if negative {
            self.start -= 1;
            if let Some(sign) = self.bytes.get_mut(self.start) {
                *sign = b'-';
            }
        }
    }

    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.end) {
            *place = byte;
            self.end += 1;
        }
    }

    fn as_str(&self) -> &str {
        self.bytes
            .get(self.start..self.end)
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .unwrap_or_default()
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
        assert_eq!(decoded(&[0x7A], 1, 1), "-0.5");
        assert_eq!(decoded(&[0x7A], 1, 0), "-5");
    }

    /// DECIMAL(65,30): the longest there is, as MySQL stores -99…9.9…9.
    #[test]
    fn the_longest_fits() {
        let mut bytes = Vec::new();
        // 35 digits before the point: 8 in four bytes and three groups of 9; 30 behind: three groups of 9 and 3 in two bytes.
        for (number, length) in [
            (99_999_999_u32, 4),
            (999_999_999, 4),
            (999_999_999, 4),
            (999_999_999, 4),
            (999_999_999, 4),
            (999_999_999, 4),
            (999_999_999, 4),
            (999, 2),
        ] {
            bytes.extend_from_slice(number.to_be_bytes().get(4 - length..).unwrap());
        }
        bytes.iter_mut().for_each(|byte| *byte = !*byte);
        *bytes.first_mut().unwrap() ^= 0x80;
        assert_eq!(decoded(&bytes, 65, 30), format!("-{}.{}", "9".repeat(35), "9".repeat(30)));
    }

    #[test]
    fn impossible_digits_are_refused() {
        let pool = ArenaPool::new();
        assert!(read(&mut Reader::new(&[0xFF]), 1, 0, &pool.arena()).is_err());
        assert!(read(&mut Reader::new(&[0x80]), 4, 2, &pool.arena()).is_err());
        assert!(read(&mut Reader::new(&[0x80; 80]), 200, 2, &pool.arena()).is_err());
    }
}
