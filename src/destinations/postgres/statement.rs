//! Statements for many rows of one table. Their rows come as arrays, one for each column, so that a statement of any number of
//! rows is prepared once.
//!
//! Measured on PostgreSQL 15 and 18 with rows of 200 bytes and an index beside the key: for rows that are there, `ON CONFLICT DO
//! UPDATE` and `UPDATE … FROM unnest` cost the same; a list of keys as `= ANY` costs the same as a join with them, or less.

use std::fmt::Write as _;

use slackwater_decoders::{
    event::Rows,
    value::{Cell, Value},
};

use super::{
    catalog::UniqueIndex,
    codec::{self, Codec, Pushed, Rules, Unfit},
    session::{Call, Raw},
    tables::{ReadyTable, TargetColumn},
    text,
};
use crate::{
    changes::{Image, diverged, row_missing},
    error::{Error, Result},
};

/// Statements for rows of one table.
#[derive(Clone, Copy)]
pub(super) struct Statements<'a, 'b> {
    pub(super) table: &'a ReadyTable,
    /// Table, place and time, for errors.
    pub(super) rows: &'a Rows<'b>,
    pub(super) rules: Rules,
    /// Whether a row to be changed may be missing.
    pub(super) converging: bool,
}

/// A parameter: an array of values of a column.
struct Array {
    /// `$1::int8[]`.
    sql: String,
    parameter: Raw,
    /// Whether the values travel as text although the column's type has a binary form here.
    as_text: bool,
}

/// A value that a column cannot hold. Says nothing of the value.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unwritable(Unfit);

