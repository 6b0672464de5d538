//! Columns: which of the source's the destination has, under which names, and which are added.

use slackwater_decoders::{
    arena::Arena,
    schema::{Column, ColumnType, Index, Table, UniqueKey},
    value::{Cell, Value},
};

use super::rules::Decision;
use crate::{
    config::mapping::{AddedColumn, Columns},
    error::{Error, Result},
};

/// Characters of an added column that holds a name: as many as names have at most.
const NAME_CHARACTERS: u32 = 64;
/// Characters of any other: the same for all tables that become one.
const TEXT_CHARACTERS: u32 = 255;

/// Where the columns of the destination come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Projection {
    cells: Vec<From>,
}

/// Where a column comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// The source's column of that ordinal.
    Source(usize),
    /// Added: the same text in every row.
    Constant(String),
}

impl Projection {
    /// The projection that the rules ask for and the table as it makes it, under the source's name; `None` when all columns stay
    /// as they are. `without_computed`: columns that the source computes are left out, whatever the rules say.
    pub(super) fn new(
        table: &Table,
        decision: &Decision<'_>,
        without_computed: bool,
    ) -> Result<Option<(Self, Table)>> {
        let is_left_out =
            |column: &Column| without_computed && column.generated.is_some() && !column.is_hidden();
        let columns = decision.columns.filter(|columns| applies(columns, table));
        let added = decision.added.into_iter().flatten().collect::<Vec<_>>();
        if columns.is_none() && added.is_empty() && !table.columns.iter().any(is_left_out) {
            return Ok(None);
        }
        let kept: Vec<usize> = table
            .columns
            .iter()
            .enumerate()
            .filter(|(_, column)| {
                !is_left_out(column) && columns.is_none_or(|columns| is_kept(columns, column))
            })
            .map(|(ordinal, _)| ordinal)
            .collect();
        let new_name = |column: &Column| columns.and_then(|columns| renamed(columns, &column.name));
        require_key(table, &kept)?;
        require_generated(table, &kept, &new_name)?;
        let mut target = projected(table, &kept);
        for column in &mut target.columns {
            if let Some(name) = new_name(column) {
                column.name = name.to_owned();
            }
        }
        let mut cells: Vec<From> = kept.into_iter().map(From::Source).collect();
        for (name, column) in added {
            let text = column.value.fill(&table.name.database, &table.name.table);
            if text.chars().count() > TEXT_CHARACTERS as usize {
                return Err(Error::definite(format!(
                    "the value of the added column {name} is longer than 255 characters"
                ))
                .on(&table.name)
                .remedy("give it a shorter one"));
            }
            cells.push(From::Constant(text));
            add(&mut target, name, column);
        }
        require_distinct(table, &target)?;
        Ok(Some((Projection { cells }, target)))
    }

    /// The destination's image of a row. Added columns are in every image, because they may be a part of the key.
    pub(super) fn image<'a>(&self, cells: &[Cell<'a>], arena: &Arena<'a>) -> &'a [Cell<'a>] {
        let image = arena.filled(self.cells.len(), Cell::Absent);
        for (cell, from) in image.iter_mut().zip(&self.cells) {
            *cell = match from {
                From::Source(ordinal) => cells.get(*ordinal).copied().unwrap_or(Cell::Absent),
                From::Constant(text) => Cell::Value(Value::Text(arena.text(text))),
            };
        }
        image
    }

    pub(super) fn cells(&self) -> &[From] {
        &self.cells
    }

    /// The place of a column that comes from there.
    pub(super) fn place(&self, from: &From) -> Option<u16> {
        let place = self.cells.iter().position(|cell| match (cell, from) {
            (From::Source(own), From::Source(wanted)) => own == wanted,
            (From::Constant(_), From::Constant(_)) => cell == from,
            _ => false,
        });
        place.and_then(|place| u16::try_from(place).ok())
    }
}

fn same(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}

/// Whether the rule changes anything about the table's columns.
fn applies(columns: &Columns, table: &Table) -> bool {
    table.columns.iter().any(|column| !is_kept(columns, column) || renamed(columns, &column.name).is_some())
}

fn is_kept(columns: &Columns, column: &Column) -> bool {
    let named = |names: &[String]| names.iter().any(|name| same(name, &column.name));
    column.is_hidden()
        || ((columns.include.is_empty() || named(&columns.include)) && !named(&columns.exclude))
}

fn renamed<'a>(columns: &'a Columns, name: &str) -> Option<&'a str> {
    columns.rename.iter().find(|(from, _)| same(from, name)).map(|(_, to)| to.as_str())
}

