//! DECIMAL as row images store it (MySQL `strings/decimal.cc`, `decimal2bin`): groups of nine digits in four bytes, the
//! digits left over before the first and behind the last group in one to four, big endian; the first bit is inverted, and
//! all bits of a negative number are.

use crate::arena::Arena;
use crate::mysql::reader::{Malformed, Reader};

/// Bytes that 0 to 9 digits take.
const DIGIT_BYTES: [u8; 10] = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4];
/// A column has at most 65 digits. A decimal inside of a JSON document is stored with its precision rounded up to whole groups,
/// of which the server's buffer has 9 (`DECIMAL_BUFF_LENGTH`).
const MAX_DIGITS: usize = 81;
/// The longest text: the digits, sign, point, and a zero before the point.
const MAX_TEXT: usize = MAX_DIGITS + 3;

/// The digits of 00 to 99: two are written with one division.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[b'0'; 2]; 100];
    let mut number = 0;
    while number < 100 {
        #[expect(clippy::indexing_slicing, reason = "checked when it is compiled")]
        {
            pairs[number] = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
        }
        number += 1;
    }
    pairs
};

fn bytes_of(digits: u8) -> usize {
    DIGIT_BYTES.get(usize::from(digits)).copied().map_or(0, usize::from)
}

/// Bytes that a DECIMAL(precision, scale) takes.
pub(in crate::mysql) fn length(precision: u8, scale: u8) -> usize {
    let whole = precision.saturating_sub(scale);
    usize::from(whole / 9) * 4 + bytes_of(whole % 9) + usize::from(scale / 9) * 4 + bytes_of(scale % 9)
}

/// Reads a DECIMAL(precision, scale) as text with all digits of its scale.
pub(in crate::mysql) fn read<'a>(
    reader: &mut Reader<'_>,
    precision: u8,
    scale: u8,
    arena: &Arena<'a>,
) -> Result<&'a str, Malformed> {
    text(reader, precision, scale).map(|text| arena.text(text.as_str()))
}

/// Appends a DECIMAL(precision, scale) that is exactly `bytes`.
pub(in crate::mysql) fn write(
    precision: u8,
    scale: u8,
    bytes: &[u8],
    out: &mut String,
) -> Result<(), Malformed> {
    let mut reader = Reader::new(bytes);
    out.push_str(text(&mut reader, precision, scale)?.as_str());
    if reader.is_empty() { Ok(()) } else { Err(Malformed("has a DECIMAL that is longer than its digits")) }
}

fn text(reader: &mut Reader<'_>, precision: u8, scale: u8) -> Result<Text, Malformed> {
    if precision == 0 || usize::from(precision) > MAX_DIGITS || scale > precision {
        return Err(Malformed("has a DECIMAL with an impossible precision or scale"));
    }
    let negative = reader.rest().first().is_some_and(|byte| byte & 0x80 == 0);
    let mut text = Text { flip: if negative { u32::MAX } else { 0 }, ..Text::default() };
    let whole = precision - scale;
    text.group(reader, whole % 9)?;
    for _ in 0..whole / 9 {
        text.group(reader, 9)?;
    }
    text.end_whole(negative);
    if scale > 0 {
        text.push(b'.');
        for _ in 0..scale / 9 {
            text.group(reader, 9)?;
        }
        text.group(reader, scale % 9)?;
    }
    Ok(text)
}

/// A short ASCII text under construction.
struct Text {
    bytes: [u8; MAX_TEXT],
    /// The text is what is between.
    start: usize,
    end: usize,
    /// All ones for a negative number.
    flip: u32,
    /// The inverted bit of the first byte; 0 once that has been read.
    sign: u32,
}

impl Default for Text {
    fn default() -> Self {
        // In front there is room for a sign, and for a zero where there are no digits before the point.
        Text { bytes: [b'0'; MAX_TEXT], start: 2, end: 2, flip: 0, sign: 0x80 }
    }
}

impl Text {
    /// Reads the next `count` digits (0 to 9), which share one number.
    #[inline]
    fn group(&mut self, reader: &mut Reader<'_>, count: u8) -> Result<(), Malformed> {
        // Each with its own loop, whose end the compiler knows.
        match count {
            0 => Ok(()),
            1 => self.digits::<1>(reader.u8()?.into(), 8),
            2 => self.digits::<2>(reader.u8()?.into(), 8),
            3 => self.digits::<3>(reader.u16_be()?.into(), 16),
            4 => self.digits::<4>(reader.u16_be()?.into(), 16),
            5 => self.digits::<5>(reader.u24_be()?, 24),
            6 => self.digits::<6>(reader.u24_be()?, 24),
            7 => self.digits::<7>(reader.u32_be()?, 32),
            8 => self.digits::<8>(reader.u32_be()?, 32),
            _ => self.digits::<9>(reader.u32_be()?, 32),
        }
    }

    /// Appends the `COUNT` digits of a stored number of that many bits.
    #[inline]
    fn digits<const COUNT: usize>(&mut self, stored: u32, bits: u32) -> Result<(), Malformed> {
        let mut number = (stored ^ self.flip ^ self.sign << (bits - 8)) & (u32::MAX >> (32 - bits));
        self.sign = 0;
        let mut digits = [b'0'; COUNT];
        let (odd, pairs) = digits.split_at_mut(COUNT % 2);
        for pair in pairs.chunks_exact_mut(2).rev() {
            pair.copy_from_slice(PAIRS.get(number as usize % 100).unwrap_or(b"00"));
            number /= 100;
        }
        if let Some(digit) = odd.first_mut() {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
        }
        let place = self.bytes.get_mut(self.end..).and_then(|free| free.first_chunk_mut());
        match place {
            Some(place) if number == 0 => *place = digits,
            _ => return Err(Malformed("has a DECIMAL with a digit group that is too large")),
        }
        self.end += COUNT;
        Ok(())
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
