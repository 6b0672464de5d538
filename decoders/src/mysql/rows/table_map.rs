//! The TABLE_MAP event: which table the following rows are of, and how their columns are stored
//! (MySQL `libs/mysql/binlog/event/rows_event.h`, "Table_map_event").

use crate::mysql::{
    error::Reason,
    reader::{Malformed, Reader},
    rows::wire::Wire,
};

/// A TABLE_MAP event as it stands in the log.
#[derive(Clone, Debug)]
pub(in crate::mysql) struct TableMap<'a> {
    pub(in crate::mysql) table_id: u64,
    pub(in crate::mysql) database: &'a str,
    pub(in crate::mysql) table: &'a str,
    /// Everything behind the table id: two table maps with equal bytes here describe the same table alike.
    pub(in crate::mysql) description: &'a [u8],
    columns: Reader<'a>,
}

/// The columns of a table map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::mysql) struct Columns {
    pub(in crate::mysql) wires: Vec<Wire>,
    pub(in crate::mysql) nullable: Vec<bool>,
    pub(in crate::mysql) metadata: Metadata,
}

/// The optional metadata (`binlog_row_metadata` MINIMAL or FULL). Each list is for all columns, `None` where the log does
/// not say it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::mysql) struct Metadata {
    pub(in crate::mysql) unsigned: Option<Vec<bool>>,
    /// Collation ids of character, ENUM and SET columns.
    pub(in crate::mysql) collations: Vec<Option<u16>>,
    /// Names in the character set of the system, UTF-8. Only with FULL.
    pub(in crate::mysql) names: Option<Vec<String>>,
    /// Members of ENUM and SET columns, in the column's character set. Only with FULL.
    pub(in crate::mysql) members: Vec<Option<Vec<Vec<u8>>>>,
    pub(in crate::mysql) geometry_types: Vec<Option<u8>>,
    pub(in crate::mysql) vector_dimensions: Vec<Option<u32>>,
    /// Ordinals of the primary key's columns. Only with FULL, and absent when the table has none.
    pub(in crate::mysql) primary_key: Option<Vec<u16>>,
}

/// More columns than any table can have (MySQL and MariaDB: 4,096).
const MAX_COLUMNS: u64 = 4096;

impl<'a> TableMap<'a> {
    /// Reads the names and leaves the columns for [`columns`](Self::columns): most table maps repeat an earlier one.
    pub(in crate::mysql) fn parse(body: &'a [u8], id_bytes: usize) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let table_id = reader.uint(id_bytes)?;
        let description = reader.rest();
        reader.skip(2)?;
        let database = name(&mut reader)?;
        let table = name(&mut reader)?;
        Ok(TableMap { table_id, database, table, description, columns: reader })
    }

    /// Reads the columns.
    pub(in crate::mysql) fn columns(&self) -> Result<Columns, Reason> {
        let malformed = |what| Reason::Malformed { event: "TABLE_MAP", what };
        let mut reader = self.columns;
        let count = reader.lenenc().map_err(malformed)?;
        if count > MAX_COLUMNS {
            return Err(malformed(Malformed("has more columns than a table can have")));
        }
        let count = count as usize;
        let types = reader.take(count).map_err(malformed)?;
        let mut type_metadata = Reader::new(reader.lenenc_slice().map_err(malformed)?);
        let wires =
            types.iter().map(|code| Wire::parse(*code, &mut type_metadata)).collect::<Result<Vec<_>, _>>()?;
        let null_bits = reader.take(count.div_ceil(8)).map_err(malformed)?;
        let nullable = (0..count).map(|i| bit(null_bits, i)).collect();
        let metadata = Metadata::parse(reader, &wires).map_err(malformed)?;
        Ok(Columns { wires, nullable, metadata })
    }
}

/// A name with its length before and a zero byte behind it.
fn name<'a>(reader: &mut Reader<'a>) -> Result<&'a str, Malformed> {
    let length = usize::from(reader.u8()?);
    let name =
        std::str::from_utf8(reader.take(length)?).map_err(|_| Malformed("has a name that is not UTF-8"))?;
    reader.skip(1)?;
    Ok(name)
}

/// The bit of that number, least significant first.
#[inline]
pub(in crate::mysql) fn bit(bits: &[u8], number: usize) -> bool {
    bits.get(number / 8).is_some_and(|byte| byte >> (number % 8) & 1 == 1)
}

impl Columns {
    /// Takes columns off the end; returns how they are stored.
    pub(in crate::mysql) fn split_off(&mut self, hidden: usize) -> Vec<Wire> {
        let visible = self.wires.len().saturating_sub(hidden);
        self.nullable.truncate(visible);
        if let Some(names) = &mut self.metadata.names {
            names.truncate(visible);
        }
        self.wires.split_off(visible)
    }
}

