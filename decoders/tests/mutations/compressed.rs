//! What logs have in compressed form: taken out, to be mutated inside, and put back.

use std::io::{Read, Write};

use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};
use slackwater_decoders::mysql::{event_type as types, reader::Reader};

use crate::log::write_lenenc;

/// Decompressed bytes beyond this are not looked for: no seed has so many.
const LIMIT: u64 = 64 << 20;

/// The events inside of a TRANSACTION_PAYLOAD.
pub(crate) fn open_payload(body: &[u8]) -> Option<Vec<u8>> {
    let mut reader = Reader::new(body);
    let (mut size, mut method) = (None, 0);
    loop {
        let field = reader.lenenc().ok()?;
        if field == 0 {
            break;
        }
        let mut value = Reader::new(reader.lenenc_slice().ok()?);
        match field {
            1 => size = value.lenenc().ok(),
            2 => method = value.lenenc().ok()?,
            _ => {}
        }
    }
    let data = reader.rest();
    let data = data.get(..size.map_or(data.len(), |size| size as usize)).unwrap_or(data);
    let mut events = Vec::new();
    match method {
        0 => _ = zstd::Decoder::new(data).ok()?.take(LIMIT).read_to_end(&mut events),
        _ => events.extend_from_slice(data),
    }
    Some(events)
}

/// A TRANSACTION_PAYLOAD with these events.
pub(crate) fn close_payload(events: &[u8], is_compressed: bool) -> Vec<u8> {
    let data = if is_compressed { zstd::encode_all(events, 1).unwrap() } else { events.to_vec() };
    let mut body = Vec::new();
    for (field, value) in
        [(2, if is_compressed { 0 } else { 255 }), (3, events.len() as u64), (1, data.len() as u64)]
    {
        let mut number = Vec::new();
        write_lenenc(value, &mut number);
        body.push(field);
        write_lenenc(number.len() as u64, &mut body);
        body.extend_from_slice(&number);
    }
    body.push(0);
    body.extend_from_slice(&data);
    body
}

/// Where MariaDB's compressed data starts in an event's body; `None` for other events.
pub(crate) fn start_of_compressed(event_type: u8, body: &[u8]) -> Option<usize> {
    let mut reader = Reader::new(body);
    match event_type {
        types::MARIADB_QUERY_COMPRESSED => {
            reader.skip(8).ok()?;
            let database = usize::from(reader.u8().ok()?);
            reader.skip(2).ok()?;
            let variables = usize::from(reader.u16().ok()?);
            reader.skip(variables + database + 1).ok()?;
        }
        types::MARIADB_WRITE_ROWS_COMPRESSED_V1..=types::MARIADB_DELETE_ROWS_COMPRESSED => {
            reader.skip(8).ok()?;
            if event_type >= types::MARIADB_WRITE_ROWS_COMPRESSED {
                let extra = usize::from(reader.u16().ok()?);
                reader.skip(extra.checked_sub(2)?).ok()?;
            }
            let bitmap = usize::try_from(reader.lenenc().ok()?).ok()?.div_ceil(8);
            let is_update = matches!(
                event_type,
                types::MARIADB_UPDATE_ROWS_COMPRESSED_V1 | types::MARIADB_UPDATE_ROWS_COMPRESSED
            );
            reader.skip(if is_update { bitmap.checked_mul(2)? } else { bitmap }).ok()?;
        }
        _ => return None,
    }
    Some(body.len() - reader.len())
}

/// MariaDB's compressed data, decompressed.
pub(crate) fn inflate(data: &[u8]) -> Option<Vec<u8>> {
    let mut reader = Reader::new(data);
    let length_bytes = reader.u8().ok()? & 7;
    reader.skip(usize::from(length_bytes)).ok()?;
    let mut out = Vec::new();
    _ = ZlibDecoder::new(reader.rest()).take(LIMIT).read_to_end(&mut out);
    Some(out)
}

/// The reverse of [`inflate`].
pub(crate) fn deflate(data: &[u8]) -> Vec<u8> {
    let mut out = vec![0x84];
    out.extend_from_slice(&(data.len() as u32).to_be_bytes());
    let mut encoder = ZlibEncoder::new(out, Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}
