//! "Protocol::ColumnDefinition41": what the server says of a column of a result set.

use crate::mysql::reader::{Malformed, Reader};

/// Bit of the flags: the number has no sign (MySQL `include/mysql_com.h`, `UNSIGNED_FLAG`).
const UNSIGNED: u16 = 32;

/// A column of a result set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnDefinition {
    /// The name in the result.
    pub name: String,
    /// The collation id of what is sent; 63 for bytes and for numbers.
    pub collation: u16,
    /// The type code (MySQL `include/field_types.h`).
    pub type_code: u8,
    /// Whether a number has no sign.
    pub is_unsigned: bool,
}

impl ColumnDefinition {
    /// Reads the payload of a column definition packet.
    ///
    /// # Errors
    /// When it ends too early.
    pub fn parse(payload: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(payload);
        // Catalog, schema, table and original table.
        for _ in 0..4 {
            reader.lenenc_slice()?;
        }
        let name = String::from_utf8_lossy(reader.lenenc_slice()?).into_owned();
        // The original name, and the length of what follows.
        reader.lenenc_slice()?;
        reader.lenenc()?;
        let collation = reader.u16()?;
        reader.skip(4)?;
        let type_code = reader.u8()?;
        let flags = reader.u16()?;
        Ok(ColumnDefinition { name, collation, type_code, is_unsigned: flags & UNSIGNED != 0 })
    }
}