impl<'b> Statements<'_, 'b> {
    /// Adds rows that all have the same columns. With `upsert` they are written over those that have their keys.
    pub(super) fn insert(&self, images: &[Image<'b>], upsert: bool) -> Result<Call> {
        let present = self.present(images);
        let arrays = self.arrays(&present, images, 1)?;
        let names = self.names(&present);
        let mut sql = format!("INSERT INTO {} ({})", self.table.name, names.join(","));
        if self.table.overrides_identity {
            sql.push_str(" OVERRIDING SYSTEM VALUE");
        }
        let _ = write!(sql, " SELECT {} FROM {}", self.selected(&present, &arrays), unnested(&arrays));
        if upsert {
            sql.push_str(&self.on_conflict(&present));
        }
        Ok(Call { sql, parameters: parameters(arrays), exactly: None })
    }

    /// What a row that is there becomes. Columns that the image lacks take their default.
    fn on_conflict(&self, present: &[usize]) -> String {
        let key = self.table.key_columns();
        let sets: Vec<_> = (0..self.table.columns.len())
            .filter_map(|ordinal| Some((ordinal, self.column(ordinal)?)))
            .filter(|(ordinal, column)| {
                column.updatable && (!key.contains(ordinal) || !column.codec.is_exact())
            })
            .map(|(ordinal, column)| match present.contains(&ordinal) {
                true => format!("{0}=EXCLUDED.{0}", column.name),
                false => format!("{}=DEFAULT", column.name),
            })
            .collect();
        let does =
            if sets.is_empty() { "NOTHING".to_owned() } else { format!("UPDATE SET {}", sets.join(",")) };
        format!(" ON CONFLICT ({}) DO {does}", self.names(&key).join(","))
    }

    /// Removes the rows with these keys.
    pub(super) fn delete(&self, images: &[Image<'b>]) -> Result<Call> {
        let key = self.table.key_columns();
        let arrays = self.arrays(&key, images, 1)?;
        let head = format!("DELETE FROM {} AS t", self.table.only);
        let sql = match (key.as_slice(), arrays.as_slice()) {
            ([ordinal], [array])
                if self.column(*ordinal).is_some_and(|c| c.codec.is_comparable()) && !array.as_text =>
            {
                format!("{head} WHERE t.{} = ANY ({})", self.names(&key).concat(), array.sql)
            }
            _ => format!("{head} USING {} WHERE {}", unnested(&arrays), self.equal(&key, &arrays, 0)),
        };
        Ok(Call { sql, parameters: parameters(arrays), exactly: None })
    }

    /// Removes the rows, other than those with the same keys, that have the values which these rows are to have in a unique index of
    /// columns alone; `None` where no row has such values.
    pub(super) fn make_way(&self, index: &UniqueIndex, images: &[Image<'b>]) -> Result<Option<Call>> {
        let ordinal = |name: &Option<String>| {
            self.table.columns.iter().position(|column| Some(&column.name) == name.as_ref())
        };
        let Some(unique) = index.columns.iter().map(ordinal).collect::<Option<Vec<_>>>() else {
            return Ok(None);
        };
        let known = |cell: Option<&Cell<'_>>| {
            !matches!(cell, None | Some(Cell::Absent | Cell::Unchanged | Cell::Value(Value::Null)))
        };
        let taking: Vec<_> = images
            .iter()
            .copied()
            .filter(|image| unique.iter().all(|ordinal| known(image.get(*ordinal))))
            .collect();
        if taking.is_empty() || index.predicate.is_some() {
            return Ok(None);
        }
        let key = self.table.key_columns();
        let columns: Vec<_> = unique.iter().chain(&key).copied().collect();
        let arrays = self.arrays(&columns, &taking, 1)?;
        let sql = format!(
            "DELETE FROM {} AS t USING {} WHERE {} AND NOT ({})",
            self.table.only,
            unnested(&arrays),
            self.equal(&unique, &arrays, 0),
            self.equal(&key, &arrays, unique.len())
        );
        Ok(Some(Call { sql, parameters: parameters(arrays), exactly: None }))
    }

    /// Removes the row, other than that with the key of `before`, that is in the way of `after` in any unique index.
    pub(super) fn make_way_for_one(
        &self,
        index: &UniqueIndex,
        before: Image<'b>,
        after: Image<'b>,
    ) -> Result<Call> {
        let present = self.present(&[after]);
        let key = self.table.key_columns();
        let mut arrays = self.arrays(&present, &[after], 1)?;
        let mut values: Vec<_> = present
            .iter()
            .zip(&arrays)
            .filter_map(|(ordinal, array)| {
                let column = self.column(*ordinal)?;
                Some(format!("({})[1]{} AS {}", array.sql, cast(column, array), column.name))
            })
            .collect();
        // What the image lacks is as it is in the row.
        let lacking = (0..self.table.columns.len()).filter(|ordinal| !present.contains(ordinal));
        let lacking: Vec<_> = lacking.filter_map(|ordinal| self.column(ordinal)).collect();
        values.extend(lacking.iter().map(|column| format!("o.{}", column.name)));
        let of_key = self.arrays(&key, &[before], arrays.len() + 1)?;
        let same = |alias: &str| {
            let parts = key.iter().zip(&of_key).filter_map(|(ordinal, array)| {
                let column = self.column(*ordinal)?;
                Some(format!("{alias}{} = ({})[1]{}", column.name, array.sql, cast(column, array)))
            });
            parts.collect::<Vec<_>>().join(" AND ")
        };
        let row = match lacking.is_empty() {
            true => String::new(),
            false => format!(" FROM {} AS o WHERE {}", self.table.only, same("o.")),
        };
        let parts = index.expressions.join(",");
        let mut sql = format!(
            "DELETE FROM {} WHERE ({parts}) = (SELECT {parts} FROM (SELECT {}{row}) AS new) AND NOT ({})",
            self.table.only,
            values.join(","),
            same("")
        );
        if let Some(predicate) = &index.predicate {
            let _ = write!(sql, " AND ({predicate})");
        }
        arrays.extend(of_key);
        Ok(Call { sql, parameters: parameters(arrays), exactly: None })
    }

    /// Writes the values that the images have, all of the same columns, into the rows with their keys.
    pub(super) fn update(&self, images: &[Image<'b>]) -> Result<Call> {
        let key = self.table.key_columns();
        let sets: Vec<_> =
            self.present(images).into_iter().filter(|ordinal| !key.contains(ordinal)).collect();
        self.update_rows(images, images, &sets)
    }

    /// Writes what `after` tells into the row with the key of `before`.
    pub(super) fn update_one(&self, before: Image<'b>, after: Image<'b>) -> Result<Call> {
        self.update_rows(&[before], &[after], &self.present(&[after]))
    }

    fn update_rows(&self, befores: &[Image<'b>], afters: &[Image<'b>], sets: &[usize]) -> Result<Call> {
        let key = self.table.key_columns();
        let sets: Vec<_> = sets
            .iter()
            .copied()
            .filter(|ordinal| self.column(*ordinal).is_some_and(|column| column.updatable))
            .collect();
        let mut arrays = self.arrays(&key, befores, 1)?;
        arrays.extend(self.arrays(&sets, afters, key.len() + 1)?);
        let assignments: Vec<_> = sets
            .iter()
            .zip(key.len()..)
            .filter_map(|(ordinal, place)| {
                let column = self.column(*ordinal)?;
                Some(format!("{}=x.c{place}{}", column.name, cast(column, arrays.get(place)?)))
            })
            .collect();
        // A row of which nothing is to be set has to be there as well.
        let assignments = match assignments.is_empty() {
            true => self.names(&key).first().map(|name| format!("{name}=t.{name}")).unwrap_or_default(),
            false => assignments.join(","),
        };
        let sql = format!(
            "UPDATE {} AS t SET {assignments} FROM {} WHERE {}",
            self.table.only,
            unnested(&arrays),
            self.equal(&key, &arrays, 0)
        );
        let rows = befores.len() as u64;
        Ok(Call { sql, parameters: parameters(arrays), exactly: self.exactly(rows) })
    }

    /// Removes exactly one row that equals this one.
    pub(super) fn delete_exact(&self, row: Image<'b>) -> Result<Call> {
        let (condition, arrays) = self.equal_row(row, 1)?;
        let sql = format!("DELETE FROM {} WHERE {condition}", self.table.only);
        Ok(Call { sql, parameters: parameters(arrays), exactly: self.exactly(1) })
    }

    /// Writes the values of `after` into exactly one row that equals `before`.
    pub(super) fn update_exact(&self, before: Image<'b>, after: Image<'b>) -> Result<Call> {
        let (condition, mut arrays) = self.equal_row(before, 1)?;
        let present: Vec<_> = self
            .present(&[after])
            .into_iter()
            .filter(|ordinal| self.column(*ordinal).is_some_and(|column| column.updatable))
            .collect();
        let news = self.arrays(&present, &[after], arrays.len() + 1)?;
        let sets: Vec<_> = present
            .iter()
            .zip(&news)
            .filter_map(|(ordinal, array)| {
                let column = self.column(*ordinal)?;
                Some(format!("{}=({})[1]{}", column.name, array.sql, cast(column, array)))
            })
            .collect();
        let sql = format!("UPDATE {} SET {} WHERE {condition}", self.table.only, sets.join(","));
        arrays.extend(news);
        Ok(Call { sql, parameters: parameters(arrays), exactly: self.exactly(1) })
    }

    /// The condition for one of the rows that equal `row`.
    fn equal_row(&self, row: Image<'b>, first: usize) -> Result<(String, Vec<Array>)> {
        let is_null = |ordinal: &usize| row.get(*ordinal) == Some(&Cell::Value(Value::Null));
        let present = self.present(&[row]);
        let (nulls, values): (Vec<usize>, Vec<usize>) = present.into_iter().partition(is_null);
        let arrays = self.arrays(&values, &[row], first)?;
        let mut conditions: Vec<_> =
            self.names(&nulls).iter().map(|name| format!("{name} IS NULL")).collect();
        conditions.extend(values.iter().zip(&arrays).filter_map(|(ordinal, array)| {
            let column = self.column(*ordinal)?;
            let value = format!("({})[1]{}", array.sql, cast(column, array));
            Some(match column.codec.is_comparable() {
                true => format!("{} = {value}", column.name),
                // Not all types can be compared, and numbers that are equal may be written differently.
                false => format!("{}::text = ({value})::text", column.name),
            })
        }));
        if conditions.is_empty() {
            conditions.push("true".to_owned());
        }
        let place = if self.table.only == self.table.name { "(tableoid, ctid)" } else { "ctid" };
        let columns = place.trim_matches(['(', ')']);
        let condition = format!(
            "{place} = (SELECT {columns} FROM {} WHERE {} LIMIT 1)",
            self.table.only,
            conditions.join(" AND ")
        );
        Ok((condition, arrays))
    }

    /// The question for the text of the document in a column of the row with that key.
    pub(super) fn document(&self, ordinal: usize, key: Image<'b>) -> Result<Call> {
        let of_key = self.table.key_columns();
        let arrays = self.arrays(&of_key, &[key], 1)?;
        let sql = format!(
            "SELECT t.{}::text FROM {} AS t, {} WHERE {} FOR UPDATE OF t",
            self.names(&[ordinal]).concat(),
            self.table.only,
            unnested(&arrays),
            self.equal(&of_key, &arrays, 0)
        );
        Ok(Call { sql, parameters: parameters(arrays), exactly: None })
    }

    fn exactly(&self, rows: u64) -> Option<(u64, fn() -> Error)> {
        (!self.converging).then_some((rows, || {
            Error::definite("a row that the source changed does not exist at the destination")
                .remedy("the destination was changed by another writer: load the table again from the source")
        }))
    }

    /// The ordinals of the columns that the images tell and the destination takes.
    pub(super) fn present(&self, images: &[Image<'b>]) -> Vec<usize> {
        let Some(first) = images.first() else { return Vec::new() };
        let told = |ordinal: &usize| matches!(first.get(*ordinal), Some(Cell::Value(_)));
        let writable = |ordinal: &usize| self.column(*ordinal).is_some_and(|column| column.writable);
        (0..first.len()).filter(told).filter(writable).collect()
    }

    fn column(&self, ordinal: usize) -> Option<&TargetColumn> {
        self.table.columns.get(ordinal)
    }

    fn names(&self, ordinals: &[usize]) -> Vec<&str> {
        ordinals
            .iter()
            .filter_map(|ordinal| self.column(*ordinal))
            .map(|column| column.name.as_str())
            .collect()
    }

    /// What an `INSERT` selects: the columns of the arrays, converted where they travel as text.
    fn selected(&self, ordinals: &[usize], arrays: &[Array]) -> String {
        let columns = ordinals.iter().zip(arrays).enumerate();
        let selected: Vec<_> = columns
            .filter_map(|(place, (ordinal, array))| {
                Some(format!("x.c{place}{}", cast(self.column(*ordinal)?, array)))
            })
            .collect();
        selected.join(",")
    }

    /// The condition that columns of `t` are what the arrays from place `first` have.
    fn equal(&self, ordinals: &[usize], arrays: &[Array], first: usize) -> String {
        let parts: Vec<_> = ordinals
            .iter()
            .zip(first..)
            .filter_map(|(ordinal, place)| {
                let column = self.column(*ordinal)?;
                Some(format!("t.{} = x.c{place}{}", column.name, cast(column, arrays.get(place)?)))
            })
            .collect();
        parts.join(" AND ")
    }

    /// The values of these columns, as arrays that are numbered from `first`.
    fn arrays(&self, ordinals: &[usize], images: &[Image<'b>], first: usize) -> Result<Vec<Array>> {
        ordinals.iter().zip(first..).map(|(ordinal, number)| self.array(*ordinal, images, number)).collect()
    }

    fn array(&self, ordinal: usize, images: &[Image<'b>], number: usize) -> Result<Array> {
        let column = self.column(ordinal).ok_or_else(|| self.short())?;
        if let Some(parameter) = self.elements(ordinal, images, column.codec)? {
            let sql = format!("${number}::{}[]", column.codec.wire_type().0);
            return Ok(Array { sql, parameter, as_text: matches!(column.codec, Codec::Other(_)) });
        }
        let parameter = self.text_elements(ordinal, images, column.codec)?;
        Ok(Array { sql: format!("${number}::text[]"), parameter, as_text: true })
    }

    /// The array of a column; `None` where a value has a text alone.
    fn elements(&self, ordinal: usize, images: &[Image<'b>], codec: Codec) -> Result<Option<Raw>> {
        let mut out = array_head(codec.wire_type().1, images.len());
        for image in images {
            let value = self.value(image, ordinal)?;
            let column = self.rows.table.columns.get(ordinal).ok_or_else(|| self.short())?;
            let pushed = codec::push(&mut out, codec, column, value, self.rules);
            if pushed.map_err(|what| self.unfit(ordinal, what))? == Pushed::TextAlone {
                return Ok(None);
            }
        }
        Ok(Some(Raw(out)))
    }

    fn text_elements(&self, ordinal: usize, images: &[Image<'b>], codec: Codec) -> Result<Raw> {
        let mut out = array_head(Codec::Text.wire_type().1, images.len());
        for image in images {
            let value = self.value(image, ordinal)?;
            let column = self.rows.table.columns.get(ordinal).ok_or_else(|| self.short())?;
            let value = codec::representable(codec, value, self.rules);
            let pushed = value.and_then(|value| match value {
                Value::Null => {
                    out.extend_from_slice(&(-1_i32).to_be_bytes());
                    Ok(())
                }
                value => text::push(&mut out, codec, column, value, self.rules),
            });
            pushed.map_err(|what| self.unfit(ordinal, what))?;
        }
        Ok(Raw(out))
    }

    fn value(&self, image: &Image<'b>, ordinal: usize) -> Result<Value<'b>> {
        let value = image.get(ordinal).and_then(|cell| cell.value());
        value.ok_or_else(|| diverged(self.rows, "the row image lacks a column of the table's key"))
    }

    fn short(&self) -> Error {
        diverged(self.rows, "a row image has another number of columns than the table's definition")
    }

    /// An error about a value of that column.
    pub(super) fn unfit(&self, ordinal: usize, what: Unfit) -> Error {
        let column = self.rows.table.columns.get(ordinal).map_or("", |column| &column.name);
        Error::definite("a value has no form at the destination")
            .caused_by(Unwritable(what))
            .on(format!("{}, column {column}", self.rows.table.name))
            .at(&self.rows.position)
    }

    /// The error about a row that has to be there.
    pub(super) fn missing(&self) -> Error {
        row_missing(self.rows)
    }
}

/// The conversion of a value that travels as text.
fn cast(column: &TargetColumn, array: &Array) -> String {
    if array.as_text { format!("::{}", column.type_name) } else { String::new() }
}

fn unnested(arrays: &[Array]) -> String {
    let (mut sources, mut names) = (Vec::new(), Vec::new());
    for (place, array) in arrays.iter().enumerate() {
        sources.push(array.sql.as_str());
        names.push(format!("c{place}"));
    }
    format!("unnest({}) AS x({})", sources.join(","), names.join(","))
}

fn parameters(arrays: Vec<Array>) -> Vec<Raw> {
    arrays.into_iter().map(|array| array.parameter).collect()
}

/// The head of an array of one dimension, counted from 1 (`array_recv` in `src/backend/utils/adt/arrayfuncs.c`).
fn array_head(element: u32, length: usize) -> Vec<u8> {
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    [1, 1, element, length, 1].iter().flat_map(|part: &u32| part.to_be_bytes()).collect()
}
