//! Geometric types (`src/backend/utils/adt/geo_ops.c`): double precision numbers in parentheses.

use super::{buffer::Buffer, float::print_double, kind::Native};
use crate::postgres::reader::{Malformed, Reader};

pub(super) fn print(native: &Native, reader: &mut Reader<'_>, out: &mut Buffer) -> Result<(), Malformed> {
    match native {
        Native::Point => point(reader, out),
        Native::Segment => points(2, ["[", "]"], reader, out),
        Native::Box => points(2, ["", ""], reader, out),
        Native::Path => {
            let around = match reader.u8()? {
                0 => ["[", "]"],
                1 => ["(", ")"],
                _ => return Err(Malformed("is neither open nor closed")),
            };
            points(count(reader)?, around, reader, out)
        }
        Native::Polygon => points(count(reader)?, ["(", ")"], reader, out),
        Native::Line => numbers(3, ["{", "}"], reader, out),
        Native::Circle => {
            out.push("<");
            point(reader, out)?;
            out.push(",");
            print_double(reader.f64()?, out);
            out.push(">");
            Ok(())
        }
        _ => Err(Malformed("is not geometric")),
    }
}

/// A number of points, for which there are bytes.
fn count(reader: &mut Reader<'_>) -> Result<usize, Malformed> {
    let count = reader.u32()? as usize;
    if count > reader.len() / 16 { Err(Malformed("has fewer points than it says")) } else { Ok(count) }
}

fn point(reader: &mut Reader<'_>, out: &mut Buffer) -> Result<(), Malformed> {
    numbers(2, ["(", ")"], reader, out)
}

fn numbers(
    count: usize,
    [open, close]: [&str; 2],
    reader: &mut Reader<'_>,
    out: &mut Buffer,
) -> Result<(), Malformed> {
    out.push(open);
    for place in 0..count {
        out.push(if place == 0 { "" } else { "," });
        print_double(reader.f64()?, out);
    }
    out.push(close);
    Ok(())
}

fn points(
    count: usize,
    [open, close]: [&str; 2],
    reader: &mut Reader<'_>,
    out: &mut Buffer,
) -> Result<(), Malformed> {
    out.push(open);
    for place in 0..count {
        out.push(if place == 0 { "" } else { "," });
        point(reader, out)?;
    }
    out.push(close);
    Ok(())
}