impl Metadata {
    /// Reads type, length, value until the end (`Optional_metadata_field_type`). Unknown types are passed over: they
    /// describe, they do not change how a value is stored.
    fn parse(mut reader: Reader<'_>, wires: &[Wire]) -> Result<Self, Malformed> {
        let mut metadata = Metadata {
            collations: vec![None; wires.len()],
            members: vec![None; wires.len()],
            geometry_types: vec![None; wires.len()],
            vector_dimensions: vec![None; wires.len()],
            ..Metadata::default()
        };
        let is_list = |wire: Wire| matches!(wire, Wire::Enum { .. } | Wire::Set { .. });
        while !reader.is_empty() {
            let field = reader.u8()?;
            let value = reader.lenenc_slice()?;
            match field {
                1 => metadata.unsigned = Some(signs(value, wires)),
                2 => default_collation(value, wires, Wire::is_character, &mut metadata.collations)?,
                3 => each(value, wires, Wire::is_character, &mut metadata.collations, collation)?,
                4 => metadata.names = Some(names(value, wires.len())?),
                5 => each(
                    value,
                    wires,
                    |wire| matches!(wire, Wire::Set { .. }),
                    &mut metadata.members,
                    members,
                )?,
                6 => each(
                    value,
                    wires,
                    |wire| matches!(wire, Wire::Enum { .. }),
                    &mut metadata.members,
                    members,
                )?,
                7 => {
                    let geometry = |wire| matches!(wire, Wire::Geometry { .. });
                    each(value, wires, geometry, &mut metadata.geometry_types, |r| Ok(r.lenenc()? as u8))?;
                }
                8 => metadata.primary_key = Some(key(value, false, wires.len())?),
                9 => metadata.primary_key = Some(key(value, true, wires.len())?),
                10 => default_collation(value, wires, is_list, &mut metadata.collations)?,
                11 => each(value, wires, is_list, &mut metadata.collations, collation)?,
                13 => {
                    let vector = |wire| matches!(wire, Wire::Vector { .. });
                    each(value, wires, vector, &mut metadata.vector_dimensions, |r| Ok(r.lenenc()? as u32))?;
                }
                _ => {}
            }
        }
        Ok(metadata)
    }
}

/// One bit a numeric column, most significant first; set for unsigned.
fn signs(value: &[u8], wires: &[Wire]) -> Vec<bool> {
    let mut number = 0;
    wires
        .iter()
        .map(|wire| {
            let unsigned = wire.is_numeric()
                && value.get(number / 8).is_some_and(|byte: &u8| byte << (number % 8) & 0x80 != 0);
            number += usize::from(wire.is_numeric());
            unsigned
        })
        .collect()
}

fn collation(reader: &mut Reader<'_>) -> Result<u16, Malformed> {
    u16::try_from(reader.lenenc()?).map_err(|_| Malformed("has an impossible collation"))
}

/// One collation for all columns of the kind, then pairs of place among them and collation for the others.
fn default_collation(
    value: &[u8],
    wires: &[Wire],
    is_kind: impl Fn(Wire) -> bool,
    collations: &mut [Option<u16>],
) -> Result<(), Malformed> {
    let mut reader = Reader::new(value);
    let default = collation(&mut reader)?;
    let mut places: Vec<&mut Option<u16>> =
        wires.iter().zip(collations).filter(|(wire, _)| is_kind(**wire)).map(|(_, place)| place).collect();
    for place in &mut places {
        **place = Some(default);
    }
    while !reader.is_empty() {
        let (number, id) = (reader.lenenc()?, collation(&mut reader)?);
        let place = usize::try_from(number).ok().and_then(|number| places.get_mut(number));
        **place.ok_or(Malformed("has a collation for a column that does not exist"))? = Some(id);
    }
    Ok(())
}

/// One item for each column of the kind.
fn each<T>(
    value: &[u8],
    wires: &[Wire],
    is_kind: impl Fn(Wire) -> bool,
    items: &mut [Option<T>],
    read: impl Fn(&mut Reader<'_>) -> Result<T, Malformed>,
) -> Result<(), Malformed> {
    let mut reader = Reader::new(value);
    for (_, item) in wires.iter().zip(items).filter(|(wire, _)| is_kind(**wire)) {
        if reader.is_empty() {
            break;
        }
        *item = Some(read(&mut reader)?);
    }
    Ok(())
}

fn names(value: &[u8], count: usize) -> Result<Vec<String>, Malformed> {
    let mut reader = Reader::new(value);
    let mut names = Vec::with_capacity(count);
    while !reader.is_empty() {
        let name = reader.lenenc_slice()?;
        names.push(
            std::str::from_utf8(name).map_err(|_| Malformed("has a name that is not UTF-8"))?.to_owned(),
        );
    }
    if names.len() == count {
        Ok(names)
    } else {
        Err(Malformed("has another number of column names than columns"))
    }
}

fn members(reader: &mut Reader<'_>) -> Result<Vec<Vec<u8>>, Malformed> {
    let count = reader.lenenc()?;
    // The count is checked by what follows: each member takes at least a byte.
    (0..count).map(|_| reader.lenenc_slice().map(<[u8]>::to_vec)).collect()
}

fn key(value: &[u8], with_prefix: bool, columns: usize) -> Result<Vec<u16>, Malformed> {
    let mut reader = Reader::new(value);
    let mut key = Vec::new();
    while !reader.is_empty() {
        let ordinal = reader.lenenc()?;
        if ordinal >= columns as u64 {
            return Err(Malformed("has a key column that does not exist"));
        }
        key.push(ordinal as u16);
        if with_prefix {
            reader.lenenc()?;
        }
    }
    Ok(key)
}
