//! Character sets: the bytes of text columns to UTF-8, by the servers' own tables.
//!
//! The result equals what a SELECT through a utf8mb4 connection shows. In particular a code to which the server's table
//! assigns no character becomes `?`, as on the server; bytes that are no code of the character set at all (a lead byte
//! without its trail byte, a lone surrogate) are [`Malformed`]: the servers refuse to store those, or store them only
//! with checks turned off.
//!
//! The tables come from MySQL 9.7 by converting every code of every character set,
//! `SELECT HEX(CONVERT(CONVERT(UNHEX('8140') USING sjis) USING utf8mb4))`; MySQL 5.7 and MariaDB 11.8 agree on all
//! well-formed codes. (For `ascii`, which newer servers refuse above 0x7F, they come from MySQL 5.7.)

mod collations;
mod exceptions;
mod multi_byte;
mod single_byte;
#[cfg(test)]
mod tests;
mod unicode;

use std::fmt;

use self::multi_byte::MultiByte;
use self::single_byte::SingleByte;
use self::unicode::Units;
use super::reader::Malformed;
use crate::arena::Arena;

/// A character set of MySQL or MariaDB. One word, `Copy`.
#[derive(Clone, Copy)]
pub struct Charset(&'static Facts);

struct Facts {
    name: &'static str,
    max_bytes_per_char: u8,
    encoding: Encoding,
}

/// How codes become characters.
enum Encoding {
    /// UTF-8 already.
    Utf8,
    /// One byte a character; the lower half is ASCII.
    SingleByte(&'static SingleByte),
    /// One to four bytes a character; single bytes below 0x80 are ASCII.
    MultiByte(&'static MultiByte),
    /// Code units of two or four bytes.
    Units(Units),
}

macro_rules! charsets {
    ($($id:ident $name:literal $max:literal $encoding:expr;)*) => {
        $(const $id: Charset = Charset(&Facts { name: $name, max_bytes_per_char: $max, encoding: $encoding });)*
        /// Every character set there is.
        const ALL: &[Charset] = &[$($id),*];
    };
}

// The most frequent ones first, for the search by name.
charsets! {
    UTF8MB4 "utf8mb4" 4 Encoding::Utf8;
    UTF8MB3 "utf8mb3" 3 Encoding::Utf8;
    LATIN1 "latin1" 1 Encoding::SingleByte(&single_byte::LATIN1);
    ASCII "ascii" 1 Encoding::SingleByte(&single_byte::ASCII);
    BINARY "binary" 1 Encoding::Utf8;
    ARMSCII8 "armscii8" 1 Encoding::SingleByte(&single_byte::ARMSCII8);
    BIG5 "big5" 2 Encoding::MultiByte(&multi_byte::BIG5);
    CP1250 "cp1250" 1 Encoding::SingleByte(&single_byte::CP1250);
    CP1251 "cp1251" 1 Encoding::SingleByte(&single_byte::CP1251);
    CP1256 "cp1256" 1 Encoding::SingleByte(&single_byte::CP1256);
    CP1257 "cp1257" 1 Encoding::SingleByte(&single_byte::CP1257);
    CP850 "cp850" 1 Encoding::SingleByte(&single_byte::CP850);
    CP852 "cp852" 1 Encoding::SingleByte(&single_byte::CP852);
    CP866 "cp866" 1 Encoding::SingleByte(&single_byte::CP866);
    CP932 "cp932" 2 Encoding::MultiByte(&multi_byte::CP932);
    DEC8 "dec8" 1 Encoding::SingleByte(&single_byte::DEC8);
    EUCJPMS "eucjpms" 3 Encoding::MultiByte(&multi_byte::EUCJPMS);
    EUCKR "euckr" 2 Encoding::MultiByte(&multi_byte::EUCKR);
    GB18030 "gb18030" 4 Encoding::MultiByte(&multi_byte::GB18030);
    GB2312 "gb2312" 2 Encoding::MultiByte(&multi_byte::GB2312);
    GBK "gbk" 2 Encoding::MultiByte(&multi_byte::GBK);
    GEOSTD8 "geostd8" 1 Encoding::SingleByte(&single_byte::GEOSTD8);
    GREEK "greek" 1 Encoding::SingleByte(&single_byte::GREEK);
    HEBREW "hebrew" 1 Encoding::SingleByte(&single_byte::HEBREW);
    HP8 "hp8" 1 Encoding::SingleByte(&single_byte::HP8);
    KEYBCS2 "keybcs2" 1 Encoding::SingleByte(&single_byte::KEYBCS2);
    KOI8R "koi8r" 1 Encoding::SingleByte(&single_byte::KOI8R);
    KOI8U "koi8u" 1 Encoding::SingleByte(&single_byte::KOI8U);
    LATIN2 "latin2" 1 Encoding::SingleByte(&single_byte::LATIN2);
    LATIN5 "latin5" 1 Encoding::SingleByte(&single_byte::LATIN5);
    LATIN7 "latin7" 1 Encoding::SingleByte(&single_byte::LATIN7);
    MACCE "macce" 1 Encoding::SingleByte(&single_byte::MACCE);
    MACROMAN "macroman" 1 Encoding::SingleByte(&single_byte::MACROMAN);
    SJIS "sjis" 2 Encoding::MultiByte(&multi_byte::SJIS);
    SWE7 "swe7" 1 Encoding::SingleByte(&single_byte::SWE7);
    TIS620 "tis620" 1 Encoding::SingleByte(&single_byte::TIS620);
    UCS2 "ucs2" 2 Encoding::Units(Units::Ucs2);
    UJIS "ujis" 3 Encoding::MultiByte(&multi_byte::UJIS);
    UTF16 "utf16" 4 Encoding::Units(Units::Utf16);
    UTF16LE "utf16le" 4 Encoding::Units(Units::Utf16Le);
    UTF32 "utf32" 4 Encoding::Units(Units::Utf32);
}

impl Charset {
    /// The character set `utf8mb4`.
    pub const UTF8MB4: Charset = UTF8MB4;

    /// The character set of a collation id, as table maps and query events have it; `None` for an id that neither MySQL
    /// 5.1 to 9.7 nor MariaDB 10 and 11 assigns.
    ///
    /// Ids 1024 to 2047 are read as MariaDB's NOPAD collations. A MySQL administrator may have put self-made collations
    /// there (manual, "Adding a Collation"): such a server's tables need the lookup by name.
    #[must_use]
    pub fn by_collation(id: u16) -> Option<Charset> {
        collations::charset(id)
    }

    /// The character set of a name, in any case; `utf8` is `utf8mb3`.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Charset> {
        let name = if name.eq_ignore_ascii_case("utf8") { "utf8mb3" } else { name };
        ALL.iter().copied().find(|charset| charset.name().eq_ignore_ascii_case(name))
    }

    /// The name, in lower case; `utf8mb3` for what older servers call `utf8`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// The longest character in bytes, 1 to 4, by which column lengths are multiplied.
    #[must_use]
    pub fn max_bytes_per_char(self) -> u8 {
        self.0.max_bytes_per_char
    }

    /// Whether this is `binary`: bytes, no characters.
    #[must_use]
    pub fn is_binary(self) -> bool {
        self == BINARY
    }

    /// Whether its text is UTF-8.
    #[must_use]
    pub fn is_utf8(self) -> bool {
        matches!(self.0.encoding, Encoding::Utf8) && !self.is_binary()
    }

    /// The text that `bytes` are in this character set: borrowed where UTF-8 has the same bytes, else converted into the
    /// arena. Bytes of `binary` are taken for UTF-8, which is what clients put into statements and names.
    ///
    /// # Errors
    /// When the bytes are no text of this character set.
    pub fn decode<'a>(self, bytes: &'a [u8], arena: &Arena<'a>) -> Result<&'a str, Malformed> {
        if self.is_utf8_when_ascii() && bytes.is_ascii() {
            return utf8(bytes);
        }
        // Two bytes of UTF-8 for one of most others: no growing for letters outside of ASCII, little for ideographs.
        let mut text = String::new();
        match &self.0.encoding {
            Encoding::Utf8 => return utf8(bytes),
            Encoding::SingleByte(table) => {
                text.reserve(bytes.len().saturating_mul(2));
                table.decode(bytes, &mut text);
            }
            Encoding::MultiByte(charset) => {
                text.reserve(bytes.len().saturating_mul(2));
                charset.decode(bytes, &mut text)?;
            }
            Encoding::Units(units) => {
                text.reserve(bytes.len());
                units.decode(bytes, &mut text)?;
            }
        }
        Ok(arena.text(&text))
    }

    /// Whether text of ASCII bytes only is the same text in UTF-8, and looking for that first pays (it does not for
    /// UTF-8 itself, whose validation looks anyway).
    fn is_utf8_when_ascii(self) -> bool {
        match &self.0.encoding {
            Encoding::SingleByte(table) => table.is_ascii_compatible(),
            Encoding::MultiByte(_) => true,
            Encoding::Utf8 | Encoding::Units(_) => false,
        }
    }
}

/// The character set of a collation's name, in any case: names start with it (`utf8mb4_0900_ai_ci`). `None` for others,
/// among them MariaDB's short names (`uca1400_ai_ci`), which belong to several character sets.
#[must_use]
pub fn collation_charset(name: &str) -> Option<Charset> {
    let (charset, _) = name.split_once('_').unwrap_or((name, ""));
    Charset::by_name(charset).filter(|charset| charset.is_binary() == name.eq_ignore_ascii_case("binary"))
}

/// Bytes that are UTF-8 already, as text.
#[inline]
pub(super) fn utf8(bytes: &[u8]) -> Result<&str, Malformed> {
    simdutf8::basic::from_utf8(bytes).map_err(|_| Malformed("is not valid UTF-8"))
}

impl PartialEq for Charset {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
    }
}

impl Eq for Charset {}

impl fmt::Debug for Charset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name)
    }
}
