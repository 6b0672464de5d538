//! Tables in memory that events are applied to.

use std::collections::BTreeMap;

use slackwater_decoders::{
    event::{Event, RowChange, SchemaChange},
    position::LogPosition,
    schema::TableName,
    value::Cell,
};

use crate::text;

type Row = Vec<Option<String>>;

/// Tables by their names.
#[derive(Default)]
pub(crate) struct Model {
    tables: BTreeMap<TableName, Vec<Row>>,
    open: Option<LogPosition>,
    last: Option<LogPosition>,
    rows_of_transaction: u64,
}

impl Model {
    pub(crate) fn apply(&mut self, event: &Event<'_>) {
        match event {
            Event::Begin(begin) => {
                assert!(self.open.is_none());
                assert!(begin.transaction.is_some());
                self.open = Some(begin.position.clone());
                self.rows_of_transaction = 0;
            }
            Event::Commit(commit) => {
                let open = self.open.take().unwrap();
                assert!(open.compare(&commit.position).unwrap().is_lt(), "{open} {}", commit.position);
                if let Some(last) = self.last.replace(commit.position.clone()) {
                    assert!(last.compare(&commit.position).unwrap().is_lt());
                }
            }
            Event::Rows(rows) => {
                assert_eq!(Some(&rows.position), self.open.as_ref());
                // Rows of tables that are not selected count, too.
                assert!(rows.sequence >= self.rows_of_transaction);
                self.rows_of_transaction = rows.sequence + rows.changes.len() as u64;
                let table = self.tables.entry(rows.table.name.clone()).or_default();
                for change in rows.changes {
                    apply(table, change, rows.table.columns.len());
                }
            }
            Event::Truncate(truncate) => self.tables.entry(truncate.table.clone()).or_default().clear(),
            Event::Ddl(ddl) => ddl.changes.iter().for_each(|change| self.change(change)),
            Event::Heartbeat(_) => assert!(self.open.is_none()),
        }
    }

    fn change(&mut self, change: &SchemaChange) {
        match change {
            SchemaChange::CreateTable { table, .. } => {
                assert!(self.tables.insert(table.name.clone(), Vec::new()).is_none());
            }
            SchemaChange::AlterTable { before, after, columns_from } => {
                let rows = self.tables.remove(&before.name).unwrap_or_default();
                let moved = rows.into_iter().map(|row| {
                    let cells =
                        columns_from.iter().map(|from| from.and_then(|from| row[usize::from(from)].clone()));
                    cells.collect()
                });
                self.tables.insert(after.name.clone(), moved.collect());
            }
            SchemaChange::RenameTable { from, to } => {
                let rows = self.tables.remove(from).unwrap();
                self.tables.insert(to.clone(), rows);
            }
            SchemaChange::DropTable { table } => {
                self.tables.remove(table).unwrap();
            }
            SchemaChange::Other { .. } => {}
            other => panic!("{other:?}"),
        }
    }

    /// Compares with what the server printed.
    pub(crate) fn compare(&self, expected: &[(String, Row)], absent: &[&str]) {
        let mut theirs: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
        for (table, row) in expected {
            theirs.entry(table).or_default().push(row);
        }
        for (table, rows) in &theirs {
            if absent.contains(table) {
                continue;
            }
            let mut ours = self.tables[&TableName::new("app", *table)].clone();
            for row in rows {
                let is_same = |ours: &Row| {
                    ours.iter().zip(*row).all(|(ours, row)| text::same(ours.as_deref(), row.as_deref()))
                };
                match ours.iter().position(is_same) {
                    Some(place) => drop(ours.swap_remove(place)),
                    None => panic!("{table}: no {row:?} in {ours:?}"),
                }
            }
            assert!(ours.is_empty(), "{table}: {ours:?}");
        }
    }
}

fn apply(table: &mut Vec<Row>, change: &RowChange<'_>, columns: usize) {
    let printed = |cell: &Cell<'_>| match cell {
        // A generated column, which the stream does not have.
        Cell::Absent => Some(text::ANY.to_owned()),
        _ => text::print(&cell.value().expect("a value")),
    };
    let found = change.before().map(|before| {
        let is_same = |row: &Row| {
            before
                .iter()
                .zip(row)
                .all(|(cell, text)| cell.value().is_none_or(|value| text::print(&value) == *text))
        };
        assert!(before.iter().any(|cell| cell.value().is_some()));
        assert_eq!(before.len(), columns);
        table.iter().position(is_same).unwrap_or_else(|| panic!("no row for {before:?}"))
    });
    match (found, change.after()) {
        (Some(place), None) => drop(table.remove(place)),
        (None, Some(after)) => table.push(after.iter().map(printed).collect()),
        (Some(place), Some(after)) => {
            for (old, cell) in table[place].iter_mut().zip(after) {
                if *cell != Cell::Unchanged {
                    *old = printed(cell);
                }
            }
        }
        (None, None) => panic!("a change without a row"),
    }
}
