//! Places in a table: in which partition, and where in its file.

use slackwater_decoders::schema::Table;

use crate::{
    error::{Error, Result},
    sources::snapshot::Bound,
};

/// Where a row lies in its file (`ctid`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RowId {
    pub(super) page: u32,
    /// From 1.
    pub(super) item: u16,
}

impl RowId {
    /// Reads the binary format (`tidsend`, `src/backend/utils/adt/tid.c`).
    pub(super) fn from_binary(bytes: &[u8]) -> Option<Self> {
        let (page, item) = bytes.split_first_chunk::<4>()?;
        Some(RowId { page: u32::from_be_bytes(*page), item: u16::from_be_bytes(item.try_into().ok()?) })
    }

    /// As a literal of SQL.
    pub(super) fn literal(self) -> String {
        format!("'({},{})'::pg_catalog.tid", self.page, self.item)
    }
}

/// A row of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The OID of the partition, or of the table.
    pub(super) part: u32,
    /// Its file (`pg_class.relfilenode`), in which the row has its place: a rewritten table has another one.
    pub(super) file: u32,
    pub(super) row: RowId,
    /// Which parts the table had ([`Shape::fingerprint`](super::shape::Shape::fingerprint)).
    pub(super) parts: u32,
}

impl Place {
    /// The place in the form that is kept.
    pub(super) fn to_bound(self) -> Bound {
        Bound(format!("{}/{}/{}/{}/{}", self.part, self.file, self.row.page, self.row.item, self.parts))
    }

    /// The place that was kept.
    ///
    /// # Errors
    /// Definite when it is not one.
    pub(super) fn from_bound(bound: &Bound, table: &Table) -> Result<Self> {
        let mut numbers = bound.0.split('/').map(|number| number.parse::<u32>().ok());
        let mut next = || numbers.next().flatten();
        let place = (|| {
            let (part, file, page) = (next()?, next()?, next()?);
            let row = RowId { page, item: u16::try_from(next()?).ok()? };
            Some(Place { part, file, row, parts: next()? })
        })();
        place.ok_or_else(|| {
            Error::definite("the stored place in the copy of the table is none")
                .on(&table.name)
                .remedy("start the copy of the table anew")
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use slackwater_decoders::schema::TableName;

    use super::*;

    #[test]
    fn a_place_is_kept() {
        let table = Table {
            name: TableName::new("shop", "orders"),
            columns: Vec::new(),
            primary_key: Vec::new(),
            unique_keys: Vec::new(),
            indexes: Vec::new(),
            collation: None,
            named: true,
            number: None,
        };
        let row = RowId::from_binary(&[0, 1, 0, 0, 1, 2]).unwrap();
        assert_eq!(row.literal(), "'(65536,258)'::pg_catalog.tid");
        let place = Place { part: 16_384, file: 16_390, row, parts: 7 };
        assert_eq!(Place::from_bound(&place.to_bound(), &table).unwrap(), place);
        assert!(Place::from_bound(&Bound("1/2/3".to_owned()), &table).is_err());
    }
}
