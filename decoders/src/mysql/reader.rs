//! Reading integers and slices from bytes that came over a wire: every access is checked, nothing panics.

use std::fmt;

/// What is wrong with some bytes. The caller adds the table, the column and the position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Malformed {}

const TRUNCATED: Malformed = Malformed("ends too early");

/// A cursor over bytes. Cloning it copies a slice.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

macro_rules! integers {
    ($($(#[$doc:meta])* $name:ident $type:ty, $bytes:literal, $from:ident, $pad:expr;)*) => {$(
        $(#[$doc])*
        #[inline]
        pub fn $name(&mut self) -> Result<$type, Malformed> {
            let (head, rest) = self.rest.split_first_chunk::<$bytes>().ok_or(TRUNCATED)?;
            self.rest = rest;
            Ok(<$type>::$from($pad(*head)))
        }
    )*};
}

impl<'a> Reader<'a> {
    /// A cursor at the start of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { rest: bytes }
    }

    /// What has not been read.
    #[must_use]
    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Number of bytes not read.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.rest.len()
    }

    /// Whether everything has been read.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// When there are fewer.
    #[inline]
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (head, rest) = self.rest.split_at_checked(count).ok_or(TRUNCATED)?;
        self.rest = rest;
        Ok(head)
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// When there are fewer.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(TRUNCATED)?;
        self.rest = rest;
        Ok(*head)
    }

    /// Passes over `count` bytes.
    ///
    /// # Errors
    /// When there are fewer.
    #[inline]
    pub fn skip(&mut self, count: usize) -> Result<(), Malformed> {
        self.take(count).map(|_| ())
    }

    integers! {
        /// An unsigned byte.
        u8 u8, 1, from_le_bytes, |b| b;
        /// A signed byte.
        i8 i8, 1, from_le_bytes, |b| b;
        /// Two bytes, little endian.
        u16 u16, 2, from_le_bytes, |b| b;
        /// Two bytes, little endian, signed.
        i16 i16, 2, from_le_bytes, |b| b;
        /// Three bytes, little endian.
        u24 u32, 3, from_le_bytes, |[a, b, c]: [u8; 3]| [a, b, c, 0];
        /// Four bytes, little endian.
        u32 u32, 4, from_le_bytes, |b| b;
        /// Four bytes, little endian, signed.
        i32 i32, 4, from_le_bytes, |b| b;
        /// Six bytes, little endian.
        u48 u64, 6, from_le_bytes, |[a, b, c, d, e, f]: [u8; 6]| [a, b, c, d, e, f, 0, 0];
        /// Eight bytes, little endian.
        u64 u64, 8, from_le_bytes, |b| b;
        /// Eight bytes, little endian, signed.
        i64 i64, 8, from_le_bytes, |b| b;
        /// Two bytes, big endian.
        u16_be u16, 2, from_be_bytes, |b| b;
        /// Three bytes, big endian.
        u24_be u32, 3, from_be_bytes, |[a, b, c]: [u8; 3]| [0, a, b, c];
        /// Four bytes, big endian.
        u32_be u32, 4, from_be_bytes, |b| b;
        /// Five bytes, big endian.
        u40_be u64, 5, from_be_bytes, |[a, b, c, d, e]: [u8; 5]| [0, 0, 0, a, b, c, d, e];
        /// Six bytes, big endian.
        u48_be u64, 6, from_be_bytes, |[a, b, c, d, e, f]: [u8; 6]| [0, 0, a, b, c, d, e, f];
        /// Single precision, little endian.
        f32 f32, 4, from_le_bytes, |b| b;
        /// Double precision, little endian.
        f64 f64, 8, from_le_bytes, |b| b;
    }

    /// Three bytes, little endian, signed.
    ///
    /// # Errors
    /// When there are fewer.
    #[inline]
    pub fn i24(&mut self) -> Result<i32, Malformed> {
        // Shifted up so that the third byte's sign becomes the number's, and back.
        self.u24().map(|value| (value << 8) as i32 >> 8)
    }

    /// An unsigned little endian integer of `bytes` bytes (1 to 8).
    ///
    /// # Errors
    /// When there are fewer, or `bytes` is outside 1 to 8.
    #[inline]
    pub fn uint(&mut self, bytes: usize) -> Result<u64, Malformed> {
        let mut padded = [0; 8];
        let slice = self.take(bytes)?;
        padded
            .get_mut(..bytes)
            .ok_or(Malformed("has an integer of more than 8 bytes"))?
            .copy_from_slice(slice);
        Ok(u64::from_le_bytes(padded))
    }

    /// A length-encoded integer (MySQL internals, "Protocol::LengthEncodedInteger").
    ///
    /// # Errors
    /// When it ends too early, or starts with a byte that no integer starts with (0xFB, 0xFF).
    #[inline]
    pub fn lenenc(&mut self) -> Result<u64, Malformed> {
        match self.u8()? {
            byte @ ..=0xFA => Ok(u64::from(byte)),
            0xFC => self.u16().map(u64::from),
            0xFD => self.u24().map(u64::from),
            0xFE => self.u64(),
            _ => Err(Malformed("has a wrong length-encoded integer")),
        }
    }

    /// A length-encoded integer that has to be a length of what follows.
    ///
    /// # Errors
    /// As [`lenenc`](Self::lenenc), or when fewer bytes follow.
    pub fn lenenc_slice(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.lenenc()?;
        self.take(usize::try_from(length).map_err(|_| TRUNCATED)?)
    }
}
