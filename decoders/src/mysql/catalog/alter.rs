//! What ALTER TABLE does to a definition.
//!
//! The actions of one statement do not happen one after the other: the names of columns to drop, change and rename are
//! those before the statement; changed columns stay in place unless FIRST or AFTER is said; new ones, and those that
//! move, then take their places in the order of the statement, next to columns by their new names.

use super::{
    CatalogError, Collation, Settings,
    column::{self, Surroundings},
    keys::{self, Successor},
};
use crate::{
    mysql::ddl::statement::{AlterAction, Charset, ColumnDefinition, KeyDefinition, Place},
    schema::{Column, ColumnType, Generated, Table},
};

/// A table after ALTER TABLE.
pub(super) struct Altered {
    /// The definition, under the name before.
    pub(super) table: Table,
    /// For each column, the ordinal before.
    pub(super) columns_from: Vec<Option<u16>>,
}

/// The definition after the actions, apart from a new name.
pub(super) fn alter(
    before: &Table,
    actions: &[AlterAction],
    database: Option<&Collation>,
    settings: Settings,
) -> Result<Altered, CatalogError> {
    let mut alteration = Alteration::new(before, settings);
    alteration.set_collation(actions, database);
    alteration.plan(actions)?;
    alteration.keep_columns()?;
    alteration.place_columns(actions)?;
    alteration.version_rows(actions);
    alteration.convert(actions, database);
    alteration.finish(actions)
}

/// What happens to a column that there was before.
#[derive(Clone, Default)]
enum Plan<'a> {
    #[default]
    Keep,
    Drop,
    Rename(&'a str),
    Change(&'a ColumnDefinition),
}

/// A column of the new definition.
struct Slot {
    column: Column,
    /// Its ordinal before; `None` for a new column.
    from: Option<u16>,
    /// The name by which the keys before know it.
    known_as: String,
}

impl Slot {
    fn new(column: Column) -> Self {
        Slot { known_as: column.name.clone(), column, from: None }
    }

    fn of(old: &Column, ordinal: u16, column: Column) -> Self {
        Slot { known_as: old.name.clone(), column, from: Some(ordinal) }
    }
}

struct Alteration<'a> {
    before: &'a Table,
    settings: Settings,
    plans: Vec<Plan<'a>>,
    table: Table,
    slots: Vec<Slot>,
    /// The keys said with columns that turned out to be added or changed.
    inline_keys: Vec<Vec<KeyDefinition>>,
}

impl<'a> Alteration<'a> {
    fn new(before: &'a Table, settings: Settings) -> Self {
        Alteration {
            before,
            settings,
            plans: vec![Plan::Keep; before.columns.len()],
            table: Table { columns: Vec::new(), ..before.clone() },
            slots: Vec::with_capacity(before.columns.len()),
            inline_keys: Vec::new(),
        }
    }

    /// A new default counts for the columns of the same statement.
    fn set_collation(&mut self, actions: &[AlterAction], database: Option<&Collation>) {
        for action in actions {
            if let AlterAction::DefaultCharset(charset) | AlterAction::ConvertCharset(charset) = action {
                let collation = resolve(charset, database, self.settings);
                self.table.collation = collation.map(|collation| collation.name);
            }
        }
    }

