//! Statements that change the schema, in the destination's names.
//!
//! Where names or columns differ, the source's statement does not fit: it is left empty, and the destination makes one from the definitions.

use std::sync::Arc;

use slackwater_decoders::{
    event::{Ddl, SchemaChange},
    schema::{Column, Table, TableName},
};

use super::{
    projection::From,
    route::{Mapping, Route, target_ordinal},
};
use crate::{
    config::mapping::Operation,
    error::{Error, Result},
};

/// What becomes of a change.
enum Mapped {
    /// It is the same at the destination.
    Same,
    /// It is another one there.
    Changed(SchemaChange),
    /// It is none there.
    Nothing,
}

impl Mapping {
    /// What a statement means for the destination; `None` for nothing. Its text is empty where the destination has to make one of its
    /// own.
    ///
    /// # Errors
    /// Definite when it changes what a rule stands on: a column that a filter reads, the rules that a table is under; or when
    /// its effect on the destination is not known.
    pub fn ddl<'a>(&self, ddl: &Ddl<'a>) -> Result<Option<Ddl<'a>>> {
        if self.rules.is_identity() && !self.without_computed {
            return Ok(Some(ddl.clone()));
        }
        let (mut changes, mut same) = (Vec::with_capacity(ddl.changes.len()), true);
        for change in &ddl.changes {
            match self.schema_change(change).map_err(|error| error.at(&ddl.position))? {
                Mapped::Same => changes.push(change.clone()),
                Mapped::Changed(change) => {
                    same = false;
                    changes.push(change);
                }
                Mapped::Nothing => same = false,
            }
        }
        if changes.is_empty() {
            return Ok(None);
        }
        let statement = if same { ddl.statement } else { "" };
        Ok(Some(Ddl { statement, changes, ..ddl.clone() }))
    }

    fn schema_change(&self, change: &SchemaChange) -> Result<Mapped> {
        match change {
            SchemaChange::CreateTable { table, if_not_exists } => self.create(table, *if_not_exists),
            SchemaChange::AlterTable { before, after, columns_from } => {
                self.alter(before, after, columns_from)
            }
            SchemaChange::RenameTable { from, to } => self.rename(from, to),
            // No destination can follow it, so that the names stay the source's.
            SchemaChange::RenamedIn { to, .. } => {
                Ok(if self.carries(to) { Mapped::Same } else { Mapped::Nothing })
            }
            SchemaChange::DropTable { table } => Ok(self.drop_table(table)),
            SchemaChange::CreateDatabase { database } => Ok(self.create_database(database)),
            SchemaChange::DropDatabase { database } => Ok(self.drop_database(database)),
            SchemaChange::RowsUnlogged { table, description } => {
                self.of_table(table, description, |table, description| SchemaChange::RowsUnlogged {
                    table,
                    description,
                })
            }
            SchemaChange::Unknown { table, description } => {
                self.of_table(table, description, |table, description| SchemaChange::Unknown {
                    table,
                    description,
                })
            }
            SchemaChange::Other { table: None, .. } => Ok(Mapped::Same),
            SchemaChange::Other { table: Some(table), description } => Ok(self.other(table, description)),
        }
    }

    /// Whether schema changes of a table are carried.
    fn carries(&self, table: &TableName) -> bool {
        self.selection.includes(table) && self.rules.operations(table).has(Operation::Ddl)
    }

    /// Whether the destination has the table as the source has it.
    fn is_same(&self, table: &TableName) -> bool {
        let decision = self.rules.decide(table);
        self.rules.target(table) == *table
            && decision.columns.is_none()
            && decision.added.is_none()
            && !decision.merge
    }

    fn create(&self, table: &Arc<Table>, if_not_exists: bool) -> Result<Mapped> {
        if !self.carries(&table.name) {
            return Ok(Mapped::Nothing);
        }
        let Some(route) = self.route(table)? else { return Ok(Mapped::Nothing) };
        if Arc::ptr_eq(route.target(), table) && !route.is_merged() {
            return Ok(Mapped::Same);
        }
        let table = Arc::clone(route.target());
        // Another one of the tables that become one may have created it.
        Ok(Mapped::Changed(SchemaChange::CreateTable {
            table,
            if_not_exists: if_not_exists || route.is_merged(),
        }))
    }

    fn alter(&self, before: &Arc<Table>, after: &Arc<Table>, columns_from: &[Option<u16>]) -> Result<Mapped> {
        match (self.carries(&before.name), self.carries(&after.name)) {
            (false, false) => return Ok(Mapped::Nothing),
            (true, false) => return Ok(self.leaves(&before.name, &after.name)),
            (false, true) => return Ok(enters(&before.name, &after.name)),
            (true, true) => {}
        }
        if before.name != after.name {
            self.require_same_rules(&before.name, &after.name)?;
        }
        let old = self.compile(before)?;
        require_filter(&old, before, after, columns_from)?;
        if before.name != after.name {
            self.forget(&before.name);
        }
        let Some(new) = self.route(after)? else { return Ok(Mapped::Nothing) };
        if Arc::ptr_eq(old.target(), before) && Arc::ptr_eq(new.target(), after) {
            return Ok(Mapped::Same);
        }
        if old.target() == new.target() {
            return Ok(Mapped::Nothing);
        }
        let columns_from = projected_from(&old, &new, columns_from)?;
        Ok(Mapped::Changed(SchemaChange::AlterTable {
            before: Arc::clone(old.target()),
            after: Arc::clone(new.target()),
            columns_from,
        }))
    }

    fn rename(&self, from: &TableName, to: &TableName) -> Result<Mapped> {
        match (self.carries(from), self.carries(to)) {
            (false, false) => return Ok(Mapped::Nothing),
            (true, false) => return Ok(self.leaves(from, to)),
            (false, true) => return Ok(enters(from, to)),
            (true, true) => {}
        }
        self.forget(from);
        if self.is_same(from) && self.is_same(to) && self.rules.decide(from) == self.rules.decide(to) {
            return Ok(Mapped::Same);
        }
        self.require_same_rules(from, to)?;
        let (old, new) = (self.rules.target(from), self.rules.target(to));
        if old == new {
            return Ok(Mapped::Nothing);
        }
        Ok(Mapped::Changed(SchemaChange::RenameTable { from: old, to: new }))
    }

    /// A table that gets a name that is not carried stays at the destination as it is.
    fn leaves(&self, from: &TableName, to: &TableName) -> Mapped {
        tracing::warn!(
            from = %from, to = %to, table = %self.rules.target(from),
            "the table got a name that is not carried: the destination's stays as it is"
        );
        self.forget(from);
        Mapped::Nothing
    }

    /// A renamed table keeps its rows, so that the rules about its rows have to be the same ones.
    fn require_same_rules(&self, from: &TableName, to: &TableName) -> Result<()> {
        let (old, new) = (self.rules.decide(from), self.rules.decide(to));
        let added = |name: &TableName| {
            let columns = self.rules.decide(name).added.into_iter().flatten();
            columns
                .map(|(column, added)| (column.clone(), added.value.fill(&name.database, &name.table)))
                .collect::<Vec<_>>()
        };
        if old == new && !old.merge && added(from) == added(to) {
            return Ok(());
        }
        Err(Error::definite(format!(
            "the table is renamed to {to}, for which other rules under [[mapping]] hold, or which is one of several that become one"
        ))
        .on(from)
        .remedy("rename the table back, or copy it again under the new name"))
    }

    fn drop_table(&self, table: &TableName) -> Mapped {
        self.forget(table);
        if !self.carries(table) {
            return Mapped::Nothing;
        }
        let target = self.rules.target(table);
        if self.rules.decide(table).merge {
            tracing::warn!(
                table = %table, destination = %target,
                "one of several tables that become one is dropped: its rows stay at the destination"
            );
            return Mapped::Nothing;
        }
        if target == *table {
            Mapped::Same
        } else {
            Mapped::Changed(SchemaChange::DropTable { table: target })
        }
    }

    fn create_database(&self, database: &str) -> Mapped {
        match self.rules.target_database(database) {
            Some(target) if target == database => Mapped::Same,
            Some(target) => Mapped::Changed(SchemaChange::CreateDatabase { database: target }),
            // It comes with the first of its tables.
            None => Mapped::Nothing,
        }
    }

    /// A database that rules are about may hold tables of others at the destination, so that it is not dropped as a whole.
    fn drop_database(&self, database: &str) -> Mapped {
        if !self.rules.touch_database(database) && self.rules.task_carries(Operation::Ddl) {
            return Mapped::Same;
        }
        tracing::warn!(
            database,
            "the database is dropped at the source; what became of its tables under [[mapping]] stays at the destination"
        );
        Mapped::Nothing
    }

    fn of_table(
        &self,
        table: &TableName,
        description: &str,
        change: impl FnOnce(TableName, String) -> SchemaChange,
    ) -> Result<Mapped> {
        if !self.carries(table) {
            return Ok(Mapped::Nothing);
        }
        if self.is_same(table) && self.rules.decide(table).filter.is_none() {
            return Ok(Mapped::Same);
        }
        if self.rules.decide(table).merge {
            return Err(Error::definite(format!(
                "{description}: what became of the rows is not in the log, and the table is one of several that become one"
            ))
            .on(table)
            .remedy("copy the table again"));
        }
        Ok(Mapped::Changed(change(self.rules.target(table), description.to_owned())))
    }

    fn other(&self, table: &TableName, description: &str) -> Mapped {
        if !self.carries(table) {
            return Mapped::Nothing;
        }
        if self.is_same(table) {
            return Mapped::Same;
        }
        tracing::info!(
            table = %table, what = description,
            "not carried to the destination, where the table is another one: rows are not touched"
        );
        Mapped::Nothing
    }
}

