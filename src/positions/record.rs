//! The form of a record in the store: version, sequence, checksum, JSON.
//!
//! Layout: the bytes `SW`, one byte format version, eight bytes sequence (little endian), four bytes CRC-32 (IEEE,
//! little endian) over version, sequence and body, then the body as JSON.

use serde::{Serialize, de::DeserializeOwned};

/// The version of the layout and of the bodies that this program writes.
pub(super) const VERSION: u8 = 1;

const MAGIC: &[u8; 2] = b"SW";

/// Why a record cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Damage {
    /// The bytes end early or do not start as a record does.
    #[error("is no record of this program")]
    Shape,
    /// Another program version wrote it.
    #[error("has format version {0}, this program reads {VERSION}")]
    Version(u8),
    /// The bytes changed after they were written.
    #[error("does not match its checksum")]
    Checksum,
    /// The checksum holds but the content is not what was expected.
    #[error("cannot be understood: {0}")]
    Body(#[from] serde_json::Error),
}

/// Puts a value into the form of a record.
pub(super) fn encode<T: Serialize>(sequence: u64, value: &T) -> Result<Vec<u8>, serde_json::Error> {
    let body = serde_json::to_vec(value)?;
    let mut record = Vec::with_capacity(body.len() + 15);
    record.extend_from_slice(MAGIC);
    record.push(VERSION);
    record.extend_from_slice(&sequence.to_le_bytes());
    record.extend_from_slice(&checksum(VERSION, sequence, &body).to_le_bytes());
    record.extend_from_slice(&body);
    Ok(record)
}

/// Reads a record: its sequence and its value.
pub(super) fn decode<T: DeserializeOwned>(record: &[u8]) -> Result<(u64, T), Damage> {
    let rest = record.strip_prefix(MAGIC).ok_or(Damage::Shape)?;
    let (&version, rest) = rest.split_first().ok_or(Damage::Shape)?;
    if version != VERSION {
        return Err(Damage::Version(version));
    }
    let (sequence, rest) = rest.split_first_chunk().ok_or(Damage::Shape)?;
    let (crc, body) = rest.split_first_chunk().ok_or(Damage::Shape)?;
    let sequence = u64::from_le_bytes(*sequence);
    if checksum(version, sequence, body) != u32::from_le_bytes(*crc) {
        return Err(Damage::Checksum);
    }
    Ok((sequence, serde_json::from_slice(body)?))
}

fn checksum(version: u8, sequence: u64, body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[version]);
    hasher.update(&sequence.to_le_bytes());
    hasher.update(body);
    hasher.finalize()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_and_every_torn_length_is_noticed() {
        let record = encode(7, &"binlog.000001").unwrap();
        assert_eq!(decode::<String>(&record).unwrap(), (7, "binlog.000001".to_owned()));
        for byte in 0..record.len() {
            for bit in 0..8 {
                let mut damaged = record.clone();
                damaged[byte] ^= 1 << bit;
                assert!(decode::<String>(&damaged).is_err(), "byte {byte} bit {bit}");
            }
            assert!(decode::<String>(&record[..byte]).is_err(), "torn at {byte}");
        }
    }
}