fn require_key(table: &Table, kept: &[usize]) -> Result<()> {
    let missing = |ordinal: &&u16| !kept.contains(&usize::from(**ordinal));
    let Some(ordinal) = table.key().unwrap_or_default().iter().find(missing) else { return Ok(()) };
    let Some(column) = table.columns.get(usize::from(*ordinal)) else { return Ok(()) };
    let (column, is_computed) = (&column.name, column.generated.is_some());
    let remedy = if is_computed {
        format!(
            "carry {column}; where the destination cannot compute it, give the table another key or leave the table out"
        )
    } else {
        format!("carry {column}: it is a part of the key")
    };
    Err(Error::definite(format!("the column {column} is left out, but rows are known by it"))
        .on(&table.name)
        .remedy(remedy))
}

/// A computed column that the destination computes itself needs the columns that it is computed from, under their names.
fn require_generated<'c>(
    table: &'c Table,
    kept: &[usize],
    new_name: &impl Fn(&'c Column) -> Option<&'c str>,
) -> Result<()> {
    let computed = table.columns.iter().enumerate().filter(|(ordinal, _)| kept.contains(ordinal));
    for (_, column) in computed {
        let Some(expression) =
            column.generated.as_ref().and_then(|generated| generated.expression.as_deref())
        else {
            continue;
        };
        let changed = table.columns.iter().enumerate().find(|(ordinal, other)| {
            (!kept.contains(ordinal) || new_name(other).is_some()) && names(expression, &other.name)
        });
        if let Some((_, other)) = changed {
            return Err(Error::definite(format!(
                "the column {} is computed from {}, which is left out or renamed",
                column.name, other.name
            ))
            .on(&table.name)
            .remedy(format!("leave {} out as well, or carry {} under its name", column.name, other.name)));
        }
    }
    Ok(())
}

/// Whether an expression has a name as a word.
fn names(expression: &str, name: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
    let (expression, name) = (expression.to_lowercase(), name.to_lowercase());
    expression.match_indices(&name).any(|(place, _)| {
        let before = expression.get(..place).and_then(|text| text.chars().next_back());
        let behind = expression.get(place + name.len()..).and_then(|text| text.chars().next());
        !before.is_some_and(is_part) && !behind.is_some_and(is_part)
    })
}

/// The table with these columns alone. Keys that miss one are gone.
fn projected(table: &Table, kept: &[usize]) -> Table {
    let place = |ordinal: &u16| {
        kept.iter()
            .position(|kept| *kept == usize::from(*ordinal))
            .and_then(|place| u16::try_from(place).ok())
    };
    let places = |ordinals: &[u16]| ordinals.iter().map(place).collect::<Option<Vec<u16>>>();
    let unique = |key: &UniqueKey| Some(UniqueKey { columns: places(&key.columns)?, ..key.clone() });
    let index = |key: &Index| Some(Index { columns: places(&key.columns)?, ..key.clone() });
    Table {
        name: table.name.clone(),
        columns: kept.iter().filter_map(|ordinal| table.columns.get(*ordinal).cloned()).collect(),
        primary_key: places(&table.primary_key).unwrap_or_default(),
        unique_keys: table.unique_keys.iter().filter_map(unique).collect(),
        indexes: table.indexes.iter().filter_map(index).collect(),
        collation: table.collation.clone(),
        named: table.named,
        number: table.number,
    }
}

fn add(target: &mut Table, name: &str, added: &AddedColumn) {
    let ordinal = u16::try_from(target.columns.len()).unwrap_or(u16::MAX);
    let characters = if added.value.is_name() { NAME_CHARACTERS } else { TEXT_CHARACTERS };
    target.columns.push(Column {
        nullable: false,
        charset: Some("utf8mb4".to_owned()),
        // Names that differ in case only are different.
        collation: Some("utf8mb4_bin".to_owned()),
        ..Column::new(name, ColumnType::VarChar(characters))
    });
    if !added.key {
        return;
    }
    // A table without a key stays one: this column alone tells no rows apart.
    for key in target.unique_keys.iter_mut().map(|key| &mut key.columns).chain([&mut target.primary_key]) {
        if !key.is_empty() {
            key.push(ordinal);
        }
    }
}

fn require_distinct(table: &Table, target: &Table) -> Result<()> {
    for (ordinal, column) in target.columns.iter().enumerate() {
        if target.columns.iter().take(ordinal).any(|other| same(&other.name, &column.name)) {
            return Err(Error::definite(format!("two columns would be called {}", column.name))
                .on(&table.name)
                .remedy("give one of them another name under columns.rename or add"));
        }
    }
    Ok(())
}
