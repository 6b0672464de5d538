//! TABLE_MAP events as lists that can be changed and written with lengths that fit.

use slackwater_decoders::mysql::reader::Reader;

use crate::{log::write_lenenc, mutate::damage, random::Random};

/// Every type code there is, and some that there are not.
const TYPES: [u8; 38] = [
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 140, 141, 242, 243, 244, 245,
    246, 247, 248, 249, 250, 251, 252, 253, 254, 255, 99,
];

pub(crate) struct TableMap {
    /// Table id, flags, names.
    head: Vec<u8>,
    /// Type and metadata of each column.
    columns: Vec<(u8, Vec<u8>)>,
    nullable: Vec<u8>,
    /// Type and value of each field of the optional metadata.
    fields: Vec<(u8, Vec<u8>)>,
}

/// Bytes of metadata of a type.
fn metadata_length(column_type: u8) -> usize {
    match column_type {
        4 | 5 | 17..=19 | 140 | 242 | 245 | 249..=252 | 255 => 1,
        0 | 15 | 16 | 141 | 246..=248 | 253 | 254 => 2,
        _ => 0,
    }
}

impl TableMap {
    pub(crate) fn parse(body: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(body);
        reader.skip(8).ok()?;
        for _ in 0..2 {
            let length = usize::from(reader.u8().ok()?);
            reader.skip(length + 1).ok()?;
        }
        let head = body[..body.len() - reader.len()].to_vec();
        let count = usize::try_from(reader.lenenc().ok()?).ok()?;
        let types = reader.take(count).ok()?;
        let mut metadata = Reader::new(reader.lenenc_slice().ok()?);
        let columns = types
            .iter()
            .map(|code| Some((*code, metadata.take(metadata_length(*code)).ok()?.to_vec())))
            .collect::<Option<_>>()?;
        let nullable = reader.take(count.div_ceil(8)).ok()?.to_vec();
        let mut fields = Vec::new();
        while !reader.is_empty() {
            fields.push((reader.u8().ok()?, reader.lenenc_slice().ok()?.to_vec()));
        }
        Some(TableMap { head, columns, nullable, fields })
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        let mut out = self.head.clone();
        write_lenenc(self.columns.len() as u64, &mut out);
        out.extend(self.columns.iter().map(|(code, _)| code));
        let metadata: Vec<u8> = self.columns.iter().flat_map(|(_, metadata)| metadata).copied().collect();
        write_lenenc(metadata.len() as u64, &mut out);
        out.extend_from_slice(&metadata);
        let mut nullable = self.nullable.clone();
        nullable.resize(self.columns.len().div_ceil(8), 0xFF);
        out.extend_from_slice(&nullable);
        for (field, value) in &self.fields {
            out.push(*field);
            write_lenenc(value.len() as u64, &mut out);
            out.extend_from_slice(value);
        }
        out
    }

    pub(crate) fn columns(&self) -> usize {
        self.columns.len()
    }

    pub(crate) fn mutate(&mut self, random: &mut Random) {
        let place = random.below(self.columns.len());
        match random.below(9) {
            0 | 1 => {
                if let Some(column) = self.columns.get_mut(place) {
                    *column = some_column(random);
                }
            }
            2 => {
                if let Some((_, metadata)) = self.columns.get_mut(place) {
                    damage(random, metadata);
                }
            }
            3 => {
                let count = *random.pick(&[1, 1, 2, 7, 8, 9, 100, 4000, 5000]);
                // Wide tables are slow to decode: mostly narrow ones.
                let count = if count >= 100 && !random.one_in(20) { 3 } else { count };
                let column = some_column(random);
                let place = place.min(self.columns.len());
                self.columns.splice(place..place, std::iter::repeat_n(column, count));
                if random.one_in(2) {
                    self.fields.clear();
                }
            }
            4 => _ = (place < self.columns.len()).then(|| self.columns.remove(place)),
            5 => {
                let place = random.below(self.fields.len());
                if let Some((_, value)) = self.fields.get_mut(place) {
                    damage(random, value);
                }
            }
            6 => {
                let length = random.below(20);
                self.fields.push((random.below(16) as u8, random.bytes(length)));
            }
            7 => {
                let place = random.below(self.fields.len());
                if let Some((field, _)) = self.fields.get_mut(place) {
                    *field = random.below(16) as u8;
                }
            }
            _ => {
                let place = random.below(self.fields.len());
                _ = (place < self.fields.len()).then(|| self.fields.remove(place));
            }
        }
    }
}

fn some_column(random: &mut Random) -> (u8, Vec<u8>) {
    let code = *random.pick(&TYPES);
    let metadata = match code {
        // Plausible ones, which get further: decimals, lengths of one to four bytes, fractions, members.
        246 => vec![1 + random.below(65) as u8, random.below(31) as u8],
        140 | 242 | 245 | 249..=252 | 255 => vec![1 + random.below(4) as u8],
        4 => vec![4],
        5 => vec![8],
        17..=19 => vec![random.below(7) as u8],
        16 => vec![random.below(8) as u8, random.below(8) as u8],
        247 | 248 | 253 | 254 => vec![*random.pick(&[254, 247, 248, 222, 206]), random.byte()],
        _ => random.bytes(metadata_length(code)),
    };
    (code, metadata)
}
