//! Exact numbers (`numeric_send`, `src/backend/utils/adt/numeric.c`): groups of four decimal digits.

use super::buffer::{Buffer, print_to};
use crate::postgres::reader::{Malformed, Reader};

const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xC000;
const INFINITY: u16 = 0xD000;
const MINUS_INFINITY: u16 = 0xF000;
/// Digits behind the point that the format has room for.
const MAX_SCALE: u16 = 0x3FFF;

/// Prints all digits, with as many behind the point as the number says.
pub(super) fn print(reader: &mut Reader<'_>, out: &mut Buffer) -> Result<(), Malformed> {
    let (count, weight, sign, scale) = (reader.u16()?, reader.i16()?, reader.u16()?, reader.u16()?);
    let groups = reader.take(usize::from(count) * 2)?;
    match sign {
        0 => {}
        NEGATIVE => out.push("-"),
        NAN => return special("NaN", out),
        INFINITY => return special("Infinity", out),
        MINUS_INFINITY => return special("-Infinity", out),
        _ => return Err(Malformed("has an unknown sign")),
    }
    if scale > MAX_SCALE {
        return Err(Malformed("has an impossible scale"));
    }
    let (groups, _) = groups.as_chunks::<2>();
    let group = |place: i32| -> Result<u16, Malformed> {
        let group = usize::try_from(place).ok().and_then(|place| groups.get(place));
        match group.map_or(0, |group| u16::from_be_bytes(*group)) {
            group @ ..=9999 => Ok(group),
            _ => Err(Malformed("has a group of digits that is too large")),
        }
    };
    let weight = i32::from(weight);
    if weight < 0 {
        out.push("0");
    }
    for place in 0..=weight {
        let group = group(place)?;
        if place == 0 {
            print_to!(out, "{group}");
        } else {
            push_group(group, 4, out);
        }
    }
    if scale > 0 {
        out.push(".");
        let mut left = usize::from(scale);
        for place in weight + 1.. {
            let digits = left.min(4);
            push_group(group(place)?, digits, out);
            left -= digits;
            if left == 0 {
                break;
            }
        }
    }
    Ok(())
}

fn special(text: &str, out: &mut Buffer) -> Result<(), Malformed> {
    out.push(text);
    Ok(())
}

/// The first `digits` of a group's four digits.
#[inline]
fn push_group(group: u16, digits: usize, out: &mut Buffer) {
    let ascii = |number: u16| b'0' + (number % 10) as u8;
    let text = [ascii(group / 1000), ascii(group / 100), ascii(group / 10), ascii(group)];
    out.push(text.get(..digits).and_then(|text| str::from_utf8(text).ok()).unwrap_or_default());
}
