//! What a destination is to create for the objects of a source, as statements that can be looked at before they run.
//!
//! A plan compares what the source has with what the destination has: it holds what is missing. So the same plan is made
//! again after an interruption, after changes of definitions from the log, and when everything is done (then it is empty).

use std::{
    collections::{HashMap, HashSet},
    fmt,
};

use serde::{Deserialize, Serialize};
use slackwater_decoders::schema::{
    Column, Table, TableName,
    definition::{KeyKind, ObjectKind, Schema},
};

use crate::mapping::Mapping;

/// What a plan is made for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// What the source has.
    pub schema: &'a Schema,
    /// What becomes of it on the way.
    pub mapping: &'a Mapping,
    /// Types that the operator chose.
    pub types: &'a ColumnTypes,
}

/// Types that the operator chose for columns, in the destination's spelling, by `database.table.column` of the source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnTypes(HashMap<String, String>);

impl ColumnTypes {
    /// The type that was chosen for a column of a table of the source.
    #[must_use]
    pub fn get(&self, table: &TableName, column: &str) -> Option<&str> {
        if self.0.is_empty() {
            return None;
        }
        self.0.get(&format!("{table}.{column}")).map(String::as_str)
    }
}

impl FromIterator<(String, String)> for ColumnTypes {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(types: I) -> Self {
        ColumnTypes(types.into_iter().collect())
    }
}

/// When a statement runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Before rows are copied: databases and tables with the key that identifies a row.
    Tables,
    /// When the rows are copied: all other keys, foreign keys, views.
    AfterLoad,
    /// When the destination has caught up with the end of the copy: what could not be created before, because copied rows
    /// of different times had the same value of a unique key.
    AtConsistency,
    /// When the destination takes over: what would act on rows by itself.
    AtCutover,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stage::Tables => "before the copy",
            Stage::AfterLoad => "after the copy",
            Stage::AtConsistency => "at consistency",
            Stage::AtCutover => "at cutover",
        })
    }
}

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A database.
    Database,
    /// A table.
    Table,
    /// A key of a table, unique or not.
    Index,
    /// A foreign key.
    ForeignKey,
    /// A condition on the rows of a table.
    Check,
    /// Another object.
    Stored(ObjectKind),
}

impl Kind {
    /// How it is called in override files and messages.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Kind::Database => "database",
            Kind::Table => "table",
            Kind::Index => "index",
            Kind::ForeignKey => "foreign key",
            Kind::Check => "check",
            Kind::Stored(ObjectKind::Extension) => "extension",
            Kind::Stored(ObjectKind::Type) => "type",
            Kind::Stored(ObjectKind::Sequence) => "sequence",
            Kind::Stored(ObjectKind::View) => "view",
            Kind::Stored(ObjectKind::MaterializedView) => "materialized view",
            Kind::Stored(ObjectKind::Trigger) => "trigger",
            Kind::Stored(ObjectKind::Function) => "function",
            Kind::Stored(ObjectKind::Procedure) => "procedure",
            Kind::Stored(ObjectKind::Event) => "event",
        }
    }
}

/// An object of the source with its name at the destination. Displays as in override files (`index shop.orders.by_day`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Object {
    /// What it is.
    pub kind: Kind,
    /// Its name at the source: `database`, `database.object` or `database.table.key`.
    pub source: String,
    /// Its name at the destination.
    pub target: String,
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.word(), self.source)
    }
}

/// A statement that creates one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedStatement {
    /// What it creates.
    pub object: Object,
    /// The table of the source that the object is or belongs to.
    pub table: Option<TableName>,
    /// The name of that table at the destination.
    pub target: Option<TableName>,
    /// When it runs.
    pub stage: Stage,
    /// Its text.
    pub sql: String,
    /// Where the statement changes a table and can be one with others: what stands before the change, and the change.
    #[serde(skip)]
    pub change: Option<(String, String)>,
    /// The database that unqualified names are looked for in.
    pub database: Option<String>,
    /// The SQL mode that the text is to be read under; `None` for the one that changes are applied with.
    pub sql_mode: Option<String>,
    /// Whether the operator wrote it.
    pub overridden: bool,
}

impl PlannedStatement {
    /// A statement of ours.
    #[must_use]
    pub fn new(object: Object, stage: Stage, sql: impl Into<String>) -> Self {
        PlannedStatement {
            object,
            table: None,
            target: None,
            stage,
            sql: sql.into(),
            change: None,
            database: None,
            sql_mode: None,
            overridden: false,
        }
    }

    /// The same for an object of a table, by its names at the source and at the destination.
    #[must_use]
    pub fn of(self, table: &TableName, target: &TableName) -> Self {
        PlannedStatement { table: Some(table.clone()), target: Some(target.clone()), ..self }
    }
}

/// What a column loses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// The table at the source.
    pub table: TableName,
    /// The column there.
    pub column: String,
    /// Its type there.
    pub from: String,
    /// Its type at the destination.
    pub to: String,
    /// What is lost, for a person.
    pub what: String,
}

/// What is lost with a column that PostgreSQL computes, at a destination of another kind: its expression is not translated, and the
/// log does not have its values.
#[must_use]
pub fn computed_loss(table: &TableName, column: &Column) -> Loss {
    Loss {
        table: table.clone(),
        column: column.name.clone(),
        from: column.declared.clone().unwrap_or_default(),
        to: "nothing".to_owned(),
        what: "the column is computed and is not carried: its expression is not translated, and its values are not in the log"
            .to_owned(),
    }
}

