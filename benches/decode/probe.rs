//! The yardstick: the least code that reads the twelve columns of the mixed table, checksums included, and nothing else. It
//! knows the columns instead of reading table maps, has no positions, transactions, other types or helpful errors.

use std::{hint::black_box, path::Path};

use anyhow::Context;
use slackwater_decoders::mysql::{event_type as types, framing, reader::Reader};

use crate::{contenders::checked, pieces::Pieces};

#[expect(dead_code, reason = "what counts is that it is made")]
struct Row<'a> {
    id: i32,
    big: i64,
    count: u32,
    name: Option<&'a str>,
    code: &'a str,
    /// In hundredths.
    price: i64,
    /// Packed as in the log, and microseconds.
    made: (u64, u32),
    changed: u32,
    ratio: f64,
    /// Year, month, day.
    day: (u16, u8, u8),
    state: u8,
    data: Option<&'a [u8]>,
}

/// Bits of the columns that may be NULL, in the two bytes before a row.
const NAME: u16 = 1 << 3;
const DATA: u16 = 1 << 11;

/// Reads the log and counts row changes.
pub(crate) fn read(log: &Path) -> anyhow::Result<u64> {
    let mut pieces = Pieces::open(log)?;
    let (mut piece, mut changes) = (Vec::new(), 0);
    while pieces.next(&mut piece)? {
        let mut rows = Vec::new();
        let mut rest = piece.as_slice();
        while !rest.is_empty() {
            let (header, event, behind) = framing::split_event(rest)?;
            let content = checked(event)?;
            rest = behind;
            let images = match header.event_type {
                types::WRITE_ROWS | types::DELETE_ROWS => 1,
                types::UPDATE_ROWS => 2,
                _ => continue,
            };
            // Table id, flags, extra length, number of columns, and a bitmap of two bytes for each image.
            let body =
                content.get(framing::HEADER_LENGTH + 6 + 2 + 2 + 1 + 2 * images..).context("too short")?;
            let before = rows.len();
            let mut reader = Reader::new(body);
            while !reader.is_empty() {
                rows.push(row(&mut reader)?);
            }
            changes += (rows.len() - before) / images;
        }
        black_box(&rows);
    }
    Ok(changes as u64)
}

fn row<'a>(reader: &mut Reader<'a>) -> anyhow::Result<Row<'a>> {
    let nulls = reader.u16()?;
    Ok(Row {
        id: reader.i32()?,
        big: reader.i64()?,
        count: reader.u32()?,
        name: if nulls & NAME == 0 { Some(text(reader, true)?) } else { None },
        code: text(reader, false)?,
        price: price(reader)?,
        made: (reader.u40_be()?, reader.u24_be()?),
        changed: reader.u32_be()?,
        ratio: reader.f64()?,
        day: {
            let packed = reader.u24()?;
            ((packed >> 9) as u16, (packed >> 5 & 15) as u8, (packed & 31) as u8)
        },
        state: reader.u8()?,
        data: if nulls & DATA == 0 {
            let length = usize::from(reader.u16()?);
            Some(reader.take(length)?)
        } else {
            None
        },
    })
}

fn text<'a>(reader: &mut Reader<'a>, is_long: bool) -> anyhow::Result<&'a str> {
    let length = if is_long { usize::from(reader.u16()?) } else { usize::from(reader.u8()?) };
    Ok(std::str::from_utf8(reader.take(length)?)?)
}

/// DECIMAL(12, 2): ten digits in one and four bytes, two in one; the first bit is inverted, all are when negative.
fn price(reader: &mut Reader<'_>) -> anyhow::Result<i64> {
    let [a, b, c, d, e, cents] = reader.array()?;
    let flip = if a & 0x80 == 0 { 0xFF } else { 0 };
    let low = u32::from_be_bytes([b ^ flip, c ^ flip, d ^ flip, e ^ flip]);
    let value =
        (i64::from((a ^ 0x80) ^ flip) * 1_000_000_000 + i64::from(low)) * 100 + i64::from(cents ^ flip);
    Ok(if flip == 0 { value } else { -value })
}