    /// The ordinal before of a column; `None` when it is not there and need not be.
    fn ordinal(&self, name: &str, if_exists: bool) -> Result<Option<usize>, CatalogError> {
        match keys::find(self.before, name) {
            Ok((ordinal, _)) => Ok(Some(usize::from(ordinal))),
            Err(_) if if_exists => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn plan(&mut self, actions: &'a [AlterAction]) -> Result<(), CatalogError> {
        for action in actions {
            let (name, if_exists, plan) = match action {
                AlterAction::DropColumn { name, if_exists } => (name, *if_exists, Plan::Drop),
                AlterAction::RenameColumn { from, to, if_exists } => (from, *if_exists, Plan::Rename(to)),
                // Whether a column to change must be there is seen when it is placed.
                AlterAction::ChangeColumn { name, definition, .. } => (name, true, Plan::Change(definition)),
                AlterAction::SetDefault { column, .. } => {
                    // Only to see that it is there.
                    self.ordinal(column, false)?;
                    continue;
                }
                _ => continue,
            };
            if let Some(ordinal) = self.ordinal(name, if_exists)?
                && let Some(slot) = self.plans.get_mut(ordinal)
            {
                *slot = plan;
            }
        }
        Ok(())
    }

    /// The columns that there were, in their places. Those that move do so later: until then, others can go after them.
    fn keep_columns(&mut self) -> Result<(), CatalogError> {
        for ((ordinal, old), plan) in (0u16..).zip(&self.before.columns).zip(std::mem::take(&mut self.plans))
        {
            let column = match plan {
                Plan::Drop => continue,
                Plan::Keep => old.clone(),
                Plan::Rename(name) => Column { name: name.to_owned(), ..old.clone() },
                Plan::Change(definition) => self.define(definition)?,
            };
            self.slots.push(Slot::of(old, ordinal, column));
        }
        Ok(())
    }

    fn define(&self, definition: &ColumnDefinition) -> Result<Column, CatalogError> {
        let collation = self.table.collation.as_deref().and_then(Collation::named);
        let surroundings =
            Surroundings { table: &self.before.name, collation: collation.as_ref(), settings: self.settings };
        surroundings.column(definition)
    }

    /// New columns, and those that move; new defaults.
    fn place_columns(&mut self, actions: &[AlterAction]) -> Result<(), CatalogError> {
        for action in actions {
            match action {
                AlterAction::AddColumn { definition, place, if_not_exists } => {
                    if self.slot(&definition.name).is_some() {
                        if *if_not_exists {
                            self.inline_keys.push(Vec::new());
                            continue;
                        }
                        return Err(CatalogError::DuplicateColumn {
                            table: self.before.name.clone(),
                            column: definition.name.clone(),
                        });
                    }
                    let slot = Slot::new(self.define(definition)?);
                    self.put(slot, place)?;
                    self.inline_keys.push(definition.keys());
                }
                AlterAction::ChangeColumn { name, definition, place, if_exists } => {
                    self.place_changed(name, definition, place, *if_exists)?;
                }
                AlterAction::SetDefault { column, default } => self.set_default(column, default.as_ref()),
                _ => {}
            }
        }
        Ok(())
    }

    /// A changed column, if it moves.
    fn place_changed(
        &mut self,
        name: &str,
        definition: &ColumnDefinition,
        place: &Place,
        if_exists: bool,
    ) -> Result<(), CatalogError> {
        let column = match (keys::find(self.before, name), self.added(&definition.name)) {
            (Ok((ordinal, _)), _) => {
                self.inline_keys.push(definition.keys());
                let placed = self.slots.iter().position(|slot| slot.from == Some(ordinal));
                match placed {
                    Some(placed) if *place != Place::Unsaid => self.slots.remove(placed),
                    _ => return Ok(()),
                }
            }
            // MariaDB lets the same statement change a column that it adds: the addition is forgotten.
            (Err(_), Some(added)) => {
                self.inline_keys.push(definition.keys());
                self.slots.remove(added);
                Slot::new(self.define(definition)?)
            }
            (Err(_), None) if if_exists => {
                self.inline_keys.push(Vec::new());
                return Ok(());
            }
            (Err(error), None) => return Err(error),
        };
        self.put(column, place)
    }

    /// The place of a new column of that name.
    fn added(&self, name: &str) -> Option<usize> {
        let position = self.slot(name)?;
        self.slots.get(position).filter(|slot| slot.from.is_none()).map(|_| position)
    }

    /// The column of that name before gets a default, wherever it is now.
    fn set_default(&mut self, name: &str, default: Option<&String>) {
        let old = keys::find(self.before, name).ok().map(|(ordinal, _)| ordinal);
        if let Some(slot) = self.slots.iter_mut().find(|slot| slot.from == old && old.is_some()) {
            slot.column.default = default.cloned();
        }
    }

    fn slot(&self, name: &str) -> Option<usize> {
        self.slots.iter().position(|slot| slot.column.name.to_lowercase() == name.to_lowercase())
    }

    fn put(&mut self, slot: Slot, place: &Place) -> Result<(), CatalogError> {
        let index = match place {
            Place::Unsaid => {
                let implicit = self.slots.iter().rev().take_while(|slot| slot.column.is_hidden());
                self.slots.len() - implicit.count()
            }
            Place::First => 0,
            Place::After(name) => {
                let found = self.slot(name);
                let missing =
                    || CatalogError::NoColumn { table: self.before.name.clone(), column: name.clone() };
                found.ok_or_else(missing)? + 1
            }
        };
        self.slots.insert(index, slot);
        Ok(())
    }

    /// MariaDB's row versions come with two columns at the end unless the statement defines them.
    fn version_rows(&mut self, actions: &[AlterAction]) {
        for action in actions {
            match action {
                AlterAction::SystemVersioning(true) => {
                    let versions = implicit_versions(self.slots.iter().map(|slot| &slot.column));
                    self.slots.extend(versions.into_iter().map(Slot::new));
                }
                AlterAction::SystemVersioning(false) => {
                    self.slots.retain(|slot| !is_row_version(&slot.column));
                }
                _ => {}
            }
        }
    }

    /// CONVERT TO CHARACTER SET concerns all columns, those of the same statement among them.
    fn convert(&mut self, actions: &[AlterAction], database: Option<&Collation>) {
        for action in actions {
            let AlterAction::ConvertCharset(charset) = action else { continue };
            if let Some(to) = resolve(charset, database, self.settings) {
                self.slots.iter_mut().for_each(|slot| column::convert(&mut slot.column, &to));
            }
        }
    }

    /// Where the keys find a column of before. Servers look for its name, among the names before of the columns that
    /// stay and the names of new ones: a new column can take over the keys of one that is dropped or renamed.
    fn successor(&self, ordinal: usize, old: &Column) -> Option<Successor> {
        let name = old.name.to_lowercase();
        let position = self.slots.iter().position(|slot| slot.known_as.to_lowercase() == name)?;
        let slot = self.slots.get(position)?;
        let same = slot.from.map(usize::from) == Some(ordinal);
        // What was the whole of the old column may be a prefix of the new one.
        let prefix = !same && keys::can_have_prefix(&slot.column.column_type);
        u16::try_from(position).ok().map(|ordinal| Successor { ordinal, prefix })
    }

    fn finish(mut self, actions: &[AlterAction]) -> Result<Altered, CatalogError> {
        let columns_from = self.slots.iter().map(|slot| slot.from).collect::<Vec<_>>();
        if u16::try_from(self.slots.len()).is_err() {
            return Err(CatalogError::TooManyColumns { table: self.before.name.clone() });
        }
        let moved = self
            .before
            .columns
            .iter()
            .enumerate()
            .map(|(ordinal, old)| self.successor(ordinal, old))
            .collect::<Vec<_>>();
        self.table.columns = self.slots.into_iter().map(|slot| slot.column).collect();
        remove_keys(&mut self.table, actions);
        keys::renumber(&mut self.table, &moved);
        rename_keys(&mut self.table, actions);
        let added = added_keys(&self.table, actions, self.inline_keys);
        keys::add_all(&mut self.table, &added)?;
        Ok(Altered { table: self.table, columns_from })
    }
}

fn resolve(charset: &Charset, database: Option<&Collation>, settings: Settings) -> Option<Collation> {
    Collation::resolve(charset, database, settings)
}

fn remove_keys(table: &mut Table, actions: &[AlterAction]) {
    for action in actions {
        match action {
            AlterAction::DropKey { name, .. } => keys::remove(table, name),
            AlterAction::DropConstraint { name } => keys::remove_unique(table, name),
            _ => {}
        }
    }
}

fn rename_keys(table: &mut Table, actions: &[AlterAction]) {
    for action in actions {
        if let AlterAction::RenameKey { from, to, .. } = action {
            keys::rename(table, from, to);
        }
    }
}

/// The new keys in the order of the statement, without those that there are already and need not be added.
fn added_keys(
    table: &Table,
    actions: &[AlterAction],
    inline_keys: Vec<Vec<KeyDefinition>>,
) -> Vec<KeyDefinition> {
    let mut inline_keys = inline_keys.into_iter();
    let mut added = Vec::new();
    for action in actions {
        match action {
            AlterAction::AddColumn { .. } | AlterAction::ChangeColumn { .. } => {
                added.extend(inline_keys.next().unwrap_or_default());
            }
            AlterAction::AddKey { key, if_not_exists } if !*if_not_exists || !keys::is_there(table, key) => {
                added.push(key.clone());
            }
            _ => {}
        }
    }
    added
}

/// The columns of row versions that MariaDB adds, unless the statement has its own.
pub(super) fn implicit_versions<'c>(mut columns: impl Iterator<Item = &'c Column>) -> Vec<Column> {
    if columns.any(is_row_version) { Vec::new() } else { row_versions().into() }
}

/// The two columns that MariaDB adds to a table WITH SYSTEM VERSIONING that has none of its own. The information schema
/// does not show them; row events have them, behind all other columns.
#[must_use]
pub fn row_versions() -> [Column; 2] {
    [("row_start", "ROW START"), ("row_end", "ROW END")].map(|(name, expression)| {
        let mut column = Column::new(name, ColumnType::Timestamp(6));
        column.nullable = false;
        column.generated = Some(Generated { expression: Some(expression.to_owned()), stored: true });
        column
    })
}

fn is_row_version(column: &Column) -> bool {
    let expression = column.generated.as_ref().and_then(|generated| generated.expression.as_deref());
    matches!(expression, Some("ROW START" | "ROW END"))
}