/// A table that is not carried takes a name that is: for the destination as if the source had not read its rows at all.
fn enters(from: &TableName, to: &TableName) -> Mapped {
    Mapped::Changed(SchemaChange::RenamedIn { from: from.clone(), to: to.clone(), table: None })
}

/// A filter that reads other values after the statement would judge rows otherwise than when they were carried.
fn require_filter(old: &Route, before: &Table, after: &Table, columns_from: &[Option<u16>]) -> Result<()> {
    for ordinal in old.filter_columns() {
        let Some(column) = before.columns.get(*ordinal) else { continue };
        let from = columns_from.iter().position(|from| from.map(usize::from) == Some(*ordinal));
        let now = from.and_then(|place| after.columns.get(place));
        let is_same = |now: &Column| {
            now.name.eq_ignore_ascii_case(&column.name)
                && now.column_type == column.column_type
                && now.collation == column.collation
        };
        if !now.is_some_and(is_same) {
            return Err(Error::definite(format!(
                "the statement changes the column {}, which the filter of {} reads",
                column.name,
                old.filter_rule()
            ))
            .on(&before.name)
            .remedy("change the filter so that it fits the new definition, and copy the table again"));
        }
    }
    Ok(())
}

/// For each column of the destination's new definition its place in the former one.
fn projected_from(old: &Route, new: &Route, columns_from: &[Option<u16>]) -> Result<Vec<Option<u16>>> {
    let all: Vec<From> = match new.projection() {
        Some(projection) => projection.cells().to_vec(),
        None => (0..new.target().columns.len()).map(From::Source).collect(),
    };
    let mut places = Vec::with_capacity(all.len());
    for cell in &all {
        let From::Source(ordinal) = cell else {
            places.push(target_ordinal(old, cell));
            continue;
        };
        let Some(source) = columns_from.get(*ordinal).copied().flatten() else {
            places.push(None);
            continue;
        };
        let Some(place) = target_ordinal(old, &From::Source(usize::from(source))) else {
            return Err(Error::definite(
                "the statement gives a column that is left out a name under which it is carried: its values are not at the destination",
            )
            .on(new.source())
            .remedy("leave the column out under its new name too (columns.exclude), or copy the table again"));
        };
        places.push(Some(place));
    }
    Ok(places)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use slackwater_decoders::{position::LogPosition, schema::ColumnType};

    use super::*;
    use crate::config::Task;

    const TASK: &str = r#"
[source]
type = "mysql-files"
directory = "binlogs"
[destination]
type = "sqlite"
path = "shop.db"
[objects]
include = ["shop.orders"]
[[mapping]]
match = "shop.orders"
database = "archive"
table = "${source.table}_archive"
columns = { exclude = ["card"] }
filter = "amount > 10"
operations = ["insert", "update", "ddl"]
"#;

    fn mapping() -> Mapping {
        let task = Task::parse("task.toml".as_ref(), TASK).unwrap();
        Mapping::new(&task.objects, &task.mapping).unwrap()
    }

    fn mapped(changes: Vec<SchemaChange>) -> Vec<SchemaChange> {
        let ddl = Ddl {
            statement: "",
            database: "shop",
            position: LogPosition::Binlog { file: "binlog.000001".into(), offset: 4 },
            time_micros: 0,
            language: slackwater_decoders::event::Language::Mysql { sql_mode: 0 },
            changes,
        };
        mapping().ddl(&ddl).unwrap().map(|ddl| ddl.changes).unwrap_or_default()
    }

    fn rename(from: (&str, &str), to: (&str, &str)) -> SchemaChange {
        SchemaChange::RenameTable { from: TableName::new(from.0, from.1), to: TableName::new(to.0, to.1) }
    }

    #[test]
    fn the_rules_of_a_table_are_those_of_its_online_schema_change() {
        let int = ColumnType::Integer { bytes: 4, unsigned: false };
        let columns = ["id", "amount", "card"].map(|name| Column::new(name, int.clone()));
        let beside = Table {
            name: TableName::new("shop", "_orders_gho"),
            columns: columns.to_vec(),
            primary_key: vec![0],
            unique_keys: Vec::new(),
            indexes: Vec::new(),
            collation: None,
            named: true,
            number: None,
        };
        let route = mapping().route(&Arc::new(beside)).unwrap().unwrap();
        assert_eq!(route.target().name, TableName::new("archive", "_orders_gho"));
        assert_eq!(route.target().columns.len(), 2);
        assert_eq!(route.filter_columns(), [1]);

        let swap = vec![
            rename(("shop", "orders"), ("shop", "_orders_del")),
            rename(("shop", "_orders_gho"), ("shop", "orders")),
        ];
        let there = [
            rename(("archive", "orders_archive"), ("archive", "_orders_del")),
            rename(("archive", "_orders_gho"), ("archive", "orders_archive")),
        ];
        assert_eq!(mapped(swap), there);
    }

    #[test]
    fn a_table_that_is_not_carried_and_takes_a_carried_name_is_told_as_such() {
        let (from, to) = (TableName::new("shop", "staging"), TableName::new("shop", "orders"));
        let renamed_in = SchemaChange::RenamedIn { from, to, table: None };
        assert_eq!(mapped(vec![rename(("shop", "staging"), ("shop", "orders"))]), [renamed_in]);
    }
}
