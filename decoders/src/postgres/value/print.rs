//! The text of a value from its binary format, as the type's output function prints it.

use super::{
    binary,
    buffer::{Buffer, print_to},
    container, float, geometric,
    kind::{Kind, Native},
    network, numeric, temporal,
    text::utf8,
    text_search,
};
use crate::{
    postgres::{
        lsn::Lsn,
        reader::{Malformed, Reader},
    },
    value::UuidText,
};

/// Prints a value in the text format.
pub(super) fn print(kind: &Kind, bytes: &[u8], out: &mut Buffer) -> Result<(), Malformed> {
    let mut reader = Reader::new(bytes);
    let reader = &mut reader;
    match kind {
        Kind::Bool => out.push(if binary::bool(reader)? { "t" } else { "f" }),
        Kind::Int(2) => print_to!(out, "{}", reader.i16()?),
        Kind::Int(4) => print_to!(out, "{}", reader.i32()?),
        Kind::Int(_) => print_to!(out, "{}", reader.i64()?),
        Kind::UInt(4) => print_to!(out, "{}", reader.u32()?),
        Kind::UInt(_) => print_to!(out, "{}", reader.u64()?),
        Kind::Float => float::print_float(f32::from_bits(reader.u32()?), out),
        Kind::Double => float::print_double(reader.f64()?, out),
        Kind::Numeric => numeric::print(reader, out)?,
        Kind::Text | Kind::Json | Kind::Enum(_) => return same(bytes, out),
        Kind::Jsonb => return same(binary::versioned(bytes)?, out),
        Kind::Bytea => {
            out.push("\\x");
            bytes.iter().for_each(|byte| print_to!(out, "{byte:02x}"));
            return Ok(());
        }
        Kind::Date => temporal::print_date(reader, out)?,
        Kind::Time(_) => temporal::print_time(reader, out)?,
        Kind::DateTime(_) => temporal::print_timestamp(reader, "", out)?,
        Kind::Timestamp(_) => temporal::print_timestamp(reader, "+00", out)?,
        Kind::Uuid => print_to!(out, "{}", UuidText(reader.array()?)),
        Kind::Bits(_) => bit_string(reader, out)?,
        Kind::Native(Native::Same) => return same(bytes, out),
        Kind::Native(Native::Versioned) => return same(binary::versioned(bytes)?, out),
        Kind::Native(native) => print_native(native, reader, out)?,
    }
    reader.end()
}

fn print_native(native: &Native, reader: &mut Reader<'_>, out: &mut Buffer) -> Result<(), Malformed> {
    match native {
        Native::Char => match reader.u8()? {
            0 => {}
            byte @ 0x80.. => print_to!(out, "\\{byte:03o}"),
            byte => out.push_char(char::from(byte)),
        },
        Native::Interval => temporal::print_interval(reader, out)?,
        Native::TimeTz => temporal::print_timetz(reader, out)?,
        Native::Network => network::print_network(reader, out)?,
        Native::MacAddress => network::print_mac(reader, out)?,
        Native::BitString => bit_string(reader, out)?,
        Native::TsVector => text_search::print_vector(reader, out)?,
        Native::TsQuery => text_search::print_query(reader, out)?,
        Native::Lsn => print_to!(out, "{}", Lsn(reader.u64()?)),
        Native::Tid => print_to!(out, "({},{})", reader.u32()?, reader.u16()?),
        Native::Snapshot => snapshot(reader, out)?,
        Native::Hstore => container::print_hstore(reader, out)?,
        Native::Array { element, kind, delimiter } => {
            container::print_array(*element, kind, *delimiter, reader, out)?;
        }
        Native::Vector(kind) => container::print_vector(kind, reader, out)?,
        Native::Composite(kinds) => container::print_composite(kinds, reader, out)?,
        Native::Range(kind) => container::print_range(kind, reader, out)?,
        Native::Multirange(kind) => container::print_multirange(kind, reader, out)?,
        Native::Refused | Native::Same | Native::Versioned => {
            return Err(Malformed("has no binary format that is known"));
        }
        geometry => geometric::print(geometry, reader, out)?,
    }
    Ok(())
}

fn same(bytes: &[u8], out: &mut Buffer) -> Result<(), Malformed> {
    out.push(utf8(bytes)?);
    Ok(())
}

/// Zeros and ones, from the left.
fn bit_string(reader: &mut Reader<'_>, out: &mut Buffer) -> Result<(), Malformed> {
    let length = usize::try_from(reader.i32()?).map_err(|_| Malformed("has a negative length"))?;
    let bytes = reader.take(length.div_ceil(8))?;
    for place in 0..length {
        let bit = bytes.get(place / 8).is_some_and(|byte| byte & (0x80 >> (place % 8)) != 0);
        out.push(if bit { "1" } else { "0" });
    }
    Ok(())
}

/// Transactions in progress: their number, the first, the next one, and each.
fn snapshot(reader: &mut Reader<'_>, out: &mut Buffer) -> Result<(), Malformed> {
    let (count, first, next) = (reader.u32()?, reader.u64()?, reader.u64()?);
    print_to!(out, "{first}:{next}:");
    for place in 0..count {
        print_to!(out, "{}{}", if place == 0 { "" } else { "," }, reader.u64()?);
    }
    Ok(())
}