/// Something that is not as it is at the source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// What it is about (`table shop.orders`).
    pub object: String,
    /// What is different, for a person.
    pub text: String,
}

/// An object that is at the destination already, and is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// The object.
    pub object: Object,
    /// The table of the source that it is or belongs to.
    pub table: TableName,
    /// What differs, for a person.
    pub what: String,
}

/// What is missing at the destination, and what is said about it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SchemaPlan {
    /// What is to be created, in the order in which it can be.
    pub statements: Vec<PlannedStatement>,
    /// What is there already and fits.
    pub kept: Vec<Object>,
    /// What is there already and does not fit.
    pub conflicts: Vec<Conflict>,
    /// What columns lose.
    pub losses: Vec<Loss>,
    /// What else is not as it is at the source.
    pub notes: Vec<Note>,
}

impl SchemaPlan {
    /// Says something about an object.
    pub fn note(&mut self, object: impl fmt::Display, text: impl Into<String>) {
        self.notes.push(Note { object: object.to_string(), text: text.into() });
    }

    /// The statements of a stage as they run: changes of one table that follow each other are one statement. Each comes with
    /// the statements that it is made of.
    #[must_use]
    pub fn combined(&self, stage: Stage) -> Vec<(PlannedStatement, Vec<&PlannedStatement>)> {
        let mut combined: Vec<(PlannedStatement, Vec<&PlannedStatement>)> = Vec::new();
        for statement in self.statements.iter().filter(|statement| statement.stage == stage) {
            if let (Some((table, change)), Some((last, members))) = (&statement.change, combined.last_mut())
                && last.change.as_ref().is_some_and(|(other, _)| other == table)
            {
                last.sql.push_str(",\n  ");
                last.sql.push_str(change);
                members.push(statement);
                continue;
            }
            let mut first = statement.clone();
            if let Some((table, change)) = &statement.change {
                first.sql = format!("{table}\n  {change}");
            }
            combined.push((first, vec![statement]));
        }
        combined
    }
}

/// The columns of a table of the source by their names at the destination, and those that the destination has in addition.
#[derive(Clone, Debug)]
pub struct ColumnNames<'a> {
    names: HashMap<String, &'a str>,
    /// Whether a column has another name there.
    pub renamed: bool,
    /// The columns that only the destination has, in their order.
    pub added: Vec<&'a Column>,
    added_to_keys: Vec<&'a str>,
}

impl<'a> ColumnNames<'a> {
    /// The columns of `source` in `target`. `ordinals` are as of [`Route::source_ordinals`](crate::mapping::Route::source_ordinals).
    #[must_use]
    pub fn new(source: &Table, target: &'a Table, ordinals: &[Option<usize>]) -> Self {
        let (mut names, mut renamed) = (HashMap::with_capacity(source.columns.len()), false);
        let (mut added, mut added_to_keys) = (Vec::new(), Vec::new());
        let keys = target.unique_keys.iter().map(|key| &key.columns).chain([&target.primary_key]);
        let in_keys: HashSet<usize> = keys.flatten().copied().map(usize::from).collect();
        for (place, (column, ordinal)) in target.columns.iter().zip(ordinals).enumerate() {
            match ordinal.and_then(|ordinal| source.columns.get(ordinal)) {
                Some(own) => {
                    renamed |= own.name != column.name;
                    names.insert(own.name.to_lowercase(), column.name.as_str());
                }
                None => {
                    added.push(column);
                    added_to_keys.extend(in_keys.contains(&place).then_some(column.name.as_str()));
                }
            }
        }
        ColumnNames { names, renamed, added, added_to_keys }
    }

    /// The added columns that a key of that kind has behind the source's: rows of several tables with the same values stay
    /// different rows.
    #[must_use]
    pub fn added_to(&self, kind: KeyKind) -> &[&'a str] {
        if matches!(kind, KeyKind::Primary | KeyKind::Unique) { &self.added_to_keys } else { &[] }
    }

    /// The name at the destination of a column of the source; `None` when it is not carried.
    #[must_use]
    pub fn get(&self, column: &str) -> Option<&'a str> {
        self.names.get(column).or_else(|| self.names.get(&column.to_lowercase())).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_of_one_table_run_as_one_statement() {
        let change = |table: &str, change: &str| {
            let object = Object {
                kind: Kind::Index,
                source: format!("{table}.{change}"),
                target: format!("{table}.{change}"),
            };
            let head = format!("ALTER TABLE {table}");
            let sql = format!("{head} {change}");
            PlannedStatement {
                change: Some((head, change.to_owned())),
                ..PlannedStatement::new(object, Stage::AfterLoad, sql)
            }
        };
        let alone = PlannedStatement { change: None, ..change("a", "ADD FULLTEXT KEY z (z)") };
        let statements = vec![
            change("a", "ADD KEY x (x)"),
            change("a", "ADD KEY y (y)"),
            alone,
            change("b", "ADD KEY x (x)"),
        ];
        let plan = SchemaPlan { statements, ..SchemaPlan::default() };
        let sql: Vec<_> =
            plan.combined(Stage::AfterLoad).into_iter().map(|(all, parts)| (all.sql, parts.len())).collect();
        assert_eq!(
            sql,
            [
                ("ALTER TABLE a\n  ADD KEY x (x),\n  ADD KEY y (y)".to_owned(), 2),
                ("ALTER TABLE a ADD FULLTEXT KEY z (z)".to_owned(), 1),
                ("ALTER TABLE b\n  ADD KEY x (x)".to_owned(), 1),
            ]
        );
        assert!(plan.combined(Stage::Tables).is_empty());
    }
}
