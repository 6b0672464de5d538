//! Reading what PostgreSQL puts on the wire: big endian numbers and texts that end with a zero byte. Every access is
//! checked, nothing panics.

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
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

macro_rules! integers {
    ($($name:ident $type:ty;)*) => {$(
        #[inline]
        pub(super) fn $name(&mut self) -> Result<$type, Malformed> {
            self.array().map(<$type>::from_be_bytes)
        }
    )*};
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Reader { rest: bytes }
    }

    #[inline]
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.rest.len()
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    #[inline]
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (head, rest) = self.rest.split_at_checked(count).ok_or(TRUNCATED)?;
        self.rest = rest;
        Ok(head)
    }

    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(TRUNCATED)?;
        self.rest = rest;
        Ok(*head)
    }

    integers! {
        u8 u8;
        i16 i16;
        u16 u16;
        i32 i32;
        u32 u32;
        i64 i64;
        u64 u64;
        f64 f64;
    }

    /// A text that ends with a zero byte, without it.
    #[inline]
    pub(super) fn text(&mut self) -> Result<&'a str, Malformed> {
        let end =
            self.rest.iter().position(|byte| *byte == 0).ok_or(Malformed("has a text without an end"))?;
        let bytes = self.take(end)?;
        self.take(1)?;
        simdutf8::basic::from_utf8(bytes).map_err(|_| Malformed("has a text that is not UTF-8"))
    }

    /// Bytes behind their length in 32 bits; `None` for the length -1, which stands for NULL.
    #[inline]
    pub(super) fn nullable(&mut self) -> Result<Option<&'a [u8]>, Malformed> {
        match self.i32()? {
            -1 => Ok(None),
            length => {
                let length = usize::try_from(length).map_err(|_| Malformed("has a negative length"))?;
                self.take(length).map(Some)
            }
        }
    }

    /// Nothing may be left.
    pub(super) fn end(&self) -> Result<(), Malformed> {
        if self.is_empty() { Ok(()) } else { Err(Malformed("goes on behind its end")) }
    }
}
