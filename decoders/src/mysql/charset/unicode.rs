//! Character sets whose code units are whole Unicode numbers: ucs2, utf16, utf16le, utf32.

use crate::mysql::reader::Malformed;

/// The form of the code units. All but `Utf16Le` are big endian.
pub(super) enum Units {
    /// Two bytes a character; surrogates are not characters, not even in pairs.
    Ucs2,
    /// Two bytes, or four as a surrogate pair.
    Utf16,
    /// As `Utf16`, little endian.
    Utf16Le,
    /// Four bytes a character.
    Utf32,
}

const PARTIAL: Malformed = Malformed("ends within a character");
const NO_CHARACTER: Malformed = Malformed("has a surrogate or a number that is no Unicode character");

impl Units {
    /// Appends the text of `bytes`.
    pub(super) fn decode(&self, bytes: &[u8], text: &mut String) -> Result<(), Malformed> {
        match self {
            Units::Ucs2 => scalars(exact::<2>(bytes)?, |unit| u32::from(u16::from_be_bytes(unit)), text),
            Units::Utf16 => surrogates(exact(bytes)?, u16::from_be_bytes, text),
            Units::Utf16Le => surrogates(exact(bytes)?, u16::from_le_bytes, text),
            Units::Utf32 => scalars(exact(bytes)?, u32::from_be_bytes, text),
        }
    }
}

/// The bytes as units of `N`.
fn exact<const N: usize>(bytes: &[u8]) -> Result<&[[u8; N]], Malformed> {
    match bytes.as_chunks::<N>() {
        (units, []) => Ok(units),
        _ => Err(PARTIAL),
    }
}

fn scalars<const N: usize>(
    units: &[[u8; N]],
    number: fn([u8; N]) -> u32,
    text: &mut String,
) -> Result<(), Malformed> {
    for unit in units {
        text.push(char::from_u32(number(*unit)).ok_or(NO_CHARACTER)?);
    }
    Ok(())
}

fn surrogates(units: &[[u8; 2]], number: fn([u8; 2]) -> u16, text: &mut String) -> Result<(), Malformed> {
    for character in char::decode_utf16(units.iter().map(|unit| number(*unit))) {
        text.push(character.map_err(|_| NO_CHARACTER)?);
    }
    Ok(())
}
